"""The home flow, from the first screen to the entry, and its reconfiguration."""

from collections.abc import Generator
from typing import Any
from unittest.mock import AsyncMock, patch

from homeassistant.config_entries import SOURCE_IGNORE, SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.const import UnitOfEnergy, UnitOfPower
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import DOMAIN, SUBENTRY_UNIT
from tests.conftest import GRID, SOLAR, make_entry, set_power
from tests.flow_walk import Walk

EXPORT = "sensor.export"
CAPACITY = {"free_kw": 0, "peaks_averaged": 1}
LIMITS: dict[str, Any] = {
    "main_limit_unit": "ampere",
    "voltage": 230,
    "window_min": "15",
    "battery_export_limit_w": 0,
    "export_only_without_solar": False,
    "capacity": CAPACITY,
    "freshness": {},
}
FLAT = {"import": 0.3, "export": 0.08}
STORED_LIMITS = {
    "window_min": 15,
    "battery_export_limit_w": 0,
    "export_only_without_solar": False,
}
SIMULATED = {"dead_time_s": "5", "trips": "commuter", "solar_peak_w": 4000, "seed": 7}
BATTERY: dict[str, Any] = {
    "name": "LEAF",
    "preset": "leaf-40",
    "soh_percent": 88,
    "reserve_percent": 30,
    "spec": {},
}


@pytest.fixture
def setup_entry() -> Generator[AsyncMock]:
    """Let homes be made without loading them."""
    with patch(
        "custom_components.leaf_to_home.async_setup_entry", return_value=True
    ) as mock:
        yield mock


async def start(hass: HomeAssistant) -> Walk:
    return await Walk(hass.config_entries.flow, "config").start(
        DOMAIN, source=SOURCE_USER
    )


