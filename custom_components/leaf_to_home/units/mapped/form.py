"""The steps that ask which entities carry a set-point, for every driver with one."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from homeassistant.const import (
    PERCENTAGE,
    Platform,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.data_entry_flow import FlowContext, FlowResult, section
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from ...flow_unit import UnitSteps
from .form_checks import (
    SECTION_ACTIONS,
    SECTION_DETAILS,
    as_list,
    example,
    mode_errors,
    setpoint_errors,
)
from .mapping import (
    BUTTONS,
    CONF_ACTIONS,
    CONF_CHARGE_POWER,
    CONF_DEAD_TIME,
    CONF_DISCHARGE_POWER,
    CONF_ENABLE,
    CONF_FOLLOWS,
    CONF_KEEP_POWER,
    CONF_MIN_INTERVAL,
    CONF_MODE,
    CONF_MODE_OPTIONS,
    CONF_PARK,
    CONF_POSITIVE,
    CONF_POWER,
    CONF_RATED,
    CONF_SETPOINT,
    CONF_UNIT,
    CONF_VOLTAGE,
    CONF_VOLTAGE_ENTITY,
    CONF_WATCHDOG,
    DEFAULT_DEAD_TIME_S,
    NUMBERS,
    SCRIPTS,
    SELECTS,
    SWITCHES,
    SetpointMap,
    Way,
)

DETAILS: Final = (
    CONF_UNIT,
    CONF_VOLTAGE,
    CONF_VOLTAGE_ENTITY,
    CONF_RATED,
    CONF_KEEP_POWER,
    CONF_PARK,
    CONF_DEAD_TIME,
    CONF_WATCHDOG,
    CONF_MIN_INTERVAL,
)
_NUMBER = EntitySelector(EntitySelectorConfig(domain=list(NUMBERS)))
_ACTIONS = EntitySelector(
    EntitySelectorConfig(domain=[*SWITCHES, *BUTTONS, *SCRIPTS], multiple=True)
)
_WAY = SelectSelector(
    SelectSelectorConfig(
        options=[Way.CHARGE, Way.DISCHARGE], translation_key="power_positive"
    )
)


def _seconds(most: float) -> NumberSelector:
    return NumberSelector(
        NumberSelectorConfig(
            min=0,
            max=most,
            mode=NumberSelectorMode.BOX,
            unit_of_measurement=UnitOfTime.SECONDS,
        )
    )


SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_POWER): _NUMBER,
        vol.Required(CONF_POSITIVE, default=Way.CHARGE.value): _WAY,
        vol.Optional(CONF_CHARGE_POWER): _NUMBER,
        vol.Optional(CONF_DISCHARGE_POWER): _NUMBER,
        vol.Optional(CONF_MODE): EntitySelector(
            EntitySelectorConfig(domain=list(SELECTS))
        ),
        vol.Required(SECTION_ACTIONS): section(
            vol.Schema(
                {vol.Optional(way.value): _ACTIONS for way in Way}
                | {
                    vol.Optional(CONF_ENABLE): EntitySelector(
                        EntitySelectorConfig(domain=list(SWITCHES), multiple=True)
                    )
                }
            ),
            {"collapsed": True},
        ),
        vol.Required(SECTION_DETAILS): section(
            vol.Schema(
                {
                    vol.Optional(CONF_UNIT): SelectSelector(
                        SelectSelectorConfig(
                            options=[
                                UnitOfPower.WATT,
                                UnitOfPower.KILO_WATT,
                                UnitOfElectricCurrent.AMPERE,
                                PERCENTAGE,
                            ],
                            mode=SelectSelectorMode.DROPDOWN,
                        )
                    ),
                    vol.Optional(CONF_VOLTAGE): NumberSelector(
                        NumberSelectorConfig(
                            min=1,
                            max=1000,
                            step="any",
                            mode=NumberSelectorMode.BOX,
                            unit_of_measurement=UnitOfElectricPotential.VOLT,
                        )
                    ),
                    vol.Optional(CONF_VOLTAGE_ENTITY): EntitySelector(
                        EntitySelectorConfig(
                            domain=[Platform.SENSOR, Platform.NUMBER, "input_number"]
                        )
                    ),
                    vol.Optional(CONF_RATED): NumberSelector(
                        NumberSelectorConfig(
                            min=1,
                            max=1_000_000,
                            mode=NumberSelectorMode.BOX,
                            unit_of_measurement=UnitOfPower.WATT,
                        )
                    ),
                    vol.Required(CONF_KEEP_POWER, default=False): BooleanSelector(),
                    vol.Required(CONF_PARK, default=Way.IDLE.value): SelectSelector(
                        SelectSelectorConfig(
                            options=[Way.IDLE, Way.AUTO], translation_key="park"
                        )
                    ),
                    vol.Required(CONF_DEAD_TIME, default=DEFAULT_DEAD_TIME_S): _seconds(
                        300
                    ),
                    vol.Optional(CONF_WATCHDOG): _seconds(3600),
                    vol.Required(CONF_MIN_INTERVAL, default=0): _seconds(900),
                }
            ),
            {"collapsed": True},
        ),
    }
)


class SetpointSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    UnitSteps[ContextT, ResultT, HandlerT]
):
    """Asks for the entities, then for the mode's options, then shows what they say.

    A driver calls `_async_ask_setpoint`; the result is in `_setpoint` when it goes on,
    empty where nothing is to be led.
    """

    _setpoint: dict[str, Any]
    _setpoint_proposal: Mapping[str, Any]
    _setpoint_shown: tuple[str, ...]
    # Several drivers share one flow: each says where it goes on.
    _setpoint_done: Callable[[], Awaitable[ResultT]]

    async def _async_ask_setpoint(
        self,
        done: Callable[[], Awaitable[ResultT]],
        *,
        proposal: Mapping[str, Any],
        shown: Iterable[str],
    ) -> ResultT:
        """Ask, and go on with `done`.

        `proposal` is what to begin with for a new unit, `shown` are entities that the
        driver reads, which the test shows beside those that are written to.
        """
        self._setpoint_done = done
        self._setpoint_proposal = proposal
        self._setpoint_shown = tuple(shown)
        return await self.async_step_setpoint()

    async def async_step_setpoint(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which entities carry a power."""
        errors: dict[str, str] = {}
        known = self._known_setpoint()
        if user_input is not None:
            chosen = _flat(user_input)
            if CONF_MODE in chosen and known.get(CONF_MODE) == chosen[CONF_MODE]:
                chosen[CONF_MODE_OPTIONS] = known.get(CONF_MODE_OPTIONS, {})
                chosen[CONF_FOLLOWS] = known.get(CONF_FOLLOWS, False)
            errors = setpoint_errors(self.hass, chosen, self._known_unit_id())
            if not errors:
                self._setpoint = chosen
                if CONF_MODE in chosen:
                    return await self.async_step_setpoint_mode()
                return await self.async_step_setpoint_check()
        return self.async_show_form(
            step_id="setpoint",
            data_schema=self.add_suggested_values_to_schema(
                SCHEMA, user_input or _nested(known)
            ),
            errors=errors,
            last_step=False,
        )

    async def async_step_setpoint_mode(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask what the options of the mode mean."""
        errors: dict[str, str] = {}
        chosen = self._setpoint
        mode: str = chosen[CONF_MODE]
        if user_input is not None:
            given = {way: user_input[way] for way in Way if user_input.get(way)}
            chosen[CONF_MODE_OPTIONS] = given
            chosen[CONF_FOLLOWS] = user_input[CONF_FOLLOWS]
            errors = mode_errors(self.hass, chosen)
            if not errors:
                return await self.async_step_setpoint_check()
        state = self.hass.states.get(mode)
        options = list(state.attributes.get("options", ())) if state else []
        select = SelectSelector(
            SelectSelectorConfig(
                options=options, custom_value=True, mode=SelectSelectorMode.DROPDOWN
            )
        )
        schema = vol.Schema(
            {vol.Optional(way.value): select for way in Way}
            | {vol.Required(CONF_FOLLOWS, default=False): BooleanSelector()}
        )
        return self.async_show_form(
            step_id="setpoint_mode",
            data_schema=self.add_suggested_values_to_schema(
                schema,
                user_input
                or {
                    **chosen.get(CONF_MODE_OPTIONS, {}),
                    CONF_FOLLOWS: chosen.get(CONF_FOLLOWS, False),
                },
            ),
            errors=errors,
            description_placeholders={
                "mode": mode,
                "now": state.state if state else "–",
            },
            last_step=False,
        )

    async def async_step_setpoint_check(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Show what every entity says now, and what would be written."""
        map_ = SetpointMap.from_data(self._setpoint)
        shown = dict.fromkeys([*self._setpoint_shown, *map_.entities])
        return self.async_show_menu(
            step_id="setpoint_check",
            menu_options=["setpoint_done", "setpoint_check", "setpoint"],
            description_placeholders={
                "entities": as_list(self.hass, shown),
                "charge": example(self.hass, map_, Way.CHARGE),
                "discharge": example(self.hass, map_, Way.DISCHARGE),
                "idle": example(self.hass, map_, Way.IDLE),
            },
        )

    async def async_step_setpoint_done(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Go on with the set-point as it was shown."""
        return await self._setpoint_done()

    def _known_setpoint(self) -> Mapping[str, Any]:
        known = self._known_unit()
        if known is not None:
            setpoint: Mapping[str, Any] = known.get(CONF_SETPOINT, {})
            return setpoint
        return self._setpoint_proposal


def _flat(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form's values in the shape of the unit's data."""
    flat = {
        key: value
        for key, value in user_input.items()
        if key not in (SECTION_ACTIONS, SECTION_DETAILS)
    }
    if CONF_POWER not in flat:
        del flat[CONF_POSITIVE]
    actions = user_input[SECTION_ACTIONS]
    given = {way.value: actions[way] for way in Way if actions.get(way)}
    if given:
        flat[CONF_ACTIONS] = given
    if actions.get(CONF_ENABLE):
        flat[CONF_ENABLE] = actions[CONF_ENABLE]
    details = user_input[SECTION_DETAILS]
    return flat | {key: details[key] for key in DETAILS if details.get(key)}


def _nested(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return a unit's data in the shape of the form."""
    return {
        **{
            key: value
            for key, value in known.items()
            if key not in (*DETAILS, CONF_ACTIONS, CONF_ENABLE)
        },
        SECTION_ACTIONS: {
            **known.get(CONF_ACTIONS, {}),
            **({CONF_ENABLE: known[CONF_ENABLE]} if CONF_ENABLE in known else {}),
        },
        SECTION_DETAILS: {key: known[key] for key in DETAILS if key in known},
    }
