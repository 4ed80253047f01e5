"""The step that asks for a unit's part in outages."""

from collections.abc import Mapping
from typing import Any

from homeassistant.const import PERCENTAGE, UnitOfPower
from homeassistant.data_entry_flow import FlowContext, FlowHandler, FlowResult, section
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
)
import voluptuous as vol

from .const import CONF_BACKUP
from .engine.model import IslandingStart
from .outage_setup import (
    CONF_BY_HAND,
    CONF_BY_HAND_BACK,
    CONF_LEG_LIMIT,
    CONF_LIMIT,
    CONF_SOCKETS_ONLY,
    CONF_SOLAR_IN_ISLAND,
    CONF_STATION_FLOOR,
    CONF_STEPS,
    CONF_STEPS_BACK,
    CONF_STOP_AT_FLOOR,
    CONF_STOP_TESTED,
)

SECTION_STOP = "stop"
STOP_KEYS = (CONF_STOP_AT_FLOOR, CONF_STOP_TESTED)


class BackupSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    FlowHandler[ContextT, ResultT, HandlerT]
):
    """Asks how a unit comes to carry the house, and what it bears then."""

    async def _async_backup_done(self, backup: dict[str, Any]) -> ResultT:
        """Go on with what was said."""
        raise NotImplementedError

    def _known_backup(self) -> Mapping[str, Any]:
        """Return what was said before."""
        raise NotImplementedError

    def _islanding(self) -> IslandingStart:
        """Return how the device begins, as far as its driver knows."""
        raise NotImplementedError

    async def async_step_backup(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for it."""
        errors: dict[str, str] = {}
        if user_input is not None:
            backup = _flat(user_input)
            errors = _errors(backup)
            if not errors:
                return await self._async_backup_done({CONF_BACKUP: backup})
        by_hand = self._islanding() is IslandingStart.BY_HAND
        known = {CONF_BY_HAND: by_hand, CONF_BY_HAND_BACK: by_hand}
        known |= self._known_backup()
        stop = {key: known[key] for key in STOP_KEYS if key in known}
        return self.async_show_form(
            step_id="backup",
            data_schema=self.add_suggested_values_to_schema(
                SCHEMA, user_input or {**known, SECTION_STOP: stop}
            ),
            errors=errors,
        )


def _flat(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form's values in the shape of the unit's data."""
    backup = {k: v for k, v in user_input.items() if k != SECTION_STOP}
    return {**backup, **user_input[SECTION_STOP]}


def _errors(backup: Mapping[str, Any]) -> dict[str, str]:
    errors: dict[str, str] = {}
    limit, leg = backup.get(CONF_LIMIT), backup.get(CONF_LEG_LIMIT)
    if limit is not None and leg is not None and leg > limit:
        errors[CONF_LEG_LIMIT] = "leg_above_limit"
    if backup[CONF_STOP_AT_FLOOR] and not backup[CONF_STOP_TESTED]:
        errors[SECTION_STOP] = "stop_untested"
    return errors


_TEXT = TextSelector(TextSelectorConfig(multiline=True))
_WATT = NumberSelector(
    NumberSelectorConfig(
        min=100,
        max=25_000,
        step="any",
        mode=NumberSelectorMode.BOX,
        unit_of_measurement=UnitOfPower.WATT,
    )
)
SCHEMA = vol.Schema(
    {
        vol.Required(CONF_BY_HAND, default=False): BooleanSelector(),
        vol.Optional(CONF_STEPS): _TEXT,
        vol.Required(CONF_BY_HAND_BACK, default=False): BooleanSelector(),
        vol.Optional(CONF_STEPS_BACK): _TEXT,
        vol.Optional(CONF_LIMIT): _WATT,
        vol.Optional(CONF_LEG_LIMIT): _WATT,
        vol.Required(CONF_STATION_FLOOR, default=0): NumberSelector(
            NumberSelectorConfig(
                min=0,
                max=100,
                step="any",
                mode=NumberSelectorMode.BOX,
                unit_of_measurement=PERCENTAGE,
            )
        ),
        vol.Required(CONF_SOLAR_IN_ISLAND, default=False): BooleanSelector(),
        vol.Required(CONF_SOCKETS_ONLY, default=False): BooleanSelector(),
        vol.Required(SECTION_STOP): section(
            vol.Schema(
                {
                    vol.Required(CONF_STOP_AT_FLOOR, default=False): BooleanSelector(),
                    vol.Required(CONF_STOP_TESTED, default=False): BooleanSelector(),
                }
            ),
            {"collapsed": True},
        ),
    }
)