async def reconfigure(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    return await Walk(hass.config_entries.flow, "config").start(
        DOMAIN, source=SOURCE_RECONFIGURE, entry_id=entry.entry_id
    )


async def at_confirm(hass: HomeAssistant, kind: str = "sensor", **grid: str) -> Walk:
    """Return a flow that has just been told its grid meter."""
    walk = await start(hass)
    await walk.submit(name="House", kind=kind)
    await walk.submit(**(grid or {"entity": GRID}))
    return walk


async def at_sensors(hass: HomeAssistant) -> Walk:
    set_power(hass, GRID, 500)
    walk = await at_confirm(hass)
    await walk.choose("grid_done")
    return walk


async def at_limits(hass: HomeAssistant, **sensors: Any) -> Walk:
    walk = await at_sensors(hass)
    await walk.submit(**sensors)
    return walk


async def at_tariff(hass: HomeAssistant) -> Walk:
    walk = await at_limits(hass)
    await walk.submit(**LIMITS)
    return walk


async def at_first_unit(hass: HomeAssistant) -> Walk:
    walk = await at_tariff(hass)
    await walk.choose("flat")
    await walk.submit(**FLAT)
    return walk


# ---------------------------------------------------------------- the whole way


async def test_home_with_everything(
    hass: HomeAssistant, setup_entry: AsyncMock
) -> None:
    set_power(hass, GRID, 1.234, UnitOfPower.KILO_WATT)
    for phase in ("l1", "l2", "l3"):
        set_power(hass, f"sensor.{phase}", 411)
    set_power(hass, SOLAR, 0)
    set_power(hass, "sensor.powerwall", -300)

    walk = await start(hass)
    assert walk.step == "user"
    assert walk.suggested() == {"name": hass.config.location_name, "kind": "sensor"}
    await walk.submit(name=" House ", kind="sensor")
    assert walk.step == "grid"
    assert walk.fields == {"entity"}
    await walk.submit(entity=GRID)

    assert walk.step == "grid_importing"
    assert walk.placeholders == {
        "power": "1234",
        "sensors": "`sensor.grid`: 1.234 kW",
    }
    await walk.choose("grid_done")

    assert walk.step == "sensors"
    await walk.submit(
        phases=["sensor.l1", "sensor.l2", "sensor.l3"],
        solar=[SOLAR],
        other_batteries=["sensor.powerwall"],
        mains="binary_sensor.mains",
    )

    assert walk.step == "limits"
    await walk.submit(
        **LIMITS
        | {
            "main_limit": 25,
            "import_limit_w": 4000,
            "window_min": "15",
            "battery_export_limit_w": 2000,
            "export_only_without_solar": True,
            "capacity": {
                "price_per_kw_month": 4.2,
                "free_kw": 2.5,
                "peaks_averaged": 1,
            },
            "freshness": {"max_age_s": 90},
        }
    )

    assert walk.step == "tariff"
    await walk.choose("flat")
    await walk.submit(**FLAT)

    assert walk.step == "first_unit"
    await walk.choose("simulated")
    await walk.submit(**SIMULATED)
    assert walk.step == "battery"
    await walk.submit(**BATTERY)

    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    assert walk.result["title"] == "House"
    entry = walk.result["result"]
    assert (entry.version, entry.minor_version) == (1, 1)
    assert entry.data == {
        "grid": {"kind": "sensor", "entity": GRID},
        "phases": ["sensor.l1", "sensor.l2", "sensor.l3"],
        "solar": [SOLAR],
        "other_batteries": ["sensor.powerwall"],
        "mains": "binary_sensor.mains",
    }
    assert entry.options == {
        "main_limit": {"value": 25, "unit": "A", "voltage": 230},
        "import_limit_w": 4000,
        "window_min": 15,
        "battery_export_limit_w": 2000,
        "export_only_without_solar": True,
        "capacity": {"price_per_kw_month": 4.2, "free_kw": 2.5, "peaks_averaged": 1},
        "max_age_s": 90,
        "tariff": FLAT,
    }
    (unit,) = entry.subentries.values()
    assert unit.subentry_type == SUBENTRY_UNIT
    assert unit.title == "LEAF"
    assert unit.unique_id is None
    assert unit.data == {
        "driver": "simulated",
        "preset": "leaf-40",
        "soh_percent": 88,
        "spec": {},
        "dead_time_s": 5,
        "trips": "commuter",
        "solar_peak_w": 4000,
        "seed": 7,
    }
    await hass.async_block_till_done()
    assert len(setup_entry.mock_calls) == 1


async def test_home_with_nothing_optional(
    hass: HomeAssistant, setup_entry: AsyncMock
) -> None:
    walk = await at_first_unit(hass)
    await walk.choose("later")

    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    entry = walk.result["result"]
    assert entry.data == {"grid": {"kind": "sensor", "entity": GRID}}
    assert entry.options == STORED_LIMITS | {"tariff": FLAT}
    assert not entry.subentries


async def test_a_unit_measures_the_house_and_the_home_loads(
    hass: HomeAssistant,
) -> None:
    """The path of a newcomer without hardware, in the real integration."""
    walk = await start(hass)
    await walk.submit(name="House", kind="unit")
    assert walk.step == "sensors"
    await walk.submit()
    await walk.submit(**LIMITS | {"main_limit": 9000, "main_limit_unit": "watt"})
    await walk.choose("flat")
    await walk.submit(**FLAT)
    await walk.choose("simulated")
    await walk.submit(**SIMULATED)
    await walk.submit(**BATTERY | {"reserve_percent": 45})
    await hass.async_block_till_done()

    entry = walk.result["result"]
    assert entry.data == {"grid": {"kind": "unit"}}
    (key, unit) = next(iter(entry.subentries.items()))
    assert unit.data["spec"] == {"reserve_percent": 45}
    home = entry.runtime_data.home
    assert home.site.main_limit_w == 9000
    assert home.state.units[key].settings.reserve_percent == 45
    assert await hass.config_entries.async_unload(entry.entry_id)


# ------------------------------------------------------------------ the grid meter


@pytest.mark.parametrize(
    ("kind", "value", "step", "power"),
    [
        ("sensor", 1234.4, "grid_importing", "1234"),
        ("sensor", -2000, "grid_exporting", "2000"),
        ("inverted", -800, "grid_importing", "800"),
        ("inverted", 800, "grid_exporting", "800"),
        ("sensor", 19, "grid_balanced", "19"),
        ("sensor", -3, "grid_balanced", "3"),
    ],
)
async def test_sign_is_shown(
    hass: HomeAssistant, kind: str, value: float, step: str, power: str
) -> None:
    """lessons.md: sign mistakes of grid meters, V2G Liberty PR 472."""
    set_power(hass, GRID, value)
    walk = await at_confirm(hass, kind)
    assert walk.step == step
    assert walk.placeholders["power"] == power


async def test_flip_and_measure_again(
    hass: HomeAssistant, setup_entry: AsyncMock
) -> None:
    set_power(hass, GRID, -1500)
    walk = await at_confirm(hass)
    assert walk.step == "grid_exporting"
    await walk.choose("flip")
    assert walk.step == "grid_importing"
    await walk.choose("flip")
    assert walk.step == "grid_exporting"
    await walk.choose("flip")

    set_power(hass, GRID, -3500)
    await walk.choose("confirm")
    assert walk.placeholders["power"] == "3500"

    await walk.choose("grid_done")
    await walk.submit()
    await walk.submit(**LIMITS)
    await walk.choose("flat")
    await walk.submit(**FLAT)
    await walk.choose("later")
    assert walk.result["result"].data == {"grid": {"kind": "inverted", "entity": GRID}}


async def test_two_sensors(hass: HomeAssistant, setup_entry: AsyncMock) -> None:
    set_power(hass, GRID, 0)
    set_power(hass, EXPORT, 0.9, UnitOfPower.KILO_WATT)
    walk = await start(hass)
    await walk.submit(name="House", kind="two")
    assert walk.fields == {"entity", "entity_export"}

    await walk.submit(entity=GRID, entity_export=GRID)
    assert walk.errors == {"entity_export": "used_twice"}
    await walk.submit(entity=GRID, entity_export=EXPORT)
    assert walk.step == "grid_exporting"
    assert walk.placeholders["power"] == "900"
    assert walk.placeholders["sensors"] == (
        "`sensor.grid`: 0 W · `sensor.export`: 0.9 kW"
    )

    await walk.choose("flip")
    assert walk.step == "grid_importing"
    await walk.choose("grid_done")
    await walk.submit(solar=[EXPORT])
    assert walk.errors == {"solar": "used_twice"}
    await walk.submit()
    await walk.submit(**LIMITS)
    await walk.choose("flat")
    await walk.submit(**FLAT)
    await walk.choose("later")
    assert walk.result["result"].data["grid"] == {
        "kind": "two",
        "entity": EXPORT,
        "entity_export": GRID,
    }


@pytest.mark.parametrize("state", [None, "unavailable", "unknown", "asleep"])
async def test_silent_meter(hass: HomeAssistant, state: str | None) -> None:
    if state is not None:
        set_power(hass, GRID, state)
    walk = await at_confirm(hass)
    assert walk.step == "grid_unavailable"
    assert (state or "unavailable") in walk.placeholders["sensors"]

    await walk.choose("grid")
    assert walk.step == "grid"
    assert walk.suggested() == {"entity": GRID}
    await walk.submit(entity=GRID)

    set_power(hass, GRID, 700)
    await walk.choose("confirm")
    assert walk.step == "grid_importing"


async def test_silent_meter_is_taken_deliberately(hass: HomeAssistant) -> None:
    walk = await at_confirm(hass)
    assert walk.step == "grid_unavailable"
    await walk.choose("grid_done")
    assert walk.step == "sensors"


async def test_half_a_meter_is_silent(hass: HomeAssistant) -> None:
    set_power(hass, GRID, 100)
    walk = await at_confirm(hass, "two", entity=GRID, entity_export=EXPORT)
    assert walk.step == "grid_unavailable"


@pytest.mark.parametrize("unit", [UnitOfEnergy.KILO_WATT_HOUR, None])
async def test_not_a_power(hass: HomeAssistant, unit: str | None) -> None:
    set_power(hass, "sensor.energy", 5, unit)
    set_power(hass, GRID, 500)
    walk = await at_confirm(hass, entity="sensor.energy")
    assert walk.errors == {"entity": "not_power"}
    await walk.submit(entity=GRID)
    assert walk.step == "grid_importing"


async def test_unit_of_a_sensor_that_is_not_there(
    hass: HomeAssistant, entity_registry: er.EntityRegistry
) -> None:
    energy = entity_registry.async_get_or_create(
        "sensor", "demo", "1", unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR
    )
    power = entity_registry.async_get_or_create(
        "sensor", "demo", "2", unit_of_measurement=UnitOfPower.WATT
    )
    walk = await at_confirm(hass, entity=energy.entity_id)
    assert walk.errors == {"entity": "not_power"}
    await walk.submit(entity=power.entity_id)
    assert walk.step == "grid_unavailable"


async def test_unavailable_without_a_unit_may_be_a_power(hass: HomeAssistant) -> None:
    set_power(hass, GRID, "unavailable", None)
    walk = await at_confirm(hass)
    assert walk.step == "grid_unavailable"


async def test_own_entities_measure_nothing(
    hass: HomeAssistant, entity_registry: er.EntityRegistry
) -> None:
    """A home that measured by its own sensor would follow itself."""
    own = entity_registry.async_get_or_create("sensor", DOMAIN, "1").entity_id
    mains = entity_registry.async_get_or_create("binary_sensor", DOMAIN, "2").entity_id
    set_power(hass, own, 100)
    set_power(hass, GRID, 100)
    walk = await at_confirm(hass, entity=own)
    assert walk.errors == {"entity": "own_entity"}
    await walk.submit(entity=GRID)
    await walk.choose("grid_done")
    await walk.submit(solar=[own], mains=mains)
    assert walk.errors == {"solar": "own_entity", "mains": "own_entity"}
    await walk.submit()
    assert walk.step == "limits"


# ------------------------------------------------------------------- other sensors


async def test_sensors_are_chosen_once(hass: HomeAssistant) -> None:
    set_power(hass, SOLAR, 1000)
    set_power(hass, "sensor.energy", 5, UnitOfEnergy.KILO_WATT_HOUR)
    walk = await at_sensors(hass)
    await walk.submit(
        phases=[GRID], solar=[SOLAR], other_batteries=[SOLAR, "sensor.energy"]
    )
    assert walk.errors == {"phases": "used_twice", "other_batteries": "used_twice"}
    assert walk.suggested()["solar"] == [SOLAR]
    await walk.submit(solar=["sensor.energy"])
    assert walk.errors == {"solar": "not_power"}
    await walk.submit(solar=[SOLAR], other_batteries=[])
    assert walk.step == "limits"


async def test_no_more_than_three_phases(hass: HomeAssistant) -> None:
    phases = [f"sensor.l{i}" for i in range(1, 5)]
    walk = await at_sensors(hass)
    await walk.submit(phases=phases)
    assert walk.errors == {"phases": "too_many_phases"}
    await walk.submit(phases=phases[:3])
    assert walk.step == "limits"


# ---------------------------------------------------------------- names, duplicates


async def test_names(hass: HomeAssistant) -> None:
    make_entry(data={"grid": {"kind": "unit"}}).add_to_hass(hass)
    walk = await start(hass)
    await walk.submit(name="  ", kind="sensor")
    assert walk.errors == {"name": "name_missing"}
    await walk.submit(name="home", kind="sensor")
    assert walk.errors == {"name": "name_used"}
    assert walk.suggested() == {"name": "home", "kind": "sensor"}
    await walk.submit(name="Cabin", kind="sensor")
    assert walk.step == "grid"


@pytest.mark.parametrize(
    "grid",
    [
        {"kind": "sensor", "entity": GRID},
        {"kind": "inverted", "entity": GRID},
        {"kind": "two", "entity": EXPORT, "entity_export": GRID},
    ],
)
async def test_one_meter_is_one_home(hass: HomeAssistant, grid: dict[str, str]) -> None:
    make_entry(data={"grid": grid}).add_to_hass(hass)
    set_power(hass, GRID, 500)
    walk = await at_confirm(hass)
    assert walk.result["type"] is FlowResultType.ABORT
    assert walk.result["reason"] == "already_configured"
    assert walk.placeholders == {"home": "Home"}


async def test_ignored_entries_are_no_homes(hass: HomeAssistant) -> None:
    MockConfigEntry(
        domain=DOMAIN, source=SOURCE_IGNORE, title="House", data={}
    ).add_to_hass(hass)
    set_power(hass, GRID, 500)
    walk = await at_confirm(hass)
    assert walk.step == "grid_importing"


async def test_meter_was_taken_meanwhile(hass: HomeAssistant) -> None:
    walk = await at_first_unit(hass)
    make_entry().add_to_hass(hass)
    await walk.choose("later")
    assert walk.result["reason"] == "already_configured"


# -------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("country", "voltage", "window"),
    [("JP", 100, "30"), ("US", 120, "15"), ("BE", 230, "15"), (None, 230, "15")],
)
async def test_defaults_of_the_country(
    hass: HomeAssistant, country: str | None, voltage: int, window: str
) -> None:
    hass.config.country = country
    walk = await at_limits(hass)
    suggested = walk.suggested()
    assert suggested["voltage"] == voltage
    assert suggested["window_min"] == window
    assert suggested["battery_export_limit_w"] == 0


