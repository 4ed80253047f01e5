"""The plans of a running home: made in the executor, kept over a restart.

Nothing here decides: a plan's intent is one more input of the engine's step. Without a
plan, or with one that is too old, the engine's rule is in charge.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from .const import DOMAIN, LOGGER
from .engine.model import Inputs, Intent, NextAction
from .engine.state import HomeState
from .publisher import Publisher
from .store import NewerStore, SafeStore

if TYPE_CHECKING:
    from .engine.plan import Plan
    from .engine.planning import OwnPast, Past, Planner

QUARTER_S: Final = 900.0
# A plan that could not be renewed for this long leaves the rule in charge.
PLAN_MAX_AGE_S: Final = 3600.0
# Changes that come together make one plan.
SETTLE_S: Final = 5.0
NO_PROBLEM: Final = "none"
FAILED: Final = "failed"


@dataclass(slots=True)
class _Quarter:
    """The means of the quarter-hour that runs."""

    begin_s: float = 0.0
    spent_s: float = 0.0
    load_ws: float = 0.0
    solar_ws: float = 0.0


@dataclass(slots=True)
class _Heard:
    """What has been heard since the last plan."""

    draws: list[tuple[float, float, float]] = field(default_factory=list)
    moments: list[tuple[HomeState, Inputs, float]] = field(default_factory=list)


class _Workshop:
    """What plans are made with; only ever used by one executor job at a time."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        # numpy comes with these, and is not needed before the first plan.
        from .engine.forecast import DrawHistory  # noqa: PLC0415
        from .engine.planning import OwnPast, Past, Planner  # noqa: PLC0415
        from .engine.presence import PresenceHistory  # noqa: PLC0415

        self.past: Past = Past(
            draw=DrawHistory.from_dict(stored.get("draw")),
            presence={
                key: PresenceHistory.from_dict(data)
                for key, data in (stored.get("presence") or {}).items()
            },
        )
        self.draws: OwnPast = OwnPast(history=self.past.draw)
        self.planner: Planner = Planner()

    def make(
        self, state: HomeState, inputs: Inputs, now_s: float, heard: _Heard
    ) -> tuple[dict[str, Plan], dict[str, Any]]:
        """Return the plans, and what is to be stored."""
        tariff = inputs.site.tariff
        for begin_s, load_w, solar_w in heard.draws:
            day, minute = tariff.day_minute(begin_s)
            self.past.draw.add(
                date.fromisoformat(day).toordinal(), minute // 15, load_w, solar_w
            )
        for moment in heard.moments:
            self.past.hear(*moment)
        plans = self.planner.plan(state, inputs, self.past, self.draws, now_s)
        stored = {
            "plans": {key: plan.to_dict() for key, plan in plans.items()},
            "draw": self.past.draw.to_dict(),
            "presence": {
                key: presence.to_dict() for key, presence in self.past.presence.items()
            },
        }
        return plans, stored


