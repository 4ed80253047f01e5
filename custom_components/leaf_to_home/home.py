"""The running home: collects what is measured, lets the engine decide, passes it on."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import LOGGER, SAVE_INTERVAL
from .coordinator import UnitCoordinator
from .engine.announced import without_past
from .engine.battery import UnitSpec
from .engine.guard import may_park
from .engine.model import Decision, Guard, HomeMode, Site, UnitMode, UnitStatus
from .engine.outage_model import UnitBackup
from .engine.requirement import Pattern, Requirement
from .engine.savings import Savings, savings
from .engine.state import HomeState
from .engine.step import step
from .engine.vehicles import seated
from .health import HomeHealth
from .inputs import collect
from .leaving import async_leave
from .listening import Listening
from .outages import HomeOutages
from .plans import HomePlans
from .publisher import Publisher, urgent
from .saver import Saver, worth_saving
from .sources.meters import Meters
from .sources.prices import HomePrices
from .store import HomeStore
from .unit_runtime import UnitRuntime
from .units.base import Unit, UnitInfo
from .vehicles import Vehicle
from .worker import UnitWorker

# Ageing, windows and prices go on when no sample comes.
TICK: Final = timedelta(seconds=5)
# A single slip is over with the next step; more of them in a row are not.
FAILURES: Final = 3

type LeafToHomeConfigEntry = ConfigEntry[HomeRuntime]


@dataclass(kw_only=True, slots=True)
class HomeRuntime:
    """What a loaded config entry carries; `reloads`: it is about to be loaded anew."""

    home: Home
    units: dict[str, UnitRuntime]
    reloads: bool = False


class Home:
    """One home and its units.

    Nothing here decides: `step` does, on the latest samples and readings.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: LeafToHomeConfigEntry,
        *,
        site: Site,
        meters: Meters,
        store: HomeStore,
        state: HomeState,
        health: HomeHealth,
        plans: HomePlans,
        prices: HomePrices,
        outages: HomeOutages,
    ) -> None:
        self.hass = hass
        self.entry = entry
        self.site = site
        self.state = state
        self.decision: Decision | None = None
        self.plans = plans
        self.prices = prices
        self.outages = outages
        self.units: dict[str, UnitRuntime] = {}
        self._meters = meters
        self._health = health
        self._saver = Saver(
            hass,
            store,
            state=state,
            snapshot=self._snapshot,
            units=lambda: [runtime.unit for runtime in self.units.values()],
        )
        self._shown = Publisher()
        self._fast = Publisher()
        self._stopped = False
        self._failures = 0
        self._stops: list[CALLBACK_TYPE] = []
        self._stop_meters: CALLBACK_TYPE | None = None
        self._listening = Listening(hass, meters, self.async_step)

    @property
    def persisted(self) -> HomeState:
        """Return the state as it stands on disk; totals are shown from it."""
        return self._saver.persisted

    @property
    def savings(self) -> Savings:
        """Return the savings so far, as they stand on disk."""
        return savings(self.persisted)

    @property
    def failing(self) -> bool:
        """Return whether no decision could be made, again and again."""
        return self._failures >= FAILURES

    def add_unit(
        self,
        subentry_id: str,
        *,
        name: str,
        spec: UnitSpec,
        unit: Unit,
        vehicles: Mapping[str, Vehicle],
        native: bool,
        patterns: Mapping[str, Pattern],
        backup: UnitBackup,
        on_info: Callable[[UnitRuntime], None],
    ) -> None:
        """Take a unit in, before the home starts; `on_info`: it said what it is.

        `vehicles` are the cars that belong to it; without `native` it is led by
        set-points. `patterns` are the trips of each week, by car.
        """

        @callback
        def learnt(info: UnitInfo) -> None:
            runtime.info = info
            on_info(runtime)

        runtime = UnitRuntime(
            subentry_id=subentry_id,
            name=name,
            spec=spec,
            unit=unit,
            coordinator=UnitCoordinator(
                self.hass, self.entry, unit=unit, name=name, on_info=learnt
            ),
            worker=UnitWorker(
                unit=unit,
                name=name,
                may_write=lambda park: self._may_write(runtime, park=park),
                on_outcome=self._show,
            ),
            vehicles=vehicles,
            native=native,
            patterns=patterns,
            backup=backup,
        )
        self.units[subentry_id] = runtime

    async def async_start(self) -> None:
        """Listen, read every unit once, decide for the first time, then keep going."""
        self.prices.async_start(self._new_prices)
        self._stop_meters = self._meters.async_start(
            on_grid=self._listening.async_grid_heard, on_mains=self.async_step
        )
        for runtime in self.units.values():
            self._stops.append(
                runtime.coordinator.async_add_listener(
                    self._listening.unit_listener(runtime)
                )
            )
        await asyncio.gather(
            *(runtime.coordinator.async_start() for runtime in self.units.values())
        )
        for runtime in self.units.values():
            runtime.worker.async_start(self.hass)
        self.plans.async_start(self.async_step)
        self.outages.async_start(self.async_step)
        self.async_step()
        self._stops += [
            async_track_time_interval(
                self.hass, self._tick, TICK, cancel_on_shutdown=True
            ),
            async_track_time_interval(
                self.hass, self._save_tick, SAVE_INTERVAL, cancel_on_shutdown=True
            ),
            # Stopping Home Assistant unloads nothing.
            self.hass.async_add_shutdown_job(HassJob(self._async_shutdown)),
        ]

    async def _async_shutdown(self) -> None:
        # Home Assistant is still going through its list of jobs: `async_stop` takes
        # this one out of it, and the next one would be left out.
        await asyncio.sleep(0)
        await self.async_stop()

    async def async_stop(self) -> None:
        """Decide nothing more and leave every unit, idle where that is allowed."""
        if self._stopped:
            return
        self._stopped = True
        self._listening.async_end()
        while self._stops:
            self._stops.pop()()
        await asyncio.gather(
            *(
                async_leave(
                    runtime,
                    partial(self._should_park, runtime),
                    removed=runtime.subentry_id not in self.entry.subentries,
                )
                for runtime in self.units.values()
            ),
            self.plans.async_stop(),
        )
        if self._stop_meters is not None:
            self._stop_meters()
            self._stop_meters = None
        await self.prices.async_stop()
        await self.outages.async_stop(self.state.outage)
        await self._saver.async_close()

    @callback
    def async_subscribe(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call back when something is worth showing."""
        return self._shown.async_subscribe(listener)

    @callback
    def async_subscribe_fast(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call back after every step."""
        return self._fast.async_subscribe(listener)

    @callback
    def async_change_home(self, **changes: Any) -> None:
        """Change settings of the home, and act on it at once."""
        self.state = self.state.copy()
        self.state.settings = replace(self.state.settings, **changes)
        self.async_step()
        self._saver.async_request()

    @callback
    def async_change_unit(self, subentry_id: str, **changes: Any) -> None:
        """Change settings of a unit, and act on it at once."""
        self.state = self.state.copy()
        unit = self.state.units[subentry_id]
        unit.settings = replace(unit.settings, **changes)
        self.async_step()
        self._saver.async_request()

    @callback
    def async_change_trips(
        self, subentry_id: str, requirements: list[Requirement]
    ) -> None:
        """Change the stored trips of a unit, and act on what is new at once."""
        now_s = dt_util.utcnow().timestamp()
        self.state = state = self.state.copy()
        unit = state.units[subentry_id]
        before, unit.requirements = unit.requirements, requirements
        unit.requirements = without_past(unit, now_s)
        if unit.requirements != before:
            self.async_step()
            self._saver.async_request()

    @callback
    def async_rename_load(self, old: str, new: str) -> None:
        """Remember a load that may be shed now by its new name."""
        self.outages.async_rename_load(old, new)
        outage = self.state.outage
        if old in outage.loads or old in outage.seen:
            self.state = self.state.copy()
            self.state.outage.rename(old, new)
            self._saver.async_request()

    async def async_save_now(self) -> None:
        """Write the state; only what is on disk counts as persisted."""
        await self._saver.async_save_now()

    @callback
    def async_step(self) -> None:
        """Let the engine decide on what is known now."""
        if self._stopped:
            return
        now_s = dt_util.utcnow().timestamp()
        self._listening.async_stepped(now_s)
        before = self.state
        inputs = collect(
            self.site, self._meters, self.units, self._listening.meter_id, now_s
        )
        inputs = self.plans.async_with_wishes(before, inputs, now_s)
        inputs = self.outages.with_outage(before, inputs, self.plans.outlook, now_s)
        self._listening.async_seen(inputs.grid)
        try:
            self.state, self.decision = step(before, inputs, now_s)
        except Exception as err:  # noqa: BLE001 the engine may fail in any way
            # Without a decision nobody may feed a watchdog with an old one.
            for runtime in self.units.values():
                runtime.worker.async_set(None)
            if self._failures == 0:
                LOGGER.exception("%s: no decision could be made", self.entry.title)
            self._failures += 1
            if self._failures == FAILURES:
                self._health.async_undecided(err)
            self._show()
            return
        if self.failing:
            self._health.async_decided()
        self._failures = 0
        self._pass_on(self.decision)
        self.plans.async_hear(self.state, seated(self.state, inputs), now_s)
        self.prices.async_hear(self.state.import_kwh)
        self._health.async_check(self._meters, inputs, self.state, now_s)
        moved = self.outages.async_hear(before, self.decision, now_s)
        if moved or worth_saving(before, self.state, self.site.tariff, now_s):
            self._saver.async_request()
        self._fast.async_publish()
        self._show()

    @callback
    def _new_prices(self) -> None:
        """Go on with the tariff of what is known now."""
        self.site = replace(self.site, tariff=self.prices.tariff)

    @callback
    def _pass_on(self, decision: Decision) -> None:
        """Give each worker what its unit is to do."""
        for key, unit in decision.units.items():
            worker = self.units[key].worker
            if unit.stop:
                worker.async_end_island()
            elif unit.park and unit.send:
                worker.async_park()
            elif unit.setpoint is not None and unit.send:
                worker.async_set(unit.setpoint)
            elif not worker.parking or self._commands(key):
                # Only a safe stop that is under way outlasts the silence.
                worker.async_set(None)

    def _commands(self, key: str) -> bool:
        """Return whether the modes let the unit be commanded at all."""
        return (
            self.state.settings.mode not in (HomeMode.OBSERVE, HomeMode.OFF)
            and self.state.units[key].settings.mode is not UnitMode.OFF
        )

    def _may_write(self, runtime: UnitRuntime, *, park: bool) -> bool:
        """Return whether the unit may be written to at this very moment."""
        if (
            self._stopped
            or runtime.coordinator.data is None
            or self._outage_for(runtime)
        ):
            return False
        if park:
            return may_park(self.state, dt_util.utcnow().timestamp())
        return self.state.guard is Guard.CLEAR

    def _outage_for(self, runtime: UnitRuntime) -> bool:
        """Return whether the mains sensor or a unit tells of an outage right now.

        What feeds nothing but its own sockets tells that of itself alone.
        """
        mains = self._meters.mains
        return (mains is not None and mains.present is False) or any(
            reading.islanding or reading.status is UnitStatus.ISLANDING
            for each in self.units.values()
            if (each is runtime or not each.backup.sockets_only)
            and (reading := each.coordinator.data) is not None
        )

    def _should_park(self, runtime: UnitRuntime) -> bool:
        """Return whether a unit that is left is to be idled.

        The state is that of the last step, and the worker took its time to end.
        """
        unit = self.state.units[runtime.subentry_id]
        observing = self.state.settings.mode is HomeMode.OBSERVE
        standing = unit.told if observing else not unit.parked
        return (
            (standing or runtime.worker.parking)
            and runtime.coordinator.data is not None
            and runtime.coordinator.last_update_success
            and self._listening.meter_speaks()
            and not self._outage_for(runtime)
            and may_park(self.state, dt_util.utcnow().timestamp())
        )

    @callback
    def _tick(self, _now: datetime) -> None:
        now_s = dt_util.utcnow().timestamp()
        for runtime in self.units.values():
            runtime.coordinator.async_check_age(now_s)
        self.async_step()

    @callback
    def _save_tick(self, _now: datetime) -> None:
        self._saver.async_request()

    def _snapshot(self) -> tuple[HomeState, Mapping[str, float]]:
        state = self.state.copy()
        for key, runtime in self.units.items():
            if runtime.worker.parking:
                # Ordered is not done: after a restart it is ordered again.
                state.units[key].parked = False
                state.units[key].told = True
        return state, self._meters.intervals()

    @callback
    def _show(self) -> None:
        self._shown.async_offer(urgent(self), dt_util.utcnow().timestamp())
