"""What a report says, and what it keeps to itself."""

import json
from typing import Any

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode, UnitMode
from custom_components.leaf_to_home.units.base import UnitUnreachable
from custom_components.leaf_to_home.workshop import Workshop
from tests import recording
from tests.conftest import GRID, UNIT_ID, Advance, make_entry, unit_data
from tests.planned import settle
from tests.platforms import HOME_ID, setup_platforms, unit

pytestmark = pytest.mark.usefixtures("recording_driver")

ADDRESS = "192.0.2.17"


@pytest.fixture
async def entry(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, advance: Advance
) -> MockConfigEntry:
    """A home whose unit has just repeated its address in an error."""
    found = make_entry(
        unit_data(recording.DRIVER, host=ADDRESS, serial_number="SN123"),
        entry_id=HOME_ID,
    )
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT, entry=found)
    unit().error = UnitUnreachable(f"no answer from {ADDRESS} of LEAF, SN123")
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE)
    for _ in range(3):
        unit().push(fault=f"{ADDRESS}: E12")
        await advance(10)
        await settle(hass, home)
    return found


def _check_unit(data: Any) -> None:
    assert data["info"]["model"] == "Recorder"
    assert data["spec"]["usable_kwh"] == 36.0
    assert data["capabilities"]["watchdog_s"] is None
    assert data["reachable"] is True
    assert data["reading"]["soc_percent"] == 60.0
    assert data["reading"]["fault"] == "**REDACTED**: E12"
    assert data["state"]["settings"]["reserve_percent"] == 30.0
    assert data["health"]["capacity"]["value"] == pytest.approx(32.4)
    assert data["health"]["points"][0]["charged_kwh"] >= 0.0
    assert data["decision"]["reason"]["code"] == "user_charge"
    assert data["outcome"]["kind"] == "unreachable"
    assert (
        data["outcome"]["detail"]
        == "no answer from **REDACTED** of **REDACTED**, **REDACTED**"
    )
    assert data["writes"] >= 1


async def test_home(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> None:
    data: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert data.keys() == {"entry", "home", "units"}
    assert data["entry"]["data"]["grid"]["entity"] == GRID
    assert data["entry"]["title"] == "**REDACTED**"
    assert data["home"]["state"]["settings"]["mode"] == "automatic"
    assert data["home"]["decision"]["guard"] == "clear"
    assert data["home"]["persisted_s"] is not None
    assert data["home"]["savings"]["against_smart"] == 0.0
    assert data["units"].keys() == {UNIT_ID}
    plans = data["home"]["plans"]
    assert plans["made"] >= 1
    assert plans["failed"] == 0
    assert plans["error"] is None
    assert plans["past"] == {"days": 0, "trips": {UNIT_ID: 0}}
    # The unit was charged by hand in the end, and nobody plans that.
    assert plans["made_s"] is None
    assert plans["units"] == {}
    _check_unit(data["units"][UNIT_ID])
    text = json.dumps(data)
    for secret in (ADDRESS, "SN123", "LEAF"):
        assert secret not in text


async def test_what_is_planned(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> None:
    home = entry.runtime_data.home
    home.async_change_unit(UNIT_ID, mode=UnitMode.AUTOMATIC, charge_limit_w=0.0)
    home.async_change_unit(UNIT_ID, reserve_percent=90.0)
    await settle(hass, home)
    data: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    plans = data["home"]["plans"]
    assert plans["running"] is False
    assert plans["followed"] is True
    assert plans["took_ms"] <= plans["longest_ms"]
    assert plans["found"][0]["problem"] == "reserve"
    assert plans["problems"]["days"].keys() == {"reserve"}
    planned = plans["units"][UNIT_ID]
    assert planned["problems"] == ["reserve"]
    assert planned["steps"] > 48
    assert planned["until_s"] > plans["made_s"] + 24 * 3600.0


async def test_a_plan_that_failed(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no idea")

    # No real plan fails.
    monkeypatch.setattr(Workshop, "work", broken)
    entry = make_entry(unit_data(recording.DRIVER), entry_id=HOME_ID)
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT, entry=entry)
    await advance(6)
    await settle(hass, home)
    data: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    plans = data["home"]["plans"]
    assert plans["made"] == 0
    assert plans["failed"] == 1
    assert plans["error"] == "RuntimeError: no idea"
    assert plans["found"][0]["problem"] == "failed"
    assert plans["followed"] is False


async def test_device(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    device_registry: dr.DeviceRegistry,
) -> None:
    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, f"{HOME_ID}_{UNIT_ID}"), HOME_ID
    )
    assert device is not None
    data: Any = await get_diagnostics_for_device(hass, hass_client, entry, device)
    assert data.keys() == {"unit"}
    _check_unit(data["unit"])

    device = device_registry.async_get_device_by_identifier((DOMAIN, HOME_ID), HOME_ID)
    assert device is not None
    data = await get_diagnostics_for_device(hass, hass_client, entry, device)
    assert data.keys() == {"entry", "home"}


async def test_in_the_dark(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = make_entry(unit_data(recording.DRIVER, dark=True), entry_id=HOME_ID)
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT, entry=entry)
    home.decision = None
    data: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert data["home"]["decision"] is None
    dark = data["units"][UNIT_ID]
    for part in ("info", "reading", "decision", "outcome"):
        assert dark[part] is None
    assert dark["reachable"] is False
