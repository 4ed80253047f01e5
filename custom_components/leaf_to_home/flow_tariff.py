"""The steps that ask what a kWh costs and earns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homeassistant.config_entries import ConfigEntryBaseFlow, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TimeSelector,
)
from homeassistant.helpers.translation import async_get_translations
import voluptuous as vol

from .const import DOMAIN
from .engine.tariff import TariffError, parse_tariff

CONF_IMPORT = "import"
CONF_EXPORT = "export"
CONF_BANDS = "bands"
CONF_PRICE = "price"
CONF_FROM = "from"
CONF_TO = "to"
CONF_DAYS = "days"
CONF_MONTHS = "months"

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = tuple(str(month) for month in range(1, 13))
DAY_MINUTES = 24 * 60

# What is wrong with a field, for all that the engine may say of it.
_FIELD_ERRORS = {
    CONF_IMPORT: "not_a_price",
    CONF_EXPORT: "not_a_price",
    CONF_PRICE: "not_a_price",
    CONF_FROM: "not_a_time",
    CONF_TO: "not_an_end",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Times that no band covers: minutes of the day, on these days of these months."""

    from_minute: int
    to_minute: int
    days: tuple[str, ...]
    months: tuple[int, ...]

    def as_band(self) -> dict[str, Any]:
        """Return the band that would close it, but for its price."""
        band: dict[str, Any] = {}
        if self.to_minute - self.from_minute < DAY_MINUTES:
            band[CONF_FROM] = _clock(self.from_minute)
            band[CONF_TO] = _clock(self.to_minute)
        if len(self.days) < len(WEEKDAYS):
            band[CONF_DAYS] = list(self.days)
        if len(self.months) < len(MONTHS):
            band[CONF_MONTHS] = list(self.months)
        return band


