"""What is remembered of one battery for its health report."""

from dataclasses import dataclass, field, replace
from typing import Final, Self

# Ten years.
MOST_POINTS: Final = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthPoint:
    """A battery at the end of a local month ("2026-11"); the last one still moves.

    `charged_kwh` and `discharged_kwh` are AC since the record began, as are `cycles`.
    """

    month: str
    soh_percent: float | None = None
    capacity_kwh: float | None = None
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0
    cycles: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Swing:
    """Reported states of charge that were passed in one direction, and what moved.

    `ac_kwh` at the plug, `dc_kwh` in the battery by the loss curve, over
    `soc_percent` points in `runs` runs without a turn.
    """

    ac_kwh: float = 0.0
    dc_kwh: float = 0.0
    soc_percent: float = 0.0
    runs: float = 0.0


@dataclass(kw_only=True, slots=True)
class BatteryRecord:
    """The books of one battery since `since_s`.

    `charged_kwh` and `discharged_kwh` went through it on the AC side, `drained_kwh`
    left it. `soh_percent` is what was reported last. Between two reports of the state
    of charge, of which `edge_percent` was the last and came in `direction`, `in_*` and
    `out_*` have moved.
    """

    since_s: float
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0
    drained_kwh: float = 0.0
    soh_percent: float | None = None
    rising: Swing = Swing()
    falling: Swing = Swing()
    edge_percent: float | None = None
    direction: int = 0
    in_ac_kwh: float = 0.0
    in_dc_kwh: float = 0.0
    out_ac_kwh: float = 0.0
    out_dc_kwh: float = 0.0
    points: list[HealthPoint] = field(default_factory=list)

    def copy(self) -> Self:
        """Return a copy that can change without changing this one."""
        new = replace(self)
        new.points = list(self.points)
        return new

    def begin_edge(self, soc_percent: float | None, direction: int = 0) -> None:
        """Measure from this report on."""
        self.edge_percent = soc_percent
        self.direction = direction
        self.in_ac_kwh = self.in_dc_kwh = self.out_ac_kwh = self.out_dc_kwh = 0.0

    def put(self, point: HealthPoint) -> None:
        """Keep a month's point, in place of what it was before."""
        if self.points and self.points[-1].month >= point.month:
            self.points.pop()
        self.points.append(point)
        del self.points[:-MOST_POINTS]
