"""A day of prices in the shapes in which each integration and its server gives them.

The servers cannot be reached from tests, and their answers may not be copied: these
are written anew in the shape that the integrations read and document, for any day,
those included on which the clock is changed.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
LONDON = ZoneInfo("Europe/London")
BRISBANE = ZoneInfo("Australia/Brisbane")
TOKYO = ZoneInfo("Asia/Tokyo")

# 24 hours, 23 hours and 25 hours.
PLAIN_DAY = date(2026, 11, 22)
SPRING_DAY = date(2026, 3, 29)
AUTUMN_DAY = date(2026, 10, 25)


def begin(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a local day, in UTC."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def steps(day: date, zone: ZoneInfo, minutes: int) -> Iterator[tuple[int, datetime]]:
    """Yield number and begin of each step of a local day."""
    at, end = begin(day, zone), begin(day + timedelta(days=1), zone)
    number = 0
    while at < end:
        yield number, at
        at += timedelta(minutes=minutes)
        number += 1


def price(day: date, number: int, minutes: int = 15) -> float:
    """Return a price per kWh that tells its day and its step, below zero at noon."""
    hour = number * minutes // 60
    course = 0.05 * ((hour + 18) % 24 - 6) / 18.0
    return round(0.08 + course + 0.0001 * number + 0.00001 * day.day, 6)


def expected(day: date, zone: ZoneInfo, minutes: int = 15) -> list[float]:
    """Return all prices of a day."""
    return [price(day, number, minutes) for number, _ in steps(day, zone, minutes)]


def zulu(moment: datetime) -> str:
    """Return a moment as most servers write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ------------------------------------------------------- servers of core integrations


def nord_pool_day(day: date, areas: list[str], currency: str) -> dict[str, Any]:
    """Return an answer of Nord Pool's DayAheadPrices: quarter-hours, per MWh."""
    entries = [
        {
            "deliveryStart": zulu(at),
            "deliveryEnd": zulu(at + timedelta(minutes=15)),
            "entryPerArea": {
                area: round(1000.0 * price(day, number), 2) for area in areas
            },
        }
        for number, at in steps(day, OSLO, 15)
    ]
    return {
        "deliveryDateCET": day.isoformat(),
        "version": 3,
        "updatedAt": zulu(begin(day, OSLO) - timedelta(hours=11)),
        "deliveryAreas": areas,
        "market": "DayAhead",
        "multiAreaEntries": entries,
        "blockPriceAggregates": [
            {
                "blockName": "Peak",
                "deliveryStart": zulu(begin(day, OSLO) + timedelta(hours=8)),
                "deliveryEnd": zulu(begin(day, OSLO) + timedelta(hours=20)),
                "averagePricePerArea": {
                    area: {"average": 80.0, "min": 50.0, "max": 120.0} for area in areas
                },
            }
        ],
        "currency": currency,
        "exchangeRate": 11.6,
        "areaStates": [{"state": "Final", "areas": areas}],
        "areaAverages": [{"areaCode": area, "price": 80.0} for area in areas],
    }


def nord_pool_indices(
    day: date, areas: list[str], currency: str, minutes: int
) -> dict[str, Any]:
    """Return an answer of Nord Pool's DayAheadPriceIndices, per MWh."""
    return {
        "deliveryDateCET": day.isoformat(),
        "version": 2,
        "updatedAt": zulu(begin(day, OSLO) - timedelta(hours=11)),
        "market": "DayAhead",
        "indexNames": areas,
        "currency": currency,
        "resolutionInMinutes": minutes,
        "areaStates": [{"state": "Preliminary", "areas": areas}],
        "multiIndexEntries": [
            {
                "deliveryStart": zulu(at),
                "deliveryEnd": zulu(at + timedelta(minutes=minutes)),
                "entryPerArea": {
                    area: round(1000.0 * price(day, number, minutes), 2)
                    for area in areas
                },
            }
            for number, at in steps(day, OSLO, minutes)
        ],
    }


