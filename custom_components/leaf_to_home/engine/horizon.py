"""The steps of a plan: when they begin, and what a kWh costs in them.

Near steps lie on the clock and are cut where a price changes or a unit leaves or
returns, so that nothing is averaged that matters. They end where more prices will have
become known; from there on hours will do. Prices that are not known yet are taken from
the days before: each of those days is a future, shifted to the present level.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tariff import PriceSlot, Tariff

type Floats = NDArray[np.float64]

STEP_S = 900.0
FAR_STEP_S = 3600.0
HOURS = 48.0
MOST_HOURS = 7 * 24.0
# How many days before stand for a day whose prices are not known.
FUTURES = 8
# How much of the present price level stays.
LEVEL_SHARE = 0.7
# Steps shorter than this are not worth their own decision.
_SHORTEST_S = 60.0
_DAY_S = 86400.0
_HOUR_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Steps (T+1 edges) with their prices, futures x steps."""

    starts_s: Floats
    import_price: Floats
    export_price: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """Near and far steps; the far ones begin where the near ones end."""

    near: Part
    far: Part


def lay_out(
    tariff: Tariff,
    now_s: float,
    *,
    cuts_s: Iterable[float] = (),
    step_s: float = STEP_S,
    hours: float = HOURS,
    last_s: float | None = None,
) -> Timeline:
    """Return the steps from now on: what is known, and at least `hours`.

    `cuts_s` are other times at which a step has to begin; nothing reaches beyond
    `last_s`.
    """
    published = tariff.published_minute is not None
    slots = tariff.known(now_s, hours=MOST_HOURS if published else hours + 24.0)
    known_s = slots[-1].end_s if slots else now_s
    cuts = list(cuts_s)
    branch_s = now_s // step_s * step_s + hours * _HOUR_S
    if tariff.published_minute is not None:
        branch_s = min(branch_s, tariff.next_local_time(now_s, tariff.published_minute))
    branch_s = min(branch_s, max(known_s, now_s + step_s))
    end_s = max(branch_s, now_s + (hours - 24.0) * _HOUR_S)
    if published:
        end_s = max(end_s, known_s)
    end_s += _DAY_S
    if last_s is not None:
        end_s = min(end_s, max(last_s, now_s + 2.0 * step_s))
        branch_s = min(branch_s, end_s - step_s)
    near_s = _edges(now_s, branch_s, step_s, [*cuts, *(s.start_s for s in slots)])
    far_s = _edges(branch_s, end_s, max(FAR_STEP_S, step_s), [*cuts, known_s])
    both = _price_futures(tariff, slots, now_s, known_s, far_s)
    return Timeline(
        near=Part(
            starts_s=near_s,
            import_price=_filled(_known(slots, near_s, export=False))[None],
            export_price=_filled(_known(slots, near_s, export=True))[None],
        ),
        far=Part(starts_s=far_s, import_price=both[0], export_price=both[1]),
    )


def _edges(
    begin_s: float, end_s: float, step_s: float, cuts_s: Iterable[float]
) -> Floats:
    grid = np.arange((begin_s // step_s + 1.0) * step_s, end_s, step_s).tolist()
    edges = sorted({*grid, *(cut for cut in cuts_s if begin_s < cut < end_s)})
    starts = [begin_s]
    for edge in edges:
        if edge - starts[-1] >= _SHORTEST_S and end_s - edge >= _SHORTEST_S:
            starts.append(edge)
    return np.array([*starts, end_s])


def _known(slots: Iterable[PriceSlot], edges_s: Floats, *, export: bool) -> Floats:
    """Return the mean known price of each step, NaN where none is known."""
    total = np.zeros(len(edges_s) - 1)
    covered = np.zeros(len(edges_s) - 1)
    for slot in slots:
        price = slot.export_price if export else slot.import_price
        if price is None:
            continue
        first = max(int(np.searchsorted(edges_s, slot.start_s, side="right")) - 1, 0)
        last = int(np.searchsorted(edges_s, slot.end_s, side="left"))
        inside = np.clip(edges_s[first : last + 1], slot.start_s, slot.end_s)
        part = np.diff(inside)
        total[first : first + len(part)] += part * price
        covered[first : first + len(part)] += part
    with np.errstate(invalid="ignore"):
        return np.where(covered > 0.0, total / np.maximum(covered, 1e-9), np.nan)


def _filled(prices: Floats) -> Floats:
    """Return prices with the mean of the others where one is not known, else 0."""
    known = prices[~np.isnan(prices)]
    mean = float(known.mean()) if len(known) else 0.0
    return np.where(np.isnan(prices), mean, prices)


def _price_futures(
    tariff: Tariff,
    slots: tuple[PriceSlot, ...],
    now_s: float,
    known_s: float,
    edges_s: Floats,
) -> tuple[Floats, Floats]:
    """Return import and export price of the far steps, futures x steps."""
    certain = [_known(slots, edges_s, export=export) for export in (False, True)]
    open_ended = np.isnan(certain[0])
    if not open_ended.any():
        return certain[0][None], _filled(certain[1])[None]
    level = _known(
        slots, np.array([max(now_s, known_s - _DAY_S), known_s]), export=False
    )
    futures: list[tuple[Floats, Floats]] = []
    back = 0
    while len(futures) < FUTURES and back < 3 * FUTURES:
        back += 1
        day = _day_before(tariff, edges_s, known_s, back)
        if day is not None:
            futures.append(day)
    if not futures:
        return _filled(certain[0])[None], _filled(certain[1])[None]
    imports = np.stack([future[0] for future in futures])
    exports = np.stack([future[1] for future in futures])
    if not np.isnan(level[0]):
        means = imports.mean(axis=1, keepdims=True)
        imports = imports + LEVEL_SHARE * (level[0] - means)
    imports = np.where(open_ended, imports, certain[0])
    exports = np.where(np.isnan(certain[1]), exports, certain[1])
    return imports, exports


def _day_before(
    tariff: Tariff, edges_s: Floats, known_s: float, back: int
) -> tuple[Floats, Floats] | None:
    """Return the far steps' prices as if the day `back` days before came again."""
    shift_s = back * _DAY_S
    # Steps more than a day behind the known prices repeat the same past day.
    lag = np.floor((edges_s[:-1] - known_s) / _DAY_S).clip(min=0.0) * _DAY_S + shift_s
    imports = np.empty(len(lag))
    exports = np.empty(len(lag))
    for i, (begin_s, lag_s) in enumerate(zip(edges_s[:-1], lag, strict=True)):
        slot = _slot_at(tariff, float(begin_s - lag_s))
        if slot is None or slot.import_price is None:
            return None
        imports[i] = slot.import_price
        exports[i] = 0.0 if slot.export_price is None else slot.export_price
    return imports, exports


def _slot_at(tariff: Tariff, at_s: float) -> PriceSlot | None:
    return next((s for s in tariff.day_slots(at_s) if at_s < s.end_s), None)
