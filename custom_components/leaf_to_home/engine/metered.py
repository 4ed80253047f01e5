"""How much is in a unit that tells nothing of itself: counted between two anchors.

A smart plug sees what goes in, sometimes another one what comes out. Counting drifts,
so that each count carries the error that it may have by now. Two things are sure: the
unit is full when it takes nothing more of the power it is offered, and empty when it
drops its load. From the one to the other the capacity shows.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from .battery import UnitSpec

# A pause longer than this was one of ours: what flowed meanwhile is not known.
GAP_S: Final = 300.0
# A count of which this share of the capacity may be wrong says nothing any more.
UNKNOWN_SHARE: Final = 0.5
# How far counting errs, as a share of what has moved: what the losses really are, and
# before the capacity was seen, how old the cells are.
COUNT_ERROR: Final = 0.08
CAPACITY_ERROR: Final = 0.15
# A full unit is left alone until it has lost a little.
ANCHOR_ERROR: Final = 0.04
# The load of appliances that nothing measures may be so far from what was told.
TOLD_ERROR: Final = 0.5
MONTH_S: Final = 30.0 * 86400.0

# It is full when it has taken less than the threshold for so long.
FULL_S: Final = 300.0
# A unit that was full before we came rests for this long before it is believed.
FULL_UNSEEN_S: Final = 1800.0
# Below this share of its power a charge tapers: it ends, it was not cut off.
TAPER_SHARE: Final = 0.85
TAPER_S: Final = 60.0
CHARGED_S: Final = 600.0
# Less than this is drawn by an empty socket, W.
SOCKET_W: Final = 0.3
# A charge that ends without a taper is believed of a unit that is counted this full.
NEARLY_FULL: Final = 0.85
# The charger of a unit that feeds its inverter as well is not full at this share.
BUSY_SHARE: Final = 0.8

# It is empty when a load of at least this has been gone for so long.
LOAD_W: Final = 10.0
NO_LOAD_W: Final = 1.0
EMPTY_S: Final = 120.0
# A load that ends is taken for an empty unit where no more than this share is sure.
NEARLY_EMPTY: Final = 0.05
# A meter that comes back so soon after the mains had lost its power, not its radio.
RETURN_S: Final = 180.0

# What can be left of cells and what cannot, as a share of the capacity when new.
LEAST_CAPACITY: Final = 0.3
MOST_CAPACITY: Final = 1.2
# A way from full to empty that was refilled by more than this share shows nothing.
REFILL_SHARE: Final = 0.05
FIRST_WEIGHT: Final = 0.5
LEAST_WEIGHT: Final = 0.25
# A capacity this far from what was learnt has to be seen twice, as near as that.
OUTLIER_SHARE: Final = 0.25
SAME_SHARE: Final = 0.07

# What the appliances usually draw is remembered for about this long.
CARRIED_S: Final = 6.0 * 3600.0


class PassThrough(StrEnum):
    """How the appliances are fed while the mains are on.

    `none`: not at all, or nobody knows. `inverter`: still from the battery, which the
    charger refills. `bypass`: from the mains, as far as the input bears it.
    """

    NONE = "none"
    INVERTER = "inverter"
    BYPASS = "bypass"


class Anchor(StrEnum):
    """What was last sure."""

    FULL = "full"
    EMPTY = "empty"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What a plug does not tell of the unit behind it.

    `max_input_w` is all that the input takes, for the battery and the appliances;
    `idle_w` what it takes for itself while it runs from the battery. The charge is over
    below `full_below_w`. `carried_w` is what the appliances draw where nothing is
    `metered` at the output; None: nobody knows.
    """

    unit: UnitSpec
    pass_through: PassThrough = PassThrough.NONE
    max_input_w: float = 75.0
    idle_w: float = 3.0
    self_discharge_percent_month: float = 3.0
    full_below_w: float = 10.0
    metered: bool = False
    carried_w: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What the plugs say at one moment; None is not known."""

    time_s: float
    on: bool | None = None
    input_w: float | None = None
    output_w: float | None = None


@dataclass(kw_only=True, slots=True)
class Count:
    """All that is remembered of one unit; exactly what is stored.

    `stored_kwh` is out by `error_kwh` at most, None while nobody knows. `drained_kwh`
    is what has gone since it was full, as long as that is `clean` of gaps, guesses and
    more than a little refilling; `candidate_kwh` the capacity that was seen last.
    `charged_s` and `tapered_s`: how long this charge was seen at full power and below.
    `dark_since_s`: the meter at the output went silent under load; `dark_kwh` is what
    had cleanly gone by then.
    """

    sight: Sight | None = None
    stored_kwh: float | None = None
    error_kwh: float = 0.0
    capacity_kwh: float | None = None
    cycles: int = 0
    candidate_kwh: float | None = None
    anchor: Anchor | None = None
    anchor_s: float | None = None
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0
    carried_w: float | None = None
    carried_s: float = 0.0
    drained_kwh: float = 0.0
    refilled_kwh: float = 0.0
    clean: bool = False
    on_since_s: float | None = None
    low_since_s: float | None = None
    charged_s: float = 0.0
    tapered_s: float = 0.0
    loaded: bool = False
    unloaded_since_s: float | None = None
    dark_since_s: float | None = None
    dark_kwh: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Flow:
    """AC power into and out of the battery, W, and how far its rate may be off."""

    into_w: float = 0.0
    given_w: float = 0.0
    own_w: float = 0.0
    unsure_w: float = 0.0


def capacity_kwh(count: Count, facts: Facts) -> float:
    """Return the capacity as far as it is known: learnt, or what was told."""
    return count.capacity_kwh or facts.unit.capacity_kwh


def soc_percent(count: Count, facts: Facts) -> float | None:
    """Return the state of charge, None while it is not known."""
    if count.stored_kwh is None:
        return None
    return 100.0 * count.stored_kwh / capacity_kwh(count, facts)


def error_percent(count: Count, facts: Facts) -> float | None:
    """Return how far the state of charge may be off, None while it is not known."""
    if count.stored_kwh is None:
        return None
    return 100.0 * count.error_kwh / capacity_kwh(count, facts)


def soh_percent(count: Count, facts: Facts) -> float | None:
    """Return the share of the new capacity that is left, None before it was seen."""
    if count.capacity_kwh is None:
        return None
    return 100.0 * count.capacity_kwh / facts.unit.usable_kwh


def carried_w(count: Count, facts: Facts) -> float | None:
    """Return what the appliances usually draw, None where nobody knows."""
    return count.carried_w if facts.metered else facts.carried_w


def running_spec(facts: Facts) -> UnitSpec:
    """Return the unit as running from its battery pays or not.

    Behind a bypass its inverter sleeps while the mains are on, so that what it takes
    for itself is a loss of running. Elsewhere it takes that all the time.
    """
    unit = facts.unit
    if facts.pass_through is not PassThrough.BYPASS:
        return unit
    curve = unit.discharge_loss
    loss = replace(curve, constant_w=curve.constant_w + facts.idle_w)
    return replace(unit, discharge_loss=loss)


def shortfall_w(facts: Facts, load_w: float) -> float:
    """Return the rate at which a load drains the battery with the mains on, W.

    0 where the input bears it. What cannot pass anything on is not asked.
    """
    unit = facts.unit
    if facts.pass_through is PassThrough.INVERTER:
        fill_w = unit.stored_w(-min(facts.max_input_w, unit.max_charge_w))
        return max(0.0, -unit.stored_w(load_w) + facts.idle_w - fill_w)
    if facts.pass_through is PassThrough.BYPASS:
        return -unit.stored_w(max(0.0, load_w - facts.max_input_w))
    return 0.0


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
    _look_for_full(count, facts, sight, dt_s)
    _look_for_empty(count, facts, sight)
    _look_for_return(count, facts, sight)
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
    flow = _flow(count, facts, before)
    unit, hours = facts.unit, dt_s / 3600.0
    fill_w, drain_w = unit.stored_w(-flow.into_w), -unit.stored_w(flow.given_w)
    count.charged_kwh += flow.into_w * hours / 1e3
    count.discharged_kwh += flow.given_w * hours / 1e3
    unsure_w = flow.unsure_w
    if dt_s > GAP_S:
        unsure_w = max(unsure_w, fill_w + drain_w, unit.stored_w(-_charger_w(facts)))
        unsure_w += _most_drain_w(count, facts)
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


def _flow(count: Count, facts: Facts, sight: Sight) -> _Flow:
    """Return what flows while the plugs say `sight`."""
    load_w, unsure_w = _load(facts, sight)
    if sight.on is False:
        if count.anchor is Anchor.EMPTY and count.stored_kwh == 0.0 and load_w <= 0.0:
            # Empty is empty, and has switched itself off.
            return _Flow()
        return _Flow(given_w=load_w, own_w=facts.idle_w, unsure_w=unsure_w)
    if sight.on is None or sight.input_w is None:
        fill_w = facts.unit.stored_w(-_charger_w(facts))
        return _Flow(
            given_w=load_w,
            own_w=facts.idle_w,
            unsure_w=fill_w + _most_drain_w(count, facts),
        )
    into_w = max(0.0, sight.input_w)
    if facts.pass_through is PassThrough.BYPASS:
        return _Flow(
            into_w=max(0.0, into_w - load_w),
            given_w=max(0.0, load_w - into_w),
            unsure_w=unsure_w,
        )
    if facts.pass_through is PassThrough.INVERTER:
        return _Flow(
            into_w=into_w, given_w=load_w, own_w=facts.idle_w, unsure_w=unsure_w
        )
    # Where nothing passes, what was only told of the appliances does not flow.
    if not facts.metered:
        return _Flow(into_w=into_w)
    return _Flow(into_w=into_w, given_w=load_w, unsure_w=unsure_w)


def _load(facts: Facts, sight: Sight) -> tuple[float, float]:
    """Return what the appliances draw, W, and how far the drain may be from that."""
    unit = facts.unit
    if facts.metered:
        if sight.output_w is not None:
            return max(0.0, sight.output_w), 0.0
        return 0.0, -unit.stored_w(unit.max_discharge_w)
    if facts.carried_w is None:
        return 0.0, -unit.stored_w(unit.max_discharge_w)
    return facts.carried_w, -TOLD_ERROR * unit.stored_w(facts.carried_w)


def _charger_w(facts: Facts) -> float:
    return min(facts.max_input_w, facts.unit.max_charge_w)


def _most_drain_w(count: Count, facts: Facts) -> float:
    """Return the fastest drain while nobody looks, W."""
    load_w = carried_w(count, facts)
    if load_w is None:
        load_w = facts.unit.max_discharge_w
    return -facts.unit.stored_w(load_w) + facts.idle_w


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


def _look_for_full(count: Count, facts: Facts, sight: Sight, dt_s: float) -> None:
    if sight.on is not True:
        count.on_since_s = count.low_since_s = None
        return
    if count.on_since_s is None:
        count.on_since_s = sight.time_s
        count.charged_s = count.tapered_s = 0.0
    charge_w = _charge_w(facts, sight)
    if charge_w is None or sight.input_w is None:
        count.low_since_s = None
        return
    if charge_w > facts.full_below_w:
        count.low_since_s = None
        if charge_w >= TAPER_SHARE * facts.unit.stored_w(-_charger_w(facts)):
            count.charged_s += dt_s
        else:
            count.tapered_s += dt_s
        return
    if count.low_since_s is None:
        count.low_since_s = sight.time_s
    if sight.time_s - count.low_since_s >= FULL_S and _is_full(count, facts, sight):
        _anchor(count, facts, Anchor.FULL, sight.time_s)


def _charge_w(facts: Facts, sight: Sight) -> float | None:
    """Return how fast the battery fills, W, None where that cannot be told apart."""
    if sight.input_w is None or (facts.metered and sight.output_w is None):
        return None
    load_w, _ = _load(facts, sight)
    unit = facts.unit
    if facts.pass_through is PassThrough.INVERTER:
        if sight.input_w >= BUSY_SHARE * _charger_w(facts):
            # All it has may go to the appliances, with none left for the battery.
            return unit.stored_w(-_charger_w(facts))
        return unit.stored_w(-sight.input_w) + unit.stored_w(load_w)
    if facts.pass_through is PassThrough.BYPASS:
        if sight.input_w >= facts.max_input_w:
            return unit.stored_w(-_charger_w(facts))
        return sight.input_w - load_w
    return sight.input_w


def _is_full(count: Count, facts: Facts, sight: Sight) -> bool:
    """Return whether a charge that ended has ended because nothing more fits.

    An empty socket takes nothing either, and so does a unit that is too cold.
    """
    assert sight.input_w is not None
    if count.stored_kwh is not None:
        most_kwh = count.stored_kwh + count.error_kwh
        if most_kwh >= NEARLY_FULL * capacity_kwh(count, facts):
            return count.tapered_s + count.charged_s > 0.0 or sight.input_w >= SOCKET_W
        return count.tapered_s >= TAPER_S and count.charged_s >= CHARGED_S
    if count.tapered_s >= TAPER_S and count.charged_s > 0.0:
        return True
    if sight.input_w < SOCKET_W:
        return False
    rested_s = sight.time_s - (count.low_since_s or sight.time_s)
    return count.charged_s >= CHARGED_S or rested_s >= FULL_UNSEEN_S


def _look_for_empty(count: Count, facts: Facts, sight: Sight) -> None:
    if not facts.metered or sight.on is not False:
        count.loaded = False
        count.unloaded_since_s = None
        return
    if sight.output_w is not None and sight.output_w >= LOAD_W:
        count.loaded = True
        count.unloaded_since_s = None
        return
    if not count.loaded or sight.output_w is None or sight.output_w >= NO_LOAD_W:
        count.unloaded_since_s = None
        return
    if count.unloaded_since_s is None:
        count.unloaded_since_s = sight.time_s
    if sight.time_s - count.unloaded_since_s >= EMPTY_S:
        count.loaded = False
        _load_is_gone(count, facts, sight)


def _load_is_gone(count: Count, facts: Facts, sight: Sight) -> None:
    """Decide whether the unit is empty, or somebody switched the appliances off.

    A meter that goes on to say nothing is believed only where hardly anything can be
    left: appliances end at the same hour each day as well. To take it for empty is on
    the safe side.
    """
    capacity = capacity_kwh(count, facts)
    if count.stored_kwh is None or (
        count.stored_kwh - count.error_kwh > NEARLY_EMPTY * capacity
    ):
        return
    most_kwh = count.stored_kwh + count.error_kwh
    _was_empty(count, facts, count.drained_kwh if count.clean else 0.0, sight)
    limit_kwh = 0.9 * UNKNOWN_SHARE * capacity_kwh(count, facts)
    count.error_kwh = min(max(count.error_kwh, most_kwh), limit_kwh)


def _look_for_return(count: Count, facts: Facts, sight: Sight) -> None:
    """See by the return of a meter that went silent under load what had happened.

    It has lost its radio, or the power of an empty unit: nobody knows, and nothing is
    taken for empty. Who comes back with the mains had lost the power.
    """
    if sight.on is None:
        count.dark_since_s = None
        return
    if sight.output_w is None:
        if sight.on is False and count.loaded and count.dark_since_s is None:
            count.dark_since_s = sight.time_s
            count.dark_kwh = count.drained_kwh if count.clean else 0.0
        return
    dark_s, on_s = count.dark_since_s, count.on_since_s
    count.dark_since_s = None
    if dark_s is None or on_s is None:
        return
    if on_s - dark_s >= EMPTY_S and sight.time_s - on_s <= RETURN_S:
        _was_empty(count, facts, count.dark_kwh, sight)


def _was_empty(count: Count, facts: Facts, seen_kwh: float, sight: Sight) -> None:
    """Take the unit for empty, and learn from what it gave since it was full."""
    if seen_kwh >= LEAST_CAPACITY * facts.unit.usable_kwh:
        _learn(count, facts, seen_kwh)
    _anchor(count, facts, Anchor.EMPTY, sight.time_s)


def _learn(count: Count, facts: Facts, seen_kwh: float) -> None:
    """Take in a capacity that was seen from full to empty."""
    known_kwh, before_kwh = capacity_kwh(count, facts), count.candidate_kwh
    count.candidate_kwh = seen_kwh
    if (
        count.cycles
        and abs(seen_kwh - known_kwh) > OUTLIER_SHARE * known_kwh
        and (before_kwh is None or abs(seen_kwh - before_kwh) > SAME_SHARE * seen_kwh)
    ):
        return
    new_kwh = facts.unit.usable_kwh
    weight = max(LEAST_WEIGHT, FIRST_WEIGHT / (1.0 + 0.5 * count.cycles))
    learnt_kwh = known_kwh + weight * (seen_kwh - known_kwh)
    count.capacity_kwh = min(
        max(learnt_kwh, LEAST_CAPACITY * new_kwh), MOST_CAPACITY * new_kwh
    )
    count.cycles += 1


def _anchor(count: Count, facts: Facts, anchor: Anchor, time_s: float) -> None:
    """Take the unit for full or empty."""
    capacity = capacity_kwh(count, facts)
    full = anchor is Anchor.FULL
    count.stored_kwh = capacity if full else 0.0
    count.error_kwh = ANCHOR_ERROR * capacity
    count.anchor, count.anchor_s = anchor, time_s
    count.clean = full
    count.drained_kwh = count.refilled_kwh = 0.0
