"""Actions that announce trips, take them back, and tell which are known."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import uuid4

from homeassistant.components.select import DOMAIN as SELECT_DOMAIN
from homeassistant.core import (
    EntityServiceResponse,
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.service import (
    async_get_config_entry,
    async_register_batched_platform_entity_service,
)
from homeassistant.helpers.typing import VolDictType
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .const import DOMAIN
from .engine.battery import UnitSpec
from .engine.requirement import Ask, Requirement, Trip, TripSource
from .entity import LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry
from .manual import next_local
from .services import ATTR_CONFIG_ENTRY_ID, ATTR_ENERGY, ATTR_SOC, POSITIVE, units_of

SERVICE_ANNOUNCE = "announce_trip"
SERVICE_GET_TRIPS = "get_trips"
SERVICE_WITHDRAW = "withdraw_trip"

ATTR_DEPARTURE = "departure"
ATTR_DISTANCE = "distance_km"
ATTR_NAME = "name"
ATTR_RETURN = "return"
ATTR_TRIP_ID = "trip_id"
ATTR_VEHICLE = "vehicle"

LONGEST: Final = timedelta(days=30)
MOST_TRIPS: Final = 50

MOMENT = vol.Any(cv.time, cv.datetime)
TEXT = vol.All(cv.string, vol.Length(min=1, max=64))

ANNOUNCE_SCHEMA: VolDictType = {
    vol.Required(ATTR_DEPARTURE): MOMENT,
    vol.Optional(ATTR_RETURN): MOMENT,
    vol.Exclusive(ATTR_SOC, "ask"): vol.All(
        vol.Coerce(float), vol.Range(min=0, max=100)
    ),
    vol.Exclusive(ATTR_ENERGY, "ask"): POSITIVE,
    vol.Exclusive(ATTR_DISTANCE, "ask"): POSITIVE,
    vol.Optional(ATTR_NAME): TEXT,
    vol.Optional(ATTR_TRIP_ID): TEXT,
    vol.Optional(ATTR_VEHICLE): TEXT,
}
WITHDRAW_SCHEMA: VolDictType = {vol.Optional(ATTR_TRIP_ID): TEXT}


@callback
def async_setup_trip_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    async_register_batched_platform_entity_service(
        hass,
        DOMAIN,
        SERVICE_ANNOUNCE,
        entity_domain=SELECT_DOMAIN,
        func=_async_announce,
        schema=ANNOUNCE_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    async_register_batched_platform_entity_service(
        hass,
        DOMAIN,
        SERVICE_WITHDRAW,
        entity_domain=SELECT_DOMAIN,
        func=_async_withdraw,
        schema=WITHDRAW_SCHEMA,
    )
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_TRIPS,
        _async_get_trips,
        schema=vol.Schema({vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string}),
        supports_response=SupportsResponse.ONLY,
    )


async def _async_announce(
    entities: list[Entity], call: ServiceCall
) -> EntityServiceResponse:
    """Announce a trip to all units, or to none where one of them refuses."""
    units = units_of(entities)
    trips = [(unit, _requirement(unit, call.data)) for unit in units]
    for unit, trip in trips:
        unit.async_set_context(call.context)
        unit.home.async_change_trips(
            unit.unit.subentry_id, [*_others(unit, trip.id), trip]
        )
    return {unit.entity_id: {ATTR_TRIP_ID: trip.id} for unit, trip in trips}


async def _async_withdraw(entities: list[Entity], call: ServiceCall) -> None:
    """Take back one trip, or all that actions have announced."""
    units = units_of(entities)
    trip_id = call.data.get(ATTR_TRIP_ID)
    for unit in units:
        known = _announced(unit)
        if trip_id is not None and trip_id not in known:
            raise _invalid(unit, "trip_unknown", trip=trip_id, known=_list(known))
    for unit in units:
        unit.async_set_context(call.context)
        gone = _announced(unit) if trip_id is None else [trip_id]
        unit.home.async_change_trips(unit.unit.subentry_id, _others(unit, *gone))


async def _async_get_trips(call: ServiceCall) -> ServiceResponse:
    """Return the trips that are known; without an id those of the only home."""
    entry: LeafToHomeConfigEntry = async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    home = entry.runtime_data.home
    now_s = dt_util.utcnow().timestamp()
    answer: dict[str, Any] = {}
    for key, unit in home.units.items():
        following = home.plans.next_trip(key, now_s)
        names = {car: vehicle.name for car, vehicle in unit.vehicles.items()}
        answer[key] = {
            "name": unit.name,
            "next": None if following is None else _shown_trip(following, names),
            "trips": [
                _shown_trip(trip, names) for trip in home.plans.trips(key, now_s)
            ],
        }
    return {"units": answer}


def _requirement(unit: LeafToHomeUnitEntity, data: Mapping[str, Any]) -> Requirement:
    """Return the trip that is asked for; raise for what makes no sense."""
    if not unit.unit.spec.leaves:
        raise _invalid(unit, "trip_stays")
    now = dt_util.utcnow()
    departure = _moment(unit, data[ATTR_DEPARTURE], now)
    if departure <= now:
        raise _invalid(unit, "trip_in_the_past", departure=_shown(departure))
    if departure > now + LONGEST:
        raise _invalid(
            unit,
            "trip_too_far",
            departure=_shown(departure),
            longest=f"{LONGEST.days:d}",
        )
    back = None
    if ATTR_RETURN in data:
        back = _moment(unit, data[ATTR_RETURN], departure)
        if not departure < back <= departure + LONGEST:
            raise _invalid(
                unit,
                "trip_return_wrong",
                departure=_shown(departure),
                back=_shown(back),
                longest=f"{LONGEST.days:d}",
            )
    car = _car(unit, data.get(ATTR_VEHICLE))
    ask = Ask(
        soc_percent=data.get(ATTR_SOC),
        energy_kwh=data.get(ATTR_ENERGY),
        distance_km=data.get(ATTR_DISTANCE),
    )
    _check_ask(unit, ask, car)
    trip_id = data.get(ATTR_TRIP_ID) or uuid4().hex[:8]
    if len({*_announced(unit)} - {trip_id}) >= MOST_TRIPS:
        raise _invalid(unit, "too_many_trips", most=str(MOST_TRIPS))
    return Requirement(
        departure_s=departure.timestamp(),
        back_s=None if back is None else back.timestamp(),
        ask=ask,
        source=TripSource.ACTION,
        id=trip_id,
        name=data.get(ATTR_NAME),
        vehicle=car,
    )


def _car(unit: LeafToHomeUnitEntity, name: str | None) -> str | None:
    """Return the key of a car that is called so; without a name the one at the plug."""
    cars = unit.unit.vehicles
    if name is None:
        return unit.home.state.units[unit.unit.subentry_id].vehicle if cars else None
    for key, vehicle in cars.items():
        if vehicle.name.casefold() == name.strip().casefold():
            return key
    raise _invalid(
        unit,
        "car_unknown",
        car=name,
        known=_list([vehicle.name for vehicle in cars.values()]),
    )


def _check_ask(unit: LeafToHomeUnitEntity, ask: Ask, car: str | None) -> None:
    """Refuse what no battery of this size could give, and what is there anyway."""
    state = unit.home.state.units[unit.unit.subentry_id]
    settings = state.settings
    spec: UnitSpec = unit.unit.spec
    if car is not None:
        spec = unit.unit.vehicle_specs[car]
        if car != state.vehicle and car in state.vehicles:
            settings = state.vehicles[car].settings
    soc = ask.soc_percent
    if soc is not None and soc > spec.max_soc_percent:
        raise _invalid(
            unit,
            "target_above_highest",
            target=f"{soc:g}",
            highest=f"{spec.max_soc_percent:g}",
        )
    if soc is not None and soc < settings.reserve_percent:
        raise _invalid(
            unit,
            "target_below_reserve",
            target=f"{soc:g}",
            reserve=f"{settings.reserve_percent:g}",
        )
    kwh = ask.kwh(settings.kwh_per_100_km)
    holds_kwh = spec.capacity_kwh * (spec.max_soc_percent - spec.min_soc_percent) / 100
    if kwh is not None and kwh > holds_kwh:
        raise _invalid(
            unit, "trip_too_long", energy=f"{kwh:.1f}", holds=f"{holds_kwh:.1f}"
        )


def _announced(unit: LeafToHomeUnitEntity) -> list[str]:
    """Return the ids of what actions have announced to a unit."""
    stored = unit.home.state.units[unit.unit.subentry_id].requirements
    return [trip.id for trip in stored if trip.source is TripSource.ACTION]


def _others(unit: LeafToHomeUnitEntity, *trip_ids: str) -> list[Requirement]:
    """Return the stored trips of a unit without those of actions with these ids."""
    stored = unit.home.state.units[unit.unit.subentry_id].requirements
    return [
        trip
        for trip in stored
        if trip.source is not TripSource.ACTION or trip.id not in trip_ids
    ]


def _moment(
    unit: LeafToHomeUnitEntity, value: datetime | time, after: datetime
) -> datetime:
    """Return a time; a time of day is the next one after `after`."""
    if not isinstance(value, datetime):
        return next_local(value, after)
    try:
        return dt_util.as_utc(value)
    except OverflowError as err:
        # At the end of all calendars, which time zones cannot shift.
        raise _invalid(
            unit, "trip_too_far", departure=str(value), longest=f"{LONGEST.days:d}"
        ) from err


def _shown_trip(trip: Trip, cars: Mapping[str, str]) -> dict[str, Any]:
    return {
        "departure": _iso(trip.departure_s),
        "return": None if trip.back_s is None else _iso(trip.back_s),
        "soc_percent": round(trip.soc_percent, 1),
        "sources": [source.value for source in trip.sources],
        "trip_id": trip.id or None,
        "name": trip.name,
        "vehicle": cars.get(trip.vehicle or ""),
        "expires": _iso(trip.expires_s),
    }


def _iso(time_s: float) -> str:
    return dt_util.utc_from_timestamp(round(time_s)).isoformat()


def _shown(moment: datetime) -> str:
    return dt_util.as_local(moment).strftime("%Y-%m-%d %H:%M")


def _list(names: list[str]) -> str:
    return ", ".join(names) or "–"


def _invalid(
    unit: LeafToHomeUnitEntity, key: str, **placeholders: str
) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"unit": unit.unit.name, **placeholders},
    )
