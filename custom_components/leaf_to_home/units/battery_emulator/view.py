"""What an emulator and its batteries say together."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import re
from typing import Final

from ..pack import Balancing, PackCondition, PackFault, PackView
from .messages import EmulatorEvent, Info, Pack

EVENTS_KEPT: Final = 20
# Less than this may be a current sensor's noise.
FLOWS_W: Final = 100.0
ERROR: Final = "ERROR"
WARNING: Final = "WARNING"

_PAUSES: Final = {
    "PAUSING": PackCondition.PAUSING,
    "PAUSED": PackCondition.PAUSED,
    "RESUMING": PackCondition.RESUMING,
    "UNKNOWN": PackCondition.STANDBY,
}
_STATUSES: Final = {
    "FAULT": PackCondition.FAULT,
    "UPDATING": PackCondition.UPDATING,
    "STANDBY": PackCondition.STANDBY,
    "INACTIVE": PackCondition.STANDBY,
    "UNKNOWN": PackCondition.STANDBY,
}
# Events after which no current can flow until the contactors are closed again.
_OPEN: Final = {
    "EQUIPMENT_STOP",
    "CONTACTOR_OPEN",
    "ERROR_OPEN_CONTACTOR",
    "BYD_CONTACTOR_FORCE_OPEN",
}
# The first pattern that is found in an event's name says what it is about.
_FAULTS: Final[Mapping[str, PackFault]] = {
    r"^CAN_BATTERY_MISSING": PackFault.BATTERY_MISSING,
    r"INVERTER_MISSING": PackFault.INVERTER_MISSING,
    r"^EQUIPMENT_STOP": PackFault.EMERGENCY_STOP,
    r"CONTACTOR|PRECHARGE|INTERNAL_OPEN": PackFault.CONTACTOR,
    r"^THERMAL_RUNAWAY": PackFault.THERMAL_RUNAWAY,
    r"OVERHEAT": PackFault.OVERHEATED,
    r"FROZEN": PackFault.FROZEN,
    r"TEMP_DEVIATION": PackFault.TEMPERATURE_SPREAD,
    r"OVER_?VOLTAGE": PackFault.OVERVOLTAGE,
    r"UNDER_?VOLTAGE": PackFault.UNDERVOLTAGE,
    r"CELL_DEVIATION|VOLTAGE_DIFFERENCE": PackFault.CELL_SPREAD,
    r"ISOLATION": PackFault.INSULATION,
    r"^HVIL": PackFault.INTERLOCK,
    r"FUSE": PackFault.FUSE,
    r"^WATER": PackFault.WATER,
    r"STOP_REQ": PackFault.STOP_REQUESTED,
    r"CAUTION": PackFault.CAUTION,
    r"LIMIT_EXCEEDED": PackFault.LIMIT_EXCEEDED,
    r"^SOH_": PackFault.WORN_OUT,
    r"^SOC_|^KWH_|SOC_RE": PackFault.STATE_OF_CHARGE,
    r"STALE_VALUE|VALUE_UNAVAILABLE": PackFault.STALE_VALUE,
    r"^12V": PackFault.LOW_12V,
    r"^CAN|^SERIAL|^INTERFACE": PackFault.COMMUNICATION,
}


class Emulator:
    """What was heard of one emulator, and what follows from it."""

    def __init__(self) -> None:
        self.info: Info | None = None
        self.restarts = 0
        self.events: deque[EmulatorEvent] = deque(maxlen=EVENTS_KEPT)
        self._heard_s: float | None = None

    def hear(self, info: Info, now_s: float) -> None:
        """Take in a message, and notice that the emulator has started anew."""
        before = self.info
        if (
            before is not None
            and self._heard_s is not None
            and info.uptime_s is not None
            and before.uptime_s is not None
            and info.uptime_s < before.uptime_s
            # Two devices with one name take turns; neither of them has just started.
            and info.uptime_s <= now_s - self._heard_s + 10.0
        ):
            self.restarts += 1
            self.events.clear()
        self.info = info
        self._heard_s = now_s

    def view(self) -> PackView:
        """Return what is going on; what is not heard any more is the caller's."""
        info = self.info
        if info is None:
            return PackView(condition=PackCondition.SILENT)
        fault = self._fault(info)
        return PackView(
            condition=self._condition(info),
            fault=fault,
            balancing=_balancing(info.pack),
        )

    def fault_code(self) -> str | None:
        """Return the emulator's own name of what stopped it."""
        info = self.info
        if info is None or not _failed(info):
            return None
        event = self._cause(info)
        return "fault" if event is None else event.code.lower()

    def _condition(self, info: Info) -> PackCondition:
        event = self._cause(info)
        if event is not None and event.code in _OPEN and not _flows(info.pack):
            return PackCondition.CONTACTORS_OPEN
        if _failed(info):
            return PackCondition.FAULT
        if info.pack is None:
            return PackCondition.NO_BATTERY
        stopped = _STATUSES.get(info.bms or "") or _PAUSES.get(info.pause or "")
        return stopped or PackCondition.RUNNING

    def _fault(self, info: Info) -> PackFault | None:
        """Return what is complained about; events tell when it began, not its end."""
        if not _failed(info) and info.status != WARNING:
            return PackFault.NONE
        event = self._cause(info)
        return None if event is None else fault_of(event)

    def _cause(self, info: Info) -> EmulatorEvent | None:
        """Return the latest event that explains what the emulator is at."""
        severity = ERROR if _failed(info) else info.status
        return next(
            (event for event in reversed(self.events) if event.severity == severity),
            None,
        )


