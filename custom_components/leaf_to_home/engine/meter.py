"""What the house draws: samples and readings made into one consistent picture."""

from dataclasses import dataclass
import math

from .control import TOGETHER_S, ramp_s
from .limits import remember_draw, track_window
from .model import Inputs, UnitInputs
from .savings import settle
from .soc import count
from .state import HomeState, UnitState

# A pause longer than this was a pause of ours: nothing is known of it.
ASLEEP_S = 300.0
# The surplus of the sun is remembered for about this long.
SURPLUS_FADE_S = 2.0 * 86400.0
# Between two consistent measurements the load is shown for this long.
LOAD_KEPT_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The home at one moment; W, None where it is not known.

    `draw_w` is the import that the home would have without its units (load less solar
    less other batteries), None where grid and units were not measured together.
    `units_w` is what the units give, as far as they say.
    """

    grid_w: float | None
    solar_w: float | None
    load_w: float | None
    draw_w: float | None
    units_w: float


def account(state: HomeState, inputs: Inputs, now_s: float) -> None:
    """Count the time since the last step: energy, windows, surplus, money."""
    before_s = state.time_s
    dt_s = 0.0 if before_s is None else now_s - before_s
    if dt_s < 0.0 or dt_s > max(ASLEEP_S, 3.0 * inputs.interval_s):
        dt_s = 0.0
    flows = {
        key: count(state.units[key], known.spec, known.reading, dt_s)
        for key, known in inputs.units.items()
    }
    if before_s is None or dt_s <= 0.0:
        return
    grid_w = state.grid_w if inputs.grid_mean_w is None else inputs.grid_mean_w
    track_window(state, inputs.site, grid_w, before_s, now_s)
    if state.solar_w is not None:
        state.solar_kwh += state.solar_w * dt_s / 3.6e6
    state.surplus_kwh *= math.exp(-dt_s / SURPLUS_FADE_S)
    draw_w: float | None = None
    if grid_w is not None:
        if grid_w > 0.0:
            state.import_kwh += grid_w * dt_s / 3.6e6
        else:
            state.export_kwh -= grid_w * dt_s / 3.6e6
        units_kwh = sum(out_kwh - in_kwh for in_kwh, out_kwh in flows.values())
        draw_w = grid_w + units_kwh * 3.6e6 / dt_s
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
    units_w = 0.0
    together = grid is not None
    complete = True
    for key, known in inputs.units.items():
        unit = state.units[key]
        unit.power_w = _power(known, unit, now_s)
        if unit.power_w is None:
            # A silent unit counts as part of the house.
            complete = False
            continue
        units_w += unit.power_w
        if grid is not None and not _together(grid.time_s, known, unit):
            together = False

    state.grid_w = None if grid is None else grid.value
    state.solar_w = None if solar is None else solar.value
    draw_w: float | None = None
    if grid is not None and together:
        draw_w = grid.value + units_w
        remember_draw(state, draw_w, now_s)
        if (
            complete
            and (solar is not None or not inputs.has_solar)
            and (other is not None or not inputs.has_other)
        ):
            state.load_w = max(
                0.0,
                draw_w
                + (solar.value if solar else 0.0)
                + (other.value if other else 0.0),
            )
            state.load_s = now_s
    if state.load_s is not None and now_s - state.load_s > LOAD_KEPT_S:
        state.load_w = None
        state.load_s = None
    return Picture(
        grid_w=state.grid_w,
        solar_w=state.solar_w,
        load_w=state.load_w,
        draw_w=draw_w,
        units_w=units_w,
    )


def _power(known: UnitInputs, unit: UnitState, now_s: float) -> float | None:
    reading = known.reading
    if reading is None or not reading.fresh(now_s):
        return None
    if reading.power_w is None and reading.connected is False:
        return 0.0
    return reading.power_w


def _together(grid_s: float, known: UnitInputs, unit: UnitState) -> bool:
    """Return whether grid and unit speak of the same moment, or of a settled one."""
    reading = known.reading
    if reading is None or abs(grid_s - reading.time_s) <= TOGETHER_S:
        return True
    if unit.command_s is None:
        return True
    settled_s = unit.command_s + known.capabilities.dead_time_s + ramp_s(known.spec)
    return min(grid_s, reading.time_s) >= settled_s
