"""What is done for the house in an outage and after it, and what people are told."""

from .backup import FELT_S, floor_percent, stores_of, waits_for_person
from .guard import grid_unsure
from .model import HomeMode, Inputs
from .outage_memory import OutageMemory
from .outage_model import (
    CARRYING,
    LoadCommand,
    NoBackup,
    Notice,
    NoticeCode,
    OutagePhase,
)
from .returning import look, put_back
from .runtime import estimate
from .shedding import Burden, restore, shed, tier_power_w
from .soc import soc_percent
from .state import HomeState

# The recent load is that of about this long.
RECENT_S = 600.0
# How often the runtime is worked out, in an outage and else.
EVERY_S = 10.0
QUIET_S = 60.0
# So long what comes on with the grid is put back, and loads are waited for.
PUT_BACK_S = 120.0
GIVE_UP_S = 1800.0

# Nothing is carried out then; alerts go on.
_ALONE = frozenset({HomeMode.OBSERVE, HomeMode.OFF})


def feel(memory: OutageMemory, load_w: float | None, dt_s: float) -> None:
    """Follow the load that is, or would be, carried."""
    if load_w is None:
        return
    if memory.load_w is None or memory.load_seen_s <= 0.0:
        memory.load_w = load_w
        memory.load_seen_s = max(dt_s, 1.0)
        return
    memory.load_seen_s = min(RECENT_S, memory.load_seen_s + dt_s)
    memory.load_w += (load_w - memory.load_w) * min(1.0, dt_s / memory.load_seen_s)


def foresee(
    state: HomeState, inputs: Inputs, keys: list[str], now_s: float, *, anew: bool
) -> None:
    """Work out the runtime, now and then."""
    memory = state.outage
    every_s = QUIET_S if memory.phase is OutagePhase.NORMAL else EVERY_S
    if (
        not anew
        and memory.runtime_s is not None
        and 0.0 <= now_s - memory.runtime_s < every_s
    ):
        return
    memory.runtime_s = now_s
    on_w: dict[str, float] = {}
    shed_w: dict[str, float] = {}
    for tier in inputs.outage.tiers:
        if tier.key in memory.tiers:
            power_w = tier_power_w(memory, tier)
            if power_w:
                shed_w[tier.key] = power_w
        else:
            on_w[tier.key] = sum(
                load.power_w
                for key in tier.loads
                if (load := inputs.loads.get(key)) and load.on and load.power_w
            )
    memory.runtime = estimate(
        stores_of(state, inputs, keys),
        inputs.load_outlook,
        memory.load_w,
        now_s,
        carried=memory.phase in CARRYING and memory.load_seen_s >= FELT_S,
        shed_w=shed_w,
        on_w=on_w,
    )


def care(
    state: HomeState, inputs: Inputs, burden: Burden, now_s: float
) -> list[LoadCommand]:
    """Look after the loads while the grid is away."""
    memory, settings, loads = state.outage, inputs.outage, inputs.loads
    commands: list[LoadCommand] = []
    if memory.test and not settings.test_sheds:
        return commands
    if state.settings.mode in _ALONE:
        # Nothing more is shed, and what was stays known until the grid is back.
        return commands
    if settings.tiers or memory.tiers:
        commands += shed(memory, settings, loads, burden, now_s)
    if memory.loads:
        commands += restore(memory, settings, loads, now_s)
    if memory.seen and memory.record is not None:
        commands += put_back(memory, loads, memory.record.began_s, now_s)
    return commands


def come_back(state: HomeState, inputs: Inputs, now_s: float) -> list[LoadCommand]:
    """Bring the loads back after an outage."""
    memory, settings = state.outage, inputs.outage
    commands: list[LoadCommand] = []
    if memory.loads:
        commands += restore(memory, settings, inputs.loads, now_s)
    if memory.phase is OutagePhase.NORMAL:
        if settings.put_back or memory.seen:
            look(memory, settings, inputs.loads, now_s)
        return commands
    record = memory.record
    alone = state.settings.mode in _ALONE
    if memory.seen and record is not None and not record.test and not alone:
        commands += put_back(memory, inputs.loads, record.began_s, now_s)
    return commands


def all_back(memory: OutageMemory, now_s: float) -> bool:
    """Return whether nothing more is to be waited for after an outage."""
    here_s = now_s - (memory.phase_s or now_s)
    if memory.seen and here_s < PUT_BACK_S:
        return False
    return not memory.loads or here_s >= GIVE_UP_S


def unit_notices(
    state: HomeState,
    inputs: Inputs,
    carrying: list[str],
    reasons: dict[str, NoBackup],
    now_s: float,
) -> list[Notice]:
    """Return what people have to know of the units, for as long as it is so."""
    memory = state.outage
    result = [
        Notice(
            code=NoticeCode.BACKUP_NOT_POSSIBLE, subject=key, values={"reason": reason}
        )
        for key, reason in reasons.items()
        if reason is NoBackup.WRONG_MODE
        or (
            memory.phase is OutagePhase.OUTAGE
            and reason is not NoBackup.NEVER
            and not carrying
            and not memory.test
        )
    ]
    if memory.phase is OutagePhase.WAITING_FOR_PERSON:
        result += [
            Notice(code=NoticeCode.WAITING_FOR_PERSON, subject=key)
            for key, known in inputs.units.items()
            if waits_for_person(state.units[key], known, reasons.get(key))
        ]
    if memory.phase is OutagePhase.WAITING_TO_SWITCH_BACK:
        result += [Notice(code=NoticeCode.SWITCH_BACK, subject=key) for key in carrying]
    for key in carrying:
        if key in memory.floors_s and memory.phase in CARRYING:
            unit, known = state.units[key], inputs.units[key]
            values: dict[str, float | str] = {
                "floor_percent": floor_percent(unit, known, inputs.outage)
            }
            if (soc := soc_percent(unit, known.spec)) is not None:
                values["soc_percent"] = soc
            result.append(
                Notice(code=NoticeCode.FLOOR_REACHED, subject=key, values=values)
            )
    if grid_unsure(state, now_s):
        result.append(Notice(code=NoticeCode.GRID_UNSURE))
    if memory.clock_unsure:
        result.append(Notice(code=NoticeCode.CLOCK_UNSURE))
    return result