@pytest.mark.parametrize(
    ("wrong", "errors", "right"),
    [
        ({"main_limit": 9}, {"main_limit": "main_limit_too_low"}, {"main_limit": 10}),
        (
            {"main_limit": 2200, "main_limit_unit": "watt"},
            {"main_limit": "main_limit_too_low"},
            {"main_limit": 2300, "main_limit_unit": "watt"},
        ),
        (
            {"main_limit": 25, "battery_export_limit_w": 5751},
            {"battery_export_limit_w": "above_main_limit"},
            {"main_limit": 25, "battery_export_limit_w": 5750},
        ),
        (
            {"main_limit": 6000, "main_limit_unit": "watt", "import_limit_w": 6001},
            {"import_limit_w": "above_main_limit"},
            {"main_limit": 6000, "main_limit_unit": "watt", "import_limit_w": 6000},
        ),
    ],
)
async def test_wrong_limits(
    hass: HomeAssistant,
    wrong: dict[str, Any],
    errors: dict[str, str],
    right: dict[str, Any],
) -> None:
    walk = await at_limits(hass)
    await walk.submit(**LIMITS | wrong)
    assert walk.errors == errors
    assert walk.suggested().items() >= wrong.items()
    await walk.submit(**LIMITS | right)
    assert walk.step == "tariff"


