"""A portable unit that tells nothing, behind a smart plug at its AC input.

The plug switches and measures what goes in, a meter at the output what comes out, where
there is one. What that means for the battery is counted in `engine/metered.py`.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from math import floor
from typing import Any, Final

from homeassistant.const import (
    ATTR_ENTITY_ID,
    SERVICE_TURN_OFF,
    SERVICE_TURN_ON,
    STATE_OFF,
    STATE_ON,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
    split_entity_id,
)
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import (
    async_track_state_change_event,
    async_track_time_interval,
)
from homeassistant.util import dt as dt_util

from ..const import (
    CONF_CARRIED,
    CONF_FULL_BELOW,
    CONF_IDLE,
    CONF_INPUT_POWER,
    CONF_INPUT_SWITCH,
    CONF_MAX_INPUT,
    CONF_OUTPUT_POWER,
    CONF_PASS_THROUGH,
    CONF_SELF_DISCHARGE,
    DOMAIN,
    LOGGER,
)
from ..engine.battery import UnitSpec
from ..engine.metered import see
from ..engine.metered_model import (
    Count,
    Facts,
    PassThrough,
    Sight,
    carried_w,
    error_percent,
    running_spec,
    shortfall_w,
    soc_percent,
    soh_percent,
)
from ..engine.model import (
    Capabilities,
    IslandingStart,
    Outcome,
    OutcomeKind,
    Reading,
    Setpoint,
    UnitStatus,
)
from ..engine.stored import StateError, from_dict, to_dict
from ..sources.base import power_w
from ..store import metered_store
from .base import UnitContext, UnitInfo, UnitUnreachable

TICK: Final = timedelta(seconds=10)
MAX_AGE_S: Final = 30.0
DEAD_TIME_S: Final = 5.0
# A plug that was told must show it by then.
CONFIRM_S: Final = 10.0
# A charge that is said to be steady for so long is not measured any more. Plugs that
# report only changes are silent at rest for days.
FROZEN_S: Final = 2.0 * 3600.0
# Full and empty hold for the report of the moment only.
CERTAIN_S: Final = 60.0
ACTIVE_W: Final = 1.0
# The mains cannot hold the reserve when the load has been too high for so long.
SHORT_S: Final = 900.0

ISSUE_RESERVE: Final = "metered_reserve"


def facts_of(data: dict[str, Any], spec: UnitSpec) -> Facts:
    """Return what the unit's data say of it."""
    given = Facts(unit=spec)
    carried = data.get(CONF_CARRIED)
    return Facts(
        unit=spec,
        pass_through=PassThrough(data.get(CONF_PASS_THROUGH, PassThrough.NONE)),
        max_input_w=float(data.get(CONF_MAX_INPUT, given.max_input_w)),
        idle_w=float(data.get(CONF_IDLE, given.idle_w)),
        self_discharge_percent_month=float(
            data.get(CONF_SELF_DISCHARGE, given.self_discharge_percent_month)
        ),
        full_below_w=float(data.get(CONF_FULL_BELOW, given.full_below_w)),
        metered=bool(data.get(CONF_OUTPUT_POWER)),
        carried_w=None if carried is None else float(carried),
    )


