"""A home on chosen platforms, with a unit that says what the test wants."""

from typing import Any

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import Entity
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    snapshot_platform,
)
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

from custom_components import leaf_to_home
from custom_components.leaf_to_home.engine.state import UnitSettings
from custom_components.leaf_to_home.home import Home
from tests import recording
from tests.conftest import GRID, UNIT_ID, make_entry, set_power, setup, unit_data

HOME_ID = "01JHOME0000000000000000000"


def recorded_home(*more: dict[str, Any], **entry: Any) -> MockConfigEntry:
    """Return a home with a fixed id and one recording unit, or more."""
    return make_entry(unit_data(recording.DRIVER), *more, entry_id=HOME_ID, **entry)


async def setup_platforms(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    *platforms: Platform,
    entry: MockConfigEntry | None = None,
    everything: bool = False,
) -> Home:
    """Load a home that imports 800 W; `everything`: also what is off by default."""
    monkeypatch.setattr(leaf_to_home, "PLATFORMS", list(platforms))
    if everything:
        monkeypatch.setattr(Entity, "entity_registry_enabled_default", True)
    set_power(hass, GRID, 800.0)
    return await setup(hass, entry or recorded_home())


async def check_snapshot(
    hass: HomeAssistant, registry: er.EntityRegistry, snapshot: SnapshotAssertion
) -> None:
    """Compare all entities of the one platform that is set up."""
    # The library's own fixture is hidden by that of syrupy.
    await snapshot_platform(
        hass, registry, snapshot.use_extension(HomeAssistantSnapshotExtension), HOME_ID
    )


def unit() -> recording.RecordingUnit:
    """Return the first recording unit."""
    return recording.UNITS[UNIT_ID]


def settings(home: Home) -> UnitSettings:
    """Return what the user wants of the first unit."""
    return home.state.units[UNIT_ID].settings


def state(hass: HomeAssistant, entity_id: str) -> str:
    """Return the state of an entity that has to exist."""
    found = hass.states.get(entity_id)
    assert found is not None, entity_id
    return found.state
