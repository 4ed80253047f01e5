"""The way of a home through an outage: suspected, carried, over, and back again.

All memory is in the home's state, so that a restart in any phase changes nothing. What
is unknown neither begins an outage nor ends one.
"""

from dataclasses import dataclass, replace

from .backup import (
    burden_of,
    carried_w,
    islanding,
    no_backup,
    says_carrying,
    waits_for_person,
    watch_floors,
)
from .evidence import FLOW_W, can_carry
from .guard import ASLEEP_S
from .model import Inputs, UnitInputs
from .outage_care import all_back, care, come_back, feel, foresee, unit_notices
from .outage_figures import (
    ease,
    gone_until_s,
    lasted_min,
    lasts_until_s,
    minutes_until,
    turn_year,
    write_down,
)
from .outage_memory import OutageMemory
from .outage_model import (
    CARRYING,
    LoadCommand,
    NoBackup,
    OutageDecision,
    OutagePhase,
    OutageRecord,
)
from .shedding import Burden, notices
from .state import HomeState

# A clock that differs by more than this from one that is never set has been set.
CLOCK_SET_S = 60.0
# No clock is right that shows a time before this was written: 2026-01-01.
WRITTEN_S = 1_767_225_600.0
# Units that say they are tied to the grid are believed after this long, where neither a
# mains sensor nor a meter says anything.
SAID_BACK_S = 600.0
# A station that has not gone back to a stable grid for this long needs a person.
SWITCH_BACK_S = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Signs:
    """What this moment says of the grid.

    `gone` is seen now; `away` stands until something better is known. `back` is seen
    now. `mains` is whether sensors or the meter see the grid. `carrying` are the units
    that carry the house. Without `real` it is a play.
    """

    real: bool
    gone: bool
    away: bool
    back: bool
    mains: bool | None
    carrying: list[str]


def keep_time(state: HomeState, inputs: Inputs, now_s: float) -> bool:
    """Notice a clock that was set; return whether the engine was not running."""
    memory, before_s = state.outage, state.time_s
    before_up_s, memory.uptime_s = memory.uptime_s, inputs.uptime_s
    if before_s is None:
        return True
    passed_s = now_s - before_s
    if inputs.uptime_s is not None:
        if before_up_s is not None and inputs.uptime_s >= before_up_s:
            ran_s = inputs.uptime_s - before_up_s
            set_s = passed_s - ran_s
            if abs(set_s) > CLOCK_SET_S:
                memory.adjust(lambda at_s: at_s + set_s)
                memory.clock_unsure = set_s < 0.0
            passed_s = ran_s
        else:
            memory.this_boot = False
    if passed_s < -CLOCK_SET_S:
        memory.clock_unsure = True
    return not -CLOCK_SET_S <= passed_s <= max(ASLEEP_S, 3.0 * inputs.interval_s)


def proceed(
    state: HomeState, inputs: Inputs, now_s: float, *, today: str, asleep: bool
) -> OutageDecision:
    """Go on with the outage, or with none, and return what is to be done."""
    memory = state.outage
    dt_s = 0.0 if asleep or state.time_s is None else max(0.0, now_s - state.time_s)
    turn_year(memory, today[:4], now_s)
    signs = _signs(state, inputs, now_s)
    _take_in(memory, signs, now_s, asleep=asleep)
    before = memory.phase
    ended = _move_on(state, inputs, signs, now_s, asleep=asleep)
    reasons = {
        key: reason
        for key, known in inputs.units.items()
        if (reason := no_backup(state.units[key], known, inputs.outage, now_s))
    }
    commands: list[LoadCommand] = []
    burden: Burden | None = None
    given_w = carried_w(inputs, signs.carrying, now_s) if signs.carrying else None
    if memory.phase in CARRYING:
        _settle_phase(state, inputs, signs, reasons, now_s)
        if memory.test:
            given_w = state.load_w
        watch_floors(state, inputs, signs.carrying, now_s)
        feel(memory, given_w, dt_s)
    elif memory.phase is OutagePhase.NORMAL:
        feel(memory, state.load_w, dt_s)
    keys = signs.carrying or [
        key
        for key, known in inputs.units.items()
        if key not in reasons and can_carry(known)
    ]
    foresee(state, inputs, keys, now_s, anew=memory.phase is not before)
    if memory.phase in CARRYING:
        # What is low already goes before the station starts, which has it easier then.
        dark = signs.away and not signs.carrying and not memory.test
        burden = burden_of(
            state,
            inputs,
            signs.carrying,
            given_w,
            now_s,
            expected=keys if dark else None,
        )
        commands = care(state, inputs, burden, now_s)
        if commands:
            # What was carried before says nothing of what is carried now.
            memory.load_seen_s = 0.0
        write_down(state, inputs, signs.carrying)
    elif memory.phase is not OutagePhase.SUSPECTED:
        commands = come_back(state, inputs, now_s)
        if memory.phase is OutagePhase.RESTORING and all_back(memory, now_s):
            _enter(memory, OutagePhase.NORMAL, now_s)
            ease(memory, now_s)
    if memory.phase is OutagePhase.NORMAL:
        memory.clock_unsure = False
    elif now_s < WRITTEN_S:
        memory.clock_unsure = True
    return OutageDecision(
        phase=memory.phase,
        since_s=memory.phase_s,
        test=memory.test,
        no_backup=reasons,
        runtime=memory.runtime,
        lasts_until_s=lasts_until_s(memory),
        carried_w=given_w,
        commands=tuple(commands),
        notices=tuple(
            unit_notices(state, inputs, signs.carrying, reasons, now_s)
            + notices(memory, burden, now_s)
        )
        if memory.loads or reasons or memory.phase is not OutagePhase.NORMAL
        else (),
        tiers_shed={key: tier.reason for key, tier in memory.tiers.items()},
        record=memory.real,
        lasted_min=lasted_min(memory, now_s),
        ended=ended,
        outages_this_year=memory.outages,
        minutes_this_year=memory.minutes
        + minutes_until(memory, gone_until_s(memory, now_s)),
    )


