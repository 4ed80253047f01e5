"""A made-up house with the texture of a real one, known at any second."""

from bisect import bisect_right
from dataclasses import dataclass
from math import cos, pi, sin
from random import Random
from zoneinfo import ZoneInfo

from .local_clock import DAY_MINUTES, LocalClock, LocalDay

EVENING_MINUTE = 17 * 60 + 30
_KEPT_DAYS = 4
_NOISE_W = 15.0
_CLOUD_S = 240.0
_DAY_S = DAY_MINUTES * 60.0


@dataclass(frozen=True, slots=True)
class _Day:
    """One day as steps: from `starts_s[i]` seconds after midnight on, `loads_w[i]`."""

    starts_s: list[float]
    loads_w: list[float]
    cloud: float
    clear_peak_w: float
    sunrise_s: float
    sunset_s: float


class SimulatedHouse:
    """Load and solar power of a house as a pure function of seed and time.

    `evening_minute` is the local minute at which the evening peak is to begin: the
    whole day is shifted with it, and the sun has set by then, in summer too. A house
    without panels has a `solar_peak_w` of 0.
    """

    __slots__ = ("_clock", "_dark", "_days", "_seed", "_solar_peak_w", "shift_s")

    def __init__(
        self,
        seed: int,
        zone: ZoneInfo,
        *,
        evening_minute: int | None = None,
        solar_peak_w: float = 4000.0,
    ) -> None:
        self._dark = evening_minute is not None
        self.shift_s = 60.0 * (
            0 if evening_minute is None else evening_minute - EVENING_MINUTE
        )
        self._seed = seed
        self._solar_peak_w = solar_peak_w
        self._clock = LocalClock(zone)
        self._days: dict[float, _Day] = {}

    def load_w(self, time_s: float) -> float:
        """Return what the house draws at `time_s`, in W."""
        day, second = self._at(time_s)
        level_w = day.loads_w[bisect_right(day.starts_s, second) - 1]
        return level_w + _NOISE_W * (2.0 * self._hash(int(time_s)) - 1.0)

    def solar_w(self, time_s: float) -> float:
        """Return what the panels give at `time_s`, in W."""
        day, second = self._at(time_s)
        if not day.sunrise_s < second < day.sunset_s:
            return 0.0
        high = sin(pi * (second - day.sunrise_s) / (day.sunset_s - day.sunrise_s))
        return (
            day.clear_peak_w
            * high
            * (0.6 + 0.4 * high)
            * (1.0 - day.cloud * self._shade(time_s))
        )

    def _at(self, time_s: float) -> tuple[_Day, float]:
        shifted_s = time_s - self.shift_s
        local = self._clock.day(shifted_s)
        day = self._days.get(local.start_s)
        if day is None:
            if len(self._days) >= _KEPT_DAYS:
                self._days.clear()
            day = self._days[local.start_s] = _make_day(
                local, self._seed, self._solar_peak_w, dark=self._dark
            )
        return day, shifted_s - local.start_s

    def _shade(self, time_s: float) -> float:
        """Return how much cloud stands before the sun, 0 to 1, smooth in time."""
        slot, into = divmod(time_s, _CLOUD_S)
        part = (1.0 - cos(pi * into / _CLOUD_S)) / 2.0
        return self._hash(-int(slot)) * (1.0 - part) + self._hash(-int(slot) - 1) * part

    def _hash(self, number: int) -> float:
        """Return a number from 0 to 1 that depends on the seed and `number` alone."""
        mixed = (number * 0x9E3779B1 + self._seed * 0x85EBCA77) & 0xFFFFFFFF
        mixed = ((mixed ^ (mixed >> 15)) * 0x2C1B3C6D) & 0xFFFFFFFF
        mixed = ((mixed ^ (mixed >> 12)) * 0x297A2D39) & 0xFFFFFFFF
        return (mixed ^ (mixed >> 15)) / 0xFFFFFFFF


