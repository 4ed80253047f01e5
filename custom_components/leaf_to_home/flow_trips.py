"""The step that asks for a unit's calendar and its trips of each week."""

from collections.abc import Iterator, Mapping
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
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TimeSelector,
)
import voluptuous as vol

from .const import CONF_CALENDAR, CONF_CAR_PATTERNS, CONF_PATTERN, CONF_VEHICLES
from .trips import CONF_BACK, CONF_DEPARTURE, CONF_ON, CONF_SOC, WEEKDAYS
from .vehicles import CONF_KEY, name_of

CONF_CAR = "car"
# With one car it is always the one at the plug.
SEVERAL = 2

TRIP_KEYS = (CONF_CALENDAR, CONF_CAR_PATTERNS, CONF_PATTERN)


class TripSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    FlowHandler[ContextT, ResultT, HandlerT]
):
    """Asks where trips come from, and of which car where there are several."""

    # The key of the car, "" for whichever is at the plug, None until it was asked for.
    _trips_of: str | None = None

    async def _async_trips_done(self, trips: dict[str, Any]) -> ResultT:
        """Go on with what was chosen."""
        raise NotImplementedError

    def _known_trips(self) -> Mapping[str, Any]:
        """Return what was chosen before, among all that is known of the unit."""
        raise NotImplementedError

    async def async_step_trips_car(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask whose trips they are."""
        if user_input is not None:
            self._trips_of = user_input.get(CONF_CAR, "")
            return await self.async_step_trips()
        options = [
            SelectOptionDict(value=key, label=name) for key, name in self._cars_known()
        ]
        return self.async_show_form(
            step_id="trips_car",
            data_schema=vol.Schema(
                {
                    vol.Optional(CONF_CAR): SelectSelector(
                        SelectSelectorConfig(
                            options=options, mode=SelectSelectorMode.LIST
                        )
                    )
                }
            ),
            last_step=False,
        )

    async def async_step_trips(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for the calendar, and for each weekday whether and when the car goes."""
        cars = dict(self._cars_known())
        if self._trips_of is None:
            if len(cars) >= SEVERAL:
                return await self.async_step_trips_car()
            self._trips_of = ""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = {
                weekday: "departure_missing"
                for weekday in WEEKDAYS
                if (day := user_input[weekday])[CONF_ON] and CONF_DEPARTURE not in day
            }
            if not errors:
                return await self._async_trips_done(self._to_trips(user_input))
        known = self._known_trips()
        car = self._trips_of
        if car:
            before = known.get(CONF_CAR_PATTERNS, {}).get(car, {})
        else:
            before = {CONF_CALENDAR: known.get(CONF_CALENDAR)}
            before |= known.get(CONF_PATTERN, {})
        suggested = user_input or before
        return self.async_show_form(
            step_id="trips",
            data_schema=self.add_suggested_values_to_schema(
                _schema(suggested, errors, with_calendar=not car), suggested
            ),
            errors=errors,
            description_placeholders={"car": cars.get(car, "–")},
        )

    def _cars_known(self) -> Iterator[tuple[str, str]]:
        vehicles = self._known_trips().get(CONF_VEHICLES, ())
        for number, vehicle in enumerate(vehicles, 1):
            yield vehicle[CONF_KEY], name_of(vehicle, "LEAF", number)

    def _to_trips(self, user_input: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the form says beside what it did not ask for."""
        trips = {k: v for k, v in self._known_trips().items() if k in TRIP_KEYS}
        week = {
            weekday: dict(day)
            for weekday in WEEKDAYS
            if (day := user_input[weekday])[CONF_ON] or len(day) > 1
        }
        cars = {
            key: known
            for key, known in trips.pop(CONF_CAR_PATTERNS, {}).items()
            if key in dict(self._cars_known()) and key != self._trips_of
        }
        if self._trips_of:
            cars |= {self._trips_of: week} if week else {}
        else:
            trips = {CONF_PATTERN: week} if week else {}
            if CONF_CALENDAR in user_input:
                trips[CONF_CALENDAR] = user_input[CONF_CALENDAR]
        return trips | ({CONF_CAR_PATTERNS: cars} if cars else {})


def _schema(
    suggested: Mapping[str, Any], errors: Mapping[str, str], *, with_calendar: bool
) -> vol.Schema:
    fields: dict[vol.Marker, Any] = {}
    if with_calendar:
        fields[vol.Optional(CONF_CALENDAR)] = EntitySelector(
            EntitySelectorConfig(domain=CALENDAR_DOMAIN)
        )
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
