"""A raised reserve for what may come, which ends by itself."""

from dataclasses import replace

from .evidence import can_island
from .model import Departure, Inputs
from .outage_model import Watch
from .soc import EXACT_PERCENT, soc_percent
from .state import HomeState, UnitState

# A watch that has to be kept at once is one whose time has come by the next step.
AT_ONCE_S = 1.0


def raise_reserves(state: HomeState, inputs: Inputs, now_s: float) -> Watch | None:
    """Raise the reserve of each unit that can back up; return the watch that rules."""
    own = state.settings.watch
    if own is not None and own.until_s <= now_s:
        state.settings = replace(state.settings, watch=None)
        own = None
    if own is None and not inputs.watches:
        watch = None
    else:
        watch = _highest((own, *inputs.watches), now_s)
    for key, known in inputs.units.items():
        unit = state.units[key]
        if watch is None or not can_island(known):
            unit.watch_percent = 0.0
            unit.watch_s = None
            unit.watch_short = False
            continue
        spec = known.spec
        unit.watch_percent = min(watch.reserve_percent, spec.max_soc_percent)
        unit.watch_s = watch.needed_s
        soc = soc_percent(unit, spec)
        if soc is None:
            continue
        enough = min(unit.watch_percent + spec.soc_step_percent, spec.max_soc_percent)
        if soc < unit.watch_percent - EXACT_PERCENT:
            unit.watch_short = True
            # Used again only well above what was charged for it.
            unit.below_reserve = True
        elif soc >= enough - EXACT_PERCENT:
            unit.watch_short = False
    return watch


def _highest(watches: tuple[Watch | None, ...], now_s: float) -> Watch | None:
    """Return what all watches ask for together, None where none is on."""
    on = [watch for watch in watches if watch is not None and watch.until_s > now_s]
    if not on:
        return None
    highest = max(on, key=lambda watch: watch.reserve_percent)
    if len(on) == 1:
        return highest
    # Whoever needs it first needs it all: the next step would be too late to ask.
    needs_s = [watch.needed_s for watch in on]
    first_s = None if None in needs_s else min(at_s for at_s in needs_s if at_s)
    return replace(highest, needed_s=first_s)


def watch_departures(unit: UnitState, now_s: float) -> tuple[Departure, ...]:
    """Return what a watch asks for: to be ready, without leaving."""
    if not unit.watch_short:
        return ()
    needed_s = unit.watch_s
    if needed_s is None or needed_s < now_s + AT_ONCE_S:
        needed_s = now_s + AT_ONCE_S
    return (
        Departure(
            time_s=needed_s,
            soc_percent=unit.watch_percent,
            back_s=needed_s,
            watch=True,
        ),
    )
