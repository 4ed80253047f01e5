"""LEAF to Home: a battery that can carry the house does so when it pays."""

from functools import partial
from typing import Any

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryError
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.typing import ConfigType
from homeassistant.util import dt as dt_util

from .car_sources import async_start_car_sources
from .const import (
    CONF_DRIVER,
    CONF_IMPORT_LIMIT,
    CONF_NATIVE_FOLLOW,
    DOMAIN,
    SUBENTRY_UNIT,
)
from .engine.guard import may_park
from .engine.state import HomeSettings, HomeState, UnitState, first_settings
from .health import HomeHealth, async_clear_issues
from .history_services import async_setup_history_services
from .home import Home, HomeRuntime, LeafToHomeConfigEntry
from .outage_setup import build_backup
from .outages import HomeOutages, outage_store
from .plan_problems import PlanProblems
from .plan_store import PlanStore
from .plans import HomePlans
from .presets import async_load_presets
from .renames import Renames
from .replaying import async_end_replay
from .services import async_setup_services
from .services_trips import async_setup_trip_services
from .services_watch import async_setup_watch_services
from .site import build_site, build_spec
from .sources.meters import Meters
from .sources.prices import HomePrices, price_store
from .store import HomeStore, async_remove_unit
from .trips import async_watch_calendars, build_patterns
from .unit_runtime import UnitRuntime
from .units.base import RunsOnMore, UnitContext, async_create_unit, async_give_back_unit
from .units.echonet_lite_discovery import async_offer_stations
from .vehicles import build_vehicles
from .websocket import async_setup_websocket

RECORDER = "recorder"
COST_STATISTICS = f"{__name__}.cost_statistics"

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.TIME,
]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Set up what all homes share."""
    async_setup_services(hass)
    async_setup_trip_services(hass)
    async_setup_watch_services(hass)
    async_setup_history_services(hass)
    async_setup_websocket(hass)
    Renames(hass).async_start()
    return True


async def async_setup_entry(hass: HomeAssistant, entry: LeafToHomeConfigEntry) -> bool:
    """Set up a home.

    It loads while everything is dark: no unit and no meter that is missing stops it.
    """
    async_clear_issues(hass, entry.entry_id, also_persistent=False)
    health = HomeHealth(hass, entry_id=entry.entry_id, title=entry.title)
    store = HomeStore(hass, entry.entry_id)
    stored = await store.async_load()
    if stored.aside is not None:
        health.async_store_unreadable(stored.aside)
    state = stored.state or HomeState(
        settings=HomeSettings(import_limit_w=entry.options.get(CONF_IMPORT_LIMIT))
    )
    await _async_forget_units(hass, entry, state)

    names = {key: subentry.title for key, subentry in entry.subentries.items()}
    plans = HomePlans(hass, entry, PlanProblems(health, names))
    await plans.async_load()
    prices = HomePrices(hass, entry, health)
    await prices.async_load()
    outages = HomeOutages(hass, entry, health)
    await outages.async_load()
    home = Home(
        hass,
        entry,
        site=build_site(hass, entry.data, entry.options, prices.tariff),
        meters=Meters.create(hass, entry.data, entry.options, stored.intervals),
        store=store,
        state=state,
        health=health,
        plans=plans,
        prices=prices,
        outages=outages,
    )
    await _async_add_units(hass, entry, home)
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        entry_type=dr.DeviceEntryType.SERVICE,
        identifiers={(DOMAIN, entry.entry_id)},
        manufacturer="LEAF to Home",
        name=entry.title,
    )
    entry.runtime_data = HomeRuntime(home=home, units=home.units)
    # A set-up that fails or is cancelled must not leave anybody in control.
    entry.async_on_unload(home.async_stop)
    entry.async_on_unload(partial(async_end_replay, hass, entry))
    if RECORDER in hass.config.components:
        module = await async_import_module(hass, COST_STATISTICS)
        module.async_start(hass, entry, home)
    await home.async_start()
    entry.async_on_unload(async_watch_calendars(hass, entry))
    await async_start_car_sources(hass, entry)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(entry.add_update_listener(_async_reload))
    await async_offer_stations(hass, entry)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: LeafToHomeConfigEntry) -> bool:
    """Unload a home; its units are idled only where no outage is near."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    await entry.runtime_data.home.async_stop()
    return True