async def test_amperes_hold_for_each_measured_phase(hass: HomeAssistant) -> None:
    walk = await at_limits(hass, phases=["sensor.l1", "sensor.l2", "sensor.l3"])
    # 25 A at 230 V on three phases are 17,250 W.
    await walk.submit(**LIMITS | {"main_limit": 25, "import_limit_w": 17_251})
    assert walk.errors == {"import_limit_w": "above_main_limit"}
    await walk.submit(**LIMITS | {"main_limit": 9, "import_limit_w": 0})
    assert walk.errors == {"main_limit": "main_limit_too_low"}
    await walk.submit(**LIMITS | {"main_limit": 25, "import_limit_w": 17_250})
    assert walk.step == "tariff"


async def test_a_japanese_contract_in_ampere_is_the_whole_house(
    hass: HomeAssistant,
) -> None:
    hass.config.country = "JP"
    walk = await at_limits(hass, phases=["sensor.l1", "sensor.l2"])
    assert walk.suggested()["main_limit_unit"] == "ampere_total"
    japan = LIMITS | {"main_limit_unit": "ampere_total", "voltage": 100}
    # 60 A at 100 V are 6,000 W, not so much on each of the two legs.
    await walk.submit(**japan | {"main_limit": 60, "import_limit_w": 6001})
    assert walk.errors == {"import_limit_w": "above_main_limit"}
    await walk.submit(**japan | {"main_limit": 9})
    assert walk.errors == {"main_limit": "main_limit_too_low"}
    await walk.submit(**japan | {"main_limit": 60, "import_limit_w": 6000})
    assert walk.step == "tariff"


