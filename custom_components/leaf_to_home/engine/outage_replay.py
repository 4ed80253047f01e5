"""Plays outages in a replay: the grid goes, the station islands, and loads are shed.

What the model takes for granted, in the station's favour and against it:

- Station and car carry the house by themselves after their start delay, as long as the
  car is there and above its lowest state of charge. At that floor they stop, and stay
  dark until the grid is back.
- Home Assistant loses its power with the house. It is back `BOOT_S` after the station
  carries, with what it had last saved, and once more it dies every `RESTART_EVERY_S`.
- A load above what the station bears for `TRIP_S` makes it let go. Somebody starts it
  again after `DARK_S`; what was shed stays off.
- The sun stays out of the island, as behind most stations. Trips take place as ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from .clairvoyant import Interval, best_weighted_kwh
from .model import Departure
from .outage_house import COMFORT, HEAVY, Bands, OutageHabits
from .outage_model import LoadAction, LoadCommand, LoadInput
from .outages import HOUR_S, Outage
from .plant import WS_PER_KWH, Plant, PlantStep

BOOT_S = 90.0
RESTART_EVERY_S = 6.0 * HOUR_S
SAVE_EVERY_S = 60.0
TRIP_S = 10.0
DARK_S = 600.0
# How closely it is looked at, while things happen and else.
_BUSY_S = 10.0
_CALM_S = 60.0
_BUSY_FOR_S = 120.0
_SHEDDABLE = (COMFORT, HEAVY)


class Witness(Protocol):
    """The policy of a replay, as it lives through an outage."""

    def decide(
        self,
        now_s: float,
        load_w: float,
        solar_w: float,
        departures: tuple[Departure, ...],
    ) -> tuple[str, str]:
        """Command the plant; return intent and reason for the trace."""
        ...

    def look(self, loads: Mapping[str, LoadInput], interval_s: float) -> None:
        """See the loads, and hear how long the next decision stands."""
        ...

    @property
    def commands(self) -> tuple[LoadCommand, ...]:
        """Return what the last decision tells the loads."""
        ...

    def save(self) -> None:
        """Write what is remembered to the disk."""
        ...

    def restart(self) -> None:
        """Lose all that was not saved."""
        ...

    @property
    def at_rest(self) -> bool:
        """Return whether no outage goes on, and nothing of one is left to be done."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class OutageBooks:
    """What came of the outages of a run; energy on the AC side.

    `outage_lit_hours`: with light in the house. `outage_priority_share` is the
    priority-weighted energy carried over what a shedder could have carried who knew
    all beforehand and began with the same charge, `outage_weighted_share` over what
    the house would have taken. None where nothing could be carried.
    """

    outages: int
    outages_away: int
    outage_hours: float
    outage_lit_hours: float
    outage_load_kwh: float
    outage_served_kwh: float
    outage_weighted_share: float | None
    outage_priority_share: float | None
    outage_trips: int
    outage_restarts: int
    outage_loads_left_off: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayedOutage:
    """One outage as it went; weights times kWh in `weighted_*`."""

    outage: Outage
    soc_percent: float
    away: bool
    lit_hours: float
    load_kwh: float
    served_kwh: float
    weighted_load_kwh: float
    weighted_kwh: float
    weighted_best_kwh: float


@dataclass(kw_only=True, slots=True)
class _Course:
    """An outage while it goes on."""

    outage: Outage
    soc_percent: float
    usable_kwh: float
    away: bool
    intervals: list[Interval] = field(default_factory=list)
    trip_kwh: float = 0.0
    lit_s: float = 0.0
    load_kwh: float = 0.0
    served_kwh: float = 0.0
    weighted_load_kwh: float = 0.0
    weighted_kwh: float = 0.0


