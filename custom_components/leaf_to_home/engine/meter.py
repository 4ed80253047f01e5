"""What the house draws: samples and readings made into one consistent picture."""

from dataclasses import dataclass
import math

from .backup import carried_w, islanding
from .control import LATE_S, assume, follow
from .evidence import FLOW_W, is_the_grids
from .limits import remember_draw, track_window
from .model import Inputs, Reading, Sample, UnitInputs
from .savings import settle
from .soc import count
from .state import HomeState, UnitState

# A pause longer than this was a pause of ours: nothing is known of it.
ASLEEP_S = 300.0
# The surplus of the sun, and what was driven, are remembered for about this long.
SURPLUS_FADE_S = 2.0 * 86400.0
# Between two consistent measurements the load is shown for this long.
LOAD_KEPT_S = 60.0
# A unit whose power changed by more than this between two readings is on its way.
MOVED_W = 100.0
# A reading this far from the command may be late; only then it is believed.
NEAR_SHARE = 0.03
# A meter that says the very same while the units change by this much does not measure.
FROZEN_W = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The home at one moment; W, None where it is not known.

    `draw_w` is the import that the home would have without its units (load less solar
    less other batteries), None while a unit is on its way from one command to the next.
    `assumed_draw_w` then takes each unit for as far on its way as it can be.
    """

    grid_w: float | None
    solar_w: float | None
    load_w: float | None
    draw_w: float | None
    assumed_draw_w: float | None


def account(state: HomeState, inputs: Inputs, now_s: float) -> None:
    """Count the time since the last step: energy, windows, surplus, money."""
    before_s = state.time_s
    dt_s = 0.0 if before_s is None else now_s - before_s
    if dt_s < 0.0 or dt_s > max(ASLEEP_S, 3.0 * inputs.interval_s):
        dt_s = 0.0
    flows = {
        key: count(state.units[key], known.spec, _heard(known, now_s), dt_s)
        for key, known in inputs.units.items()
    }
    if before_s is None or dt_s <= 0.0:
        return
    grid_w = state.grid_w if inputs.grid_mean_w is None else inputs.grid_mean_w
    track_window(state, inputs.site, grid_w, before_s, now_s)
    if state.solar_w is not None:
        state.solar_kwh += state.solar_w * dt_s / 3.6e6
    fade = math.exp(-dt_s / SURPLUS_FADE_S)
    state.surplus_kwh *= fade
    for key in inputs.units:
        state.units[key].driven_kwh *= fade
    draw_w: float | None = None
    if grid_w is not None:
        if grid_w > 0.0:
            state.import_kwh += grid_w * dt_s / 3.6e6
        else:
            state.export_kwh -= grid_w * dt_s / 3.6e6
        units_kwh = sum(out_kwh - in_kwh for in_kwh, out_kwh in flows.values())
        draw_w = grid_w + units_kwh * 3.6e6 / dt_s
        if any(state.units[key].connected is not False for key in inputs.units):
            # What no unit is there to take refills none.
            state.surplus_kwh += max(0.0, -draw_w) * dt_s / 3.6e6
    settle(
        state,
        inputs.units,
        inputs.site.tariff.at(before_s),
        draw_w,
        grid_w,
        {key: out_kwh for key, (_, out_kwh) in flows.items()},
        dt_s,
    )


def look(state: HomeState, inputs: Inputs, now_s: float) -> Picture:
    """Take the fresh samples and readings in and return the home as it is now."""
    grid = inputs.grid if inputs.grid and inputs.grid.fresh(now_s) else None
    solar = inputs.solar if inputs.solar and inputs.solar.fresh(now_s) else None
    other = inputs.other if inputs.other and inputs.other.fresh(now_s) else None
    units_w = units_assumed_w = unseen_w = 0.0
    still = complete = True
    for key, known in inputs.units.items():
        unit = state.units[key]
        before_w = unit.power_w
        reading = _heard(known, now_s)
        if reading is None:
            # A silent unit counts as part of the house.
            unit.power_w = None
            complete = False
            continue
        power_w = reading.power_w
        if power_w is None and reading.connected is False:
            power_w = 0.0
        unit.power_w = power_w
        if power_w is None:
            # It speaks, but not of its power: then it does what it was told.
            complete = False
            power_w = unit.told_w
        at_s = reading.time_s if grid is None else min(grid.time_s, reading.time_s)
        _see_move(unit, reading.time_s, before_w, power_w)
        stands = _stands(unit, power_w, at_s)
        if reading.power_w is None and unit.native:
            # It goes by the load, and nobody knows how far.
            stands = False
        follow(unit, power_w, still=stands)
        still = still and stands
        units_w += power_w
        if known.capabilities.switched:
            unseen_w += power_w
        assume(unit, known.spec, power_w, now_s - reading.time_s)
        units_assumed_w += unit.assumed_w

    # What is switched on behind a plugged-in unit need not reach the meter.
    if grid is not None and _frozen(state, grid, units_w - unseen_w, still=still):
        grid = None
    carrying = islanding(state, inputs, now_s)
    away = bool(carrying) or state.outage.away
    grid = _without_own(grid, state, inputs, now_s, away=away)
    flows = grid is not None and abs(grid.value) >= FLOW_W
    state.grid_w = None if grid is None else grid.value
    if grid is not None:
        state.blind_since_s = None
    elif state.blind_since_s is None:
        state.blind_since_s = now_s
    state.solar_w = None if solar is None else solar.value
    draw_w: float | None = None
    if carrying:
        _carry(state, inputs, carrying, state.grid_w if flows else None, now_s)
    elif away and not flows:
        # In the dark nobody knows what would be drawn.
        state.load_w = state.load_s = None
    elif grid is not None and still:
        draw_w = grid.value + units_w
        remember_draw(state, inputs, draw_w, units_w, now_s)
        if complete:
            _add_up(state, inputs, draw_w, solar, other, now_s)
    if state.load_s is not None and now_s - state.load_s > LOAD_KEPT_S:
        state.load_w = None
        state.load_s = None
    return Picture(
        grid_w=state.grid_w,
        solar_w=state.solar_w,
        load_w=state.load_w,
        draw_w=draw_w,
        assumed_draw_w=None if grid is None else grid.value + units_assumed_w,
    )


def _add_up(
    state: HomeState,
    inputs: Inputs,
    draw_w: float,
    solar: Sample | None,
    other: Sample | None,
    now_s: float,
) -> None:
    """Take the load, where all that it is made of is known."""
    for there, sample in ((inputs.has_solar, solar), (inputs.has_other, other)):
        if there and sample is None:
            return
        draw_w += sample.value if sample is not None else 0.0
    state.load_w = max(0.0, draw_w)
    state.load_s = now_s


def _without_own(
    grid: Sample | None, state: HomeState, inputs: Inputs, now_s: float, *, away: bool
) -> Sample | None:
    """Return what the meter sees, None where the grid is away and a unit may give that.

    It is neither bought nor drawn twice.
    """
    if not away or grid is None or abs(grid.value) < FLOW_W:
        return grid
    return grid if is_the_grids(grid.value, state, inputs, now_s) else None


def _carry(
    state: HomeState,
    inputs: Inputs,
    carrying: list[str],
    grid_w: float | None,
    now_s: float,
) -> None:
    """Take the load of an island: what is carried, and drawn beside it from the grid.

    Without the grid the sun shines only where the station can use it.
    """
    load_w = carried_w(inputs, carrying, now_s)
    sunny = grid_w is not None or any(
        inputs.units[key].backup.solar_in_island for key in carrying
    )
    for there, sample in (
        (inputs.has_solar and sunny, inputs.solar),
        (inputs.has_other, inputs.other),
    ):
        if load_w is not None and there:
            heard = sample is not None and sample.fresh(now_s)
            load_w = load_w + sample.value if sample is not None and heard else None
    state.load_w = None if load_w is None else max(0.0, load_w + (grid_w or 0.0))
    state.load_s = None if load_w is None else now_s


def _heard(known: UnitInputs, now_s: float) -> Reading | None:
    """Return what the unit says, None where that is too old."""
    reading = known.reading
    return reading if reading is not None and reading.fresh(now_s) else None


def _frozen(state: HomeState, grid: Sample, units_w: float, *, still: bool) -> bool:
    """Return whether the meter goes on to report, but not to measure.

    Only a new report tells anything: one with the very same value, after the units have
    moved and stand again.
    """
    if grid.value != state.heard_w:
        state.heard_w = grid.value
        state.changed_s = grid.time_s
        state.heard_units_w = state.same_since_s = None
    if state.heard_units_w is None:
        state.heard_units_w = units_w if still else None
    elif state.heard_s is not None and grid.time_s > state.heard_s:
        if abs(units_w - state.heard_units_w) <= FROZEN_W:
            state.same_since_s = None
        elif state.same_since_s is None and still:
            state.same_since_s = grid.time_s
    state.heard_s = grid.time_s
    return state.same_since_s is not None


def _see_move(
    unit: UnitState, time_s: float, before_w: float | None, power_w: float
) -> None:
    """Notice that the unit moves: by itself, or longer than it should."""
    since_s = time_s - (unit.heard_s or 0.0)
    unit.heard_s = time_s
    if before_w is None or abs(power_w - before_w) <= MOVED_W:
        return
    # In readings that come quickly, the next one will differ as well.
    until_s = time_s + since_s if since_s <= LATE_S else time_s
    unit.settled_s = max(unit.settled_s or 0.0, until_s)


def _stands(unit: UnitState, power_w: float, at_s: float) -> bool:
    """Return whether a unit that reports `power_w` stood still at `at_s`."""
    if unit.settled_s is None:
        return True
    near_w = max(MOVED_W, NEAR_SHARE * abs(unit.told_w))
    late = unit.told and abs(power_w - unit.told_w) > near_w
    return at_s >= unit.settled_s + (LATE_S if late else 0.0)
