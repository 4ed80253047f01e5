"""What the system information page says."""

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.leaf_to_home.const import DOMAIN
from tests.conftest import EVENING
from tests.planned import settle
from tests.platforms import setup_platforms

pytestmark = pytest.mark.usefixtures("recording_driver")


async def test_info(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    freezer.move_to(EVENING)
    assert await async_setup_component(hass, "system_health", {})
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT)
    home.async_step()
    await settle(hass, home)
    freezer.tick(4)
    assert await get_system_health_info(hass, DOMAIN) == {
        "version": str((await async_get_integration(hass, DOMAIN)).version),
        "homes": 1,
        "units": 1,
        "modes": "observe",
        "last_step_age": 4,
        "last_plan_age": 4,
    }


async def test_no_home(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, "system_health", {})
    assert await async_setup_component(hass, DOMAIN, {})
    info = await get_system_health_info(hass, DOMAIN)
    assert info["homes"] == 0
    assert info["last_step_age"] is None
    assert info["last_plan_age"] is None
