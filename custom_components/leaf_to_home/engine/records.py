"""What a replay keeps of each executed step, and how that is written as a trace."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from .formats import FormatError
from .tables import HouseRun
from .tariff import Tariff

type Floats = NDArray[np.float64]

WS_PER_KWH = 3.6e6
TRACE_COLUMNS = (
    "time",
    "load_w",
    "solar_w",
    "unit_w",
    "grid_w",
    "soc_percent",
    "stored_kwh",
    "import_price",
    "export_price",
    "intent",
    "reason",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepPrices:
    """Mean prices of each executed step, money per kWh."""

    import_price: Floats
    export_price: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """One entry for each executed step; powers in W are means over it.

    `stored_kwh` stands at its end, `trip_kwh` left the battery at its start. Of a step
    with an `outage` in it, `load_w` and `solar_w` are what could be had.
    """

    step_s: float
    times_s: Floats
    load_w: Floats
    solar_w: Floats
    prices: StepPrices
    first_stored_kwh: float
    unit_w: array[float]
    stored_kwh: array[float]
    trip_kwh: array[float]
    connected: bytearray
    outage: bytearray
    intents: list[str]
    reasons: list[str]

    @classmethod
    def empty(
        cls, house: HouseRun, per_row: int, stored_kwh: float, prices: StepPrices
    ) -> Records:
        """Return records with everything that is known before the run."""
        count = len(house.times_s) * per_row
        return cls(
            step_s=house.step_s / per_row,
            times_s=_step_times(house, per_row),
            load_w=np.repeat(np.asarray(house.load_w), per_row),
            solar_w=np.repeat(np.asarray(house.solar_w), per_row),
            prices=prices,
            first_stored_kwh=stored_kwh,
            unit_w=array("d", bytes(8 * count)),
            stored_kwh=array("d", bytes(8 * count)),
            trip_kwh=array("d", bytes(8 * count)),
            connected=bytearray(count),
            outage=bytearray(count),
            intents=[],
            reasons=[],
        )

    def grid_w(self) -> Floats:
        """Return the mean grid power of each step, W."""
        grid_w: Floats = self.load_w - self.solar_w - np.asarray(self.unit_w)
        return grid_w


def _step_times(house: HouseRun, per_row: int) -> Floats:
    step_s = house.step_s / per_row
    offsets = np.arange(per_row) * step_s
    times_s: Floats = np.add.outer(np.asarray(house.times_s), offsets).ravel()
    return times_s


def prices_of_steps(tariff: Tariff, house: HouseRun, per_row: int) -> StepPrices:
    """Return the mean prices of each executed step; raises `FormatError` if unknown."""
    begin_s = _step_times(house, per_row)
    end_s = begin_s + house.step_s / per_row
    starts: list[float] = []
    both: list[tuple[float, float]] = []
    now_s, last_s = house.times_s[0], float(end_s[-1])
    while now_s < last_s:
        for slot in tariff.day_slots(now_s):
            prices = (slot.import_price, slot.export_price)
            starts.append(slot.start_s)
            both.append((_or_nan(prices[0]), _or_nan(prices[1])))
        now_s = tariff.local_midnight_after(now_s)
    edges = np.array([*starts, now_s])
    columns = []
    for name, prices in zip(("import", "export"), np.array(both).T, strict=True):
        first = np.searchsorted(edges, begin_s, side="right") - 1
        last = np.searchsorted(edges, end_s, side="left") - 1
        mean = prices[first]
        for i in np.flatnonzero(first != last):
            inside = slice(first[i], last[i] + 1)
            cuts = np.array([begin_s[i], *edges[first[i] + 1 : last[i] + 1], end_s[i]])
            mean[i] = np.diff(cuts) @ prices[inside] / (end_s[i] - begin_s[i])
        if np.isnan(mean).any():
            at = datetime.fromtimestamp(
                float(begin_s[np.isnan(mean).argmax()]), tariff.zone
            )
            raise FormatError(
                f"tariff: {name}: expected a price at {at.isoformat()}, found none"
            )
        columns.append(mean)
    return StepPrices(import_price=columns[0], export_price=columns[1])


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def trace_lines(records: Records, zone: ZoneInfo, capacity_kwh: float) -> Iterator[str]:
    """Yield the trace as lines of CSV, the header first, times in `zone`."""
    yield ",".join(TRACE_COLUMNS) + "\n"
    prices = records.prices
    for at_s, load_w, solar_w, unit_w, stored_kwh, imp, exp, intent, reason in zip(
        records.times_s.tolist(),
        records.load_w.tolist(),
        records.solar_w.tolist(),
        records.unit_w,
        records.stored_kwh,
        prices.import_price.tolist(),
        prices.export_price.tolist(),
        records.intents,
        records.reasons,
        strict=True,
    ):
        time = datetime.fromtimestamp(at_s, zone).isoformat()
        yield (
            f"{time},{load_w:.3f},{solar_w:.3f},{unit_w:.3f},"
            f"{load_w - solar_w - unit_w:.3f},{stored_kwh / capacity_kwh * 100.0:.4f},"
            f"{stored_kwh:.6f},{imp:.8g},{exp:.8g},{intent},{reason}\n"
        )
