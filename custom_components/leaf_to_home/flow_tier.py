"""The flow of a shedding tier: loads that are turned off together in an outage."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, PERCENTAGE, UnitOfTime
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
)
import voluptuous as vol

from .const import DOMAIN, SUBENTRY_TIER
from .flow_energy import is_own
from .outage_setup import (
    CONF_LEG,
    CONF_LOADS,
    CONF_MIN_ON,
    CONF_ORDER,
    CONF_RUNTIME,
    CONF_SOC,
    CONF_STRICT,
    LOAD_DOMAINS,
)

LEG_BOTH = "both"
# The form's words for what the engine counts from 0.
LEGS = {LEG_BOTH: None, "first": 0, "second": 1}


class TierSubentryFlow(ConfigSubentryFlow):
    """Add a tier to a home or change it."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what is shed and when."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = self._errors(user_input)
            if not errors:
                title, data = user_input[CONF_NAME].strip(), _to_data(user_input)
                if self.source == SOURCE_RECONFIGURE:
                    return self.async_update_and_abort(
                        self._get_entry(),
                        self._get_reconfigure_subentry(),
                        title=title,
                        data=data,
                    )
                return self.async_create_entry(title=title, data=data)
        return self.async_show_form(
            step_id="reconfigure" if self.source == SOURCE_RECONFIGURE else "user",
            data_schema=self.add_suggested_values_to_schema(
                SCHEMA, user_input or self._known()
            ),
            errors=errors,
        )

    async_step_reconfigure = async_step_user

    def _known(self) -> dict[str, Any]:
        if self.source == SOURCE_RECONFIGURE:
            subentry = self._get_reconfigure_subentry()
            leg = subentry.data.get(CONF_LEG)
            word = next(word for word, known in LEGS.items() if known == leg)
            return {**subentry.data, CONF_NAME: subentry.title, CONF_LEG: word}
        orders = [tier.data.get(CONF_ORDER, 0) for tier in self._others()]
        return {CONF_ORDER: max(orders, default=0) + 1}

    def _others(self) -> list[Any]:
        """Return the home's other tiers."""
        own = (
            self._get_reconfigure_subentry().subentry_id
            if self.source == SOURCE_RECONFIGURE
            else None
        )
        return [
            subentry
            for key, subentry in self._get_entry().subentries.items()
            if subentry.subentry_type == SUBENTRY_TIER and key != own
        ]

    def _errors(self, user_input: Mapping[str, Any]) -> dict[str, str]:
        errors: dict[str, str] = {}
        name = user_input[CONF_NAME].strip()
        if not name:
            errors[CONF_NAME] = "name_missing"
        elif name.casefold() in {tier.title.casefold() for tier in self._others()}:
            errors[CONF_NAME] = "name_used"
        loads = user_input[CONF_LOADS]
        if not loads:
            errors[CONF_LOADS] = "loads_missing"
        elif any(is_own(self.hass, load) for load in loads):
            errors[CONF_LOADS] = "own_entity"
        elif not self._taken().isdisjoint(loads):
            # Two tiers would take turns with it.
            errors[CONF_LOADS] = "load_used"
        return errors

    def _taken(self) -> set[str]:
        """Return the loads that another tier of any home sheds."""
        here = {tier.subentry_id for tier in self._others()}
        own = self._get_entry().entry_id
        return {
            load
            for entry in self.hass.config_entries.async_entries(
                DOMAIN, include_ignore=False
            )
            for key, subentry in entry.subentries.items()
            if subentry.subentry_type == SUBENTRY_TIER
            and (entry.entry_id != own or key in here)
            for load in subentry.data[CONF_LOADS]
        }


def _to_data(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form's values in the shape of the subentry's data."""
    data = {k: v for k, v in user_input.items() if k not in (CONF_NAME, CONF_LEG)}
    data[CONF_LOADS] = list(dict.fromkeys(user_input[CONF_LOADS]))
    leg = LEGS[user_input[CONF_LEG]]
    return data if leg is None else {**data, CONF_LEG: leg}


def _number(unit: str, *, maximum: float, step: float | str = "any") -> NumberSelector:
    return NumberSelector(
        NumberSelectorConfig(
            min=0,
            max=maximum,
            step=step,  # type: ignore[typeddict-item]  # "any" or a number
            mode=NumberSelectorMode.BOX,
            unit_of_measurement=unit,
        )
    )


SCHEMA = vol.Schema(
    {
        vol.Required(CONF_NAME): TextSelector(),
        vol.Required(CONF_LOADS, default=[]): EntitySelector(
            EntitySelectorConfig(domain=list(LOAD_DOMAINS), multiple=True)
        ),
        vol.Optional(CONF_SOC): _number(PERCENTAGE, maximum=100),
        vol.Optional(CONF_RUNTIME): _number(UnitOfTime.HOURS, maximum=240),
        vol.Required(CONF_MIN_ON, default=0): _number(UnitOfTime.MINUTES, maximum=1440),
        vol.Required(CONF_STRICT, default=False): BooleanSelector(),
        vol.Required(CONF_LEG, default=LEG_BOTH): SelectSelector(
            SelectSelectorConfig(options=list(LEGS), translation_key="leg")
        ),
        vol.Required(CONF_ORDER, default=1): NumberSelector(
            NumberSelectorConfig(min=1, max=99, mode=NumberSelectorMode.BOX)
        ),
    }
)
