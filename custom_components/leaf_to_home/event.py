"""What plans cannot meet, and what happens in outages, as events."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .engine.problems import Problem
from .entity import LeafToHomeHomeEntity
from .home import LeafToHomeConfigEntry
from .outage_news import OutageEvent
from .plan_problems import SOLVED

PARALLEL_UPDATES = 0

DESCRIPTIONS: tuple[EventEntityDescription, ...] = (
    EventEntityDescription(
        key="plan_alert",
        translation_key="plan_alert",
        event_types=[*(problem.value for problem in Problem), SOLVED],
    ),
    EventEntityDescription(
        key="outage_alert",
        translation_key="outage_alert",
        event_types=[event.value for event in OutageEvent],
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the events of a home."""
    plan_alert, outage_alert = DESCRIPTIONS
    async_add_entities(
        [
            PlanAlert(entry=entry, description=plan_alert),
            OutageAlert(entry=entry, description=outage_alert),
        ]
    )


class AlertEntity(LeafToHomeHomeEntity, EventEntity):
    """Something that happens, and stands until the next of its kind."""

    @callback
    @override
    def _async_published(self) -> None:
        """Write nothing in between."""

    @callback
    def _told(self, kind: str, values: Mapping[str, Any]) -> None:
        self._trigger_event(kind, dict(values))
        self.async_write_ha_state()


class PlanAlert(AlertEntity):
    """A problem that plans have come upon, or that is over."""

    @override
    async def async_added_to_hass(self) -> None:
        """Listen for problems."""
        await super().async_added_to_hass()
        self.async_on_remove(self.home.plans.problems.async_subscribe(self._told))


class OutageAlert(AlertEntity):
    """What has happened in an outage, or before one."""

    @override
    async def async_added_to_hass(self) -> None:
        """Listen for what happens."""
        await super().async_added_to_hass()
        self.async_on_remove(self.home.outages.async_subscribe(self._told))
