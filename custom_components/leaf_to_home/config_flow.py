"""Config, options and unit flows: which step comes when, and what is stored."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.config_entries import (
    SOURCE_INTEGRATION_DISCOVERY,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowContext,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    OptionsFlow,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME
from homeassistant.core import callback
from homeassistant.data_entry_flow import FlowContext, FlowResult

from .const import (
    CONF_BACKUP,
    CONF_CAR_SOURCES,
    CONF_DRIVER,
    CONF_PHASES,
    CONF_TARIFF,
    DOMAIN,
    SUBENTRY_TIER,
    SUBENTRY_UNIT,
)
from .engine.battery import UnitKind
from .engine.model import IslandingStart
from .flow_backup import BackupSteps
from .flow_car_sources import CarSourceSteps
from .flow_discovery import DiscoverySteps
from .flow_limits import LIMIT_KEYS, LimitSteps
from .flow_mains import MainsSteps
from .flow_outage import OutageSteps
from .flow_prices import PriceSteps
from .flow_replay import ReplaySteps
from .flow_sources import CONF_KIND, HOME_SCHEMA, SourceSteps
from .flow_tariff import CONF_EXPORT, CONF_IMPORT
from .flow_tier import TierSubentryFlow
from .flow_trips import TRIP_KEYS, TripSteps
from .home import LeafToHomeConfigEntry
from .unit_runtime import UnitRuntime
from .units.base import DRIVERS
from .units.battery_emulator_form import BatteryEmulatorSteps
from .units.echonet_lite_form import EchonetLiteSteps
from .units.entities_form import EntitiesSteps
from .units.metered_form import MeteredSteps
from .units.quasar_form import QuasarSteps
from .units.simulated_form import SimulatedSteps

# What a change of the hardware leaves as it is.
KEPT_KEYS = (*TRIP_KEYS, CONF_BACKUP, CONF_CAR_SOURCES)


class DriverSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    SimulatedSteps[ContextT, ResultT, HandlerT],
    EchonetLiteSteps[ContextT, ResultT, HandlerT],
    EntitiesSteps[ContextT, ResultT, HandlerT],
    QuasarSteps[ContextT, ResultT, HandlerT],
    MeteredSteps[ContextT, ResultT, HandlerT],
    BatteryEmulatorSteps[ContextT, ResultT, HandlerT],
):
    """Every driver's form; a new driver adds its own here."""


