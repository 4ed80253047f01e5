"""A battery at a charger that behaves like a real one, for replay, demo and tests.

The law of energy: over one `advance` the stored energy changes by what the loss curve
says at the MEAN power of that advance, so whoever reads a trace can recompute it. What
a station draws while it idles stores nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import floor
from typing import Any, Self

from .battery import UnitSpec
from .derating import charge_w_at, discharge_w_at
from .model import Reading, UnitStatus
from .stored import from_dict, to_dict

WS_PER_KWH = 3.6e6
_EPSILON_KWH = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class PlantStep:
    """Mean powers over one advance, in W, and the stored energy at its end.

    While the grid is lost `grid_w` is 0 and `unit_w` is the load that is carried.
    """

    unit_w: float
    grid_w: float
    stored_kwh: float


@dataclass(kw_only=True, slots=True)
class PlantState:
    """All that a plant remembers; `queue` holds commands on their way, (time_s, W)."""

    time_s: float = 0.0
    stored_kwh: float = 0.0
    connected: bool = False
    forced: bool = False
    target_w: float = 0.0
    queue: list[tuple[float, float]] = field(default_factory=list)
    power_w: float = 0.0
    direction: int = 0
    start_left_s: float | None = None
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0
    grid_lost: bool = False
    island_over: bool = False


class Plant:
    """One unit: dead time, start, ramp, limits, losses, standby, presence, outage.

    `stored_kwh` None begins at the spec's initial state of charge. A unit that is
    plugged in below the spec's `min_soc_percent` charges by itself, whatever it is
    told, to `forced_to_percent`. A spec with a `min_import_w` above 0 reduces itself so
    that the grid keeps delivering that much while it discharges; with 0 it does not
    watch the grid. `islands`: whether it carries the house when the grid is lost. Its
    tapers go by the state of charge at the begin of an `advance`.
    """

    __slots__ = (
        "_max_kwh",
        "_min_kwh",
        "_state",
        "dead_time_s",
        "forced_to_percent",
        "islands",
        "spec",
    )

    def __init__(
        self,
        spec: UnitSpec,
        *,
        time_s: float = 0.0,
        dead_time_s: float = 0.0,
        stored_kwh: float | None = None,
        connected: bool = True,
        forced_to_percent: float = 20.0,
        islands: bool = True,
    ) -> None:
        self.spec = spec
        self.dead_time_s = dead_time_s
        self.forced_to_percent = forced_to_percent
        self.islands = islands
        self._min_kwh = spec.capacity_kwh * spec.min_soc_percent / 100.0
        self._max_kwh = spec.capacity_kwh * spec.max_soc_percent / 100.0
        if stored_kwh is None:
            stored_kwh = spec.capacity_kwh * spec.initial_soc_percent / 100.0
        self._state = PlantState(time_s=time_s, stored_kwh=stored_kwh)
        if connected:
            self.plug_in()

    @property
    def time_s(self) -> float:
        """Return up to when the plant has run."""
        return self._state.time_s

    @property
    def stored_kwh(self) -> float:
        """Return the true stored energy, counted from 0 %."""
        return self._state.stored_kwh

    @property
    def soc_percent(self) -> float:
        """Return the true state of charge."""
        return self._state.stored_kwh / self.spec.capacity_kwh * 100.0

    @property
    def reported_soc_percent(self) -> float:
        """Return the state of charge as the unit reports it, in whole steps."""
        step = self.spec.soc_step_percent
        if step <= 0.0:
            return self.soc_percent
        return floor(self.soc_percent / step + 1e-6) * step

    @property
    def connected(self) -> bool:
        """Return whether the unit is there and plugged in."""
        return self._state.connected

    @property
    def grid_lost(self) -> bool:
        """Return whether the grid is away."""
        return self._state.grid_lost

    @property
    def islanding(self) -> bool:
        """Return whether the unit carries the house without the grid."""
        return self._state.grid_lost and self._state.direction > 0

    @property
    def island_over(self) -> bool:
        """Return whether it lets go of the house until the grid is back."""
        return self._state.island_over

    @property
    def power_w(self) -> float:
        """Return the AC power at this moment, standby included."""
        return self._state.power_w or self._standby_w()

    @property
    def commanded_w(self) -> float:
        """Return the latest command, whether or not it has come through yet."""
        queue = self._state.queue
        return queue[-1][1] if queue else self._state.target_w

    @property
    def status(self) -> UnitStatus:
        """Return what the unit says that it is doing."""
        state = self._state
        if not state.connected:
            return UnitStatus.DISCONNECTED
        if self.islanding:
            return UnitStatus.ISLANDING
        if state.forced:
            return UnitStatus.FORCED_CHARGE
        if state.start_left_s is not None:
            return UnitStatus.STARTING
        if state.direction == 0:
            return UnitStatus.IDLE
        return UnitStatus.DISCHARGING if state.direction > 0 else UnitStatus.CHARGING

    def reading(self, *, max_age_s: float = 60.0) -> Reading:
        """Return what the unit says of itself now; without a car there is no charge."""
        state = self._state
        return Reading(
            time_s=state.time_s,
            max_age_s=max_age_s,
            soc_percent=self.reported_soc_percent if state.connected else None,
            soh_percent=self.spec.soh_percent if state.connected else None,
            power_w=self.power_w,
            connected=state.connected,
            status=self.status,
            islanding=self.islanding,
            charged_kwh=state.charged_kwh,
            discharged_kwh=state.discharged_kwh,
        )

    def command(self, power_w: float, now_s: float) -> None:
        """Ask for `power_w`; it takes effect one dead time after `now_s`.

        Nobody hears it while nothing is plugged in.
        """
        if self._state.connected:
            self._state.queue.append((now_s + self.dead_time_s, power_w))

    def plug_in(self) -> None:
        """Come home: idle until commanded, or charging by itself when nearly empty."""
        state = self._state
        state.connected = True
        state.forced = self.soc_percent < self.spec.min_soc_percent

    def unplug(self, energy_kwh: float = 0.0) -> float:
        """Leave for a trip; return the energy in kWh that the battery gave to it.

        What the battery does not have is charged on the way.
        """
        state = self._state
        taken_kwh = min(energy_kwh, state.stored_kwh)
        state.stored_kwh -= taken_kwh
        state.connected = state.forced = False
        self._forget_commands()
        return taken_kwh

    def lose_grid(self) -> None:
        """Cut the mains: the unit lets go, then starts an island if it can."""
        self._state.grid_lost = True
        self._state.island_over = not self.islands
        self._forget_commands()

    def start_island(self) -> None:
        """Let a person start the island of a unit that does not by itself."""
        if self._state.grid_lost:
            self._state.island_over = False

    def restore_grid(self) -> None:
        """Bring the mains back: the unit lets go of the house and idles."""
        self._state.grid_lost = False
        self._forget_commands()

    def skip_to(self, time_s: float) -> None:
        """Let the time pass up to `time_s` without anything happening."""
        self._state.time_s = time_s

    def advance(self, dt_s: float, load_w: float, solar_w: float = 0.0) -> PlantStep:
        """Run for `dt_s` seconds at this mean load and solar power, both W.

        Raises `ValueError` when the time does not go forward.
        """
        if dt_s <= 0.0:
            raise ValueError(f"expected a time step above 0 s, found {dt_s}")
        state = self._state
        queue = state.queue
        time_s, end_s = state.time_s, state.time_s + dt_s
        energy_ws = 0.0
        while True:
            while queue and queue[0][0] <= time_s:
                self._take(queue.pop(0)[1])
            until_s = min(end_s, queue[0][0]) if queue else end_s
            if state.grid_lost:
                energy_ws += self._island(until_s - time_s, load_w)
            else:
                energy_ws += self._run(until_s - time_s, load_w - solar_w)
            time_s = until_s
            if time_s >= end_s:
                break
        state.time_s = end_s
        unit_w = self._store(energy_ws / dt_s, dt_s)
        return PlantStep(
            unit_w=unit_w,
            grid_w=0.0 if state.grid_lost else load_w - solar_w - unit_w,
            stored_kwh=state.stored_kwh,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what the plant remembers as JSON-ready plain data."""
        result: dict[str, Any] = to_dict(self._state)
        return result

    @classmethod
    def from_dict(
        cls, spec: UnitSpec, data: Mapping[str, Any], **settings: Any
    ) -> Self:
        """Make a plant with the keyword `settings` of `__init__` and a stored memory.

        Raises `StateError` when the memory cannot be read.
        """
        plant = cls(spec, **settings)
        plant._state = from_dict(PlantState, data, "plant")
        return plant

    def _standby_w(self) -> float:
        state = self._state
        if state.connected and not state.grid_lost:
            return -self.spec.standby_w
        return 0.0

    def _forget_commands(self) -> None:
        state = self._state
        state.queue.clear()
        state.target_w = state.power_w = 0.0
        state.direction = 0
        state.start_left_s = None

    def _take(self, power_w: float) -> None:
        self._state.target_w = power_w
        if self.islanding and power_w <= 0.0:
            # To idle a unit that carries the house takes the light away.
            self._state.island_over = True

    def _wanted_w(self) -> float:
        """Return the power that the unit tries to run at, whatever the grid does."""
        state, spec = self._state, self.spec
        if not state.connected:
            return 0.0
        if state.forced:
            if self.soc_percent < self.forced_to_percent:
                return -charge_w_at(spec, self.soc_percent)
            state.forced = False
        soc = self.soc_percent
        wanted_w = max(
            -charge_w_at(spec, soc), min(discharge_w_at(spec, soc), state.target_w)
        )
        if abs(wanted_w) < spec.min_power_w:
            return 0.0
        if wanted_w > 0.0 and state.stored_kwh <= self._min_kwh + _EPSILON_KWH:
            return 0.0
        if wanted_w < 0.0 and state.stored_kwh >= self._max_kwh - _EPSILON_KWH:
            return 0.0
        return wanted_w

    def _run(self, left_s: float, net_w: float) -> float:
        """Run grid-tied for `left_s`; return the AC energy into the home in Ws."""
        state, spec = self._state, self.spec
        level_w = wanted_w = self._wanted_w()
        if spec.min_import_w > 0.0:
            room_w = max(0.0, net_w - spec.min_import_w)
            state.power_w = min(state.power_w, room_w)
            if wanted_w > room_w:
                level_w = room_w if room_w >= spec.min_power_w else 0.0
        sign = (wanted_w > 0.0) - (wanted_w < 0.0)
        energy_ws = 0.0
        if sign != state.direction:
            energy_ws, left_s = self._ramp(0.0, left_s)
            if state.power_w == 0.0:
                state.direction = 0
                waited_s = self._start(sign, left_s)
                energy_ws += self._standby_w() * waited_s
                left_s -= waited_s
        else:
            state.start_left_s = None
        if sign == state.direction:
            ramped_ws, left_s = self._ramp(level_w, left_s)
            energy_ws += ramped_ws
        return energy_ws + self.power_w * left_s

    def _start(self, direction: int, left_s: float) -> float:
        """Wait for the relay for `left_s` at most; return how long it took."""
        state = self._state
        if direction == 0:
            state.start_left_s = None
            return 0.0
        if state.start_left_s is None:
            state.start_left_s = self.spec.start_delay_s
        waited_s = min(left_s, state.start_left_s)
        state.start_left_s -= waited_s
        if state.start_left_s <= 0.0:
            state.start_left_s = None
            state.direction = direction
        return waited_s

    def _ramp(self, level_w: float, left_s: float) -> tuple[float, float]:
        """Move the power towards `level_w`; return the Ws made and the seconds left."""
        state = self._state
        away_w = level_w - state.power_w
        if away_w == 0.0:
            return 0.0, left_s
        rate = self.spec.ramp_w_per_s
        ramp_s = abs(away_w) / rate if rate > 0.0 else 0.0
        before_w = state.power_w
        if ramp_s <= left_s:
            state.power_w = level_w
        else:
            state.power_w += away_w * left_s / ramp_s
            ramp_s = left_s
        return (before_w + state.power_w) / 2.0 * ramp_s, left_s - ramp_s

    def _island(self, left_s: float, load_w: float) -> float:
        """Carry the house without the grid; return the AC energy in Ws."""
        state = self._state
        empty = state.stored_kwh <= self._min_kwh + _EPSILON_KWH
        state.island_over |= empty
        if state.island_over or not state.connected:
            state.power_w = 0.0
            state.direction = 0
            return 0.0
        if state.direction == 0:
            left_s -= self._start(1, left_s)
        if state.direction > 0:
            state.power_w = min(load_w, discharge_w_at(self.spec, self.soc_percent))
        return state.power_w * left_s

    def _store(self, mean_w: float, dt_s: float) -> float:
        """Book `dt_s` at `mean_w` into the battery; return the power that it bore.

        A battery that fills or empties on the way has a lower mean.
        """
        state, spec = self._state, self.spec
        standby_w = self._standby_w()
        hours = dt_s / WS_PER_KWH
        if mean_w > 0.0:
            room_kwh = max(0.0, state.stored_kwh - self._min_kwh)
            drain_kwh = -spec.stored_w(mean_w) * hours
            if drain_kwh > room_kwh:
                mean_w = spec.discharge_w_for(room_kwh / hours)
                state.power_w = 0.0
                drain_kwh = room_kwh
                if mean_w <= 0.0:
                    mean_w, drain_kwh = standby_w, 0.0
            state.stored_kwh -= drain_kwh
        elif mean_w < standby_w:
            room_kwh = max(0.0, self._max_kwh - state.stored_kwh)
            gain_kwh = spec.stored_w(mean_w) * hours
            if gain_kwh > room_kwh:
                mean_w = -spec.charge_w_for(room_kwh / hours)
                state.power_w = 0.0
                gain_kwh = room_kwh
                if mean_w >= standby_w:
                    mean_w, gain_kwh = standby_w, 0.0
            state.stored_kwh += gain_kwh
        if mean_w > 0.0:
            state.discharged_kwh += mean_w * hours
        else:
            state.charged_kwh -= mean_w * hours
        return mean_w
