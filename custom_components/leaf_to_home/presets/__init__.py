"""The shipped batteries to begin with."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey
from homeassistant.util.yaml import load_yaml_dict

from ..const import DOMAIN

PRESETS_PATH = Path(__file__).parent

type Presets = Mapping[str, Mapping[str, Any]]

_PRESETS: HassKey[Presets] = HassKey(f"{DOMAIN}_presets")


async def async_load_presets(hass: HomeAssistant) -> Presets:
    """Return the presets by their name; the files are read once."""
    if _PRESETS not in hass.data:
        hass.data[_PRESETS] = await hass.async_add_executor_job(_load)
    return hass.data[_PRESETS]


def _load() -> Presets:
    return MappingProxyType(
        {
            path.stem: MappingProxyType(load_yaml_dict(path))
            for path in sorted(PRESETS_PATH.glob("*.yaml"))
        }
    )
