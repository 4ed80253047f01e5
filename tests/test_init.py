"""Loading, changing and removing a home."""

from types import MappingProxyType
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home import (
    async_migrate_entry,
    async_remove_config_entry_device,
)
from custom_components.leaf_to_home.const import DOMAIN, SUBENTRY_UNIT
from custom_components.leaf_to_home.engine.model import HomeMode, UnitMode
from custom_components.leaf_to_home.home import Home
from tests.conftest import EVENING, UNIT_ID, Advance, make_entry, setup, unit_data
from tests.living import run
from tests.recording import UNITS

SECOND_ID = f"{UNIT_ID[:-1]}2"


async def test_a_new_home(hass: HomeAssistant) -> None:
    entry = make_entry(
        unit_data("simulated", spec={"reserve_percent": 40.0, "max_soc_percent": 90.0}),
        data={"grid": {"kind": "unit"}},
        options={"import_limit_w": 4500},
    )
    home = await setup(hass, entry)
    assert entry.runtime_data.units is home.units
    assert home.state.settings.mode is HomeMode.OBSERVE
    assert home.state.settings.import_limit_w == 4500
    settings = home.state.units[UNIT_ID].settings
    assert settings.mode is UnitMode.AUTOMATIC
    assert settings.reserve_percent == 40.0
    assert settings.max_soc_percent == 90.0
    assert settings.outage_floor_percent >= 10.0
    runtime = home.units[UNIT_ID]
    assert (runtime.subentry_id, runtime.name) == (UNIT_ID, "LEAF")
    assert runtime.info is not None
    assert hass.services.has_service(DOMAIN, "charge")
    registry = dr.async_get(hass)
    device = registry.async_get_device_by_identifier(
        (DOMAIN, f"{entry.entry_id}_{UNIT_ID}"), entry.entry_id
    )
    home_device = registry.async_get_device_by_identifier(
        (DOMAIN, entry.entry_id), entry.entry_id
    )
    assert device is not None
    assert home_device is not None
    assert device.via_device_id == home_device.id
    assert device.model == runtime.info.model


async def test_a_home_without_units(hass: HomeAssistant, advance: Advance) -> None:
    home = await setup(hass, make_entry())
    await advance(10)
    assert home.decision is not None
    assert home.decision.units == {}


async def test_other_subentries_are_none_of_ours(hass: HomeAssistant) -> None:
    entry = make_entry()
    entry.add_to_hass(hass)
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            data=MappingProxyType({}),
            subentry_type="future",
            title="Later",
            unique_id=None,
        ),
    )
    home = await setup(hass, entry)
    assert home.units == {}


async def test_units_come_and_go(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    simulated_entry: MockConfigEntry,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    freezer.move_to(EVENING)
    home = await setup(hass, simulated_entry)
    home.async_change_unit(UNIT_ID, reserve_percent=44.0)
    await advance(5)

    hass.config_entries.async_add_subentry(
        simulated_entry,
        ConfigSubentry(
            data=MappingProxyType(unit_data("simulated", seed=2)),
            subentry_id=SECOND_ID,
            subentry_type=SUBENTRY_UNIT,
            title="Portable",
            unique_id=None,
        ),
    )
    await hass.async_block_till_done()
    again: Home = simulated_entry.runtime_data.home
    assert again is not home
    assert set(again.units) == set(again.state.units) == {UNIT_ID, SECOND_ID}
    assert again.state.units[UNIT_ID].settings.reserve_percent == 44.0
    await advance(65)
    assert f"{DOMAIN}.simulated.{SECOND_ID}" in hass_storage

    hass.config_entries.async_remove_subentry(simulated_entry, SECOND_ID)
    await hass.async_block_till_done()
    last: Home = simulated_entry.runtime_data.home
    assert set(last.units) == set(last.state.units) == {UNIT_ID}
    assert last.state.units[UNIT_ID].settings.reserve_percent == 44.0
    assert f"{DOMAIN}.simulated.{SECOND_ID}" not in hass_storage
    assert (
        dr.async_get(hass).async_get_device_by_identifier(
            (DOMAIN, f"{simulated_entry.entry_id}_{SECOND_ID}"),
            simulated_entry.entry_id,
        )
        is None
    )


async def test_options_load_the_home_anew(
    hass: HomeAssistant, simulated_entry: MockConfigEntry
) -> None:
    home = await setup(hass, simulated_entry)
    home.async_change_home(import_limit_w=3000.0)
    hass.config_entries.async_update_entry(
        simulated_entry,
        options={**simulated_entry.options, "import_limit_w": 9000, "window_min": 15},
    )
    await hass.async_block_till_done()
    again: Home = simulated_entry.runtime_data.home
    assert again is not home
    assert again.site.window_min == 15
    assert again.state.settings.import_limit_w == 3000.0, "the option is a first value"


async def test_settings_touch_neither_entry_nor_units(
    hass: HomeAssistant, simulated_entry: MockConfigEntry, advance: Advance
) -> None:
    home = await setup(hass, simulated_entry)
    before = simulated_entry.as_dict()
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE, charge_limit_w=2000.0)
    await advance(5)
    assert simulated_entry.runtime_data.home is home
    assert simulated_entry.as_dict() == before


