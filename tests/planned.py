"""A home that has planned."""

from collections.abc import Callable
import json
import time
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode
from custom_components.leaf_to_home.home import Home
from tests.conftest import EVENING, Advance
from tests.living import run
from tests.platforms import setup_platforms


async def settle(hass: HomeAssistant, home: Home) -> None:
    """Wait for the plan that is being made; the executor's time is not frozen."""
    for _ in range(2000):
        if not home.plans.running:
            break
        await hass.loop.run_in_executor(None, time.sleep, 0.01)
    assert not home.plans.running
    await hass.async_block_till_done()


async def until(hass: HomeAssistant, came: Callable[[], bool]) -> None:
    """Wait for what the executors do."""
    for _ in range(2000):
        if came():
            break
        await hass.loop.run_in_executor(None, time.sleep, 0.01)
        await hass.async_block_till_done()
    assert came()


async def live(
    hass: HomeAssistant,
    home: Home,
    advance: Advance,
    seconds: int,
    load_w: float = 1500,
) -> None:
    """Let time pass, with each plan there before the next second."""
    for _ in range(seconds):
        await run(hass, advance, 1, load_w)
        await settle(hass, home)


async def planned(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    *,
    entry: MockConfigEntry | None = None,
    platforms: tuple[Platform, ...] = (Platform.SENSOR,),
    mode: HomeMode = HomeMode.AUTOMATIC,
) -> Home:
    """Return a home in the evening that has made its first plan."""
    freezer.move_to(EVENING)
    home = await setup_platforms(hass, monkeypatch, *platforms, entry=entry)
    home.async_change_home(mode=mode)
    await live(hass, home, advance, 2)
    return home


def stored(hass_storage: dict[str, Any], kind: str, entry_id: str) -> Any:
    """Return what is on disk of a home's plans, or of the past."""
    return json.loads(hass_storage[f"{DOMAIN}.{kind}.{entry_id}"]["data"]["text"])


def store(
    hass_storage: dict[str, Any], kind: str, entry_id: str, data: Any, version: int = 1
) -> None:
    """Put something there."""
    key = f"{DOMAIN}.{kind}.{entry_id}"
    text = data if isinstance(data, str) else json.dumps(data)
    hass_storage[key] = {
        "version": version,
        "minor_version": 1,
        "key": key,
        "data": {"text": text},
    }
