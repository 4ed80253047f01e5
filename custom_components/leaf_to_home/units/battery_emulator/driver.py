"""A second-life battery that Battery-Emulator tells of, led at its inverter."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from homeassistant.components import mqtt
from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from ...const import LOGGER
from ...engine.battery import UnitSpec
from ...engine.derating import measured_charge_w, measured_discharge_w
from ...engine.model import (
    Capabilities,
    IslandingStart,
    Outcome,
    Reading,
    Setpoint,
    UnitStatus,
)
from ...engine.stored import to_dict
from ..base import UnitContext, UnitInfo, UnitUnreachable
from ..mapped import MappedSetpoint
from ..mapped.mapping import CONF_SETPOINT
from ..mapped.notices import MappedNotices
from ..pack import PackCondition, PackView
from .caps import LAPSE_S, CurrentCaps
from .hearing import Hearing
from .messages import Info
from .notices import Notices
from .topics import SET_LIMITS
from .view import together

CONF_TOPIC: Final = "topic"
CONF_CHARGE_A: Final = "emulator_charge_a"
CONF_DISCHARGE_A: Final = "emulator_discharge_a"
CONF_ISLANDING: Final = "islanding"
CONF_ISLANDING_START: Final = "islanding_start"

MANUFACTURER: Final = "Battery-Emulator"
# A battery that runs nothing but its own electronics is at rest.
REST_W: Final = 50.0

_FAULTY: Final = (PackCondition.FAULT, PackCondition.CONTACTORS_OPEN)
_WHY: Final = {
    PackCondition.NO_BROKER: "Home Assistant has no connection to an MQTT broker",
    PackCondition.OFFLINE: "the emulator has left the broker",
    PackCondition.SILENT: "nothing is heard",
}


class BatteryEmulatorUnit:
    """One emulator with all batteries behind it, and the inverter before it.

    Without an inverter that can be led, the batteries are only observed.
    """

    poll_interval = None

    def __init__(self, hass: HomeAssistant, context: UnitContext) -> None:
        data = context.data
        self._hass = hass
        self._context = context
        self._hearing = Hearing(
            hass, name=context.name, topic=data[CONF_TOPIC], on_heard=self._heard
        )
        self._inverter = MappedSetpoint(
            hass,
            data.get(CONF_SETPOINT, {}),
            spec=context.spec,
            islanding=self._islanding,
            measured_w=self._measured_w,
        )
        self._caps = CurrentCaps(
            charge_a=data.get(CONF_CHARGE_A), discharge_a=data.get(CONF_DISCHARGE_A)
        )
        self._caps_sent: str | None = None
        self._notices = Notices(hass, context, data[CONF_TOPIC])
        self._inverter_notices = MappedNotices(hass, context.subentry_id, context.name)
        self._listeners: list[Callable[[Reading], None]] = []
        self._stop_inverter: CALLBACK_TYPE | None = None
        self.capabilities = self._capabilities()

    @property
    def pack(self) -> PackView:
        """Return what is going on inside the battery, as far as it is heard of."""
        lost = self._hearing.lost()
        if lost is not None:
            return PackView(condition=lost)
        return self._hearing.emulator.view()

    async def connect(self) -> UnitInfo:
        """Listen, and wait for the first word."""
        if self._stop_inverter is None:
            self._stop_inverter = self._inverter.async_listen(self._inverter_changed)
        await self._hearing.async_start()
        info = self._there()
        return UnitInfo(
            manufacturer=MANUFACTURER, model=info.hardware, sw_version=info.software
        )

    def listen(self, on_reading: Callable[[Reading], None]) -> Callable[[], None]:
        """Call back with each message, and when something changes at the inverter."""
        self._listeners.append(on_reading)

        def stop() -> None:
            self._listeners.remove(on_reading)

        return stop

    async def read(self) -> Reading:
        """Return what was heard last."""
        return self._reading(self._there())

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Set the power at the inverter, and limit the battery's currents with it."""
        outcome = await self._inverter.apply(setpoint)
        await self._async_lend_caps()
        return outcome

    async def park(self) -> Outcome:
        """Leave the inverter idle; the battery is never paused."""
        return await self._inverter.park()

    async def detach(self) -> None:
        """Listen no more; limits that were lent lapse by themselves."""
        self._hearing.async_stop()
        if self._stop_inverter is not None:
            self._stop_inverter()
            self._stop_inverter = None
        self._notices.async_heard()
        self._inverter_notices.clear()

    def diagnostics(self) -> dict[str, Any]:
        """Return what else is known of emulator and inverter."""
        return {
            "pack": to_dict(self.pack),
            **self._hearing.diagnostics(),
            "caps": self._caps_sent,
            CONF_SETPOINT: self._inverter.diagnostics(),
        }

    def _capabilities(self) -> Capabilities:
        start = self._context.data.get(CONF_ISLANDING_START, IslandingStart.NEVER)
        found = self._inverter.capabilities(IslandingStart(start), soc=True)
        if not self._caps.wanted:
            return found
        # What is lent for half a minute is lent again in time, as a watchdog is fed.
        return replace(found, watchdog_s=min(LAPSE_S, found.watchdog_s or LAPSE_S))

    def _there(self) -> Info:
        """Return what was heard last; raise UnitUnreachable when it counts no more."""
        if (info := self._hearing.info()) is not None:
            return info
        lost = self._hearing.lost() or PackCondition.SILENT
        self._notices.async_lost(lost, _now_s())
        raise UnitUnreachable(f"{self._hearing.topic}: {_WHY[lost]}")

    @callback
    def _heard(self, info: Info) -> None:
        if self._hearing.lost() is None:
            self._notices.async_heard()
        self._push(info)

    @callback
    def _inverter_changed(self) -> None:
        if (info := self._hearing.info()) is not None:
            self._push(info)

    @callback
    def _push(self, info: Info) -> None:
        reading = self._reading(info)
        for listener in list(self._listeners):
            listener(reading)

    def _reading(self, info: Info) -> Reading:
        """Return what the battery says, with what the inverter makes of it."""
        self._inverter_notices.check(self._inverter, _now_s())
        return self._inverter.complete(self._battery_reading(info))

    def _battery_reading(self, info: Info) -> Reading:
        emulator, spec = self._hearing.emulator, self._context.spec
        islanding = self._islanding()
        reading = Reading(
            time_s=self._hearing.heard_s or 0.0,
            max_age_s=self._hearing.max_age_s,
            status=self._status(None, islanding),
            islanding=islanding,
            fault=emulator.fault_code(),
            restarts=emulator.restarts,
        )
        packs = self._hearing.packs(info)
        if not packs:
            return reading
        battery = together(packs)
        power_w = _ac_w(spec, battery.power_w)
        max_discharge_w = battery.max_discharge_w
        return replace(
            reading,
            status=self._status(power_w, islanding),
            connected=True,
            soc_percent=battery.soc_percent,
            soh_percent=battery.soh_percent,
            power_w=power_w,
            max_charge_w=battery.max_charge_w,
            max_discharge_w=(
                None
                if max_discharge_w is None
                else spec.discharge_w_for(max_discharge_w)
            ),
            cell_min_mv=battery.cell_min_mv,
            cell_max_mv=battery.cell_max_mv,
            temperature_min_c=battery.temperature_min_c,
            temperature_max_c=battery.temperature_max_c,
        )

    def _status(self, power_w: float | None, islanding: bool | None) -> UnitStatus:
        condition = self._hearing.emulator.view().condition
        if condition in _FAULTY:
            return UnitStatus.FAULT
        if islanding:
            return UnitStatus.ISLANDING
        if condition is not PackCondition.RUNNING or power_w is None:
            return UnitStatus.NOT_CONTROLLABLE
        if abs(power_w) < REST_W:
            return UnitStatus.IDLE
        return UnitStatus.DISCHARGING if power_w > 0.0 else UnitStatus.CHARGING

    def _islanding(self) -> bool | None:
        """Return what the inverter says of an outage, where somebody named that."""
        entity_id = self._context.data.get(CONF_ISLANDING)
        state = self._hass.states.get(entity_id) if entity_id is not None else None
        if state is None or state.state not in (STATE_ON, STATE_OFF):
            return None
        return state.state == STATE_ON

    def _measured_w(self) -> float | None:
        info = self._hearing.info()
        return None if info is None else self._battery_reading(info).power_w

    async def _async_lend_caps(self) -> None:
        """Lower the emulator's own current limits where the battery bears less."""
        info, spec = self._hearing.info(), self._context.spec
        if info is None or info.pack is None or self._islanding():
            return
        reading = self._battery_reading(info)
        self._caps_sent = self._caps.message(
            spec,
            charge_w=measured_charge_w(spec, reading),
            discharge_w=measured_discharge_w(spec, reading),
            voltage_v=info.pack.voltage_v,
        )
        if self._caps_sent is None:
            return
        try:
            await mqtt.async_publish(
                self._hass, f"{self._hearing.topic}/{SET_LIMITS}", self._caps_sent
            )
        except HomeAssistantError as err:
            # The battery's own limits hold without it.
            LOGGER.debug("%s: no limits were lent: %s", self._hearing.topic, err)


def _ac_w(spec: UnitSpec, dc_w: float | None) -> float | None:
    """Return the power at the inverter's AC side for one at the battery's terminals."""
    if dc_w is None:
        return None
    if dc_w >= 0.0:
        return spec.discharge_w_for(dc_w)
    return -spec.charge_w_for(-dc_w)


def _now_s() -> float:
    return dt_util.utcnow().timestamp()


async def async_create(
    hass: HomeAssistant, context: UnitContext
) -> BatteryEmulatorUnit:
    """Make the unit; nothing is heard yet."""
    return BatteryEmulatorUnit(hass, context)
