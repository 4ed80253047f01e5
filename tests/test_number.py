"""Levels and limits that the user may change at any time."""

from typing import Any

from homeassistant.components.number.const import (
    ATTR_VALUE,
    DOMAIN as NUMBER_DOMAIN,
    SERVICE_SET_VALUE,
)
from homeassistant.const import ATTR_ENTITY_ID, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
import pytest
from syrupy.assertion import SnapshotAssertion

from custom_components.leaf_to_home.engine.state import HomeSettings
from tests import recording
from tests.conftest import Advance, make_entry, unit_data
from tests.platforms import check_snapshot, settings, setup_platforms, state, unit

pytestmark = pytest.mark.usefixtures("recording_driver")


async def set_value(hass: HomeAssistant, entity_id: str, value: float) -> None:
    await hass.services.async_call(
        NUMBER_DOMAIN,
        SERVICE_SET_VALUE,
        {ATTR_ENTITY_ID: entity_id, ATTR_VALUE: value},
        blocking=True,
    )


async def test_snapshot(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.NUMBER)
    await check_snapshot(hass, entity_registry, snapshot)


@pytest.mark.parametrize(
    ("entity_id", "value", "changes"),
    [
        ("number.leaf_reserve", 45, {"reserve_percent": 45.0}),
        ("number.leaf_outage_floor", 15, {"outage_floor_percent": 15.0}),
        ("number.leaf_highest_state_of_charge", 80, {"max_soc_percent": 80.0}),
        ("number.leaf_charge_power_limit", 3000, {"charge_limit_w": 3000.0}),
        ("number.leaf_discharge_power_limit", 0, {"discharge_limit_w": 0.0}),
        ("number.leaf_ready_by_state_of_charge", 90, {"ready_by_soc_percent": 90.0}),
    ],
)
async def test_change(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    entity_id: str,
    value: float,
    changes: dict[str, Any],
) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.NUMBER)
    await set_value(hass, entity_id, value)
    for name, expected in changes.items():
        assert getattr(settings(home), name) == expected
    assert float(state(hass, entity_id)) == value


@pytest.mark.parametrize(
    ("entity_id", "value"),
    [
        ("number.leaf_outage_floor", 31),
        ("number.leaf_reserve", 20),
        ("number.leaf_reserve", 81),
        ("number.leaf_highest_state_of_charge", 29),
    ],
)
async def test_levels_stay_in_order(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, entity_id: str, value: float
) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.NUMBER)
    await set_value(hass, "number.leaf_outage_floor", 25)
    await set_value(hass, "number.leaf_highest_state_of_charge", 80)
    before = settings(home)
    with pytest.raises(ServiceValidationError) as caught:
        await set_value(hass, entity_id, value)
    assert caught.value.translation_key == "levels_out_of_order"
    assert caught.value.translation_placeholders is not None
    assert caught.value.translation_placeholders["unit"] == "LEAF"
    assert f"{value:g}" in caught.value.translation_placeholders.values()
    assert settings(home) == before


async def test_import_limit(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.NUMBER)
    assert state(hass, "number.home_import_limit") == STATE_UNKNOWN
    await set_value(hass, "number.home_import_limit", 4000)
    assert home.state.settings == HomeSettings(import_limit_w=4000.0)
    assert float(state(hass, "number.home_import_limit")) == 4000.0
    await set_value(hass, "number.home_import_limit", 0)
    assert home.state.settings == HomeSettings()
    assert state(hass, "number.home_import_limit") == STATE_UNKNOWN


async def test_settings_stay_when_the_unit_is_away(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, advance: Advance
) -> None:
    entry = make_entry(unit_data(recording.DRIVER, dark=True))
    home = await setup_platforms(hass, monkeypatch, Platform.NUMBER, entry=entry)
    assert not unit().reachable
    assert float(state(hass, "number.leaf_reserve")) == 30.0
    await set_value(hass, "number.leaf_reserve", 40)
    assert settings(home).reserve_percent == 40.0
