"""Houses, contracts and an independent reader of traces, for the replay's tests."""

from collections.abc import Iterable, Sequence
import csv
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.leaf_to_home.engine.battery import LossCurve, UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.formats import Contract, parse_contract
from custom_components.leaf_to_home.engine.house import SimulatedHouse
from custom_components.leaf_to_home.engine.records import trace_lines
from custom_components.leaf_to_home.engine.replay import Replay
from custom_components.leaf_to_home.engine.replay_run import ReplayRun
from custom_components.leaf_to_home.engine.tables import HouseRun

MADRID = ZoneInfo("Europe/Madrid")
LOSS = LossCurve(constant_w=80.0, linear=0.03, quadratic_per_kw=0.004)
LEAF = UnitSpec(
    kind=UnitKind.VEHICLE,
    usable_kwh=36.0,
    max_charge_w=6000.0,
    max_discharge_w=6000.0,
    min_power_w=200.0,
    min_import_w=50.0,
    standby_w=10.0,
    start_delay_s=30.0,
    ramp_w_per_s=500.0,
    wear_per_kwh=0.02,
    charge_loss=LOSS,
    discharge_loss=LOSS,
)
BANDS = {"bands": [{"price": 0.22, "from": "07:00", "to": "23:00"}, {"price": 0.10}]}
TARIFF: dict[str, Any] = {
    "currency": "EUR",
    "timezone": "Europe/Madrid",
    "import": BANDS,
    "export": 0.05,
}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=MADRID).timestamp()


def contract(**more: Any) -> Contract:
    return parse_contract(TARIFF | more, "tariff.yaml")


def flat_house(
    loads_w: Sequence[float],
    *,
    step_s: float = 900.0,
    start: str = "2026-11-23T00:00",
    solar_w: float = 0.0,
) -> HouseRun:
    begin = at(start)
    return HouseRun(
        step_s=step_s,
        times_s=[begin + step_s * k for k in range(len(loads_w))],
        load_w=loads_w,
        solar_w=[solar_w] * len(loads_w),
        days=("2026-11-23",),
        days_left_out=(),
    )


def seeded_house(days: int, *, step_s: float = 900.0, seed: int = 7) -> HouseRun:
    """Return the made-up house in means over the step, sampled every half minute."""
    house = SimulatedHouse(seed, MADRID)
    begin = at("2026-10-20T00:00")
    end = at("2026-10-20T00:00") + days * 86400.0
    times_s = [begin + step_s * k for k in range(round((end - begin) / step_s))]
    samples = max(1, int(step_s // 30))
    rows = [
        [time_s + step_s * (k + 0.5) / samples for k in range(samples)]
        for time_s in times_s
    ]
    return HouseRun(
        step_s=step_s,
        times_s=times_s,
        load_w=[sum(map(house.load_w, row)) / samples for row in rows],
        solar_w=[sum(map(house.solar_w, row)) / samples for row in rows],
        days=tuple(str(k) for k in range(days)),
        days_left_out=(),
    )


# --- a reader of traces that shares no code with the engine --------------------------


@dataclass
class Recomputed:
    """What the trace alone says."""

    energy_cost: float = 0.0
    import_kwh: float = 0.0
    export_kwh: float = 0.0
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0
    drift_kwh: float = 0.0


def recompute(
    lines: Iterable[str],
    spec: UnitSpec,
    *,
    first_kwh: float,
    trips_kwh: dict[str, float],
    step_s: float,
) -> Recomputed:
    """Check every row of a trace within 1 W and 1 Wh, and add it up."""
    total = Recomputed()
    stored = walked = first_kwh
    for line in csv.DictReader(lines):
        load, solar, unit, grid = (
            float(line[f"{name}_w"]) for name in ("load", "solar", "unit", "grid")
        )
        assert abs(load - solar - unit - grid) <= 1.0
        power = abs(unit)
        loss = 80.0 + 0.03 * power + 0.004 * power * power / 1000.0
        if unit > 0.0:
            change_w = -(power + loss)
        elif power > spec.standby_w:
            change_w = max(0.0, power - loss)
        else:
            change_w = 0.0
        hours = step_s / 3600.0
        change = change_w / 1000.0 * hours - trips_kwh.get(line["time"], 0.0)
        after = float(line["stored_kwh"])
        assert abs(after - stored - change) <= 0.001, line
        assert abs(float(line["soc_percent"]) - after / spec.capacity_kwh * 100) < 0.001
        stored, walked = after, walked + change
        bought, sold = max(grid, 0.0) / 1000 * hours, max(-grid, 0.0) / 1000 * hours
        total.energy_cost += bought * float(line["import_price"])
        total.energy_cost -= sold * float(line["export_price"])
        total.import_kwh += bought
        total.export_kwh += sold
        total.charged_kwh += max(-unit, 0.0) / 1000 * hours
        total.discharged_kwh += max(unit, 0.0) / 1000 * hours
    total.drift_kwh = abs(stored - walked)
    return total


def check(run: ReplayRun, replay: Replay) -> None:
    """Hold the books against the trace."""
    records, books = replay.records, replay.books
    spec = run.spec
    lines = list(trace_lines(records, MADRID, spec.capacity_kwh))
    assert len(lines) == 1 + len(records.times_s)
    trips = {
        datetime.fromtimestamp(time_s, MADRID).isoformat(): kwh
        for time_s, kwh in zip(records.times_s, records.trip_kwh, strict=True)
        if kwh
    }
    first = spec.capacity_kwh * spec.initial_soc_percent / 100.0
    found = recompute(
        lines, spec, first_kwh=first, trips_kwh=trips, step_s=records.step_s
    )
    assert found.drift_kwh <= 0.1
    close = pytest.approx
    assert books.energy_cost == close(found.energy_cost, abs=0.01)
    assert books.import_kwh == close(found.import_kwh, abs=0.1)
    assert books.export_kwh == close(found.export_kwh, abs=0.1)
    assert books.charged_kwh == close(found.charged_kwh, abs=0.1)
    assert books.discharged_kwh == close(found.discharged_kwh, abs=0.1)
    assert books.wear_cost == close(books.discharged_kwh * spec.wear_per_kwh)
    assert books.stored_change_kwh == close(records.stored_kwh[-1] - first)
    assert books.losses_kwh == close(
        books.charged_kwh
        - books.discharged_kwh
        - books.trip_kwh
        - books.stored_change_kwh
    )
    assert books.losses_kwh >= -1e-6
    assert books.total_cost == close(
        books.energy_cost + books.wear_cost + books.capacity_cost - books.end_value
    )
    assert books.trip_kwh == close(sum(trips.values()))
