"""One decision: outage, limits, departure, the plan's intent, the closed loop."""

from dataclasses import replace

from .announced import without_past
from .backup import stops
from .battery_health import observe
from .charging import learn_charging
from .control import begin_afresh
from .elsewhere import informed, learn_trip
from .guard import watch
from .limits import month_peak_w, plan_level, window_figures
from .meter import account, look
from .model import Decision, Inputs
from .outage import keep_time, proceed
from .policy import MANUAL_MODES, end_manual
from .savings import new_day
from .silence import ELSEWHERE_S
from .soc import anchor
from .state import HomeState, UnitState, first_settings
from .turns import Turns
from .vehicles import attend, seated
from .watches import raise_reserves


def step(state: HomeState, inputs: Inputs, now_s: float) -> tuple[HomeState, Decision]:
    """Return the state after `now_s` and what each unit is to do; changes nothing else.

    `inputs.units` names every unit of the home; a unit that `state` does not know yet
    begins with the first settings of its hardware.
    """
    before, state = state, state.copy()
    asleep = keep_time(state, inputs, now_s)
    if state.time_s is not None and now_s < state.time_s:
        state.set_back(now_s)
    for key, known in inputs.units.items():
        if key not in state.units:
            state.units[key] = UnitState(settings=first_settings(known.spec))
        attend(state, key, known, now_s)
    inputs = informed(state, seated(state, inputs), now_s)
    account(state, inputs, now_s)
    watch(state, inputs, now_s)
    plan_level(state, inputs)
    picture = look(state, inputs, now_s)
    for key, known in inputs.units.items():
        unit = state.units[key]
        reading, was_connected = known.reading, unit.connected
        if reading is not None and reading.fresh(now_s):
            anchor(unit, known.spec, reading, now_s)
        if known.elsewhere:
            learn_trip(was_connected, unit, known, now_s)
        learn_charging(unit, known, now_s)
        end_manual(unit, known.spec, now_s)
        _hear_user(unit, now_s)
        if unit.requirements:
            unit.requirements = without_past(unit, now_s)
    observe(before, state, inputs, now_s)
    watching = raise_reserves(state, inputs, now_s)
    today = inputs.site.tariff.day_minute(now_s)[0]
    new_day(state, today)
    outage = proceed(state, inputs, now_s, today=today, asleep=asleep)
    state.time_s = now_s

    turns = Turns(state, inputs, picture, now_s)
    decisions = turns.decide()
    for key in stops(state, inputs, now_s):
        decisions[key] = replace(decisions[key], stop=True)
    slot = turns.slot
    average_w, left_w = window_figures(state, inputs.site, now_s)
    return state, Decision(
        units=decisions,
        guard=state.guard,
        grid_w=picture.grid_w,
        solar_w=picture.solar_w,
        load_w=picture.load_w,
        import_price=slot.import_price if slot else None,
        export_price=slot.export_price if slot else None,
        window_average_w=average_w,
        window_left_w=left_w,
        month_peak_w=month_peak_w(state, inputs.site, now_s),
        outage=outage if watching is None else replace(outage, watch=watching),
    )


def _hear_user(unit: UnitState, now_s: float) -> None:
    """Let a mode that the user has just chosen act at once."""
    if unit.settings.mode is unit.mode:
        return
    unit.mode = unit.settings.mode
    if unit.mode in MANUAL_MODES:
        begin_afresh(unit)
    if unit.elsewhere_since_s is not None:
        unit.elsewhere_since_s = now_s - ELSEWHERE_S
