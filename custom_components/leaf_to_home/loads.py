"""The loads of shedding tiers: what is seen of them, and what they are told."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from homeassistant.components.climate.const import (
    ATTR_HVAC_MODE,
    DOMAIN as CLIMATE_DOMAIN,
    SERVICE_SET_HVAC_MODE,
)
from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.components.water_heater.const import (
    ATTR_OPERATION_MODE,
    DOMAIN as WATER_HEATER_DOMAIN,
    SERVICE_SET_OPERATION_MODE,
    WaterHeaterEntityFeature,
)
from homeassistant.const import (
    ATTR_ENTITY_ID,
    ATTR_SUPPORTED_FEATURES,
    SERVICE_TURN_OFF,
    STATE_OFF,
    STATE_STANDBY,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    Platform,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Context,
    CoreState,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
    split_entity_id,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.helpers.state import async_reproduce_state
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER
from .engine.outage_model import LoadAction, LoadCommand, LoadInput
from .sources.base import power_w

SILENT: Final = (STATE_UNAVAILABLE, STATE_UNKNOWN)
OFF: Final = (STATE_OFF, STATE_STANDBY)
# What changes this soon after power came or went, or after we told it something, did
# not do so because of a person, unless somebody is named.
POWER_SETTLES_S: Final = 120.0
OURS_S: Final = 30.0
ANSWER_S: Final = 30.0
# What belongs to a state that is brought back; the rest describes a device.
KEPT: Final = frozenset(
    {
        "away_mode",
        "brightness",
        "color_mode",
        "color_temp_kelvin",
        "direction",
        "effect",
        "fan_mode",
        "hs_color",
        "humidity",
        "is_volume_muted",
        "mode",
        "operation_mode",
        "oscillating",
        "percentage",
        "preset_mode",
        "rgb_color",
        "rgbw_color",
        "rgbww_color",
        "sound_mode",
        "source",
        "swing_horizontal_mode",
        "swing_mode",
        "target_temp_high",
        "target_temp_low",
        "temperature",
        "volume_level",
        "xy_color",
    }
)
PLAIN: Final = (str, int, float, list)


class HomeLoads:
    """Everything that a home may shed or put back.

    `remembered` are the attributes that a load had when it was told to be off or, of
    those that are put back, while nothing was wrong.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        loads: Iterable[str],
        remembered: Mapping[str, Mapping[str, Any]],
        create_task: Callable[[Any, str], asyncio.Task[None]],
    ) -> None:
        self.remembered = dict(remembered)
        self._hass = hass
        self._loads = tuple(dict.fromkeys(loads))
        self._create_task = create_task
        self._by_person: dict[str, bool] = {}
        self._told_s: dict[str, float] = {}
        self._power_s: float | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._refused: set[str] = set()
        self._meters: dict[str, str | None] = {}

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Watch who turns what on and off."""
        if not self._loads:
            return _nothing
        return async_track_state_change_event(self._hass, self._loads, self._changed)

    @callback
    def async_power_changed(self, now_s: float) -> None:
        """Know that power came or went: what switches itself now is nobody's wish."""
        self._power_s = now_s

    def inputs(self, also: Iterable[str] = ()) -> dict[str, LoadInput]:
        """Return what is known of each load, and of others that were shed before.

        What no longer exists is left out: it would be waited for for ever.
        """
        loads = dict.fromkeys((*self._loads, *also))
        return {load: self._input(load) for load in loads if self._exists(load)}

    def missing(self) -> set[str]:
        """Return the loads that do not exist, and that nothing can be done with."""
        return {load for load in self._loads if not self._exists(load)}

    def _exists(self, load: str) -> bool:
        """Return whether there is such an entity, or may be when all have started."""
        return (
            self._hass.states.get(load) is not None
            or self._hass.state is not CoreState.running
            or er.async_get(self._hass).async_get(load) is not None
        )

    def diagnostics(self) -> dict[str, Any]:
        """Return what is known of each load, and which failed last."""
        return {
            load: {
                "remembered": dict(self.remembered.get(load, {})),
                "failed": load in self._refused,
                "by_person": self._by_person.get(load, False),
            }
            for load in self._loads
        }

    @callback
    def async_remember(self, loads: Iterable[str]) -> bool:
        """Keep how these loads are; return whether that is news."""
        changed = False
        for load in loads:
            state = self._hass.states.get(load)
            if state is None or state.state in (*SILENT, *OFF):
                continue
            kept = _kept(state)
            if self.remembered.get(load) != kept:
                self.remembered[load] = kept
                changed = True
        return changed

    @callback
    def async_execute(self, commands: Iterable[LoadCommand]) -> None:
        """Tell the loads; the latest command of a load is the one that counts."""
        for command in commands:
            if command.action is LoadAction.SHED:
                self.async_remember([command.load])
            self._told_s[command.load] = _now_s()
            if (before := self._tasks.get(command.load)) is not None:
                before.cancel()
            task = self._create_task(
                self._async_tell(command), f"{DOMAIN} {command.action} {command.load}"
            )
            self._tasks[command.load] = task
            task.add_done_callback(partial(self._done, command.load))

    def _done(self, load: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(load) is task:
            del self._tasks[load]

    async def _async_tell(self, command: LoadCommand) -> None:
        load = command.load
        goes_off = command.action is LoadAction.SHED or command.state in OFF
        try:
            async with asyncio.timeout(ANSWER_S):
                if goes_off:
                    await self._async_turn_off(load)
                else:
                    await self._async_bring_back(load, command.state)
        except Exception as err:  # noqa: BLE001 other integrations may fail in any way
            self._failed(load, err)
        else:
            self._refused.discard(load)

    def _failed(self, load: str, err: Exception) -> None:
        if load not in self._refused:
            LOGGER.warning("%s could not be switched: %r", load, err)
        self._refused.add(load)

    async def _async_turn_off(self, load: str) -> None:
        domain = split_entity_id(load)[0]
        service, data = SERVICE_TURN_OFF, {ATTR_ENTITY_ID: load}
        if domain == CLIMATE_DOMAIN:
            service = SERVICE_SET_HVAC_MODE
            data[ATTR_HVAC_MODE] = STATE_OFF
        elif domain == WATER_HEATER_DOMAIN and not self._supports(
            load, WaterHeaterEntityFeature.ON_OFF
        ):
            service = SERVICE_SET_OPERATION_MODE
            data[ATTR_OPERATION_MODE] = STATE_OFF
        await self._hass.services.async_call(
            domain, service, data, blocking=True, context=Context()
        )

    def _supports(self, load: str, feature: int) -> bool:
        state = self._hass.states.get(load)
        features = state.attributes.get(ATTR_SUPPORTED_FEATURES) if state else None
        return isinstance(features, int) and bool(features & feature)

    async def _async_bring_back(self, load: str, state: str | None) -> None:
        if state is None or state in SILENT:
            return
        await async_reproduce_state(
            self._hass,
            State(load, state, dict(self.remembered.get(load, {}))),
            context=Context(),
        )

    @callback
    def _changed(self, event: Event[EventStateChangedData]) -> None:
        new, old = event.data["new_state"], event.data["old_state"]
        load = event.data["entity_id"]
        if new is None or new.state in SILENT:
            self._by_person.pop(load, None)
            return
        if old is not None and old.state == new.state:
            return
        context = event.context
        if context.user_id is not None or context.parent_id is not None:
            self._by_person[load] = True
            return
        now_s = new.last_changed_timestamp
        self._by_person[load] = (
            old is not None
            and old.state not in SILENT
            and not _within(self._power_s, now_s, POWER_SETTLES_S)
            and not _within(self._told_s.get(load), now_s, OURS_S)
        )

    def _input(self, load: str) -> LoadInput:
        state = self._hass.states.get(load)
        if state is None or state.state in SILENT:
            return LoadInput(on=None)
        return LoadInput(
            on=state.state not in OFF,
            state=state.state,
            by_person=self._by_person.get(load, False),
            changed_s=state.last_changed_timestamp,
            power_w=self._power_w(load),
        )

    def _power_w(self, load: str) -> float | None:
        """Return what the load's own device measures, where it measures one thing."""
        if load not in self._meters:
            self._meters[load] = self._meter_of(load)
        meter = self._meters[load]
        state = self._hass.states.get(meter) if meter is not None else None
        return None if state is None or state.state in SILENT else power_w(state)

    def _meter_of(self, load: str) -> str | None:
        registry = er.async_get(self._hass)
        entry = registry.async_get(load)
        if entry is None or entry.device_id is None:
            return None
        beside = er.async_entries_for_device(registry, entry.device_id)
        meters = [
            each.entity_id
            for each in beside
            if each.domain == Platform.SENSOR
            and (each.device_class or each.original_device_class)
            == SensorDeviceClass.POWER
        ]
        switched = [each for each in beside if each.domain == entry.domain]
        return meters[0] if len(meters) == len(switched) == 1 else None


def _within(since_s: float | None, now_s: float, length_s: float) -> bool:
    return since_s is not None and 0.0 <= now_s - since_s < length_s


def _kept(state: State) -> dict[str, Any]:
    """Return the attributes that bring a state back, as plain data."""
    return {
        str(key): list(value) if isinstance(value, tuple) else value
        for key, value in state.attributes.items()
        if key in KEPT and isinstance(value, (*PLAIN, tuple)) and value is not None
    }


def _now_s() -> float:
    return dt_util.utcnow().timestamp()


@callback
def _nothing() -> None:
    """Stop nothing."""
