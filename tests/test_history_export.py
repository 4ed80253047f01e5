"""The home's past as files, which the replay's own command reads."""

from collections.abc import Mapping
import csv
from dataclasses import replace
from datetime import datetime
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
import yaml

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.prices import PriceSeries
from custom_components.leaf_to_home.engine.tariff import Tariff, parse_tariff
from custom_components.leaf_to_home.history_export import _contract, _prices
from custom_components.leaf_to_home.replay_work import async_own_contract
from scripts.tools import replay_command
from tests.conftest import GRID, SOLAR, make_entry, set_power, setup
from tests.statistics import HOUR_S, hours, house, write

WEST = ZoneInfo("US/Pacific")
# Two days after the end of summer time on 1 November.
NOW = datetime(2026, 11, 3, 10, 0, tzinfo=WEST)
DAYS = 4
BEGIN_S = datetime(2026, 10, 30, tzinfo=WEST).timestamp()
END_S = datetime(2026, 11, 3, tzinfo=WEST).timestamp()
# One day more than 24 hours each.
HOURS = 97
FILES = ["house.csv", "import_prices.csv", "export_prices.csv", "tariff.yaml"]


@pytest.fixture
def persistent_database() -> bool:
    """Keep the database in a file, as homes have it."""
    return True


@pytest.fixture(autouse=True)
def _own_config(hass: HomeAssistant, tmp_path: Path) -> None:
    hass.config.config_dir = str(tmp_path / "config")
    (tmp_path / "config").mkdir()


async def lived(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, **options: Any
) -> list[float]:
    """Let a home with sun have four days of past; return its load by the hour."""
    freezer.move_to(NOW)
    set_power(hass, GRID, 800.0)
    entry = make_entry(
        data={"grid": {"kind": "sensor", "entity": GRID}, "solar": [SOLAR]},
        options=options,
    )
    await setup(hass, entry)
    starts_s = hours(BEGIN_S, HOURS)
    load_w, solar_w = house(starts_s)
    await write(hass, GRID, starts_s, load_w - solar_w)
    await write(hass, SOLAR, starts_s, solar_w)
    return load_w.tolist()


async def export(hass: HomeAssistant, **data: Any) -> Mapping[str, Any]:
    answer = await hass.services.async_call(
        DOMAIN, "export_history", data, blocking=True, return_response=True
    )
    assert answer is not None
    return answer


