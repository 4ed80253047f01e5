"""The guard of safety rule 7: when a write could take the light from the house.

The guard knows three kinds of evidence: a unit says that it islands, the mains sensors
say that the grid is gone, and the grid meter fell silent. While any of them stands
nothing is written to a unit, nor until an outage is over for good. Losing the meter
counts for two minutes only, since a meter can also simply break. A unit that feeds
nothing but its own sockets speaks for itself alone.
"""

from .model import Guard, Inputs, IslandingStart, Reading, UnitInputs, UnitStatus
from .state import HomeState, UnitState

METER_LOST_S = 120.0
# A mains sensor that died in the outage must not end it; a meter that has seen power
# flow for this long does. In an island a meter may go on to speak, of nothing.
GRID_BACK_S = 120.0
FLOW_W = 20.0
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

    mains = inputs.mains_present
    if mains is False:
        state.mains_bad_s = state.mains_bad_s or now_s
        # Whatever the meter said before proves nothing about the grid of now.
        state.grid_back_s = now_s
    elif mains:
        state.mains_bad_s = None
    elif state.mains_bad_s is not None:
        if grid is None or state.lost_s is not None or abs(grid.value) < FLOW_W:
            state.grid_back_s = now_s
        elif now_s - (state.grid_back_s or 0.0) >= GRID_BACK_S:
            state.mains_bad_s = None

    lives = state.changed_s is not None and now_s - state.changed_s < GRID_BACK_S
    flows = lives and grid is not None and abs(grid.value) >= FLOW_W
    if not flows or state.lost_s is not None:
        state.flow_since_s = None
    elif state.flow_since_s is None:
        state.flow_since_s = now_s
    for key, known in inputs.units.items():
        _hear(state, state.units[key], known, now_s)

    guard = _guard(state, inputs, now_s)
    if guard is not state.guard:
        state.guard = guard
        state.guard_since_s = now_s


def _guard(state: HomeState, inputs: Inputs, now_s: float) -> Guard:
    if any(
        islands(state, state.units[key], known.reading, now_s)
        for key, known in inputs.units.items()
        if not known.backup.sockets_only
    ):
        return Guard.ISLANDING
    if state.mains_bad_s is not None or state.outage.holds:
        return Guard.OUTAGE_SUSPECTED
    if state.lost_s is not None and now_s - state.lost_s < METER_LOST_S:
        return Guard.METER_LOST
    return Guard.CLEAR


def _hear(state: HomeState, unit: UnitState, known: UnitInputs, now_s: float) -> None:
    """Take in what a unit says of an island; what fell silent there is not for ever."""
    reading = known.reading
    if reading is not None and reading.islanding is not None:
        unit.islanding = reading.islanding
        if reading.fresh(now_s):
            return
    if _grid_is_back(state, now_s):
        unit.islanding = False


def _grid_is_back(state: HomeState, now_s: float) -> bool:
    """Return whether a living meter has seen power flow for long enough."""
    since_s = state.flow_since_s
    return since_s is not None and now_s - since_s >= GRID_BACK_S


def islands(
    state: HomeState, unit: UnitState, reading: Reading | None, now_s: float
) -> bool:
    """Return whether the unit carries the house, as far as was last heard of it."""
    if unit.islanding:
        return True
    if reading is None or reading.status is not UnitStatus.ISLANDING:
        return False
    return reading.fresh(now_s) or not _grid_is_back(state, now_s)


def may_island_unseen(known: UnitInputs) -> bool:
    """Return whether the unit could be carrying the house without saying so."""
    reading = known.reading
    if known.capabilities.islanding is IslandingStart.NEVER or reading is None:
        return False
    charges = reading.power_w is not None and reading.power_w < -FLOW_W
    return reading.islanding is None and not charges


def may_park(state: HomeState, now_s: float) -> bool:
    """Return whether a unit may be idled: no outage, and the grid was seen just now."""
    return (
        state.guard is Guard.CLEAR
        and state.grid_seen_s is not None
        and now_s - state.grid_seen_s <= METER_LOST_S
    )