class HomePlans:
    """Makes plans when something changed and every quarter-hour; never blocks."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        self.plans: dict[str, Plan] = {}
        self.failed = False
        # For which car of a unit its plan was made.
        self._vehicles: Mapping[str, str | None] = {}
        self._hass = hass
        self._entry = entry
        self._store = plan_store(hass, entry.entry_id)
        self._stored: Mapping[str, Any] = {}
        self._workshop: _Workshop | None = None
        self._published = Publisher()
        self._quarter = _Quarter()
        self._heard = _Heard()
        self._before_s: float | None = None
        self._signature: object = None
        self._changed_s: float | None = None
        self._planned_quarter = -1
        self._busy = False

    async def async_load(self) -> None:
        """Read plans and past back; what cannot be read is learnt anew."""
        try:
            self._stored = await self._store.async_load() or {}
        except AttributeError, KeyError, NewerStore, TypeError:
            LOGGER.warning("%s: the stored plan cannot be read", self._entry.title)
            return
        self._vehicles = self._stored.get("vehicles") or {}
        if self._stored.get("plans"):
            self.plans = await self._hass.async_add_executor_job(
                _read_plans, self._stored["plans"]
            )

    @callback
    def async_subscribe(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call back after each new plan."""
        return self._published.async_subscribe(listener)

    @callback
    def async_with_intents(self, inputs: Inputs, now_s: float) -> Inputs:
        """Return the inputs with what the plans want now."""
        if not self.plans:
            return inputs
        units = {
            key: replace(
                unit,
                plan=self.intent(key, now_s),
                plan_vehicle=self._vehicles.get(key),
            )
            for key, unit in inputs.units.items()
        }
        return replace(inputs, units=units)

    def intent(self, key: str, now_s: float) -> Intent | None:
        """Return what a unit's plan wants now, None where there is no fresh one."""
        plan = self.plans.get(key)
        if plan is None or not 0.0 <= now_s - plan.made_s <= PLAN_MAX_AGE_S:
            return None
        step = plan.at(now_s)
        return step.intent if step is not None and step.home else None

    def next_action(self, now_s: float) -> NextAction | None:
        """Return the first change that the plans intend."""
        actions = []
        for key, plan in self.plans.items():
            now = self.intent(key, now_s)
            if now is None:
                continue
            for step in plan.steps:
                if step.start_s > now_s and step.intent.kind is not now.kind:
                    actions.append(
                        NextAction(kind=step.intent.kind, time_s=step.start_s)
                    )
                    break
        return min(actions, key=lambda action: action.time_s, default=None)

    def cost_until(self, now_s: float, until_s: float) -> float | None:
        """Return what the home is expected to pay from now until then."""
        if not self.plans:
            return None
        # The last unit's plan stands on what all the others do.
        plan = list(self.plans.values())[-1]
        total = 0.0
        for step in plan.steps:
            begin_s, end_s = max(step.start_s, now_s), min(step.end_s, until_s)
            if end_s > begin_s:
                total += step.cost * (end_s - begin_s) / (step.end_s - step.start_s)
        return total

    @property
    def problem(self) -> str:
        """Return the worst thing that the plans cannot meet."""
        if self.failed:
            return FAILED
        problems = [code for plan in self.plans.values() for code in plan.problems]
        return min(problems, default=NO_PROBLEM)

    @callback
    def async_hear(self, state: HomeState, inputs: Inputs, now_s: float) -> None:
        """Take in a step, and plan anew where it is time to."""
        self._count(state, now_s)
        signature = _signature(state, inputs)
        if signature != self._signature:
            self._signature = signature
            self._changed_s = now_s
            self._heard.moments.append((state, inputs, now_s))
        quarter = int(now_s // QUARTER_S)
        due = self._changed_s is not None and now_s - self._changed_s >= SETTLE_S
        if self._busy or not (due or quarter != self._planned_quarter):
            return
        if all(unit.stored_kwh is None for unit in state.units.values()):
            return
        self._planned_quarter = quarter
        self._changed_s = None
        self._heard.moments.append((state, inputs, now_s))
        self._busy = True
        self._entry.async_create_background_task(
            self._hass,
            self._async_plan(state, inputs, now_s),
            f"{DOMAIN} plan",
        )

    def _count(self, state: HomeState, now_s: float) -> None:
        before_s, self._before_s = self._before_s, now_s
        quarter = self._quarter
        begin_s = now_s // QUARTER_S * QUARTER_S
        if begin_s != quarter.begin_s:
            if quarter.spent_s > QUARTER_S / 2.0:
                self._heard.draws.append(
                    (
                        quarter.begin_s,
                        quarter.load_ws / quarter.spent_s,
                        quarter.solar_ws / quarter.spent_s,
                    )
                )
            self._quarter = quarter = _Quarter(begin_s=begin_s)
        if before_s is None or state.load_w is None:
            return
        length_s = min(max(now_s - before_s, 0.0), 60.0)
        quarter.spent_s += length_s
        quarter.load_ws += state.load_w * length_s
        quarter.solar_ws += (state.solar_w or 0.0) * length_s

    async def _async_plan(self, state: HomeState, inputs: Inputs, now_s: float) -> None:
        heard, self._heard = self._heard, _Heard()
        try:
            plans, stored = await self._hass.async_add_executor_job(
                self._make, state, inputs, now_s, heard
            )
        except Exception:  # noqa: BLE001
            # The rule goes on deciding once the last plan is too old.
            if not self.failed:
                LOGGER.exception("%s: no plan could be made", self._entry.title)
            self.failed = True
        else:
            self.failed = False
            self.plans = plans
            self._vehicles = {key: unit.vehicle for key, unit in state.units.items()}
            await self._store.async_write(stored | {"vehicles": self._vehicles})
        finally:
            self._busy = False
        self._published.async_publish()

    def _make(
        self, state: HomeState, inputs: Inputs, now_s: float, heard: _Heard
    ) -> tuple[dict[str, Plan], dict[str, Any]]:
        if self._workshop is None:
            self._workshop = _Workshop(self._stored)
            self._stored = {}
        return self._workshop.make(state, inputs, now_s, heard)


def _signature(state: HomeState, inputs: Inputs) -> object:
    """Return what a plan depends on, beside the time that passes."""
    return (
        state.settings,
        id(inputs.site),
        [
            (
                key,
                state.units[key].settings,
                state.units[key].connected,
                state.units[key].vehicle,
                u.departures,
            )
            for key, u in inputs.units.items()
        ],
    )


def _read_plans(data: Mapping[str, Any]) -> dict[str, Plan]:
    from .engine.plan import Plan  # noqa: PLC0415

    plans = {}
    for key, plan in data.items():
        try:
            plans[key] = Plan.from_dict(plan)
        except ValueError:
            LOGGER.warning("A stored plan cannot be read and is made anew")
    return plans


def plan_store(hass: HomeAssistant, entry_id: str) -> SafeStore:
    """Return where a home keeps its plans and what they are made from."""
    return SafeStore(hass, f"{DOMAIN}.plan.{entry_id}")
