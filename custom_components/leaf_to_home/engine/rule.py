"""The profit-check rule: the policy where there is no plan.

Charge in the cheapest hours that the car is home for; cover the house when buying is
dearer than the cheap price divided by the round-trip efficiency, plus wear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from .battery import UnitKind, UnitSpec
from .model import Departure, Intent, IntentKind, NextAction, Reason, ReasonCode
from .tariff import PriceSlot

# Below this much recent surplus (kWh, fading) the sun does not refill a battery.
SURPLUS_KWH = 1.0
# What a car is filled to at cheap hours even where discharging would not pay; prices
# that are not known this far ahead do not show a cheap hour.
DRIVING_PERCENT = 80.0
DRIVING_AHEAD_S = 8.0 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What the rule knows of one unit and the hours to come.

    `slots` are the known prices from now on, `stored_kwh` is counted from 0 %, powers
    are the unit's present limits, `draw_w` is what the house draws now without units.
    `surplus_kwh` is what the sun left over lately, `driven_kwh` what trips took of it.
    """

    now_s: float
    slots: Sequence[PriceSlot]
    spec: UnitSpec
    stored_kwh: float
    reserve_percent: float
    max_soc_percent: float
    charge_w: float
    discharge_w: float
    draw_w: float
    surplus_kwh: float = 0.0
    driven_kwh: float = 0.0
    departures: tuple[Departure, ...] = ()


@dataclass(frozen=True, slots=True)
class _Hour:
    """A priced stretch of time in which the unit is at home."""

    start_s: float
    end_s: float
    price: float


def decide(outlook: Outlook) -> tuple[Intent, NextAction | None]:
    """Return what the unit should do now, and the next change that can be foreseen."""
    hours = _hours_at_home(outlook)
    if not hours or hours[0].start_s > outlook.now_s:
        return _hold(ReasonCode.NO_PRICE), None
    spec = outlook.spec
    fill_w = spec.stored_w(-outlook.charge_w)
    if fill_w <= 0.0:
        return _hold(ReasonCode.NO_PROFIT), None

    cheapest = sorted(hours, key=_by_price)
    window_kwh = (
        spec.capacity_kwh * (outlook.max_soc_percent - outlook.reserve_percent) / 100.0
    )
    dearest = cheapest[-1].price
    drain = _drain(outlook)
    # What is stored below this price pays in the dearest hour.
    below = (dearest - spec.wear_per_kwh) / drain * fill_w / outlook.charge_w
    cheap = [hour for hour in cheapest if hour.price < below]
    pays = bool(cheap)
    cheap_price = _mean_price(cheap or cheapest, window_kwh, fill_w)
    grid_value = cheap_price * outlook.charge_w / fill_w
    threshold = _threshold(spec, grid_value, drain)

    # Where prices alone do not pay, only the sun refills: its kWh costs what the grid
    # would have given for it.
    value = grid_value
    export_price = outlook.slots[0].export_price or 0.0
    sun_refills = not pays and outlook.surplus_kwh >= SURPLUS_KWH
    if sun_refills:
        value = max(0.0, export_price) * outlook.charge_w / fill_w
        threshold = _threshold(spec, value, drain)

    ahead_s = hours[-1].end_s - outlook.now_s
    target = _target_percent(
        outlook,
        pays=pays,
        drives=not sun_refills and ahead_s >= DRIVING_AHEAD_S,
    )
    room_kwh = spec.capacity_kwh * target / 100.0 - outlook.stored_kwh
    chosen = _choose(cheap or cheapest, room_kwh, fill_w) | _before_trips(
        outlook, cheapest, fill_w
    )
    # Driving comes first: the house gets what it leaves of the sun.
    covers = not sun_refills or outlook.surplus_kwh >= SURPLUS_KWH + outlook.driven_kwh
    absorb = max(0.0, export_price) < grid_value * fill_w / outlook.charge_w

    def kind_of(hour: _Hour) -> IntentKind:
        if hour in chosen:
            return IntentKind.CHARGE
        dear = covers and hour.price > threshold
        return IntentKind.COVER if dear else IntentKind.HOLD

    now = kind_of(hours[0])
    following = next(
        (
            NextAction(kind=kind_of(hour), time_s=hour.start_s)
            for hour in hours[1:]
            if kind_of(hour) is not now
        ),
        None,
    )
    values = {
        "price": hours[0].price,
        "cheap_price": cheap_price,
        "threshold": threshold,
    }
    if now is IntentKind.CHARGE:
        intent = Intent(
            kind=now,
            power_w=outlook.charge_w,
            reason=Reason(code=ReasonCode.CHEAP_PRICE, values=values),
            stored_value=value,
        )
    elif now is IntentKind.COVER:
        intent = Intent(
            kind=now,
            power_w=outlook.discharge_w,
            reason=Reason(code=ReasonCode.DEAR_PRICE, values=values),
            absorb_surplus=absorb,
            stored_value=value,
        )
    elif absorb:
        intent = Intent(
            kind=IntentKind.ABSORB,
            power_w=outlook.charge_w,
            reason=Reason(code=ReasonCode.PRICE_BETWEEN, values=values),
            stored_value=value,
        )
    else:
        intent = Intent(
            kind=IntentKind.HOLD,
            power_w=0.0,
            reason=Reason(code=ReasonCode.PRICE_BETWEEN, values=values),
            stored_value=value,
        )
    return intent, following