# -------------------------------------------------------------------------- tariff


async def test_flat_price(hass: HomeAssistant) -> None:
    walk = await at_tariff(hass)
    await walk.choose("flat")
    await walk.submit(**{"import": "nan", "export": 0})
    assert walk.errors == {"import": "not_a_price"}
    await walk.submit(**{"import": -0.02, "export": "inf"})
    assert walk.errors == {"export": "not_a_price"}
    await walk.submit(**{"import": -0.02, "export": -0.01})
    assert walk.step == "first_unit"


async def test_bands(hass: HomeAssistant, setup_entry: AsyncMock) -> None:
    hass.config.currency = "JPY"
    walk = await at_tariff(hass)
    await walk.choose("bands")
    assert walk.step == "band"
    assert walk.placeholders == {"number": "1", "missing": ""}
    await walk.submit(**{"price": 17.5, "from": "23:00:00", "to": "07:00:00"})
    assert walk.step == "bands"
    assert walk.placeholders["bands"] == "1. 17.5 JPY · 23:00–07:00"

    await walk.choose("band")
    await walk.submit(
        price=42,
        days=["fri", "mon"],
        months=["7", "10", "9", "8"],
        **{"from": "10:00:00", "to": "17:00:00"},
    )
    assert walk.placeholders["bands"].splitlines()[1] == (
        "2. 42 JPY · 10:00–17:00 · Monday, Friday · July, August, September, October"
    )

    await walk.choose("export")
    assert walk.step == "band"
    assert walk.errors == {"from": "not_covered"}
    assert walk.placeholders["missing"] == (
        "07:00–23:00 · January, February, March, April, May, June, November, December"
    )
    assert walk.suggested() == {
        "from": "07:00",
        "to": "23:00",
        "months": ["1", "2", "3", "4", "5", "6", "11", "12"],
    }
    await walk.submit(
        price=35,
        days=["mon", "tue", "wed", "thu", "fri"],
        months=[str(month) for month in range(1, 13)],
        **{"from": "07:00", "to": "23:00"},
    )

    await walk.choose("export")
    assert walk.errors == {"from": "not_covered"}
    assert walk.placeholders["missing"] == "07:00–23:00 · Saturday, Sunday"
    await walk.submit(**walk.suggested(), price=29)
    await walk.choose("export")
    assert walk.step == "export"
    await walk.submit(export="nan")
    assert walk.errors == {"export": "not_a_price"}
    await walk.submit(export=7.5)
    assert walk.step == "first_unit"
    await walk.choose("later")

    assert walk.result["result"].options["tariff"] == {
        "import": {
            "bands": [
                {"price": 17.5, "from": "23:00", "to": "07:00"},
                {
                    "price": 42,
                    "from": "10:00",
                    "to": "17:00",
                    "days": ["mon", "fri"],
                    "months": [7, 8, 9, 10],
                },
                {
                    "price": 35,
                    "from": "07:00",
                    "to": "23:00",
                    "days": ["mon", "tue", "wed", "thu", "fri"],
                },
                {"price": 29, "from": "07:00", "to": "23:00", "days": ["sat", "sun"]},
            ]
        },
        "export": 7.5,
    }


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        ({"price": "nan"}, {"price": "not_a_price"}),
        ({"from": "07:00:00"}, {"to": "both_times"}),
        ({"to": "07:00:00"}, {"from": "both_times"}),
        ({"from": "07:00:00", "to": "07:00:00"}, {"to": "not_an_end"}),
        ({"from": "07:00:30", "to": "08:00:00"}, {"from": "not_a_time"}),
        ({"from": "07:00:00", "to": "08:00:01"}, {"to": "not_an_end"}),
    ],
)
async def test_wrong_bands(
    hass: HomeAssistant, wrong: dict[str, Any], errors: dict[str, str]
) -> None:
    walk = await at_tariff(hass)
    await walk.choose("bands")
    await walk.submit(**{"price": 0.2} | wrong)
    assert walk.step == "band"
    assert walk.errors == errors
    await walk.submit(price=-0.2)
    assert walk.placeholders["bands"] == "1. -0.2 EUR · 00:00–24:00"
    await walk.choose("export")
    assert walk.step == "export"


