"""What flows in a unit behind plugs while they say what they say."""

from dataclasses import dataclass
from typing import Final

from .metered_model import Anchor, Count, Facts, PassThrough, Sight, carried_w

# The load of appliances that nothing measures may be so far from what was told.
TOLD_ERROR: Final = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """AC power into and out of the battery, W, and how far its rate may be off."""

    into_w: float = 0.0
    given_w: float = 0.0
    own_w: float = 0.0
    unsure_w: float = 0.0


def flow_of(count: Count, facts: Facts, sight: Sight) -> Flow:
    """Return what flows while the plugs say `sight`."""
    load_w, unsure_w = drawn(facts, sight)
    if sight.on is False:
        if count.anchor is Anchor.EMPTY and count.stored_kwh == 0.0 and load_w <= 0.0:
            # Empty is empty, and has switched itself off.
            return Flow()
        return Flow(given_w=load_w, own_w=facts.idle_w, unsure_w=unsure_w)
    if sight.on is None or sight.input_w is None:
        fill_w = facts.unit.stored_w(-charger_w(facts))
        return Flow(
            given_w=load_w,
            own_w=facts.idle_w,
            unsure_w=fill_w + most_drain_w(count, facts),
        )
    into_w = max(0.0, sight.input_w)
    if facts.pass_through is PassThrough.BYPASS:
        return Flow(
            into_w=max(0.0, into_w - load_w),
            given_w=max(0.0, load_w - into_w),
            unsure_w=unsure_w,
        )
    if facts.pass_through is PassThrough.INVERTER:
        return Flow(
            into_w=into_w, given_w=load_w, own_w=facts.idle_w, unsure_w=unsure_w
        )
    # Where nothing passes, what was only told of the appliances does not flow.
    if not facts.metered:
        return Flow(into_w=into_w)
    return Flow(into_w=into_w, given_w=load_w, unsure_w=unsure_w)


def drawn(facts: Facts, sight: Sight) -> tuple[float, float]:
    """Return what the appliances draw, W, and how far the drain may be from that."""
    unit = facts.unit
    if facts.metered:
        if sight.output_w is not None:
            return max(0.0, sight.output_w), 0.0
        return 0.0, -unit.stored_w(unit.max_discharge_w)
    if facts.carried_w is None:
        return 0.0, -unit.stored_w(unit.max_discharge_w)
    return facts.carried_w, -TOLD_ERROR * unit.stored_w(facts.carried_w)


def charger_w(facts: Facts) -> float:
    """Return the most that the charger takes for the battery, W."""
    return min(facts.max_input_w, facts.unit.max_charge_w)


def most_drain_w(count: Count, facts: Facts) -> float:
    """Return the fastest drain while nobody looks, W."""
    load_w = carried_w(count, facts)
    if load_w is None:
        load_w = facts.unit.max_discharge_w
    return -facts.unit.stored_w(load_w) + facts.idle_w
