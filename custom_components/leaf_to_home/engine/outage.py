"""The guard of safety rule 7: when a write could take the light from the house.

The guard knows three kinds of evidence: a unit says that it islands, the mains sensor
says that the grid is gone, and the grid meter fell silent. While any of them stands
nothing is written to a unit. Losing the meter counts for two minutes only, since a
meter can also simply break.
"""

from .model import Guard, Inputs
from .state import HomeState

METER_LOST_S = 120.0
# A mains sensor that died in the outage must not end it; a meter that speaks this long
# does.
GRID_BACK_S = 120.0
# After a pause this long the engine was not running and knows nothing of the meter.
ASLEEP_S = 60.0


def watch(state: HomeState, inputs: Inputs, now_s: float) -> None:
    """Take this step's evidence into `state` and set its guard."""
    grid = inputs.grid
    asleep = state.time_s is None or now_s - state.time_s > max(
        ASLEEP_S, 3.0 * inputs.interval_s
    )
    if grid is not None and grid.fresh(now_s):
        if asleep or state.lost_s is not None:
            state.grid_back_s = now_s
        state.lost_s = None
        state.grid_seen_s = grid.time_s
    elif state.lost_s is None or asleep:
        state.lost_s = now_s

    if inputs.mains is False:
        state.mains_bad_s = state.mains_bad_s or now_s
    elif inputs.mains or (
        state.lost_s is None and now_s - (state.grid_back_s or now_s) >= GRID_BACK_S
    ):
        state.mains_bad_s = None

    for key, unit in state.units.items():
        known = inputs.units.get(key)
        reading = known.reading if known else None
        if reading is not None and reading.islanding is not None:
            unit.islanding = reading.islanding

    guard = _guard(state, now_s)
    if guard is not state.guard:
        state.guard = guard
        state.guard_since_s = now_s


def _guard(state: HomeState, now_s: float) -> Guard:
    if any(unit.islanding for unit in state.units.values()):
        return Guard.ISLANDING
    if state.mains_bad_s is not None:
        return Guard.OUTAGE_SUSPECTED
    if state.lost_s is not None and now_s - state.lost_s < METER_LOST_S:
        return Guard.METER_LOST
    return Guard.CLEAR


def may_park(state: HomeState, now_s: float) -> bool:
    """Return whether a unit may be idled: no outage, and the grid was seen just now."""
    return (
        state.guard is Guard.CLEAR
        and state.grid_seen_s is not None
        and now_s - state.grid_seen_s <= METER_LOST_S
    )
