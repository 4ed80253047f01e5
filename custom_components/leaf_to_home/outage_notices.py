"""Tells people what they have to know or do in an outage."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from homeassistant.components import persistent_notification
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import translation

from .const import CONF_BACKUP, DOMAIN
from .engine.outage_model import (
    CARRYING,
    NoBackup,
    Notice,
    NoticeCode,
    OutageDecision,
    OutageRecord,
)
from .health import HomeHealth
from .outage_setup import CONF_STEPS, CONF_STEPS_BACK

# A station that changes its mode for a moment is not worth anybody's time.
GRACE_S: Final = 900.0
# What nobody can put right, or what is only a car that is away, is no repair.
REPAIRED: Final = (NoBackup.WRONG_MODE, NoBackup.FAULT, NoBackup.UNREACHABLE)
LOADS_LEFT: Final = "outage_loads_left"
SUMMARY: Final = "outage_summary"
SUMMARY_TEST: Final = "outage_summary_test"
CATEGORY: Final = "issues"
REASON_CATEGORY: Final = "entity"
REASONS: Final = f"component.{DOMAIN}.{REASON_CATEGORY}.sensor.no_backup.state"
STEPS: Final = {
    NoticeCode.WAITING_FOR_PERSON: CONF_STEPS,
    NoticeCode.SWITCH_BACK: CONF_STEPS_BACK,
}


class OutageNotices:
    """The notifications and repairs of one home; `names` are of units and tiers."""

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        entry_id: str,
        title: str,
        names: Mapping[str, str],
        units: Mapping[str, Mapping[str, Any]],
        health: HomeHealth,
    ) -> None:
        self._hass = hass
        self._entry_id = entry_id
        self._title = title
        self._names = names
        self._units = units
        self._health = health
        self._shown: set[tuple[NoticeCode, str | None]] = set()
        self._missing_s: dict[tuple[str, NoBackup], float] = {}
        self._texts: Mapping[str, str] = {}

    async def async_load(self) -> None:
        """Get the words; what was left off by itself is looked after again."""
        persistent_notification.async_dismiss(self._hass, self._id(LOADS_LEFT, None))
        self._texts = {
            key: text
            for category in (CATEGORY, REASON_CATEGORY)
            for key, text in (
                await translation.async_get_translations(
                    self._hass, self._hass.config.language, category, {DOMAIN}
                )
            ).items()
        }

    @callback
    def async_see(self, decision: OutageDecision, now_s: float) -> None:
        """Show what stands now, and take back what does not."""
        standing = {
            (notice.code, notice.subject): notice
            for notice in decision.notices
            if notice.code is not NoticeCode.BACKUP_NOT_POSSIBLE
            or decision.phase in CARRYING
        }
        for key in standing.keys() - self._shown:
            self._show(standing[key])
        for code, subject in self._shown - standing.keys():
            persistent_notification.async_dismiss(
                self._hass, self._id(code.value, subject)
            )
        self._shown = set(standing)
        self._check_repairs(decision, now_s)
        if decision.ended is not None:
            self._summarise(decision.ended)

    @callback
    def async_stop(self, left: Collection[str]) -> None:
        """Take back what nobody looks after any more; tell which loads are `left` off.

        The home may be back in a moment, or never.
        """
        for code, subject in self._shown:
            persistent_notification.async_dismiss(
                self._hass, self._id(code.value, subject)
            )
        self._shown = set()
        if left:
            self._create(
                LOADS_LEFT,
                self._id(LOADS_LEFT, None),
                {"shed": ", ".join(map(self._name, left))},
            )

    def _check_repairs(self, decision: OutageDecision, now_s: float) -> None:
        missing: set[tuple[str, NoBackup]] = {
            (unit, reason)
            for unit, reason in decision.no_backup.items()
            if reason in REPAIRED
        }
        since_s = {key: self._missing_s.get(key, now_s) for key in missing}
        for unit, reason in self._missing_s.keys() - missing:
            self._health.async_backup_possible(unit, reason)
        for (unit, reason), at_s in since_s.items():
            if now_s - at_s >= GRACE_S:
                name = self._names.get(unit, unit)
                self._health.async_no_backup(unit, reason, name)
        self._missing_s = since_s

    def _show(self, notice: Notice) -> None:
        unit = self._units.get(notice.subject or "", {})
        steps = ""
        if (field := STEPS.get(notice.code)) is not None:
            steps = unit.get(CONF_BACKUP, {}).get(field, "")
        texts = {key: self._text(key, value) for key, value in notice.values.items()}
        subject = notice.subject
        self._create(
            f"outage_{notice.code}",
            self._id(notice.code.value, subject),
            {
                **texts,
                "subject": "–" if subject is None else self._name(subject),
                "steps": steps or "–",
            },
        )

    def _text(self, key: str, value: float | str) -> str:
        if not isinstance(value, str):
            return f"{value:.0f}"
        if key == "reason":
            return self._texts.get(f"{REASONS}.{value}", value)
        return self._name(value)

    def _name(self, subject: str) -> str:
        """Return what a unit, a tier or a load is called."""
        if subject in self._names:
            return self._names[subject]
        state = self._hass.states.get(subject) if "." in subject else None
        return subject if state is None else state.name

    def _summarise(self, record: OutageRecord) -> None:
        ended_s = record.ended_s if record.ended_s is not None else record.began_s
        minutes = max(0.0, ended_s - record.began_s) / 60.0
        lowest = record.lowest_soc_percent
        # A play takes nothing from what stands of a real one.
        key = SUMMARY_TEST if record.test else SUMMARY
        self._create(
            key,
            self._id(key, None),
            {
                "minutes": f"{minutes:.0f}",
                "carried": f"{record.carried_kwh:.1f}",
                "lowest": "–" if lowest is None else f"{lowest:.0f}",
                "shed": ", ".join(map(self._name, record.shed)) or "–",
            },
        )

    def _create(self, key: str, notice_id: str, values: Mapping[str, str]) -> None:
        path = f"component.{DOMAIN}.{CATEGORY}.{key}"
        texts = {"home": self._title, **values}
        title, text = (
            _filled(self._texts.get(f"{path}.{part}", key), texts)
            for part in ("title", "description")
        )
        persistent_notification.async_create(self._hass, text, title, notice_id)

    def _id(self, code: str, subject: str | None) -> str:
        parts = [DOMAIN, self._entry_id, code, *([subject] if subject else ())]
        return "_".join(parts)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its values; what the user wrote is no template."""
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text
