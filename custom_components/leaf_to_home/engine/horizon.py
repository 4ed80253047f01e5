"""The steps of a plan: when they begin, and what a kWh costs in them.

Near steps lie on the clock and are cut where a price changes or a unit leaves or
returns, so that nothing is averaged that matters. They end where more prices will have
become known; from there on hours will do, with several futures of the prices that are
not known yet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .plan import PriceBasis
from .price_futures import PriceMemory, price_futures
from .tariff import PriceSlot, Tariff

type Floats = NDArray[np.float64]

STEP_S = 900.0
FAR_STEP_S = 3600.0
HOURS = 48.0
MOST_HOURS = 7 * 24.0
# So far beyond the known prices the plan looks.
BEYOND_HOURS = 48.0
# Steps shorter than this are not worth their own decision.
_SHORTEST_S = 60.0
_DAY_S = 86400.0
_HOUR_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Steps (T+1 edges) with their prices, futures x steps.

    `turns` are the steps at which one future leads to others; `price_basis` tells
    where each import price comes from.
    """

    starts_s: Floats
    import_price: Floats
    export_price: Floats
    price_basis: tuple[PriceBasis, ...]
    turns: tuple[tuple[int, Floats], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """Near and far steps; the far ones begin where the near ones end."""

    near: Part
    far: Part


def lay_out(
    tariff: Tariff,
    now_s: float,
    memory: PriceMemory,
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
    end_s = max(branch_s, now_s + (hours - 24.0) * _HOUR_S) + _DAY_S
    if published:
        end_s = max(end_s, known_s + BEYOND_HOURS * _HOUR_S)
    if last_s is not None:
        end_s = min(end_s, max(last_s, now_s + 2.0 * step_s))
        branch_s = min(branch_s, end_s - step_s)
    near_s = _edges(now_s, branch_s, step_s, [*cuts, *(s.start_s for s in slots)])
    far_s = _edges(branch_s, end_s, max(FAR_STEP_S, step_s), [*cuts, known_s])
    today = tariff.day_slots(now_s)
    usual = _mean([*today, *slots], export=False), _mean([*today, *slots], export=True)
    near = _part(tariff, slots, known_s, near_s, memory, usual)
    return Timeline(
        near=Part(
            starts_s=near_s,
            import_price=near.import_price.mean(axis=0, keepdims=True),
            export_price=near.export_price.mean(axis=0, keepdims=True),
            price_basis=near.price_basis,
        ),
        far=_part(tariff, slots, known_s, far_s, memory, usual),
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


def _known(slots: Sequence[PriceSlot], edges_s: Floats, *, export: bool) -> Floats:
    """Return the mean known price of each step, NaN where none is known."""
    if not slots:
        return np.full(len(edges_s) - 1, np.nan)
    prices = [slot.export_price if export else slot.import_price for slot in slots]
    price = np.array([np.nan if each is None else each for each in prices], dtype=float)
    cuts = np.array([*(slot.start_s for slot in slots), slots[-1].end_s])
    length = np.diff(cuts)
    known = ~np.isnan(price)
    paid = np.concatenate([[0.0], np.cumsum(np.where(known, price * length, 0.0))])
    priced = np.concatenate([[0.0], np.cumsum(known * length)])
    total = np.diff(np.interp(edges_s, cuts, paid))
    covered = np.diff(np.interp(edges_s, cuts, priced))
    with np.errstate(invalid="ignore"):
        return np.where(covered > 1e-6, total / np.maximum(covered, 1e-9), np.nan)


def _mean(slots: Sequence[PriceSlot], *, export: bool) -> float | None:
    """Return the mean of the known prices, None where there are none."""
    paid = lasting_s = 0.0
    for slot in slots:
        price = slot.export_price if export else slot.import_price
        if price is not None:
            paid += price * (slot.end_s - slot.start_s)
            lasting_s += slot.end_s - slot.start_s
    return paid / lasting_s if lasting_s else None


def _part(
    tariff: Tariff,
    slots: tuple[PriceSlot, ...],
    known_s: float,
    edges_s: Floats,
    memory: PriceMemory,
    usual: tuple[float | None, float | None],
) -> Part:
    """Return steps with the known prices first, then several futures of the others.

    Where these cannot be told, prices are the `usual` ones (import, export).
    """
    imports, exports = (_known(slots, edges_s, export=e) for e in (False, True))
    open_ = np.isnan(imports)
    told = np.zeros_like(open_)
    futures = None
    if open_.any():
        futures = price_futures(memory, tariff, known_s, edges_s)
    if futures is not None:
        told = edges_s[:-1] >= known_s
        imports = np.where(open_ & told, futures.import_price, imports)
        exports = np.where(np.isnan(exports) & told, futures.export_price, exports)
    estimated = told | (usual[0] is not None)
    basis = np.where(
        open_,
        np.where(estimated, PriceBasis.ESTIMATED, PriceBasis.UNKNOWN),
        PriceBasis.KNOWN,
    )
    return Part(
        starts_s=edges_s,
        import_price=_filled(imports, usual[0]),
        export_price=_filled(exports, usual[1]),
        turns=futures.turns if futures is not None else (),
        price_basis=tuple(map(PriceBasis, basis.tolist())),
    )


def _filled(prices: Floats, usual: float | None) -> Floats:
    """Return prices, futures x steps, with the usual one where none is there."""
    filled: Floats = np.where(np.isnan(prices), usual or 0.0, np.atleast_2d(prices))
    return filled
