"""Ready-made mappings, proposed where their integration is there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util.hass_dict import HassKey
from homeassistant.util.yaml import load_yaml_dict

from ...const import DOMAIN

MAPPINGS_PATH: Final = Path(__file__).parent

# A pattern in a mapping stands where the entity goes that it finds.
ENTITY: Final = "entity"

type Mappings = Mapping[str, Mapping[str, Any]]

_MAPPINGS: HassKey[Mappings] = HassKey(f"{DOMAIN}_mappings")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A mapping with the entities that were found for it."""

    title: str
    read: Mapping[str, Any]
    setpoint: Mapping[str, Any]


async def async_load_mappings(hass: HomeAssistant) -> Mappings:
    """Return the mappings by their name; the files are read once."""
    if _MAPPINGS not in hass.data:
        hass.data[_MAPPINGS] = await hass.async_add_executor_job(_load)
    return hass.data[_MAPPINGS]


async def async_propose_mappings(hass: HomeAssistant) -> dict[str, Proposal]:
    """Return what fits the integrations that are there, by a key of its own."""
    mappings = await async_load_mappings(hass)
    registry = er.async_get(hass)
    found: dict[str, Proposal] = {}
    for entry in hass.config_entries.async_entries(
        include_ignore=False, include_disabled=False
    ):
        entities = er.async_entries_for_config_entry(registry, entry.entry_id)
        for name, mapping in mappings.items():
            if mapping["platform"] != entry.domain:
                continue
            for device, group in _groups(mapping, entities).items():
                proposal = _propose(entry, mapping, group)
                if proposal is not None:
                    found[f"{name}_{entry.entry_id}_{device}"] = proposal
    return found


def _load() -> Mappings:
    return {
        path.stem: load_yaml_dict(path) for path in sorted(MAPPINGS_PATH.glob("*.yaml"))
    }


def _groups(
    mapping: Mapping[str, Any], entities: Iterable[er.RegistryEntry]
) -> dict[str, list[er.RegistryEntry]]:
    """Return the entities of an entry together, or by device where it has several."""
    groups: dict[str, list[er.RegistryEntry]] = {}
    for entity in entities:
        if entity.disabled_by is None:
            by_device = mapping.get("by_device", False)
            key = entity.device_id or "" if by_device else ""
            groups.setdefault(key, []).append(entity)
    return groups


def _propose(
    entry: ConfigEntry, mapping: Mapping[str, Any], entities: list[er.RegistryEntry]
) -> Proposal | None:
    """Return the mapping with its entities, None where what matters is missing."""
    read = _filled(mapping["read"], entities)
    setpoint = _filled(mapping.get("setpoint", {}), entities)
    if any(key not in read and key not in setpoint for key in mapping["needs"]):
        return None
    return Proposal(
        title=f"{mapping['name']}: {entry.title}", read=read, setpoint=setpoint
    )


def _filled(
    part: Mapping[str, Any], entities: list[er.RegistryEntry]
) -> dict[str, Any]:
    """Return a part of a mapping, without what was not found."""
    filled: dict[str, Any] = {}
    for key, value in part.items():
        if isinstance(value, list):
            listed = [_find(pattern, entities) for pattern in value]
            if listed and None not in listed:
                filled[key] = listed
        elif isinstance(value, dict) and ENTITY in value:
            if (entity_id := _find(value, entities)) is not None:
                filled[key] = entity_id
        elif isinstance(value, dict):
            if nested := _filled(value, entities):
                filled[key] = nested
        else:
            filled[key] = value
    return filled


def _find(pattern: Mapping[str, str], entities: list[er.RegistryEntry]) -> str | None:
    """Return the entity of a domain with that translation key or unique id."""
    domain = pattern[ENTITY]
    for entity in entities:
        if entity.domain != domain:
            continue
        key, unique_id = pattern.get("key"), pattern.get("unique_id")
        if (key is not None and entity.translation_key == key) or (
            unique_id is not None and re.search(unique_id, entity.unique_id)
        ):
            return entity.entity_id
    return None
