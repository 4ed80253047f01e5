"""What the engine remembers between steps.

The serialised state is exactly what is kept on disk: live, replay, restart and kill
tests are one mechanism. Only the engine and the user's own changes write here.
"""

from dataclasses import dataclass, field
from typing import Any, Self

from .battery import UnitSpec
from .battery_record import BatteryRecord
from .model import Guard, HomeMode, IntentKind, UnitMode
from .outage_memory import OutageMemory
from .outage_model import Watch
from .requirement import Requirement


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitSettings:
    """What the user may change of a unit at any time.

    A manual mode ends by itself: at `until_s`, when the state of charge reaches
    `until_soc_percent`, when the unit's own counter of that direction (`charged_kwh`
    or `discharged_kwh` of its state) reaches `until_kwh`, or when it is unplugged;
    `power_w` bounds it. `ready_by_minute` counts from local midnight,
    `kwh_per_100_km` is what driving takes out of the battery.
    """

    mode: UnitMode = UnitMode.AUTOMATIC
    power_w: float | None = None
    until_s: float | None = None
    until_soc_percent: float | None = None
    until_kwh: float | None = None
    reserve_percent: float = 30.0
    outage_floor_percent: float = 10.0
    max_soc_percent: float = 95.0
    charge_limit_w: float | None = None
    discharge_limit_w: float | None = None
    ready_by: bool = False
    ready_by_minute: int = 7 * 60
    ready_by_soc_percent: float = 80.0
    kwh_per_100_km: float = 18.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeSettings:
    """What the user may change of the home at any time; a new home only observes.

    A `watch` of the user's ends by itself.
    """

    mode: HomeMode = HomeMode.OBSERVE
    import_limit_w: float | None = None
    watch: Watch | None = None


