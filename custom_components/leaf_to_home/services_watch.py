"""Actions that raise the reserve for a while, and end that again."""

from datetime import datetime, time, timedelta
from typing import Any, Final

from homeassistant.components.select import DOMAIN as SELECT_DOMAIN
from homeassistant.core import (
    EntityServiceResponse,
    HomeAssistant,
    ServiceCall,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.service import async_register_batched_platform_entity_service
from homeassistant.helpers.typing import VolDictType
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .const import DOMAIN
from .engine.outage_model import Watch, WatchSource
from .entity import LeafToHomeHomeEntity
from .manual import next_local
from .unit_runtime import UnitRuntime

SERVICE_END_WATCH: Final = "end_watch"
SERVICE_WATCH: Final = "watch"

ATTR_DURATION: Final = "duration"
ATTR_NEEDED_BY: Final = "needed_by"
ATTR_RESERVE: Final = "reserve_percent"
ATTR_UNTIL: Final = "until"

DEFAULT_LENGTH: Final = timedelta(hours=24)
LONGEST: Final = timedelta(days=14)

MOMENT: Final = vol.Any(cv.time, cv.datetime)
WATCH_SCHEMA: VolDictType = {
    vol.Required(ATTR_RESERVE): vol.All(vol.Coerce(float), vol.Range(min=1, max=100)),
    vol.Exclusive(ATTR_DURATION, "end"): vol.All(cv.time_period, cv.positive_timedelta),
    vol.Exclusive(ATTR_UNTIL, "end"): MOMENT,
    vol.Optional(ATTR_NEEDED_BY): MOMENT,
}


@callback
def async_setup_watch_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    async_register_batched_platform_entity_service(
        hass,
        DOMAIN,
        SERVICE_WATCH,
        entity_domain=SELECT_DOMAIN,
        func=_async_watch,
        schema=WATCH_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    async_register_batched_platform_entity_service(
        hass,
        DOMAIN,
        SERVICE_END_WATCH,
        entity_domain=SELECT_DOMAIN,
        func=_async_end_watch,
        schema={},
    )


async def _async_watch(
    entities: list[Entity], call: ServiceCall
) -> EntityServiceResponse:
    """Raise the reserve of all homes that are meant, and say what that does."""
    homes = _homes_of(entities)
    watch = _watch(call.data)
    for entity in homes:
        entity.async_set_context(call.context)
        entity.home.async_change_home(watch=watch)
    return {entity.entity_id: _does(entity, watch) for entity in homes}


async def _async_end_watch(entities: list[Entity], call: ServiceCall) -> None:
    """End the watch of the user's; those of calendars and warnings go on."""
    for entity in _homes_of(entities):
        entity.async_set_context(call.context)
        entity.home.async_change_home(watch=None)


def _homes_of(entities: list[Entity]) -> list[LeafToHomeHomeEntity]:
    """Return the homes that are meant; raise where there is none."""
    homes = [entity for entity in entities if isinstance(entity, LeafToHomeHomeEntity)]
    if not homes:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="no_home",
            translation_placeholders={
                "entities": ", ".join(entity.entity_id for entity in entities)
            },
        )
    return homes


def _watch(data: dict[str, Any]) -> Watch:
    """Return the watch that is asked for; raise for what makes no sense."""
    now = dt_util.utcnow()
    end = now + data.get(ATTR_DURATION, DEFAULT_LENGTH)
    if ATTR_UNTIL in data:
        end = _moment(data[ATTR_UNTIL], now)
    if end <= now:
        raise _invalid("watch_in_the_past", end=_shown(end))
    if end > now + LONGEST:
        raise _invalid("watch_too_long", end=_shown(end), longest=f"{LONGEST.days:d}")
    needed_s = None
    if ATTR_NEEDED_BY in data:
        needed = _moment(data[ATTR_NEEDED_BY], now)
        if needed > end:
            raise _invalid("watch_needed_late", needed=_shown(needed), end=_shown(end))
        needed_s = needed.timestamp()
    return Watch(
        reserve_percent=data[ATTR_RESERVE],
        until_s=end.timestamp(),
        needed_s=needed_s,
        source=WatchSource.USER,
    )


def _does(entity: LeafToHomeHomeEntity, watch: Watch) -> dict[str, Any]:
    """Return what a watch does: until when, and what each unit lacks."""
    home, needed_s = entity.home, watch.needed_s
    return {
        "reserve_percent": watch.reserve_percent,
        "until": _iso(watch.until_s),
        "needed_by": None if needed_s is None else _iso(needed_s),
        "units": {
            key: {"name": unit.name, **_lack(entity, unit, watch)}
            for key, unit in home.units.items()
        },
    }


def _lack(
    entity: LeafToHomeHomeEntity, unit: UnitRuntime, watch: Watch
) -> dict[str, Any]:
    """Return what a unit holds now, and what has to be charged."""
    decision = entity.home.decision
    decided = decision.units.get(unit.subentry_id) if decision else None
    soc = decided.soc_percent if decided else None
    settings = entity.home.state.units[unit.subentry_id].settings
    goal = min(watch.reserve_percent, settings.max_soc_percent)
    lacks = None if soc is None else max(0.0, goal - soc)
    return {
        "soc_percent": None if soc is None else round(soc, 1),
        "goal_percent": max(goal, settings.reserve_percent),
        "lacks_kwh": (
            None if lacks is None else round(lacks / 100 * unit.spec.capacity_kwh, 1)
        ),
    }


def _moment(value: datetime | time, after: datetime) -> datetime:
    """Return a time; a time of day is the next one after `after`."""
    if not isinstance(value, datetime):
        return next_local(value, after)
    try:
        return dt_util.as_utc(value)
    except OverflowError as err:
        raise _invalid(
            "watch_too_long", end=str(value), longest=f"{LONGEST.days:d}"
        ) from err


def _iso(time_s: float) -> str:
    return dt_util.utc_from_timestamp(round(time_s)).isoformat()


def _shown(moment: datetime) -> str:
    return dt_util.as_local(moment).strftime("%Y-%m-%d %H:%M")


def _invalid(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=placeholders,
    )
