"""Reads prices from the mapping of a file or of stored options."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import pairwise
from math import inf, isfinite

from .local_clock import DAY_MINUTES
from .price_formula import DatedPrices, FormulaPrices, MonthUse, Tier, TieredPrices
from .prices import (
    DAY_SETS,
    HIGHEST_PRICE,
    WEEKDAYS,
    Band,
    BandPrices,
    FlatPrice,
    PriceSource,
    TariffError,
)

_BAND_KEYS = ("price", "from", "to", "days", "months")
_FORMULA_KEYS = (
    "spot",
    "loss_percent",
    "factor",
    "add",
    "vat_percent",
    "fuel_adjustment",
    "levy",
)
_TIER_KEYS = ("tiers", "month_kwh", "month_day")
HIGHEST_LOSS_PERCENT = 50.0
HIGHEST_FACTOR = 100.0
HIGHEST_VAT_PERCENT = 100.0
HIGHEST_MONTH_KWH = 1e5
LAST_MONTH_DAY = 28


def parse_prices(
    value: object,
    path: str,
    series: Mapping[str, PriceSource],
    use: MonthUse | None = None,
) -> PriceSource:
    """Read one direction: a number, bands, a series, tiers or a formula of these.

    `series` holds what `{series: NAME}` refers to, `use` what tiers go by. Raises
    `TariffError` that begins with `path`.
    """
    if not isinstance(value, Mapping):
        return FlatPrice(_price(value, path))
    if set(value) == {"bands"}:
        return _bands(value["bands"], f"{path}.bands")
    if set(value) == {"series"}:
        name = value["series"]
        if not isinstance(name, str) or name not in series:
            raise TariffError(f"{path}.series: no such series: {name!r}")
        return series[name]
    if "tiers" in value:
        return _tiers(value, path, use)
    if set(value) == {"formula"}:
        return _formula(value["formula"], f"{path}.formula", series, use)
    raise TariffError(
        f"{path}: expected bands, series, tiers or formula, "
        f"found {sorted(map(str, value))}"
    )


def _formula(
    value: object,
    path: str,
    series: Mapping[str, PriceSource],
    use: MonthUse | None,
) -> FormulaPrices:
    fields = _fields(value, path, _FORMULA_KEYS)
    if fields.get("spot") is None:
        raise TariffError(f"{path}.spot: expected a price or a series, found nothing")
    add = parse_prices(fields.get("add", 0.0), f"{path}.add", {})
    return FormulaPrices(
        spot=parse_prices(fields["spot"], f"{path}.spot", series, use),
        loss=_number(fields, "loss_percent", path, 0.0, HIGHEST_LOSS_PERCENT) / 100.0,
        factor=_number(fields, "factor", path, 0.0, HIGHEST_FACTOR, default=1.0),
        add=add,
        vat=_number(fields, "vat_percent", path, 0.0, HIGHEST_VAT_PERCENT) / 100.0,
        after=tuple(
            _dated(fields[key], f"{path}.{key}")
            for key in ("fuel_adjustment", "levy")
            if fields.get(key)
        ),
    )


def _dated(value: object, path: str) -> DatedPrices:
    def item(row: object, at: str) -> tuple[str, float]:
        fields = _fields(row, at, ("from", "price"))
        first = fields.get("from")
        try:
            # YAML makes a date of an unquoted one.
            begin = first if isinstance(first, date) else date.fromisoformat(str(first))
        except ValueError:
            raise TariffError(
                f"{at}.from: expected a date like 2026-05-01, found {first!r}"
            ) from None
        return begin.isoformat()[:10], _price(fields.get("price"), f"{at}.price")

    return DatedPrices(_rows(value, path, item))


def _tiers(
    value: Mapping[object, object], path: str, use: MonthUse | None
) -> TieredPrices:
    fields = _fields(value, path, _TIER_KEYS)

    def item(row: object, at: str) -> Tier:
        tier = _fields(row, at, ("price", "upto_kwh"))
        upto_kwh = inf
        if tier.get("upto_kwh") is not None:
            upto_kwh = _number(tier, "upto_kwh", at, 0.0, HIGHEST_MONTH_KWH)
        return Tier(price=_price(tier.get("price"), f"{at}.price"), upto_kwh=upto_kwh)

    tiers = _rows(fields["tiers"], f"{path}.tiers", item)
    edges = [tier.upto_kwh for tier in tiers]
    if edges[-1] != inf:
        raise TariffError(
            f"{path}.tiers: expected a last tier without upto_kwh, found {edges[-1]:g}"
        )
    if edges[0] <= 0.0 or any(a >= b for a, b in pairwise(edges)):
        raise TariffError(f"{path}.tiers: expected rising upto_kwh above 0")
    if fields.get("month_kwh") is None:
        raise TariffError(
            f"{path}.month_kwh: expected the kWh of a usual month, found nothing"
        )
    month_day = fields.get("month_day", 1)
    if type(month_day) is not int or not 1 <= month_day <= LAST_MONTH_DAY:
        raise TariffError(
            f"{path}.month_day: expected a day from 1 to {LAST_MONTH_DAY}, "
            f"found {month_day!r}"
        )
    month_kwh = _number(fields, "month_kwh", path, 1.0, HIGHEST_MONTH_KWH)
    return TieredPrices(
        tiers, kwh_per_day=month_kwh / 30.0, month_day=month_day, use=use
    )


def _fields(value: object, path: str, keys: Iterable[str]) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise TariffError(f"{path}: expected {', '.join(keys)}; found {value!r}")
    for key in value:
        if key not in keys:
            raise TariffError(f"{path}.{key}: expected one of {', '.join(keys)}")
    return value


def _rows[T](value: object, path: str, item: Callable[[object, str], T]) -> list[T]:
    if not isinstance(value, list | tuple) or not value:
        raise TariffError(f"{path}: expected a list, found {value!r}")
    return [item(row, f"{path}[{i}]") for i, row in enumerate(value)]


def _number(
    fields: Mapping[object, object],
    key: str,
    path: str,
    low: float,
    high: float,
    *,
    default: float = 0.0,
) -> float:
    value = fields.get(key, default)
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and low <= value <= high
    ):
        return float(value)
    raise TariffError(
        f"{path}.{key}: expected a number from {low:g} to {high:g}, found {value!r}"
    )


def _bands(value: object, path: str) -> BandPrices:
    if not isinstance(value, list | tuple) or not value:
        raise TariffError(f"{path}: expected a list of bands, found {value!r}")
    return BandPrices(
        [_band(item, f"{path}[{i}]") for i, item in enumerate(value)], path=path
    )


def _band(value: object, path: str) -> Band:
    if not isinstance(value, Mapping):
        raise TariffError(
            f"{path}: expected price, from, to, days, months; found {value!r}"
        )
    for key in value:
        if key not in _BAND_KEYS:
            raise TariffError(f"{path}.{key}: expected one of {', '.join(_BAND_KEYS)}")
    from_minute = to_minute = 0
    first, last = value.get("from"), value.get("to")
    if first is not None or last is not None:
        from_minute = parse_minute(first, f"{path}.from")
        to_minute = parse_minute(last, f"{path}.to", end=True)
        if from_minute == to_minute:
            raise TariffError(
                f"{path}.to: expected another time than from, found {last!r}"
            )
    return Band(
        price=_price(value.get("price"), f"{path}.price"),
        from_minute=from_minute,
        to_minute=to_minute % DAY_MINUTES,
        days=_days(value.get("days"), f"{path}.days"),
        months=_months(value.get("months"), f"{path}.months"),
    )


def _price(value: object, path: str) -> float:
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
    ):
        if abs(value) <= HIGHEST_PRICE:
            return float(value)
        expected = f"a number from {-HIGHEST_PRICE:g} to {HIGHEST_PRICE:g}"
        raise TariffError(f"{path}: expected {expected}, found {value!r}")
    raise TariffError(f"{path}: expected a number, found {value!r}")


def _days(value: object, path: str) -> frozenset[int]:
    if value is None:
        return DAY_SETS["all"]
    if isinstance(value, str) and value in DAY_SETS:
        return DAY_SETS[value]
    if isinstance(value, list | tuple) and value and all(d in WEEKDAYS for d in value):
        return frozenset(map(WEEKDAYS.index, value))
    raise TariffError(
        f"{path}: expected all, weekday, weekend or a list of {', '.join(WEEKDAYS)}; "
        f"found {value!r}"
    )


def _months(value: object, path: str) -> frozenset[int]:
    if value is None:
        return frozenset(range(1, 13))
    if isinstance(value, list | tuple) and value:
        months = frozenset(m for m in value if type(m) is int and 1 <= m <= 12)
        if len(months) == len(set(value)):
            return months
    raise TariffError(
        f"{path}: expected a list of months from 1 to 12, found {value!r}"
    )


def parse_minute(value: object, path: str, *, end: bool = False) -> int:
    """Return the minute of the day that "HH:MM" means; 1440 for "24:00" if `end`.

    YAML makes a number of minutes of an unquoted time such as 22:00, so that is taken
    too. Raises `TariffError`.
    """
    if isinstance(value, str):
        hours, _, rest = value.partition(":")
        minutes = rest.removesuffix(":00") if len(rest) == 5 else rest
        if len(hours) in (1, 2) and len(minutes) == 2 and (hours + minutes).isdecimal():
            minute = int(hours) * 60 + int(minutes)
            if int(minutes) < 60 and (
                minute < DAY_MINUTES or (end and minute == DAY_MINUTES)
            ):
                return minute
    elif type(value) is int and 60 <= value < DAY_MINUTES + end:
        return value
    raise TariffError(f"{path}: expected HH:MM, found {value!r}")
