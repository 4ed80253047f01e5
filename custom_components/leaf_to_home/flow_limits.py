"""The step that asks what the contract and the breaker allow."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import ConfigEntryBaseFlow, ConfigFlowResult
from homeassistant.const import (
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
)
import voluptuous as vol

from .const import (
    AMPERE_TOTAL,
    CONF_CAPACITY,
    CONF_EXPORT_LIMIT,
    CONF_EXPORT_ONLY_WITHOUT_SOLAR,
    CONF_IMPORT_LIMIT,
    CONF_MAIN_LIMIT,
    CONF_MAX_AGE,
    CONF_WINDOW,
)
from .site import main_limits_w

LIMIT_KEYS = frozenset(
    {
        CONF_CAPACITY,
        CONF_EXPORT_LIMIT,
        CONF_EXPORT_ONLY_WITHOUT_SOLAR,
        CONF_MAIN_LIMIT,
        CONF_MAX_AGE,
        CONF_WINDOW,
    }
)

CONF_MAIN_LIMIT_UNIT = "main_limit_unit"
CONF_VOLTAGE = "voltage"
CONF_PRICE_PER_KW = "price_per_kw_month"
CONF_FREE_KW = "free_kw"
CONF_PEAKS_AVERAGED = "peaks_averaged"
SECTION_FRESHNESS = "freshness"

# Less than this is no supply of a house but a slip of the keyboard.
MIN_MAIN_LIMIT_A = 10.0
WINDOWS_MIN = ("15", "30", "60")
# Between a live conductor and neutral, which is what a limit in ampere is meant for.
VOLTAGES = {"JP": 100, "US": 120, "CA": 120, "TW": 110}
VOLTAGE = 230
# The form's words for what the options hold.
UNITS = {
    "ampere": UnitOfElectricCurrent.AMPERE.value,
    "ampere_total": AMPERE_TOTAL,
    "watt": UnitOfPower.WATT.value,
}


class LimitSteps(ConfigEntryBaseFlow):
    """Asks for limits; the home flow and the options share it."""

    async def _async_limits_done(self, limits: dict[str, Any]) -> ConfigFlowResult:
        """Go on with the new limits."""
        raise NotImplementedError

    def _known_limits(self) -> Mapping[str, Any] | None:
        """Return the options that are there already, None in a new home."""
        raise NotImplementedError

    def _phases(self) -> int:
        """Return how many phases are measured."""
        raise NotImplementedError

    async def async_step_limits(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for limits."""
        errors: dict[str, str] = {}
        known = self._known_limits()
        if user_input is not None:
            limits = _to_options(user_input)
            errors = _errors(limits, self._phases())
            if not errors:
                return await self._async_limits_done(limits)
        return self.async_show_form(
            step_id="limits",
            data_schema=self.add_suggested_values_to_schema(
                _schema(self.hass, first=known is None),
                user_input or (_to_form(known) if known else None),
            ),
            errors=errors,
        )


def _number(
    unit: str | None = None, *, minimum: float = 0, maximum: float | None = None
) -> NumberSelector:
    config = NumberSelectorConfig(min=minimum, step="any", mode=NumberSelectorMode.BOX)
    if maximum is not None:
        config["max"] = maximum
    if unit is not None:
        config["unit_of_measurement"] = unit
    return NumberSelector(config)


