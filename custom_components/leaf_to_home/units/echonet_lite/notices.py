"""What a person has to see to: a port that is taken, a car that nobody knows."""

from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ...const import DOMAIN
from ..base import ISSUE_VEHICLE, UnitContext
from .endpoint import PortTaken
from .hub import program_name

ISSUE_PORT: Final = "echonet_port_taken"


class Notices:
    """The repairs of one unit."""

    def __init__(self, hass: HomeAssistant, context: UnitContext) -> None:
        self._hass = hass
        self._context = context
        self._port = f"{ISSUE_PORT}_{context.subentry_id}"
        self._vehicle = f"{ISSUE_VEHICLE}_{context.subentry_id}"

    @callback
    def clear(self) -> None:
        """Take everything back."""
        self.port_is_free()
        self.vehicle_is_known()

    @callback
    def vehicle_is_strange(self, vehicle: str) -> None:
        """Offer to add a car that is not known."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._vehicle,
            data={"subentry_id": self._context.subentry_id, "vehicle": vehicle},
            is_fixable=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE_VEHICLE,
            translation_placeholders={"unit": self._context.name},
        )

    @callback
    def vehicle_is_known(self) -> None:
        """Take the offer back."""
        ir.async_delete_issue(self._hass, DOMAIN, self._vehicle)

    @callback
    def port_is_taken(self, err: PortTaken) -> None:
        """Say who has the port, as far as that can be known."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._port,
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=ISSUE_PORT,
            translation_placeholders={
                "unit": self._context.name,
                "program": program_name(self._hass, err),
            },
        )

    @callback
    def port_is_free(self) -> None:
        """Take that back."""
        ir.async_delete_issue(self._hass, DOMAIN, self._port)