async def test_bands_are_removed(hass: HomeAssistant) -> None:
    walk = await at_tariff(hass)
    await walk.choose("bands")
    await walk.submit(price=0.2, days=["sun"])
    await walk.choose("band")
    await walk.submit(price=0.3)
    await walk.choose("remove_bands")
    await walk.submit(bands=[])
    assert len(walk.placeholders["bands"].splitlines()) == 2
    await walk.choose("remove_bands")
    await walk.submit(bands=["0"])
    assert walk.placeholders["bands"] == "1. 0.3 EUR · 00:00–24:00"
    await walk.choose("remove_bands")
    await walk.submit(bands=["0"])
    assert walk.step == "band"
    assert walk.placeholders["number"] == "1"


# ----------------------------------------------------------------- reconfiguration

HOME_DATA: dict[str, Any] = {
    "grid": {"kind": "sensor", "entity": GRID},
    "solar": [SOLAR],
    "mains": "binary_sensor.mains",
}


async def test_reconfigure_the_meter(hass: HomeAssistant) -> None:
    entry = make_entry(data=HOME_DATA)
    entry.add_to_hass(hass)
    set_power(hass, GRID, -700)
    set_power(hass, SOLAR, 2000)
    set_power(hass, "sensor.new", 300)

    walk = await reconfigure(hass, entry)
    assert walk.step == "reconfigure"
    await walk.choose("grid_kind")
    assert walk.suggested() == {"kind": "sensor"}
    await walk.submit(kind="inverted")
    assert walk.suggested() == {"entity": GRID}
    await walk.submit(entity=SOLAR)
    assert walk.errors == {"entity": "used_twice"}
    await walk.submit(entity=GRID)
    assert walk.step == "grid_importing"
    await walk.choose("grid")
    await walk.submit(entity="sensor.new")
    assert walk.step == "grid_exporting"
    await walk.choose("grid_done")

    assert walk.result["type"] is FlowResultType.ABORT
    assert walk.result["reason"] == "reconfigure_successful"
    assert entry.data == HOME_DATA | {
        "grid": {"kind": "inverted", "entity": "sensor.new"}
    }


