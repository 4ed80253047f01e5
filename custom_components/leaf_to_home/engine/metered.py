"""How much is in a unit that tells nothing of itself: counted between two anchors.

A smart plug sees what goes in, sometimes another one what comes out. Counting drifts,
so that each count carries the error that it may have by now. Two things are sure: the
unit is full when it takes nothing more of the power it is offered, and empty when it
drops its load. From the one to the other the capacity shows.
"""

from typing import Final

from .metered_anchors import (
    UNKNOWN_SHARE,
    look_for_empty,
    look_for_full,
    look_for_return,
)
from .metered_flow import charger_w, flow_of, most_drain_w
from .metered_model import Count, Facts, Sight, capacity_kwh

# A pause longer than this was one of ours: what flowed meanwhile is not known.
GAP_S: Final = 300.0
# How far counting errs, as a share of what has moved: what the losses really are, and
# before the capacity was seen, how old the cells are.
COUNT_ERROR: Final = 0.08
CAPACITY_ERROR: Final = 0.15
# A way from full to empty that was refilled by more than this share shows nothing.
REFILL_SHARE: Final = 0.05
MONTH_S: Final = 30.0 * 86400.0
# What the appliances usually draw is remembered for about this long.
CARRIED_S: Final = 6.0 * 3600.0


def see(count: Count, facts: Facts, sight: Sight) -> None:
    """Count up to `sight`, and look whether it shows a full or an empty unit."""
    before = count.sight
    dt_s = 0.0
    if before is not None:
        dt_s = sight.time_s - before.time_s
        if dt_s < 0.0:
            _set_back(count, sight.time_s)
            dt_s = 0.0
        _move(count, facts, before, dt_s)
    _remember_load(count, facts, sight, dt_s)
    look_for_full(count, facts, sight, dt_s)
    look_for_empty(count, facts, sight)
    look_for_return(count, facts, sight)
    count.sight = sight


def _set_back(count: Count, now_s: float) -> None:
    """Let nothing lie in the future: the clock was set back."""
    for name in (
        "anchor_s",
        "on_since_s",
        "low_since_s",
        "unloaded_since_s",
        "dark_since_s",
    ):
        at_s = getattr(count, name)
        if at_s is not None:
            setattr(count, name, min(at_s, now_s))


def _move(count: Count, facts: Facts, before: Sight, dt_s: float) -> None:
    """Count what flowed in `dt_s` seconds, in which the plugs said `before`."""
    flow = flow_of(count, facts, before)
    unit, hours = facts.unit, dt_s / 3600.0
    fill_w, drain_w = unit.stored_w(-flow.into_w), -unit.stored_w(flow.given_w)
    count.charged_kwh += flow.into_w * hours / 1e3
    count.discharged_kwh += flow.given_w * hours / 1e3
    unsure_w = flow.unsure_w
    if dt_s > GAP_S:
        unsure_w = max(unsure_w, fill_w + drain_w, unit.stored_w(-charger_w(facts)))
        unsure_w += most_drain_w(count, facts)
    if unsure_w > 0.0 and dt_s > 0.0:
        count.clean = False
    capacity = capacity_kwh(count, facts)
    leak_w = facts.self_discharge_percent_month / 100.0 * capacity * 3.6e6 / MONTH_S
    gained_kwh = (fill_w - drain_w - flow.own_w - leak_w) * hours / 1e3
    count.drained_kwh -= gained_kwh
    count.refilled_kwh += fill_w * hours / 1e3
    count.clean &= count.refilled_kwh <= REFILL_SHARE * capacity
    if count.stored_kwh is None:
        return
    share = COUNT_ERROR + CAPACITY_ERROR * 0.5**count.cycles
    count.stored_kwh = min(max(count.stored_kwh + gained_kwh, 0.0), capacity)
    count.error_kwh += (
        (share * (fill_w + drain_w) + flow.own_w + leak_w + unsure_w) * hours / 1e3
    )
    if count.error_kwh >= UNKNOWN_SHARE * capacity:
        count.stored_kwh = None
        count.error_kwh = 0.0


def _remember_load(count: Count, facts: Facts, sight: Sight, dt_s: float) -> None:
    """Learn what the appliances usually draw; a dead output does not ask for nothing.

    A unit that is empty or switched off draws nothing, whatever is behind it.
    """
    if sight.output_w is None or count.unloaded_since_s is not None:
        return
    if count.carried_w is None:
        count.carried_w = sight.output_w
        return
    # At first it is the mean of what was seen so far.
    count.carried_s = min(CARRIED_S, count.carried_s + dt_s)
    part = min(1.0, dt_s / count.carried_s) if count.carried_s > 0.0 else 0.0
    count.carried_w += part * (sight.output_w - count.carried_w)
