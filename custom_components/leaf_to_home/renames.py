"""Keeps up with entities that the user renames: meters, loads, calendars, sources."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import Event, HassJob, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_call_later

from .const import DOMAIN

if TYPE_CHECKING:
    from .home import LeafToHomeConfigEntry

# A device is renamed with all its entities, one after the other.
QUIET_S: Final = 1.0


class Renames:
    """Writes new names wherever homes have the old ones.

    A load that is renamed would stay on in the next outage otherwise. Homes that do not
    run are kept right as well, and each is loaded anew once, however many names there
    are.
    """

    def __init__(self, hass: HomeAssistant) -> None:
        self._hass = hass
        self._names: list[tuple[str, str]] = []
        self._job = HassJob(self._write, cancel_on_shutdown=True)

    @callback
    def async_start(self) -> None:
        """Listen to the registry."""
        self._hass.bus.async_listen(
            er.EVENT_ENTITY_REGISTRY_UPDATED, self._renamed, event_filter=_is_rename
        )

    @callback
    def _renamed(self, event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        assert event.data["action"] == "update", "nothing else passes the filter"
        if not self._names:
            async_call_later(self._hass, QUIET_S, self._job)
        self._names.append((event.data["old_entity_id"], event.data["entity_id"]))

    @callback
    def _write(self, _now: datetime) -> None:
        names, self._names = self._names, []
        entry: LeafToHomeConfigEntry
        for entry in self._hass.config_entries.async_entries(DOMAIN):
            for old, new in names:
                if (runtime := getattr(entry, "runtime_data", None)) is not None:
                    runtime.home.async_rename_load(old, new)
            self._update(entry, names)

    def _update(
        self, entry: LeafToHomeConfigEntry, names: list[tuple[str, str]]
    ) -> None:
        entries = self._hass.config_entries
        changed = False
        for subentry in list(entry.subentries.values()):
            data = with_names(subentry.data, names)
            changed |= entries.async_update_subentry(entry, subentry, data=data)
        changed |= entries.async_update_entry(
            entry,
            data=with_names(entry.data, names),
            options=with_names(entry.options, names),
        )
        if changed and entry.state is ConfigEntryState.SETUP_IN_PROGRESS:
            # It has read the old names already, and does not listen yet.
            entries.async_schedule_reload(entry.entry_id)


@callback
def _is_rename(data: er.EventEntityRegistryUpdatedData) -> bool:
    return data["action"] == "update" and "old_entity_id" in data


def with_names(value: Any, names: list[tuple[str, str]]) -> Any:
    """Return plain data with each old name, also as a key, as the new one."""
    if isinstance(value, Mapping):
        return {
            with_names(key, names): with_names(each, names)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(with_names(each, names) for each in value)
    for old, new in names:
        value = new if value == old else value
    return value