async def test_reconfigure_to_the_meter_of_a_unit(hass: HomeAssistant) -> None:
    entry = make_entry(data=HOME_DATA)
    entry.add_to_hass(hass)
    walk = await reconfigure(hass, entry)
    await walk.choose("grid_kind")
    await walk.submit(kind="unit")
    assert walk.result["reason"] == "reconfigure_successful"
    assert entry.data == HOME_DATA | {"grid": {"kind": "unit"}}

    walk = await reconfigure(hass, entry)
    await walk.choose("grid_kind")
    assert walk.suggested() == {"kind": "unit"}
    await walk.submit(kind="sensor")
    assert walk.suggested() == {}


async def test_reconfigure_the_other_sensors(hass: HomeAssistant) -> None:
    entry = make_entry(data=HOME_DATA)
    entry.add_to_hass(hass)
    walk = await reconfigure(hass, entry)
    await walk.choose("sensors")
    assert walk.suggested() == {
        "solar": [SOLAR],
        "other_batteries": [],
        "mains": "binary_sensor.mains",
    }
    await walk.submit(solar=[GRID])
    assert walk.errors == {"solar": "used_twice"}
    await walk.submit(other_batteries=["sensor.powerwall"])
    assert walk.result["reason"] == "reconfigure_successful"
    assert entry.data == {
        "grid": HOME_DATA["grid"],
        "other_batteries": ["sensor.powerwall"],
    }


async def test_reconfigure_to_the_meter_of_another_home(hass: HomeAssistant) -> None:
    make_entry(data={"grid": {"kind": "inverted", "entity": EXPORT}}).add_to_hass(hass)
    entry = make_entry(data=HOME_DATA)
    entry.add_to_hass(hass)
    walk = await reconfigure(hass, entry)
    await walk.choose("grid_kind")
    await walk.submit(kind="sensor")
    await walk.submit(entity=EXPORT)
    assert walk.result["reason"] == "already_configured"
    assert entry.data == HOME_DATA