def first_settings(spec: UnitSpec) -> UnitSettings:
    """Return the settings that a new unit begins with."""
    return UnitSettings(
        reserve_percent=spec.reserve_percent,
        outage_floor_percent=min(max(spec.min_soc_percent, 10.0), spec.reserve_percent),
        max_soc_percent=spec.max_soc_percent,
        ready_by_soc_percent=min(80.0, spec.max_soc_percent),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleMemory:
    """What is kept of a car since `since_s`, while it is not at the plug.

    Of the `settings` only those of a car come back with it.
    """

    settings: UnitSettings = field(default_factory=UnitSettings)
    stored_kwh: float | None = None
    driven_kwh: float = 0.0
    charging_w: float | None = None
    since_s: float = 0.0


@dataclass(kw_only=True, slots=True)
class UnitState:
    """The memory of one unit.

    `stored_kwh` is the engine's own estimate between two reported steps. `anchor_*` is
    the last plausible report, `suspect_*` one that has not been believed yet. Counters
    are AC kWh since the unit was added, `into_kwh` what of it was not drawn while idle;
    `device_*` are the device's counters as last seen. `moved_kwh` is what may have
    moved since the state of charge was last heard, `driven_kwh` what trips took lately;
    it fades.
    By `settled_s` the unit will have done what it was told; until it was measured
    after that, its power lies somewhere from `least_w` to `most_w`, at `assumed_w` at
    the far end. `heard_s` is when
    its power was measured last, `told` whether its command was really handed out,
    `helps` whether it only discharges to relieve the main limit, `mode` the user's
    mode that was heard last.
    Where cars are told apart, settings and charge are those of `vehicle`, which is at
    the plug if `vehicle_here`; `vehicles` keeps what belongs to the others.
    `requirements` are the trips that somebody told us of, of all cars.
    `other_kwh` is what others say is stored where the charger says so, too, as of
    `other_s`, and counted on; `soc_elsewhere`: only others know the charge.
    `odometer_km` is that of the present stay, `left_km` and `left_kwh` of the last
    departure.
    While `native` the unit follows the load by itself, and the command is what it
    gives; since `native_doubt_s` that does not look right.
    A watch raises the reserve to `watch_percent`, by `watch_s` if not at once; while
    `watch_short` it is charged for that.
    """

    settings: UnitSettings = field(default_factory=UnitSettings)
    stored_kwh: float | None = None
    anchor_soc_percent: float | None = None
    suspect_soc_percent: float | None = None
    suspect_since_s: float | None = None
    moved_kwh: float = 0.0
    driven_kwh: float = 0.0
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0
    into_kwh: float = 0.0
    device_charged_kwh: float | None = None
    device_discharged_kwh: float | None = None
    power_w: float | None = None
    heard_s: float | None = None
    connected: bool | None = None
    arrived_s: float | None = None
    command_w: float | None = None
    command_s: float | None = None
    told: bool = False
    settled_s: float | None = None
    least_w: float = 0.0
    most_w: float = 0.0
    assumed_w: float = 0.0
    direction: int = 0
    direction_s: float | None = None
    reversals_s: list[float] = field(default_factory=list)
    started_s: float | None = None
    wanted_since_s: float | None = None
    intent: IntentKind | None = None
    below_reserve: bool = False
    departure_latch_s: float | None = None
    charging_w: float | None = None
    elsewhere_since_s: float | None = None
    helps: bool = False
    mode: UnitMode = UnitMode.AUTOMATIC
    parked: bool = False
    islanding: bool = False
    vehicle: str | None = None
    vehicle_here: bool = False
    vehicles: dict[str, VehicleMemory] = field(default_factory=dict)
    requirements: list[Requirement] = field(default_factory=list)
    other_kwh: float | None = None
    other_s: float | None = None
    other_moved_kwh: float = 0.0
    soc_elsewhere: bool = False
    odometer_km: float | None = None
    left_km: float | None = None
    left_kwh: float | None = None
    native: bool = False
    native_doubt_s: float | None = None
    native_left_s: float | None = None
    native_failed_s: float | None = None
    watch_percent: float = 0.0
    watch_s: float | None = None
    watch_short: bool = False

    def copy(self) -> Self:
        """Return a copy that can change without changing this one."""
        new = type(self)(**_values(self))
        new.reversals_s = list(self.reversals_s)
        new.vehicles = dict(self.vehicles)
        new.requirements = list(self.requirements)
        return new

    def book(self, key: str) -> str:
        """Return under which name the books of the unit called `key` keep its car."""
        return book_of(key, self.vehicle)

    @property
    def reserve_percent(self) -> float:
        """Return the reserve that is held now: the user's, or that of a watch."""
        return max(self.settings.reserve_percent, self.watch_percent)

    @property
    def told_w(self) -> float:
        """Return the command that stands; 0 for one that was only shown."""
        return (self.command_w or 0.0) if self.told else 0.0

    def set_back(self, now_s: float) -> None:
        """Let nothing that was remembered lie in the future."""
        for name in _UNIT_MOMENTS:
            at_s = getattr(self, name)
            if at_s is not None and at_s > now_s:
                setattr(self, name, now_s)
        self.reversals_s = [min(at_s, now_s) for at_s in self.reversals_s]


_UNIT_MOMENTS = (
    "suspect_since_s",
    "heard_s",
    "arrived_s",
    "command_s",
    "settled_s",
    "direction_s",
    "started_s",
    "wanted_since_s",
    "elsewhere_since_s",
    "other_s",
    "native_doubt_s",
    "native_left_s",
    "native_failed_s",
)


def book_of(key: str, vehicle: str | None) -> str:
    """Return the name of a unit's car in books that are kept for each car."""
    return key if vehicle is None else f"{key}/{vehicle}"


@dataclass(kw_only=True, slots=True)
class WindowState:
    """The demand window that runs, and the highest windows of months.

    `energy_kwh` is the import so far in the window that began at `start_s`;
    `measured_s` is how much of it was measured at all. `peaks_w` maps a month
    ("2026-11", local) to its highest window averages, in falling order. `planned_w` is
    the month's peak that a plan means to pay for.
    """

    start_s: float | None = None
    energy_kwh: float = 0.0
    measured_s: float = 0.0
    missed: int = 0
    planned_w: float | None = None
    peaks_w: dict[str, list[float]] = field(default_factory=dict)

    def copy(self) -> Self:
        """Return a copy that can change without changing this one."""
        return type(self)(
            start_s=self.start_s,
            energy_kwh=self.energy_kwh,
            measured_s=self.measured_s,
            missed=self.missed,
            planned_w=self.planned_w,
            peaks_w={month: list(peaks) for month, peaks in self.peaks_w.items()},
        )


@dataclass(kw_only=True, slots=True)
class LedgerState:
    """What was paid, and what two other ways of using the same car would have cost.

    Money since the start (`paid` at the grid alone, `actual` with wear), the same and
    the savings at the last local midnight (`*_day`), and per unit or, where cars are
    told apart, per car: what the two imagined cars hold (`*_kwh`, `left_kwh` at the
    real car's departure) and whether the smart one charges until `smart_until_s`.
    The start is `since_s`, None in a ledger that is older than that field.
    """

    since_s: float | None = None
    day: str | None = None
    paid: float = 0.0
    paid_day: float = 0.0
    actual: float = 0.0
    on_arrival: float = 0.0
    smart: float = 0.0
    against_arrival_day: float = 0.0
    against_smart_day: float = 0.0
    on_arrival_kwh: dict[str, float] = field(default_factory=dict)
    smart_kwh: dict[str, float] = field(default_factory=dict)
    left_kwh: dict[str, float] = field(default_factory=dict)
    smart_charging: dict[str, bool] = field(default_factory=dict)
    smart_until_s: dict[str, float] = field(default_factory=dict)
    value_per_kwh: float = 0.0

    def copy(self) -> Self:
        """Return a copy that can change without changing this one."""
        new = type(self)(**_values(self))
        new.on_arrival_kwh = dict(self.on_arrival_kwh)
        new.smart_kwh = dict(self.smart_kwh)
        new.left_kwh = dict(self.left_kwh)
        new.smart_charging = dict(self.smart_charging)
        new.smart_until_s = dict(self.smart_until_s)
        return new


@dataclass(kw_only=True, slots=True)
class HomeState:
    """The memory of a home: exactly what is stored.

    `lost_s` is when the grid meter was lost (None while it speaks), `grid_seen_s` when
    it last spoke; since `mains_lost_s` the mains sensors say nothing. `load_peaks_w`
    holds the highest draw of the house seen in each of the last hours (hour number, W),
    which bounds charging while the meter is silent; `phase_peaks_w` the same of the
    fullest phase.
    `heard_w` is what the meter said last, at
    `heard_s`, when the units gave `heard_units_w`; its value changed at `changed_s`,
    and since `same_since_s` it says the same although they have moved. Since
    `proof_since_s` it sees power that can only be the grid's, since `unsure_since_s`
    such that would else end an outage; since `blind_since_s` nothing is known of it.
    `surplus_kwh` fades: what the sun left over. `batteries` has what is measured of
    each battery, under the name that a car has in the books.
    """

    settings: HomeSettings = field(default_factory=HomeSettings)
    units: dict[str, UnitState] = field(default_factory=dict)
    time_s: float | None = None
    guard: Guard = Guard.CLEAR
    guard_since_s: float | None = None
    grid_seen_s: float | None = None
    lost_s: float | None = None
    mains_bad_s: float | None = None
    mains_lost_s: float | None = None
    grid_w: float | None = None
    solar_w: float | None = None
    load_w: float | None = None
    load_s: float | None = None
    heard_w: float | None = None
    heard_units_w: float | None = None
    heard_s: float | None = None
    changed_s: float | None = None
    same_since_s: float | None = None
    blind_since_s: float | None = None
    proof_since_s: float | None = None
    unsure_since_s: float | None = None
    load_peaks_w: list[tuple[int, float]] = field(default_factory=list)
    phase_peaks_w: list[tuple[int, float]] = field(default_factory=list)
    surplus_kwh: float = 0.0
    import_kwh: float = 0.0
    export_kwh: float = 0.0
    solar_kwh: float = 0.0
    window: WindowState = field(default_factory=WindowState)
    ledger: LedgerState = field(default_factory=LedgerState)
    batteries: dict[str, BatteryRecord] = field(default_factory=dict)
    outage: OutageMemory = field(default_factory=OutageMemory)

    def copy(self) -> Self:
        """Return a copy that can change without changing this one."""
        new = type(self)(**_values(self))
        new.units = {key: unit.copy() for key, unit in self.units.items()}
        new.load_peaks_w = list(self.load_peaks_w)
        new.phase_peaks_w = list(self.phase_peaks_w)
        new.window = self.window.copy()
        new.ledger = self.ledger.copy()
        new.batteries = {book: each.copy() for book, each in self.batteries.items()}
        new.outage = self.outage.copy()
        return new

    def set_back(self, now_s: float) -> None:
        """Let nothing that was remembered lie in the future: the clock was set back."""
        for name in _HOME_MOMENTS:
            at_s = getattr(self, name)
            if at_s is not None and at_s > now_s:
                setattr(self, name, now_s)
        for unit in self.units.values():
            unit.set_back(now_s)
        self.outage.set_back(now_s)


_HOME_MOMENTS = (
    "guard_since_s",
    "grid_seen_s",
    "lost_s",
    "mains_bad_s",
    "mains_lost_s",
    "load_s",
    "heard_s",
    "changed_s",
    "same_since_s",
    "blind_since_s",
    "proof_since_s",
    "unsure_since_s",
)


def _values(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}
