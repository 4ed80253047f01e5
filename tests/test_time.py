"""When a unit has to be ready."""

from homeassistant.components.time.const import DOMAIN as TIME_DOMAIN, SERVICE_SET_VALUE
from homeassistant.const import ATTR_ENTITY_ID, ATTR_TIME, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from syrupy.assertion import SnapshotAssertion

from tests.platforms import check_snapshot, settings, setup_platforms, state

pytestmark = pytest.mark.usefixtures("recording_driver")


async def test_snapshot(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.TIME)
    await check_snapshot(hass, entity_registry, snapshot)


async def test_change(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.TIME)
    await hass.services.async_call(
        TIME_DOMAIN,
        SERVICE_SET_VALUE,
        {ATTR_ENTITY_ID: "time.leaf_ready_by_time", ATTR_TIME: "06:45:30"},
        blocking=True,
    )
    assert settings(home).ready_by_minute == 6 * 60 + 45
    assert state(hass, "time.leaf_ready_by_time") == "06:45:00"
