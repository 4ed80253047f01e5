"""What is worth a row in the recorder."""

from collections import Counter
from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import EVENT_STATE_CHANGED, Platform
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode
from custom_components.leaf_to_home.entity import Significance
from custom_components.leaf_to_home.sensor_description import ENERGY, POWER, TEXT
from tests.conftest import EVENING, UNIT_ID, Advance, setup
from tests.platforms import HOME_ID, setup_platforms, state, unit

ROWS_A_DAY = 20_000
HOURS = 1.5
STEP_S = 5


@pytest.mark.parametrize(
    ("significance", "written", "value", "age_s", "worth"),
    [
        pytest.param(POWER, 100, 149, 10, False, id="less than 50 W"),
        pytest.param(POWER, 100, 150, 10, True, id="50 W"),
        pytest.param(POWER, 3000, 3100, 10, False, id="less than 5 %"),
        pytest.param(POWER, -3000, -3150, 10, True, id="5 %"),
        pytest.param(POWER, 100, 101, 60, True, id="a watt after a minute"),
        pytest.param(POWER, 100, 100, 600, False, id="nothing new"),
        pytest.param(POWER, 100, None, 1, True, id="no longer known"),
        pytest.param(POWER, None, 0, 1, True, id="known again"),
        pytest.param(ENERGY, 1.0, 9.0, 59, False, id="energy waits"),
        pytest.param(ENERGY, 1.0, 1.02, 60, True, id="energy after a minute"),
        pytest.param(ENERGY, 1.0, 1.005, 600, False, id="too little energy"),
        pytest.param(TEXT, "a", "b", 1, True, id="another text"),
        pytest.param(TEXT, "a", "a", 59, False, id="its numbers wait"),
        pytest.param(TEXT, "a", "a", 60, True, id="its numbers"),
    ],
)
def test_significance(
    significance: Significance,
    written: float | str | None,
    value: float | str | None,
    age_s: float,
    worth: bool,
) -> None:
    assert significance.worth_writing(written, value, age_s) is worth


@pytest.mark.usefixtures("recording_driver")
async def test_only_what_is_significant_is_written(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    await setup_platforms(hass, monkeypatch, Platform.SENSOR)

    async def shown(power_w: float, seconds: int) -> str:
        for _ in range(0, seconds, 10):
            unit().push(power_w=power_w)
            await advance(10)
        return state(hass, "sensor.leaf_power")

    assert await shown(1000.0, 80) == "1000"
    assert await shown(1060.0, 20) == "1060"
    assert await shown(1100.0, 20) == "1060"
    assert await shown(1110.0, 20) == "1060"
    assert await shown(1061.0, 60) == "1061"


async def test_recorder_budget(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    simulated_entry: MockConfigEntry,
) -> None:
    """Even if it were evening all day long, the budget would be kept."""
    freezer.move_to(EVENING)
    home = await setup(hass, simulated_entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    rows: Counter[str] = Counter()

    @callback
    def written(event: Event[EventStateChangedData]) -> None:
        rows[event.data["entity_id"]] += 1

    hass.bus.async_listen(EVENT_STATE_CHANGED, written)
    for _ in range(int(HOURS * 3600 / STEP_S)):
        freezer.tick(timedelta(seconds=STEP_S))
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
    assert rows["sensor.leaf_power"] > HOURS * 20
    assert sum(rows.values()) * 24 / HOURS <= ROWS_A_DAY, rows


@pytest.mark.usefixtures("recording_driver")
async def test_devices(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.SELECT)
    home = device_registry.async_get_device_by_identifier((DOMAIN, HOME_ID), HOME_ID)
    leaf = device_registry.async_get_device_by_identifier(
        (DOMAIN, f"{HOME_ID}_{UNIT_ID}"), HOME_ID
    )
    assert home is not None
    assert leaf is not None
    assert leaf.via_device_id == home.id
    assert (leaf.name, leaf.manufacturer, leaf.model) == ("LEAF", "Test", "Recorder")
    assert leaf.config_subentry_id == UNIT_ID
    mode = entity_registry.async_get("select.leaf_mode")
    assert mode is not None
    assert mode.config_subentry_id == UNIT_ID
    assert mode.unique_id == f"{UNIT_ID}_mode"
