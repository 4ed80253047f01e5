"""The cars of one unit: which one is at the plug, and what is kept of the others.

A station stays what it is while cars come and go. What belongs to a car (its charge,
its reserve, when it has to be ready) is put away when another one is told, and taken
out when it is back. Until a car is told after it was plugged in, it is nobody's, and
held.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
import math
from typing import Any, Final

from .battery import UnitSpec
from .meter import SURPLUS_FADE_S
from .model import Inputs, UnitInputs
from .policy import MANUAL_MODES, automatic
from .state import (
    HomeState,
    UnitSettings,
    UnitState,
    VehicleMemory,
    book_of,
    first_settings,
)

# The mode and the limits of power belong to the station and its wires.
OF_A_CAR: Final = (
    "reserve_percent",
    "outage_floor_percent",
    "max_soc_percent",
    "ready_by",
    "ready_by_minute",
    "ready_by_soc_percent",
    "kwh_per_100_km",
)


def attend(state: HomeState, key: str, known: UnitInputs, now_s: float) -> None:
    """See which car is at the plug of a unit, and change what is remembered with it."""
    unit = state.units[key]
    _forget_gone(state, key, known)
    reading = known.reading
    if not known.vehicles or reading is None or not reading.fresh(now_s):
        return
    if reading.connected is False:
        unit.vehicle_here = False
        return
    told = reading.vehicle
    # A car that falls asleep is still the one that was told before.
    if told is not None:
        unit.vehicle_here = told in known.vehicles
        if unit.vehicle_here and told != unit.vehicle:
            _change(state, key, known.vehicles, told, now_s)
    if not unit.vehicle_here:
        _put_away(state, key, now_s)
        _forget_charge(unit)
    elif unit.vehicle is not None and unit.stored_kwh is not None:
        unit.vehicles.pop(unit.vehicle, None)


def seated(state: HomeState, inputs: Inputs) -> Inputs:
    """Return the inputs with what is known of the car that sits at each plug.

    Of a car that is not known nothing counts, and no plan that was made for another.
    """
    if not any(known.vehicles or known.plan_vehicle for known in inputs.units.values()):
        return inputs
    return replace(
        inputs,
        units={
            key: _seated(state.units[key], known) for key, known in inputs.units.items()
        },
    )


def nobodys(unit: UnitState, known: UnitInputs) -> bool:
    """Return whether a car is at the plug that has not been told to be one of ours."""
    return bool(known.vehicles) and not unit.vehicle_here


@dataclass(frozen=True, kw_only=True, slots=True)
class Car:
    """One car of a unit, by its name in the books, or the unit where it has no more.

    What is not known of its presence is None; `stored_kwh` is that of when it left.
    """

    book: str
    connected: bool | None
    stored_kwh: float | None


def cars_of(key: str, unit: UnitState, known: UnitInputs) -> Iterator[Car]:
    """Yield the cars of a unit, with whether each is there."""
    if not known.vehicles:
        yield Car(book=key, connected=unit.connected, stored_kwh=unit.stored_kwh)
        return
    # Whoever is at the plug without having been told could be any of them.
    sure = unit.vehicle_here or unit.connected is False
    for vehicle in known.vehicles:
        memory = unit.vehicles.get(vehicle)
        stored_kwh = memory.stored_kwh if memory is not None else None
        connected: bool | None = False if sure else None
        if vehicle == unit.vehicle and sure:
            connected, stored_kwh = unit.connected, unit.stored_kwh
        yield Car(
            book=book_of(key, vehicle), connected=connected, stored_kwh=stored_kwh
        )


def _seated(unit: UnitState, known: UnitInputs) -> UnitInputs:
    reading = known.reading
    if reading is not None and reading.soc_percent is not None and nobodys(unit, known):
        reading = replace(reading, soc_percent=None)
    return replace(
        known,
        spec=known.vehicles.get(unit.vehicle or "", known.spec),
        reading=reading,
        plan=known.plan if known.plan_vehicle == unit.vehicle else None,
    )


def _change(
    state: HomeState,
    key: str,
    vehicles: Mapping[str, UnitSpec],
    told: str,
    now_s: float,
) -> None:
    """Put away what belongs to the car before, and take out what is of the one told."""
    unit = state.units[key]
    if unit.vehicle is None and not unit.vehicles:
        # Until now the unit knew one car only: this is it.
        _rename(state, key, book_of(key, told))
    else:
        _put_away(state, key, now_s)
        memory = unit.vehicles.get(
            told, VehicleMemory(settings=first_settings(vehicles[told]), since_s=now_s)
        )
        fade = math.exp(-max(0.0, now_s - memory.since_s) / SURPLUS_FADE_S)
        unit.driven_kwh = memory.driven_kwh * fade
        unit.charging_w = memory.charging_w
        unit.settings = _of_another_car(unit.settings, memory.settings)
        if unit.settings.mode in MANUAL_MODES:
            unit.settings = automatic(unit.settings)
    unit.vehicle = told
    unit.odometer_km = unit.left_km = unit.left_kwh = None
    unit.intent = None
    unit.helps = False
    unit.wanted_since_s = None
    _forget_charge(unit)


def _of_another_car(settings: UnitSettings, others: UnitSettings) -> UnitSettings:
    """Return the settings of the unit with those of another car in it."""
    return replace(settings, **{name: getattr(others, name) for name in OF_A_CAR})


def _put_away(state: HomeState, key: str, now_s: float) -> None:
    """Keep what belongs to the unit's car for when it is back."""
    unit = state.units[key]
    if unit.vehicle is None:
        return
    stored_kwh = unit.stored_kwh
    if stored_kwh is not None:
        # It may have left unseen.
        state.ledger.left_kwh.setdefault(unit.book(key), stored_kwh)
    elif (before := unit.vehicles.get(unit.vehicle)) is not None:
        stored_kwh = before.stored_kwh
    unit.vehicles[unit.vehicle] = VehicleMemory(
        settings=unit.settings,
        stored_kwh=stored_kwh,
        driven_kwh=unit.driven_kwh,
        charging_w=unit.charging_w,
        since_s=now_s,
    )


