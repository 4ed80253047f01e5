"""Repairs that a click can carry out."""

from typing import Any

from homeassistant.components.repairs import (
    ConfirmRepairFlow,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import voluptuous as vol

from .const import CONF_GRID, DOMAIN, GRID_INVERTED, GRID_SENSOR, GRID_TWO
from .health import ISSUE_GRID_SIGN
from .repairs_vehicle import VehicleRepairFlow
from .units.base import ISSUE_VEHICLE


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Create the flow that fixes an issue."""
    if issue_id.startswith(ISSUE_GRID_SIGN) and data is not None:
        return GridSignRepairFlow(str(data["entry_id"]))
    if issue_id.startswith(ISSUE_VEHICLE) and data is not None:
        return VehicleRepairFlow(
            subentry_id=str(data["subentry_id"]), vehicle=str(data["vehicle"])
        )
    return ConfirmRepairFlow()


class GridSignRepairFlow(RepairsFlow):
    """Count the grid meter the other way round."""

    def __init__(self, entry_id: str) -> None:
        """Initialize the flow."""
        self._entry_id = entry_id

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Begin with the question."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Invert the grid meter once that is confirmed."""
        if user_input is None:
            issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
            return self.async_show_form(
                step_id="confirm",
                data_schema=vol.Schema({}),
                description_placeholders=(
                    issue.translation_placeholders if issue else None
                ),
            )
        entry = self.hass.config_entries.async_get_entry(self._entry_id)
        grid = _inverted(entry.data.get(CONF_GRID, {})) if entry else None
        if entry is None or grid is None:
            return self.async_abort(reason="cannot_invert")
        # The home's update listener reloads it.
        self.hass.config_entries.async_update_entry(
            entry, data={**entry.data, CONF_GRID: grid}
        )
        return self.async_create_entry(data={})


def _inverted(grid: dict[str, Any]) -> dict[str, Any] | None:
    """Return the meter with the other sign, None where no setting has a sign."""
    kind = grid.get("kind")
    if kind == GRID_TWO:
        return grid | {
            "entity": grid["entity_export"],
            "entity_export": grid["entity"],
        }
    if kind in (GRID_SENSOR, GRID_INVERTED):
        return grid | {"kind": GRID_SENSOR if kind == GRID_INVERTED else GRID_INVERTED}
    return None