def tibber_day(day: date, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return a day of Tibber's priceInfo: quarter-hours with their offset, per kWh."""
    return [
        {
            "total": price(day, number),
            "startsAt": at.astimezone(zone).isoformat(timespec="milliseconds"),
            "level": "NORMAL",
        }
        for number, at in steps(day, zone, 15)
    ]


def easy_energy(first: date, end: date, minutes: int) -> dict[str, Any]:
    """Return an answer of easyEnergy's price graph, per kWh."""
    prices = []
    day = first
    while day < end:
        for number, at in steps(day, AMSTERDAM, minutes):
            market = price(day, number, minutes)
            prices.append(
                {
                    "from": zulu(at),
                    "until": zulu(at + timedelta(minutes=minutes)),
                    "price": market,
                    "priceIncVat": round(market * 1.21, 6),
                    "energyTax": 0.12,
                    "purchasePrice": 0.02,
                    "invoicePrice": round(market * 1.21 + 0.14, 6),
                    "average": 0.1,
                    "averageInc": 0.121,
                    "unit": "kWh",
                    "granularity": "quarter" if minutes == 15 else "hour",
                }
            )
        day += timedelta(days=1)
    return {"prices": prices}


def energy_zero(day: date, zone: ZoneInfo, minutes: int) -> dict[str, Any]:
    """Return an answer of EnergyZero's public prices: four streams, per kWh."""

    def stream(factor: float, add: float) -> list[dict[str, Any]]:
        return [
            {
                "start": zulu(at),
                "end": zulu(at + timedelta(minutes=minutes)),
                "price": {"value": f"{price(day, number, minutes) * factor + add:.6f}"},
            }
            for number, at in steps(day, zone, minutes)
        ]

    return {
        "base": stream(1.0, 0.0),
        "base_with_vat": stream(1.21, 0.0),
        "all_in": stream(1.0, 0.12),
        "all_in_with_vat": stream(1.21, 0.1452),
    }


# ------------------------------------------------- attributes of custom integrations


def nord_pool_custom(day: date, zone: ZoneInfo, *, tomorrow: bool) -> dict[str, Any]:
    """Return attributes of the custom integration of Nord Pool: times as objects."""

    def raw(day: date) -> list[dict[str, Any]]:
        return [
            {
                "start": at.astimezone(zone),
                "end": (at + timedelta(minutes=15)).astimezone(zone),
                "value": price(day, number),
            }
            for number, at in steps(day, zone, 15)
        ]

    after = day + timedelta(days=1)
    return {
        "average": 0.1,
        "unit": "kWh",
        "currency": "NOK",
        "region": "NO1",
        "today": expected(day, zone),
        "tomorrow": expected(after, zone) if tomorrow else [],
        "tomorrow_valid": tomorrow,
        "raw_today": raw(day),
        "raw_tomorrow": raw(after) if tomorrow else [],
        "current_price": 0.1,
        "price_in_cents": False,
        "unit_of_measurement": "NOK/kWh",
    }


def epex_spot(day: date, zone: ZoneInfo) -> dict[str, Any]:
    """Return attributes of EPEX Spot's price sensors: times as local texts."""
    return {
        "data": [
            {
                "start_time": at.astimezone(zone).isoformat(),
                "end_time": (at + timedelta(minutes=15)).astimezone(zone).isoformat(),
                "price_per_kwh": price(day, number),
            }
            for number, at in steps(day, zone, 15)
        ],
        "price_per_kwh": 0.1,
        "unit_of_measurement": "€/kWh",
    }


def octopus_energy(day: date, zone: ZoneInfo = LONDON) -> dict[str, Any]:
    """Return attributes of Octopus Energy's event of a day's rates: half-hours."""
    return {
        "event_type": "octopus_energy_electricity_current_day_rates",
        "rates": [
            {
                "start": at.astimezone(zone),
                "end": (at + timedelta(minutes=30)).astimezone(zone),
                "value_inc_vat": price(day, number, 30),
                "is_capped": False,
                "is_intelligent_adjusted": False,
            }
            for number, at in steps(day, zone, 30)
        ],
        "tariff_code": "E-1R-AGILE-24-10-01-C",
        "mpan": "1234567890",
        "serial_number": "abcdef",
    }


def entso_e(day: date, zone: ZoneInfo, minutes: int = 15) -> dict[str, Any]:
    """Return attributes of the average price sensor of ENTSO-e."""
    prices = [
        {"time": str(at.astimezone(zone)), "price": price(day, number, minutes)}
        for number, at in steps(day, zone, minutes)
    ]
    return {
        "prices_today": prices,
        "prices_tomorrow": [],
        "prices": prices,
        "unit_of_measurement": "EUR/kWh",
    }


def amber_forecast(day: date) -> dict[str, Any]:
    """Return attributes of Amber's forecast sensor; it counts from the first second."""
    return {
        "forecasts": [
            {
                "duration": 30,
                "date": day.isoformat(),
                "nem_date": (at + timedelta(minutes=30))
                .astimezone(BRISBANE)
                .isoformat(),
                "per_kwh": price(day, number, 30),
                "spot_per_kwh": 0.05,
                "start_time": (at + timedelta(seconds=1)).isoformat(),
                "end_time": (at + timedelta(minutes=30)).isoformat(),
                "renewables": 51,
                "spike_status": "none",
                "descriptor": "low",
            }
            for number, at in steps(day, BRISBANE, 30)
        ],
        "channel_type": "general",
        "unit_of_measurement": "$/kWh",
    }


def amber_now(day: date, number: int) -> dict[str, Any]:
    """Return attributes of Amber's sensor of the price in force."""
    found: dict[str, Any] = dict(amber_forecast(day)["forecasts"][number])
    return {**found, "estimate": False, "unit_of_measurement": "$/kWh"}


def jepx_lines(day: date, *, headings: bool = True) -> list[str]:
    """Return lines of the exchange's spot file: system price, then the nine areas."""
    lines = []
    if headings:
        areas = [
            "北海道",
            "東北",
            "東京",
            "中部",
            "北陸",
            "関西",
            "中国",
            "四国",
            "九州",
        ]
        lines.append(
            "受渡日,時刻コード,売り入札量(kWh),買い入札量(kWh),約定総量(kWh),"
            "システムプライス(円/kWh),"
            + ",".join(f"エリアプライス{area}(円/kWh)" for area in areas)
        )
    for number in range(48):
        found = [f"{100.0 * price(day, number, 30) + area:.3f}" for area in range(9)]
        lines.append(
            f"{day:%Y/%m/%d},{number + 1},1000,2000,3000,9.99,{','.join(found)}"
        )
    return lines
