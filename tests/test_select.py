"""What the user wants of the home and of each unit."""

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.select import (
    ATTR_OPTION,
    DOMAIN as SELECT_DOMAIN,
    SERVICE_SELECT_OPTION,
)
from homeassistant.const import ATTR_ENTITY_ID, Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from syrupy.assertion import SnapshotAssertion

from custom_components.leaf_to_home.engine.model import HomeMode, UnitMode
from custom_components.leaf_to_home.select import UnitModeSelect
from tests import recording
from tests.conftest import EVENING, UNIT_ID, make_entry, unit_data
from tests.platforms import check_snapshot, settings, setup_platforms, state, unit

pytestmark = pytest.mark.usefixtures("recording_driver")

HOUR_S = 3600.0


async def select(hass: HomeAssistant, entity_id: str, option: str) -> None:
    await hass.services.async_call(
        SELECT_DOMAIN,
        SERVICE_SELECT_OPTION,
        {ATTR_ENTITY_ID: entity_id, ATTR_OPTION: option},
        blocking=True,
    )


async def test_snapshot(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.SELECT)
    await check_snapshot(hass, entity_registry, snapshot)
    # Actions for an area or a device skip entities that have a category.
    for entity_id in ("select.leaf_mode", "select.home_mode"):
        entry = entity_registry.async_get(entity_id)
        assert entry is not None
        assert entry.entity_category is None


async def test_home_mode(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT)
    assert state(hass, "select.home_mode") == "observe"
    for mode in HomeMode:
        await select(hass, "select.home_mode", mode)
        assert home.state.settings.mode is mode
        assert state(hass, "select.home_mode") == mode


@pytest.mark.parametrize("mode", ["charge", "discharge", "hold"])
async def test_a_manual_mode_gets_an_end(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    freezer.move_to(EVENING)
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT)
    now_s = dt_util.utcnow().timestamp()
    await select(hass, "select.leaf_mode", mode)
    assert state(hass, "select.leaf_mode") == mode
    assert settings(home).until_s == now_s + 12 * HOUR_S

    # At 18:00, seven o'clock is an hour further away than the default.
    home.async_change_unit(UNIT_ID, ready_by=True)
    await select(hass, "select.leaf_mode", mode)
    assert settings(home).until_s == now_s + 12 * HOUR_S
    home.async_change_unit(UNIT_ID, ready_by_minute=5 * 60)
    await select(hass, "select.leaf_mode", mode)
    assert settings(home).until_s == now_s + 11 * HOUR_S
    shown = hass.states.get("select.leaf_mode")
    assert shown is not None
    assert shown.attributes["until"] == dt_util.utc_from_timestamp(now_s + 11 * HOUR_S)


@pytest.mark.parametrize("mode", [UnitMode.AUTOMATIC, UnitMode.OFF])
async def test_a_lasting_mode_has_no_bounds(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, mode: UnitMode
) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT)
    await select(hass, "select.leaf_mode", "hold")
    await select(hass, "select.leaf_mode", mode)
    assert settings(home).mode is mode
    assert settings(home).until_s is None
    shown = hass.states.get("select.leaf_mode")
    assert shown is not None
    assert shown.attributes["until"] is None


def test_the_end_is_not_recorded() -> None:
    """It belongs to the moment; a mode that begins is a row of its own."""
    assert "until" in UnitModeSelect._unrecorded_attributes


async def test_not_connected(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT)
    unit().push(connected=False)
    with pytest.raises(ServiceValidationError) as caught:
        await select(hass, "select.leaf_mode", "charge")
    assert caught.value.translation_key == "not_connected"
    assert settings(home).mode is UnitMode.AUTOMATIC


async def test_stays_when_the_unit_is_away(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_entry(unit_data(recording.DRIVER, dark=True))
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT, entry=entry)
    assert state(hass, "select.leaf_mode") == "automatic"
    await select(hass, "select.leaf_mode", "hold")
    assert settings(home).mode is UnitMode.HOLD