@pytest.mark.parametrize(
    ("unit", "options", "key"),
    [
        ({}, {"tariff": {"import": "free"}}, "tariff_invalid"),
        ({"preset": "leaf-1"}, {}, "unit_invalid"),
    ],
)
async def test_what_the_flow_would_not_write(
    hass: HomeAssistant, unit: dict[str, Any], options: dict[str, Any], key: str
) -> None:
    entry = make_entry(unit_data("simulated", **unit), options=options)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == key


async def test_removal_leaves_nothing(
    hass: HomeAssistant,
    simulated_entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    advance: Advance,
) -> None:
    await setup(hass, simulated_entry)
    await advance(61)
    assert any(key.startswith(DOMAIN) for key in hass_storage)
    await hass.config_entries.async_remove(simulated_entry.entry_id)
    await hass.async_block_till_done()
    assert not any(key.startswith(DOMAIN) for key in hass_storage)
    assert not er.async_entries_for_config_entry(
        er.async_get(hass), simulated_entry.entry_id
    )


async def test_only_stale_devices_may_be_deleted(
    hass: HomeAssistant, simulated_entry: MockConfigEntry
) -> None:
    await setup(hass, simulated_entry)
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, simulated_entry.entry_id):
        assert not await async_remove_config_entry_device(hass, simulated_entry, device)
    stale = registry.async_get_or_create(
        config_entry_id=simulated_entry.entry_id,
        identifiers={(DOMAIN, f"{simulated_entry.entry_id}_gone")},
    )
    assert await async_remove_config_entry_device(hass, simulated_entry, stale)


@pytest.mark.parametrize(("version", "expected"), [(1, True), (2, False)])
async def test_migration(hass: HomeAssistant, version: int, expected: bool) -> None:
    entry = make_entry(version=version)
    assert await async_migrate_entry(hass, entry) is expected
    assert await async_migrate_entry(hass, make_entry(minor_version=9))


async def test_a_newer_entry_does_not_load(hass: HomeAssistant) -> None:
    entry = make_entry(version=2)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.MIGRATION_ERROR


async def test_a_platform_that_does_not_unload_keeps_the_home(
    hass: HomeAssistant,
    simulated_entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    home = await setup(hass, simulated_entry)

    async def refuse(*_: object) -> bool:
        return False

    with monkeypatch.context() as context:
        context.setattr(hass.config_entries, "async_unload_platforms", refuse)
        assert not await hass.config_entries.async_unload(simulated_entry.entry_id)
    before_s = home.state.time_s
    await advance(10)
    assert home.state.time_s != before_s
    await home.async_stop()
    await home.async_stop()
    await hass.config_entries.async_unload_platforms(simulated_entry, [Platform.SENSOR])


async def test_a_set_up_that_fails_leaves_nobody_in_control(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    recorded_entry.add_to_hass(hass)

    async def fail(*_: object) -> None:
        raise ImportError("a platform")

    with monkeypatch.context() as context:
        context.setattr(hass.config_entries, "async_forward_entry_setups", fail)
        assert not await hass.config_entries.async_setup(recorded_entry.entry_id)
    assert recorded_entry.state is ConfigEntryState.SETUP_ERROR
    home: Home = recorded_entry.runtime_data.home
    before_s = home.state.time_s
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await run(hass, advance, 20)
    assert home.state.time_s == before_s
    assert UNITS[UNIT_ID].calls[-1] == "detach"
    assert UNITS[UNIT_ID].writes == []
