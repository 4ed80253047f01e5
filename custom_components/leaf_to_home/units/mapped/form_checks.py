"""What a form says of mapped entities: what they show, and what cannot be meant."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    PERCENTAGE,
    STATE_UNAVAILABLE,
    UnitOfElectricCurrent,
)
from homeassistant.core import HomeAssistant

from ...const import DOMAIN
from ...flow_energy import is_own
from .mapping import (
    CONF_ACTIONS,
    CONF_CHARGE_POWER,
    CONF_DISCHARGE_POWER,
    CONF_ENABLE,
    CONF_MODE,
    CONF_POWER,
    CONF_SETPOINT,
    SetpointMap,
    Way,
)
from .orders import NO_STOP, Unusable, dial, make, rest

SECTION_ACTIONS: Final = CONF_ACTIONS
SECTION_DETAILS: Final = "details"
# What the test shows that would be written, W.
EXAMPLE_W: Final = 1000.0
# A watchdog is fed three times in its own time, by writes that take their time.
LEAST_WATCHDOG_S: Final = 15.0


def setpoint_errors(
    hass: HomeAssistant, chosen: Mapping[str, Any], subentry_id: str | None
) -> dict[str, str]:
    """Return what cannot be meant, at its field or at its section."""
    map_ = SetpointMap.from_data(chosen)
    if map_.power is not None:
        for key in (CONF_CHARGE_POWER, CONF_DISCHARGE_POWER):
            if key in chosen:
                return {key: "signed_and_each"}
    taken = _taken(hass, subentry_id)
    for field, entity_id in _named(chosen):
        if is_own(hass, entity_id):
            return {field: "own_entity"}
        if entity_id in taken:
            return {field: "led_already"}
    for key in (CONF_POWER, CONF_CHARGE_POWER, CONF_DISCHARGE_POWER):
        if key in chosen and (error := _unit_error(hass, map_, chosen[key])):
            return {key: error}
    if map_.watchdog_s is not None:
        if map_.watchdog_s < LEAST_WATCHDOG_S:
            return {SECTION_DETAILS: "watchdog_short"}
        if map_.min_interval_s > map_.watchdog_s / 3.0:
            return {SECTION_DETAILS: "interval_above_watchdog"}
    if map_.mode is not None:
        # What ends it can only be told when the options are known.
        return {}
    if map_.park is Way.AUTO and not map_.able(Way.AUTO):
        return {SECTION_DETAILS: "park_missing"}
    return stop_errors(hass, map_, "base")


def mode_errors(hass: HomeAssistant, chosen: Mapping[str, Any]) -> dict[str, str]:
    """Return what cannot be meant by the options of a mode."""
    map_ = SetpointMap.from_data(chosen)
    if Way.CHARGE not in map_.options and Way.DISCHARGE not in map_.options:
        return {Way.CHARGE: "option_missing"}
    if map_.follows and Way.AUTO not in map_.options:
        return {Way.AUTO: "option_missing"}
    if map_.park is Way.AUTO and not map_.able(Way.AUTO):
        return {Way.AUTO: "park_missing"}
    return stop_errors(hass, map_, Way.IDLE)


def stop_errors(hass: HomeAssistant, map_: SetpointMap, field: str) -> dict[str, str]:
    """Return whether something would run that nothing could end."""
    if not map_.controllable:
        return {}
    try:
        rest(map_, hass.states.get)
    except Unusable as err:
        if err.detail == NO_STOP:
            return {field: "no_stop"}
    return {}


def as_list(hass: HomeAssistant, entities: Iterable[str]) -> str:
    """Return entities with what they say now, as a list for people."""
    lines: list[str] = []
    for entity_id in entities:
        state = hass.states.get(entity_id)
        value = state.state if state is not None else STATE_UNAVAILABLE
        unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) if state else None
        lines.append(f"- `{entity_id}`: {value}{f' {unit}' if unit else ''}")
    return "\n".join(lines) or "–"


def example(hass: HomeAssistant, map_: SetpointMap, way: Way) -> str:
    """Return what would be written, in the entities' own values."""
    if not map_.controllable or not map_.able(way):
        return "–"
    look = hass.states.get
    try:
        if way is Way.IDLE:
            order = rest(map_, look)
        else:
            order = make(map_, way, EXAMPLE_W, look, fixed_w=EXAMPLE_W)
    except Unusable as err:
        return f"`{err.entity_id}`: {err.detail}"
    steps = [
        f"`{write.entity_id}`"
        + ("" if write.target is None else f" → {_value(write.target)}")
        for write in order.writes
    ]
    return ", ".join(steps) or "–"


def _value(target: float | str) -> str:
    return target if isinstance(target, str) else f"{target:g}"


def _unit_error(hass: HomeAssistant, map_: SetpointMap, entity_id: str) -> str | None:
    """Return what is wrong with the unit of a number, as far as it is known now."""
    state = hass.states.get(entity_id)
    if state is None or state.state == STATE_UNAVAILABLE:
        return None
    unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) or map_.unit
    if unit == UnitOfElectricCurrent.AMPERE:
        known = map_.voltage_v is not None or map_.voltage_entity is not None
        return None if known else "voltage_missing"
    if unit == PERCENTAGE:
        return None if map_.rated_w is not None else "rated_missing"
    try:
        dial(map_, entity_id, hass.states.get)
    except Unusable:
        return "not_power"
    return None


def _named(chosen: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield each entity that is written to, with the field that it stands in."""
    for key in (CONF_POWER, CONF_CHARGE_POWER, CONF_DISCHARGE_POWER, CONF_MODE):
        if key in chosen:
            yield key, chosen[key]
    for entities in (
        chosen.get(CONF_ENABLE, ()),
        *chosen.get(CONF_ACTIONS, {}).values(),
    ):
        for entity_id in entities:
            yield SECTION_ACTIONS, entity_id


def _taken(hass: HomeAssistant, subentry_id: str | None) -> set[str]:
    """Return what other units of any home write to: two would fight."""
    return {
        entity_id
        for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False)
        for subentry in entry.subentries.values()
        if subentry.subentry_id != subentry_id
        for entity_id in SetpointMap.from_data(
            subentry.data.get(CONF_SETPOINT, {})
        ).entities
    }
