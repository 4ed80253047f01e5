"""A simulated house with a LEAF at a charger, in real time.

It is as good as hardware to the rest: it measures its own house, has a dead time, keeps
its charge over a restart and goes on with the last command while nobody watches.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from ..const import (
    CONF_DEAD_TIME,
    CONF_EVENING_PEAK,
    CONF_SEED,
    CONF_SOLAR_PEAK,
    CONF_TRIPS,
    LOGGER,
    TRIPS_COMMUTER,
)
from ..engine.battery import UnitSpec
from ..engine.house import SimulatedHouse
from ..engine.model import (
    Capabilities,
    DischargeSemantics,
    IslandingStart,
    Outcome,
    OutcomeKind,
    Reading,
    Setpoint,
    UnitStatus,
)
from ..engine.plant import Plant
from ..engine.stored import StateError
from ..engine.trips import Commuter
from ..store import simulated_store
from .base import UnitContext, UnitInfo

TICK: Final = timedelta(seconds=1)
MAX_AGE_S: Final = 10.0
DEFAULT_DEAD_TIME_S: Final = 5.0
DEFAULT_SOLAR_PEAK_W: Final = 4000.0
# What happened while Home Assistant was away is made up for in coarse steps; what lies
# further back did not happen.
COARSE_S: Final = 10.0
CATCH_UP_S: Final = 6 * 3600.0


class SimulatedUnit:
    """The driver of a simulated car, charger and house."""

    poll_interval: timedelta | None = None

    def __init__(
        self,
        hass: HomeAssistant,
        context: UnitContext,
        *,
        house: SimulatedHouse,
        plant: Plant,
        commuter: Commuter | None,
    ) -> None:
        self.capabilities = Capabilities(
            discharge=DischargeSemantics.DESIGNATED,
            islanding=IslandingStart.BY_ITSELF,
            dead_time_s=plant.dead_time_s,
            export=context.spec.min_import_w <= 0.0,
        )
        self._hass = hass
        self._name = context.name
        self._store = simulated_store(hass, context.subentry_id)
        self._house = house
        self._plant = plant
        self._commuter = commuter
        self._grid_w: float | None = None
        self._listeners: list[Callable[[Reading], None]] = []
        self._stop: CALLBACK_TYPE | None = None

    @property
    def grid_present(self) -> bool:
        """Return whether the simulated grid is there."""
        return not self._plant.grid_lost

    @callback
    def set_grid(self, present: bool) -> None:
        """Take the grid away or give it back, as the utility would."""
        self._run_to(_now_s())
        if present == self.grid_present:
            return
        if present:
            self._plant.restore_grid()
        else:
            self._plant.lose_grid()
        self._grid_w = None
        self._push()

    async def connect(self) -> UnitInfo:
        """Begin to live."""
        self._run_to(_now_s())
        if self._stop is None:
            self._stop = async_track_time_interval(
                self._hass, self._tick, TICK, cancel_on_shutdown=True
            )
        return UnitInfo(manufacturer="LEAF to Home", model="Simulated LEAF and house")

    def listen(self, on_reading: Callable[[Reading], None]) -> Callable[[], None]:
        """Call back every second."""
        self._listeners.append(on_reading)

        def stop() -> None:
            self._listeners.remove(on_reading)

        return stop

    async def read(self) -> Reading:
        """Return what car, charger and meter say now."""
        self._run_to(_now_s())
        return self._reading()

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Command the charger; what it took is read back."""
        now_s = _now_s()
        self._run_to(now_s)
        plant, spec = self._plant, self._plant.spec
        if not plant.connected:
            return Outcome(
                kind=OutcomeKind.REFUSED, time_s=now_s, detail="disconnected"
            )
        power_w = max(-spec.max_charge_w, min(spec.max_discharge_w, setpoint.power_w))
        plant.command(power_w, now_s)
        limited = (
            plant.commanded_w != setpoint.power_w
            or plant.status is UnitStatus.FORCED_CHARGE
        )
        return Outcome(
            kind=OutcomeKind.LIMITED if limited else OutcomeKind.APPLIED,
            time_s=now_s,
            power_w=plant.commanded_w,
        )

    async def park(self) -> Outcome:
        """Idle; the charger starts an island from there by itself."""
        now_s = _now_s()
        self._run_to(now_s)
        self._plant.command(0.0, now_s)
        return Outcome(kind=OutcomeKind.APPLIED, time_s=now_s, power_w=0.0)

    async def detach(self) -> None:
        """Watch no longer; the car stays as it is."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        await self.async_save()

    async def async_save(self) -> None:
        """Keep the car's charge and counters over a restart."""
        await self._store.async_write({"plant": self._plant.to_dict()})

    @callback
    def _tick(self, _now: datetime) -> None:
        self._run_to(_now_s())
        self._push()

    @callback
    def _push(self) -> None:
        reading = self._reading()
        for listener in list(self._listeners):
            listener(reading)

    def _reading(self) -> Reading:
        plant = self._plant
        reading = plant.reading(max_age_s=MAX_AGE_S)
        if plant.grid_lost:
            # The meter is fed by the grid, and so are the panels' inverters.
            return replace(reading, grid_w=None, solar_w=0.0)
        solar_w = self._house.solar_w(plant.time_s)
        grid_w = self._grid_w
        if grid_w is None:
            grid_w = self._house.load_w(plant.time_s) - solar_w - plant.power_w
        return replace(reading, grid_w=grid_w, solar_w=solar_w)

    def _run_to(self, now_s: float) -> None:
        """Let car and house live up to `now_s`."""
        plant, house = self._plant, self._house
        coarse = now_s - plant.time_s > 60.0
        while (left_s := now_s - plant.time_s) > 0.0:
            self._drive(plant.time_s)
            dt_s = min(left_s, COARSE_S if coarse else 1.0)
            middle_s = plant.time_s + dt_s / 2.0
            made = plant.advance(dt_s, house.load_w(middle_s), house.solar_w(middle_s))
            self._grid_w = made.grid_w
            if now_s - plant.time_s < 1e-3:
                break

    def _drive(self, time_s: float) -> None:
        """Leave and come home with the trips."""
        if self._commuter is None:
            return
        trip = self._commuter.away(time_s)
        if trip is not None and self._plant.connected:
            self._plant.unplug(trip.energy_kwh)
        elif trip is None and not self._plant.connected:
            self._plant.plug_in()


