"""The steps that ask where prices come from that are not the same every day."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TemplateSelector,
    TimeSelector,
)
import voluptuous as vol

from .flow_price_parts import (
    CONF_AT,
    CONF_PUBLISHED,
    CONF_SERIES,
    PriceParts,
    words_selector,
)
from .flow_tariff import CONF_EXPORT, TariffSteps, without_seconds
from .site import SERIES_EXPORT, SERIES_IMPORT
from .sources.price_actions import INCLUDES_ALL, INCLUDES_MARKET, INCLUDES_VAT
from .sources.price_probe import (
    INTEGRATIONS,
    async_loaded_integrations,
    async_nord_pool_areas,
    async_priced_entities,
    async_probe,
    async_tibber_homes,
)
from .sources.price_readers import (
    CONF_AREA,
    CONF_ENTITIES,
    CONF_EXPORT_ENTITIES,
    CONF_EXPORT_TEMPLATE,
    CONF_INCLUDES,
    CONF_MINUTES,
    CONF_SOURCE,
    CONF_SOURCE_KIND,
    CONF_TEMPLATE,
    CONF_TIBBER_HOME,
    KIND_EASYENERGY,
    KIND_ENERGYZERO,
    KIND_ENTITY,
    KIND_NORD_POOL,
    KIND_TEMPLATE,
    KIND_TIBBER,
)
from .sources.price_shapes.jepx import AREAS
from .sources.price_shapes.values import PriceError, async_text

CONF_INTEGRATION: Final = "integration"

# Bids close at 10:00 in Japan, and results are there a little later.
JEPX_PUBLISHED: Final = "10:30"
TEMPLATE_EXAMPLE: Final = "{'start': '2026-11-22T13:00:00+01:00', 'price': 0.25}"


class PriceSteps(PriceParts):
    """Asks where prices come from, and tries it at once."""

    TARIFF_MENU = (
        *TariffSteps.TARIFF_MENU,
        "tiers",
        "price_integration",
        "price_entity",
        "price_jepx",
        "price_template",
    )

    async def async_step_price_integration(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which of the integrations that are set up has the prices."""
        loaded = async_loaded_integrations(self.hass)
        errors: dict[str, str] = {}
        if user_input is not None:
            kind = user_input.get(CONF_INTEGRATION)
            if kind in loaded:
                steps = {
                    KIND_NORD_POOL: self.async_step_price_nordpool,
                    KIND_TIBBER: self.async_step_price_tibber,
                    KIND_EASYENERGY: self.async_step_price_easyenergy,
                    KIND_ENERGYZERO: self.async_step_price_energyzero,
                }
                return await steps[kind]()
        if not loaded:
            errors["base"] = "no_price_integration"
        fields: dict[vol.Marker, Any] = {}
        if loaded:
            fields[vol.Required(CONF_INTEGRATION, default=next(iter(loaded)))] = (
                _labelled(loaded)
            )
        return self.async_show_form(
            step_id="price_integration",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields),
                {CONF_INTEGRATION: self._known_source().get(CONF_SOURCE_KIND)},
            ),
            errors=errors,
            description_placeholders={
                "integrations": ", ".join(INTEGRATIONS.values()),
            },
            last_step=False,
        )

    async def async_step_price_nordpool(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the area of Nord Pool."""
        # While it is loaded anew, what was chosen can still be sent again.
        areas = async_nord_pool_areas(self.hass) or _chosen(user_input, CONF_AREA)
        return await self._async_source_step(
            "price_nordpool",
            KIND_NORD_POOL,
            {
                vol.Required(CONF_AREA, default=next(iter(areas), "")): _labelled(
                    {area: area for area in areas}
                ),
                vol.Required(CONF_MINUTES, default="15"): words_selector(
                    ("15", "60"), "price_minutes"
                ),
            },
            user_input,
        )

    async def async_step_price_tibber(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the home at Tibber."""
        homes: list[str] = []
        errors: dict[str, str] = {}
        try:
            homes = await async_tibber_homes(self.hass)
        except PriceError as err:
            errors = await self._async_told(err)
            homes = _chosen(user_input, CONF_TIBBER_HOME)
        return await self._async_source_step(
            "price_tibber",
            KIND_TIBBER,
            {
                vol.Required(
                    CONF_TIBBER_HOME, default=next(iter(homes), "")
                ): _labelled({home: home for home in homes})
            },
            user_input,
            errors,
        )

    async def async_step_price_easyenergy(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which prices of easyEnergy are meant."""
        return await self._async_source_step(
            "price_easyenergy", KIND_EASYENERGY, _dutch(), user_input
        )

    async def async_step_price_energyzero(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which prices of EnergyZero are meant."""
        return await self._async_source_step(
            "price_energyzero", KIND_ENERGYZERO, _dutch(), user_input
        )

    async def async_step_price_entity(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for entities that have prices as attributes."""
        return await self._async_source_step(
            "price_entity",
            KIND_ENTITY,
            {
                vol.Required(CONF_ENTITIES): _entities(),
                vol.Optional(CONF_EXPORT_ENTITIES): _entities(),
                vol.Optional(CONF_PUBLISHED): TimeSelector(),
            },
            user_input,
        )

    async def async_step_price_jepx(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for entities with prices of the Japanese market, and for the area."""
        return await self._async_source_step(
            "price_jepx",
            KIND_ENTITY,
            {
                vol.Required(CONF_ENTITIES): _entities(),
                vol.Required(CONF_AREA, default=AREAS[2]): words_selector(
                    AREAS, "jepx_area"
                ),
                vol.Optional(CONF_PUBLISHED, default=JEPX_PUBLISHED): TimeSelector(),
            },
            user_input,
        )

    async def async_step_price_template(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a template that gives a list of starts and prices."""
        return await self._async_source_step(
            "price_template",
            KIND_TEMPLATE,
            {
                vol.Required(CONF_TEMPLATE): TemplateSelector(),
                vol.Optional(CONF_EXPORT_TEMPLATE): TemplateSelector(),
                vol.Optional(CONF_PUBLISHED): TimeSelector(),
            },
            user_input,
        )

    async def _async_source_step(
        self,
        step_id: str,
        kind: str,
        fields: dict[vol.Marker, Any],
        user_input: dict[str, Any] | None,
        errors: dict[str, str] | None = None,
    ) -> ConfigFlowResult:
        """Ask for a source, and go on once it has given prices."""
        errors = errors or {}
        if user_input is not None and not errors:
            errors = await self._async_try(kind, user_input)
            if not errors:
                self._price_spot = {CONF_SERIES: SERIES_IMPORT}
                return await self.async_step_price_parts()
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), user_input or self._known_source_form(kind)
            ),
            errors=errors,
            description_placeholders={
                "problem": self._price_problem,
                "currency": self.hass.config.currency,
                "example": TEMPLATE_EXAMPLE,
                "entities": ", ".join(
                    f"{entity_id} ({shape})"
                    for entity_id, shape in async_priced_entities(self.hass).items()
                )
                or "–",
            },
            last_step=False,
        )

    async def _async_try(self, kind: str, answers: Mapping[str, Any]) -> dict[str, str]:
        """Ask the source for prices; return what is wrong."""
        source: dict[str, Any] = {CONF_SOURCE_KIND: kind, **answers}
        published = source.pop(CONF_PUBLISHED, None)
        if published is not None:
            if cv.time(published).second:
                return {CONF_PUBLISHED: "not_a_time"}
            published = without_seconds(published)
        if CONF_MINUTES in source:
            source[CONF_MINUTES] = int(source[CONF_MINUTES])
        source = {key: value for key, value in source.items() if value not in ("", [])}
        tariff = {CONF_SOURCE: source, CONF_EXPORT: {CONF_SERIES: SERIES_EXPORT}}
        if published is not None:
            tariff[CONF_PUBLISHED] = {CONF_AT: published}
        name = INTEGRATIONS.get(kind) or ", ".join(source.get(CONF_ENTITIES, ["–"]))
        try:
            offer = await async_probe(self.hass, tariff, name)
        except PriceError as err:
            return await self._async_told(err)
        if offer.currency not in (None, self.hass.config.currency):
            self._price_problem = str(offer.currency)
            return {"base": "price_currency"}
        self._price_source, self._price_published, self._price_offer = (
            source,
            published,
            offer,
        )
        return {}

    async def _async_told(self, error: PriceError) -> dict[str, str]:
        self._price_problem = await async_text(self.hass, error)
        return {"base": "price_source"}

    def _known_source(self) -> Mapping[str, Any]:
        source: Mapping[str, Any] = self._known_tariff().get(CONF_SOURCE, {})
        return source

    def _known_source_form(self, kind: str) -> dict[str, Any]:
        """Return what the form of a source begins with."""
        source = self._known_source()
        if source.get(CONF_SOURCE_KIND) != kind:
            return {}
        form = {key: value for key, value in source.items() if key != CONF_SOURCE_KIND}
        if CONF_MINUTES in form:
            form[CONF_MINUTES] = str(form[CONF_MINUTES])
        published = self._known_tariff().get(CONF_PUBLISHED)
        if published is not None:
            form[CONF_PUBLISHED] = published[CONF_AT]
        return form


def _chosen(user_input: Mapping[str, Any] | None, key: str) -> list[str]:
    return [user_input[key]] if user_input is not None else []


def _dutch() -> dict[vol.Marker, Any]:
    return {
        vol.Required(CONF_INCLUDES, default=INCLUDES_ALL): words_selector(
            (INCLUDES_ALL, INCLUDES_VAT, INCLUDES_MARKET), "price_includes"
        ),
        vol.Required(CONF_MINUTES, default="15"): words_selector(
            ("15", "60"), "price_minutes"
        ),
    }


def _entities() -> EntitySelector:
    return EntitySelector(
        EntitySelectorConfig(domain=["event", "sensor"], multiple=True)
    )


def _labelled(options: Mapping[str, str]) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(value=value, label=label)
                for value, label in options.items()
            ],
            mode=SelectSelectorMode.DROPDOWN,
        )
    )