def _signs(state: HomeState, inputs: Inputs, now_s: float) -> Signs:
    carrying = islanding(state, inputs, now_s)
    mains = inputs.mains_present
    sees = mains if mains is not None or state.proof_since_s is None else True
    away = bool(carrying) or state.mains_bad_s is not None
    gone = mains is False or any(
        says_carrying(inputs.units[key], now_s) for key in carrying
    )
    tied = mains is True or _tied(state, inputs, now_s)
    # What is real is never mistaken for a play, nor a play for something real.
    memory = state.outage
    plays = memory.test or memory.phase is OutagePhase.NORMAL
    played = inputs.outage_test and plays and not gone and not away
    ends = memory.test and not inputs.outage_test and not gone and not away
    return Signs(
        real=gone,
        gone=gone or played,
        away=(away or played) and not ends,
        back=ends or (tied and not away and not played),
        mains=sees,
        carrying=carrying,
    )


def _tied(state: HomeState, inputs: Inputs, now_s: float) -> bool:
    """Return whether meter or units show that the grid is there; no sensor does."""
    memory = state.outage
    says = {key: _says_tied(known, now_s) for key, known in inputs.units.items()}
    said = any(says.values()) and all(
        says[key] for key, known in inputs.units.items() if can_carry(known)
    )
    # A meter may see nothing for most of the time, or a sensor be dead for good.
    mute = all(sign is None for sign in inputs.mains_signs)
    memory.said_s = _since(memory.said_s, now_s, holds=said and mute)
    if state.proof_since_s is not None or any(
        _moves_power(known, now_s) for known in inputs.units.values()
    ):
        return True
    grid = inputs.grid
    if said and grid is not None and grid.fresh(now_s) and abs(grid.value) >= FLOW_W:
        # A meter that says the same all the time proves nothing alone.
        return True
    return memory.said_s is not None and now_s - memory.said_s >= SAID_BACK_S


def _says_tied(known: UnitInputs, now_s: float) -> bool:
    reading = known.reading
    return reading is not None and reading.fresh(now_s) and reading.islanding is False


def _moves_power(known: UnitInputs, now_s: float) -> bool:
    """Return whether the unit gives or takes power, and not to or from an island."""
    reading = known.reading
    return (
        not known.backup.sockets_only
        and reading is not None
        and _says_tied(known, now_s)
        and reading.power_w is not None
        and abs(reading.power_w) >= FLOW_W
    )


def _since(before_s: float | None, now_s: float, *, holds: bool) -> float | None:
    """Return since when something holds without a break."""
    if not holds:
        return None
    return now_s if before_s is None else before_s


def _take_in(memory: OutageMemory, signs: Signs, now_s: float, *, asleep: bool) -> None:
    """Measure how long the signs stand; nobody watched them in the sleep."""
    if asleep:
        memory.gone_s = memory.calm_s = memory.back_s = None
        memory.mains_s = memory.said_s = None
    if signs.gone and memory.gone_s is None:
        memory.gone_unseen = asleep
    if signs.back and memory.back_s is None:
        memory.back_unseen = asleep
    memory.gone_s = _since(memory.gone_s, now_s, holds=signs.gone)
    memory.calm_s = _since(memory.calm_s, now_s, holds=not signs.away)
    memory.back_s = _since(memory.back_s, now_s, holds=signs.back)
    memory.mains_s = _since(memory.mains_s, now_s, holds=signs.mains is True)


