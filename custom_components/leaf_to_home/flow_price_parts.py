"""The steps that ask what a price is made of: tiers of a month, fees, taxes, levies."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, override

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    DateSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    ObjectSelector,
    ObjectSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .engine.price_parsing import (
    HIGHEST_FACTOR,
    HIGHEST_LOSS_PERCENT,
    HIGHEST_MONTH_KWH,
    HIGHEST_VAT_PERCENT,
    LAST_MONTH_DAY,
)
from .engine.tariff import KnownPrices, TariffError, parse_tariff
from .flow_tariff import (
    CONF_BANDS,
    CONF_EXPORT,
    CONF_FROM,
    CONF_IMPORT,
    CONF_PRICE,
    TariffSteps,
    price_selector,
)
from .site import SERIES_EXPORT, SERIES_IMPORT
from .sources.price_book import Offer
from .sources.price_readers import CONF_SOURCE

CONF_ADD: Final = "add"
CONF_ADD_BY_TIME: Final = "add_by_time"
CONF_AT: Final = "at"
CONF_EXPORT_KIND: Final = "export_kind"
CONF_FACTOR: Final = "factor"
CONF_FORMULA: Final = "formula"
CONF_FUEL: Final = "fuel_adjustment"
CONF_LEVY: Final = "levy"
CONF_LOSS: Final = "loss_percent"
CONF_MONTH_DAY: Final = "month_day"
CONF_MONTH_KWH: Final = "month_kwh"
CONF_MONTHLY: Final = "monthly"
CONF_PUBLISHED: Final = "published"
CONF_SERIES: Final = "series"
CONF_SPOT: Final = "spot"
CONF_TIERS: Final = "tiers"
CONF_UPTO: Final = "upto_kwh"
CONF_VAT: Final = "vat_percent"

EXPORT_FIXED: Final = "fixed"
EXPORT_MARKET: Final = "market"
EXPORT_SOURCE: Final = "source"

LEAST_MONTH_KWH: Final = 1.0


class PriceParts(TariffSteps):
    """Asks for tiers, and for what comes on top of them or of a source's prices."""

    _price_source: dict[str, Any] | None = None
    _price_published: str | None = None
    _price_offer: Offer | None = None
    _price_spot: Mapping[str, Any]
    # The answers of the step of parts, while bands of fees are asked for.
    _price_parts: dict[str, Any] | None = None

    @override
    async def async_step_tariff(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which kind of tariff it is."""
        self._price_source = self._price_published = None
        self._price_offer = self._price_parts = None
        self._price_problem = ""
        result = await super().async_step_tariff(user_input)
        self._bands = list(self._known_spot().get(CONF_BANDS, []))
        return result

    # ------------------------------------------------------------------ tiers

    async def async_step_tiers(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for prices that rise with what a month has taken."""
        errors: dict[str, str] = {}
        if user_input is not None:
            tiers = {
                **user_input,
                CONF_MONTH_DAY: int(user_input[CONF_MONTH_DAY]),
            }
            errors = self._price_errors({CONF_IMPORT: tiers})
            if not errors:
                self._price_spot = tiers
                return await self.async_step_price_parts()
        known = self._known_spot()
        return self.async_show_form(
            step_id="tiers",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(CONF_TIERS): _rows(
                            {
                                CONF_PRICE: (price_selector(self.hass), True),
                                CONF_UPTO: (
                                    _number(0.0, HIGHEST_MONTH_KWH, "kWh"),
                                    False,
                                ),
                            },
                            "price_tiers",
                        ),
                        vol.Required(CONF_MONTH_KWH): _number(
                            LEAST_MONTH_KWH, HIGHEST_MONTH_KWH, "kWh"
                        ),
                        vol.Required(CONF_MONTH_DAY, default=1): _number(
                            1, LAST_MONTH_DAY, None, step=1
                        ),
                    }
                ),
                user_input or (known if CONF_TIERS in known else {}),
            ),
            errors=errors,
            description_placeholders={"problem": self._price_problem},
            last_step=False,
        )

    # ------------------------------------------------------------- what is on top

    async def async_step_price_parts(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for fees, taxes and what exported energy earns."""
        errors: dict[str, str] = {}
        if user_input is not None:
            answers = {**user_input, **user_input.get(CONF_MONTHLY, {})}
            by_time = answers[CONF_ADD_BY_TIME]
            if by_time:
                answers[CONF_ADD] = 0.0
            errors = self._price_parts_errors(answers)
            if not errors and by_time:
                self._price_parts = answers
                self._bands = self._known_fee_bands()
                return await self.async_step_bands()
            if not errors:
                return await self._async_tariff_done(self._priced_tariff(answers))
        return self._show_price_parts(user_input, errors)

    def _show_price_parts(
        self, user_input: dict[str, Any] | None, errors: dict[str, str]
    ) -> ConfigFlowResult:
        price = price_selector(self.hass)
        fields: dict[vol.Marker, Any] = {
            vol.Required(CONF_LOSS, default=0): _number(0, HIGHEST_LOSS_PERCENT, "%"),
            vol.Required(CONF_FACTOR, default=1): _number(0, HIGHEST_FACTOR, None),
            vol.Required(CONF_ADD, default=0): price,
            vol.Required(CONF_ADD_BY_TIME, default=False): BooleanSelector(),
            vol.Required(CONF_VAT, default=0): _number(0, HIGHEST_VAT_PERCENT, "%"),
        }
        if self._price_source is not None:
            fields[vol.Required(CONF_EXPORT_KIND, default=EXPORT_FIXED)] = (
                words_selector(
                    (EXPORT_FIXED, EXPORT_MARKET, EXPORT_SOURCE), "price_export"
                )
            )
        fields[vol.Required(CONF_EXPORT, default=0)] = price
        suggested = user_input or self._known_parts()
        fields[vol.Required(CONF_MONTHLY)] = self._monthly(suggested)
        return self.async_show_form(
            step_id="price_parts",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), suggested
            ),
            errors=errors,
            description_placeholders={
                "found": self._price_found(),
                "problem": self._price_problem,
            },
        )

    def _monthly(self, suggested: Mapping[str, Any]) -> section:
        """Return the lists of what changes with the month or the year."""
        price = price_selector(self.hass)
        dated = _rows(
            {CONF_FROM: (DateSelector(), True), CONF_PRICE: (price, True)},
            "price_dated",
        )
        fields = {vol.Optional(CONF_FUEL): dated, vol.Optional(CONF_LEVY): dated}
        values = suggested.get(CONF_MONTHLY, {})
        return section(
            self.add_suggested_values_to_schema(vol.Schema(fields), values),
            {"collapsed": not values},
        )

    @override
    def _export_fields(self, user_input: Mapping[str, Any] | None) -> dict[Any, Any]:
        monthly = self._monthly(user_input or self._known_parts())
        return {
            **super()._export_fields(user_input),
            vol.Optional(CONF_MONTHLY): monthly,
        }

    @override
    def _banded_tariff(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        self._price_spot = {CONF_BANDS: self._bands}
        return self._priced_tariff({**answers, **answers.get(CONF_MONTHLY, {})})

    @override
    def _tariff_errors(self, tariff: Mapping[str, Any]) -> dict[str, str]:
        imported = tariff.get(CONF_IMPORT)
        if isinstance(imported, Mapping) and CONF_FORMULA in imported:
            return self._price_errors(tariff)
        return super()._tariff_errors(tariff)

    @override
    async def _async_bands_done(self) -> ConfigFlowResult | None:
        """Go on where the bands were those of fees."""
        if self._price_parts is None:
            return None
        fees = {CONF_ADD: {CONF_BANDS: self._bands}}
        return await self._async_tariff_done(
            self._priced_tariff({**self._price_parts, **fees})
        )

    def _price_parts_errors(self, answers: Mapping[str, Any]) -> dict[str, str]:
        if (
            answers.get(CONF_EXPORT_KIND) == EXPORT_SOURCE
            and self._price_offer is not None
            and not self._price_offer.exported
        ):
            return {CONF_EXPORT_KIND: "no_export_prices"}
        return self._price_errors(self._priced_tariff(answers))

    def _price_errors(self, tariff: Mapping[str, Any]) -> dict[str, str]:
        """Return what the engine does not accept."""
        config = self.hass.config
        nothing = KnownPrices(())
        try:
            parse_tariff(
                {
                    key: tariff[key]
                    for key in (CONF_IMPORT, CONF_EXPORT)
                    if key in tariff
                },
                timezone=config.time_zone,
                currency=config.currency,
                series={SERIES_IMPORT: nothing, SERIES_EXPORT: nothing},
                live=True,
            )
        except TariffError as err:
            self._price_problem = str(err)
            return {"base": "price_parts"}
        return {}

    def _priced_tariff(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of the tariff, without what changes nothing."""
        formula: dict[str, Any] = {CONF_SPOT: self._price_spot}
        for key, neutral in (
            (CONF_LOSS, 0.0),
            (CONF_FACTOR, 1.0),
            (CONF_ADD, 0.0),
            (CONF_VAT, 0.0),
            (CONF_FUEL, []),
            (CONF_LEVY, []),
        ):
            value = answers.get(key, neutral)
            if value != neutral:
                formula[key] = value
        tariff: dict[str, Any] = {
            CONF_IMPORT: {CONF_FORMULA: formula}
            if len(formula) > 1
            else self._price_spot,
            CONF_EXPORT: _export(answers),
        }
        if self._price_source is not None:
            tariff[CONF_SOURCE] = self._price_source
        if self._price_published is not None:
            tariff[CONF_PUBLISHED] = {CONF_AT: self._price_published}
        return tariff

    def _price_found(self) -> str:
        """Return in one line what the source has, or the tiers."""
        money = f"{self.hass.config.currency}/kWh"
        if self._price_offer is None:
            return " → ".join(
                f"{tier[CONF_PRICE]:g} {money}"
                + (f" ({tier[CONF_UPTO]:g} kWh)" if tier.get(CONF_UPTO) else "")
                for tier in self._price_spot[CONF_TIERS]
            )
        quotes = self._price_offer.imported
        prices = [quote.price for quote in quotes]
        until = dt_util.as_local(dt_util.utc_from_timestamp(quotes[-1].end_s))
        return (
            f"{len(quotes)} × · {min(prices):.4g} – {max(prices):.4g} {money} · "
            f"→ {until:%Y-%m-%d %H:%M}"
        )

    def _known_formula(self) -> Mapping[str, Any]:
        imported = self._known_tariff().get(CONF_IMPORT)
        if not isinstance(imported, Mapping):
            return {}
        formula: Mapping[str, Any] = imported.get(CONF_FORMULA, {CONF_SPOT: imported})
        return formula

    def _known_spot(self) -> Mapping[str, Any]:
        spot = self._known_formula().get(CONF_SPOT)
        return spot if isinstance(spot, Mapping) else {}

    def _known_fee_bands(self) -> list[dict[str, Any]]:
        fees = self._known_formula().get(CONF_ADD)
        return list(fees[CONF_BANDS]) if isinstance(fees, Mapping) else []

    def _known_parts(self) -> dict[str, Any]:
        """Return what the form of parts begins with."""
        formula = dict(self._known_formula())
        parts: dict[str, Any] = {
            key: formula[key]
            for key in (CONF_LOSS, CONF_FACTOR, CONF_VAT)
            if key in formula
        }
        fees = formula.get(CONF_ADD)
        if isinstance(fees, Mapping):
            parts[CONF_ADD_BY_TIME] = True
        elif fees is not None:
            parts[CONF_ADD] = fees
        monthly = {
            key: formula[key] for key in (CONF_FUEL, CONF_LEVY) if key in formula
        }
        if monthly:
            parts[CONF_MONTHLY] = monthly
        return parts | _export_form(self._known_tariff().get(CONF_EXPORT))


def _export(answers: Mapping[str, Any]) -> Any:
    """Return the export price: a number, or a series and what comes on top of it."""
    number = answers[CONF_EXPORT]
    kind = answers.get(CONF_EXPORT_KIND, EXPORT_FIXED)
    if kind == EXPORT_FIXED:
        return number
    series = {CONF_SERIES: SERIES_IMPORT if kind == EXPORT_MARKET else SERIES_EXPORT}
    if not number:
        return series
    return {CONF_FORMULA: {CONF_SPOT: series, CONF_ADD: number}}


def _export_form(export: Any) -> dict[str, Any]:
    """Return an export price in the shape of the form."""
    if not isinstance(export, Mapping):
        return {} if export is None else {CONF_EXPORT: export}
    formula = export.get(CONF_FORMULA, {CONF_SPOT: export})
    kind = EXPORT_SOURCE
    if formula[CONF_SPOT].get(CONF_SERIES) == SERIES_IMPORT:
        kind = EXPORT_MARKET
    return {CONF_EXPORT_KIND: kind, CONF_EXPORT: formula.get(CONF_ADD, 0)}


def words_selector(options: Sequence[str], translation_key: str) -> SelectSelector:
    """Return a choice whose options are translated."""
    return SelectSelector(
        SelectSelectorConfig(
            options=list(options),
            mode=SelectSelectorMode.DROPDOWN,
            translation_key=translation_key,
        )
    )


def _number(
    lowest: float,
    highest: float,
    unit: str | None,
    step: float | Literal["any"] = "any",
) -> NumberSelector:
    config = NumberSelectorConfig(
        min=lowest,
        max=highest,
        mode=NumberSelectorMode.BOX,
        step=step,
    )
    if unit is not None:
        config["unit_of_measurement"] = unit
    return NumberSelector(config)


def _rows(
    fields: Mapping[str, tuple[Any, bool]], translation_key: str
) -> ObjectSelector:
    """Return a list of rows; each field has a selector, and whether it is required."""
    return ObjectSelector(
        ObjectSelectorConfig(
            multiple=True,
            label_field=CONF_PRICE,
            translation_key=translation_key,
            fields={
                key: {"selector": each.serialize()["selector"], "required": required}
                for key, (each, required) in fields.items()
            },
        )
    )