async def async_migrate_entry(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry
) -> bool:
    """Migrate an older entry; a newer one stays as it is and does not load."""
    return entry.version == 1


async def async_remove_entry(hass: HomeAssistant, entry: LeafToHomeConfigEntry) -> None:
    """Delete everything that was stored of a home and its units."""
    await _async_give_back(hass, entry)
    await HomeStore(hass, entry.entry_id).async_remove()
    await PlanStore(hass, entry.entry_id).async_remove()
    await outage_store(hass, entry.entry_id).async_remove()
    await price_store(hass, entry.entry_id).async_remove()
    for subentry_id in entry.subentries:
        await async_remove_unit(hass, subentry_id)
    if RECORDER in hass.config.components:
        module = await async_import_module(hass, COST_STATISTICS)
        module.async_remove(hass, entry)
    async_clear_issues(hass, entry.entry_id, also_persistent=True)


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry, device: DeviceEntry
) -> bool:
    """Let a device be deleted that no longer stands for a home or a unit."""
    present = {(DOMAIN, entry.entry_id)}
    present |= {(DOMAIN, f"{entry.entry_id}_{key}") for key in entry.subentries}
    return not device.identifiers & present


async def _async_reload(hass: HomeAssistant, entry: LeafToHomeConfigEntry) -> None:
    """Load the home anew after any change of entry or units, once for all of them."""
    if not entry.runtime_data.reloads:
        entry.runtime_data.reloads = True
        hass.config_entries.async_schedule_reload(entry.entry_id)


async def _async_forget_units(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry, state: HomeState
) -> None:
    """Drop what is remembered of units that were removed, and only of those."""
    for key in state.units.keys() - entry.subentries.keys():
        del state.units[key]
        await async_remove_unit(hass, key)


async def _async_give_back(hass: HomeAssistant, entry: LeafToHomeConfigEntry) -> None:
    """Leave the units to their own apps, where the home was well when it ended."""
    try:
        state = (await HomeStore(hass, entry.entry_id).async_load()).state
    except ConfigEntryError:
        # A newer version wrote it.
        state = None
    allowed = state is not None and may_park(state, dt_util.utcnow().timestamp())
    for key, subentry in entry.subentries.items():
        if subentry.subentry_type == SUBENTRY_UNIT:
            await async_give_back_unit(
                hass, key, subentry.title, subentry.data, allowed=allowed
            )


async def _async_add_units(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry, home: Home
) -> None:
    """Make the driver of each unit."""
    presets = await async_load_presets(hass)

    @callback
    def on_info(runtime: UnitRuntime) -> None:
        _update_device(hass, entry, runtime)

    for key, subentry in entry.subentries.items():
        if subentry.subentry_type != SUBENTRY_UNIT:
            continue
        data: dict[str, Any] = dict(subentry.data)
        spec = build_spec(presets, data, subentry.title)
        vehicles = build_vehicles(presets, data, subentry.title)
        context = UnitContext(
            subentry_id=key,
            name=subentry.title,
            spec=spec,
            data=data,
            vehicles={name: vehicle.spec for name, vehicle in vehicles.items()},
        )
        home.state.units.setdefault(key, UnitState(settings=first_settings(spec)))
        unit = await async_create_unit(hass, data[CONF_DRIVER], context)
        home.add_unit(
            key,
            name=subentry.title,
            spec=unit.running_spec if isinstance(unit, RunsOnMore) else spec,
            unit=unit,
            vehicles=vehicles,
            native=data.get(CONF_NATIVE_FOLLOW, True),
            patterns=build_patterns(data),
            backup=build_backup(data),
            on_info=on_info,
        )


@callback
def _update_device(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry, runtime: UnitRuntime
) -> None:
    """Show what a device says of itself where it could only be asked later."""
    registry = dr.async_get(hass)
    device = registry.async_get_device_by_identifier(
        (DOMAIN, f"{entry.entry_id}_{runtime.subentry_id}"), entry.entry_id
    )
    if device is None or (info := runtime.info) is None:
        return
    registry.async_update_device(
        device.id,
        manufacturer=info.manufacturer,
        model=info.model,
        serial_number=info.serial_number,
        sw_version=info.sw_version,
    )