class TariffSteps(ConfigEntryBaseFlow):
    """Asks for a flat price or for bands; the home flow and the options share it."""

    TARIFF_MENU: tuple[str, ...] = ("flat", "bands")

    _bands: list[dict[str, Any]]
    _price_problem: str = ""

    async def _async_tariff_done(self, tariff: dict[str, Any]) -> ConfigFlowResult:
        """Go on with the new tariff."""
        raise NotImplementedError

    def _known_tariff(self) -> Mapping[str, Any]:
        """Return the tariff to begin with, empty or partial in a new home."""
        raise NotImplementedError

    async def _async_bands_done(self) -> ConfigFlowResult | None:
        """Go on once bands cover all times; None where they are the import price."""
        return None

    async def async_step_tariff(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which kind of tariff it is."""
        imported = self._known_tariff().get(CONF_IMPORT)
        self._bands = (
            list(imported[CONF_BANDS])
            if isinstance(imported, Mapping) and CONF_BANDS in imported
            else []
        )
        return self.async_show_menu(
            step_id="tariff", menu_options=list(self.TARIFF_MENU)
        )

    async def async_step_flat(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for one import and one export price."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = self._tariff_errors(user_input)
            if not errors:
                return await self._async_tariff_done(user_input)
        price = price_selector(self.hass)
        return self.async_show_form(
            step_id="flat",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(CONF_IMPORT): price,
                        vol.Required(CONF_EXPORT, default=0): price,
                    }
                ),
                user_input or _numbers(self._known_tariff()),
            ),
            errors=errors,
        )

    async def async_step_bands(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show the bands so far and let more be added."""
        if not self._bands:
            return await self.async_step_band()
        texts = await self._async_band_texts()
        return self.async_show_menu(
            step_id="bands",
            menu_options=["band", "remove_bands", "export"],
            description_placeholders={
                "bands": "\n".join(f"{i}. {text}" for i, text in enumerate(texts, 1))
            },
        )

    async def async_step_band(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for one more band."""
        errors: dict[str, str] = {}
        if user_input is not None:
            band = _to_band(user_input)
            if (CONF_FROM in band) != (CONF_TO in band):
                errors[CONF_TO if CONF_FROM in band else CONF_FROM] = "both_times"
            else:
                # Whatever one band leaves open, the second covers: only the band
                # itself can be at fault.
                errors = self._tariff_errors(
                    {CONF_IMPORT: {CONF_BANDS: [band, {CONF_PRICE: 0}]}}
                )
            if not errors:
                self._bands.append(band)
                return await self.async_step_bands()
        return self._show_band(user_input, errors)

    def _show_band(
        self,
        suggested: Mapping[str, Any] | None,
        errors: dict[str, str],
        missing: str = "",
    ) -> ConfigFlowResult:
        schema = vol.Schema(
            {
                vol.Required(CONF_PRICE): price_selector(self.hass),
                vol.Optional(CONF_FROM): TimeSelector(),
                vol.Optional(CONF_TO): TimeSelector(),
                vol.Optional(CONF_DAYS): _several(WEEKDAYS, "weekday"),
                vol.Optional(CONF_MONTHS): _several(MONTHS, "month"),
            }
        )
        return self.async_show_form(
            step_id="band",
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=errors,
            description_placeholders={
                "missing": missing,
                "number": str(len(self._bands) + 1),
            },
            last_step=False,
        )

    async def async_step_remove_bands(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let bands be taken out again."""
        if user_input is not None:
            gone = {int(number) for number in user_input[CONF_BANDS]}
            self._bands = [band for i, band in enumerate(self._bands) if i not in gone]
            return await self.async_step_bands()
        options = [
            SelectOptionDict(value=str(i), label=text)
            for i, text in enumerate(await self._async_band_texts())
        ]
        return self.async_show_form(
            step_id="remove_bands",
            data_schema=vol.Schema(
                {
                    vol.Required(CONF_BANDS, default=[]): SelectSelector(
                        SelectSelectorConfig(
                            options=options,
                            multiple=True,
                            mode=SelectSelectorMode.LIST,
                        )
                    )
                }
            ),
            last_step=False,
        )

    async def async_step_export(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the export price once the bands cover all times."""
        if gap := first_gap(self._bands):
            band = gap.as_band()
            return self._show_band(
                _to_form(band),
                {
                    next(
                        (
                            key
                            for key in (CONF_FROM, CONF_DAYS, CONF_MONTHS)
                            if key in band
                        ),
                        CONF_FROM,
                    ): "not_covered"
                },
                await self._async_band_text(band),
            )
        if (done := await self._async_bands_done()) is not None:
            return done
        errors: dict[str, str] = {}
        if user_input is not None:
            tariff = self._banded_tariff(user_input)
            errors = self._tariff_errors(tariff)
            if not errors:
                return await self._async_tariff_done(tariff)
        return self.async_show_form(
            step_id="export",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(self._export_fields(user_input)),
                user_input or _numbers(self._known_tariff()),
            ),
            errors=errors,
            description_placeholders={"problem": self._price_problem},
        )

    def _export_fields(self, user_input: Mapping[str, Any] | None) -> dict[Any, Any]:
        """Return what is asked for once all bands are there."""
        return {vol.Required(CONF_EXPORT, default=0): price_selector(self.hass)}

    def _banded_tariff(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """Return the tariff of the bands and of what was asked for after them."""
        return {CONF_IMPORT: {CONF_BANDS: self._bands}, **answers}

    def _tariff_errors(self, tariff: Mapping[str, Any]) -> dict[str, str]:
        """Return what the engine does not accept, at the field that it names."""
        config = self.hass.config
        try:
            parse_tariff(tariff, timezone=config.time_zone, currency=config.currency)
        except TariffError as err:
            field = str(err).partition(":")[0].rpartition(".")[2]
            return {field: _FIELD_ERRORS[field]}
        return {}

    async def _async_band_texts(self) -> list[str]:
        return [await self._async_band_text(band) for band in self._bands]

    async def _async_band_text(self, band: Mapping[str, Any]) -> str:
        """Return a band in one line, its days and months in the system's language."""
        words = await async_get_translations(
            self.hass, self.hass.config.language, "selector", {DOMAIN}
        )

        def named(selector: str, keys: Sequence[Any]) -> str:
            path = f"component.{DOMAIN}.selector.{selector}.options"
            return ", ".join(words.get(f"{path}.{key}", str(key)) for key in keys)

        parts = [f"{band.get(CONF_FROM, '00:00')}–{band.get(CONF_TO, '24:00')}"]
        if CONF_PRICE in band:
            parts.insert(0, f"{band[CONF_PRICE]:g} {self.hass.config.currency}")
        if CONF_DAYS in band:
            parts.append(named("weekday", band[CONF_DAYS]))
        if CONF_MONTHS in band:
            parts.append(named("month", band[CONF_MONTHS]))
        return " · ".join(parts)


def first_gap(bands: Sequence[Mapping[str, Any]]) -> Gap | None:
    """Return the first time without a price, with all days and months that share it."""
    cuts = sorted(
        {0, DAY_MINUTES}.union(
            *(
                {_minute(band[key]) for key in (CONF_FROM, CONF_TO) if key in band}
                for band in bands
            )
        )
    )
    months = range(1, len(MONTHS) + 1)

    def open_times(month: int, day: str) -> set[int]:
        """Return the cuts from which on no band holds."""
        return {
            cut
            for cut in cuts[:-1]
            if not any(_holds(band, month, day, cut) for band in bands)
        }

    for month in months:
        for day in WEEKDAYS:
            if not (found := open_times(month, day)):
                continue
            first = cuts.index(min(found))
            last = first
            while last < len(cuts) - 1 and cuts[last] in found:
                last += 1
            gap = set(cuts[first:last])
            return Gap(
                from_minute=cuts[first],
                to_minute=cuts[last],
                days=tuple(d for d in WEEKDAYS if gap <= open_times(month, d)),
                months=tuple(m for m in months if gap <= open_times(m, day)),
            )
    return None


def _holds(band: Mapping[str, Any], month: int, day: str, minute: int) -> bool:
    if month not in band.get(CONF_MONTHS, (month,)):
        return False
    if day not in band.get(CONF_DAYS, (day,)):
        return False
    if CONF_FROM not in band:
        return True
    begin, end = _minute(band[CONF_FROM]), _minute(band[CONF_TO])
    if begin < end:
        return begin <= minute < end
    return minute >= begin or minute < end


def without_seconds(clock: str) -> str:
    """Return HH:MM where that says it all; the engine refuses the rest."""
    time = cv.time(clock)
    return clock if time.second else f"{time:%H:%M}"


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:5])


def _clock(minute: int) -> str:
    minute %= DAY_MINUTES
    return f"{minute // 60:02}:{minute % 60:02}"


def _to_band(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form's values in the shape of a band, without what says nothing."""
    band: dict[str, Any] = {CONF_PRICE: user_input[CONF_PRICE]}
    for key in (CONF_FROM, CONF_TO):
        if key in user_input:
            band[key] = without_seconds(user_input[key])
    days = user_input.get(CONF_DAYS, [])
    if 0 < len(days) < len(WEEKDAYS):
        band[CONF_DAYS] = [day for day in WEEKDAYS if day in days]
    months = user_input.get(CONF_MONTHS, [])
    if 0 < len(months) < len(MONTHS):
        band[CONF_MONTHS] = sorted(int(month) for month in months)
    return band


def _to_form(band: Mapping[str, Any]) -> dict[str, Any]:
    """Return a band in the shape of the form."""
    form = dict(band)
    if CONF_MONTHS in band:
        form[CONF_MONTHS] = [str(month) for month in band[CONF_MONTHS]]
    return form


def _numbers(tariff: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prices of a tariff that are plain numbers."""
    return {
        key: value for key, value in tariff.items() if isinstance(value, int | float)
    }


def price_selector(hass: HomeAssistant) -> NumberSelector:
    """Return a field for a price of one kWh."""
    return NumberSelector(
        NumberSelectorConfig(
            step="any",
            mode=NumberSelectorMode.BOX,
            unit_of_measurement=f"{hass.config.currency}/kWh",
        )
    )


def _several(options: Sequence[str], translation_key: str) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(
            options=list(options), multiple=True, translation_key=translation_key
        )
    )
