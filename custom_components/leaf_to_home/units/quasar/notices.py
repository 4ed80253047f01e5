"""What a person has to see to at the charger or in its app."""

from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ...const import DOMAIN
from ..base import UnitContext

ISSUE_ERROR: Final = "quasar_error"
ISSUE_GIVEN_BACK: Final = "quasar_given_back"
ISSUE_LOCKED: Final = "quasar_locked"
ISSUE_NOT_GIVEN_BACK: Final = "quasar_not_given_back"
ISSUE_OTHER_CHARGER: Final = "quasar_other_charger"
ISSUE_QUEUED: Final = "quasar_queued"
ISSUE_TWO_CONTROLLERS: Final = "quasar_two_controllers"

# These stand for what is seen now; the others are news, which a click puts away.
STATES: Final = (
    ISSUE_ERROR,
    ISSUE_LOCKED,
    ISSUE_OTHER_CHARGER,
    ISSUE_QUEUED,
    ISSUE_TWO_CONTROLLERS,
)
NEWS: Final = (ISSUE_GIVEN_BACK, ISSUE_NOT_GIVEN_BACK)


@callback
def async_tell(
    hass: HomeAssistant, subentry_id: str, name: str, issue: str, **numbers: str
) -> None:
    """Raise a repair."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        f"{issue}_{subentry_id}",
        is_fixable=issue in NEWS,
        severity=ir.IssueSeverity.WARNING,
        translation_key=issue,
        translation_placeholders={"unit": name, **numbers},
    )


class Notices:
    """The repairs of one unit."""

    def __init__(self, hass: HomeAssistant, context: UnitContext) -> None:
        self._hass = hass
        self._context = context
        self._told: dict[str, dict[str, str]] = {}

    @callback
    def clear(self) -> None:
        """Take back what is only true while somebody looks."""
        for issue in STATES:
            self.settle(issue, False)

    @callback
    def settle(self, issue: str, holds: bool, **numbers: str) -> None:
        """Raise an issue while it holds, and take it back when it does no longer."""
        if not holds:
            self._told.pop(issue, None)
            ir.async_delete_issue(
                self._hass, DOMAIN, f"{issue}_{self._context.subentry_id}"
            )
        elif self._told.get(issue) != numbers:
            self._told[issue] = numbers
            async_tell(
                self._hass,
                self._context.subentry_id,
                self._context.name,
                issue,
                **numbers,
            )
