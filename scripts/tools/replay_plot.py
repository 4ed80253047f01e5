"""Draws a replay: a week of powers, charge and price, and the cost of the run."""

from datetime import datetime
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

from custom_components.leaf_to_home.engine.records import WS_PER_KWH, Floats, Records
from custom_components.leaf_to_home.engine.replay import Replay
from custom_components.leaf_to_home.engine.replay_run import ReplayRun

_WEEK_S = 7 * 86400.0
# More points than this are more than pixels.
_MOST_POINTS = 4000


def draw(path: Path, run: ReplayRun, result: Replay, baseline: Replay) -> None:
    """Write a PNG to `path`: the first week in detail, the cost over the whole run."""
    records = result.records
    figure = Figure(figsize=(12.0, 9.0), layout="constrained")
    FigureCanvasAgg(figure)
    powers, charge, cost = figure.subplots(3, 1)
    currency = run.contract.site.tariff.currency

    week = records.times_s < records.times_s[0] + _WEEK_S
    every = slice(None, None, max(1, int(week.sum()) // _MOST_POINTS))
    times = _local(records.times_s[week][every], run)
    unit_w = np.asarray(records.unit_w)
    for label, values_w, width in (
        ("load", records.load_w, 1.0),
        ("solar", records.solar_w, 1.0),
        ("unit, positive into the home", unit_w, 1.6),
        ("grid", records.grid_w(), 0.8),
    ):
        kilowatts = _torn(values_w / 1e3, records)[week][every]
        powers.plot(times, kilowatts, label=label, lw=width)
    powers.set_ylabel("kW")
    powers.legend(loc="upper right", ncols=4, fontsize="small")
    powers.set_title(f"{run.policy}, first days")

    soc_percent = np.asarray(records.stored_kwh) / run.spec.capacity_kwh * 100.0
    charge.plot(times, _torn(soc_percent, records)[week][every], color="tab:green")
    charge.axhline(run.spec.reserve_percent, color="tab:gray", ls=":", lw=1.0)
    charge.set_ylabel("state of charge, %")
    charge.set_ylim(0.0, 100.0)
    price = charge.twinx()
    price.plot(
        times,
        _torn(records.prices.import_price, records)[week][every],
        color="tab:red",
        lw=0.8,
        drawstyle="steps-post",
    )
    price.set_ylabel(f"import price, {currency}/kWh", color="tab:red")

    every = slice(None, None, max(1, len(records.times_s) // _MOST_POINTS))
    all_times = _local(records.times_s[every], run)
    for label, replay in (("none", baseline), (str(run.policy), result)):
        cost.plot(all_times, _paid(replay)[every], label=label)
    cost.set_ylabel(f"paid for energy, {currency}")
    cost.legend(loc="upper left", fontsize="small")
    for axes in (powers, charge, cost):
        axes.grid(alpha=0.3)
    figure.savefig(path, format="png", dpi=110)


def _local(times_s: Floats, run: ReplayRun) -> list[datetime]:
    zone = run.contract.site.tariff.zone
    return [datetime.fromtimestamp(time_s, zone) for time_s in times_s.tolist()]


def _torn(values: Floats, records: Records) -> Floats:
    """Return `values` with a hole before each day that was left out."""
    torn = values.copy()
    torn[:-1][np.diff(records.times_s) > 1.5 * records.step_s] = np.nan
    return torn


def _paid(replay: Replay) -> Floats:
    """Return the running cost of import less export."""
    records = replay.records
    grid_w = records.grid_w()
    prices = records.prices
    rate = np.where(
        grid_w > 0.0, grid_w * prices.import_price, grid_w * prices.export_price
    )
    paid: Floats = np.cumsum(rate) * (records.step_s / WS_PER_KWH)
    return paid
