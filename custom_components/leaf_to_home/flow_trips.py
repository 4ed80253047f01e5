"""The step that asks for a unit's calendar and its trips of each week."""

from collections.abc import Mapping
from typing import Any

from homeassistant.components.calendar.const import DOMAIN as CALENDAR_DOMAIN
from homeassistant.const import PERCENTAGE
from homeassistant.data_entry_flow import FlowContext, FlowHandler, FlowResult, section
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TimeSelector,
)
import voluptuous as vol

from .const import CONF_CALENDAR, CONF_PATTERN
from .trips import CONF_BACK, CONF_DEPARTURE, CONF_ON, CONF_SOC, WEEKDAYS

TRIP_KEYS = (CONF_CALENDAR, CONF_PATTERN)


class TripSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    FlowHandler[ContextT, ResultT, HandlerT]
):
    """Asks where trips come from."""

    async def _async_trips_done(self, trips: dict[str, Any]) -> ResultT:
        """Go on with what was chosen."""
        raise NotImplementedError

    def _known_trips(self) -> Mapping[str, Any]:
        """Return what was chosen before."""
        raise NotImplementedError

    async def async_step_trips(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for the calendar, and for each weekday whether and when the car goes."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = {
                weekday: "departure_missing"
                for weekday in WEEKDAYS
                if (day := user_input[weekday])[CONF_ON] and CONF_DEPARTURE not in day
            }
            if not errors:
                return await self._async_trips_done(_to_trips(user_input))
        known = self._known_trips()
        suggested = user_input or {
            CONF_CALENDAR: known.get(CONF_CALENDAR),
            **known.get(CONF_PATTERN, {}),
        }
        return self.async_show_form(
            step_id="trips",
            data_schema=self.add_suggested_values_to_schema(
                _schema(suggested, errors), suggested
            ),
            errors=errors,
        )


def _schema(suggested: Mapping[str, Any], errors: Mapping[str, str]) -> vol.Schema:
    fields: dict[vol.Marker, Any] = {
        vol.Optional(CONF_CALENDAR): EntitySelector(
            EntitySelectorConfig(domain=CALENDAR_DOMAIN)
        )
    }
    for weekday in WEEKDAYS:
        used = suggested.get(weekday, {}).get(CONF_ON, False) or weekday in errors
        fields[vol.Required(weekday)] = section(DAY_SCHEMA, {"collapsed": not used})
    return vol.Schema(fields)


DAY_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_ON, default=False): BooleanSelector(),
        vol.Optional(CONF_DEPARTURE): TimeSelector(),
        vol.Optional(CONF_BACK): TimeSelector(),
        vol.Optional(CONF_SOC): NumberSelector(
            NumberSelectorConfig(
                min=1,
                max=100,
                step=1,
                mode=NumberSelectorMode.BOX,
                unit_of_measurement=PERCENTAGE,
            )
        ),
    }
)


def _to_trips(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form says in the shape of the unit's data."""
    pattern = {
        weekday: dict(day)
        for weekday in WEEKDAYS
        if (day := user_input[weekday])[CONF_ON] or len(day) > 1
    }
    trips: dict[str, Any] = {}
    if pattern:
        trips[CONF_PATTERN] = pattern
    if CONF_CALENDAR in user_input:
        trips[CONF_CALENDAR] = user_input[CONF_CALENDAR]
    return trips
