"""What a report of an owner needs: maps, values and the frames of the last minutes."""

from collections.abc import Iterable
from typing import Any, Final

from .device import IDENTIFICATION, SERIAL, DeviceObject
from .endpoint import FrameNote
from .frames import FrameError, class_code, decode
from .link import Link

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


def property_table(device: DeviceObject, link: Link) -> dict[str, Any]:
    """Return the maps and values of an object."""
    return {
        "eoj": f"{device.eoj:06X}",
        "release": device.release,
        "get": _listed(device.get_map),
        "set": _listed(device.set_map),
        "inf": _listed(device.inf_map),
        "at_once": link.most(device.eoj),
        "values": {
            f"{epc:02X}": REDACTED if private(device.code, epc) else edt.hex()
            for epc, edt in sorted(device.values().items())
        },
    }


def frame_log(
    notes: Iterable[FrameNote], addresses: Iterable[str], now_s: float
) -> list[str]:
    """Return the frames to and from some nodes, as seconds ago, direction and bytes."""
    names: dict[str, str] = {}
    for address in addresses:
        names.setdefault(address, f"node {len(names) + 1}")
    return [
        f"-{now_s - note.time_s:.2f} {note.direction} {name} {_frame(note.data)}"
        for note in notes
        if now_s - note.time_s <= LOG_S
        if (name := names.get(note.address)) is not None
    ]


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
