"""When a unit was there and how full, as the recorder kept our own entities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from homeassistant.components.recorder.history import state_changes_during_period
from homeassistant.const import (
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    Platform,
)
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .engine.past_presence import Changes

THERE = {STATE_ON: True, STATE_OFF: False}


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedUnit:
    """What was recorded of a unit, as it changed."""

    connected: Changes[bool]
    soc_percent: Changes[float]


async def async_recorded_unit(
    hass: HomeAssistant, subentry_id: str, start_s: float, end_s: float
) -> RecordedUnit | None:
    """Return what the recorder's executor finds, None where there is no entity."""
    registry = er.async_get(hass)
    plug = registry.async_get_entity_id(
        Platform.BINARY_SENSOR, DOMAIN, f"{subentry_id}_connected"
    )
    soc = registry.async_get_entity_id(Platform.SENSOR, DOMAIN, f"{subentry_id}_soc")
    if plug is None or soc is None:
        return None

    def read() -> RecordedUnit:
        return RecordedUnit(
            connected=_changes(hass, plug, start_s, end_s, THERE.get),
            soc_percent=_changes(hass, soc, start_s, end_s, _number),
        )

    return await get_instance(hass).async_add_executor_job(read)


def _changes[ValueT](
    hass: HomeAssistant,
    entity_id: str,
    start_s: float,
    end_s: float,
    value_fn: Callable[[str], ValueT | None],
) -> list[tuple[float, ValueT | None]]:
    states: Sequence[State] = state_changes_during_period(
        hass,
        dt_util.utc_from_timestamp(start_s),
        dt_util.utc_from_timestamp(end_s),
        entity_id,
        no_attributes=True,
    ).get(entity_id, [])
    return [(state.last_changed_timestamp, value_fn(state.state)) for state in states]


def _number(text: str) -> float | None:
    return None if text in (STATE_UNAVAILABLE, STATE_UNKNOWN) else float(text)
