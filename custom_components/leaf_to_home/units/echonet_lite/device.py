"""One device object of a node: its property maps and the values that it told."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Final

from pyhems import NumericCodec, get_codec_for_epc

from .frames import class_code, decode_map, decode_text
from .link import Link, NoAnswer

VERSION: Final = 0x82
IDENTIFICATION: Final = 0x83
MAKER: Final = 0x8A
PRODUCT: Final = 0x8C
SERIAL: Final = 0x8D
INF_MAP: Final = 0x9D
SET_MAP: Final = 0x9E
GET_MAP: Final = 0x9F


class DeviceObject:
    """Keeps what an object said, and when; what it cannot answer now is unknown."""

    def __init__(self, link: Link, eoj: int, *, brief: bool = False) -> None:
        self.link = link
        self.eoj = eoj
        # It stands beside something more important that waits for the same node.
        self._brief = brief
        # None: the object did not say what it has.
        self.get_map: frozenset[int] | None = None
        self.set_map: frozenset[int] = frozenset()
        self.inf_map: frozenset[int] = frozenset()
        self._values: dict[int, tuple[bytes, float]] = {}

    @property
    def code(self) -> int:
        """Return the class."""
        return class_code(self.eoj)

    @property
    def release(self) -> str | None:
        """Return the release letter of the standard that it follows."""
        edt = self.raw(VERSION)
        if edt is None or len(edt) < 3:
            return None
        letter = chr(edt[2])
        return letter if "A" <= letter <= "Z" else None

    def readable(self, epc: int) -> bool:
        """Return whether a property may be asked for."""
        return self.get_map is None or epc in self.get_map

    def writable(self, *epcs: int) -> bool:
        """Return whether all these properties may be written."""
        return self.set_map.issuperset(epcs)

    async def load_maps(self) -> None:
        """Ask what the object has and what it is; raise NoAnswer."""
        self._values.clear()
        # The one that matters alone, in case the others are too many at once.
        with suppress(NoAnswer):
            self.take(await self._get((GET_MAP,)))
        self.take(await self._get((MAKER, VERSION)))
        self.take(await self._get((SET_MAP, INF_MAP, PRODUCT, SERIAL)))
        self.get_map = decode_map(self.raw(GET_MAP) or b"")
        self.set_map = decode_map(self.raw(SET_MAP) or b"") or frozenset()
        self.inf_map = decode_map(self.raw(INF_MAP) or b"") or frozenset()

    async def refresh(self, epcs: Iterable[int]) -> None:
        """Ask for those of the properties that the object has; raise NoAnswer."""
        wanted = [epc for epc in epcs if self.readable(epc)]
        if wanted:
            answered = await self._get(wanted)
            self.take({epc: answered.get(epc, b"") for epc in wanted})

    def take(self, values: Mapping[int, bytes]) -> None:
        """Keep values that were answered or announced."""
        now_s = asyncio.get_running_loop().time()
        for epc, edt in values.items():
            self._values[epc] = (edt, now_s)

    def forget(self, epcs: Iterable[int]) -> None:
        """Take values for unknown until they are told again."""
        for epc in epcs:
            self._values.pop(epc, None)

    async def write(self, epc: int, edt: bytes) -> bool | None:
        """Write one property; True: taken, False: refused, None: no answer."""
        self.forget((epc,))
        taken = await self.link.set(self.eoj, epc, edt)
        if taken:
            # Until it is read back.
            self.take({epc: edt})
        return taken

    async def _get(self, epcs: Iterable[int]) -> dict[int, bytes]:
        return await self.link.get(self.eoj, epcs, brief=self._brief)

    def values(self) -> dict[int, bytes]:
        """Return all that is known."""
        return {epc: edt for epc, (edt, _) in self._values.items() if edt}

    def raw(self, epc: int) -> bytes | None:
        """Return the bytes of a value, None where it is unknown."""
        edt, _ = self._values.get(epc, (b"", 0.0))
        return edt or None

    def told_s(self, epc: int) -> float | None:
        """Return when a known value was told, on the loop's clock."""
        edt, told_s = self._values.get(epc, (b"", 0.0))
        return told_s if edt else None

    def byte(self, epc: int) -> int | None:
        """Return a value of one byte."""
        edt = self.raw(epc)
        return edt[0] if edt is not None and len(edt) == 1 else None

    def text(self, epc: int) -> str | None:
        """Return a value in letters."""
        return decode_text(self.raw(epc))

    def number(self, epc: int) -> float | None:
        """Return a number in the unit of the standard, None where it makes no sense."""
        return decode_number(self.code, epc, self.raw(epc))

    def pair(self, epc: int) -> tuple[float, float] | None:
        """Return a lowest and a highest value."""
        edt = self.raw(epc) or b""
        half = len(edt) // 2
        low = decode_number(self.code, epc, edt[:half])
        high = decode_number(self.code, epc, edt[half:])
        return None if low is None or high is None else (low, high)

    def first_number(self, epcs: Iterable[int]) -> float | None:
        """Return the first of several numbers that is known."""
        for epc in epcs:
            value = self.number(epc)
            if value is not None:
                return value
        return None


def decode_number(code: int, epc: int, edt: bytes | None) -> float | None:
    """Return the number in some bytes; any other length than the right one is wrong."""
    codec = _codec(code, epc)
    if codec is None or not edt or len(edt) != _size(codec):
        return None
    value = codec.decode(edt)
    return None if value is None else float(value)


@cache
def _codec(code: int, epc: int) -> NumericCodec | None:
    try:
        codec = get_codec_for_epc(code, epc)
    except LookupError, ValueError:
        return None
    return codec if isinstance(codec, NumericCodec) else None


def _size(codec: NumericCodec) -> int:
    """Return the bytes of a format like `uint32`."""
    return int(codec.mra_format.removeprefix("u").removeprefix("int")) // 8
