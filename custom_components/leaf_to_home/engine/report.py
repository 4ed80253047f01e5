"""What is shown of a unit beside its decision."""

from typing import Any

from .model import UnitDecision, UnitInputs, UnitStatus
from .soc import soc_percent
from .state import UnitState


def report(
    unit: UnitState, known: UnitInputs, now_s: float, **decided: Any
) -> UnitDecision:
    """Return what was decided, with what the unit does and holds."""
    above_kwh = None
    if unit.stored_kwh is not None:
        reserve_kwh = known.spec.capacity_kwh * unit.settings.reserve_percent / 100.0
        above_kwh = max(0.0, unit.stored_kwh - reserve_kwh)
    return UnitDecision(
        status=_status(known, now_s),
        soc_percent=soc_percent(unit, known.spec),
        stored_kwh=unit.stored_kwh,
        above_reserve_kwh=above_kwh,
        **decided,
    )


def _status(known: UnitInputs, now_s: float) -> UnitStatus:
    reading = known.reading
    if reading is None or not reading.fresh(now_s):
        return UnitStatus.UNREACHABLE
    if reading.islanding:
        return UnitStatus.ISLANDING
    if reading.status is not None:
        return reading.status
    if reading.connected is False:
        return UnitStatus.DISCONNECTED
    if reading.power_w:
        return UnitStatus.DISCHARGING if reading.power_w > 0.0 else UnitStatus.CHARGING
    return UnitStatus.IDLE