async def async_create(hass: HomeAssistant, context: UnitContext) -> SimulatedUnit:
    """Make the house and the car as they were left."""
    data, spec = context.data, context.spec
    zone = ZoneInfo(hass.config.time_zone)
    seed = int(data.get(CONF_SEED, 1))
    house = SimulatedHouse(
        seed,
        zone,
        evening_minute=_evening_minute(data.get(CONF_EVENING_PEAK)),
        solar_peak_w=float(data.get(CONF_SOLAR_PEAK, DEFAULT_SOLAR_PEAK_W)),
    )
    commuter = None
    if data.get(CONF_TRIPS) == TRIPS_COMMUTER:
        commuter = Commuter(
            seed, zone, capacity_kwh=spec.capacity_kwh, shift_s=house.shift_s
        )
    stored = await simulated_store(hass, context.subentry_id).async_load()
    return SimulatedUnit(
        hass,
        context,
        house=house,
        plant=_plant(
            spec,
            context.name,
            float(data.get(CONF_DEAD_TIME, DEFAULT_DEAD_TIME_S)),
            stored,
        ),
        commuter=commuter,
    )


def _plant(
    spec: UnitSpec, name: str, dead_time_s: float, stored: dict[str, Any] | None
) -> Plant:
    now_s = _now_s()
    if stored is not None:
        try:
            memory = dict(stored["plant"])
            memory["time_s"] = max(memory["time_s"], now_s - CATCH_UP_S)
            return Plant.from_dict(spec, memory, dead_time_s=dead_time_s)
        except (KeyError, TypeError, ValueError, StateError) as err:
            LOGGER.warning("%s: its memory cannot be read: %r", name, err)
    return Plant(spec, time_s=now_s, dead_time_s=dead_time_s)


def _evening_minute(clock: str | None) -> int | None:
    """Return the local minute at which the evening is to begin, if it was chosen."""
    time = dt_util.parse_time(clock) if clock else None
    return None if time is None else time.hour * 60 + time.minute


def _now_s() -> float:
    return dt_util.utcnow().timestamp()
