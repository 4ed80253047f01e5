"""What a plan is made from, and what it says: steps, costs, the worth of a kWh."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from .battery import UnitSpec
from .model import Intent, IntentKind, NextAction, Reason, ReasonCode
from .stored import to_dict

if TYPE_CHECKING:
    # A home reads and follows plans without numpy, which only making them needs.
    import numpy as np
    from numpy.typing import NDArray

type Floats = NDArray[np.float64]


class PriceBasis(StrEnum):
    """Where a step's import price comes from.

    `estimated`: from past prices. `unknown`: from nowhere, and nobody goes by it.
    """

    KNOWN = "known"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Absence:
    """A trip that is announced.

    It takes one of `energies_kwh` with the chance in `chances` (they sum to 1).
    """

    departure_s: float
    back_s: float
    soc_percent: float
    energies_kwh: tuple[float, ...] = (0.0,)
    chances: tuple[float, ...] = (1.0,)

    @property
    def energy_kwh(self) -> float:
        """Return what the trip is expected to take."""
        return sum(
            kwh * chance
            for kwh, chance in zip(self.energies_kwh, self.chances, strict=True)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TripKind:
    """Trips of one type of day: how long they last, and what they may take.

    Those that are announced are so `notice_s` before, and ask for `asked_percent`.
    """

    lasting_s: float
    energies_kwh: tuple[float, ...]
    chances: tuple[float, ...]
    asked_percent: float
    notice_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Hazard:
    """Trips that are not announced, or not yet, for the steps of a stretch.

    `leaving` is the probability that the unit leaves in a step of which it was home at
    the begin, `unasked` that it does so without ever having been announced (both T).
    `kind` tells which of `kinds` the trip is (T). `soc_percent` is what the user wants
    to have for a trip that nobody announced.
    """

    leaving: Floats
    unasked: Floats
    kind: NDArray[np.int64]
    kinds: tuple[TripKind, ...]
    soc_percent: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Consecutive steps with what is known of them.

    `starts_s` are the begins and the last end (T+1). Prices are futures x steps
    (K x T), money per kWh, the futures being equally likely; `draw_w` is steps x
    quantiles (T x Q): what the house takes from the grid without its units, negative
    for surplus; `weights` (Q) sum to 1. `keep_kwh` (T) is what everyday use leaves
    above the reserve, so that a soft limit can be kept when the house draws more.
    `sunny` (T) are steps in which the sun keeps batteries from exporting. Of `draw_w`
    other units charge `charged_w`, and they export `exported_w` (T x Q).
    At the steps in `turns` each future leads to the others with the probabilities of
    the matrix (K x K). `price_basis` (T) tells where they come from; without it all
    are known.
    """

    starts_s: Floats
    import_price: Floats
    export_price: Floats
    draw_w: Floats
    weights: Floats
    keep_kwh: Floats | None = None
    sunny: NDArray[np.bool_] | None = None
    charged_w: Floats | None = None
    exported_w: Floats | None = None
    turns: tuple[tuple[int, Floats], ...] = ()
    price_basis: tuple[PriceBasis, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """All that one unit's plan depends on.

    `near` is one future, `far` begins where `near` ends, with several where prices are
    not known yet. What is stored at the end of `far` is worth `end_price` per kWh, or
    what it would be a day before. `soft_limit_w` is the import that a demand window
    should keep; `peak_price` what a kW above it costs where a capacity tariff sets it,
    for each of the windows that are counted: these are `peaks_w` so far. Of a month's
    peak the plan bears `peak_share`: later days have it for nothing. Above
    `most_level_w` none is paid for.
    With `exceeds` a departure may be charged for above the soft limit.
    `aim_*_w` is what the closed loop leaves to the grid while it covers or absorbs.
    One that is `switched` charges at its own power or not at all; `idle_charge_w` is
    what it takes wherever it does not cover, where a switch cannot make it hold.
    """

    spec: UnitSpec
    near: Stretch
    far: Stretch
    end_price: float | None = None
    stored_kwh: float
    running: bool
    reserve_percent: float
    max_soc_percent: float
    charge_w: float
    discharge_w: float
    export_w: float = 0.0
    aim_import_w: float = 0.0
    aim_export_w: float = 0.0
    soft_limit_w: float | None = None
    peak_price: float | None = None
    peaks_w: tuple[float, ...] = (0.0,)
    peak_share: float = 1.0
    most_level_w: float | None = None
    exceeds: bool = False
    main_limit_w: float | None = None
    switched: bool = False
    idle_charge_w: float = 0.0
    absences: Sequence[Absence] = ()
    near_hazard: Hazard | None = None
    far_hazard: Hazard | None = None

    @property
    def asked(self) -> bool:
        """Return whether a departure asks for anything."""
        return any(absence.soc_percent > 0.0 for absence in self.absences)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStep:
    """One step of a plan, with what is expected over it and at its end.

    `cost` is what the home pays for the grid over it, less what it earns there;
    `grid_w` the home's import after what its other units do. Not `home`: the unit is
    expected to be away.
    """

    start_s: float
    end_s: float
    intent: Intent
    soc_percent: float
    unit_w: float
    grid_w: float
    import_price: float
    cost: float
    home: bool = True
    price_basis: PriceBasis = PriceBasis.KNOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to do, step by step; `problems` says what cannot be met.

    `expected_cost` is money over the steps, `stored_value` what one kWh more in the
    battery would be worth now. `import_level_w` is the month's peak that the plan
    means to pay for, None where it is what is paid already, or costs nothing.
    """

    made_s: float
    steps: tuple[PlannedStep, ...]
    expected_cost: float
    stored_value: float
    problems: tuple[ReasonCode, ...] = ()
    import_level_w: float | None = None

    def at(self, now_s: float) -> PlannedStep | None:
        """Return the step for `now_s`, None where the plan does not reach."""
        for step in self.steps:
            if step.start_s <= now_s < step.end_s:
                return step
        return None

    def intent(self, now_s: float) -> Intent | None:
        """Return what is to be done now.

        None where the unit is away, the price is unknown, or the plan is over.
        """
        step = self.at(now_s)
        if step is None or step.price_basis is PriceBasis.UNKNOWN or not step.home:
            return None
        return step.intent

    def next_action(self, now_s: float) -> NextAction | None:
        """Return the first change of what is done."""
        now = self.at(now_s)
        if now is None:
            return None
        for step in self.steps:
            if (
                step.start_s > now_s
                and step.home
                and step.intent.kind is not now.intent.kind
            ):
                return NextAction(kind=step.intent.kind, time_s=step.start_s)
        return None

    def soc_percent_at(self, time_s: float) -> float | None:
        """Return the state of charge expected at a step's end, None beyond the plan."""
        for step in self.steps:
            if step.start_s < time_s <= step.end_s:
                return step.soc_percent
        return None

    def cost(self, begin_s: float, end_s: float) -> float:
        """Return what the home is expected to pay in that time, as far as it reaches.

        Of the plans of several units the last one stands on what the others do.
        """
        total = 0.0
        for step in self.steps:
            part_s = min(step.end_s, end_s) - max(step.start_s, begin_s)
            if part_s > 0.0:
                total += step.cost * part_s / (step.end_s - step.start_s)
        return total

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready plain data."""
        result: dict[str, Any] = to_dict(self)
        return result

    @classmethod
    def from_dict(cls, data: Any) -> Plan:
        """Read a stored plan back; raises `ValueError` where it is none."""
        try:
            return cls(
                made_s=float(data["made_s"]),
                steps=tuple(_step(step) for step in data["steps"]),
                expected_cost=float(data["expected_cost"]),
                stored_value=float(data["stored_value"]),
                problems=tuple(ReasonCode(code) for code in data["problems"]),
                import_level_w=_optional(data.get("import_level_w")),
            )
        except (AttributeError, KeyError, TypeError) as err:
            raise ValueError(f"not a plan: {err!r}") from err


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _step(data: Any) -> PlannedStep:
    intent = data["intent"]
    reason, value = intent["reason"], intent["stored_value"]
    return PlannedStep(
        start_s=float(data["start_s"]),
        end_s=float(data["end_s"]),
        intent=Intent(
            kind=IntentKind(intent["kind"]),
            power_w=float(intent["power_w"]),
            reason=Reason(
                code=ReasonCode(reason["code"]),
                values={key: float(item) for key, item in reason["values"].items()},
            ),
            absorb_surplus=bool(intent["absorb_surplus"]),
            stored_value=_optional(value),
        ),
        soc_percent=float(data["soc_percent"]),
        unit_w=float(data["unit_w"]),
        grid_w=float(data["grid_w"]),
        import_price=float(data["import_price"]),
        cost=float(data["cost"]),
        home=bool(data["home"]),
        price_basis=PriceBasis(data["price_basis"]),
    )
