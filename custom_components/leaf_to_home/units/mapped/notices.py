"""What a person has to see to at mapped entities."""

from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ...const import DOMAIN
from .setpoint import MappedSetpoint

# An entity that is away for a moment is nobody's business.
AWAY_S: Final = 900.0

ISSUE_CONTRADICTION: Final = "mapped_contradiction"
ISSUE_REFUSED: Final = "mapped_refused"
ISSUE_SOC: Final = "mapped_soc_jumps"
ISSUE_UNAVAILABLE: Final = "mapped_unavailable"
ISSUES: Final = (ISSUE_CONTRADICTION, ISSUE_REFUSED, ISSUE_SOC, ISSUE_UNAVAILABLE)


class MappedNotices:
    """The repairs of one unit that is made of other integrations' entities."""

    def __init__(self, hass: HomeAssistant, subentry_id: str, name: str) -> None:
        self._hass = hass
        self._subentry_id = subentry_id
        self._name = name
        self._shown: dict[str, dict[str, str]] = {}
        self._away_s: float | None = None

    @callback
    def check(
        self, setpoint: MappedSetpoint, now_s: float, *, unavailable: str | None = None
    ) -> None:
        """Look at what acts; `unavailable` is an entity that cannot be read."""
        entity_id = setpoint.unavailable or unavailable
        if entity_id is None:
            self._away_s = None
        elif self._away_s is None:
            self._away_s = now_s
        away = self._away_s is not None and now_s - self._away_s >= AWAY_S
        self.show(ISSUE_UNAVAILABLE, {"entity_id": entity_id or ""}, shown=away)
        refused, error = setpoint.refusal or ("", "")
        self.show(
            ISSUE_REFUSED,
            {"entity_id": refused, "error": error},
            shown=setpoint.refusal is not None,
        )
        self.show(ISSUE_CONTRADICTION, {}, shown=setpoint.conduct.fault is not None)

    @callback
    def show(self, issue: str, placeholders: dict[str, str], *, shown: bool) -> None:
        """Raise an issue, or take it back."""
        issue_id = f"{issue}_{self._subentry_id}"
        if not shown:
            if self._shown.pop(issue, None) is not None:
                ir.async_delete_issue(self._hass, DOMAIN, issue_id)
            return
        if self._shown.get(issue) == placeholders:
            return
        self._shown[issue] = placeholders
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=(
                ir.IssueSeverity.ERROR
                if issue == ISSUE_CONTRADICTION
                else ir.IssueSeverity.WARNING
            ),
            translation_key=issue,
            translation_placeholders={"unit": self._name, **placeholders},
        )

    @callback
    def clear(self) -> None:
        """Take everything back."""
        for issue in ISSUES:
            self.show(issue, {}, shown=False)
