"""A unit that is not driven: what is said to it, and done with it, all the same."""

from collections.abc import Callable
from dataclasses import dataclass

from . import native
from .control import commanded, forget
from .guard import may_park
from .model import (
    HomeMode,
    IntentKind,
    Reason,
    ReasonCode,
    Setpoint,
    UnitInputs,
    UnitMode,
)
from .silence import SILENT_STATUS, silence
from .state import HomeState, UnitState

# What a unit does by itself then has nothing to do with our last command.
DOES_OTHERWISE = {
    *SILENT_STATUS.values(),
    ReasonCode.CHANGED_ELSEWHERE,
    ReasonCode.GUARD_ISLANDING,
}
# What was told to one car is not left to another.
ANOTHER_CAR = {ReasonCode.SOC_UNKNOWN, ReasonCode.VEHICLE_UNKNOWN}


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """Why a unit is not driven, and what it is told all the same."""

    reason: Reason
    setpoint: Setpoint | None = None
    park: bool = False


def leave(
    state: HomeState,
    unit: UnitState,
    known: UnitInputs,
    now_s: float,
    *,
    intent: Callable[[], IntentKind],
) -> Left | None:
    """Return how the unit is left, None for one that is driven.

    `intent` tells what it would be told else.
    """
    observing = state.settings.mode is HomeMode.OBSERVE
    off = state.settings.mode is HomeMode.OFF or unit.settings.mode is UnitMode.OFF
    why = silence(state, unit, known, now_s, off=off, intent=intent)
    if why is not None:
        setpoint = None
        if why.code in DOES_OTHERWISE:
            forget(unit)
        if not off and not observing and _at_rest_anyway(known, why):
            # It has to be told so, or asked.
            setpoint = _rest(unit, known, why, now_s)
        elif (
            why.code in ANOTHER_CAR
            and known.vehicles
            and unit.told
            and not (observing or native.at_rest(unit))
        ):
            # Said until it is seen to rest.
            setpoint = _rest(unit, known, why, now_s)
        return Left(reason=why, setpoint=setpoint)
    # What was told stays told: whoever only looks on has to take it back.
    if not off and not (observing and unit.told):
        return None
    due = unit.told if observing else not unit.parked
    park = due and may_park(state, now_s)
    if park:
        commanded(unit, known, 0.0, now_s, told=True)
        forget(unit)
        unit.parked = True
    return Left(reason=Reason(code=ReasonCode.OFF), park=park)


def _rest(unit: UnitState, known: UnitInputs, why: Reason, now_s: float) -> Setpoint:
    unit.parked = False
    native.remember(unit, native=False, now_s=now_s)
    commanded(unit, known, 0.0, now_s, told=True)
    return Setpoint(power_w=0.0, reason=why, ask_soc=why.code is ReasonCode.SOC_UNKNOWN)


def _at_rest_anyway(known: UnitInputs, why: Reason) -> bool:
    """Return whether a unit that nothing is wanted of is told to rest all the same."""
    if why.code is ReasonCode.SOC_UNKNOWN:
        return known.capabilities.soc_on_request
    return why.code is ReasonCode.DISCONNECTED and known.capabilities.remembers