def _schema(hass: HomeAssistant, *, first: bool) -> vol.Schema:
    country = hass.config.country or ""
    watt = _number(UnitOfPower.WATT)
    fields: dict[vol.Marker, Any] = {
        vol.Optional(CONF_MAIN_LIMIT): _number(),
        vol.Required(
            CONF_MAIN_LIMIT_UNIT,
            default="ampere_total" if country == "JP" else "ampere",
        ): SelectSelector(
            SelectSelectorConfig(options=list(UNITS), translation_key="main_limit_unit")
        ),
        vol.Required(CONF_VOLTAGE, default=VOLTAGES.get(country, VOLTAGE)): _number(
            UnitOfElectricPotential.VOLT, minimum=90, maximum=480
        ),
    }
    if first:
        # An entity changes it from then on; a later form must not take that back.
        fields[vol.Optional(CONF_IMPORT_LIMIT)] = watt
    fields |= {
        vol.Required(
            CONF_WINDOW, default="30" if country == "JP" else "15"
        ): SelectSelector(
            SelectSelectorConfig(
                options=list(WINDOWS_MIN), translation_key="window_min"
            )
        ),
        vol.Required(CONF_EXPORT_LIMIT, default=0): watt,
        vol.Required(CONF_EXPORT_ONLY_WITHOUT_SOLAR, default=False): BooleanSelector(),
        vol.Required(CONF_CAPACITY): section(
            vol.Schema(
                {
                    vol.Optional(CONF_PRICE_PER_KW): _number(
                        f"{hass.config.currency}/kW"
                    ),
                    vol.Required(CONF_FREE_KW, default=0): _number(
                        UnitOfPower.KILO_WATT
                    ),
                    vol.Required(CONF_PEAKS_AVERAGED, default=1): vol.All(
                        NumberSelector(
                            NumberSelectorConfig(
                                min=1, max=12, mode=NumberSelectorMode.BOX
                            )
                        ),
                        vol.Coerce(int),
                    ),
                }
            ),
            {"collapsed": True},
        ),
        vol.Required(SECTION_FRESHNESS): section(
            vol.Schema(
                {
                    vol.Optional(CONF_MAX_AGE): _number(
                        UnitOfTime.SECONDS, minimum=5, maximum=3600
                    )
                }
            ),
            {"collapsed": True},
        ),
    }
    return vol.Schema(fields)


def _errors(limits: Mapping[str, Any], phases: int) -> dict[str, str]:
    main = limits.get(CONF_MAIN_LIMIT)
    if main is None:
        return {}
    total_w, _ = main_limits_w(main, phases)
    assert total_w is not None
    wires = max(1, phases) if main["unit"] == UnitOfElectricCurrent.AMPERE else 1
    if total_w / wires < MIN_MAIN_LIMIT_A * main[CONF_VOLTAGE]:
        return {CONF_MAIN_LIMIT: "main_limit_too_low"}
    return {
        field: "above_main_limit"
        for field in (CONF_IMPORT_LIMIT, CONF_EXPORT_LIMIT)
        if limits.get(field, 0) > total_w
    }


def _to_options(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form's values in the shape of the entry's options."""
    options: dict[str, Any] = {
        CONF_WINDOW: int(user_input[CONF_WINDOW]),
        CONF_EXPORT_LIMIT: user_input[CONF_EXPORT_LIMIT],
        CONF_EXPORT_ONLY_WITHOUT_SOLAR: user_input[CONF_EXPORT_ONLY_WITHOUT_SOLAR],
    }
    if CONF_MAIN_LIMIT in user_input:
        options[CONF_MAIN_LIMIT] = {
            "value": user_input[CONF_MAIN_LIMIT],
            "unit": UNITS[user_input[CONF_MAIN_LIMIT_UNIT]],
            CONF_VOLTAGE: user_input[CONF_VOLTAGE],
        }
    if CONF_IMPORT_LIMIT in user_input:
        options[CONF_IMPORT_LIMIT] = user_input[CONF_IMPORT_LIMIT]
    if CONF_PRICE_PER_KW in user_input[CONF_CAPACITY]:
        options[CONF_CAPACITY] = user_input[CONF_CAPACITY]
    options.update(user_input[SECTION_FRESHNESS])
    return options


def _to_form(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry's options in the shape of the form."""
    form: dict[str, Any] = {
        key: options[key]
        for key in (CONF_EXPORT_LIMIT, CONF_EXPORT_ONLY_WITHOUT_SOLAR)
        if key in options
    }
    if CONF_WINDOW in options:
        form[CONF_WINDOW] = str(options[CONF_WINDOW])
    if main := options.get(CONF_MAIN_LIMIT):
        form[CONF_MAIN_LIMIT] = main["value"]
        form[CONF_MAIN_LIMIT_UNIT] = next(
            word for word, unit in UNITS.items() if unit == main["unit"]
        )
        form[CONF_VOLTAGE] = main[CONF_VOLTAGE]
    form[CONF_CAPACITY] = options.get(CONF_CAPACITY, {})
    form[SECTION_FRESHNESS] = (
        {CONF_MAX_AGE: options[CONF_MAX_AGE]} if CONF_MAX_AGE in options else {}
    )
    return form
