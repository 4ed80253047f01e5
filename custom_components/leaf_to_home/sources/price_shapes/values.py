"""Times, numbers and units as they stand in payloads, and what is wrong with them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
import math
import re
import reprlib
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from ...const import DOMAIN
from ...engine.prices import HIGHEST_PRICE

# Whatever lies outside is no time of a price.
EARLIEST_S: Final = 946_684_800.0
LATEST_S: Final = 4_102_444_800.0

# A hundredth of the currency, in the words that integrations use.
_CENTS: Final = frozenset(
    {
        *("c", "ct", "cent", "cents", "eurocent", "eurocents", "¢", "c€", "ct€", "€ct"),
        *("p", "pence", "penny", "øre", "öre", "ore", "sen", "銭", "gr", "grosz"),
        *("groszy", "rp", "rp.", "rappen"),
    }
)
# Money without a sign of its own, in words that are no code.
_WORDS: Final = frozenset(
    {"kr", "kr.", "kč", "zł", "ft", "lei", "лв", "лв.", "fr", "fr.", "円", "元", "원"}
)
_PER_KWH: Final = {"wh": 1000.0, "kwh": 1.0, "mwh": 0.001}
_UNIT: Final = re.compile(r"\s*(\S+)\s*/\s*([kM]?wh)\s*", re.IGNORECASE)
_CODE: Final = re.compile(r"[A-Z]{3}")
# A sign as in "€", or a country's as in "A$".
_SIGN: Final = re.compile(r"[A-Z]{0,2}[$£€¥₹₩₪₴₺₱฿₫₦₽￥]")

# What every entity has says nothing of its shape.
_COMMON: Final = frozenset(
    {
        "attribution",
        "device_class",
        "event_type",
        "event_types",
        "friendly_name",
        "icon",
        "restored",
        "state_class",
        "unit_of_measurement",
    }
)
_LONGEST_TEXT: Final = 400


class PriceError(HomeAssistantError):
    """Prices that cannot be had or cannot be read; says what to do, translated."""

    def __init__(self, translation_key: str, **placeholders: str) -> None:
        super().__init__(
            translation_domain=DOMAIN,
            translation_key=translation_key,
            translation_placeholders=placeholders,
        )


async def async_text(hass: HomeAssistant, error: PriceError) -> str:
    """Return what an error says, in the system's language."""
    texts = await async_get_translations(
        hass, hass.config.language, "exceptions", {DOMAIN}
    )
    key = f"component.{DOMAIN}.exceptions.{error.translation_key}.message"
    return texts[key].format(**error.translation_placeholders or {})


def wrong(place: str, value: object, expected: str) -> PriceError:
    """Return the error for one value of a payload."""
    return PriceError(
        "price_value_wrong", place=place, found=reprlib.repr(value), expected=expected
    )


def to_time(
    value: object, place: str, zone: tzinfo, after_s: float | None = None
) -> float:
    """Return a moment in seconds, to the minute.

    One without an offset is of `zone`; of a time that comes twice it is the second one
    where the first is not after `after_s`. Amber counts from the first second on.
    """
    moment = value
    if isinstance(moment, str):
        try:
            moment = dt_util.parse_datetime(moment.strip())
        except ValueError, OverflowError:
            moment = None
    seconds = math.nan
    if isinstance(moment, datetime):
        seconds = _seconds(moment, zone, after_s)
    elif isinstance(moment, int | float) and not isinstance(moment, bool):
        if EARLIEST_S <= moment <= LATEST_S:
            seconds = float(moment)
        elif 1000.0 * EARLIEST_S <= moment <= 1000.0 * LATEST_S:
            seconds = moment / 1000.0
    if not EARLIEST_S <= seconds <= LATEST_S:
        raise wrong(place, value, "2026-11-22T13:00:00+01:00")
    return seconds // 60.0 * 60.0


def _seconds(moment: datetime, zone: tzinfo, after_s: float | None) -> float:
    try:
        if moment.tzinfo is not None:
            return moment.timestamp()
        seconds = moment.replace(tzinfo=zone, fold=0).timestamp()
        if after_s is not None and seconds <= after_s:
            seconds = moment.replace(tzinfo=zone, fold=1).timestamp()
    except OverflowError, ValueError, OSError:
        return math.nan
    return seconds


def to_price(value: object, place: str, factor: float = 1.0) -> float | None:
    """Return a price in money per kWh, None for one that is not there."""
    if value is None:
        return None
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) <= HIGHEST_PRICE / factor else math.nan
    elif isinstance(value, str):
        with suppress(ValueError):
            number = float(value)
    price = number * factor
    if not abs(price) <= HIGHEST_PRICE:
        raise wrong(place, value, "0.123")
    return price


def unit_factor(unit: object) -> tuple[float, str | None]:
    """Return what makes money per kWh of a price in `unit`, and the currency's code.

    Without a unit a price is taken to be that already. Words that are not known are
    none: they may well mean a hundredth.
    """
    if unit is None:
        return 1.0, None
    found = _UNIT.fullmatch(unit) if isinstance(unit, str) else None
    if found is None:
        raise PriceError("price_unit_unknown", unit=_short(str(unit)))
    money, energy = found.groups()
    factor = _PER_KWH[energy.lower()]
    if money.lower() in _CENTS:
        return factor / 100.0, None
    if _CODE.fullmatch(money):
        return factor, money
    if money.lower() not in _WORDS and not _SIGN.fullmatch(money):
        raise PriceError("price_unit_unknown", unit=_short(str(unit)))
    return factor, None


def currency_of(unit: object) -> str | None:
    """Return the currency's code in `unit`, None where it has none."""
    try:
        return unit_factor(unit)[1]
    except PriceError:
        return None


def describe(attributes: Mapping[Any, Any]) -> str:
    """Return in one line what an entity has, for people."""
    parts = [
        f"{key}: {_kind(value)}"
        for key, value in attributes.items()
        if key not in _COMMON
    ]
    return _short("; ".join(parts) or "–")


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(map(str, value)) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return f"[{len(value)} × {_kind(value[0])}]" if value else "[]"
    return type(value).__name__


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
