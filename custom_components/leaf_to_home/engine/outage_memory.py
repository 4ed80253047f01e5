"""What is remembered of an outage, so that none is lost with a restart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from .outage_model import CARRYING, OutagePhase, OutageRecord, Runtime, ShedReason

# Nothing switches itself on twice so soon after it was told to be off.
DEFIES_S = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TierMemory:
    """A tier that is shed, why and since when; since `room_s` it could come back."""

    reason: ShedReason
    since_s: float
    room_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadMemory:
    """A load that was told to be off, and what it goes back to.

    Since `off_s` it is seen off. It was told `tries` times since it last obeyed, the
    last time at `told_s`. What somebody turned on again is `kept` on against all
    reasons up to that one; `defied` is what came on again at once, so that it is
    somebody the next time. With `wanted` it was told to be on again.
    """

    tier: str
    number: int
    reason: ShedReason
    told_s: float
    state: str | None = None
    power_w: float | None = None
    off_s: float | None = None
    tries: int = 1
    kept: ShedReason | None = None
    defied: bool = False
    wanted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenLoad:
    """A load that may switch itself on when power returns.

    `on` is how it was while the grid was there, `told_s` when it was put back, and
    `used` whether somebody has used it since; `defied` as with what was shed.
    """

    on: bool
    state: str | None = None
    told_s: float | None = None
    tries: int = 0
    defied: bool = False
    used: bool = False


@dataclass(kw_only=True, slots=True)
class OutageMemory:
    """The memory of outages.

    Since `gone_s` the signs of an outage, since `back_s` those of its end are there
    without a break (`*_unseen` when they were there on waking), since `calm_s` there
    are none of an outage; since `mains_s` mains sensors or meter see the grid, since
    `said_s` units only say that they are tied to it. `record` is the outage of now or
    the last one, be it played; then `last` has the last real one. Since `eased_s` all
    is back after an outage, and charging comes back in steps. `before_kwh` is what each
    unit had given when the outage began. `load_w` is the recent load, of which
    `load_seen_s` seconds were seen; since `floors_s` a unit is at its outage floor, and
    at `stops_s` it was told to end. `outages` and `minutes` belong to `year`, which
    began no later than `year_s`. The outage that runs began in `this_boot` if the
    clock was not lost since.
    """

    phase: OutagePhase = OutagePhase.NORMAL
    phase_s: float | None = None
    test: bool = False
    gone_s: float | None = None
    gone_unseen: bool = False
    calm_s: float | None = None
    back_s: float | None = None
    back_unseen: bool = False
    mains_s: float | None = None
    said_s: float | None = None
    record: OutageRecord | None = None
    last: OutageRecord | None = None
    eased_s: float | None = None
    before_kwh: dict[str, float] = field(default_factory=dict)
    year: str = ""
    year_s: float | None = None
    outages: int = 0
    minutes: float = 0.0
    uptime_s: float | None = None
    this_boot: bool = False
    clock_unsure: bool = False
    load_w: float | None = None
    load_seen_s: float = 0.0
    runtime: Runtime | None = None
    runtime_s: float | None = None
    floors_s: dict[str, float] = field(default_factory=dict)
    stops_s: dict[str, float] = field(default_factory=dict)
    tiers: dict[str, TierMemory] = field(default_factory=dict)
    loads: dict[str, LoadMemory] = field(default_factory=dict)
    seen: dict[str, SeenLoad] = field(default_factory=dict)
    number: int = 0
    restored_s: float | None = None
    overload_s: float | None = None
    overloads: dict[str, int] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Return whether writes to units have to wait: an outage is or may be."""
        return not self.test and self.phase in _HOLDING

    @property
    def real(self) -> OutageRecord | None:
        """Return the outage of now or the last one that was not played."""
        played = self.record is None or self.record.test
        return self.last if played else self.record

    @property
    def away(self) -> bool:
        """Return whether the grid is gone, and not only for a play."""
        return not self.test and self.phase in CARRYING

    def copy(self) -> Self:
        """Return a copy that can change without changing this one."""
        new = type(self)(**{name: getattr(self, name) for name in _NAMES})
        for name in _BOOKS:
            book = getattr(self, name)
            setattr(new, name, dict(book))
        return new

    def rename(self, old: str, new: str) -> None:
        """Know a load by its new name: what was shed comes back under it."""
        for name in ("loads", "seen"):
            book = getattr(self, name)
            setattr(self, name, {new if key == old else key: book[key] for key in book})

    def set_back(self, now_s: float) -> None:
        """Let nothing lie in the future, but when the outage began: that was right."""
        record = self.record
        self.adjust(lambda at_s: min(at_s, now_s))
        self.record = record

    def adjust(self, moved: Callable[[float], float]) -> None:
        """Put every remembered moment to where `moved` has it."""
        for name in _MOMENTS:
            at_s = getattr(self, name)
            if at_s is not None:
                setattr(self, name, moved(at_s))
        for name in ("floors_s", "stops_s"):
            times_s = getattr(self, name)
            setattr(self, name, {key: moved(at_s) for key, at_s in times_s.items()})
        for name in ("tiers", "loads", "seen"):
            book = getattr(self, name)
            setattr(
                self, name, {key: _moved(item, moved) for key, item in book.items()}
            )
        if self.record is not None and self.record.ended_s is None and self.this_boot:
            self.record = replace(self.record, began_s=moved(self.record.began_s))


_HOLDING = frozenset(OutagePhase) - {OutagePhase.NORMAL, OutagePhase.RESTORING}
_NAMES = tuple(item.name for item in fields(OutageMemory))
_BOOKS = (
    "before_kwh",
    "floors_s",
    "stops_s",
    "tiers",
    "loads",
    "seen",
    "overloads",
)
_MOMENTS = (
    "phase_s",
    "gone_s",
    "calm_s",
    "back_s",
    "mains_s",
    "said_s",
    "eased_s",
    "year_s",
    "runtime_s",
    "restored_s",
    "overload_s",
)


def at_once(changed_s: float | None, told_s: float | None) -> bool:
    """Return whether a load came on so soon that somebody may not want it off."""
    if changed_s is None or told_s is None:
        return False
    return 0.0 <= changed_s - told_s < DEFIES_S


def _moved[T: Any](item: T, moved: Callable[[float], float]) -> T:
    """Return a remembered thing with its moments put right."""
    changes: Mapping[str, float] = {
        part.name: moved(at_s)
        for part in fields(item)
        if part.name.endswith("_s") and (at_s := getattr(item, part.name)) is not None
    }
    return replace(item, **changes)
