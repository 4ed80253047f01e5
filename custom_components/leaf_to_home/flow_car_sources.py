"""The steps that ask where else a unit's state of charge is known."""

from collections.abc import Iterator, Mapping
import re
from typing import Any

from homeassistant.components import webhook
from homeassistant.const import PERCENTAGE
from homeassistant.data_entry_flow import FlowContext, FlowHandler, FlowResult
from homeassistant.helpers.network import NoURLAvailableError
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntityFilterSelectorConfig,
    EntitySelector,
    EntitySelectorConfig,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from .car_sources import (
    CONF_KIND,
    CONF_LOCAL_ONLY,
    CONF_MILES,
    CONF_PREFIX,
    CONF_VEHICLE,
    CONF_VIN,
    CONF_WEBHOOK_ID,
    KIND_ENTITIES,
    KIND_LEAFSPY,
    KIND_OVMS,
)
from .const import CONF_CAR_SOURCES, CONF_VEHICLES
from .sources.car import ODOMETER, PLUGGED, SOC, SOH
from .vehicles import CONF_KEY, name_of

MQTT = "mqtt"
CONF_SOURCE_CAR = "car"
CONF_USED = "used"
# Where Home Assistant does not know its own address.
FALLBACK = "homeassistant.local:8123"
# With one car it is always the one at the plug.
SEVERAL = 2
# What a broker would take for more than one topic has no place in it.
PREFIX = re.compile(r"[^+#\s][^+#]*/")
VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")

OVMS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_USED, default=True): BooleanSelector(),
        vol.Required(CONF_PREFIX): TextSelector(),
    }
)
LEAFSPY_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_USED, default=True): BooleanSelector(),
        vol.Required(CONF_LOCAL_ONLY, default=True): BooleanSelector(),
        vol.Required(CONF_MILES, default=False): BooleanSelector(),
        vol.Optional(CONF_VIN): TextSelector(),
    }
)


def _sensor(**only: str) -> EntitySelector:
    only_these = EntityFilterSelectorConfig(domain="sensor", **only)  # type: ignore[typeddict-item]  # its keys are those of the filter
    return EntitySelector(EntitySelectorConfig(filter=only_these))


ENTITIES_SCHEMA = vol.Schema(
    {
        vol.Optional(SOC): _sensor(unit_of_measurement=PERCENTAGE),
        vol.Optional(SOH): _sensor(unit_of_measurement=PERCENTAGE),
        vol.Optional(ODOMETER): _sensor(device_class="distance"),
        vol.Optional(PLUGGED): EntitySelector(
            EntitySelectorConfig(domain="binary_sensor")
        ),
    }
)


class CarSourceSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    FlowHandler[ContextT, ResultT, HandlerT]
):
    """Asks for the sources of one car: one of each kind."""

    _source_car: str | None = None
    _webhook_id: str | None = None

    async def _async_car_sources_done(self, sources: list[dict[str, Any]]) -> ResultT:
        """Go on with all sources of the unit."""
        raise NotImplementedError

    def _known_hardware(self) -> Mapping[str, Any]:
        """Return all that is known of the unit."""
        raise NotImplementedError

    async def async_step_car_sources(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask of which kind, after asking of which car where there are several."""
        if self._source_car is None:
            if len(list(self._source_cars())) >= SEVERAL:
                return await self.async_step_car_sources_car()
            self._source_car = ""
        return self.async_show_menu(
            step_id="car_sources",
            menu_options=["leafspy", "ovms", "car_entities"],
        )

    async def async_step_car_sources_car(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which car it is."""
        if user_input is not None:
            self._source_car = user_input.get(CONF_SOURCE_CAR, "")
            return await self.async_step_car_sources()
        options = [
            SelectOptionDict(value=key, label=name) for key, name in self._source_cars()
        ]
        return self.async_show_form(
            step_id="car_sources_car",
            data_schema=vol.Schema(
                {
                    vol.Optional(CONF_SOURCE_CAR): SelectSelector(
                        SelectSelectorConfig(
                            options=options, mode=SelectSelectorMode.LIST
                        )
                    )
                }
            ),
            last_step=False,
        )

    async def async_step_leafspy(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Show the address that the app is to send to."""
        known = self._known_source(KIND_LEAFSPY)
        if self._webhook_id is None:
            self._webhook_id = known.get(CONF_WEBHOOK_ID) or webhook.async_generate_id()
        errors: dict[str, str] = {}
        if user_input is not None:
            source = {CONF_WEBHOOK_ID: self._webhook_id, **user_input}
            if vin := source.pop(CONF_VIN, "").strip().upper():
                source[CONF_VIN] = vin
                if not VIN.fullmatch(vin):
                    errors[CONF_VIN] = "vin_invalid"
            if not errors or not user_input[CONF_USED]:
                return await self._async_source_done(KIND_LEAFSPY, source)
        return self.async_show_form(
            step_id="leafspy",
            data_schema=self.add_suggested_values_to_schema(
                LEAFSPY_SCHEMA, user_input or known
            ),
            errors=errors,
            description_placeholders={
                "url": self._url(self._webhook_id, allow_external=False)
                or f"{FALLBACK}{webhook.async_generate_path(self._webhook_id)}",
                "remote_url": self._url(self._webhook_id, allow_internal=False) or "–",
            },
        )

    async def async_step_ovms(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask where the topics of the module begin."""
        errors: dict[str, str] = {}
        if user_input is not None:
            prefix = user_input[CONF_PREFIX].strip()
            prefix = prefix if prefix.endswith("/") else f"{prefix}/"
            if not PREFIX.fullmatch(prefix):
                errors[CONF_PREFIX] = "prefix_invalid"
            elif user_input[CONF_USED] and not self._has_broker():
                errors["base"] = "no_broker"
            else:
                return await self._async_source_done(
                    KIND_OVMS, {**user_input, CONF_PREFIX: prefix}
                )
        return self.async_show_form(
            step_id="ovms",
            data_schema=self.add_suggested_values_to_schema(
                OVMS_SCHEMA, user_input or self._known_source(KIND_OVMS)
            ),
            errors=errors,
        )

    async def async_step_car_entities(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for entities; without any there is no such source."""
        if user_input is not None:
            return await self._async_source_done(
                KIND_ENTITIES, {CONF_USED: bool(user_input), **user_input}
            )
        return self.async_show_form(
            step_id="car_entities",
            data_schema=self.add_suggested_values_to_schema(
                ENTITIES_SCHEMA, self._known_source(KIND_ENTITIES)
            ),
        )

    def _has_broker(self) -> bool:
        """Return whether MQTT is set up; a broker may be away at this moment."""
        return bool(
            self.hass.config_entries.async_entries(
                MQTT, include_ignore=False, include_disabled=False
            )
        )

    def _url(self, webhook_id: str, **allowed: bool) -> str | None:
        """Return an address without its scheme, as the app wants it.

        What is sent to the address on the internet may not seem to come from home.
        """
        try:
            url = webhook.async_generate_url(self.hass, webhook_id, **allowed)
        except NoURLAvailableError:
            return None
        return re.sub(r"^https?://", "", url)

    def _source_cars(self) -> Iterator[tuple[str, str]]:
        vehicles = self._known_hardware().get(CONF_VEHICLES, ())
        for number, vehicle in enumerate(vehicles, 1):
            yield vehicle[CONF_KEY], name_of(vehicle, "LEAF", number)

    def _known_source(self, kind: str) -> Mapping[str, Any]:
        for source in self._known_hardware().get(CONF_CAR_SOURCES, ()):
            if self._is(source, kind):
                found: Mapping[str, Any] = source
                return found
        return {}

    def _is(self, source: Mapping[str, Any], kind: str) -> bool:
        of = source[CONF_KIND], source.get(CONF_VEHICLE, "")
        return of == (kind, self._source_car)

    async def _async_source_done(self, kind: str, source: dict[str, Any]) -> ResultT:
        others = [
            dict(known)
            for known in self._known_hardware().get(CONF_CAR_SOURCES, ())
            if not self._is(known, kind)
        ]
        used = source.pop(CONF_USED)
        new = {CONF_KIND: kind, **source}
        if self._source_car:
            new[CONF_VEHICLE] = self._source_car
        return await self._async_car_sources_done([*others, *([new] if used else [])])