def _make_day(local: LocalDay, seed: int, solar_peak_w: float, *, dark: bool) -> _Day:
    """Make one day up; `dark`: its sun is so much earlier as to set by the evening."""
    random = Random(f"{seed}/{local.iso}/house")
    home_by_day = local.weekday >= 5
    changes: list[tuple[float, float]] = []

    def use(start_s: float, length_s: float, power_w: float) -> None:
        changes.append((start_s, power_w))
        changes.append((start_s + length_s, -power_w))

    def cycle(
        start_s: float, length_s: float, power_w: float, on_s: float, off_s: float
    ) -> None:
        at_s = start_s
        while at_s < start_s + length_s:
            use(at_s, min(on_s, start_s + length_s - at_s), power_w)
            at_s += on_s + off_s

    def about(minute: float, spread: float) -> float:
        return 60.0 * (minute + random.uniform(-spread, spread))

    # Standby, router and ventilation; a compressor that starts with a spike.
    use(0.0, 2.0 * _DAY_S, random.uniform(160.0, 230.0))
    pause_s, run_s = random.uniform(1700.0, 2300.0), random.uniform(900.0, 1200.0)
    fridge_s = -random.uniform(0.0, run_s)
    while fridge_s < 1.1 * _DAY_S:
        use(fridge_s, 2.0, 500.0)
        use(fridge_s, run_s, 85.0)
        fridge_s += (run_s + pause_s) * random.uniform(0.93, 1.07)

    # Morning.
    morning_s = about(8 * 60 if home_by_day else 6 * 60 + 40, 15)
    use(morning_s, 75 * 60.0, random.uniform(180.0, 300.0))
    use(morning_s + 600.0, random.uniform(130.0, 200.0), 2000.0)
    use(morning_s + 1500.0, random.uniform(90.0, 150.0), 900.0)
    use(morning_s + 2100.0, random.uniform(150.0, 300.0), 1400.0)

    # The day: somebody is home at the weekend; machines run on some days.
    if home_by_day:
        use(about(11 * 60, 20), 5.5 * 3600.0, random.uniform(120.0, 260.0))
        cycle(about(12 * 60 + 15, 20), 35 * 60.0, 1500.0, 50.0, 40.0)
    for _ in range(random.randint(1, 3)):
        use(about(13 * 60, 240), random.uniform(120.0, 190.0), 2000.0)
    if random.random() < (0.7 if home_by_day else 0.3):
        washing_s = about(10 * 60 + 30, 60)
        use(washing_s, 70 * 60.0, 150.0)
        use(washing_s + 300.0, 16 * 60.0, 1950.0)

    # The evening peak begins with the minute that is asked for: lights and screens,
    # the hob, the oven that heats up and then cycles, the kettle, the dishwasher.
    evening_s = EVENING_MINUTE * 60.0
    use(evening_s, random.uniform(5.2, 5.8) * 3600.0, random.uniform(380.0, 520.0))
    cycle(evening_s + 60.0, random.uniform(40, 60) * 60.0, 1700.0, 70.0, 35.0)
    oven_s = evening_s + random.uniform(8, 20) * 60.0
    use(oven_s, random.uniform(9, 12) * 60.0, 2200.0)
    cycle(oven_s + 720.0, random.uniform(25, 45) * 60.0, 2200.0, 40.0, 75.0)
    use(
        evening_s + random.uniform(75, 100) * 60.0, random.uniform(120.0, 190.0), 2000.0
    )
    use(evening_s + 2.6 * 3600.0, random.uniform(120.0, 190.0), 2000.0)
    if random.random() < 0.7:
        dishes_s = evening_s + random.uniform(1.7, 2.4) * 3600.0
        use(dishes_s, 80 * 60.0, 80.0)
        use(dishes_s + 400.0, 14 * 60.0, 1900.0)
        use(dishes_s + 3000.0, 12 * 60.0, 1900.0)

    starts_s, loads_w = _steps(changes)
    length_h, season = _sun(local)
    noon_s = 13.0 * 3600.0
    if dark:
        noon_s = min(noon_s, evening_s - length_h * 1800.0)
    return _Day(
        starts_s,
        loads_w,
        cloud=random.choice((0.1, 0.3, 0.6, 0.8, 0.9)),
        clear_peak_w=solar_peak_w * season,
        sunrise_s=noon_s - length_h * 1800.0,
        sunset_s=noon_s + length_h * 1800.0,
    )


def _steps(changes: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Turn changes of power into steps; what comes before midnight stands from it."""
    starts_s = [0.0]
    loads_w = [0.0]
    for at_s, change_w in sorted(changes):
        if at_s <= starts_s[-1]:
            loads_w[-1] += change_w
        else:
            starts_s.append(at_s)
            loads_w.append(loads_w[-1] + change_w)
    return starts_s, loads_w


def _sun(local: LocalDay) -> tuple[float, float]:
    """Return the hours of daylight and how strong the sun is, at about 50° north."""
    month, day = int(local.iso[5:7]), int(local.iso[8:10])
    season = -cos(2.0 * pi * ((month - 1) * 30.4 + day + 10.0) / 365.0)
    return 12.0 + 4.0 * season, 0.68 + 0.32 * season