class LeafToHomeConfigFlow(
    SourceSteps,
    MainsSteps,
    LimitSteps,
    PriceSteps,
    DriverSteps[ConfigFlowContext, ConfigFlowResult, str],
    DiscoverySteps,
    domain=DOMAIN,
):
    """Set up a home, with its first unit where wanted; change its sensors later."""

    VERSION = 1
    MINOR_VERSION = 1

    def __init__(self) -> None:
        self._data: dict[str, Any] = {}
        self._options: dict[str, Any] = {}
        self._name = ""

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> HomeOptionsFlow:
        """Return the flow of the contract."""
        return HomeOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the types of subentries."""
        return {SUBENTRY_UNIT: UnitSubentryFlow, SUBENTRY_TIER: TierSubentryFlow}

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the home's name and the form of its grid power."""
        errors: dict[str, str] = {}
        if user_input is None:
            await self._async_load_proposal()
        else:
            self._name = user_input[CONF_NAME].strip()
            names = {
                entry.title.casefold()
                for entry in self._async_current_entries(include_ignore=False)
            }
            if not self._name:
                errors[CONF_NAME] = "name_missing"
            elif self._name.casefold() in names:
                errors[CONF_NAME] = "name_used"
            else:
                return await self._async_kind_chosen(user_input[CONF_KIND])
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(
                HOME_SCHEMA,
                user_input
                or {CONF_NAME: self.hass.config.location_name, CONF_KIND: self._kind},
            ),
            errors=errors,
            last_step=False,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Offer to change the grid meter or the other sensors."""
        self._data = dict(self._get_reconfigure_entry().data)
        return self.async_show_menu(
            step_id="reconfigure", menu_options=["grid_kind", "sensors", "mains"]
        )

    @override
    async def _async_sources_done(self) -> ConfigFlowResult:
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_and_abort(
                self._get_reconfigure_entry(), data=self._data
            )
        return await self.async_step_limits()

    @override
    def _known_limits(self) -> Mapping[str, Any] | None:
        return None

    @override
    def _phases(self) -> int:
        return len(self._data.get(CONF_PHASES, ()))

    @override
    async def _async_limits_done(self, limits: dict[str, Any]) -> ConfigFlowResult:
        self._options = limits
        return await self.async_step_tariff()

    @override
    def _known_tariff(self) -> Mapping[str, Any]:
        prices = {
            CONF_IMPORT: self._proposal.import_price,
            CONF_EXPORT: self._proposal.export_price,
        }
        return {key: price for key, price in prices.items() if price is not None}

    @override
    async def _async_tariff_done(self, tariff: dict[str, Any]) -> ConfigFlowResult:
        self._options[CONF_TARIFF] = tariff
        return await self.async_step_first_unit()

    async def async_step_first_unit(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Offer to add the first unit now, by one of the drivers."""
        return self.async_show_menu(
            step_id="first_unit", menu_options=[*DRIVERS, "later"]
        )

    async def async_step_later(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Make the home without a unit."""
        return self._create_home([])

    @override
    def _known_unit(self) -> Mapping[str, Any] | None:
        return None

    @override
    async def _async_unit_done(
        self, name: str, data: dict[str, Any], unique_id: str | None
    ) -> ConfigFlowResult:
        if self.source == SOURCE_INTEGRATION_DISCOVERY:
            return self._add_to_home(name, data, unique_id)
        return self._create_home(
            [
                ConfigSubentryData(
                    data=data,
                    subentry_type=SUBENTRY_UNIT,
                    title=name,
                    unique_id=unique_id,
                )
            ]
        )

    def _create_home(self, units: list[ConfigSubentryData]) -> ConfigFlowResult:
        # Another flow may have made a home of this meter meanwhile.
        self._abort_if_meter_is_used()
        return self.async_create_entry(
            title=self._name,
            data=self._data,
            options=self._options,
            subentries=units,
        )


class HomeOptionsFlow(LimitSteps, PriceSteps, OutageSteps, ReplaySteps, OptionsFlow):
    """Change a home's contract and outages, and tell what a LEAF would have saved."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which of them."""
        return self.async_show_menu(
            step_id="init",
            menu_options=["tariff", "limits", "outage", "watch", "replay"],
        )

    @override
    def _known_options(self) -> Mapping[str, Any]:
        return self.config_entry.options

    @override
    def _known_limits(self) -> Mapping[str, Any]:
        return self.config_entry.options

    @override
    def _phases(self) -> int:
        return len(self.config_entry.data.get(CONF_PHASES, ()))

    @override
    async def _async_limits_done(self, limits: dict[str, Any]) -> ConfigFlowResult:
        others = {
            key: value
            for key, value in self.config_entry.options.items()
            if key not in LIMIT_KEYS
        }
        return self.async_create_entry(data=others | limits)

    @override
    def _known_tariff(self) -> Mapping[str, Any]:
        tariff: Mapping[str, Any] = self.config_entry.options[CONF_TARIFF]
        return tariff

    @override
    async def _async_tariff_done(self, tariff: dict[str, Any]) -> ConfigFlowResult:
        return self.async_create_entry(
            data={**self.config_entry.options, CONF_TARIFF: tariff}
        )


class UnitSubentryFlow(
    DriverSteps[SubentryFlowContext, SubentryFlowResult, tuple[str, str]],
    TripSteps[SubentryFlowContext, SubentryFlowResult, tuple[str, str]],
    CarSourceSteps[SubentryFlowContext, SubentryFlowResult, tuple[str, str]],
    BackupSteps[SubentryFlowContext, SubentryFlowResult, tuple[str, str]],
    ConfigSubentryFlow,
):
    """Add a unit to a home or change what is known of its hardware and trips."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask how the unit is reached."""
        return self.async_show_menu(step_id="user", menu_options=list(DRIVERS))

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what to change; outages only of what can carry anything in one."""
        if self._get_reconfigure_subentry().data[CONF_DRIVER] not in DRIVERS:
            return self.async_abort(reason="unknown_driver")
        options = ["hardware", *self._of_its_kind()]
        if self._may_carry():
            return self.async_show_menu(
                step_id="reconfigure_backup", menu_options=[*options, "backup"]
            )
        if options == ["hardware"]:
            return await self.async_step_hardware()
        return self.async_show_menu(step_id="reconfigure", menu_options=options)

    # The same menu with one more choice, which has texts of its own.
    async_step_reconfigure_backup = async_step_reconfigure

    def _runtime(self) -> UnitRuntime | None:
        """Return the running unit, None while its home is not loaded."""
        entry: LeafToHomeConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return None
        key = self._get_reconfigure_subentry().subentry_id
        return entry.runtime_data.units.get(key)

    def _of_its_kind(self) -> list[str]:
        """Return what there is to say of a car, or was said when it was one."""
        data = self._get_reconfigure_subentry().data
        runtime = self._runtime()
        kind = UnitKind.VEHICLE if runtime is None else runtime.spec.kind
        asked = []
        if kind is not UnitKind.STATIONARY or any(data.get(key) for key in TRIP_KEYS):
            asked.append("trips")
        if kind is UnitKind.VEHICLE or data.get(CONF_CAR_SOURCES):
            asked.append("car_sources")
        return asked

    def _may_carry(self) -> bool:
        runtime = self._runtime()
        if runtime is None or self._known_backup():
            return True
        capabilities = runtime.unit.capabilities
        return (
            capabilities.islanding is not IslandingStart.NEVER
            # One of which only a plug is known carries its own appliances, as always.
            or (runtime.spec.kind is UnitKind.PORTABLE and not capabilities.switched)
        )

    @override
    def _islanding(self) -> IslandingStart:
        runtime = self._runtime()
        if runtime is None:
            return IslandingStart.NEVER
        return runtime.unit.capabilities.islanding

    @override
    def _known_backup(self) -> Mapping[str, Any]:
        backup: Mapping[str, Any] = self._get_reconfigure_subentry().data.get(
            CONF_BACKUP, {}
        )
        return backup

    @override
    async def _async_backup_done(self, backup: dict[str, Any]) -> SubentryFlowResult:
        return self.async_update_and_abort(
            self._get_entry(), self._get_reconfigure_subentry(), data_updates=backup
        )

    async def async_step_hardware(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Begin with the step of the driver that the unit has."""
        subentry = self._get_reconfigure_subentry()
        self._unit_unique_id = subentry.unique_id
        driver = subentry.data[CONF_DRIVER]
        result: SubentryFlowResult = await getattr(self, f"async_step_{driver}")()
        return result

    @override
    def _known_hardware(self) -> Mapping[str, Any]:
        return self._get_reconfigure_subentry().data

    @override
    async def _async_car_sources_done(
        self, sources: list[dict[str, Any]]
    ) -> SubentryFlowResult:
        subentry = self._get_reconfigure_subentry()
        return self.async_update_and_abort(
            self._get_entry(),
            subentry,
            data={**subentry.data, CONF_CAR_SOURCES: sources},
        )

    @override
    def _known_trips(self) -> Mapping[str, Any]:
        return self._get_reconfigure_subentry().data

    @override
    async def _async_trips_done(self, trips: dict[str, Any]) -> SubentryFlowResult:
        subentry = self._get_reconfigure_subentry()
        hardware = {k: v for k, v in subentry.data.items() if k not in TRIP_KEYS}
        return self.async_update_and_abort(
            self._get_entry(), subentry, data=hardware | trips
        )

    @override
    def _known_unit(self) -> Mapping[str, Any] | None:
        if self.source != SOURCE_RECONFIGURE:
            return None
        return self._get_reconfigure_subentry().data

    @override
    def _known_unit_name(self) -> str:
        if self.source != SOURCE_RECONFIGURE:
            return super()._known_unit_name()
        return self._get_reconfigure_subentry().title

    @override
    def _known_unit_id(self) -> str | None:
        if self.source != SOURCE_RECONFIGURE:
            return None
        return self._get_reconfigure_subentry().subentry_id

    @override
    async def _async_unit_done(
        self, name: str, data: dict[str, Any], unique_id: str | None
    ) -> SubentryFlowResult:
        if self.source == SOURCE_RECONFIGURE:
            subentry = self._get_reconfigure_subentry()
            kept = {k: v for k, v in subentry.data.items() if k in KEPT_KEYS}
            return self.async_update_and_abort(
                self._get_entry(),
                subentry,
                title=name,
                data=data | kept,
                unique_id=unique_id,
            )
        return self.async_create_entry(title=name, data=data, unique_id=unique_id)
