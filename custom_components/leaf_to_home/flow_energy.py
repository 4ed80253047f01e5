"""What a configured Energy dashboard already knows about the home."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN, GRID_INVERTED, GRID_SENSOR, GRID_TWO
from .sources.dashboard import async_energy_sources


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """Sensors and prices to fill the forms with; the user still decides."""

    grid: Mapping[str, str] | None = None
    solar: tuple[str, ...] = ()
    other_batteries: tuple[str, ...] = ()
    import_price: float | None = None
    export_price: float | None = None


async def async_propose(hass: HomeAssistant) -> Proposal:
    """Return what the Energy dashboard suggests, nothing where it is not set up."""
    sources = await async_energy_sources(hass)
    grids = [source for source in sources if source["type"] == "grid"]
    priced = grids[0] if grids else {}
    return Proposal(
        grid=next((found for grid in grids if (found := _grid(hass, grid))), None),
        solar=_rates(hass, sources, "solar"),
        other_batteries=_rates(hass, sources, "battery"),
        import_price=priced.get("number_energy_price"),
        export_price=priced.get("number_energy_price_export"),
    )


def is_own(hass: HomeAssistant, entity_id: str) -> bool:
    """Return whether the entity is one that this integration makes itself."""
    entry = er.async_get(hass).async_get(entity_id)
    return entry is not None and entry.platform == DOMAIN


def _grid(hass: HomeAssistant, source: Mapping[str, Any]) -> Mapping[str, str] | None:
    config: Mapping[str, str] = source.get("power_config") or source
    if inverted := config.get("stat_rate_inverted"):
        grid = {"kind": GRID_INVERTED, "entity": inverted}
    elif imported := config.get("stat_rate_from"):
        grid = {
            "kind": GRID_TWO,
            "entity": imported,
            "entity_export": config["stat_rate_to"],
        }
    elif signed := config.get("stat_rate"):
        grid = {"kind": GRID_SENSOR, "entity": signed}
    else:
        return None
    sensors = (value for key, value in grid.items() if key != "kind")
    return grid if all(_usable(hass, sensor) for sensor in sensors) else None


def _rates(
    hass: HomeAssistant, sources: list[Mapping[str, Any]], kind: str
) -> tuple[str, ...]:
    return tuple(
        source["stat_rate"]
        for source in sources
        if source["type"] == kind
        and "stat_rate" in source
        and _usable(hass, source["stat_rate"])
        # Our own units stand there as batteries, too, straight or turned round.
        and not any(
            is_own(hass, sensor) for sensor in source.get("power_config", {}).values()
        )
    )


def _usable(hass: HomeAssistant, statistic_id: str) -> bool:
    """Return whether a statistic is a sensor that is there and not one of ours."""
    return (
        statistic_id.startswith("sensor.")
        and not is_own(hass, statistic_id)
        and (
            hass.states.get(statistic_id) is not None
            or er.async_get(hass).async_get(statistic_id) is not None
        )
    )