def cheapest_now(outlook: Outlook, stored_kwh: float, percent: float) -> bool:
    """Return whether now is among the cheapest hours that fill a car to `percent`."""
    hours = _hours_at_home(outlook)
    fill_w = outlook.spec.stored_w(-outlook.charge_w)
    if not hours or hours[0].start_s > outlook.now_s or fill_w <= 0.0:
        return False
    room_kwh = outlook.spec.capacity_kwh * percent / 100.0 - stored_kwh
    return hours[0] in _choose(sorted(hours, key=_by_price), room_kwh, fill_w)


def _hold(code: ReasonCode) -> Intent:
    return Intent(kind=IntentKind.HOLD, power_w=0.0, reason=Reason(code=code))


def _by_price(hour: _Hour) -> tuple[float, float]:
    return hour.price, hour.start_s


def _hours_at_home(outlook: Outlook) -> list[_Hour]:
    """Cut the known prices at departures and returns; an open trip ends the outlook."""
    hours: list[_Hour] = []
    for slot in outlook.slots:
        if slot.import_price is None:
            continue
        start_s, end_s = slot.start_s, slot.end_s
        for trip in outlook.departures:
            back_s = float("inf") if trip.back_s is None else trip.back_s
            if trip.time_s >= end_s or back_s <= start_s:
                continue
            if trip.time_s > start_s:
                hours.append(_Hour(start_s, trip.time_s, slot.import_price))
            start_s = min(back_s, end_s)
        if start_s < end_s:
            hours.append(_Hour(start_s, end_s, slot.import_price))
    return hours


def _mean_price(cheapest: Sequence[_Hour], need_kwh: float, fill_w: float) -> float:
    """Return the mean price of filling `need_kwh` in the cheapest hours."""
    total = 0.0
    filled_kwh = 0.0
    for hour in cheapest:
        kwh = fill_w * (hour.end_s - hour.start_s) / 3.6e6
        part = min(kwh, need_kwh - filled_kwh)
        if part <= 0.0:
            break
        total += part * hour.price
        filled_kwh += part
    return total / filled_kwh if filled_kwh > 0.0 else cheapest[0].price


def _choose(
    cheapest: Sequence[_Hour], room_kwh: float, fill_w: float
) -> frozenset[_Hour]:
    """Return the cheapest hours that fill `room_kwh`."""
    chosen: list[_Hour] = []
    for hour in cheapest:
        if room_kwh <= 0.0:
            break
        chosen.append(hour)
        room_kwh -= fill_w * (hour.end_s - hour.start_s) / 3.6e6
    return frozenset(chosen)


def _before_trips(
    outlook: Outlook, cheapest: Sequence[_Hour], fill_w: float
) -> frozenset[_Hour]:
    """Return the cheapest hours that fill what each departure asks for."""
    chosen: frozenset[_Hour] = frozenset()
    for trip in outlook.departures:
        asked_kwh = outlook.spec.capacity_kwh * trip.soc_percent / 100.0
        before = [hour for hour in cheapest if hour.end_s <= trip.time_s]
        chosen |= _choose(before, asked_kwh - outlook.stored_kwh, fill_w)
    return chosen


def _threshold(spec: UnitSpec, value: float, drain: float) -> float:
    """Return the price above which covering pays."""
    return value * drain + spec.wear_per_kwh if drain < inf else inf


def _drain(outlook: Outlook) -> float:
    """Return what leaves the battery per energy given, at the load to be expected."""
    spec = outlook.spec
    power_w = min(
        max(outlook.draw_w, spec.min_power_w, outlook.discharge_w / 6.0),
        outlook.discharge_w,
    )
    return -spec.stored_w(power_w) / power_w if power_w > 0.0 else inf


def _target_percent(outlook: Outlook, *, pays: bool, drives: bool) -> float:
    """Return what the battery is filled to from the grid, in percent."""
    if pays:
        return outlook.max_soc_percent
    if outlook.spec.kind is UnitKind.VEHICLE and drives:
        driving = min(DRIVING_PERCENT, outlook.max_soc_percent)
        return max(driving, outlook.reserve_percent)
    return outlook.reserve_percent