def _failed(info: Info) -> bool:
    return info.bms == "FAULT" or info.status == ERROR


def _flows(pack: Pack | None) -> bool:
    """Return whether a current proves that the contactors are closed."""
    return pack is not None and abs(pack.power_w or 0.0) > FLOWS_W


def fault_of(event: EmulatorEvent) -> PackFault:
    """Return what an event is about, whichever of the batteries it names."""
    code = re.sub(r"BATTERY[23](?=_|$)", "BATTERY", event.code)
    return next(
        (fault for pattern, fault in _FAULTS.items() if re.search(pattern, code)),
        PackFault.OTHER,
    )


def _balancing(pack: Pack | None) -> Balancing | None:
    word = (pack.balancing or "").lower() if pack is not None else ""
    return Balancing(word) if word in Balancing else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """Several batteries side by side behind one emulator, as if they were one."""

    soc_percent: float | None
    soh_percent: float | None
    power_w: float | None
    voltage_v: float | None
    cell_min_mv: float | None
    cell_max_mv: float | None
    temperature_min_c: float | None
    temperature_max_c: float | None
    max_charge_w: float | None
    max_discharge_w: float | None


def together(packs: list[Pack]) -> Together:
    """Return the batteries as one; the limits are those that the first one is given.

    The emulator has lowered those to what the weakest battery bears.
    """
    first = packs[0]
    return Together(
        soc_percent=_mean_soc(packs),
        soh_percent=_least(pack.soh_percent for pack in packs),
        power_w=_sum(pack.power_w for pack in packs),
        voltage_v=first.voltage_v,
        cell_min_mv=_least(pack.cell_min_mv for pack in packs),
        cell_max_mv=_most(pack.cell_max_mv for pack in packs),
        temperature_min_c=_least(pack.temperature_min_c for pack in packs),
        temperature_max_c=_most(pack.temperature_max_c for pack in packs),
        max_charge_w=first.max_charge_w,
        max_discharge_w=first.max_discharge_w,
    )


def _mean_soc(packs: list[Pack]) -> float | None:
    """Return the state of charge of all, by capacity where that is known of all."""
    socs = [pack.soc_percent for pack in packs]
    known = [soc for soc in socs if soc is not None]
    if len(known) < len(packs):
        return None
    capacities = [pack.capacity_wh for pack in packs]
    weights = [capacity for capacity in capacities if capacity is not None]
    if len(weights) < len(packs):
        weights = [1.0] * len(packs)
    total = sum(soc * weight for soc, weight in zip(known, weights, strict=True))
    return total / sum(weights)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _least(values: Iterable[float | None]) -> float | None:
    return min(_known(values), default=None)


def _most(values: Iterable[float | None]) -> float | None:
    return max(_known(values), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    """Return the sum, None where one of them is not known."""
    numbers = list(values)
    known = _known(numbers)
    return sum(known) if len(known) == len(numbers) else None
