"""The words of the engine: what is measured, wanted and decided.

Power is in W, positive into the home (discharging) and negative into the battery; grid
power is positive when importing. Times are seconds since the epoch, UTC. A value that
is not known is None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .battery import UnitSpec
from .outage_model import (
    LoadInput,
    LoadOutlook,
    OutageDecision,
    OutageSettings,
    UnitBackup,
    Watch,
    agreed,
)
from .requirement import Pattern, away_until_s
from .tariff import Tariff


class HomeMode(StrEnum):
    """What the user wants of the whole home."""

    OBSERVE = "observe"
    AUTOMATIC = "automatic"
    SELF_CONSUMPTION = "self_consumption"
    BACKUP_READY = "backup_ready"
    OFF = "off"


class UnitMode(StrEnum):
    """What the user wants of one unit."""

    AUTOMATIC = "automatic"
    CHARGE = "charge"
    DISCHARGE = "discharge"
    HOLD = "hold"
    OFF = "off"


class IntentKind(StrEnum):
    """What a plan step means."""

    CHARGE = "charge"
    ABSORB = "absorb"
    HOLD = "hold"
    COVER = "cover"
    EXPORT = "export"


class UnitStatus(StrEnum):
    """What a unit is doing, as far as it tells."""

    IDLE = "idle"
    STARTING = "starting"
    CHARGING = "charging"
    DISCHARGING = "discharging"
    FORCED_CHARGE = "forced_charge"
    ISLANDING = "islanding"
    DISCONNECTED = "disconnected"
    NOT_CONTROLLABLE = "not_controllable"
    FAULT = "fault"
    UNREACHABLE = "unreachable"


class OutcomeKind(StrEnum):
    """What became of a set-point."""

    APPLIED = "applied"
    LIMITED = "limited"
    PENDING = "pending"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class NativeMode(StrEnum):
    """A mode that a unit follows by itself, with its own meter."""

    STANDBY = "standby"
    CHARGE = "charge"
    DISCHARGE = "discharge"
    FOLLOW = "follow"


class DischargeSemantics(StrEnum):
    """What a discharge command means to the device."""

    DESIGNATED = "designated"
    FOLLOWS = "follows"
    UNKNOWN = "unknown"


class IslandingStart(StrEnum):
    """How a unit begins to carry the house in an outage."""

    BY_ITSELF = "by_itself"
    BY_HAND = "by_hand"
    NEVER = "never"


class Guard(StrEnum):
    """Whether a write could take the light from the house (safety rule 7)."""

    CLEAR = "clear"
    METER_LOST = "meter_lost"
    OUTAGE_SUSPECTED = "outage_suspected"
    ISLANDING = "islanding"


class ReasonCode(StrEnum):
    """Why a unit is told what it is told; numbers come beside it."""

    STARTING_UP = "starting_up"
    GUARD_METER_LOST = "guard_meter_lost"
    GUARD_OUTAGE_SUSPECTED = "guard_outage_suspected"
    GUARD_ISLANDING = "guard_islanding"
    NO_READING = "no_reading"
    METER_STALE = "meter_stale"
    SOC_UNKNOWN = "soc_unknown"
    VEHICLE_UNKNOWN = "vehicle_unknown"
    DISCONNECTED = "disconnected"
    NOT_CONTROLLABLE = "not_controllable"
    FAULT = "fault"
    FORCED_CHARGE = "forced_charge"
    CHANGED_ELSEWHERE = "changed_elsewhere"
    OFF = "off"
    USER_CHARGE = "user_charge"
    USER_DISCHARGE = "user_discharge"
    USER_HOLD = "user_hold"
    MAIN_LIMIT = "main_limit"
    IMPORT_LIMIT = "import_limit"
    RESERVE = "reserve"
    FULL = "full"
    DEPARTURE = "departure"
    WATCH = "watch"
    AFTER_OUTAGE = "after_outage"
    CHEAP_PRICE = "cheap_price"
    DEAR_PRICE = "dear_price"
    PRICE_BETWEEN = "price_between"
    NO_PRICE = "no_price"
    NO_PROFIT = "no_profit"
    SOLAR_SURPLUS = "solar_surplus"
    SELF_CONSUMPTION = "self_consumption"
    BACKUP_READY = "backup_ready"
    BELOW_MIN_POWER = "below_min_power"
    DWELL = "dwell"
    SETTLING = "settling"
    PLAN = "plan"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """A code and its numbers, never a sentence."""

    code: ReasonCode
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A measured value with its time and the age up to which it may be used."""

    value: float
    time_s: float
    max_age_s: float = 30.0

    def fresh(self, now_s: float) -> bool:
        """Return whether it speaks for `now_s`: neither old nor of the future."""
        return abs(now_s - self.time_s) <= self.max_age_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What a driver found that its device can do; never guessed from a model name.

    With `native_follow` it follows the load by a meter of its own, with
    `follow_ceiling` up to a power that it can be told. Without `charges` or
    `discharges` nothing leads to that direction. With `soc_on_request` it tells the
    state of charge at rest only when it is asked to; with `remembers` it would begin
    with its last command when something is plugged in again. The only lever of one that
    is `switched` is its AC input: on, it charges at its own power, off, it carries what
    is plugged into it. Where it `feeds_through`, that has power while the input is on
    too.
    """

    set_power: bool = True
    charges: bool = True
    discharges: bool = True
    switched: bool = False
    feeds_through: bool = False
    native_follow: bool = False
    follow_ceiling: bool = False
    native_import_limit: bool = False
    discharge: DischargeSemantics = DischargeSemantics.DESIGNATED
    islanding: IslandingStart = IslandingStart.NEVER
    watchdog_s: float | None = None
    dead_time_s: float = 5.0
    reports_soc: bool = True
    export: bool = False
    soc_on_request: bool = False
    remembers: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a unit says of itself; everything but the time may be unknown.

    `charged_kwh` and `discharged_kwh` are the device's own counters on the AC side. A
    device may also measure the house: `grid_w` and `solar_w`. `changed_elsewhere` is
    true while somebody else (panel, app) has set a mode that we did not command.
    `vehicle` names the car at the plug, without giving it away. `restarts` grows when
    the device has started anew, and may have lost what it was told. `cell_…` and
    `temperature_…` are the lowest and the highest inside the battery. `may_island` is
    False where the device is set so that it can't carry the house.

    `soc_percent` may be out by `soc_error_percent`, where that is known; it is
    `soc_certain` where it was not counted, but seen. `carried_w` is what the unit gives
    to appliances that are plugged into it.
    """

    time_s: float
    max_age_s: float = 60.0
    soc_percent: float | None = None
    soc_error_percent: float | None = None
    soc_certain: bool = False
    soh_percent: float | None = None
    power_w: float | None = None
    connected: bool | None = None
    status: UnitStatus | None = None
    islanding: bool | None = None
    fault: str | None = None
    charged_kwh: float | None = None
    discharged_kwh: float | None = None
    max_charge_w: float | None = None
    max_discharge_w: float | None = None
    changed_elsewhere: bool = False
    grid_w: float | None = None
    solar_w: float | None = None
    carried_w: float | None = None
    vehicle: str | None = None
    restarts: int = 0
    cell_min_mv: float | None = None
    cell_max_mv: float | None = None
    temperature_min_c: float | None = None
    temperature_max_c: float | None = None
    may_island: bool | None = None

    def fresh(self, now_s: float) -> bool:
        """Return whether it speaks for `now_s`: neither old nor of the future."""
        return abs(now_s - self.time_s) <= self.max_age_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Elsewhere:
    """What other sources than the charger say of a car; each value the freshest.

    `plugged` is 1 or 0.
    """

    soc_percent: Sample | None = None
    soh_percent: float | None = None
    odometer_km: Sample | None = None
    plugged: Sample | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Setpoint:
    """What a unit is to do: a signed power, or a native mode where that is set.

    With the native mode `follow` the power is the most that it may come to.
    `until_soc_percent` bounds a command that is left standing, on devices that can.
    `ask_soc`: at rest, the car is to tell its state of charge.
    """

    power_w: float
    reason: Reason
    native: NativeMode | None = None
    until_soc_percent: float | None = None
    ask_soc: bool = False

    def same_command(self, other: Setpoint | None) -> bool:
        """Return whether `other` asks the same of the device, for whatever reason."""
        return (
            other is not None
            and self.power_w == other.power_w
            and self.native == other.native
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of the latest set-point, and what stands now (None = unknown)."""

    kind: OutcomeKind
    time_s: float
    power_w: float | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """What a unit should be doing now.

    `power_w` (positive) is the power of `charge` and `export` and the ceiling of
    `cover` and `absorb`. With `absorb_surplus`, `cover` also takes what the sun leaves
    over. `stored_value` is what a stored kWh is worth (money per kWh in the battery):
    covering at a power where losses make it dearer than buying is refused. None = do
    not ask.
    """

    kind: IntentKind
    power_w: float
    reason: Reason
    absorb_surplus: bool = False
    stored_value: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """The unit leaves at `time_s` and needs `soc_percent` by then.

    With `until_gone` it needs that for a while longer, if it is still there. A `watch`
    asks for the same without a trip.
    """

    time_s: float
    soc_percent: float
    back_s: float | None = None
    until_gone: bool = False
    watch: bool = False

    @property
    def away_until_s(self) -> float:
        """Return when it is expected back, also where nobody said so."""
        return away_until_s(self.time_s, self.back_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacityTariff:
    """A price on the month's highest demand windows."""

    price_per_kw_month: float
    window_min: int = 15
    free_kw: float = 0.0
    peaks_averaged: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What the home's contract and breaker allow; fixed while the home is loaded.

    `main_limit_w` is hard. `phase_limit_w` goes with per-phase samples. With
    `export_only_without_solar`, `battery_export_limit_w` is 0 while the sun shines.
    """

    tariff: Tariff
    main_limit_w: float | None = None
    phase_limit_w: float | None = None
    window_min: int = 30
    capacity: CapacityTariff | None = None
    battery_export_limit_w: float = 0.0
    export_only_without_solar: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitInputs:
    """All that is known of one unit at a step.

    `plan` is what its plan wants now, `plan_next` the change that the plan sees coming,
    `plan_level_w` the month's peak that it means to pay for, where that is a new one.
    `backup` is what the user says of its part in outages.
    `vehicles` are the cars that belong to it, where it tells them apart: then `spec` is
    that of the one at the plug from `seated` on, and the plan was made for
    `plan_vehicle`. `patterns` are trips of each week by car, "" for whichever;
    `elsewhere` is what other sources say, in the same way. Without
    `native` it is led by set-points, whatever it can.
    """

    spec: UnitSpec
    capabilities: Capabilities = Capabilities()
    reading: Reading | None = None
    outcome: Outcome | None = None
    plan: Intent | None = None
    plan_next: NextAction | None = None
    plan_level_w: float | None = None
    plan_vehicle: str | None = None
    departures: tuple[Departure, ...] = ()
    patterns: Mapping[str, Pattern] = field(default_factory=dict)
    vehicles: Mapping[str, UnitSpec] = field(default_factory=dict)
    elsewhere: Mapping[str, Elsewhere] = field(default_factory=dict)
    native: bool = True
    backup: UnitBackup = field(default_factory=UnitBackup)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """All that one step may know.

    `grid_mean_w` is the mean grid power since the step before, where a source knows it
    better than the latest sample. `interval_s` is how long the decision will stand.
    With `means` every value is the mean of the interval that begins, in a replay: there
    is no noise to keep a distance from, and nothing happens in between.
    `mains_signs` is what each mains sensor says of the grid, `mains` what they say
    together where somebody else knows that. While `outage_test` an outage is played.
    `watches` raise the reserve for others than the user. `uptime_s` is a clock that is
    never set; with it, setting the other one is no pause. `load_outlook` is the load to
    come.
    """

    site: Site
    units: Mapping[str, UnitInputs]
    grid: Sample | None = None
    phases: tuple[Sample | None, ...] = ()
    solar: Sample | None = None
    has_solar: bool = False
    other: Sample | None = None
    has_other: bool = False
    mains: bool | None = None
    mains_signs: tuple[bool | None, ...] = ()
    grid_mean_w: float | None = None
    interval_s: float = 1.0
    means: bool = False
    outage: OutageSettings = field(default_factory=OutageSettings)
    outage_test: bool = False
    loads: Mapping[str, LoadInput] = field(default_factory=dict)
    load_outlook: LoadOutlook | None = None
    watches: tuple[Watch, ...] = ()
    uptime_s: float | None = None

    @property
    def mains_present(self) -> bool | None:
        """Return whether the grid is there, as far as the mains sensors agree on it."""
        if self.mains is not None or not self.mains_signs:
            return self.mains
        return agreed(self.mains_signs, self.outage.agreeing)


@dataclass(frozen=True, kw_only=True, slots=True)
class NextAction:
    """The next change that the policy expects."""

    kind: IntentKind
    time_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitDecision:
    """What one unit is to do, and what is shown of it.

    `setpoint` None means: say nothing to the device. `send` is false where the
    set-point is only shown (observe mode). `park` asks for the one safe write of mode
    off, `stop` for the end of an island at the floor, which only the user can ask for:
    the one write that the guard does not hold back.
    """

    setpoint: Setpoint | None
    send: bool
    park: bool
    reason: Reason
    intent: IntentKind
    status: UnitStatus | None
    soc_percent: float | None
    stored_kwh: float | None
    above_reserve_kwh: float | None
    next_action: NextAction | None = None
    flags: tuple[ReasonCode, ...] = ()
    stop: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The result of one step."""

    units: Mapping[str, UnitDecision]
    guard: Guard
    grid_w: float | None
    solar_w: float | None
    load_w: float | None
    import_price: float | None
    export_price: float | None
    window_average_w: float | None
    window_left_w: float | None
    month_peak_w: float | None
    outage: OutageDecision | None = None
