"""Frames of ECHONET Lite: bytes to messages and back."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from pyhems import EOJ, Frame, Property

# We speak as a controller; devices answer to this object at the sender's address.
CONTROLLER: Final = 0x05FF01
NODE_PROFILE: Final = 0x0EF001

MAP_BYTES: Final = 17


class FrameError(ValueError):
    """These bytes are not a frame that we can use."""


class Service(IntEnum):
    """What a frame asks for or answers."""

    SETI_SNA = 0x50
    SETC_SNA = 0x51
    GET_SNA = 0x52
    INF_SNA = 0x53
    SETI = 0x60
    SETC = 0x61
    GET = 0x62
    INF_REQ = 0x63
    SET_RES = 0x71
    GET_RES = 0x72
    INF = 0x73
    INFC = 0x74
    INFC_RES = 0x7A


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One frame: who says what to whom, with properties in their order."""

    tid: int
    source: int
    target: int
    service: Service
    properties: tuple[tuple[int, bytes], ...] = ()


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    return Frame(
        tid=message.tid,
        seoj=EOJ(message.source),
        deoj=EOJ(message.target),
        # Up to some 0.8 the library took numbers here, later an enum of its own; what
        # goes on the wire is the number.
        esv=message.service,  # type: ignore[arg-type]
        properties=[Property(epc=epc, edt=edt) for epc, edt in message.properties],
    ).encode()


def decode(data: bytes) -> Message:
    """Return the message in a datagram; raise FrameError."""
    try:
        frame = Frame.decode(data)
        again = frame.encode()
        service = Service(frame.esv)
    except (ValueError, IndexError) as err:
        raise FrameError(str(err)) from err
    # The library takes what is left of a truncated property for the whole of it.
    if not data.startswith(again):
        raise FrameError("truncated property")
    return Message(
        tid=frame.tid,
        source=int(frame.seoj),
        target=int(frame.deoj),
        service=service,
        properties=tuple((prop.epc, prop.edt) for prop in frame.properties),
    )


def class_code(eoj: int) -> int:
    """Return the class of an object."""
    return eoj >> 8


def decode_map(edt: bytes) -> frozenset[int] | None:
    """Return the properties that a property map lists, None where it is malformed.

    Up to 15 are listed one by one; more are bits: byte i stands for low nibble i, bit j
    for high nibble 8 + j.
    """
    if not edt:
        return None
    if len(edt) == MAP_BYTES:
        return frozenset(
            ((high + 8) << 4) | low
            for low, bits in enumerate(edt[1:])
            for high in range(8)
            if bits >> high & 1
        )
    if edt[0] >= 16 or len(edt) != 1 + edt[0]:
        return None
    return frozenset(epc for epc in edt[1:] if epc >= 0x80)


def encode_map(epcs: Iterable[int]) -> bytes:
    """Return the property map of these properties."""
    listed = sorted(set(epcs))
    if len(listed) < 16:
        return bytes([len(listed), *listed])
    bits = bytearray(16)
    for epc in listed:
        bits[epc & 0x0F] |= 1 << ((epc >> 4) - 8)
    return bytes([len(listed), *bits])


def decode_instances(edt: bytes) -> tuple[int, ...]:
    """Return the objects of an instance list, as far as it goes."""
    if not edt:
        return ()
    return tuple(
        int.from_bytes(edt[start : start + 3])
        for start in range(1, min(len(edt) - 2, 1 + 3 * edt[0]), 3)
    )


def decode_text(edt: bytes | None) -> str | None:
    """Return a product code or serial number, None where there is none."""
    if not edt:
        return None
    text = edt.rstrip(b"\x00 ").decode("ascii", "replace").strip()
    return text if text and text.isprintable() else None
