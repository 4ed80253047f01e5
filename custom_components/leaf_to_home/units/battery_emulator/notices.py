"""What a person has to see to when an emulator stays silent."""

from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ...const import DOMAIN
from ..base import UnitContext
from ..pack import PackCondition

# It shows at once; it is worth a repair when it stays so.
LASTS_S: Final = 900.0

ISSUE_NO_BROKER: Final = "emulator_no_broker"
ISSUE_SILENT: Final = "emulator_silent"
ISSUES: Final = {
    PackCondition.NO_BROKER: ISSUE_NO_BROKER,
    PackCondition.OFFLINE: ISSUE_SILENT,
    PackCondition.SILENT: ISSUE_SILENT,
}


class Notices:
    """The repairs of one emulator: at most one of them at a time."""

    def __init__(self, hass: HomeAssistant, context: UnitContext, topic: str) -> None:
        self._hass = hass
        self._context = context
        self._topic = topic
        self._since_s: float | None = None
        self._shown: str | None = None

    @callback
    def async_lost(self, condition: PackCondition, now_s: float) -> None:
        """Note that nothing can be heard, and why."""
        if self._since_s is None:
            self._since_s = now_s
        issue = ISSUES[condition]
        if now_s - self._since_s < LASTS_S or issue == self._shown:
            return
        self._clear()
        self._shown = issue
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{issue}_{self._context.subentry_id}",
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=issue,
            translation_placeholders={
                "unit": self._context.name,
                "topic": self._topic,
            },
        )

    @callback
    def async_heard(self) -> None:
        """Take that back."""
        self._since_s = None
        self._clear()

    def _clear(self) -> None:
        if self._shown is not None:
            ir.async_delete_issue(
                self._hass, DOMAIN, f"{self._shown}_{self._context.subentry_id}"
            )
            self._shown = None
