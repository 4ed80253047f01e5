"""A closed loop of the real engine and the plant, tick by tick."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from custom_components.leaf_to_home.engine.battery import LossCurve, UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Decision,
    HomeMode,
    Inputs,
    Intent,
    NativeMode,
    Reading,
    Sample,
    Site,
    UnitInputs,
)
from custom_components.leaf_to_home.engine.plant import Plant
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
    first_settings,
)
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.tariff import Tariff, parse_tariff

# 2026-11-23 18:00 in UTC, a Monday evening.
START_S = 1_795_456_800.0
CURVE = LossCurve(constant_w=80.0, linear=0.03, quadratic_per_kw=0.004)
LEAF = UnitSpec(
    kind=UnitKind.VEHICLE,
    usable_kwh=36.0,
    min_soc_percent=10.0,
    max_soc_percent=95.0,
    reserve_percent=30.0,
    max_charge_w=6000.0,
    max_discharge_w=6000.0,
    min_power_w=300.0,
    min_import_w=50.0,
    start_delay_s=10.0,
    ramp_w_per_s=1000.0,
    initial_soc_percent=70.0,
    wear_per_kwh=0.02,
    charge_loss=CURVE,
    discharge_loss=CURVE,
)


@dataclass(kw_only=True)
class Row:
    """What was true in one tick, and what was decided at its start."""

    time_s: float
    load_w: float
    unit_w: float
    grid_w: float
    soc_percent: float
    decision: Decision
    powers_w: dict[str, float]

    @property
    def command_w(self) -> float | None:
        """Return the set-point that was handed out, None where there was silence."""
        return self.command_of("leaf")

    @property
    def follows(self) -> bool:
        """Return whether the leaf was left to follow the load by itself."""
        setpoint = self.decision.units["leaf"].setpoint
        return setpoint is not None and setpoint.native is NativeMode.FOLLOW

    def command_of(self, key: str) -> float | None:
        """Return the set-point that a unit was handed."""
        unit = self.decision.units[key]
        return unit.setpoint.power_w if unit.setpoint and unit.send else None


class Late:
    """Hands readings on late, with their true times or with the time of arrival."""

    def __init__(self, lag_s: float, *, stamped: bool = True) -> None:
        self._lag_s = lag_s
        self._stamped = stamped
        self._waiting: deque[Reading] = deque()

    def __call__(self, reading: Reading) -> Reading:
        """Take the reading of now and return the one that has arrived."""
        self._waiting.append(reading)
        while (
            len(self._waiting) > 1
            and self._waiting[1].time_s <= reading.time_s - self._lag_s
        ):
            self._waiting.popleft()
        arrived = self._waiting[0]
        return arrived if self._stamped else replace(arrived, time_s=reading.time_s)


@dataclass(kw_only=True)
class Loop:
    """One home, run tick by tick; its first unit is the "leaf".

    `spec` is what the engine believes of the unit, `truth` what it is. `more` are other
    units. `adjust` may change the inputs of a step, `reading` those of the leaf.
    `native`: the leaf can follow the load by itself, as a plant with a `min_import_w`
    does when it is told its highest power.
    """

    site: Site
    spec: UnitSpec = LEAF
    truth: UnitSpec | None = None
    more: dict[str, UnitSpec] = field(default_factory=dict)
    dead_time_s: float = 5.0
    native: bool = False
    mode: HomeMode = HomeMode.AUTOMATIC
    plan: Intent | None = None
    import_limit_w: float | None = None
    grid_fails: Callable[[float], bool] = lambda _: False
    reading: Callable[[Reading], Reading | None] = lambda reading: reading
    mains: Callable[[float], bool | None] = lambda _: None
    noise_w: Callable[[float], float] = lambda _: 0.0
    adjust: Callable[[Inputs], Inputs] = lambda inputs: inputs
    meter_s: float = 1.0
    tick_s: float = 1.0
    state: HomeState = field(init=False)
    plants: dict[str, Plant] = field(init=False)
    rows: list[Row] = field(default_factory=list)
    _grid: Sample | None = None

    def __post_init__(self) -> None:
        """Bring the home to life with its units plugged in."""
        self.specs = {"leaf": self.spec, **self.more}
        true_specs = self.specs | {"leaf": self.truth or self.spec}
        self.plants = {
            key: Plant(spec, time_s=START_S, dead_time_s=self.dead_time_s)
            for key, spec in true_specs.items()
        }
        self.state = HomeState(
            settings=HomeSettings(mode=self.mode, import_limit_w=self.import_limit_w),
            units={
                key: UnitState(settings=first_settings(spec))
                for key, spec in self.specs.items()
            },
        )

    @property
    def plant(self) -> Plant:
        """Return the leaf's plant."""
        return self.plants["leaf"]

    @property
    def leaf(self) -> UnitState:
        """Return what the engine remembers of the leaf."""
        return self.state.units["leaf"]

    def change(self, **settings: object) -> None:
        """Change the leaf's settings as the user would."""
        self.leaf.settings = replace(
            self.leaf.settings,
            **settings,  # type: ignore[arg-type]
        )

    def change_home(self, **settings: object) -> None:
        """Change the home's settings as the user would."""
        self.state.settings = replace(
            self.state.settings,
            **settings,  # type: ignore[arg-type]
        )

    def inputs(self, since_s: float) -> Inputs:
        """Return what a step may know now."""
        readings: dict[str, Reading | None] = {
            key: plant.reading(max_age_s=max(60.0, 3.0 * self.tick_s))
            for key, plant in self.plants.items()
        }
        leaf = readings["leaf"]
        assert leaf is not None
        readings["leaf"] = self.reading(leaf)
        return self.adjust(
            Inputs(
                site=self.site,
                units={
                    key: UnitInputs(
                        spec=spec,
                        capabilities=Capabilities(
                            dead_time_s=self.dead_time_s,
                            native_follow=self.native and key == "leaf",
                        ),
                        reading=readings[key],
                        plan=self.plan,
                    )
                    for key, spec in self.specs.items()
                },
                grid=self._grid,
                mains=self.mains(since_s),
                interval_s=max(self.tick_s, self.meter_s),
            )
        )

    def run(
        self,
        seconds: float,
        load: Callable[[float], float],
        solar: Callable[[float], float] = lambda _: 0.0,
    ) -> list[Row]:
        """Run on for a time; `load` and `solar` get seconds since the start."""
        begin = len(self.rows)
        for _ in range(round(seconds / self.tick_s)):
            now_s = self.plant.time_s
            since_s = now_s - START_S
            net_w = load(since_s) - solar(since_s)
            if not self.grid_fails(since_s) and since_s % self.meter_s == 0.0:
                units_w = sum(plant.power_w for plant in self.plants.values())
                self._grid = Sample(
                    value=net_w - units_w + self.noise_w(since_s),
                    time_s=now_s,
                    max_age_s=max(30.0, 3.0 * self.meter_s, 3.0 * self.tick_s),
                )
            self.state, decision = step(self.state, self.inputs(since_s), now_s)
            self._carry_out(decision, now_s)
            self.rows.append(self._advance(since_s, load(since_s), net_w, decision))
        return self.rows[begin:]

    def _carry_out(self, decision: Decision, now_s: float) -> None:
        for key, unit in decision.units.items():
            plant = self.plants[key]
            power_w = None
            if unit.setpoint is not None and unit.send:
                power_w = unit.setpoint.power_w
            elif unit.park:
                power_w = 0.0
            if power_w is not None and power_w != plant.commanded_w:
                plant.command(power_w, now_s)

    def _advance(
        self, since_s: float, load_w: float, net_w: float, decision: Decision
    ) -> Row:
        powers_w: dict[str, float] = {}
        for key, plant in self.plants.items():
            others_w = sum(
                powers_w.get(other, each.power_w)
                for other, each in self.plants.items()
                if other != key
            )
            powers_w[key] = plant.advance(self.tick_s, net_w - others_w).unit_w
        lost = self.plant.grid_lost
        return Row(
            time_s=since_s,
            load_w=load_w,
            unit_w=powers_w["leaf"],
            grid_w=0.0 if lost else net_w - sum(powers_w.values()),
            soc_percent=self.plant.soc_percent,
            decision=decision,
            powers_w=powers_w,
        )


