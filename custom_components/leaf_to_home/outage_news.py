"""What is new in an outage, from one step to the next."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from .engine.outage_memory import OutageMemory
from .engine.outage_model import (
    CARRYING,
    Notice,
    NoticeCode,
    OutageDecision,
    OutagePhase,
    OutageRecord,
    Watch,
)

UNAWARE = (OutagePhase.NORMAL, OutagePhase.SUSPECTED)


class OutageEvent(StrEnum):
    """What is told once, when it happens."""

    BEGAN = "began"
    WAITING_FOR_PERSON = "waiting_for_person"
    CARRIED = "carried"
    SHED = "shed"
    BROUGHT_BACK = "brought_back"
    OVERLOAD = "overload"
    FLOOR_REACHED = "floor_reached"
    GRID_BACK = "grid_back"
    SWITCH_BACK = "switch_back"
    ENDED = "ended"
    WATCH_BEGAN = "watch_began"
    WATCH_ENDED = "watch_ended"


type News = tuple[OutageEvent, dict[str, Any]]

_OF_PHASE = {
    OutagePhase.WAITING_FOR_PERSON: OutageEvent.WAITING_FOR_PERSON,
    OutagePhase.RESTORING: OutageEvent.GRID_BACK,
    OutagePhase.WAITING_TO_SWITCH_BACK: OutageEvent.SWITCH_BACK,
}
_OF_NOTICE = {
    NoticeCode.OVERLOAD: OutageEvent.OVERLOAD,
    NoticeCode.FLOOR_REACHED: OutageEvent.FLOOR_REACHED,
}


def news(
    before: OutageMemory,
    decision_before: OutageDecision | None,
    decision: OutageDecision,
) -> Iterator[News]:
    """Yield what is new since the memory `before` this step.

    That memory is the stored one after a restart, so that nothing is told twice.
    """
    test = {"test": True} if decision.test or before.test else {}
    for phase_event in _phases(before, decision):
        yield phase_event, test
    for tier, reason in decision.tiers_shed.items():
        if tier not in before.tiers:
            yield OutageEvent.SHED, {"tier": tier, "reason": reason.value, **test}
    for tier in before.tiers.keys() - decision.tiers_shed.keys():
        yield OutageEvent.BROUGHT_BACK, {"tier": tier, **test}
    if decision_before is not None:
        stood = {(notice.code, notice.subject) for notice in decision_before.notices}
        for notice in decision.notices:
            kind = _OF_NOTICE.get(notice.code)
            if kind is not None and (notice.code, notice.subject) not in stood:
                yield kind, {**_whose(notice), **notice.values, **test}
        yield from _watches(decision_before.watch, decision.watch)
    if decision.ended is not None:
        yield OutageEvent.ENDED, figures(decision.ended)


def _phases(before: OutageMemory, decision: OutageDecision) -> Iterator[OutageEvent]:
    phase = decision.phase
    if phase is before.phase:
        return
    if before.phase in UNAWARE and phase not in UNAWARE:
        yield OutageEvent.BEGAN
    if phase is OutagePhase.NORMAL and before.phase in CARRYING:
        # Nothing was off that had to come back first.
        yield OutageEvent.GRID_BACK
    if before.phase is OutagePhase.WAITING_FOR_PERSON and phase is OutagePhase.OUTAGE:
        yield OutageEvent.CARRIED
    elif (kind := _OF_PHASE.get(phase)) is not None:
        yield kind


def _whose(notice: Notice) -> dict[str, Any]:
    """Return the unit that a notice is about, or the leg, counted from 1."""
    if notice.code is not NoticeCode.OVERLOAD:
        return {"unit": notice.subject}
    return {} if notice.subject is None else {"leg": int(notice.subject) + 1}


def _watches(before: Watch | None, now: Watch | None) -> Iterator[News]:
    if now is not None and before is None:
        yield (
            OutageEvent.WATCH_BEGAN,
            {
                "source": now.source.value,
                "reserve_percent": now.reserve_percent,
            },
        )
    elif before is not None and now is None:
        yield OutageEvent.WATCH_ENDED, {"source": before.source.value}


def figures(record: OutageRecord) -> dict[str, Any]:
    """Return an outage in numbers."""
    ended_s = record.ended_s
    values: Mapping[str, Any] = {
        "test": True if record.test else None,
        "minutes": (
            None if ended_s is None else round((ended_s - record.began_s) / 60.0, 1)
        ),
        "carried_kwh": round(record.carried_kwh, 2),
        "lowest_soc_percent": (
            None
            if record.lowest_soc_percent is None
            else round(record.lowest_soc_percent, 1)
        ),
        "shed": list(record.shed),
    }
    return {key: value for key, value in values.items() if value is not None}
