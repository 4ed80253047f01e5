"""The guard of safety rule 7: when a write could take the light from the house.

The guard knows three kinds of evidence: a unit says that it islands, the mains sensors
say that the grid is gone, and the grid meter fell silent. While any of them stands
nothing is written to a unit, nor until an outage is over for good. Losing the meter
counts for two minutes only, since a meter can also simply break; so does losing the
mains sensors, where a unit that may carry the house does not say whether it does. A
unit that feeds nothing but its own sockets speaks for itself alone.
"""

from .evidence import FLOW_W, is_the_grids, says_island
from .model import Guard, Inputs, IslandingStart, Reading, UnitInputs, UnitStatus
from .state import HomeState, UnitState

METER_LOST_S = 120.0
# As long, nobody knows whether the sensors died with the grid, or are yet to wake.
MAINS_LOST_S = 120.0
# A mains sensor that died in the outage must not end it; a meter that has seen the
# grid's power flow for this long does. In an island a meter may go on to speak, of
# nothing or of what the unit gives.
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
        state.lost_s = None
        state.grid_seen_s = grid.time_s
    elif state.lost_s is None or asleep:
        state.lost_s = now_s
    if asleep:
        # What the meter saw before proves nothing about the grid of now.
        state.proof_since_s = state.unsure_since_s = None
    flow_w = _flow_w(state, inputs, now_s)
    mains = inputs.mains_present
    if mains is not None or not inputs.mains_signs:
        state.mains_lost_s = None
    elif state.mains_lost_s is None or asleep:
        state.mains_lost_s = now_s
    proof = flow_w is not None and mains is not False
    state.proof_since_s = _since(
        state.proof_since_s,
        now_s,
        holds=proof and is_the_grids(flow_w or 0.0, state, inputs, now_s),
    )
    if mains is False:
        state.mains_bad_s = state.mains_bad_s or now_s
    elif mains or _grid_is_back(state, now_s):
        state.mains_bad_s = None
    for key, known in inputs.units.items():
        _hear(state, state.units[key], known, now_s)
    state.unsure_since_s = _since(
        state.unsure_since_s,
        now_s,
        holds=flow_w is not None
        and state.proof_since_s is None
        and mains is None
        and _nobody_tells(state, inputs, now_s),
    )

    guard = _guard(state, inputs, now_s)
    if guard is not state.guard:
        state.guard = guard
        state.guard_since_s = now_s


def _flow_w(state: HomeState, inputs: Inputs, now_s: float) -> float | None:
    """Return the power that a living meter sees, None where it sees none."""
    grid = inputs.grid
    lives = state.changed_s is not None and now_s - state.changed_s < GRID_BACK_S
    if not lives or state.lost_s is not None or grid is None:
        return None
    return grid.value if abs(grid.value) >= FLOW_W else None


def _since(before_s: float | None, now_s: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return now_s if before_s is None else before_s


def _guard(state: HomeState, inputs: Inputs, now_s: float) -> Guard:
    if any(
        islands(state, state.units[key], known.reading, now_s)
        for key, known in inputs.units.items()
        if not known.backup.sockets_only
    ):
        return Guard.ISLANDING
    if state.mains_bad_s is not None or state.outage.holds:
        return Guard.OUTAGE_SUSPECTED
    if (
        state.mains_lost_s is not None
        and now_s - state.mains_lost_s < MAINS_LOST_S
        and any(
            may_island_unseen(known)
            for known in inputs.units.values()
            if not known.backup.sockets_only
        )
    ):
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
    if _grid_is_back(state, now_s) and not known.backup.by_hand_back:
        # One that a person switches back goes on beside a grid that is there.
        unit.islanding = False


def _grid_is_back(state: HomeState, now_s: float) -> bool:
    """Return whether a living meter has seen the grid's power for long enough."""
    since_s = state.proof_since_s
    return since_s is not None and now_s - since_s >= GRID_BACK_S


def _nobody_tells(state: HomeState, inputs: Inputs, now_s: float) -> bool:
    """Return whether all who told of an outage that stands have fallen silent."""
    stands = state.mains_bad_s is not None
    for key, known in inputs.units.items():
        if known.backup.sockets_only:
            continue
        if says_island(known.reading, now_s):
            return False
        stands = stands or islands(state, state.units[key], known.reading, now_s)
    return stands


def grid_unsure(state: HomeState, now_s: float) -> bool:
    """Return whether only a person can tell whether the grid is back.

    The meter sees power that would have proved it, if it were not perhaps a unit's.
    """
    since_s = state.unsure_since_s
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
