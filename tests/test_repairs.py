"""Repairs that a click can carry out."""

import json
from pathlib import Path
from typing import Any

from homeassistant.components.repairs import (
    DOMAIN as REPAIRS_DOMAIN,
    RepairsFlowManager,
)
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home import health
from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.health import (
    ISSUE_GRID_SIGN,
    ISSUE_SOURCE_STALE,
    ISSUE_STORE_UNREADABLE,
    HomeHealth,
)
from tests import recording
from tests.conftest import GRID, make_entry, unit_data
from tests.platforms import HOME_ID, setup_platforms

pytestmark = pytest.mark.usefixtures("recording_driver")

ISSUE_ID = f"{ISSUE_GRID_SIGN}_{HOME_ID}"
EXPORT = "sensor.export"


async def flows(hass: HomeAssistant) -> RepairsFlowManager:
    assert await async_setup_component(hass, REPAIRS_DOMAIN, {})
    await hass.async_block_till_done()
    manager: RepairsFlowManager = hass.data[REPAIRS_DOMAIN]["flow_manager"]
    return manager


async def load(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, grid: dict[str, Any]
) -> MockConfigEntry:
    """Load a home with this meter and raise the issue as the home does."""
    entry = make_entry(
        unit_data(recording.DRIVER), entry_id=HOME_ID, data={"grid": grid}
    )
    await setup_platforms(hass, monkeypatch, Platform.SELECT, entry=entry)
    HomeHealth(hass, entry_id=HOME_ID, title="Home")._create(
        ISSUE_GRID_SIGN, ISSUE_GRID_SIGN, {}, fixable=True
    )
    return entry


@pytest.mark.parametrize(
    ("grid", "inverted"),
    [
        (
            {"kind": "sensor", "entity": GRID},
            {"kind": "inverted", "entity": GRID},
        ),
        (
            {"kind": "inverted", "entity": GRID},
            {"kind": "sensor", "entity": GRID},
        ),
        (
            {"kind": "two", "entity": GRID, "entity_export": EXPORT},
            {"kind": "two", "entity": EXPORT, "entity_export": GRID},
        ),
    ],
)
async def test_invert_the_grid(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    issue_registry: ir.IssueRegistry,
    grid: dict[str, Any],
    inverted: dict[str, Any],
) -> None:
    entry = await load(hass, monkeypatch, grid)
    runtime = entry.runtime_data
    manager = await flows(hass)
    result = await manager.async_init(DOMAIN, context={"issue_id": ISSUE_ID})
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "confirm"
    assert result["description_placeholders"] == {"home": "Home"}
    assert entry.data["grid"] == grid

    result = await manager.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.data["grid"] == inverted
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data is not runtime
    assert issue_registry.async_get_issue(DOMAIN, ISSUE_ID) is None


async def test_a_meter_without_a_sign(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    issue_registry: ir.IssueRegistry,
) -> None:
    entry = await load(hass, monkeypatch, {"kind": "unit"})
    manager = await flows(hass)
    result = await manager.async_init(DOMAIN, context={"issue_id": ISSUE_ID})
    result = await manager.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "cannot_invert"
    assert entry.data["grid"] == {"kind": "unit"}
    assert issue_registry.async_get_issue(DOMAIN, ISSUE_ID) is not None


async def test_the_home_is_gone(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    issue_registry: ir.IssueRegistry,
) -> None:
    await load(hass, monkeypatch, {"kind": "sensor", "entity": GRID})
    manager = await flows(hass)
    result = await manager.async_init(DOMAIN, context={"issue_id": ISSUE_ID})
    await hass.config_entries.async_remove(HOME_ID)
    result = await manager.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "cannot_invert"


async def test_unreadable_store_is_read_and_done(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    issue_registry: ir.IssueRegistry,
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.SELECT)
    HomeHealth(hass, entry_id=HOME_ID, title="Home").async_store_unreadable("x.corrupt")
    issue_id = f"{ISSUE_STORE_UNREADABLE}_{HOME_ID}"
    issue = issue_registry.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.is_persistent
    manager = await flows(hass)
    result = await manager.async_init(DOMAIN, context={"issue_id": issue_id})
    assert result["step_id"] == "confirm"
    result = await manager.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is None


def test_only_what_can_be_fixed_has_a_flow() -> None:
    path = Path(health.__file__).parent / "translations" / "en.json"
    issues = json.loads(path.read_text())["issues"]
    assert "fix_flow" in issues[ISSUE_GRID_SIGN]
    assert "fix_flow" in issues[ISSUE_STORE_UNREADABLE]
    assert "description" in issues[ISSUE_SOURCE_STALE]
