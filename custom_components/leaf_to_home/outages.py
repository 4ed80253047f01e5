"""The outages of a running home: what the engine is told, and what it decides."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
import time
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

from .const import CONF_WATCH, DOMAIN, LOGGER
from .engine.model import Decision, Inputs
from .engine.outage_memory import OutageMemory
from .engine.outage_model import (
    LoadOutlook,
    OutageDecision,
    OutagePhase,
    OutageSettings,
)
from .engine.state import HomeState
from .engine.stored import to_dict
from .health import HomeHealth
from .loads import HomeLoads
from .outage_news import OutageEvent, news
from .outage_notices import GRACE_S, OutageNotices
from .outage_setup import build_outage
from .sources.watches import WatchSources
from .store import SafeStore

EVENT_OUTAGE: Final = f"{DOMAIN}_outage"
# Until an outage is over the engine counts seconds.
SECOND_S: Final = 1.0
TEST_S: Final = 120.0
# While all is well, what loads look like is kept this often.
KEEP_S: Final = 900.0

type OutageListener = Callable[[OutageEvent, Mapping[str, Any]], None]


class HomeOutages:
    """Brings loads, watches and tests to the engine, and carries out what it says."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, health: HomeHealth
    ) -> None:
        self.decision: OutageDecision | None = None
        self.settings: OutageSettings = build_outage(entry)
        self._hass = hass
        self._entry = entry
        self._health = health
        self._missing_s: dict[str, float] = {}
        self._store = outage_store(hass, entry.entry_id)
        self._names = {key: each.title for key, each in entry.subentries.items()}
        self._notices = OutageNotices(
            hass,
            entry_id=entry.entry_id,
            title=entry.title,
            names=self._names,
            units={key: each.data for key, each in entry.subentries.items()},
            health=health,
        )
        self._loads = self._make_loads({})
        self._watches = WatchSources(hass, {}, {}, _nothing)
        self._listeners: list[OutageListener] = []
        self._on_change: CALLBACK_TYPE = _nothing
        self._stops: list[CALLBACK_TYPE] = []
        self._next: CALLBACK_TYPE | None = None
        self._test_end: CALLBACK_TYPE | None = None
        self._saving: asyncio.Task[None] | None = None
        self._kept: Mapping[str, Any] = {}
        self._kept_s: float | None = None

    async def async_load(self) -> None:
        """Read back what was kept over the restart."""
        try:
            stored = await self._store.async_load()
        except Exception as err:  # noqa: BLE001 nothing in it is worth failing for
            LOGGER.warning("What was kept of loads cannot be read: %r", err)
            stored = None
        kept: dict[str, Any] = stored if isinstance(stored, dict) else {}
        self._loads = self._make_loads(_dicts(kept.get("loads")))
        self._watches = WatchSources(
            self._hass,
            self._entry.options.get(CONF_WATCH, {}),
            _dict(kept.get("watches")),
            self._changed,
        )
        await self._notices.async_load()

    def _make_loads(self, remembered: Mapping[str, Mapping[str, Any]]) -> HomeLoads:
        loads = [load for tier in self.settings.tiers for load in tier.loads]
        return HomeLoads(
            self._hass,
            [*loads, *self.settings.put_back],
            remembered,
            lambda work, name: self._entry.async_create_background_task(
                self._hass, work, name
            ),
        )

    @callback
    def async_start(self, on_change: CALLBACK_TYPE) -> None:
        """Watch loads and what announces outages; `on_change` lets the engine look."""
        self._on_change = on_change
        self._stops.append(self._loads.async_start())
        self._watches.async_start()

    @callback
    def async_rename_load(self, old: str, new: str) -> None:
        """Remember what a load was like by its new name."""
        if old in self._loads.remembered:
            self._loads.remembered[new] = self._loads.remembered.pop(old)

    async def async_stop(self, memory: OutageMemory) -> None:
        """Look no more; what stands is shown again when the home is back."""
        while self._stops:
            self._stops.pop()()
        self._watches.async_stop()
        for cancel in (self._next, self._test_end):
            if cancel is not None:
                cancel()
        self._next = self._test_end = None
        self._notices.async_stop(
            [load for load, known in memory.loads.items() if known.kept is None]
        )
        if self._saving is not None:
            await asyncio.wait([self._saving])
        await self._async_write()

    @property
    def testing(self) -> bool:
        """Return whether an outage is played."""
        return self._test_end is not None

    def diagnostics(self) -> dict[str, Any]:
        """Return what a report needs beside state and decision."""
        return {
            "settings": to_dict(self.settings),
            "testing": self.testing,
            "watches": self._watches.stored(),
            "loads": self._loads.diagnostics(),
        }

    @property
    def names(self) -> Mapping[str, str]:
        """Return what units and tiers are called."""
        return self._names

    def urgent(self) -> object:
        """Return what is shown without delay when it changes."""
        if (decision := self.decision) is None:
            return None
        return (
            decision.phase,
            decision.test,
            dict(decision.no_backup),
            dict(decision.tiers_shed),
            decision.watch.source if decision.watch else None,
        )

    @callback
    def async_test(self) -> None:
        """Play an outage for two minutes, or end the one that is played."""
        if self._test_end is not None:
            self._test_end()
            self._test_end = None
        else:

            @callback
            def over(_now: datetime) -> None:
                self._test_end = None
                self._changed()

            self._test_end = async_call_later(
                self._hass, TEST_S, HassJob(over, cancel_on_shutdown=True)
            )
        self._changed()

    @callback
    def async_subscribe(self, listener: OutageListener) -> CALLBACK_TYPE:
        """Call back with everything that happens."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def with_outage(
        self,
        state: HomeState,
        inputs: Inputs,
        outlook: LoadOutlook | None,
        now_s: float,
    ) -> Inputs:
        """Return the inputs with all that concerns outages."""
        return replace(
            inputs,
            outage=self.settings,
            outage_test=self.testing,
            # What was shed stays in sight when it is no longer in any tier.
            loads=self._loads.inputs(also=state.outage.loads),
            load_outlook=outlook,
            watches=self._watches.watches(now_s),
            uptime_s=time.monotonic(),
        )

    @callback
    def async_hear(self, before: HomeState, decision: Decision, now_s: float) -> bool:
        """Carry out what was decided; return whether that has to be stored at once."""
        outage = decision.outage
        if outage is None:
            return False
        earlier, self.decision = self.decision, outage
        moved = outage.phase is not before.outage.phase
        if moved:
            self._loads.async_power_changed(now_s)
        self._loads.async_execute(outage.commands)
        for each in news(before.outage, earlier, outage):
            self._tell(*each)
        self._notices.async_see(outage, now_s)
        self._check_loads(now_s)
        self._keep(outage, now_s, at_once=moved or bool(outage.commands))
        if outage.phase is not OutagePhase.NORMAL and self._next is None:
            self._next = async_call_later(
                self._hass, SECOND_S, HassJob(self._due, cancel_on_shutdown=True)
            )
        return (
            moved
            or bool(outage.commands)
            or before.outage.tiers.keys() != outage.tiers_shed.keys()
        )

    @callback
    def _due(self, _now: datetime) -> None:
        self._next = None
        self._on_change()

    @callback
    def _changed(self) -> None:
        self._on_change()

    @callback
    def _check_loads(self, now_s: float) -> None:
        """Tell of loads that were renamed or deleted, before they are needed."""
        missing = self._loads.missing()
        for load in self._missing_s.keys() - missing:
            self._health.async_load_found(load)
        self._missing_s = {load: self._missing_s.get(load, now_s) for load in missing}
        for load, since_s in self._missing_s.items():
            if now_s - since_s >= GRACE_S:
                self._health.async_load_missing(load)

    def _tell(self, kind: OutageEvent, values: dict[str, Any]) -> None:
        for key in ("tier", "unit"):
            if (subject := values.get(key)) is not None:
                values[key] = self._names.get(subject, subject)
        values = {key: value for key, value in values.items() if value is not None}
        self._hass.bus.async_fire(
            EVENT_OUTAGE,
            {"home": self._entry.title, "config_entry_id": self._entry.entry_id}
            | {"type": kind.value}
            | values,
        )
        for listener in list(self._listeners):
            listener(kind, values)

    def _keep(self, outage: OutageDecision, now_s: float, *, at_once: bool) -> None:
        if outage.phase is OutagePhase.NORMAL and not outage.tiers_shed:
            self._loads.async_remember(self.settings.put_back)
        since_s = self._kept_s
        due = since_s is None or not 0.0 <= now_s - since_s < KEEP_S
        if not (at_once or due):
            return
        self._kept_s = now_s
        if self._saving is None or self._saving.done():
            self._saving = self._hass.async_create_task(
                self._async_write(), f"{DOMAIN} outage store"
            )

    async def _async_write(self) -> None:
        data = {
            "loads": {key: dict(kept) for key, kept in self._loads.remembered.items()},
            "watches": self._watches.stored(),
        }
        if data != self._kept and await self._store.async_write(data):
            self._kept = data


def outage_store(hass: HomeAssistant, entry_id: str) -> SafeStore:
    """Return where a home keeps what its loads were like."""
    return SafeStore(hass, f"{DOMAIN}.outage.{entry_id}")


def _dict(data: Any) -> dict[str, Any]:
    return data if isinstance(data, dict) else {}


def _dicts(data: Any) -> dict[str, dict[str, Any]]:
    return {key: value for key, value in _dict(data).items() if isinstance(value, dict)}


@callback
def _nothing() -> None:
    """Do nothing: the home has not begun."""
