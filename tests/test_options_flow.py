"""Tariff and limits of a home that is there already."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from hypothesis import given, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.engine.tariff import TariffError, parse_tariff
from custom_components.leaf_to_home.flow_tariff import (
    DAY_MINUTES,
    MONTHS,
    WEEKDAYS,
    first_gap,
)
from tests.conftest import GRID, OPTIONS, make_entry, set_power, setup
from tests.flow_walk import Walk
from tests.test_config_flow import CAPACITY, LIMITS

FULL: dict[str, Any] = {
    "main_limit": {"value": 40, "unit": "A", "voltage": 100},
    "import_limit_w": 3500,
    "window_min": 60,
    "battery_export_limit_w": 1000,
    "export_only_without_solar": True,
    "capacity": {"price_per_kw_month": 4, "free_kw": 2.5, "peaks_averaged": 3},
    "max_age_s": 120,
    "tariff": {"import": 0.3, "export": 0.1},
    "outage": {"of": "a newer version"},
}


def home(hass: HomeAssistant, options: dict[str, Any]) -> MockConfigEntry:
    entry = make_entry(data={"grid": {"kind": "sensor", "entity": GRID}})
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options=options)
    return entry


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    walk = await Walk(hass.config_entries.options, "options").start(entry.entry_id)
    assert walk.step == "init"
    return walk


async def test_limits_keep_what_is_there(hass: HomeAssistant) -> None:
    entry = home(hass, FULL)
    walk = await start(hass, entry)
    await walk.choose("limits")
    # The import limit belongs to its entity by now.
    assert walk.suggested() == {
        "main_limit": 40,
        "main_limit_unit": "ampere",
        "voltage": 100,
        "window_min": "60",
        "battery_export_limit_w": 1000,
        "export_only_without_solar": True,
    }
    assert walk.suggested(of="capacity") == FULL["capacity"]
    assert walk.suggested(of="freshness") == {"max_age_s": 120}
    await walk.submit(
        **walk.suggested(),
        capacity=walk.suggested(of="capacity"),
        freshness=walk.suggested(of="freshness"),
    )
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == FULL


async def test_limits_can_be_taken_away(hass: HomeAssistant) -> None:
    entry = home(hass, FULL)
    walk = await start(hass, entry)
    await walk.choose("limits")
    await walk.submit(**LIMITS | {"capacity": CAPACITY})
    assert entry.options == {
        "window_min": 15,
        "battery_export_limit_w": 0,
        "export_only_without_solar": False,
        "import_limit_w": 3500,
        "tariff": FULL["tariff"],
        "outage": FULL["outage"],
    }

    walk = await start(hass, entry)
    await walk.choose("limits")
    assert "main_limit" not in walk.suggested()
    assert walk.suggested(of="capacity") == CAPACITY
    assert walk.suggested(of="freshness") == {}


async def test_wrong_limits(hass: HomeAssistant) -> None:
    entry = home(hass, FULL)
    walk = await start(hass, entry)
    await walk.choose("limits")
    await walk.submit(**LIMITS | {"main_limit": 5})
    assert walk.errors == {"main_limit": "main_limit_too_low"}
    await walk.submit(
        **LIMITS
        | {
            "main_limit": 3000,
            "main_limit_unit": "watt",
            "battery_export_limit_w": 3001,
        }
    )
    assert walk.errors == {"battery_export_limit_w": "above_main_limit"}
    assert entry.options == FULL
    await walk.submit(**LIMITS | {"main_limit": 3000, "main_limit_unit": "watt"})
    assert entry.options["main_limit"] == {"value": 3000, "unit": "W", "voltage": 230}
    walk = await start(hass, entry)
    await walk.choose("limits")
    assert walk.suggested()["main_limit_unit"] == "watt"


async def test_limits_of_hand_made_options(hass: HomeAssistant) -> None:
    entry = home(hass, {"tariff": FULL["tariff"]})
    walk = await start(hass, entry)
    await walk.choose("limits")
    assert walk.suggested()["battery_export_limit_w"] == 0


async def test_flat_price_keeps_what_is_there(hass: HomeAssistant) -> None:
    entry = home(hass, FULL)
    walk = await start(hass, entry)
    await walk.choose("tariff")
    await walk.choose("flat")
    assert walk.suggested() == {"import": 0.3, "export": 0.1}
    await walk.submit(**{"import": "nan", "export": 0})
    assert walk.errors == {"import": "not_a_price"}
    await walk.submit(**{"import": 0.4, "export": 0.1})
    assert entry.options == FULL | {"tariff": {"import": 0.4, "export": 0.1}}


async def test_bands_keep_what_is_there(hass: HomeAssistant) -> None:
    entry = home(hass, OPTIONS)
    walk = await start(hass, entry)
    await walk.choose("tariff")
    await walk.choose("bands")
    assert walk.placeholders["bands"].splitlines() == [
        "1. 0.12 EUR · 23:00–07:00",
        "2. 0.45 EUR · 17:00–21:00",
        "3. 0.3 EUR · 00:00–24:00",
    ]
    await walk.choose("remove_bands")
    await walk.submit(bands=["2"])
    await walk.choose("export")
    assert walk.errors == {"from": "not_covered"}
    assert walk.placeholders["missing"] == "07:00–17:00"
    await walk.submit(price=0.28, **{"from": "07:00:00", "to": "23:00:00"})
    assert entry.options == OPTIONS
    await walk.choose("export")
    assert walk.suggested() == {"export": 0.05}
    await walk.submit(export=0.05)
    assert entry.options == OPTIONS | {
        "tariff": {
            "import": {
                "bands": [
                    {"price": 0.12, "from": "23:00", "to": "07:00"},
                    {"price": 0.45, "from": "17:00", "to": "21:00"},
                    {"price": 0.28, "from": "07:00", "to": "23:00"},
                ]
            },
            "export": 0.05,
        }
    }


@pytest.mark.parametrize(
    ("band", "field", "missing"),
    [
        ({"days": ["mon"]}, "days", "00:00–24:00 · Tuesday, Wednesday, Thursday, "),
        ({"months": ["1"]}, "months", "00:00–24:00 · February, March, "),
        ({"days": ["tue"], "months": ["2"]}, "from", "00:00–24:00"),
    ],
)
async def test_missing_is_shown_at_the_field(
    hass: HomeAssistant, band: dict[str, Any], field: str, missing: str
) -> None:
    walk = await start(hass, home(hass, FULL))
    await walk.choose("tariff")
    await walk.choose("bands")
    await walk.submit(price=0.3, **band)
    await walk.choose("export")
    assert walk.errors == {field: "not_covered"}
    assert walk.placeholders["missing"].startswith(missing)
    await walk.submit(**walk.suggested(), price=0.2)
    await walk.choose("export")
    assert walk.step == "export"


async def test_run_time_values_outlive_the_options(hass: HomeAssistant) -> None:
    """Whatever an entity has changed stays; the form holds first values only."""
    set_power(hass, GRID, 500)
    entry = make_entry(options={"import_limit_w": 3500})
    before = await setup(hass, entry)
    assert before.state.settings.import_limit_w == 3500
    before.async_change_home(import_limit_w=5000)

    walk = await start(hass, entry)
    await walk.choose("limits")
    await walk.submit(**LIMITS | {"main_limit": 40})
    await hass.async_block_till_done()

    after = entry.runtime_data.home
    assert after is not before, "one listener reloads the home"
    assert after.site.main_limit_w == 9200
    assert after.state.settings.import_limit_w == 5000
    assert await hass.config_entries.async_unload(entry.entry_id)


# -------------------------------------------------------- what no band covers

TIMES = st.sampled_from(["00:00", "06:30", "07:00", "17:00", "23:00"])


@st.composite
def bands(draw: st.DrawFn) -> dict[str, Any]:
    band: dict[str, Any] = {"price": draw(st.sampled_from([0.1, 0.3]))}
    if draw(st.booleans()):
        band["from"] = draw(TIMES)
        band["to"] = draw(TIMES.filter(lambda time: time != band["from"]))
    if draw(st.booleans()):
        band["days"] = draw(
            st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True)
        )
    if draw(st.booleans()):
        band["months"] = draw(
            st.lists(st.integers(1, len(MONTHS)), min_size=1, unique=True)
        )
    return band


@given(st.lists(bands(), min_size=1, max_size=6))
def test_gap_is_what_the_engine_misses(given_bands: list[dict[str, Any]]) -> None:
    """Filling the gaps that are named leads to a tariff that the engine takes."""
    filled = list(given_bands)
    for _ in range(200):
        gap = first_gap(filled)
        try:
            parse_tariff({"import": {"bands": filled}}, timezone="UTC", currency="EUR")
        except TariffError:
            assert gap is not None
            assert 0 <= gap.from_minute < gap.to_minute <= DAY_MINUTES
            filled.append({**gap.as_band(), "price": 0.2})
        else:
            assert gap is None
            return
    pytest.fail("naming the gaps does not come to an end")