class OutagePlay:
    """The outages of a run, one step of the replay after the other."""

    def __init__(
        self,
        outages: Sequence[Outage],
        habits: OutageHabits,
        bands: Bands,
        plant: Plant,
        witness: Witness,
    ) -> None:
        self.played: list[PlayedOutage] = []
        self._outages = outages
        self._weights = habits.weights
        self._bands = bands
        self._plant = plant
        self._witness = witness
        self._next = 0
        self._course: _Course | None = None
        self._on = dict.fromkeys(_SHEDDABLE, True)
        self._changed_s = dict.fromkeys(_SHEDDABLE, -inf)
        self._busy_until_s = -inf
        self._awake_s = -inf
        self._dies_s = inf
        self._saved_s = -inf
        self._over_since_s: float | None = None
        self._tripped_until_s = -inf
        self._trips = 0
        self._restarts = 0

    def concerns(self, until_s: float) -> bool:
        """Return whether something of an outage happens before `until_s`."""
        return (
            self._plant.grid_lost
            or not self._witness.at_rest
            or not all(self._on.values())
            or (
                self._next < len(self._outages)
                and self._outages[self._next].begin_s < until_s
            )
        )

    def calm(self, load_w: float, step_s: float) -> None:
        """Show the witness the loads on a day like any other."""
        self._witness.look(self._loads(self._bands.split(load_w)), step_s)

    def leave(self, trip_kwh: float) -> None:
        """Hear that the car leaves for a trip."""
        if self._course is not None:
            self._course.trip_kwh += trip_kwh

    def live(
        self,
        now_s: float,
        step_s: float,
        load_w: float,
        solar_w: float,
        departures: tuple[Departure, ...],
    ) -> tuple[PlantStep, float, float, tuple[str, str]]:
        """Live through a step of the replay, closely.

        Return its means, what the house took and the sun gave, and intent and reason.
        """
        end_s, at_s = now_s + step_s, now_s
        split_w = self._bands.split(load_w)
        self._busy_until_s = max(self._busy_until_s, now_s + _BUSY_S)
        unit_ws = taken_ws = sun_ws = 0.0
        words = ("hold", "outage")
        while at_s < end_s - 1e-6:
            self._switch_grid(at_s)
            lost = self._plant.grid_lost
            next_s = self._until(at_s, end_s)
            lit = not lost or (
                self._plant.connected
                and not self._plant.island_over
                and at_s >= self._tripped_until_s
            )
            if self._lives(at_s, lit=lit):
                words = self._decide(
                    at_s, next_s - at_s, split_w, 0.0 if lost else solar_w, departures
                )
            served_w = self._served(split_w)
            if lost and lit and self._trips_over(sum(served_w), at_s):
                lit = False
            taken_w = sum(served_w) if lit else 0.0
            dt_s = next_s - at_s
            made = self._plant.advance(dt_s, taken_w, 0.0 if lost else solar_w)
            if lost:
                self._count(split_w, served_w, taken_w, made, dt_s)
                taken_w = made.unit_w
            unit_ws += made.unit_w * dt_s
            taken_ws += taken_w * dt_s
            sun_ws += (0.0 if lost else solar_w) * dt_s
            at_s = next_s
        self._switch_grid(end_s)
        means = PlantStep(
            unit_w=unit_ws / step_s,
            grid_w=(taken_ws - sun_ws - unit_ws) / step_s,
            stored_kwh=self._plant.stored_kwh,
        )
        return means, taken_ws / step_s, sun_ws / step_s, words

    def books(self) -> OutageBooks:
        """Return what came of all outages."""
        if self._course is not None:
            self._end()
        played = self.played
        weighted_kwh = sum(one.weighted_kwh for one in played)
        load_kwh = sum(one.weighted_load_kwh for one in played)
        best_kwh = sum(one.weighted_best_kwh for one in played)
        return OutageBooks(
            outages=len(played),
            outages_away=sum(one.away for one in played),
            outage_hours=sum(one.outage.hours for one in played),
            outage_lit_hours=sum(one.lit_hours for one in played),
            outage_load_kwh=sum(one.load_kwh for one in played),
            outage_served_kwh=sum(one.served_kwh for one in played),
            outage_weighted_share=weighted_kwh / load_kwh if load_kwh > 0.0 else None,
            outage_priority_share=weighted_kwh / best_kwh if best_kwh > 0.0 else None,
            outage_trips=self._trips,
            outage_restarts=self._restarts,
            outage_loads_left_off=sum(not on for on in self._on.values()),
        )

    def _switch_grid(self, at_s: float) -> None:
        """Take the grid away, or give it back, where it is time to."""
        plant = self._plant
        if self._course is not None and at_s >= self._course.outage.end_s - 1e-6:
            dark = plant.power_w <= 0.0
            self._end()
            plant.restore_grid()
            self._busy_until_s = at_s + _BUSY_FOR_S
            self._over_since_s, self._tripped_until_s = None, -inf
            self._dies_s = inf
            if dark:
                self._boot(at_s)
        if self._next < len(self._outages):
            outage = self._outages[self._next]
            if self._course is None and at_s >= outage.begin_s - 1e-6:
                self._next += 1
                self._begin(outage, at_s)

    def _begin(self, outage: Outage, at_s: float) -> None:
        plant, spec = self._plant, self._plant.spec
        floor_kwh = spec.capacity_kwh * spec.min_soc_percent / 100.0
        self._course = _Course(
            outage=outage,
            soc_percent=plant.soc_percent,
            usable_kwh=max(0.0, plant.stored_kwh - floor_kwh),
            away=not plant.connected,
        )
        self._witness.save()
        plant.lose_grid()
        self._busy_until_s = at_s + _BUSY_FOR_S + BOOT_S
        self._awake_s = inf

    def _end(self) -> None:
        course = self._course
        assert course is not None
        self._course = None
        spec = self._plant.spec
        self.played.append(
            PlayedOutage(
                outage=course.outage,
                soc_percent=course.soc_percent,
                away=course.away,
                lit_hours=course.lit_s / HOUR_S,
                load_kwh=course.load_kwh,
                served_kwh=course.served_kwh,
                weighted_load_kwh=course.weighted_load_kwh,
                weighted_kwh=course.weighted_kwh,
                weighted_best_kwh=best_weighted_kwh(
                    course.intervals,
                    self._weights,
                    spec,
                    course.usable_kwh,
                    spec.max_discharge_w,
                ),
            )
        )

    def _until(self, at_s: float, end_s: float) -> float:
        """Return up to when nothing changes of which it is known beforehand."""
        step_s = _BUSY_S if at_s < self._busy_until_s else _CALM_S
        moments = [end_s, at_s + step_s, self._awake_s, self._tripped_until_s]
        if self._course is not None:
            moments.append(self._course.outage.end_s)
        elif self._next < len(self._outages):
            moments.append(self._outages[self._next].begin_s)
        return min(moment for moment in moments if moment > at_s + 1e-6)

    def _boot(self, at_s: float) -> None:
        """Let Home Assistant come up with what it had saved."""
        self._witness.restart()
        self._restarts += 1
        self._awake_s = at_s + BOOT_S
        self._dies_s = self._awake_s + RESTART_EVERY_S
        self._busy_until_s = max(self._busy_until_s, self._awake_s + _BUSY_FOR_S)

    def _lives(self, at_s: float, *, lit: bool) -> bool:
        """Return whether Home Assistant runs; it dies and boots with its power."""
        if not lit:
            self._awake_s = inf
        elif self._awake_s == inf:
            if self._plant.islanding or not self._plant.grid_lost:
                self._boot(at_s)
        elif at_s >= self._dies_s:
            self._boot(at_s)
        return lit and at_s >= self._awake_s

    def _decide(
        self,
        at_s: float,
        dt_s: float,
        split_w: tuple[float, float, float],
        solar_w: float,
        departures: tuple[Departure, ...],
    ) -> tuple[str, str]:
        witness = self._witness
        witness.look(self._loads(split_w), dt_s)
        words = witness.decide(at_s, sum(self._served(split_w)), solar_w, departures)
        for command in witness.commands:
            on = command.action is not LoadAction.SHED
            if self._on[command.load] is not on:
                self._on[command.load] = on
                self._changed_s[command.load] = at_s
            self._busy_until_s = max(self._busy_until_s, at_s + _BUSY_FOR_S)
        if witness.commands or at_s - self._saved_s >= SAVE_EVERY_S:
            witness.save()
            self._saved_s = at_s
        return words

    def _loads(self, split_w: tuple[float, float, float]) -> Mapping[str, LoadInput]:
        """Return the loads as Home Assistant sees them."""
        return {
            name: LoadInput(
                on=self._on[name],
                state="on" if self._on[name] else "off",
                changed_s=None
                if self._changed_s[name] == -inf
                else self._changed_s[name],
                power_w=power_w if self._on[name] else 0.0,
            )
            for name, power_w in zip(_SHEDDABLE, split_w[1:], strict=True)
        }

    def _served(
        self, split_w: tuple[float, float, float]
    ) -> tuple[float, float, float]:
        kept_w, comfort_w, heavy_w = split_w
        return (
            kept_w,
            comfort_w if self._on[COMFORT] else 0.0,
            heavy_w if self._on[HEAVY] else 0.0,
        )

    def _trips_over(self, load_w: float, at_s: float) -> bool:
        """Return whether the station lets go of a load that it can't bear."""
        if load_w <= self._plant.spec.max_discharge_w:
            self._over_since_s = None
            return False
        if self._over_since_s is None:
            self._over_since_s = at_s
            self._busy_until_s = max(self._busy_until_s, at_s + _BUSY_FOR_S)
        if at_s - self._over_since_s < TRIP_S:
            return False
        self._over_since_s = None
        self._tripped_until_s = at_s + DARK_S
        self._trips += 1
        self._awake_s = inf
        return True

    def _count(
        self,
        split_w: tuple[float, float, float],
        served_w: tuple[float, float, float],
        taken_w: float,
        made: PlantStep,
        dt_s: float,
    ) -> None:
        course = self._course
        assert course is not None
        carried_w = max(0.0, made.unit_w)
        share = min(1.0, carried_w / taken_w) if taken_w > 0.0 else 0.0
        kwh = dt_s / WS_PER_KWH
        for band_w, part_w, weight in zip(
            split_w, served_w, self._weights, strict=True
        ):
            course.load_kwh += band_w * kwh
            course.weighted_load_kwh += weight * band_w * kwh
            course.served_kwh += part_w * share * kwh
            course.weighted_kwh += weight * part_w * share * kwh
        course.lit_s += share * dt_s
        self._remember(course, split_w, dt_s / HOUR_S)

    def _remember(
        self, course: _Course, split_w: tuple[float, float, float], hours: float
    ) -> None:
        """Note for the clairvoyant what could have been carried."""
        connected = self._plant.connected
        trip_kwh = course.trip_kwh if connected else 0.0
        if connected:
            course.trip_kwh = 0.0
        last = course.intervals[-1] if course.intervals else None
        if (
            last is not None
            and last.bands_w == split_w
            and last.connected is connected
            and trip_kwh == 0.0
        ):
            hours += last.hours
            trip_kwh = last.trip_kwh
            course.intervals.pop()
        course.intervals.append(
            Interval(
                hours=hours, bands_w=split_w, connected=connected, trip_kwh=trip_kwh
            )
        )
