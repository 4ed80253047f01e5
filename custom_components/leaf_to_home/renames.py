"""Keeps up with entities that the user renames: meters, loads, calendars, sources."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

if TYPE_CHECKING:
    from .home import LeafToHomeConfigEntry


@callback
def async_follow_renames(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry
) -> CALLBACK_TYPE:
    """Write an entity's new name wherever the home has its old one.

    A load that is renamed would stay on in the next outage otherwise.
    """

    @callback
    def is_rename(data: er.EventEntityRegistryUpdatedData) -> bool:
        return data["action"] == "update" and "old_entity_id" in data

    @callback
    def renamed(event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        if event.data["action"] != "update":
            return
        old, new = event.data["old_entity_id"], event.data["entity_id"]
        entry.runtime_data.home.async_rename_load(old, new)
        for subentry in list(entry.subentries.values()):
            hass.config_entries.async_update_subentry(
                entry, subentry, data=_with_name(subentry.data, old, new)
            )
        hass.config_entries.async_update_entry(
            entry,
            data=_with_name(entry.data, old, new),
            options=_with_name(entry.options, old, new),
        )

    return hass.bus.async_listen(
        er.EVENT_ENTITY_REGISTRY_UPDATED, renamed, event_filter=is_rename
    )


def _with_name(value: Any, old: str, new: str) -> Any:
    """Return plain data with each `old`, also as a key, as `new`."""
    if isinstance(value, Mapping):
        return {
            _with_name(key, old, new): _with_name(each, old, new)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(_with_name(each, old, new) for each in value)
    return new if value == old else value
