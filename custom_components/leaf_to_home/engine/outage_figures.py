"""What is written down of outages, and what follows from it when they are over."""

from dataclasses import replace

from .backup import charge_percent
from .model import Inputs
from .outage_memory import OutageMemory
from .outage_model import OutagePhase
from .state import HomeState

# Charging comes back in so many steps of this length, once the loads are.
SOFT_START_S = 300.0
SOFT_START_STEPS = 4
SOFT_START_WITHIN_S = 7200.0


def write_down(state: HomeState, inputs: Inputs, carrying: list[str]) -> None:
    """Keep the figures of the outage that runs."""
    memory = state.outage
    record = memory.record
    if record is None or record.ended_s is not None:
        return
    carried_kwh = 0.0
    if not memory.test:
        carried_kwh = sum(
            max(0.0, state.units[key].discharged_kwh - before_kwh)
            for key, before_kwh in memory.before_kwh.items()
            if key in state.units
        )
    lowest = record.lowest_soc_percent
    soc = charge_percent(state, inputs, carrying)
    if soc is not None:
        lowest = soc if lowest is None else min(lowest, soc)
    memory.record = replace(record, carried_kwh=carried_kwh, lowest_soc_percent=lowest)


def ease(memory: OutageMemory, now_s: float) -> None:
    """Let charging come back slowly after an outage that has just ended."""
    record = memory.record
    if (
        record is not None
        and not record.test
        and record.ended_s is not None
        and now_s - record.ended_s <= SOFT_START_WITHIN_S
    ):
        memory.eased_s = now_s


def charging_share(memory: OutageMemory, now_s: float) -> float:
    """Return how much of its power a unit may be charged at, soon after an outage.

    What was carried is not bought back in one peak, when all that was off is on again.
    """
    record = memory.record
    played = record is not None and record.test
    if memory.phase is OutagePhase.RESTORING and not played:
        return 0.0
    if memory.eased_s is None:
        return 1.0
    steps = 1 + int(max(0.0, now_s - memory.eased_s) // SOFT_START_S)
    return min(1.0, steps / SOFT_START_STEPS)


def turn_year(memory: OutageMemory, year: str, now_s: float) -> None:
    """Begin to count anew with a local year; a clock that is behind turns none back."""
    if year > memory.year:
        memory.year = year
        memory.year_s = now_s
        memory.outages = 0
        memory.minutes = 0.0


def gone_until_s(memory: OutageMemory, now_s: float) -> float:
    """Return until when an outage of now has lasted: the grid may be back since."""
    return now_s if memory.back_s is None else min(memory.back_s, now_s)


def lasted_min(memory: OutageMemory, now_s: float) -> float | None:
    """Return how long the outage of now, or the last one, has lasted."""
    record = memory.real
    if record is None:
        return None
    ended_s = record.ended_s
    end_s = gone_until_s(memory, now_s) if ended_s is None else ended_s
    return max(0.0, end_s - record.began_s) / 60.0


def lasts_until_s(memory: OutageMemory) -> float | None:
    """Return until when what is stored lasts, as it was worked out last."""
    runtime, at_s = memory.runtime, memory.runtime_s
    if runtime is None or runtime.likely_h is None or at_s is None:
        return None
    return at_s + runtime.likely_h * 3600.0


def minutes_until(memory: OutageMemory, end_s: float) -> float:
    """Return the minutes of this year that an outage has lasted, until then."""
    record = memory.record
    if record is None or record.test or record.ended_s is not None:
        return 0.0
    began_s = max(record.began_s, memory.year_s or 0.0)
    return max(0.0, end_s - began_s) / 60.0
