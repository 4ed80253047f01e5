"""When a unit behind plugs is full or empty for sure, and what that teaches."""

from typing import Final

from .metered_flow import charger_w, drawn
from .metered_model import Anchor, Count, Facts, PassThrough, Sight, capacity_kwh

# A count of which this share of the capacity may be wrong says nothing any more.
UNKNOWN_SHARE: Final = 0.5
# A full unit is left alone until it has lost a little.
ANCHOR_ERROR: Final = 0.04

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
FIRST_WEIGHT: Final = 0.5
LEAST_WEIGHT: Final = 0.25
# A capacity this far from what was learnt has to be seen twice, as near as that.
OUTLIER_SHARE: Final = 0.25
SAME_SHARE: Final = 0.07


def look_for_full(count: Count, facts: Facts, sight: Sight, dt_s: float) -> None:
    """See whether a charge has ended because nothing more fits."""
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
        if charge_w >= TAPER_SHARE * facts.unit.stored_w(-charger_w(facts)):
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
    load_w, _ = drawn(facts, sight)
    unit = facts.unit
    if facts.pass_through is PassThrough.INVERTER:
        if sight.input_w >= BUSY_SHARE * charger_w(facts):
            # All it has may go to the appliances, with none left for the battery.
            return unit.stored_w(-charger_w(facts))
        return unit.stored_w(-sight.input_w) + unit.stored_w(load_w)
    if facts.pass_through is PassThrough.BYPASS:
        if sight.input_w >= facts.max_input_w:
            return unit.stored_w(-charger_w(facts))
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


def look_for_empty(count: Count, facts: Facts, sight: Sight) -> None:
    """See whether a load that is always there is gone."""
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


def look_for_return(count: Count, facts: Facts, sight: Sight) -> None:
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