def _move_on(
    state: HomeState, inputs: Inputs, signs: Signs, now_s: float, *, asleep: bool
) -> OutageRecord | None:
    """Go from one phase to the next; return the record of an outage that has ended."""
    memory = state.outage
    settings = inputs.outage
    if memory.test and signs.real:
        # What was played comes true: everything is seen with new eyes.
        memory.test = False
        memory.record = None
        memory.tiers.clear()
        memory.gone_s = now_s
        _enter(memory, OutagePhase.SUSPECTED, now_s)
    if memory.phase in (OutagePhase.NORMAL, OutagePhase.RESTORING):
        if not signs.gone:
            return None
        memory.test = not signs.real
        _enter(memory, OutagePhase.SUSPECTED, now_s)
    if memory.phase is OutagePhase.SUSPECTED:
        at_once = asleep and bool(signs.carrying) and signs.real
        if memory.gone_s is not None and (
            at_once or now_s - memory.gone_s >= settings.debounce_s
        ):
            _begin(state, memory.gone_s, now_s)
        elif memory.calm_s is not None and (
            now_s - memory.calm_s >= settings.debounce_s
        ):
            memory.test = False
            back = OutagePhase.RESTORING if memory.loads else OutagePhase.NORMAL
            _enter(memory, back, now_s)
        return None
    if memory.back_s is None:
        return None
    stable_s = now_s - memory.back_s
    if (
        memory.phase is OutagePhase.WAITING_TO_SWITCH_BACK
        and memory.mains_s is not None
        and stable_s >= settings.debounce_s
    ):
        # The grid was stable already when somebody switched back to it.
        stable_s = max(stable_s, now_s - memory.mains_s)
    if stable_s < settings.stable_s:
        return None
    return _finish(memory, memory.back_s, now_s)


def _enter(memory: OutageMemory, phase: OutagePhase, now_s: float) -> None:
    if memory.phase is not phase:
        memory.phase = phase
        memory.phase_s = now_s


def _begin(state: HomeState, began_s: float, now_s: float) -> None:
    memory = state.outage
    memory.last = memory.real
    memory.record = OutageRecord(
        began_s=began_s, began_unseen=memory.gone_unseen, test=memory.test
    )
    memory.this_boot = True
    memory.before_kwh = {key: unit.discharged_kwh for key, unit in state.units.items()}
    if not memory.test:
        memory.outages += 1
        # What is carried is not all that the home drew before.
        memory.load_seen_s = 0.0
    _enter(memory, OutagePhase.OUTAGE, now_s)


def _finish(memory: OutageMemory, back_s: float, now_s: float) -> OutageRecord | None:
    """End the outage: the grid is stable since `back_s`."""
    record = memory.record
    if record is not None:
        record = replace(
            record,
            ended_s=max(back_s, record.began_s),
            ended_unseen=memory.back_unseen,
        )
        memory.minutes += minutes_until(memory, record.ended_s or back_s)
        memory.record = record
    memory.test = False
    memory.tiers.clear()
    memory.overloads.clear()
    memory.floors_s.clear()
    memory.stops_s.clear()
    _enter(memory, OutagePhase.RESTORING, now_s)
    return record


def _settle_phase(
    state: HomeState,
    inputs: Inputs,
    signs: Signs,
    reasons: dict[str, NoBackup],
    now_s: float,
) -> None:
    """See who carries the house, and whether a person is waited for."""
    memory = state.outage
    if memory.test:
        return
    settings = inputs.outage
    if signs.carrying:
        stable_s = 0.0 if memory.mains_s is None else now_s - memory.mains_s
        if any(inputs.units[key].backup.by_hand_back for key in signs.carrying):
            waits = stable_s >= settings.stable_s and signs.mains is True
        else:
            waits = stable_s >= settings.stable_s + SWITCH_BACK_S
        phase = OutagePhase.WAITING_TO_SWITCH_BACK if waits else OutagePhase.OUTAGE
    elif memory.phase is OutagePhase.WAITING_TO_SWITCH_BACK and signs.mains is True:
        # Somebody is switching.
        return
    elif signs.away and any(
        waits_for_person(state.units[key], known, reasons.get(key))
        for key, known in inputs.units.items()
    ):
        phase = OutagePhase.WAITING_FOR_PERSON
    else:
        phase = OutagePhase.OUTAGE
    _enter(memory, phase, now_s)
