"""What a report needs to be useful, without what is nobody else's business."""

from collections.abc import Iterator, Mapping
from typing import Any

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.const import (
    CONF_ADDRESS,
    CONF_API_KEY,
    CONF_HOST,
    CONF_LATITUDE,
    CONF_LONGITUDE,
    CONF_MAC,
    CONF_NAME,
    CONF_PASSWORD,
    CONF_TOKEN,
    CONF_URL,
    CONF_USERNAME,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.util import dt as dt_util

from .battery_view import health_of
from .const import CONF_CAR_PATTERNS, CONF_VISITORS, DOMAIN
from .engine.stored import to_dict
from .home import Home, LeafToHomeConfigEntry
from .unit_runtime import UnitRuntime
from .units.base import TellsMore

TO_REDACT = {
    CONF_ADDRESS,
    CONF_API_KEY,
    CONF_HOST,
    CONF_LATITUDE,
    CONF_LONGITUDE,
    CONF_MAC,
    CONF_NAME,
    CONF_PASSWORD,
    CONF_TOKEN,
    CONF_URL,
    CONF_USERNAME,
    "local_address",
    "topic_prefix",
    "node",
    "serial_number",
    "tibber_home",
    "title",
    "topic",
    "unique_id",
    "vin",
    "webhook_id",
}
FREE_TEXTS = {"detail", "fault"}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry
) -> dict[str, Any]:
    """Return diagnostics of a home."""
    runtime = entry.runtime_data
    return _private(
        entry,
        {
            "entry": entry.as_dict(),
            "home": _home(runtime.home),
            "units": {
                key: _unit(runtime.home, unit) for key, unit in runtime.units.items()
            },
        },
    )


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return diagnostics of one unit, or of the home without its units."""
    runtime = entry.runtime_data
    for key, unit in runtime.units.items():
        if (DOMAIN, f"{entry.entry_id}_{key}") in device.identifiers:
            return _private(entry, {"unit": _unit(runtime.home, unit)})
    return _private(entry, {"entry": entry.as_dict(), "home": _home(runtime.home)})


def _home(home: Home) -> dict[str, Any]:
    decision = home.decision
    return {
        "state": to_dict(home.state),
        "persisted_s": home.persisted.time_s,
        "decision": to_dict(decision) if decision else None,
        "savings": to_dict(home.savings),
        "plans": _plans(home),
        "prices": home.prices.diagnostics(),
        "outages": home.outages.diagnostics(),
    }


def _plans(home: Home) -> dict[str, Any]:
    """Return when and how plans are made, without their steps."""
    plans = home.plans
    return {
        **plans.report,
        "running": plans.running,
        "made_s": plans.made_s,
        "followed": plans.followed(dt_util.utcnow().timestamp()),
        "found": to_dict(plans.problems.found),
        "problems": to_dict(plans.problems.log),
        "units": {
            key: {
                "stored_value": plan.stored_value,
                "expected_cost": plan.expected_cost,
                "problems": to_dict(plan.problems),
                "steps": len(plan.steps),
                "until_s": plan.steps[-1].end_s,
            }
            for key, plan in plans.plans.items()
        },
    }


def _unit(home: Home, unit: UnitRuntime) -> dict[str, Any]:
    key = unit.subentry_id
    decision = home.decision.units.get(key) if home.decision else None
    reading, outcome = unit.coordinator.data, unit.worker.outcome
    return {
        "info": to_dict(unit.info) if unit.info else None,
        "spec": to_dict(unit.spec),
        "capabilities": to_dict(unit.unit.capabilities),
        "reachable": unit.coordinator.last_update_success,
        "reading": to_dict(reading) if reading else None,
        "state": to_dict(home.state.units[key]),
        "health": to_dict(health_of(home.state, unit)),
        "decision": to_dict(decision) if decision else None,
        "outcome": to_dict(outcome) if outcome else None,
        "car_sources": unit.car_sources.diagnostics() if unit.car_sources else [],
        "writes": unit.worker.writes,
        "more": (unit.unit.diagnostics() if isinstance(unit.unit, TellsMore) else None),
    }


def _private(entry: LeafToHomeConfigEntry, data: dict[str, Any]) -> dict[str, Any]:
    """Take out what names a person, car or place, also where an error repeats it."""
    names = (unit.name for unit in entry.runtime_data.units.values())
    secrets = {*_secrets(entry.as_dict()), *_secrets(data), *names}
    texts: dict[str, Any] = _scrub(data, sorted(secrets, key=len, reverse=True))
    return async_redact_data(_renamed(texts, _aliases(entry)), TO_REDACT)


def _aliases(entry: LeafToHomeConfigEntry) -> dict[str, str]:
    """Return what to call cars: their keys are made of what names them for all time."""
    home, keys = entry.runtime_data.home, dict[str, None]()
    for subentry_id, unit in entry.runtime_data.units.items():
        state, reading = home.state.units[subentry_id], unit.coordinator.data
        keys |= dict.fromkeys(unit.vehicles)
        if (subentry := entry.subentries.get(subentry_id)) is not None:
            for named in (CONF_VISITORS, CONF_CAR_PATTERNS):
                keys |= dict.fromkeys(subentry.data.get(named, ()))
        keys |= dict.fromkeys(state.vehicles)
        for key in (state.vehicle, reading.vehicle if reading is not None else None):
            if key is not None:
                keys[key] = None
    return {key: f"car {number}" for number, key in enumerate(keys, 1)}


def _renamed(data: Any, aliases: Mapping[str, str]) -> Any:
    """Return a copy in which every car goes by its alias."""
    if isinstance(data, Mapping):
        return {
            _renamed(key, aliases): _renamed(value, aliases)
            for key, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [_renamed(item, aliases) for item in data]
    if isinstance(data, str):
        for key, alias in aliases.items():
            data = data.replace(key, alias)
    return data


def _secrets(data: Any) -> Iterator[str]:
    """Yield the texts that stand under a redacted key."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if key in TO_REDACT and isinstance(value, str) and value:
                yield value
            else:
                yield from _secrets(value)
    elif isinstance(data, list | tuple):
        for item in data:
            yield from _secrets(item)


def _scrub(data: Any, secrets: list[str]) -> Any:
    """Return a copy in which the devices' own texts name none of the secrets."""
    if isinstance(data, list | tuple):
        return [_scrub(item, secrets) for item in data]
    if not isinstance(data, Mapping):
        return data
    clean: dict[str, Any] = {}
    for key, value in data.items():
        if key in FREE_TEXTS and isinstance(value, str):
            for secret in secrets:
                value = value.replace(secret, REDACTED)
        clean[key] = _scrub(value, secrets)
    return clean
