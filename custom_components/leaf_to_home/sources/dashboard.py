"""The sources of Home Assistant's Energy dashboard."""

from collections.abc import Mapping
from typing import Any

from homeassistant.core import HomeAssistant


async def async_energy_sources(hass: HomeAssistant) -> list[Mapping[str, Any]]:
    """Return the sources of the Energy dashboard, none where it is not set up."""
    if "energy" not in hass.config.components:
        return []
    # Only where it is loaded anyway: it pulls in the recorder.
    from homeassistant.components.energy.data import async_get_manager  # noqa: PLC0415 loads the recorder

    preferences = (await async_get_manager(hass)).data
    return [*preferences["energy_sources"]] if preferences else []