class MeteredUnit:
    """One unit behind its plugs; counts from `connect` until `detach`."""

    poll_interval: timedelta | None = None

    def __init__(self, hass: HomeAssistant, context: UnitContext, count: Count) -> None:
        data = context.data
        self.facts = facts_of(data, context.spec)
        self.running_spec = running_spec(self.facts)
        self.capabilities = Capabilities(
            set_power=False,
            switched=True,
            feeds_through=self.facts.pass_through is not PassThrough.NONE,
            islanding=IslandingStart.NEVER,
            dead_time_s=DEAD_TIME_S,
        )
        self.count = count
        self._hass = hass
        self._name = context.name
        self._subentry_id = context.subentry_id
        self._store = metered_store(hass, context.subentry_id)
        self._switch: str = data[CONF_INPUT_SWITCH]
        self._input: str = data[CONF_INPUT_POWER]
        self._output: str | None = data.get(CONF_OUTPUT_POWER)
        self._issue = f"{ISSUE_RESERVE}_{context.subentry_id}"
        self._listeners: list[Callable[[Reading], None]] = []
        self._stops: list[CALLBACK_TYPE] = []
        self._changed = asyncio.Event()
        self._told: bool | None = None
        self._switching = False
        self._away = False
        self._restarts = 0
        self._short_since_s: float | None = None

    async def connect(self) -> UnitInfo:
        """Begin to count, and see whether the plug is there."""
        if not self._stops:
            entities = [self._switch, self._input]
            if self._output is not None:
                entities.append(self._output)
            self._stops = [
                async_track_state_change_event(self._hass, entities, self._heard),
                async_track_time_interval(
                    self._hass, self._tick, TICK, cancel_on_shutdown=True
                ),
            ]
        self._look()
        self._is_on()
        return UnitInfo()

    @callback
    def listen(self, on_reading: Callable[[Reading], None]) -> Callable[[], None]:
        """Call back with each change of the plugs, and every ten seconds."""
        self._listeners.append(on_reading)

        def stop() -> None:
            self._listeners.remove(on_reading)

        return stop

    async def read(self) -> Reading:
        """Return what the plugs say now, and what is counted from them."""
        self._look()
        self._is_on()
        return self._reading()

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Switch the input as the set-point means it, and see that it did."""
        await self._async_switch(setpoint.power_w < 0.0)
        return Outcome(
            kind=OutcomeKind.APPLIED, time_s=_now_s(), power_w=setpoint.power_w
        )

    async def park(self) -> Outcome:
        """Leave appliances on the mains, and the unit full for an outage.

        One that passes nothing on is left as it is: a charge ends by itself.
        """
        if self.capabilities.feeds_through:
            await self._async_switch(True)
        self._told = None
        return Outcome(kind=OutcomeKind.APPLIED, time_s=_now_s())

    async def detach(self) -> None:
        """Count no more; the plug stays as it is."""
        while self._stops:
            self._stops.pop()()
        ir.async_delete_issue(self._hass, DOMAIN, self._issue)
        await self.async_save()

    async def async_save(self) -> None:
        """Keep the count over a restart."""
        await self._store.async_write({"count": to_dict(self.count)})

    def diagnostics(self) -> dict[str, Any]:
        """Return the count, and what the plugs say."""
        return {
            "facts": to_dict(self.facts),
            "count": to_dict(self.count),
            "told": self._told,
            "restarts": self._restarts,
            "states": {
                key: state.state if (state := self._hass.states.get(entity)) else None
                for key, entity in (
                    (CONF_INPUT_SWITCH, self._switch),
                    (CONF_INPUT_POWER, self._input),
                    (CONF_OUTPUT_POWER, self._output),
                )
                if entity is not None
            },
        }

    def _is_on(self) -> bool:
        """Return whether the input is switched on; raise where nobody knows."""
        on = self._switched()
        if on is None:
            raise UnitUnreachable(f"{self._switch} is not available")
        return on

    def _switched(self) -> bool | None:
        state = self._hass.states.get(self._switch)
        if state is None or state.state not in (STATE_ON, STATE_OFF):
            return None
        return state.state == STATE_ON

    async def _async_switch(self, on: bool) -> None:
        """Switch the plug; raises where it does not follow."""
        if self._is_on() is on:
            self._told = on
            return
        self._told, self._switching = on, True
        domain, _ = split_entity_id(self._switch)
        try:
            await self._hass.services.async_call(
                domain,
                SERVICE_TURN_ON if on else SERVICE_TURN_OFF,
                {ATTR_ENTITY_ID: self._switch},
                blocking=True,
            )
            async with asyncio.timeout(CONFIRM_S):
                while self._is_on() is not on:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as err:
            self._told = None
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="plug_does_not_follow",
                translation_placeholders={"entity_id": self._switch},
            ) from err
        except BaseException:
            self._told = None
            raise
        finally:
            self._switching = False
        self._look()

    @callback
    def _heard(self, _event: Event[EventStateChangedData]) -> None:
        self._changed.set()
        self._tick(None)

    @callback
    def _tick(self, _now: datetime | None) -> None:
        """Count, and say what is new; who does not reach the plug says nothing."""
        self._look()
        if self._switched() is None:
            return
        reading = self._reading()
        for listener in list(self._listeners):
            listener(reading)

    @callback
    def _look(self) -> None:
        """Count up to now, with what the plugs say now."""
        on = self._switched()
        if on is None:
            self._away = True
        elif self._away:
            # It has lost its power or its radio, and may have forgotten what it did.
            self._away = False
            self._told = None
            self._restarts += 1
        sight = Sight(
            time_s=_now_s(),
            on=on,
            input_w=self._input_w(),
            output_w=self._measured_w(self._output),
        )
        see(self.count, self.facts, sight)
        self._watch_reserve(sight)

    def _input_w(self) -> float | None:
        value = self._measured_w(self._input)
        state = self._hass.states.get(self._input)
        if value is None or state is None or value <= self.facts.full_below_w:
            return value
        silent_s = _now_s() - state.last_reported_timestamp
        return None if silent_s > FROZEN_S else value

    def _measured_w(self, entity_id: str | None) -> float | None:
        state = self._hass.states.get(entity_id) if entity_id is not None else None
        return power_w(state) if state is not None else None

    def _reading(self) -> Reading:
        count, facts = self.count, self.facts
        sight, now_s = count.sight, _now_s()
        assert sight is not None, "who reads has looked"
        soc = soc_percent(count, facts)
        step = facts.unit.soc_step_percent
        if soc is not None and step > 0.0:
            soc = floor(soc / step + 1e-6) * step
        load_w = sight.output_w if facts.metered else facts.carried_w
        input_w = 0.0 if sight.on is False else sight.input_w
        balance_w = None
        if input_w is not None and load_w is not None:
            balance_w = load_w - input_w
        elif input_w is not None and input_w > 0.0 and not facts.metered:
            # What it takes is seen, what it gives nobody knows.
            balance_w = -input_w
        usual_w = carried_w(count, facts) or 0.0
        return Reading(
            time_s=now_s,
            max_age_s=MAX_AGE_S,
            soc_percent=soc,
            soc_error_percent=error_percent(count, facts),
            soc_certain=count.anchor_s is not None
            and 0.0 <= now_s - count.anchor_s < CERTAIN_S,
            soh_percent=soh_percent(count, facts),
            power_w=balance_w,
            status=_status(balance_w),
            islanding=False,
            charged_kwh=count.charged_kwh,
            discharged_kwh=count.discharged_kwh,
            max_charge_w=min(facts.max_input_w, facts.unit.max_charge_w),
            max_discharge_w=usual_w if self.capabilities.feeds_through else 0.0,
            carried_w=load_w,
            changed_elsewhere=not self._switching
            and self._told is not None
            and sight.on is not None
            and sight.on is not self._told,
            restarts=self._restarts,
        )

    @callback
    def _watch_reserve(self, sight: Sight) -> None:
        """Tell when the appliances draw more than the mains give through the unit."""
        usual_w = carried_w(self.count, self.facts)
        now_w = sight.output_w if self.facts.metered else usual_w
        short_w = 0.0
        if usual_w is not None and now_w is not None:
            short_w = min(shortfall_w(self.facts, each) for each in (usual_w, now_w))
        if short_w < ACTIVE_W or usual_w is None:
            if self._short_since_s is not None:
                ir.async_delete_issue(self._hass, DOMAIN, self._issue)
            self._short_since_s = None
            return
        if self._short_since_s is None:
            self._short_since_s = sight.time_s
        if sight.time_s - self._short_since_s < SHORT_S:
            return
        hours = 1e3 * self.facts.unit.capacity_kwh / short_w
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE_RESERVE,
            translation_placeholders={
                "unit": self._name,
                "load": f"{usual_w:.0f}",
                "input": f"{self.facts.max_input_w:.0f}",
                "drain": f"{short_w:.0f}",
                "hours": f"{hours:.0f}",
            },
        )


def _status(balance_w: float | None) -> UnitStatus | None:
    if balance_w is None:
        return None
    if abs(balance_w) < ACTIVE_W:
        return UnitStatus.IDLE
    return UnitStatus.DISCHARGING if balance_w > 0.0 else UnitStatus.CHARGING


async def async_create(hass: HomeAssistant, context: UnitContext) -> MeteredUnit:
    """Make the unit with the count as it was left."""
    count = Count()
    stored = await metered_store(hass, context.subentry_id).async_load()
    if stored is not None:
        try:
            count = from_dict(Count, stored["count"], "count")
        except (KeyError, TypeError, StateError) as err:
            LOGGER.warning("%s: its count cannot be read: %r", context.name, err)
    return MeteredUnit(hass, context, count)


def _now_s() -> float:
    return dt_util.utcnow().timestamp()
