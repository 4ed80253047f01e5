"""A closed loop of the real engine and the plant, second by second."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from custom_components.leaf_to_home.engine.battery import (
    LossCurve,
    UnitKind,
    UnitSpec,
)
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Decision,
    HomeMode,
    Inputs,
    Intent,
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
from custom_components.leaf_to_home.engine.tariff import Tariff

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
    """What was true in one second, and what was decided at its start."""

    time_s: float
    load_w: float
    unit_w: float
    grid_w: float
    soc_percent: float
    decision: Decision

    @property
    def command_w(self) -> float | None:
        """Return the set-point that was handed out, None where there was silence."""
        unit = self.decision.units["leaf"]
        return unit.setpoint.power_w if unit.setpoint and unit.send else None


@dataclass(kw_only=True)
class Loop:
    """One home with one unit, run second by second."""

    site: Site
    spec: UnitSpec = LEAF
    dead_time_s: float = 5.0
    mode: HomeMode = HomeMode.AUTOMATIC
    plan: Intent | None = None
    grid_fails: Callable[[float], bool] = lambda _: False
    reading: Callable[[Reading], Reading | None] = lambda reading: reading
    mains: Callable[[float], bool | None] = lambda _: None
    noise_w: Callable[[float], float] = lambda _: 0.0
    meter_s: float = 1.0
    state: HomeState = field(init=False)
    plant: Plant = field(init=False)
    rows: list[Row] = field(default_factory=list)
    _grid: Sample | None = None

    def __post_init__(self) -> None:
        """Bring the home to life with its unit plugged in."""
        self.plant = Plant(self.spec, time_s=START_S, dead_time_s=self.dead_time_s)
        self.state = HomeState(
            settings=HomeSettings(mode=self.mode),
            units={"leaf": UnitState(settings=first_settings(self.spec))},
        )

    def change(self, **settings: object) -> None:
        """Change the unit's settings as the user would."""
        unit = self.state.units["leaf"]
        unit.settings = replace(unit.settings, **settings)  # type: ignore[arg-type]

    def run(
        self,
        seconds: int,
        load: Callable[[float], float],
        solar: Callable[[float], float] = lambda _: 0.0,
    ) -> list[Row]:
        """Run on for a time; `load` and `solar` get seconds since the start."""
        begin = len(self.rows)
        for _ in range(seconds):
            now_s = self.plant.time_s
            since_s = now_s - START_S
            load_w, solar_w = load(since_s), solar(since_s)
            measured_w = load_w - solar_w - self.plant.power_w + self.noise_w(since_s)
            if not self.grid_fails(since_s) and since_s % self.meter_s == 0.0:
                self._grid = Sample(value=measured_w, time_s=now_s)
            self.state, decision = step(
                self.state,
                Inputs(
                    site=self.site,
                    units={
                        "leaf": UnitInputs(
                            spec=self.spec,
                            capabilities=Capabilities(dead_time_s=self.dead_time_s),
                            reading=self.reading(self.plant.reading()),
                            plan=self.plan,
                        )
                    },
                    grid=self._grid,
                    mains=self.mains(since_s),
                    interval_s=1.0,
                ),
                now_s,
            )
            unit = decision.units["leaf"]
            if unit.setpoint is not None and unit.send:
                power_w = unit.setpoint.power_w
                if power_w != self.plant.commanded_w:
                    self.plant.command(power_w, now_s)
            result = self.plant.advance(1.0, load_w, solar_w)
            self.rows.append(
                Row(
                    time_s=since_s,
                    load_w=load_w,
                    unit_w=result.unit_w,
                    grid_w=result.grid_w,
                    soc_percent=self.plant.soc_percent,
                    decision=decision,
                )
            )
        return self.rows[begin:]


def dear_site(**limits: object) -> Site:
    """Return a site in which the evening is dear and the night is cheap."""
    return site_with(EVENING_PEAK, **limits)


def site_with(tariff: Tariff, **limits: object) -> Site:
    """Return a site with a tariff and the given limits."""
    return Site(tariff=tariff, **limits)  # type: ignore[arg-type]


def _evening_peak() -> Tariff:
    from custom_components.leaf_to_home.engine.tariff import parse_tariff

    return parse_tariff(
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


EVENING_PEAK = _evening_peak()
