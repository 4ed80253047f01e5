"""A unit behind plugs: what is known of it, what they say, what is remembered."""

from dataclasses import dataclass, replace
from enum import StrEnum

from .battery import UnitSpec


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