def commands(rows: list[Row], key: str = "leaf") -> list[tuple[float, float]]:
    """Return each new command as (time, W); a repeated one is none."""
    result: list[tuple[float, float]] = []
    for row in rows:
        power_w = row.command_of(key)
        if power_w is not None and (not result or result[-1][1] != power_w):
            result.append((row.time_s, power_w))
    return result


def starts_s(rows: list[Row], key: str = "leaf") -> list[float]:
    """Return when a unit was told to begin from nothing."""
    begun: list[float] = []
    before_w = 0.0
    for time_s, power_w in commands(rows, key):
        if power_w != 0.0 and before_w == 0.0:
            begun.append(time_s)
        before_w = power_w
    return begun


def reversals_s(rows: list[Row], key: str = "leaf") -> list[float]:
    """Return when a unit was told to go the other way."""
    turned: list[float] = []
    way = 0
    for time_s, power_w in commands(rows, key):
        if power_w == 0.0:
            continue
        if way != 0 and (power_w > 0.0) is not (way > 0):
            turned.append(time_s)
        way = 1 if power_w > 0.0 else -1
    return turned


def dear_site(**limits: object) -> Site:
    """Return a site in which the evening is dear and the night is cheap."""
    return site_with(EVENING_PEAK, **limits)


def site_with(tariff: Tariff, **limits: object) -> Site:
    """Return a site with a tariff and the given limits."""
    return Site(tariff=tariff, **limits)  # type: ignore[arg-type]


EVENING_PEAK = parse_tariff(
    {
        "currency": "EUR",
        "timezone": "UTC",
        "import": {
            "bands": [
                {"price": 0.10, "from": "23:00", "to": "07:00"},
                {"price": 0.40, "from": "07:00", "to": "23:00"},
            ]
        },
    }
)
