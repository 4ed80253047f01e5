"""What a configured Energy dashboard fills into the home flow."""

from typing import Any

from homeassistant.components.energy.data import async_get_manager
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest

from custom_components.leaf_to_home.const import DOMAIN
from tests.conftest import GRID, SOLAR, set_power
from tests.test_config_flow import EXPORT, LIMITS, at_tariff, start


@pytest.fixture(autouse=True)
def _custom_integrations(
    recorder_mock: object, enable_custom_integrations: None
) -> None:
    """Let the recorder, on which the dashboard stands, come before all else."""


@pytest.fixture(autouse=True)
async def _energy(hass: HomeAssistant) -> None:
    """Load the real Energy dashboard."""
    assert await async_setup_component(hass, "energy", {})
    await hass.async_block_till_done()


async def prefer(hass: HomeAssistant, *sources: Any) -> None:
    update: Any = {"energy_sources": list(sources)}
    await (await async_get_manager(hass)).async_update(update)


def grid_source(**config: str) -> dict[str, Any]:
    return {
        "type": "grid",
        "stat_energy_from": "sensor.import_energy",
        "stat_energy_to": None,
        "stat_cost": None,
        "entity_energy_price": None,
        "number_energy_price": 0.27,
        "stat_compensation": None,
        "entity_energy_price_export": None,
        "number_energy_price_export": 0.06,
        "cost_adjustment_day": 0.0,
        **({"power_config": config} if config else {}),
    }


def battery_source(**power: Any) -> dict[str, Any]:
    return {
        "type": "battery",
        "stat_energy_from": "sensor.b_out",
        "stat_energy_to": "sensor.b_in",
        **power,
    }


def solar_source(**power: str) -> dict[str, Any]:
    return {
        "type": "solar",
        "stat_energy_from": "sensor.solar_energy",
        "config_entry_solar_forecast": None,
        **power,
    }


@pytest.mark.parametrize(
    ("config", "kind", "grid"),
    [
        ({"stat_rate": GRID}, "sensor", {"entity": GRID}),
        ({"stat_rate_inverted": GRID}, "inverted", {"entity": GRID}),
        (
            {"stat_rate_from": GRID, "stat_rate_to": EXPORT},
            "two",
            {"entity": GRID, "entity_export": EXPORT},
        ),
    ],
)
async def test_energy_dashboard_is_proposed(
    hass: HomeAssistant, config: dict[str, str], kind: str, grid: dict[str, str]
) -> None:
    for sensor in (GRID, EXPORT, SOLAR, "sensor.powerwall"):
        set_power(hass, sensor, 500)
    await prefer(
        hass,
        grid_source(),
        grid_source(**config),
        solar_source(stat_rate=SOLAR),
        solar_source(),
        battery_source(stat_rate="sensor.powerwall"),
    )

    walk = await start(hass)
    assert walk.suggested()["kind"] == kind
    await walk.submit(name="House", kind=kind)
    assert walk.suggested() == grid
    await walk.submit(**walk.suggested())
    await walk.choose("grid_done")
    assert walk.suggested() == {
        "solar": [SOLAR],
        "other_batteries": ["sensor.powerwall"],
    }
    await walk.submit(**walk.suggested())
    await walk.submit(**LIMITS)
    await walk.choose("flat")
    assert walk.suggested() == {"import": 0.27, "export": 0.06}


async def test_energy_dashboard_of_things_that_do_not_fit(
    hass: HomeAssistant, entity_registry: er.EntityRegistry
) -> None:
    """External statistics, sensors that are gone and our own are not proposed."""
    own = entity_registry.async_get_or_create("sensor", DOMAIN, "power").entity_id
    set_power(hass, own, 100)
    asleep = entity_registry.async_get_or_create("sensor", "demo", "solar").entity_id
    inverted = f"{own}_inverted"
    set_power(hass, inverted, -100)
    await prefer(
        hass,
        grid_source(stat_rate="sensor.gone"),
        grid_source(stat_rate="tibber:power"),
        solar_source(stat_rate="other:solar"),
        solar_source(stat_rate=asleep),
        battery_source(stat_rate=own),
        battery_source(power_config={"stat_rate_inverted": own}),
    )
    walk = await start(hass)
    assert walk.suggested()["kind"] == "sensor"
    await walk.submit(name="House", kind="sensor")
    assert walk.suggested() == {}
    set_power(hass, GRID, 500)
    await walk.submit(entity=GRID)
    await walk.choose("grid_done")
    assert walk.suggested() == {"solar": [asleep], "other_batteries": []}


async def test_energy_dashboard_that_nobody_has_set_up(hass: HomeAssistant) -> None:
    walk = await at_tariff(hass)
    await walk.choose("flat")
    assert walk.suggested() == {"export": 0}
