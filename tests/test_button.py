"""Filling up a unit with one press."""

from homeassistant.components.button.const import DOMAIN as BUTTON_DOMAIN, SERVICE_PRESS
from homeassistant.const import ATTR_ENTITY_ID, Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
import pytest
from syrupy.assertion import SnapshotAssertion

from custom_components.leaf_to_home.engine.model import UnitMode
from tests.conftest import UNIT_ID
from tests.platforms import check_snapshot, settings, setup_platforms

pytestmark = pytest.mark.usefixtures("recording_driver")

BUTTON = "button.leaf_charge_to_the_highest_state_of_charge_now"


async def press(hass: HomeAssistant) -> None:
    await hass.services.async_call(
        BUTTON_DOMAIN, SERVICE_PRESS, {ATTR_ENTITY_ID: BUTTON}, blocking=True
    )


async def test_snapshot(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.BUTTON)
    await check_snapshot(hass, entity_registry, snapshot)


async def test_press(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.BUTTON)
    home.async_change_unit(UNIT_ID, max_soc_percent=85.0)
    await press(hass)
    assert settings(home).mode is UnitMode.CHARGE
    assert settings(home).until_soc_percent == 85.0


async def test_full_already(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.BUTTON)
    home.async_change_unit(UNIT_ID, max_soc_percent=60.0)
    with pytest.raises(ServiceValidationError) as caught:
        await press(hass)
    assert caught.value.translation_key == "soc_reached"
    assert settings(home).mode is UnitMode.AUTOMATIC
