"""The trips of a unit that are ahead or under way, whoever told of them."""

from collections.abc import Iterator
from itertools import pairwise

from .model import Departure, UnitInputs
from .requirement import (
    LATE_S,
    Ask,
    Pattern,
    Requirement,
    Trip,
    TripSource,
    asked_percent,
    away_until_s,
    merged,
)
from .state import UnitState
from .tariff import Tariff
from .watches import watch_departures

# So far ahead a weekly pattern is looked up: each weekday is in it.
PATTERN_DAYS = 8


def is_over(
    unit: UnitState, departure_s: float, back_s: float | None, now_s: float
) -> bool:
    """Return whether a trip of the car at the plug is over.

    It is under way while the car is away and its return has not come, and late while
    the car is still there.
    """
    if now_s < departure_s:
        return False
    if unit.connected is False:
        return now_s >= away_until_s(departure_s, back_s)
    returned = unit.arrived_s is not None and unit.arrived_s > departure_s
    return returned or now_s >= departure_s + LATE_S


def without_past(unit: UnitState, now_s: float) -> list[Requirement]:
    """Return the stored trips that are not over."""
    return [each for each in unit.requirements if not _past(unit, each, now_s)]


def _past(unit: UnitState, trip: Requirement, now_s: float) -> bool:
    if trip.vehicle is not None and trip.vehicle != unit.vehicle:
        # Nothing is seen of a car that is not the one at the plug.
        return now_s >= trip.expires_s
    return is_over(unit, trip.departure_s, trip.back_s, now_s)


def stored_trips(
    unit: UnitState, known: UnitInputs, now_s: float, *, all_cars: bool = False
) -> Iterator[Trip]:
    """Yield the stored trips of the car at the plug, or of all, that are not over."""
    for trip in unit.requirements:
        if not all_cars and trip.vehicle not in (None, unit.vehicle):
            continue
        if not _past(unit, trip, now_s):
            yield _as_trip(unit, known, trip)


def usual_trips(
    unit: UnitState,
    known: UnitInputs,
    tariff: Tariff,
    now_s: float,
    *,
    all_cars: bool = False,
) -> Iterator[Trip]:
    """Yield the weekly trips of the car at the plug, or of all, that are not over."""
    for vehicle, pattern in known.patterns.items():
        if all_cars or vehicle in ("", unit.vehicle):
            yield from _usual_trips(
                unit, known, tariff, now_s, pattern, vehicle=vehicle or None
            )


def _usual_trips(
    unit: UnitState,
    known: UnitInputs,
    tariff: Tariff,
    now_s: float,
    pattern: Pattern,
    *,
    vehicle: str | None,
) -> Iterator[Trip]:
    for day, day_after in pairwise(tariff.local_days(now_s, PATTERN_DAYS)):
        usual = pattern.get(day.weekday)
        if usual is None:
            continue
        departure_s = day.moments(usual.minute)[0]
        back_s = None
        if usual.back_minute is not None:
            later = usual.back_minute > usual.minute
            back_s = (day if later else day_after).moments(usual.back_minute)[-1]
        trip = Requirement(
            departure_s=departure_s,
            back_s=back_s,
            ask=Ask(soc_percent=usual.soc_percent),
            source=TripSource.PATTERN,
            vehicle=vehicle,
        )
        if not _past(unit, trip, now_s):
            yield _as_trip(unit, known, trip)


def _ready_by(unit: UnitState, tariff: Tariff, now_s: float) -> Iterator[Trip]:
    settings = unit.settings
    if settings.ready_by and unit.connected is not False:
        yield Trip(
            departure_s=tariff.next_local_time(now_s, settings.ready_by_minute),
            back_s=None,
            soc_percent=settings.ready_by_soc_percent,
            sources=(TripSource.READY_BY,),
            stays=True,
        )


def told_departures(
    unit: UnitState, known: UnitInputs, now_s: float
) -> tuple[Departure, ...]:
    """Return what was told of single trips: by the unit itself, and what is stored."""
    if not unit.requirements:
        return known.departures
    stored = (as_departure(trip) for trip in stored_trips(unit, known, now_s))
    return (*known.departures, *stored)


