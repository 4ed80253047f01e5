"""What all tests of prices need."""

from homeassistant.core import HomeAssistant

# A home imports it in the executor, and pytest.approx stumbles over one half there.
import numpy as np  # noqa: F401
import pytest
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.leaf_to_home.sources import prices
from tests.prices.servers import Servers


@pytest.fixture
def servers(aioclient_mock: AiohttpClientMocker) -> Servers:
    """The servers, at the last published day that a test sets."""
    return Servers(aioclient_mock)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for past days without a pause, and only for a few."""
    monkeypatch.setattr(prices, "PAST_PAUSE_S", 0.0)
    monkeypatch.setattr(prices, "PAST_DAYS", 2)


@pytest.fixture
async def norway(hass: HomeAssistant) -> None:
    await hass.config.async_set_time_zone("Europe/Oslo")
    await hass.config.async_update(currency="NOK")


@pytest.fixture
async def netherlands(hass: HomeAssistant) -> None:
    await hass.config.async_set_time_zone("Europe/Amsterdam")
    await hass.config.async_update(currency="EUR")
