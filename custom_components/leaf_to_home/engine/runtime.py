"""How long what is stored carries the house."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp

from .battery import UnitSpec
from .outage_model import LoadOutlook, Runtime

# No further is anything foreseen; who lasts longer lasts for good.
HORIZON_S = 7 * 86400.0
# Without an outlook the load may be this share of what it was lately, low and high.
CALM_SHARE = 0.5
BUSY_SHARE = 1.8
# Of the sun expected, what comes in a bad case.
POOR_SUN = 0.5
# The house that is carried may draw this share of what it draws else.
LEAST_SCALE, MOST_SCALE = 0.1, 3.0
# What is off stays off; but a peak passes: what is drawn above the usual fades so.
PEAK_FADES_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """A battery that carries: what it may still give, and take, kWh."""

    spec: UnitSpec
    usable_kwh: float
    room_kwh: float
    own_w: float = 0.0
    solar: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """One course of the load: for how long (s), how much, and how much sun (W)."""

    steps: tuple[tuple[float, float, float], ...]


def estimate(
    stores: Sequence[Store],
    outlook: LoadOutlook | None,
    recent_w: float | None,
    now_s: float,
    *,
    carried: bool,
    shed_w: Mapping[str, float],
    on_w: Mapping[str, float],
) -> Runtime | None:
    """Return the runtime, None where nothing is known of the load or no store is.

    While the load is `carried`, `recent_w` is what is left of it. `shed_w` is what the
    shed tiers would draw, `on_w` what the others do.
    """
    if not stores or (outlook is None and recent_w is None):
        return None
    cases = _cases(outlook, recent_w, now_s, carried=carried)
    if cases is None:
        return None
    low, likely, high = (_lasting_h(stores, case, 0.0) for case in cases)
    gains: dict[str, float] = {}
    if likely is not None:
        for key, power_w in on_w.items():
            without = _lasting_h(stores, cases[1], -power_w)
            gains[key] = (HORIZON_S / 3600.0 if without is None else without) - likely
        for key, power_w in shed_w.items():
            having = _lasting_h(stores, cases[1], power_w)
            gains[key] = likely - (likely if having is None else having)
    return Runtime(
        low_h=low,
        likely_h=likely,
        high_h=high,
        usable_kwh=sum(store.usable_kwh for store in stores),
        tier_gain_h=gains,
    )


def _cases(
    outlook: LoadOutlook | None,
    recent_w: float | None,
    now_s: float,
    *,
    carried: bool,
) -> tuple[_Case, _Case, _Case] | None:
    """Return how the load may go in a bad, the likely and a good case."""
    usable = outlook if outlook is not None and _count(outlook) else None
    if usable is None:
        if recent_w is None:
            return None
        bad, likely, good = (
            _Case(steps=((HORIZON_S, share * recent_w, 0.0),))
            for share in (BUSY_SHARE, 1.0, CALM_SHARE)
        )
        return bad, likely, good
    steps = list(_steps(usable, now_s))
    scale = 1.0
    expected_w = usable.likely_w[steps[0][1]]
    if carried and recent_w is not None and expected_w > 0.0:
        scale = min(max(recent_w / expected_w, LEAST_SCALE), MOST_SCALE)

    scales = list(_scales(scale, steps))

    def case(load_w: Sequence[float], sun: float) -> _Case:
        return _Case(
            steps=tuple(
                (
                    seconds,
                    scale * load_w[i],
                    sun * usable.solar_w[i] if i < len(usable.solar_w) else 0.0,
                )
                for scale, (seconds, i) in zip(scales, steps, strict=True)
            )
        )

    return (
        case(usable.high_w, POOR_SUN),
        case(usable.likely_w, 1.0),
        case(usable.low_w, 1.0),
    )


def _scales(scale: float, steps: Sequence[tuple[float, int]]) -> Iterator[float]:
    """Yield the share of the usual load in each step."""
    passed_s = 0.0
    for seconds, _ in steps:
        if scale <= 1.0:
            yield scale
        else:
            yield 1.0 + (scale - 1.0) * exp(-passed_s / PEAK_FADES_S)
        passed_s += seconds


def _count(outlook: LoadOutlook) -> int:
    if outlook.step_s <= 0.0:
        return 0
    return min(len(outlook.low_w), len(outlook.likely_w), len(outlook.high_w))


def _steps(outlook: LoadOutlook, now_s: float) -> Iterator[tuple[float, int]]:
    """Yield seconds and index of each step from now on; the last day repeats itself."""
    count, step_s = _count(outlook), outlook.step_s
    day = max(1, min(count, round(86400.0 / step_s)))
    passed_s = max(0.0, now_s - outlook.start_s)
    index = int(passed_s // step_s)
    seconds = step_s - passed_s % step_s
    left_s = HORIZON_S
    while left_s > 0.0:
        if index < count:
            yield seconds, index
        else:
            yield seconds, count - day + (index - count) % day
        left_s -= seconds
        seconds = step_s
        index += 1


def _lasting_h(stores: Sequence[Store], case: _Case, more_w: float) -> float | None:
    """Return for how long the stores carry a load that is `more_w` higher, hours."""
    left_kwh = sum(store.usable_kwh for store in stores)
    full_kwh = left_kwh + sum(store.room_kwh for store in stores if store.solar)
    sunny = any(store.solar for store in stores)
    passed_s = 0.0
    for seconds, load_w, solar_w in case.steps:
        net_w = max(0.0, load_w + more_w) - (solar_w if sunny else 0.0)
        drain_w = _drain_w(stores, net_w)
        drained_kwh = drain_w * seconds / 3.6e6
        if drained_kwh >= left_kwh:
            if drain_w <= 0.0:
                return passed_s / 3600.0
            return (passed_s + left_kwh * 3.6e6 / drain_w) / 3600.0
        left_kwh = min(full_kwh, left_kwh - drained_kwh)
        passed_s += seconds
    return None


def _drain_w(stores: Sequence[Store], net_w: float) -> float:
    """Return what leaves the batteries in W; several share the load."""
    each_w = net_w / len(stores)
    return sum(store.own_w - store.spec.stored_w(each_w) for store in stores)
