"""What a replay is asked to run."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .battery import UnitSpec
from .formats import Contract
from .outage_house import OutageHabits
from .outages import Outage
from .replay_planner import ForecastName, PriceKnowledge
from .tables import HouseRun
from .trips import Trip

UNIT = "unit"
PLAN_EVERY_S = 900.0


class PolicyName(StrEnum):
    """Who decides in a replay; `none` is the baseline that savings are counted from.

    `smart` plans as `automatic` does, for a unit that can only be charged.
    """

    AUTOMATIC = "automatic"
    SMART = "smart"
    RULE = "rule"
    NONE = "none"


PLANNED = frozenset({PolicyName.AUTOMATIC, PolicyName.SMART})


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayRun:
    """What a replay runs.

    Without `execute_step_s` the rows of the house are executed as they are. Trips are
    rounded to executed steps: departures down, returns up; those before the first row
    are what is known of the days before. With `habits` the unit can carry the house
    through the `outages`, which are then looked at more closely.
    """

    house: HouseRun
    contract: Contract
    spec: UnitSpec
    trips: Sequence[Trip] = ()
    policy: PolicyName = PolicyName.AUTOMATIC
    forecast: ForecastName = ForecastName.OWN
    price_knowledge: PriceKnowledge = PriceKnowledge.PUBLISHED
    dead_time_s: float = 0.0
    execute_step_s: float | None = None
    plan_every_s: float = PLAN_EVERY_S
    outages: Sequence[Outage] = ()
    habits: OutageHabits | None = None
