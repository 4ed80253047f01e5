"""Homes whose prices come from a source."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.home import Home
from tests.conftest import make_entry, setup
from tests.prices import payloads
from tests.prices.payloads import AUTUMN_DAY, PLAIN_DAY, SPRING_DAY, begin

DAYS = [(PLAIN_DAY, 96), (SPRING_DAY, 92), (AUTUMN_DAY, 100)]
IMPORT = {"series": "import"}


async def home_with(hass: HomeAssistant, tariff: dict[str, Any]) -> Home:
    """Load a home and let it look for prices once."""
    home = await setup(hass, make_entry(options={"tariff": tariff}))
    await hass.async_block_till_done(wait_background_tasks=True)
    return home


async def load(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


def afternoon_before(day: date, zone: ZoneInfo) -> datetime:
    """Return a moment at which the prices of `day` are published."""
    return begin(day - timedelta(days=1), zone) + timedelta(hours=15)


def check_day(
    home: Home,
    day: date,
    zone: ZoneInfo,
    steps: int,
    *,
    minutes: int = 15,
    factor: float = 1.0,
    add: float = 0.0,
) -> None:
    """Check that the home's tariff has each price of a day in its place."""
    slots = home.site.tariff.day_slots(begin(day, zone).timestamp())
    wanted = [factor * price + add for price in payloads.expected(day, zone, minutes)]
    assert len(slots) == len(wanted) == steps
    assert [slot.import_price for slot in slots] == pytest.approx(wanted, abs=1e-5)
    assert [slot.start_s for slot in slots] == [
        at.timestamp() for _, at in payloads.steps(day, zone, minutes)
    ]
