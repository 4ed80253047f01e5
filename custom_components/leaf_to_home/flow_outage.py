"""The steps that ask how the home behaves in outages, and what announces them."""

from collections.abc import Mapping
from typing import Any

from homeassistant.components.calendar.const import DOMAIN as CALENDAR_DOMAIN
from homeassistant.config_entries import ConfigEntryBaseFlow, ConfigFlowResult
from homeassistant.const import PERCENTAGE, STATE_ON, Platform, UnitOfTime
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
)
import voluptuous as vol

from .const import CONF_OUTAGE, CONF_WATCH
from .engine.outage_model import OutageSettings
from .flow_energy import is_own
from .outage_setup import (
    CONF_DEBOUNCE,
    CONF_DRIVING,
    CONF_PUT_BACK,
    CONF_STABLE,
    CONF_STAGGER,
    CONF_TEST_SHEDS,
    LOAD_DOMAINS,
)
from .sources.watches import (
    CONF_AFTER,
    CONF_CUTS,
    CONF_LEAD,
    CONF_RESERVE,
    CONF_WARNING,
    CONF_WORDS,
    DEFAULT_AFTER_H,
    DEFAULT_LEAD_H,
    DEFAULT_RESERVE,
)


class OutageSteps(ConfigEntryBaseFlow):
    """Asks for what the options hold of outages."""

    def _known_options(self) -> Mapping[str, Any]:
        """Return the options that are there."""
        raise NotImplementedError

    async def async_step_outage(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask how an outage is told from a flicker, and what comes back how."""
        known = self._known_options()
        errors: dict[str, str] = {}
        if user_input is not None:
            if any(is_own(self.hass, load) for load in user_input[CONF_PUT_BACK]):
                errors[CONF_PUT_BACK] = "own_entity"
            if not errors:
                return self.async_create_entry(data={**known, CONF_OUTAGE: user_input})
        return self.async_show_form(
            step_id="outage",
            data_schema=self.add_suggested_values_to_schema(
                OUTAGE_SCHEMA, user_input or known.get(CONF_OUTAGE)
            ),
            errors=errors,
        )

    async def async_step_watch(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what tells of outages before they come."""
        known = self._known_options()
        errors: dict[str, str] = {}
        if user_input is not None:
            warning = user_input.get(CONF_WARNING)
            if warning is not None and is_own(self.hass, warning):
                errors[CONF_WARNING] = "own_entity"
            elif warning is not None and not _words(user_input):
                errors[CONF_WORDS] = "words_missing"
            if not errors:
                options = {k: v for k, v in known.items() if k != CONF_WATCH}
                if warning is not None or CONF_CUTS in user_input:
                    words = _words(user_input)
                    options[CONF_WATCH] = {**user_input, CONF_WORDS: words}
                return self.async_create_entry(data=options)
        return self.async_show_form(
            step_id="watch",
            data_schema=self.add_suggested_values_to_schema(
                WATCH_SCHEMA, user_input or known.get(CONF_WATCH)
            ),
            errors=errors,
        )


def _words(user_input: Mapping[str, Any]) -> list[str]:
    """Return the states that warn, without what is none."""
    words = (word.strip() for word in user_input.get(CONF_WORDS, ()))
    return list(dict.fromkeys(word for word in words if word))


def _number(
    unit: str, *, minimum: float = 0, maximum: float | None = None
) -> NumberSelector:
    config = NumberSelectorConfig(
        min=minimum, step="any", mode=NumberSelectorMode.BOX, unit_of_measurement=unit
    )
    if maximum is not None:
        config["max"] = maximum
    return NumberSelector(config)


_DEFAULTS = OutageSettings()
OUTAGE_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_DEBOUNCE, default=_DEFAULTS.debounce_s): _number(
            UnitOfTime.SECONDS, maximum=60
        ),
        vol.Required(CONF_STABLE, default=_DEFAULTS.stable_s): _number(
            UnitOfTime.SECONDS, minimum=10, maximum=3600
        ),
        vol.Optional(CONF_DRIVING): _number(PERCENTAGE, maximum=100),
        vol.Required(CONF_STAGGER, default=_DEFAULTS.stagger_s): _number(
            UnitOfTime.SECONDS, maximum=600
        ),
        vol.Optional(CONF_PUT_BACK, default=[]): EntitySelector(
            EntitySelectorConfig(domain=list(LOAD_DOMAINS), multiple=True)
        ),
        vol.Required(CONF_TEST_SHEDS, default=False): BooleanSelector(),
    }
)
WATCH_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_RESERVE, default=DEFAULT_RESERVE): _number(
            PERCENTAGE, minimum=1, maximum=100
        ),
        vol.Optional(CONF_CUTS): EntitySelector(
            EntitySelectorConfig(domain=CALENDAR_DOMAIN)
        ),
        vol.Required(CONF_LEAD, default=DEFAULT_LEAD_H): _number(
            UnitOfTime.HOURS, maximum=120
        ),
        vol.Optional(CONF_WARNING): EntitySelector(
            EntitySelectorConfig(domain=[Platform.BINARY_SENSOR, Platform.SENSOR])
        ),
        vol.Required(CONF_WORDS, default=[STATE_ON]): TextSelector(
            TextSelectorConfig(multiple=True)
        ),
        vol.Required(CONF_AFTER, default=DEFAULT_AFTER_H): _number(
            UnitOfTime.HOURS, maximum=120
        ),
    }
)
