"""Raises and clears the repairs that the running home gives reason for."""

from collections.abc import Mapping
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .engine.model import Guard, HomeMode, Inputs
from .engine.outage_model import NoBackup
from .engine.problems import Problem
from .engine.signs import Sight, SignDetector
from .engine.state import HomeState
from .sources.meters import Meters

# A source that is silent shows at once; it is worth a repair when it stays so.
STALE_S: Final = 900.0
CHECK_S: Final = 10.0

ISSUE_BACKUP: Final = "backup"
ISSUE_GRID_SIGN: Final = "grid_sign"
# The same where no setting has the sign.
ISSUE_GRID_SIGN_UNIT: Final = "grid_sign_unit"
ISSUE_LOAD_MISSING: Final = "load_missing"
ISSUE_NO_DECISION: Final = "no_decision"
ISSUE_PLAN: Final = "plan"
ISSUE_PRICES_MISSING: Final = "prices_missing"
ISSUE_SOURCE_STALE: Final = "source_stale"
ISSUE_STORE_UNREADABLE: Final = "store_unreadable"


class HomeHealth:
    """Watches a home's sources for what only the user can put right."""

    def __init__(self, hass: HomeAssistant, *, entry_id: str, title: str) -> None:
        self._hass = hass
        self._entry_id = entry_id
        self._title = title
        self._signs = SignDetector()
        self._sign_wrong: bool | None = None
        self._silent_s: dict[str, float] = {}
        self._stale: set[str] = set()
        self._checked_s = 0.0

    @callback
    def async_check(
        self, meters: Meters, inputs: Inputs, state: HomeState, now_s: float
    ) -> None:
        """Look at this step's measurements."""
        self._check_sign(meters, inputs, state, now_s)
        if not 0.0 <= now_s - self._checked_s < CHECK_S:
            self._checked_s = now_s
            self._check_sources(meters, now_s)

    @callback
    def async_store_unreadable(self, aside: str) -> None:
        """Tell that the home begins anew, and where the old state lies."""
        self._create(
            ISSUE_STORE_UNREADABLE,
            ISSUE_STORE_UNREADABLE,
            {"path": aside},
            severity=ir.IssueSeverity.ERROR,
            fixable=True,
            persistent=True,
        )

    @callback
    def async_undecided(self, error: Exception) -> None:
        """Tell that no decision can be made, so that nothing is commanded."""
        self._create(
            ISSUE_NO_DECISION,
            ISSUE_NO_DECISION,
            {"error": f"{type(error).__name__}: {error}"},
            severity=ir.IssueSeverity.ERROR,
        )

    @callback
    def async_decided(self) -> None:
        """Take that back: decisions are made again."""
        self._delete(ISSUE_NO_DECISION)

    @callback
    def async_plan_problem(self, problem: Problem, numbers: Mapping[str, str]) -> None:
        """Tell what plans cannot meet for days."""
        self._create(f"{ISSUE_PLAN}_{problem}", f"{ISSUE_PLAN}_{problem}", numbers)

    @callback
    def async_plan_in_order(self, problem: Problem) -> None:
        """Take that back."""
        self._delete(f"{ISSUE_PLAN}_{problem}")

    @callback
    def async_no_backup(self, unit_id: str, reason: NoBackup, unit: str) -> None:
        """Tell that a unit could not carry the house, where a person can change it."""
        self._create(
            f"{ISSUE_BACKUP}_{reason}_{unit_id}",
            f"{ISSUE_BACKUP}_{reason}",
            {"unit": unit},
        )

    @callback
    def async_backup_possible(self, unit_id: str, reason: NoBackup) -> None:
        """Take that back."""
        self._delete(f"{ISSUE_BACKUP}_{reason}_{unit_id}")

    @callback
    def async_load_missing(self, load: str) -> None:
        """Tell that what is to be shed or put back does not exist."""
        self._create(
            f"{ISSUE_LOAD_MISSING}_{load}", ISSUE_LOAD_MISSING, {"entity_id": load}
        )

    @callback
    def async_load_found(self, load: str) -> None:
        """Take that back."""
        self._delete(f"{ISSUE_LOAD_MISSING}_{load}")

    @callback
    def async_prices_missing(self, error: str) -> None:
        """Tell that no prices have come for a day, and why where that is known."""
        self._create(
            ISSUE_PRICES_MISSING,
            ISSUE_PRICES_MISSING,
            {"error": error},
        )

    @callback
    def async_prices_came(self) -> None:
        """Take that back."""
        self._delete(ISSUE_PRICES_MISSING)

    def _check_sign(
        self, meters: Meters, inputs: Inputs, state: HomeState, now_s: float
    ) -> None:
        sight = _sight(meters, inputs, state, now_s)
        if sight is None:
            return
        wrong = self._signs.see(sight)
        if wrong == self._sign_wrong:
            return
        self._sign_wrong = wrong
        if wrong:
            by_unit = meters.unit_meter is not None
            self._create(
                ISSUE_GRID_SIGN,
                ISSUE_GRID_SIGN_UNIT if by_unit else ISSUE_GRID_SIGN,
                {},
                fixable=not by_unit,
            )
        else:
            self._delete(ISSUE_GRID_SIGN)

    def _check_sources(self, meters: Meters, now_s: float) -> None:
        silent = set(meters.silent(now_s))
        self._silent_s = {
            entity_id: self._silent_s.get(entity_id, now_s) for entity_id in silent
        }
        stale = {
            entity_id
            for entity_id, since_s in self._silent_s.items()
            if now_s - since_s >= STALE_S
        }
        for entity_id in stale - self._stale:
            self._create(
                f"{ISSUE_SOURCE_STALE}_{entity_id}",
                ISSUE_SOURCE_STALE,
                {"entity_id": entity_id},
            )
        for entity_id in self._stale - stale:
            self._delete(f"{ISSUE_SOURCE_STALE}_{entity_id}")
        self._stale = stale

    def _create(
        self,
        issue: str,
        translation_key: str,
        placeholders: Mapping[str, str],
        *,
        severity: ir.IssueSeverity = ir.IssueSeverity.WARNING,
        fixable: bool = False,
        persistent: bool = False,
    ) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{issue}_{self._entry_id}",
            data={"entry_id": self._entry_id},
            is_fixable=fixable,
            is_persistent=persistent,
            severity=severity,
            translation_key=translation_key,
            translation_placeholders={"home": self._title, **placeholders},
        )

    def _delete(self, issue: str) -> None:
        ir.async_delete_issue(self._hass, DOMAIN, f"{issue}_{self._entry_id}")


