"""Bytes and messages: the vectors of real devices, and anything at all."""

import random

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.units.echonet_lite.device import decode_number
from custom_components.leaf_to_home.units.echonet_lite.frames import (
    CONTROLLER,
    FrameError,
    Message,
    Service,
    decode,
    decode_instances,
    decode_map,
    decode_text,
    encode,
    encode_map,
)

from .emulator import property_map


def epcs(text: str) -> frozenset[int]:
    """Return the properties of a list like `80 A0-A2`."""
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found |= set(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(found)


# What a storage battery behind a real gateway answered to Get 9F.
GATEWAY = bytes.fromhex("10810001027D1F05FF0172019F11") + bytes.fromhex(
    "40A595D5A7C4C4C5869795A7E471339392"
)
GATEWAY_LISTED = (
    "80-83 86 88-8A 8C-8E 93 97-98 9A 9D-AB C1-C2 C8-C9 CC-D0 D3 DA-DD E2 E4-E6 EB-EC "
    "F0-FB FE-FF"
)
MAPS = [
    (
        "40A595D5A7C4C4C5869795A7E471339392",
        GATEWAY_LISTED,
        64,
    ),
    (
        "2005155545440440021714252400020212",
        "80-83 88 8A 97-98 9D-9F A0-A5 A8-AB C1-C2 C8-C9 CF DA-DB E2-E4 E6",
        32,
    ),
    (
        "1101410100014100100100212020220202",
        "80-82 84-85 88 8A 9D-9F C7 DA-DD E1 E5",
        17,
    ),
    ("05808188DAC7", "80 81 88 C7 DA", 5),
    ("00", "", 0),
]


def test_real_capture() -> None:
    message = decode(GATEWAY)
    assert message == Message(
        tid=1,
        source=0x027D1F,
        target=CONTROLLER,
        service=Service.GET_RES,
        properties=((0x9F, GATEWAY[-17:]),),
    )
    listed = decode_map(message.properties[0][1])
    assert listed is not None
    assert len(listed) == 64
    assert encode(message) == GATEWAY


@pytest.mark.parametrize(("edt", "listed", "count"), MAPS)
def test_property_maps(edt: str, listed: str, count: int) -> None:
    decoded = decode_map(bytes.fromhex(edt))
    assert decoded == epcs(listed)
    assert len(decoded) == count
    if count >= 16:
        assert encode_map(decoded) == bytes.fromhex(edt)


@pytest.mark.parametrize("edt", ["", "05808188", "10", "1180", "03808182838485"])
def test_malformed_maps(edt: str) -> None:
    assert decode_map(bytes.fromhex(edt)) is None


@given(st.sets(st.integers(0x80, 0xFF)))
def test_maps_come_back(listed: set[int]) -> None:
    assert decode_map(encode_map(listed)) == frozenset(listed)
    assert encode_map(listed) == property_map(listed)


@pytest.mark.parametrize(
    ("edt", "instances"),
    [
        ("", ()),
        ("00", ()),
        ("01027e01", (0x027E01,)),
        ("02027e01028701", (0x027E01, 0x028701)),
        # It promises two and breaks off.
        ("02027e010287", (0x027E01,)),
        ("01027e01ffffff", (0x027E01,)),
    ],
)
def test_instance_lists(edt: str, instances: tuple[int, ...]) -> None:
    assert decode_instances(bytes.fromhex(edt)) == instances


@pytest.mark.parametrize(
    ("data", "properties"),
    [
        ("1081000105ff010ef0016201d600", ((0xD6, b""),)),
        (
            "10810003027e0105ff015203e40132d30400000000d400",
            ((0xE4, b"\x32"), (0xD3, bytes(4)), (0xD4, b"")),
        ),
        # Some pad their datagrams.
        ("10810004027e0105ff017101da000000", ((0xDA, b""),)),
    ],
)
def test_frames(data: str, properties: tuple[tuple[int, bytes], ...]) -> None:
    assert decode(bytes.fromhex(data)).properties == properties


@pytest.mark.parametrize(
    "data",
    [
        "",
        "1081",
        "1082000105ff010ef0016201d600",
        "2081000105ff010ef0016201d600",
        # An unknown service.
        "1081000105ff010ef0019901d600",
        # Fewer properties than it says.
        "1081000105ff010ef0016202d600",
        # A property without its length, one that is cut off.
        "10810003027e0105ff017201e4",
        "10810003027e0105ff017201d3040000",
    ],
)
def test_what_is_no_frame(data: str) -> None:
    with pytest.raises(FrameError):
        decode(bytes.fromhex(data))


@given(
    st.builds(
        Message,
        tid=st.integers(0, 0xFFFF),
        source=st.integers(0, 0xFFFFFF),
        target=st.integers(0, 0xFFFFFF),
        service=st.sampled_from(Service),
        properties=st.lists(
            st.tuples(st.integers(0, 0xFF), st.binary(max_size=64)), max_size=12
        ).map(tuple),
    )
)
def test_messages_come_back(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    _use(data)


def test_a_hundred_thousand_broken_frames() -> None:
    """Real frames with a few bytes changed, cut off, put in or left out."""
    chance = random.Random(1)
    good = [
        GATEWAY,
        bytes.fromhex("10810003027e0105ff015203e40132d30400000000d400"),
        bytes.fromhex("10810000027e010ef0017302da0142c70143"),
        bytes.fromhex("108100000ef0010ef0017301d50401027e01"),
        bytes.fromhex("10810007028801" + "05ff017201e7047ffffffe"),
    ]
    frames = 0
    for number in range(100_000):
        data = bytearray(good[number % len(good)])
        for _ in range(chance.randrange(4)):
            where = chance.randrange(len(data)) if data else 0
            match chance.randrange(4):
                case 0 if data:
                    data[where] = chance.randrange(256)
                case 1:
                    data.insert(where, chance.randrange(256))
                case 2 if data:
                    del data[where]
                case _:
                    del data[where:]
        frames += _use(bytes(data))
    # Enough of them were frames for the test to mean something.
    assert frames > 20_000


def _use(data: bytes) -> int:
    """Do with some bytes what the driver does."""
    try:
        message = decode(data)
    except FrameError:
        return 0
    for epc, edt in message.properties:
        decode_map(edt)
        decode_instances(edt)
        decode_text(edt)
        for code in (0x027E, 0x027D, 0x0287, 0x0288, 0x0279, 0x02A5):
            value = decode_number(code, epc, edt)
            assert value is None or abs(value) <= 0xFFFFFFFF
    return 1


@pytest.mark.parametrize(
    ("code", "epc", "edt", "value"),
    [
        (0x027E, 0xD3, "fffff448", -3000.0),
        (0x027E, 0xD3, "00000bb8", 3000.0),
        (0x027E, 0xE4, "32", 50.0),
        # Out of the standard's range, and of other lengths.
        (0x027E, 0xE4, "ff", None),
        (0x027E, 0xE4, "0032", None),
        (0x027E, 0xD3, "0bb8", None),
        (0x027E, 0xD3, "00000bb800", None),
        (0x027E, 0xE2, "ffffffff", None),
        (0x027E, 0xD8, "000003e8", 1.0),
        (0x027D, 0xA8, "0012d450", 1234.0),
        (0x0288, 0xE7, "fffffe0c", -500.0),
        # Not measured.
        (0x0288, 0xE7, "7ffffffe", None),
        (0x0287, 0xC6, "7ffffffe", None),
        (0x0279, 0xE0, "05dc", 1500.0),
        (0x027E, 0xE6, "04", None),
        (0x1234, 0xE4, "32", None),
    ],
)
def test_numbers(code: int, epc: int, edt: str, value: float | None) -> None:
    assert decode_number(code, epc, bytes.fromhex(edt)) == value


@pytest.mark.parametrize(
    ("edt", "text"),
    [
        (None, None),
        (b"", None),
        (b"VCG-666CN7\x00\x00", "VCG-666CN7"),
        (b"A B C       ", "A B C"),
        (b"\x00" * 12, None),
        (b"\x01\x02", None),
    ],
)
def test_texts(edt: bytes | None, text: str | None) -> None:
    assert decode_text(edt) == text
