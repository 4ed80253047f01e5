"""Ready-by on and off, and the grid of a simulated unit."""

from homeassistant.components.switch.const import DOMAIN as SWITCH_DOMAIN
from homeassistant.const import (
    ATTR_ENTITY_ID,
    SERVICE_TURN_OFF,
    SERVICE_TURN_ON,
    STATE_OFF,
    STATE_ON,
    Platform,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Advance
from tests.platforms import check_snapshot, settings, setup_platforms, state

READY_BY = "switch.leaf_ready_by"
GRID_SWITCH = "switch.leaf_simulated_grid"


async def switch(hass: HomeAssistant, entity_id: str, service: str) -> None:
    await hass.services.async_call(
        SWITCH_DOMAIN, service, {ATTR_ENTITY_ID: entity_id}, blocking=True
    )


@pytest.mark.usefixtures("recording_driver")
async def test_snapshot(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    """Only a simulated unit has a grid to take away."""
    await setup_platforms(hass, monkeypatch, Platform.SWITCH)
    await check_snapshot(hass, entity_registry, snapshot)


@pytest.mark.usefixtures("recording_driver")
async def test_ready_by(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.SWITCH)
    assert state(hass, READY_BY) == STATE_OFF
    await switch(hass, READY_BY, SERVICE_TURN_ON)
    assert settings(home).ready_by
    assert state(hass, READY_BY) == STATE_ON
    await switch(hass, READY_BY, SERVICE_TURN_OFF)
    assert not settings(home).ready_by
    assert state(hass, READY_BY) == STATE_OFF


async def test_simulated_grid(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    simulated_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    await setup_platforms(
        hass, monkeypatch, Platform.SENSOR, Platform.SWITCH, entry=simulated_entry
    )
    assert state(hass, GRID_SWITCH) == STATE_ON
    await advance(5)
    await switch(hass, GRID_SWITCH, SERVICE_TURN_OFF)
    assert state(hass, GRID_SWITCH) == STATE_OFF
    await advance(30)
    assert state(hass, "sensor.leaf_status") == "islanding"
    await switch(hass, GRID_SWITCH, SERVICE_TURN_ON)
    assert state(hass, GRID_SWITCH) == STATE_ON