@callback
def async_clear_issues(
    hass: HomeAssistant, entry_id: str, *, also_persistent: bool
) -> None:
    """Delete a home's issues; what still holds is raised again when it shows."""
    registry = ir.async_get(hass)
    for (domain, issue_id), issue in list(registry.issues.items()):
        if domain != DOMAIN or not issue_id.endswith(f"_{entry_id}"):
            continue
        if also_persistent or not issue.is_persistent:
            registry.async_delete(domain, issue_id)


def _sight(
    meters: Meters, inputs: Inputs, state: HomeState, now_s: float
) -> Sight | None:
    """Return what is measured now, None without a fresh grid sample or reading.

    In an island a meter may see what the units give, which tells nothing of its sign.
    """
    if state.guard is not Guard.CLEAR:
        return None
    if inputs.grid is None or not inputs.grid.fresh(now_s):
        return None
    units_w = 0.0
    for known in inputs.units.values():
        reading = known.reading
        if reading is None or not reading.fresh(now_s) or reading.power_w is None:
            return None
        units_w += reading.power_w
    load_w: float | None = inputs.grid.value + units_w
    for expected, sample in (
        (inputs.has_solar, inputs.solar),
        (inputs.has_other, inputs.other),
    ):
        if not expected:
            continue
        if load_w is None or sample is None or not sample.fresh(now_s):
            load_w = None
        else:
            load_w += sample.value
    # What is only shown moves nothing.
    observed = state.settings.mode is HomeMode.OBSERVE
    commands = [
        unit.command_s
        for key, unit in state.units.items()
        if key in inputs.units and unit.command_s is not None and not observed
    ]
    return Sight(
        time_s=now_s,
        grid_w=inputs.grid.value,
        units_w=units_w,
        load_w=load_w,
        command_s=max(commands, default=None),
        dark=meters.daylight.dark(now_s),
    )