def _forget_charge(unit: UnitState) -> None:
    """Know nothing of the battery until the car has told it."""
    unit.stored_kwh = None
    unit.anchor_soc_percent = None
    unit.suspect_soc_percent = None
    unit.suspect_since_s = None
    unit.moved_kwh = 0.0
    unit.other_kwh = None
    unit.soc_elsewhere = False
    unit.below_reserve = False
    unit.departure_latch_s = None


def _forget_gone(state: HomeState, key: str, known: UnitInputs) -> None:
    """Drop what is kept of cars that no longer belong to the unit."""
    unit = state.units[key]
    remembered = set(unit.vehicles)
    if unit.vehicle is not None:
        remembered.add(unit.vehicle)
    gone = remembered - known.vehicles.keys()
    if not gone:
        return
    if unit.vehicle in gone:
        if known.vehicles:
            first = first_settings(known.spec)
            unit.settings = _of_another_car(unit.settings, first)
        else:
            # Every car counts as the same one from now on.
            _rename(state, unit.book(key), key)
        unit.vehicle = None
        unit.vehicle_here = False
        _forget_charge(unit)
    for vehicle in gone:
        unit.vehicles.pop(vehicle, None)
        _rename(state, book_of(key, vehicle), None)


def _rename(state: HomeState, book: str, new: str | None) -> None:
    """Keep a car's books under a new name, or not at all."""
    ledger = state.ledger
    lines: tuple[dict[str, Any], ...] = (
        state.batteries,
        ledger.on_arrival_kwh,
        ledger.smart_kwh,
        ledger.left_kwh,
        ledger.smart_charging,
        ledger.smart_until_s,
    )
    for line in lines:
        if book in line:
            value = line.pop(book)
            if new is not None:
                line[new] = value
