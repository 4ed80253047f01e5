"""The profit-check rule."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.battery import LossCurve, UnitKind
from custom_components.leaf_to_home.engine.model import (
    Departure,
    Intent,
    IntentKind,
    NextAction,
    ReasonCode,
)
from custom_components.leaf_to_home.engine.rule import Outlook, cheapest_now, decide
from custom_components.leaf_to_home.engine.tariff import PriceSlot
from tests.engine.loop import LEAF, START_S

HOUR_S = 3600.0
# 93 % each way whatever the power: 6 kW fill 5.58 kWh an hour.
SPEC = replace(
    LEAF,
    charge_loss=LossCurve(linear=0.07),
    discharge_loss=LossCurve(linear=0.0753),
)
SUNNY = 5.0


def slots(*prices: tuple[float, float | None], export: float = 0.05) -> list[PriceSlot]:
    """Return slots from (hours, price)."""
    made: list[PriceSlot] = []
    begin_s = START_S
    for hours, price in prices:
        end_s = begin_s + hours * HOUR_S
        made.append(
            PriceSlot(
                start_s=begin_s, end_s=end_s, import_price=price, export_price=export
            )
        )
        begin_s = end_s
    return made


def outlook(*prices: tuple[float, float | None], **values: Any) -> Outlook:
    told: dict[str, Any] = {
        "now_s": START_S,
        "slots": slots(*prices, export=values.pop("export", 0.05)),
        "spec": SPEC,
        "stored_kwh": SPEC.capacity_kwh * values.pop("percent", 50.0) / 100.0,
        "reserve_percent": 30.0,
        "max_soc_percent": 95.0,
        "charge_w": 6000.0,
        "discharge_w": 6000.0,
        "draw_w": 1000.0,
    }
    return Outlook(**told | values)


def now(*prices: tuple[float, float | None], **values: Any) -> Intent:
    return decide(outlook(*prices, **values))[0]


EVENING = ((5.0, 0.40), (8.0, 0.10), (11.0, 0.40))
NIGHT = ((8.0, 0.10), (16.0, 0.40))


def test_dear_hours_are_covered_and_cheap_ones_charge() -> None:
    evening, following = decide(outlook(*EVENING))
    assert evening.kind is IntentKind.COVER
    assert evening.power_w == 6000.0
    assert evening.absorb_surplus
    assert evening.reason.code is ReasonCode.DEAR_PRICE
    assert evening.reason.values["cheap_price"] == pytest.approx(0.10)
    # A stored kWh costs 0.10 / 0.93; to give one takes 1 / 0.93, and 0.02 of wear.
    assert evening.stored_value == pytest.approx(0.10 / 0.93)
    assert evening.reason.values["threshold"] == pytest.approx(0.1356, abs=1e-3)
    assert following == NextAction(
        kind=IntentKind.CHARGE, time_s=START_S + 5.0 * HOUR_S
    )
    night, following = decide(outlook(*NIGHT))
    assert night.kind is IntentKind.CHARGE
    assert night.reason.code is ReasonCode.CHEAP_PRICE
    assert following == NextAction(kind=IntentKind.COVER, time_s=START_S + 8 * HOUR_S)


def test_a_full_battery_waits_for_the_dear_hours() -> None:
    intent, following = decide(outlook(*NIGHT, percent=95.0))
    assert intent.kind is IntentKind.ABSORB
    assert intent.reason.code is ReasonCode.PRICE_BETWEEN
    assert following is not None
    assert following.kind is IntentKind.COVER


def test_only_as_many_cheap_hours_as_are_needed() -> None:
    prices = ((1.0, 0.12), (1.0, 0.10), (2.0, 0.11), (20.0, 0.40))
    assert now(*prices, percent=92.0).kind is IntentKind.ABSORB
    assert now(*prices, percent=40.0).kind is IntentKind.CHARGE


def test_a_cheap_window_that_is_too_short_does_not_make_dear_hours_cheap() -> None:
    """Nothing is bought at the price at which it would be used."""
    prices = ((3.0, 0.40), (1.0, 0.10), (20.0, 0.40))
    intent, following = decide(outlook(*prices, percent=31.0))
    assert intent.kind is IntentKind.COVER
    assert following == NextAction(
        kind=IntentKind.CHARGE, time_s=START_S + 3.0 * HOUR_S
    )


def test_what_does_not_pay_for_losses_and_wear_is_not_done() -> None:
    prices = ((4.0, 0.30), (8.0, 0.27), (12.0, 0.30))
    intent = now(*prices, percent=80.5)
    assert intent.kind is IntentKind.ABSORB
    assert now(*prices, percent=80.5, export=0.35).kind is IntentKind.HOLD
    narrow = replace(SPEC, wear_per_kwh=0.0, charge_loss=LossCurve(linear=0.005))
    narrow = replace(narrow, discharge_loss=LossCurve(linear=0.005))
    assert now(*prices, percent=80.5, spec=narrow).kind is IntentKind.COVER


def test_a_car_is_filled_for_driving_in_the_cheapest_hours_anyway() -> None:
    prices = ((4.0, 0.30), (8.0, 0.27), (12.0, 0.30))
    intent, following = decide(outlook(*prices, percent=50.0))
    assert intent.kind is IntentKind.ABSORB
    assert following is not None
    assert following.kind is IntentKind.CHARGE
    stationary = replace(SPEC, kind=UnitKind.STATIONARY)
    assert decide(outlook(*prices, percent=50.0, spec=stationary))[1] is None
    low = decide(outlook(*prices, percent=20.0, spec=stationary))[1]
    assert low is not None
    assert low.kind is IntentKind.CHARGE, "up to its reserve"


def test_prices_that_end_soon_show_no_cheap_hour() -> None:
    """What is published ends at midnight, and the cheap night is not in it."""
    assert now((7.9, 0.40), percent=50.0).kind is IntentKind.ABSORB
    assert now((8.1, 0.40), percent=50.0).kind is IntentKind.CHARGE
    assert now((7.9, 0.40), percent=20.0).kind is IntentKind.CHARGE, "the reserve"


def test_with_one_price_the_house_is_covered_from_the_sun_only() -> None:
    flat = ((24.0, 0.30),)
    assert now(*flat, percent=70.0).kind is IntentKind.CHARGE
    assert now(*flat, percent=85.0).kind is IntentKind.ABSORB
    sunny = now(*flat, percent=70.0, surplus_kwh=SUNNY)
    assert sunny.kind is IntentKind.COVER
    assert sunny.absorb_surplus
    assert sunny.stored_value == pytest.approx(0.05 / 0.93)
    assert now(*flat, percent=20.0, surplus_kwh=SUNNY).kind is IntentKind.CHARGE
    dear_export = now(*flat, percent=70.0, surplus_kwh=SUNNY, export=0.29)
    assert dear_export.kind is IntentKind.ABSORB


def test_driving_comes_before_the_house_on_what_the_sun_gives() -> None:
    flat = ((24.0, 0.30),)
    driven = now(*flat, percent=70.0, surplus_kwh=SUNNY, driven_kwh=4.5)
    assert driven.kind is IntentKind.ABSORB
    spare = now(*flat, percent=70.0, surplus_kwh=SUNNY, driven_kwh=3.9)
    assert spare.kind is IntentKind.COVER


def test_losses_at_the_expected_load_count() -> None:
    """At half a kilowatt the same price does not pay that pays at five."""
    lossy = replace(SPEC, discharge_loss=LossCurve(constant_w=400.0))
    prices = ((2.0, 0.16), (8.0, 0.10), (14.0, 0.40))
    assert now(*prices, spec=lossy, draw_w=5000.0).kind is IntentKind.COVER
    assert now(*prices, spec=lossy, draw_w=200.0).kind is IntentKind.ABSORB


def test_without_prices_or_power_nothing_is_meant() -> None:
    assert now().reason.code is ReasonCode.NO_PRICE
    assert now((24.0, None)).reason.code is ReasonCode.NO_PRICE
    assert now(*NIGHT, charge_w=0.0).reason.code is ReasonCode.NO_PROFIT
    assert now(*EVENING, discharge_w=0.0, percent=80.0).kind is IntentKind.ABSORB


def test_an_hour_without_a_price_is_none() -> None:
    prices = ((1.0, None), (23.0, 0.10))
    assert now(*prices).reason.code is ReasonCode.NO_PRICE
    later = outlook((1.0, 0.10), (2.0, None), (21.0, 0.40))
    assert decide(later)[0].kind is IntentKind.CHARGE


def leaves(hours: float, percent: float = 80.0, back: float | None = None) -> Departure:
    return Departure(
        time_s=START_S + hours * HOUR_S,
        soc_percent=percent,
        back_s=None if back is None else START_S + back * HOUR_S,
    )


def test_hours_on_the_road_charge_nothing() -> None:
    prices = ((2.0, 0.40), (6.0, 0.10), (4.0, 0.20), (12.0, 0.40))
    away = (leaves(2.0, percent=50.0, back=8.0),)
    intent, following = decide(outlook(*prices, percent=60.0, departures=away))
    assert intent.kind is IntentKind.COVER
    assert following == NextAction(kind=IntentKind.CHARGE, time_s=START_S + 8 * HOUR_S)


def test_an_open_trip_ends_the_outlook() -> None:
    away = (leaves(3.0, percent=40.0),)
    assert now(*EVENING, departures=away).kind is IntentKind.ABSORB
    gone = (leaves(-1.0, back=1.0),)
    assert now(*EVENING, departures=gone).reason.code is ReasonCode.NO_PRICE
    back = (leaves(-2.0, back=-1.0),)
    assert now(*EVENING, departures=back).kind is IntentKind.COVER


def test_what_a_trip_needs_is_bought_in_the_cheapest_hours_before_it() -> None:
    prices = ((1.0, 0.40), (2.0, 0.30), (2.0, 0.40), (8.0, 0.10), (11.0, 0.40))
    away = (leaves(5.0, percent=60.0, back=5.0),)
    intent, following = decide(outlook(*prices, percent=45.0, departures=away))
    assert intent.kind is IntentKind.COVER
    assert following == NextAction(kind=IntentKind.CHARGE, time_s=START_S + HOUR_S)
    urgent = (leaves(1.0, percent=60.0, back=1.0),)
    assert now(*prices, departures=urgent).kind is IntentKind.CHARGE


def test_the_cheapest_hours_for_a_car_that_only_charges() -> None:
    assert not cheapest_now(outlook(*EVENING), 18.0, 80.0)
    assert cheapest_now(outlook(*NIGHT), 18.0, 80.0)
    assert not cheapest_now(outlook(*NIGHT), 30.0, 80.0), "it is full"
    assert not cheapest_now(outlook(), 18.0, 80.0)
    assert not cheapest_now(outlook(*NIGHT, charge_w=0.0), 18.0, 80.0)
    away = outlook(*NIGHT, departures=(leaves(-1.0, back=2.0),))
    assert not cheapest_now(away, 18.0, 80.0)
