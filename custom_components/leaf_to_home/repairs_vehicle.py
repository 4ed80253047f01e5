"""The offer to add a car that is at the plug and not known."""

from collections.abc import Mapping
from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_NAME

from .const import CONF_VEHICLES, CONF_VISITORS, DOMAIN
from .presets import async_load_presets
from .vehicles import (
    CONF_KEY,
    name_errors,
    name_of,
    suggested,
    to_vehicle,
    vehicle_schema,
)


class VehicleRepairFlow(RepairsFlow):
    """Add the car to the unit, or leave it alone for good.

    Either changes what is known of the hardware, which loads the home anew.
    """

    def __init__(self, *, subentry_id: str, vehicle: str) -> None:
        """Initialize the flow."""
        self._subentry_id = subentry_id
        self._vehicle = vehicle

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask whether it belongs here."""
        found = self._unit()
        if found is None:
            return self.async_abort(reason="unit_gone")
        return self.async_show_menu(
            step_id="init",
            menu_options=["add", "leave"],
            description_placeholders={"unit": found[1].title},
        )

    async def async_step_add(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask what car it is, and add it."""
        found = self._unit()
        if found is None:
            return self.async_abort(reason="unit_gone")
        entry, unit = found
        known = unit.data.get(CONF_VEHICLES, ())
        names = [
            name_of(vehicle, unit.title, number)
            for number, vehicle in enumerate(known, 1)
        ]
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = name_errors(user_input[CONF_NAME], names)
            if not errors:
                others = (car for car in known if car[CONF_KEY] != self._vehicle)
                added = to_vehicle(self._vehicle, user_input)
                return self._changed(entry, unit, {CONF_VEHICLES: [*others, added]})
        name = name_of({}, unit.title, len(known) + 1)
        return self.async_show_form(
            step_id="add",
            data_schema=self.add_suggested_values_to_schema(
                vehicle_schema(await async_load_presets(self.hass)),
                user_input or suggested({}, name),
            ),
            errors=errors,
            description_placeholders={"unit": unit.title},
        )

    async def async_step_leave(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Remember that it does not belong here."""
        found = self._unit()
        if found is None:
            return self.async_abort(reason="unit_gone")
        entry, unit = found
        visitors = unit.data.get(CONF_VISITORS, ())
        return self._changed(entry, unit, {CONF_VISITORS: [*visitors, self._vehicle]})

    def _unit(self) -> tuple[ConfigEntry, ConfigSubentry] | None:
        """Return the unit, None where it was removed meanwhile."""
        for entry in self.hass.config_entries.async_entries(DOMAIN):
            unit = entry.subentries.get(self._subentry_id)
            if unit is not None:
                return entry, unit
        return None

    def _changed(
        self, entry: ConfigEntry, unit: ConfigSubentry, changes: Mapping[str, Any]
    ) -> RepairsFlowResult:
        # The home's update listener reloads it.
        self.hass.config_entries.async_update_subentry(
            entry, unit, data={**unit.data, **changes}
        )
        return self.async_create_entry(data={})
