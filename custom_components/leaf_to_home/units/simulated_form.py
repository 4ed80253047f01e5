"""What the simulated unit has to be told."""

from typing import Any

from homeassistant.const import UnitOfPower
from homeassistant.data_entry_flow import FlowContext, FlowResult
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    TimeSelector,
)
import voluptuous as vol

from ..const import (
    CONF_DEAD_TIME,
    CONF_EVENING_PEAK,
    CONF_SEED,
    CONF_SOLAR_PEAK,
    CONF_TRIPS,
    TRIPS_COMMUTER,
    TRIPS_NONE,
)
from ..flow_unit import UnitSteps

DRIVER = "simulated"

SCHEMA = vol.Schema(
    {
        vol.Required(CONF_DEAD_TIME, default="5"): SelectSelector(
            SelectSelectorConfig(options=["1", "5", "20"], translation_key="dead_time")
        ),
        vol.Required(CONF_TRIPS, default=TRIPS_COMMUTER): SelectSelector(
            SelectSelectorConfig(
                options=[TRIPS_NONE, TRIPS_COMMUTER], translation_key="trips"
            )
        ),
        vol.Required(CONF_SOLAR_PEAK, default=4000): NumberSelector(
            NumberSelectorConfig(
                min=0,
                max=50_000,
                mode=NumberSelectorMode.BOX,
                unit_of_measurement=UnitOfPower.WATT,
            )
        ),
        vol.Optional(CONF_EVENING_PEAK): TimeSelector(),
        vol.Required(CONF_SEED, default=1): vol.All(
            NumberSelector(
                NumberSelectorConfig(min=0, max=999_999, mode=NumberSelectorMode.BOX)
            ),
            vol.Coerce(int),
        ),
    }
)


class SimulatedSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    UnitSteps[ContextT, ResultT, HandlerT]
):
    """Asks for the simulated house, its charger and its trips; nothing to connect."""

    async def async_step_simulated(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask how the simulation behaves."""
        known = dict(self._known_unit() or {})
        if user_input is not None:
            dead_time_s = int(user_input[CONF_DEAD_TIME])
            return await self._async_driver_done(
                DRIVER, {**user_input, CONF_DEAD_TIME: dead_time_s}
            )
        if CONF_DEAD_TIME in known:
            known[CONF_DEAD_TIME] = str(known[CONF_DEAD_TIME])
        return self.async_show_form(
            step_id=DRIVER,
            data_schema=self.add_suggested_values_to_schema(SCHEMA, known),
            last_step=False,
        )
