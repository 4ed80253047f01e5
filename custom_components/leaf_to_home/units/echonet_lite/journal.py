"""What a report of an owner needs: maps, values and the frames of the last minutes."""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from .device import IDENTIFICATION, SERIAL, DeviceObject
from .endpoint import LOG_LINES, FrameNote
from .frames import FrameError, class_code, decode
from .ports import GROUP

LOG_S: Final = 300.0
REDACTED: Final = "**"

# What names one device, one car, one contract, or a place: by class, 0 for all.
_PRIVATE: Final = {
    0x0000: {0x81, IDENTIFICATION, SERIAL, 0x93, 0xBF},
    0x027E: {0xE6},
    0x0288: {0xC0},
}


def private(code: int, epc: int) -> bool:
    """Return whether a value must not be shown."""
    return epc in _PRIVATE[0] or epc in _PRIVATE.get(code, ())


class Journal:
    """What a unit has seen of its nodes, also in connections that are lost by now."""

    def __init__(self) -> None:
        self._objects: list[dict[str, Any]] = []
        self._notes: deque[FrameNote] = deque(maxlen=LOG_LINES)
        # By address. A report names no address.
        self._names: dict[str, str] = {GROUP: "all"}

    def keep(
        self,
        objects: Iterable[DeviceObject],
        notes: Iterable[FrameNote],
        addresses: Iterable[str],
    ) -> None:
        """Keep what is new since the last time."""
        self._objects = [property_table(device) for device in objects] or self._objects
        for address in addresses:
            self._names.setdefault(address, f"node {len(self._names)}")
        kept_s = self._notes[-1].time_s if self._notes else 0.0
        self._notes += (
            note
            for note in list(notes)
            if note.time_s > kept_s and note.address in self._names
        )

    def report(self, now_s: float) -> dict[str, Any]:
        """Return maps, values, and the frames of the last minutes."""
        return {
            "objects": self._objects,
            "frames": [
                f"-{now_s - note.time_s:.2f} {note.direction} "
                f"{self._names[note.address]} {_frame(note.data)}"
                for note in self._notes
                if now_s - note.time_s <= LOG_S
            ],
        }


def property_table(device: DeviceObject) -> dict[str, Any]:
    """Return the maps and values of an object."""
    return {
        "eoj": f"{device.eoj:06X}",
        "release": device.release,
        "get": _listed(device.get_map),
        "set": _listed(device.set_map),
        "inf": _listed(device.inf_map),
        "at_once": device.link.most(device.eoj),
        "values": {
            f"{epc:02X}": REDACTED if private(device.code, epc) else edt.hex()
            for epc, edt in sorted(device.values().items())
        },
    }


def _listed(epcs: frozenset[int] | None) -> str | None:
    return None if epcs is None else " ".join(f"{epc:02X}" for epc in sorted(epcs))


def _frame(data: bytes) -> str:
    try:
        message = decode(data)
    except FrameError as err:
        # Its bytes cannot be told apart, so none of them is shown.
        return f"{len(data)} bytes: {err}"
    codes = {class_code(message.source), class_code(message.target)}
    shown = [
        f"{epc:02X}="
        + (
            REDACTED * len(edt)
            if any(private(code, epc) for code in codes)
            else edt.hex()
        )
        for epc, edt in message.properties
    ]
    head = f"{message.tid:04X} {message.source:06X}>{message.target:06X}"
    return f"{head} {message.service:02X} {' '.join(shown)}"
