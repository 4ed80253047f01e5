"""A battery that another integration has brought into Home Assistant already."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfEnergy,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import EnergyConverter

from ..engine.model import IslandingStart, Outcome, Reading, Setpoint, UnitStatus
from ..sources.base import Source, power_w
from .base import UnitContext, UnitInfo, UnitUnreachable
from .mapped import MappedSetpoint
from .mapped.mapping import CONF_SETPOINT
from .mapped.notices import ISSUE_SOC, MappedNotices
from .mapped.orders import number
from .mapped.soc_jumps import SocJumps

# What is read, in a unit's data; all but the state of charge may be missing.
CONF_READ: Final = "read"
CONF_SOC: Final = "soc"
CONF_POWER: Final = "power"
CONF_INVERTED: Final = "power_inverted"  # positive means charging there
CONF_MAX_AGE: Final = "power_max_age_s"  # of a power that only speaks when it changes
CONF_SOH: Final = "soh"
CONF_PLUGGED: Final = "plugged"
CONF_FAULT: Final = "fault"
CONF_ISLANDING: Final = "islanding"
CONF_ISLANDING_START: Final = "islanding_start"
CONF_MAX_CHARGE: Final = "max_charge"
CONF_MAX_DISCHARGE: Final = "max_discharge"
CONF_CHARGED: Final = "charged"
CONF_DISCHARGED: Final = "discharged"
READ_KEYS: Final = (
    CONF_SOC,
    CONF_POWER,
    CONF_SOH,
    CONF_PLUGGED,
    CONF_FAULT,
    CONF_ISLANDING,
    CONF_MAX_CHARGE,
    CONF_MAX_DISCHARGE,
    CONF_CHARGED,
    CONF_DISCHARGED,
)

# Looking at states costs nothing.
POLL: Final = timedelta(seconds=5)
# Three looks: whoever is dark is told nothing new soon.
MAX_AGE_S: Final = 15.0
NOTHING: Final = (STATE_UNAVAILABLE, STATE_UNKNOWN)
FAULT_REPORTED: Final = "reported_by_entity"


class EntitiesUnit:
    """Reads mapped entities, and leads the unit by others."""

    poll_interval: timedelta | None = POLL

    def __init__(self, hass: HomeAssistant, context: UnitContext) -> None:
        data = context.data
        self._hass = hass
        self._read: dict[str, Any] = data[CONF_READ]
        self._setpoint = MappedSetpoint(
            hass,
            data.get(CONF_SETPOINT, {}),
            spec=context.spec,
            islanding=self._islanding,
            measured_w=self._power_w,
        )
        self.capabilities = self._setpoint.capabilities(
            IslandingStart(data.get(CONF_ISLANDING_START, IslandingStart.NEVER)),
            soc=True,
        )
        self._power: Source | None = None
        if (entity_id := self._read.get(CONF_POWER)) is not None:
            sign = -1.0 if self._read.get(CONF_INVERTED) else 1.0
            self._power = Source(
                hass, entity_id, sign=sign, max_age_s=self._read.get(CONF_MAX_AGE)
            )
        self._notices = MappedNotices(hass, context.subentry_id, context.name)
        self._jumps = SocJumps(context.spec)
        self._listeners: list[Callable[[Reading], None]] = []
        self._stops: list[CALLBACK_TYPE] = []

    async def connect(self) -> UnitInfo:
        """Begin to watch the entities."""
        if not self._stops:
            if self._power is not None:
                self._stops.append(self._power.async_start(self._push))
            self._stops += [
                self._setpoint.async_listen(self._push),
                async_track_state_change_event(
                    self._hass,
                    [self._read[key] for key in READ_KEYS if key in self._read],
                    self._changed,
                ),
            ]
            if (soc := self._state(CONF_SOC)) is not None:
                self._hear_soc(soc)
        self._reading()
        return self._info()

    @callback
    def listen(self, on_reading: Callable[[Reading], None]) -> Callable[[], None]:
        """Call back when an entity changes."""
        self._listeners.append(on_reading)

        def stop() -> None:
            self._listeners.remove(on_reading)

        return stop

    async def read(self) -> Reading:
        """Return what the entities say now."""
        return self._reading()

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Write a set-point to the entities and read it back."""
        outcome = await self._setpoint.apply(setpoint)
        self._push()
        return outcome

    async def park(self) -> Outcome:
        """Leave the unit idle, or to itself, as the user wants it."""
        return await self._setpoint.park()

    async def detach(self) -> None:
        """Watch no longer; the unit goes on as it is."""
        while self._stops:
            self._stops.pop()()
        self._notices.clear()

    def diagnostics(self) -> dict[str, Any]:
        """Return what every entity says."""
        read: dict[str, str | None] = {}
        for key in READ_KEYS:
            if (entity_id := self._read.get(key)) is not None:
                state = self._hass.states.get(entity_id)
                read[key] = None if state is None else state.state
        return {"read": read, CONF_SETPOINT: self._setpoint.diagnostics()}

    @callback
    def _changed(self, event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if new is not None and new.entity_id == self._read[CONF_SOC]:
            self._hear_soc(new)
        self._push()

    @callback
    def _hear_soc(self, state: State) -> None:
        self._jumps.see(number(state), state.last_updated_timestamp)

    @callback
    def _push(self) -> None:
        try:
            reading = self._reading()
        except UnitUnreachable:
            # The next poll says so.
            return
        for listener in list(self._listeners):
            listener(reading)

    def _reading(self) -> Reading:
        now_s = dt_util.utcnow().timestamp()
        away = self._away()
        self._notices.check(self._setpoint, now_s, unavailable=away)
        if away is not None and self._dark():
            raise UnitUnreachable(f"{away} is unavailable")
        contradictory = self._jumps.contradictory(now_s)
        self._notices.show(
            ISSUE_SOC, {"entity_id": self._read[CONF_SOC]}, shown=contradictory
        )
        islanding = self._is_on(CONF_ISLANDING)
        fault = self._is_on(CONF_FAULT)
        reading = Reading(
            time_s=now_s,
            max_age_s=MAX_AGE_S,
            soc_percent=None if contradictory else self._number(CONF_SOC),
            soh_percent=self._number(CONF_SOH),
            power_w=self._power_w(),
            connected=self._is_on(CONF_PLUGGED),
            islanding=islanding,
            charged_kwh=self._kwh(CONF_CHARGED),
            discharged_kwh=self._kwh(CONF_DISCHARGED),
            max_charge_w=self._limit_w(CONF_MAX_CHARGE),
            max_discharge_w=self._limit_w(CONF_MAX_DISCHARGE),
        )
        if fault:
            reading = replace(reading, status=UnitStatus.FAULT, fault=FAULT_REPORTED)
        if islanding:
            reading = replace(reading, status=UnitStatus.ISLANDING)
        elif reading.connected is False:
            reading = replace(reading, status=UnitStatus.DISCONNECTED)
        sample = self._power.sample(now_s) if self._power is not None else None
        return self._setpoint.complete(
            reading, power_s=None if sample is None else sample.time_s
        )

    def _away(self) -> str | None:
        """Return an entity that should be read and is not there."""
        for key in READ_KEYS:
            if key in self._read and self._state(key) is None:
                entity_id: str = self._read[key]
                return entity_id
        return None

    def _dark(self) -> bool:
        """Return whether nothing of what is measured can be read."""
        return all(
            self._state(key) is None
            for key in (CONF_SOC, CONF_POWER, CONF_PLUGGED, CONF_ISLANDING)
            if key in self._read
        )

    def _state(self, key: str) -> State | None:
        """Return what a mapped entity says, None where it says nothing."""
        if (entity_id := self._read.get(key)) is None:
            return None
        state = self._hass.states.get(entity_id)
        return None if state is None or state.state in NOTHING else state

    def _number(self, key: str) -> float | None:
        state = self._state(key)
        return None if state is None else number(state)

    def _is_on(self, key: str) -> bool | None:
        state = self._state(key)
        if state is None or state.state not in (STATE_ON, STATE_OFF):
            return None
        return state.state == STATE_ON

    def _islanding(self) -> bool | None:
        return self._is_on(CONF_ISLANDING)

    def _power_w(self) -> float | None:
        """Return the power, positive into the home, while it is fresh."""
        if self._power is None:
            return None
        now_s = dt_util.utcnow().timestamp()
        sample = self._power.sample(now_s)
        return sample.value if sample is not None and sample.fresh(now_s) else None

    def _limit_w(self, key: str) -> float | None:
        """Return a limit, which has no sign whatever the entity thinks."""
        state = self._state(key)
        limit_w = None if state is None else power_w(state)
        return None if limit_w is None else abs(limit_w)

    def _kwh(self, key: str) -> float | None:
        state = self._state(key)
        value = None if state is None else number(state)
        if state is None or value is None:
            return None
        unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        if unit not in EnergyConverter.VALID_UNITS:
            return None
        return EnergyConverter.convert(value, unit, UnitOfEnergy.KILO_WATT_HOUR)

    def _info(self) -> UnitInfo:
        """Return what the other integration says of the device."""
        entry = er.async_get(self._hass).async_get(self._read[CONF_SOC])
        device_id = entry.device_id if entry is not None else None
        device = dr.async_get(self._hass).async_get(device_id) if device_id else None
        if not isinstance(device, dr.DeviceEntry):
            return UnitInfo()
        return UnitInfo(
            manufacturer=device.manufacturer,
            model=device.model,
            sw_version=device.sw_version,
            serial_number=device.serial_number,
        )


async def async_create(hass: HomeAssistant, context: UnitContext) -> EntitiesUnit:
    """Make the unit; nothing is written before it connects."""
    return EntitiesUnit(hass, context)