def announced(
    unit: UnitState, known: UnitInputs, tariff: Tariff, now_s: float
) -> tuple[Departure, ...]:
    """Return all departures that somebody has announced.

    Being ready every day announces none.
    """
    told = told_departures(unit, known, now_s)
    usual = usual_trips(unit, known, tariff, now_s)
    return (*told, *map(as_departure, usual))


def all_trips(
    unit: UnitState,
    known: UnitInputs,
    tariff: Tariff,
    now_s: float,
    *,
    all_cars: bool = True,
) -> Iterator[Trip]:
    """Yield the trips of all cars, or of the one at the plug, as each source has it."""
    yield from map(_of_unit, known.departures)
    yield from stored_trips(unit, known, now_s, all_cars=all_cars)
    yield from usual_trips(unit, known, tariff, now_s, all_cars=all_cars)
    yield from _ready_by(unit, tariff, now_s)


def trips_ahead(
    unit: UnitState, known: UnitInputs, tariff: Tariff, now_s: float
) -> tuple[Trip, ...]:
    """Return the trips of the car at the plug in order, each of them once."""
    return merged(all_trips(unit, known, tariff, now_s, all_cars=False))


def departures_ahead(
    unit: UnitState, known: UnitInputs, tariff: Tariff, now_s: float
) -> tuple[Departure, ...]:
    """Return the departures that the unit has to be ready for, in order.

    One that is past belongs to a trip under way, or to a car that is late.
    """
    watched = watch_departures(unit, now_s)
    if not (unit.requirements or known.patterns or unit.settings.ready_by):
        return _in_order((*known.departures, *watched))
    trips = trips_ahead(unit, known, tariff, now_s)
    return _in_order((*(as_departure(trip) for trip in trips), *watched))


def is_late(unit: UnitState, known: UnitInputs, tariff: Tariff, now_s: float) -> bool:
    """Return whether the unit is still there although it should have left."""
    return unit.connected is not False and any(
        departure.time_s <= now_s for departure in announced(unit, known, tariff, now_s)
    )


def as_departure(trip: Trip) -> Departure:
    """Return a trip as what planner, rule and safety rules know of it."""
    return Departure(
        time_s=trip.departure_s,
        soc_percent=trip.soc_percent,
        back_s=trip.departure_s if trip.stays else trip.back_s,
        until_gone=not (trip.stays or TripSource.UNIT in trip.sources),
    )


def _of_unit(departure: Departure) -> Trip:
    stays = departure.back_s == departure.time_s
    return Trip(
        departure_s=departure.time_s,
        back_s=None if stays else departure.back_s,
        soc_percent=departure.soc_percent,
        sources=(TripSource.UNIT,),
        stays=stays,
    )


def _as_trip(unit: UnitState, known: UnitInputs, trip: Requirement) -> Trip:
    return Trip(
        departure_s=trip.departure_s,
        back_s=trip.back_s,
        soc_percent=_percent(unit, known, trip.ask, trip.vehicle),
        sources=(trip.source,),
        id=trip.id,
        name=trip.name,
        vehicle=trip.vehicle,
    )


def _percent(
    unit: UnitState, known: UnitInputs, ask: Ask, vehicle: str | None
) -> float:
    settings, spec = unit.settings, known.spec
    if vehicle is not None and vehicle != unit.vehicle:
        spec = known.vehicles.get(vehicle, spec)
        if vehicle in unit.vehicles:
            settings = unit.vehicles[vehicle].settings
    return asked_percent(
        ask,
        spec,
        usual_percent=settings.ready_by_soc_percent,
        reserve_percent=settings.reserve_percent,
        kwh_per_100_km=settings.kwh_per_100_km,
    )


def _in_order(departures: tuple[Departure, ...]) -> tuple[Departure, ...]:
    if len(departures) < 2:
        return departures
    return tuple(sorted(departures, key=lambda departure: departure.time_s))