@pytest.mark.usefixtures("recorder_mock")
async def test_the_replay_reads_what_is_written(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, tmp_path: Path
) -> None:
    load_w = await lived(
        hass,
        freezer,
        main_limit={"value": 9000, "unit": "W"},
        capacity={"price_per_kw_month": 4, "free_kw": 1, "peaks_averaged": 3},
        import_limit_w=5000,
    )

    answer = await export(hass, days=DAYS)

    folder = Path(hass.config.path(DOMAIN, "home"))
    assert answer["folder"] == str(folder)
    assert answer["files"] == FILES
    assert answer["first"] == "2026-10-30T00:00:00-07:00"
    assert answer["last"] == "2026-11-02T23:45:00-08:00"
    assert (answer["hours"], answer["hours_missing"]) == (HOURS, 0.0)
    figures = tmp_path / "figures.json"
    command = [str(folder / "house.csv"), "--tariff", str(folder / "tariff.yaml")]
    command += ["--policy", "rule", "--trips", "commuter", "--json", str(figures)]
    assert await hass.async_add_executor_job(replay_command.main, command) == 0
    found = json.loads(figures.read_text())
    assert found["days"] == DAYS
    assert found["days_left_out"] == []
    assert found["currency"] == hass.config.currency
    assert found["capacity_cost"] > 0.0
    with (folder / "house.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * HOURS
    assert [float(row["load_w"]) for row in rows[::4]] == pytest.approx(
        load_w, abs=0.06
    )
    contract = yaml.safe_load((folder / "tariff.yaml").read_text())
    assert contract["main_limit_w"] == 9000.0
    assert contract["import_limit_kw"] == 5.0
    assert contract["timezone"] == "US/Pacific"


@pytest.mark.usefixtures("recorder_mock")
async def test_a_hole_is_left_open(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(NOW)
    set_power(hass, GRID, 800.0)
    await setup(hass, make_entry())
    starts_s = hours(BEGIN_S + 5 * HOUR_S, 20)
    known = [*range(4), *range(10, 20)]
    await write(hass, GRID, starts_s[known], [500.0] * len(known))

    answer = await export(hass, days=DAYS)

    assert (answer["hours"], answer["hours_missing"]) == (14.0, 6.0)
    assert answer["first"] == "2026-10-30T05:00:00-07:00"
    lines = Path(answer["folder"], "house.csv").read_text().splitlines()
    assert len(lines) == 1 + 20 * 4
    assert lines[17] == "2026-10-30T09:00:00-07:00,,"


@pytest.mark.usefixtures("recorder_mock")
async def test_a_folder_of_ones_own_choice_has_to_be_allowed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, tmp_path: Path
) -> None:
    await lived(hass, freezer)
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    for each in (allowed, other):
        each.mkdir()
    hass.config.allowlist_external_dirs = {str(allowed)}

    answer = await export(hass, days=DAYS, folder=str(allowed / "mine"))
    assert sorted(path.name for path in (allowed / "mine").iterdir()) == sorted(FILES)
    assert answer["folder"] == str(allowed / "mine")

    (allowed / "link").mkdir()
    (allowed / "link" / "house.csv").symlink_to(other / "house.csv")
    (other / "house.csv").write_text("keep me")
    for folder in (
        str(other),
        str(allowed / ".." / "other"),
        str(allowed / "link"),
        "allowed",
    ):
        with pytest.raises(ServiceValidationError) as raised:
            await export(hass, days=DAYS, folder=folder)
        assert raised.value.translation_key == "path_not_allowed", folder
    assert (other / "house.csv").read_text() == "keep me"
    assert [path.name for path in other.iterdir()] == ["house.csv"]


@pytest.mark.usefixtures("recorder_mock")
async def test_a_folder_that_cannot_be_written_is_named(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await lived(hass, freezer)
    Path(hass.config.path(DOMAIN)).write_text("a file in its place")
    with pytest.raises(HomeAssistantError) as raised:
        await export(hass, days=DAYS)
    assert raised.value.translation_key == "export_failed"


@pytest.mark.usefixtures("recorder_mock")
async def test_where_nothing_is_known_nothing_is_written(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(NOW)
    set_power(hass, GRID, 800.0)
    await setup(hass, make_entry())
    with pytest.raises(HomeAssistantError) as raised:
        await export(hass, days=DAYS)
    assert raised.value.translation_key == "history_silent"
    assert not Path(hass.config.path(DOMAIN)).exists()


def published(step_s: float) -> Tariff:
    """Return a tariff of prices that come day by day; six hours are not known."""
    count = int(48 * HOUR_S / step_s)
    times_s = [BEGIN_S + step_s * k for k in range(count)]
    known = [at_s for at_s in times_s if not 6 <= (at_s - BEGIN_S) / HOUR_S < 12]
    return parse_tariff(
        {
            "currency": "EUR",
            "timezone": "US/Pacific",
            "import": {"series": "s"},
            "published": {"at": "13:00"},
        },
        series={"s": PriceSeries(known, [at_s % 7 / 10.0 for at_s in known])},
    )


@pytest.mark.parametrize(("step_s", "rows"), [(3600.0, 42), (1800.0, 84), (900.0, 168)])
def test_prices_are_written_as_often_as_they_change(step_s: float, rows: int) -> None:
    tariff = published(step_s)
    lines = list(_prices(tariff, BEGIN_S, BEGIN_S + 48 * HOUR_S, 0))
    # Each of them is a row of its own, and what is not known has none.
    assert rows <= len(lines) - 1 <= rows + 1
    for line in lines[1:5]:
        time, price = line.strip().split(",")
        slot = tariff.at(datetime.fromisoformat(time).timestamp())
        assert slot is not None
        assert float(price) == pytest.approx(slot.import_price)


@pytest.mark.usefixtures("recorder_mock")
async def test_prices_that_are_no_longer_known_come_from_the_price_sensors(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await lived(hass, freezer)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    home = entry.runtime_data.home
    starts_s = hours(BEGIN_S, HOURS)
    # The last day is all that is known of both ways.
    known = PriceSeries(starts_s[-24:].tolist(), [0.5] * 24)
    tariff = parse_tariff(
        {
            "currency": "EUR",
            "timezone": "US/Pacific",
            "import": {"series": "s"},
            "export": {"series": "s"},
        },
        series={"s": known},
    )
    home.site = replace(home.site, tariff=tariff)
    async_import_statistics(
        hass,
        StatisticMetaData(
            has_sum=False,
            mean_type=StatisticMeanType.ARITHMETIC,
            name=None,
            source="recorder",
            statistic_id="sensor.home_import_price",
            unit_class=None,
            unit_of_measurement="EUR/kWh",
        ),
        [
            StatisticData(start=dt_util.utc_from_timestamp(at_s), mean=0.2)
            for at_s in starts_s.tolist()
        ],
    )
    await async_wait_recording_done(hass)

    folder = Path((await export(hass, days=DAYS))["folder"])

    with (folder / "import_prices.csv").open() as file:
        imported = [float(row["price"]) for row in csv.DictReader(file)]
    assert imported == [0.2] * (HOURS - 24) + [0.5] * 24
    # Its sensor is off by default, and nothing was recorded.
    with (folder / "export_prices.csv").open() as file:
        exported = [float(row["price"]) for row in csv.DictReader(file)]
    assert exported == [0.5] * 24


async def test_when_prices_are_published_is_written_too(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(NOW)
    entry = make_entry()
    await setup(hass, entry)
    contract = await async_own_contract(hass, entry, BEGIN_S, END_S)
    assert "published" not in _contract(contract)
    contract.site.tariff.published_minute = 13 * 60 + 5
    assert _contract(contract)["published"] == {"at": "13:05"}
