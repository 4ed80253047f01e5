"""What is shown of a unit beside what was decided."""

from .battery import UnitSpec
from .model import UnitInputs, UnitStatus
from .state import UnitState


def above_reserve_kwh(unit: UnitState, spec: UnitSpec) -> float | None:
    """Return what everyday use may still take, None while the charge is not known."""
    if unit.stored_kwh is None:
        return None
    reserve_kwh = spec.capacity_kwh * unit.reserve_percent / 100.0
    return max(0.0, unit.stored_kwh - reserve_kwh)


def status_of(known: UnitInputs, now_s: float) -> UnitStatus | None:
    """Return what the unit is doing, None where it does not tell."""
    reading = known.reading
    if reading is None or not reading.fresh(now_s):
        return UnitStatus.UNREACHABLE
    if reading.islanding:
        return UnitStatus.ISLANDING
    if reading.status is not None:
        return reading.status
    if reading.connected is False:
        return UnitStatus.DISCONNECTED
    if reading.power_w is None:
        return None
    if reading.power_w:
        return UnitStatus.DISCHARGING if reading.power_w > 0.0 else UnitStatus.CHARGING
    return UnitStatus.IDLE
