"""Asks which home a unit is for that was found by itself."""

from types import MappingProxyType
from typing import Any, override

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlow,
    ConfigFlowContext,
    ConfigFlowResult,
    ConfigSubentry,
)
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
)
import voluptuous as vol

from .const import SUBENTRY_UNIT
from .units.echonet_lite_form import CONF_HOST, CONF_LOCAL_ADDRESS, EchonetLiteSteps

CONF_HOME = "home"


class DiscoverySteps(
    EchonetLiteSteps[ConfigFlowContext, ConfigFlowResult, str], ConfigFlow
):
    """Adds what was found to a home, as subentries have no discovery of their own."""

    _discovered: dict[str, Any]
    _home_id: str

    @override
    async def async_step_integration_discovery(
        self, discovery_info: dict[str, Any]
    ) -> ConfigFlowResult:
        """Offer a unit that no home has and that nobody has ignored."""
        self._unit_unique_id = discovery_info["unique_id"]
        await self.async_set_unique_id(self._unit_unique_id)
        self._abort_if_unique_id_configured(error="unit_already_configured")
        if self._unit_is_used():
            return self.async_abort(reason="unit_already_configured")
        self._discovered = discovery_info
        self.context["title_placeholders"] = {"name": discovery_info["label"]}
        return await self.async_step_discovered()

    async def async_step_discovered(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the home, and go on as if it had been searched for."""
        homes = self._homes()
        if not homes:
            return self.async_abort(reason="no_home")
        errors: dict[str, str] = {}
        placeholders = {"device": self._discovered["label"], "program": ""}
        if user_input is not None:
            self._home_id = user_input[CONF_HOME]
            where = {
                CONF_LOCAL_ADDRESS: self._discovered[CONF_LOCAL_ADDRESS],
                CONF_HOST: self._discovered[CONF_HOST],
            }
            result = await self.async_step_echonet_lite(
                {key: value for key, value in where.items() if value is not None}
            )
            if not result.get("errors"):
                return result
            errors["base"] = "no_answer"
        return self.async_show_form(
            step_id="discovered",
            data_schema=vol.Schema(
                {
                    vol.Required(CONF_HOME, default=homes[0].entry_id): SelectSelector(
                        SelectSelectorConfig(
                            options=[
                                SelectOptionDict(value=home.entry_id, label=home.title)
                                for home in homes
                            ]
                        )
                    )
                }
            ),
            errors=errors,
            description_placeholders=placeholders,
            last_step=False,
        )

    def _add_to_home(
        self, name: str, data: dict[str, Any], unique_id: str | None
    ) -> ConfigFlowResult:
        """Add the unit to the chosen home, which reloads with it."""
        home = self.hass.config_entries.async_get_entry(self._home_id)
        if home is None:
            return self.async_abort(reason="no_home")
        self.hass.config_entries.async_add_subentry(
            home,
            ConfigSubentry(
                data=MappingProxyType(data),
                subentry_type=SUBENTRY_UNIT,
                title=name,
                unique_id=unique_id,
            ),
        )
        return self.async_abort(
            reason="unit_added", description_placeholders={"home": home.title}
        )

    def _homes(self) -> list[ConfigEntry]:
        return self._async_current_entries(include_ignore=False)
