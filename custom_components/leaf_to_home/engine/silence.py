"""Why nothing is said to a unit now, whatever anybody wants of it."""

from collections.abc import Callable
from typing import Final

from .guard import islands, may_island_unseen
from .model import Guard, IntentKind, Reason, ReasonCode, UnitInputs, UnitStatus
from .state import HomeState, UnitState
from .vehicles import nobodys

# A mode set on the station itself is left alone this long.
ELSEWHERE_S: Final = 1800.0
GUARD_REASONS: Final = {
    Guard.METER_LOST: ReasonCode.GUARD_METER_LOST,
    Guard.OUTAGE_SUSPECTED: ReasonCode.GUARD_OUTAGE_SUSPECTED,
    Guard.ISLANDING: ReasonCode.GUARD_ISLANDING,
}
SILENT_STATUS: Final = {
    UnitStatus.NOT_CONTROLLABLE: ReasonCode.NOT_CONTROLLABLE,
    UnitStatus.FAULT: ReasonCode.FAULT,
    UnitStatus.FORCED_CHARGE: ReasonCode.FORCED_CHARGE,
    UnitStatus.DISCONNECTED: ReasonCode.DISCONNECTED,
}


def silence(
    state: HomeState,
    unit: UnitState,
    known: UnitInputs,
    now_s: float,
    *,
    off: bool,
    intent: Callable[[], IntentKind],
) -> Reason | None:
    """Return why nothing may be said to the unit, if so.

    `off`: it is only to be idled once; `intent` tells what it would be told else.
    """
    reading = known.reading
    if reading is None or not reading.fresh(now_s):
        return Reason(code=ReasonCode.NO_READING)
    if state.guard is not Guard.CLEAR:
        return Reason(code=GUARD_REASONS[state.guard])
    if known.backup.sockets_only and islands(state, unit, reading, now_s):
        return Reason(code=ReasonCode.GUARD_ISLANDING)
    if state.lost_s is not None and may_island_unseen(known):
        return Reason(code=ReasonCode.GUARD_METER_LOST)
    if reading.status in SILENT_STATUS:
        return Reason(code=SILENT_STATUS[reading.status])
    if reading.connected is False:
        return Reason(code=ReasonCode.DISCONNECTED)
    if not off and nobodys(unit, known):
        return Reason(code=ReasonCode.VEHICLE_UNKNOWN)
    if not reading.changed_elsewhere:
        unit.elsewhere_since_s = None
    elif not off and _respected(unit, now_s, intent):
        return Reason(code=ReasonCode.CHANGED_ELSEWHERE)
    if unit.stored_kwh is None and not off and not known.capabilities.switched:
        # One that is only switched is charged, which ends by itself and tells.
        return Reason(code=ReasonCode.SOC_UNKNOWN)
    return None


def _respected(unit: UnitState, now_s: float, intent: Callable[[], IntentKind]) -> bool:
    """Return whether what was set on the station itself is left alone still."""
    kind = None if unit.stored_kwh is None else intent()
    if unit.elsewhere_since_s is None:
        unit.elsewhere_since_s = now_s
        unit.intent = kind
    if now_s - unit.elsewhere_since_s >= ELSEWHERE_S:
        return False
    if kind is None or kind is unit.intent:
        return True
    # The plan wants something new: said once, it is not taken back.
    unit.elsewhere_since_s = now_s - ELSEWHERE_S
    return False
