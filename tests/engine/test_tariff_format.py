"""Tariffs as files and forms write them, and what each wrong value is told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.leaf_to_home.engine.price_parsing import parse_minute
from custom_components.leaf_to_home.engine.tariff import (
    PriceSeries,
    Tariff,
    TariffError,
    parse_tariff,
)

MADRID = ZoneInfo("Europe/Madrid")
HOUR = 3600.0
TWO_BANDS: Mapping[str, Any] = {
    "currency": "EUR",
    "timezone": "Europe/Madrid",
    "import": {
        "bands": [{"price": 0.22, "from": "07:00", "to": "23:00"}, {"price": 0.10}]
    },
    "export": 0.05,
}


def at(text: str, zone: ZoneInfo = MADRID, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def hourly(start: str, hours: int, zone: ZoneInfo = MADRID) -> PriceSeries:
    """Prices 0, 1, 2 … from `start`, one an hour."""
    return PriceSeries(
        [at(start, zone) + k * HOUR for k in range(hours)], list(range(hours))
    )


def parse_with(**changes: Any) -> Tariff:
    data = {
        key: value for key, value in {**TWO_BANDS, **changes}.items() if value != {}
    }
    return parse_tariff(data, series={"p": hourly("2026-11-22T00:00", 3)})


def band(**fields: Any) -> dict[str, Any]:
    return {
        "import": {"bands": [{"price": 0.1}, {"price": 0.2}, {"price": 1, **fields}]}
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"currency": {}}, "currency: expected a code like EUR, found None"),
        ({"currency": 5}, "currency: expected a code like EUR, found 5"),
        ({"timezone": "Mars/Base"}, "timezone: expected a name like Europe/Berlin"),
        ({"timezone": "../etc"}, "timezone: expected a name"),
        ({"timezone": {}}, "timezone: expected a name like Europe/Berlin, found None"),
        ({"import": {}}, "import: expected a price, bands or a series, found nothing"),
        ({"import": "0.2"}, "import: expected a number, found '0.2'"),
        ({"import": True}, "import: expected a number, found True"),
        ({"import": float("nan")}, "import: expected a number, found nan"),
        (
            {"import": {"band": []}},
            r"import: expected bands, series, tiers or formula, found \['band'\]",
        ),
        ({"import": {"series": "q"}}, "import.series: no such series: 'q'"),
        ({"export": {"series": 3}}, "export.series: no such series: 3"),
        (
            {"import": 1e9},
            r"import: expected a number from -1e\+06 to 1e\+06, found 1000000000.0",
        ),
        ({"export": -1e300}, r"export: expected a number from -1e\+06 to 1e\+06"),
        (band(price=1e7), r"import.bands\[2\].price: expected a number from"),
        ({"export": [1]}, r"export: expected a number, found \[1\]"),
        (
            {"import": {"bands": []}},
            r"import.bands: expected a list of bands, found \[\]",
        ),
        ({"import": {"bands": [3]}}, r"import.bands\[0\]: expected price, from, to"),
        (band(form="07:00"), r"import.bands\[2\].form: expected one of price, from"),
        (band(price="x"), r"import.bands\[2\].price: expected a number, found 'x'"),
        (
            band(**{"from": "25:00", "to": "07:00"}),
            r"import.bands\[2\].from: expected HH:MM, found '25:00'",
        ),
        (
            band(**{"from": "07:00"}),
            r"import.bands\[2\].to: expected HH:MM, found None",
        ),
        (band(to="24:01", **{"from": "07:00"}), r"\.to: expected HH:MM, found '24:01'"),
        (band(to="07:60", **{"from": "07:00"}), r"\.to: expected HH:MM"),
        (band(to="7", **{"from": "07:00"}), r"\.to: expected HH:MM, found '7'"),
        (band(to=7, **{"from": "07:00"}), r"\.to: expected HH:MM, found 7"),
        (band(to="07:00", **{"from": "07:00"}), r"\.to: expected another time"),
        (band(days="weekdays"), r"\.days: expected all, weekday, weekend or a list"),
        (band(days=[]), r"\.days: expected all"),
        (band(days=["mon", "xyz"]), r"\.days: expected all"),
        (band(months=[0]), r"\.months: expected a list of months from 1 to 12"),
        (band(months=[]), r"\.months: expected a list of months"),
        (band(months="11"), r"\.months: expected a list of months"),
        ({"published": "13:00"}, "published: expected {at:"),
        ({"published": {"at": "1pm"}}, "published.at: expected HH:MM, found '1pm'"),
        (
            {"import": {"bands": [{"price": 1, "from": "07:00", "to": "23:00"}]}},
            "import.bands: no band covers 00:00 on mon in month 1",
        ),
        (
            {"import": {"bands": [{"price": 1, "months": list(range(1, 12))}]}},
            "import.bands: no band covers 00:00 on mon in month 12",
        ),
        (
            {
                "export": {
                    "bands": [
                        {"price": 1, "days": "weekday"},
                        {"price": 1, "from": "10:00", "to": "00:00"},
                    ]
                }
            },
            "export.bands: no band covers 00:00 on sat in month 1",
        ),
    ],
)
def test_errors_name_field_and_what_is_expected(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TariffError, match=message):
        parse_with(**changes)


def test_home_assistant_fills_in_zone_and_currency() -> None:
    tariff = parse_tariff({"import": 0.2}, timezone="Asia/Tokyo", currency="JPY")
    assert (tariff.currency, tariff.zone.key) == ("JPY", "Asia/Tokyo")
    slot = tariff.at(0.0)
    assert slot is not None
    assert slot.export_price == 0.0


@pytest.mark.parametrize(
    ("value", "minute"),
    [("07:00", 420), ("7:05", 425), ("23:59:00", 1439), (1320, 1320), (60, 60)],
)
def test_times_as_forms_and_yaml_write_them(value: object, minute: int) -> None:
    assert parse_minute(value, "x") == minute
