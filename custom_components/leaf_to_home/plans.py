"""Plans beside the loop of a running home: in the executor, soon, and never piled up.

Nothing here decides: what a plan wants is one more input of the engine's step. Without
a plan, with one that is too old or that was made for something else, the engine's rule
is in charge.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.importlib import async_import_module

from .const import DOMAIN, LOGGER
from .engine.announced import all_trips, departures_ahead, trips_ahead
from .engine.basis import Basis, Change, basis_of, change
from .engine.following import Following
from .engine.model import Departure, Inputs
from .engine.outage_model import LoadOutlook
from .engine.plan import Plan
from .engine.problems import Finding, Problem, findings
from .engine.quarters import QUARTER_S
from .engine.requirement import Trip
from .engine.shortfall import shortfalls
from .engine.state import HomeState
from .engine.stored import to_dict
from .hearing import Hearing
from .plan_problems import PlanProblems
from .plan_store import PlanStore
from .publisher import Publisher
from .recall import Recall
from .sources.solar_forecast import SolarForecasts

if TYPE_CHECKING:
    from .engine.forecast_error import ForecastErrors
    from .workshop import Made, Order, Workshop

# Changes make so many plans at once, and then as many in each of these times.
BURST: Final = 4
BURST_S: Final = 60.0
# A plan takes tens of milliseconds; one that takes this long is late.
LATE_S: Final = 60.0
# The past grows slowly and is large; a kill costs as much of it at most.
KEEP_S: Final = 3600.0
# Longer than this a home that ends does not wait for a plan.
STOP_S: Final = 5.0


class HomePlans:
    """Makes plans when something changed and every quarter-hour."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, problems: PlanProblems
    ) -> None:
        self.problems = problems
        # For diagnostics.
        self.report: dict[str, Any] = {"made": 0, "failed": 0, "error": None}
        self.errors: ForecastErrors | None = None
        self._hass = hass
        self._entry = entry
        self._store = PlanStore(hass, entry.entry_id)
        self._published = Publisher()
        self._hearing = Hearing()
        self._recall = Recall(hass, entry, self._recalled)
        self._sun = SolarForecasts(hass, entry, self._sun_told)
        self._following: Following | None = None
        self._latest: tuple[HomeState, Inputs] | None = None
        self._past: Mapping[str, Any] = {}
        self._workshop: Workshop | None = None
        self._contract: str | None = None
        self._tried_for: Basis | None = None
        self._wanted = False
        self._led_by: object = None
        self._quarter: int | None = None
        self._begun_s: deque[float] = deque(maxlen=BURST)
        self._running_s: float | None = None
        self._kept_s: float | None = None
        self._unwritten: dict[str, Any] | None = None
        self.outlook: LoadOutlook | None = None
        self._written_quarter: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._on_made: Callable[[], None] | None = None

    async def async_load(self) -> None:
        """Read back what was kept over the restart."""
        kept = await self._store.async_load()
        self._following = kept.following
        self._past = kept.past
        self.problems.log = kept.problems

    @callback
    def async_start(self, on_made: Callable[[], None]) -> None:
        """Call `on_made` after each attempt at a plan, so that it is acted on."""
        self._on_made = on_made

    async def async_stop(self) -> None:
        """Make no more plans, and keep the past."""
        if self._stopped:
            return
        self._stopped = True
        self._recall.async_stop()
        self._sun.async_stop()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=STOP_S)
            self._task.cancel()
        await self._async_write_plan()
        if self._following is None and self.problems.log.told_s:
            # What was told where nobody plans is not to be told again.
            await self._store.async_write_plan({}, None, self.problems.log)
        if self._workshop is not None:
            past = await self._hass.async_add_executor_job(
                self._workshop.keep, self._hearing.async_take()
            )
            if past is not None:
                await self._store.async_write_past(past)

    @callback
    def async_subscribe(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call back after each attempt at a plan, and when there is none any more."""
        return self._published.async_subscribe(listener)

    @property
    def running(self) -> bool:
        """Return whether a plan is being made."""
        return self._running_s is not None

    @property
    def plans(self) -> Mapping[str, Plan]:
        """Return the latest plans, for showing."""
        return self._following.plans if self._following else {}

    @property
    def made_s(self) -> float | None:
        """Return when the latest plans were made."""
        return self._following.made_s if self._following else None

    def followed(self, now_s: float) -> bool:
        """Return whether it is the plans that decide, and not the rule."""
        following = self._following
        return following is not None and following.current and following.young(now_s)

    def departure(self, key: str, now_s: float) -> tuple[Departure, float] | None:
        """Return a unit's next departure, and what it is expected to leave with.

        A trip that began early has no departure any more.
        """
        plan = self.plans.get(key)
        if plan is None or self._latest is None:
            return None
        for departure in _departures(*self._latest, key, now_s):
            soc_percent = plan.soc_percent_at(departure.time_s)
            before = plan.at(departure.time_s - 1.0)
            if before is not None and not before.home:
                continue
            if departure.time_s > now_s:
                return None if soc_percent is None else (departure, soc_percent)
        return None

    def trips(self, key: str, now_s: float) -> list[Trip]:
        """Return the trips of a unit and all its cars, as each source told of them."""
        if self._latest is None:
            return []
        state, inputs = self._latest
        unit, known = state.units[key], inputs.units[key]
        told = all_trips(unit, known, inputs.site.tariff, now_s)
        return sorted(told, key=lambda trip: trip.departure_s)

    def next_trip(self, key: str, now_s: float) -> Trip | None:
        """Return the next trip of the car at the plug, from all that was told of it."""
        if self._latest is None:
            return None
        state, inputs = self._latest
        unit, known = state.units[key], inputs.units[key]
        ahead = trips_ahead(unit, known, inputs.site.tariff, now_s)
        return next((trip for trip in ahead if trip.departure_s > now_s), None)

    def cost(self, begin_s: float, end_s: float) -> float | None:
        """Return what the home is expected to pay in that time."""
        plans = list(self.plans.values())
        # The last unit's plan stands on what all the others do.
        return plans[-1].cost(begin_s, end_s) if plans else None

    @callback
    def async_with_wishes(
        self, state: HomeState, inputs: Inputs, now_s: float
    ) -> Inputs:
        """Return the inputs with what the plans want now, where they hold."""
        following, contract = self._following, self._fixed(inputs)
        if following is None:
            return inputs
        if following.made_for.contract != contract:
            following.current = False
            return inputs
        return following.wanted(state, inputs, now_s)

    @callback
    def async_hear(self, state: HomeState, inputs: Inputs, now_s: float) -> None:
        """Take in a step, and plan anew where it is time to."""
        if self._stopped or not inputs.units:
            return
        self._latest = state, inputs
        if self._entry.state is not ConfigEntryState.LOADED:
            # Nobody who waits for the home is to wait for numpy.
            return
        jumped = self._hearing.async_hear(state, inputs, now_s)
        basis = basis_of(
            state,
            inputs,
            now_s,
            self._fixed(inputs),
            level_known=self._hearing.level.settled,
        )
        self._tell_unplanned(state, inputs, basis, now_s)
        if not basis.units:
            self._tried_for, self._wanted = None, False
            self.problems.async_nothing_planned()
        elif self._tried_for is None:
            self._wanted = True
        else:
            changed = change(self._tried_for, basis, now_s) is not Change.NONE
            self._wanted |= jumped or changed
        self._drop_what_is_over(basis, now_s)
        who = state.settings.mode, self.followed(now_s)
        if who != self._led_by:
            self._led_by = who
            self._published.async_publish()
        if self._running_s is not None:
            if basis.units:
                self._check_late(self._running_s, now_s)
            return
        quarter = int(now_s // QUARTER_S)
        if self._quarter is None:
            # Where nobody plans there is nothing to learn yet, and numpy can wait.
            self._quarter = quarter
        if quarter == self._quarter and not (self._wanted and self._may_begin(now_s)):
            return
        self._quarter = quarter
        self._begin(state, inputs, basis, now_s)

    def _tell_unplanned(
        self, state: HomeState, inputs: Inputs, basis: Basis, now_s: float
    ) -> None:
        """Tell of departures that cannot be met where the rule is in charge."""
        planned = () if self.report["error"] is not None else basis.units.keys()
        self.problems.async_see_unplanned(
            shortfalls(state, inputs, now_s, planned),
            now_s,
            (
                state.settings,
                [
                    (unit.settings, unit.vehicle, unit.requirements)
                    for unit in state.units.values()
                ],
            ),
        )

    def _may_begin(self, now_s: float) -> bool:
        """Return whether flapping leaves room for one more plan."""
        begun_s = self._begun_s
        return len(begun_s) < BURST or not 0.0 <= now_s - begun_s[0] < BURST_S

    @callback
    def _begin(
        self, state: HomeState, inputs: Inputs, basis: Basis, now_s: float
    ) -> None:
        if self._kept_s is None:
            self._kept_s = now_s
        anew = (
            self._tried_for is not None
            and change(self._tried_for, basis, now_s) is Change.SETTINGS
        )
        self._tried_for = basis if basis.units else None
        self._wanted = False
        self._begun_s.append(now_s)
        self._running_s = self._hass.loop.time()
        self._task = self._entry.async_create_background_task(
            self._hass,
            self._async_work(state, inputs, basis, now_s, anew=anew),
            f"{DOMAIN} plan",
        )

    async def _async_work(
        self,
        state: HomeState,
        inputs: Inputs,
        basis: Basis,
        now_s: float,
        *,
        anew: bool,
    ) -> None:
        made: Made | None = None
        try:
            made = await self._async_make(state, inputs, basis, now_s)
        except Exception as err:  # noqa: BLE001 a plan may fail in any way
            # Whatever it is, the rule stands in.
            self._failed(err, basis, now_s)
        else:
            self._take(made, state, inputs, basis, anew=anew)
        finally:
            self._running_s = None
        self._published.async_publish()
        if self._on_made is not None:
            self._on_made()
        if made is not None:
            await self._async_write(made, now_s)

    async def _async_make(
        self, state: HomeState, inputs: Inputs, basis: Basis, now_s: float
    ) -> Made:
        module = await async_import_module(self._hass, f"{__package__}.workshop")
        if self._workshop is None:
            opened: Workshop = await self._hass.async_add_executor_job(
                module.Workshop, self._past
            )
            self._workshop, self._past = opened, {}
        self._recall.async_begin(self._workshop, inputs, now_s)
        self._sun.async_begin(now_s)
        level = self._hearing.level
        order: Order = module.Order(
            state=state,
            inputs=inputs,
            now_s=now_s,
            units=tuple(basis.units),
            load_w=level.load_w,
            solar_w=level.solar_w,
            keep=self._kept_s is None or not 0.0 <= now_s - self._kept_s < KEEP_S,
            sun=self._sun.latest,
        )
        return await self._hass.async_add_executor_job(
            self._workshop.work, self._hearing.async_take(), order
        )

    @callback
    def _take(
        self,
        made: Made,
        state: HomeState,
        inputs: Inputs,
        basis: Basis,
        *,
        anew: bool,
    ) -> None:
        """Take over what was made."""
        if self.report["error"] is not None:
            LOGGER.info("%s: plans are made again", self._entry.title)
        self.report |= {
            "made": self.report["made"] + 1,
            "error": None,
            "took_ms": round(made.took_s * 1e3, 1),
            "longest_ms": round(
                max(made.took_s * 1e3, self.report.get("longest_ms", 0.0)), 1
            ),
            "past": made.size,
            "forecast_errors": to_dict(made.errors),
        }
        self.errors = made.errors
        self.outlook = made.outlook
        if not made.plans:
            return
        now_s = min(plan.made_s for plan in made.plans.values())
        self._following = Following(made.plans, basis)
        self._unwritten = made.stored
        departures = {key: _departures(state, inputs, key, now_s) for key in made.plans}
        found = findings(made.plans, basis, departures)
        self.problems.async_see(found, now_s, anew=anew)

    @callback
    def _recalled(self, report: Mapping[str, Any]) -> None:
        """Plan anew on what the recorder knew of the past."""
        self._wanted |= report["quarters"] > 0
        self.report["recalled"] = report

    @callback
    def _sun_told(self) -> None:
        """Plan anew on the sun that is forecast now."""
        self._wanted = True
        self.report["solar_forecasts"] = len(self._sun.latest)

    @callback
    def _failed(self, error: Exception, basis: Basis, now_s: float) -> None:
        """Leave the rule in charge, now or once the last plan is too old."""
        if self.report["error"] is None:
            LOGGER.exception("%s: no plan could be made", self._entry.title)
        self.report |= {
            "failed": self.report["failed"] + 1,
            "error": f"{type(error).__name__}: {error}",
        }
        if self._following is not None and not self._following.current:
            self._following = None
        if basis.units:
            self.problems.async_see([Finding(problem=Problem.FAILED)], now_s)

    @callback
    def _check_late(self, since_s: float, now_s: float) -> None:
        """Say so once when a plan takes too long; no other one is begun meanwhile."""
        late = Finding(problem=Problem.LATE)
        if self._hass.loop.time() - since_s <= LATE_S or late in self.problems.found:
            return
        LOGGER.warning("%s: a plan takes very long", self._entry.title)
        self.problems.async_see([late, *self.problems.planned], now_s)
        self._published.async_publish()

    @callback
    def _drop_what_is_over(self, basis: Basis, now_s: float) -> None:
        """Show no plans that nobody goes by, unless new ones are on their way."""
        following = self._following
        if following is None:
            return
        renewed = self._running_s is not None or self._wanted
        if not (
            basis.units and following.young(now_s) and (following.current or renewed)
        ):
            self._following = None
            self._published.async_publish()

    async def _async_write(self, made: Made, now_s: float) -> None:
        """Keep the plans once a quarter-hour, and the past more rarely."""
        quarter = int(now_s // QUARTER_S)
        if quarter != self._written_quarter:
            self._written_quarter = quarter
            await self._async_write_plan()
        if made.past is not None:
            self._kept_s = now_s
            await self._store.async_write_past(made.past)

    async def _async_write_plan(self) -> None:
        unwritten, self._unwritten = self._unwritten, None
        if unwritten is not None and self._following is not None:
            await self._store.async_write_plan(
                unwritten, self._following.made_for, self.problems.log
            )

    def _fixed(self, inputs: Inputs) -> str:
        """Return a digest of what stays as it is until the home is loaded anew.

        The first inputs are those before the car at the plug sits in them.
        """
        if self._contract is None:
            tariff = inputs.site.tariff
            data = {
                "options": dict(self._entry.options),
                "units": {
                    key: [
                        to_dict(unit.spec),
                        to_dict(dict(unit.vehicles)),
                        [to_dict(dict(each)) for each in unit.patterns.values()],
                    ]
                    for key, unit in inputs.units.items()
                },
                "zone": tariff.zone.key,
                "currency": tariff.currency,
            }
            text = json.dumps(data, sort_keys=True, default=str)
            self._contract = hashlib.sha256(text.encode()).hexdigest()
        return self._contract


def _departures(
    state: HomeState, inputs: Inputs, key: str, now_s: float
) -> tuple[Departure, ...]:
    tariff = inputs.site.tariff
    return departures_ahead(state.units[key], inputs.units[key], tariff, now_s)
