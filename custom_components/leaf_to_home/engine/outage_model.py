"""The words of outages: what is known of loads and tiers, and what is decided.

Times are seconds since the epoch, UTC; powers are in W, positive into the home. A value
that is not known is None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class OutagePhase(StrEnum):
    """Where the home stands between grid and battery."""

    NORMAL = "normal"
    SUSPECTED = "suspected"
    OUTAGE = "outage"
    WAITING_FOR_PERSON = "waiting_for_person"
    RESTORING = "restoring"
    WAITING_TO_SWITCH_BACK = "waiting_to_switch_back"


# The phases in which the grid is away.
CARRYING = frozenset(
    {
        OutagePhase.OUTAGE,
        OutagePhase.WAITING_FOR_PERSON,
        OutagePhase.WAITING_TO_SWITCH_BACK,
    }
)


class NoBackup(StrEnum):
    """Why a unit could not carry the house if the grid went now."""

    NEVER = "never"
    UNPLUGGED = "unplugged"
    BELOW_FLOOR = "below_floor"
    FAULT = "fault"
    WRONG_MODE = "wrong_mode"
    UNREACHABLE = "unreachable"


class WatchSource(StrEnum):
    """Who raised the reserve."""

    USER = "user"
    CALENDAR = "calendar"
    WARNING = "warning"


class LoadAction(StrEnum):
    """What is to be done with a load."""

    SHED = "shed"
    RESTORE = "restore"
    PUT_BACK = "put_back"


class ShedReason(StrEnum):
    """Why a tier is shed."""

    OVERLOAD = "overload"
    LEG_OVERLOAD = "leg_overload"
    STATE_OF_CHARGE = "state_of_charge"
    RUNTIME = "runtime"
    FLOOR = "floor"
    TEST = "test"


class NoticeCode(StrEnum):
    """What people are told; a notice stands for as long as it is decided."""

    WAITING_FOR_PERSON = "waiting_for_person"
    SWITCH_BACK = "switch_back"
    BACKUP_NOT_POSSIBLE = "backup_not_possible"
    FLOOR_REACHED = "floor_reached"
    OVERLOAD = "overload"
    LOADS_SHED = "loads_shed"
    LOAD_REFUSES = "load_refuses"
    CLOCK_UNSURE = "clock_unsure"
    GRID_UNSURE = "grid_unsure"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """Loads that are shed together; tiers are shed in the order they are listed.

    It is shed when the charge of the units that carry falls to `soc_percent`, or the
    cautious runtime to `runtime_h`, whichever is set; never before it was on for
    `min_on_s`, but for an overload. A `strict` tier is shed again when people turn it
    on. `leg` is the leg of a 100/200 V house (0 or 1), None for both or a single phase.
    """

    key: str
    loads: tuple[str, ...]
    soc_percent: float | None = None
    runtime_h: float | None = None
    min_on_s: float = 0.0
    strict: bool = False
    leg: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutageSettings:
    """How the home behaves in outages; the contract of the home's options.

    Of the mains sensors `agreeing` must say the same. With `meter_at_grid` the grid
    meter sits before the transfer switch, where it sees the grid alone; else it may see
    in an island what the units give. The grid is gone after `debounce_s` and back after
    `stable_s`. `driving_percent` is what an outage leaves for driving, None where it
    gives way wholly. Loads come back `stagger_s` apart. `put_back` are loads that
    switch themselves on when power returns. An outage that is only played sheds every
    tier with `test_sheds`, and without it none.
    """

    agreeing: int = 1
    meter_at_grid: bool = False
    debounce_s: float = 3.0
    stable_s: float = 120.0
    driving_percent: float | None = None
    stagger_s: float = 10.0
    tiers: tuple[Tier, ...] = ()
    put_back: tuple[str, ...] = ()
    test_sheds: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitBackup:
    """What the user says of a unit's part in outages; hardware facts of the unit.

    Where nobody says whether it begins `by_hand`, what the driver found counts.
    `limit_w` is what the station bears in an island, `leg_limit_w` on each leg. In an
    island it ends by itself at `station_floor_percent`. A stop at the floor is sent
    only with `stop_at_floor`, which asks for `stop_tested`. `own_w` is what station and
    car draw beside the load. With `sockets_only` it carries what is plugged into it,
    and not the house. A unit whose driver knows of no island carries with `by_hand`.
    """

    by_hand: bool | None = None
    by_hand_back: bool = False
    limit_w: float | None = None
    leg_limit_w: float | None = None
    station_floor_percent: float = 0.0
    solar_in_island: bool = False
    stop_at_floor: bool = False
    stop_tested: bool = False
    sockets_only: bool = False
    own_w: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadInput:
    """What is known of one load; `on` is None while it is unavailable or unknown.

    `state` is the load's own word (such as `heat`), `by_person` whether somebody
    brought it there, by hand or an automation of theirs, and not power that returned.
    """

    on: bool | None
    state: str | None = None
    by_person: bool = False
    changed_s: float | None = None
    power_w: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadOutlook:
    """The load to come in steps of `step_s` from `start_s`, W.

    `low_w` is reached in nine of ten cases, `high_w` in one of ten; `solar_w` is the
    sun expected, empty where nothing is known of it. Beyond its end the last day goes
    on as it was.
    """

    start_s: float
    step_s: float
    low_w: tuple[float, ...]
    likely_w: tuple[float, ...]
    high_w: tuple[float, ...]
    solar_w: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """A raised reserve from now until `until_s`.

    By `needed_s` it has to be there: until then charging for it may wait for cheap
    hours, None means at once.
    """

    reserve_percent: float
    until_s: float
    needed_s: float | None = None
    source: WatchSource = WatchSource.USER


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadCommand:
    """What one load is to do; `state` is what it goes back to."""

    load: str
    action: LoadAction
    tier: str | None = None
    state: str | None = None
    reason: ShedReason | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something that people have to know, of a unit, a tier or the home."""

    code: NoticeCode
    subject: str | None = None
    values: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """How long what is stored will last, in hours, and what each tier would add.

    `low_h` holds in nine of ten cases, `high_h` in one of ten; infinite is None.
    """

    low_h: float | None
    likely_h: float | None
    high_h: float | None
    usable_kwh: float
    tier_gain_h: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutageRecord:
    """An outage that is over, or as far as it has come.

    `began_unseen` when nobody was awake at its beginning: then `began_s` is when it was
    noticed first; likewise `ended_unseen`. With `test` it was the test button's. `shed`
    are the loads that were.
    """

    began_s: float
    ended_s: float | None = None
    began_unseen: bool = False
    ended_unseen: bool = False
    test: bool = False
    carried_kwh: float = 0.0
    lowest_soc_percent: float | None = None
    shed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OutageDecision:
    """What is known of an outage and what is to be done now.

    `commands` are given once; whether a load obeyed is seen in the next inputs.
    `no_backup` has the units that could not carry the house, `tiers_shed` why a tier
    is off. `record` is the outage of now or, when it is over, the last one, which has
    lasted `lasted_min`; a play is none. `ended` has one, or a play, once, when the grid
    is back for good. What is stored lasts until `lasts_until_s`. While `phase` is not
    normal the engine wants to be asked every second.
    """

    phase: OutagePhase
    since_s: float | None
    test: bool = False
    no_backup: Mapping[str, NoBackup] = field(default_factory=dict)
    runtime: Runtime | None = None
    lasts_until_s: float | None = None
    carried_w: float | None = None
    commands: tuple[LoadCommand, ...] = ()
    notices: tuple[Notice, ...] = ()
    tiers_shed: Mapping[str, ShedReason] = field(default_factory=dict)
    watch: Watch | None = None
    record: OutageRecord | None = None
    lasted_min: float | None = None
    ended: OutageRecord | None = None
    outages_this_year: int = 0
    minutes_this_year: float = 0.0


def agreed(signs: tuple[bool | None, ...], agreeing: int) -> bool | None:
    """Return what at least `agreeing` mains sensors say; that it is gone comes first.

    One that says nothing agrees with nobody.
    """
    needed = min(max(1, agreeing), len(signs))
    if signs.count(False) >= needed:
        return False
    return True if signs.count(True) >= needed else None
