"""What the config entry says of contract and hardware, in the engine's words."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryError

from .const import (
    AMPERE_TOTAL,
    CONF_CAPACITY,
    CONF_EXPORT_LIMIT,
    CONF_EXPORT_ONLY_WITHOUT_SOLAR,
    CONF_MAIN_LIMIT,
    CONF_PHASES,
    CONF_PRESET,
    CONF_SOH,
    CONF_SPEC,
    CONF_TARIFF,
    CONF_WINDOW,
    DEFAULT_VOLTAGE,
    DEFAULT_WINDOW_MIN,
    DOMAIN,
)
from .engine.battery import UnitSpec
from .engine.formats import FormatError, parse_unit
from .engine.model import CapacityTariff, Site
from .engine.price_formula import MonthUse
from .engine.tariff import KnownPrices, Tariff, TariffError, parse_tariff
from .sources.price_book import Quotes

# Two ways to say what a conversion loses; one stands for the other.
LOSS_FORMS: Final = {"efficiency", "loss"}
# What the engine reads of the tariff's options; the rest says where prices come from.
TARIFF_KEYS: Final = {"import", "export", "published"}
SERIES_IMPORT: Final = "import"
SERIES_EXPORT: Final = "export"


def build_tariff(
    hass: HomeAssistant,
    conf: Mapping[str, Any],
    *,
    imported: Quotes = (),
    exported: Quotes = (),
    published_minute: int | None = None,
    use: MonthUse | None = None,
) -> Tariff:
    """Return the tariff of the options with the prices that are known by now.

    Raises ConfigEntryError for one that is none.
    """
    fields = {key: value for key, value in conf.items() if key in TARIFF_KEYS}
    if published_minute is not None:
        fields["published"] = {
            "at": f"{published_minute // 60:02}:{published_minute % 60:02}"
        }
    try:
        return parse_tariff(
            fields,
            timezone=hass.config.time_zone,
            currency=hass.config.currency,
            series={
                SERIES_IMPORT: _known(imported),
                SERIES_EXPORT: _known(exported),
            },
            use=use,
            live=True,
        )
    except TariffError as err:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="tariff_invalid",
            translation_placeholders={"error": str(err)},
        ) from err


def _known(quotes: Quotes) -> KnownPrices:
    return KnownPrices((quote.start_s, quote.end_s, quote.price) for quote in quotes)


def build_site(
    hass: HomeAssistant,
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    tariff: Tariff | None = None,
) -> Site:
    """Return the home's contract, with the tariff of the options where none is given.

    Raises ConfigEntryError for a tariff that is none.
    """
    if tariff is None:
        tariff = build_tariff(hass, options[CONF_TARIFF])
    window_min = int(options.get(CONF_WINDOW, DEFAULT_WINDOW_MIN))
    capacity = options.get(CONF_CAPACITY)
    main_limit_w, phase_limit_w = main_limits_w(
        options.get(CONF_MAIN_LIMIT), len(data.get(CONF_PHASES, ()))
    )
    return Site(
        tariff=tariff,
        main_limit_w=main_limit_w,
        phase_limit_w=phase_limit_w,
        window_min=window_min,
        capacity=CapacityTariff(
            price_per_kw_month=capacity["price_per_kw_month"],
            window_min=window_min,
            free_kw=capacity.get("free_kw", 0.0),
            peaks_averaged=int(capacity.get("peaks_averaged", 1)),
        )
        if capacity
        else None,
        battery_export_limit_w=options.get(CONF_EXPORT_LIMIT, 0.0),
        export_only_without_solar=options.get(CONF_EXPORT_ONLY_WITHOUT_SOLAR, False),
    )


def main_limits_w(
    limit: Mapping[str, Any] | None, phases: int
) -> tuple[float | None, float | None]:
    """Return the limit of the whole home and of one phase or leg, in W.

    "A" holds for each phase, "A_total" for all of them together, as in a Japanese
    contract: 60 A there are 6,000 W over both legs of 100 V. Without phase sensors the
    home counts as one phase: a balance between phases that nobody measures cannot be
    relied on.
    """
    if limit is None:
        return None, None
    value = float(limit["value"])
    if limit["unit"] == "W":
        return value, None
    phase_w = value * float(limit.get("voltage", DEFAULT_VOLTAGE))
    if limit["unit"] == AMPERE_TOTAL:
        return phase_w, None
    return phase_w * max(1, phases), phase_w if phases else None


def build_spec(
    presets: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any], name: str
) -> UnitSpec:
    """Return a unit's hardware; raise ConfigEntryError for what cannot be."""
    preset = data.get(CONF_PRESET)
    own = data.get(CONF_SPEC, {})
    try:
        fields = dict(presets[preset]) if preset is not None else {}
        if own.keys() & LOSS_FORMS:
            fields = {key: fields[key] for key in fields.keys() - LOSS_FORMS}
        fields |= own
        if CONF_SOH in data:
            fields[CONF_SOH] = data[CONF_SOH]
        return parse_unit(fields, name)
    except (FormatError, KeyError) as err:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="unit_invalid",
            translation_placeholders={"unit": name, "error": str(err)},
        ) from err
