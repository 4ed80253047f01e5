"""What a plan was made for, and whether that still holds.

A plan made for another reserve, another car at the plug or other prices must not be
followed. Time that passes, and what the loop keeps anyway, does not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .announced import is_late, told_departures
from .model import Departure, Inputs, UnitInputs, UnitMode
from .policy import PLANNING_MODES
from .state import HomeState, UnitState
from .tariff import PriceSlot, Tariff

# Prices that are known for this much longer are worth a new plan.
NEWS_S = 900.0


class Change(StrEnum):
    """What has become of the basis of a plan.

    `news`: it holds, but more is known now: that a car has not left, what the house
    draws.
    `settings`: the user changed a number, which the limits and the departure rule keep
    at once. `prices`: some are others now, as forecast ones are every few minutes.
    `void`: another unit, car or contract.
    """

    NONE = "none"
    NEWS = "news"
    SETTINGS = "settings"
    PRICES = "prices"
    VOID = "void"


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitBasis:
    """What a plan depends on in one unit, beside what is stored in it.

    `vehicle` is the car at the plug, where the station tells cars apart; `late`: it
    should have left.
    """

    connected: bool
    vehicle: str | None
    reserve_percent: float
    max_soc_percent: float
    charge_limit_w: float | None
    discharge_limit_w: float | None
    ready_by_minute: int | None
    ready_by_soc_percent: float
    departures: list[Departure]
    late: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What the plans of a home depend on; `contract` stands for all that a load fixes.

    `prices` are those known when the plan was made, from that moment on; `level_known`:
    so is what the house drew of late.
    """

    contract: str
    import_limit_w: float | None
    units: dict[str, UnitBasis]
    prices: list[PriceSlot]
    level_known: bool = True


def planned_units(state: HomeState, inputs: Inputs) -> list[str]:
    """Return the units to plan for: those that the plan can move."""
    if state.settings.mode not in PLANNING_MODES:
        return []
    return [
        key
        for key in inputs.units
        if (unit := state.units.get(key)) is not None
        and unit.stored_kwh is not None
        and unit.settings.mode is UnitMode.AUTOMATIC
    ]


def basis_of(
    state: HomeState,
    inputs: Inputs,
    now_s: float,
    contract: str,
    *,
    level_known: bool = True,
) -> Basis:
    """Return what a plan that is made now depends on."""
    return Basis(
        contract=contract,
        import_limit_w=state.settings.import_limit_w,
        units={
            key: _unit_basis(
                state.units[key], inputs.units[key], inputs.site.tariff, now_s
            )
            for key in planned_units(state, inputs)
        },
        prices=list(inputs.site.tariff.known(now_s)),
        level_known=level_known,
    )


def _unit_basis(
    unit: UnitState, known: UnitInputs, tariff: Tariff, now_s: float
) -> UnitBasis:
    settings = unit.settings
    return UnitBasis(
        connected=unit.connected is not False,
        vehicle=unit.vehicle,
        reserve_percent=unit.reserve_percent,
        max_soc_percent=settings.max_soc_percent,
        charge_limit_w=settings.charge_limit_w,
        discharge_limit_w=settings.discharge_limit_w,
        ready_by_minute=settings.ready_by_minute if settings.ready_by else None,
        ready_by_soc_percent=settings.ready_by_soc_percent,
        departures=list(told_departures(unit, known, now_s)),
        late=is_late(unit, known, tariff, now_s),
    )


def change(made: Basis, now: Basis, now_s: float) -> Change:
    """Return what has become of `made`, now that it would be `now`."""
    if (
        made.contract != now.contract
        or made.units.keys() != now.units.keys()
        or any(_other_car(made.units[key], unit) for key, unit in now.units.items())
    ):
        return Change.VOID
    if made.import_limit_w != now.import_limit_w or any(
        _ahead(made.units[key], now_s) != _ahead(unit, now_s)
        for key, unit in now.units.items()
    ):
        return Change.SETTINGS
    if not _agree(made.prices, now.prices):
        return Change.PRICES
    grown_s = _known_s(now.prices) - _known_s(made.prices)
    late = any(made.units[key].late != unit.late for key, unit in now.units.items())
    heard = now.level_known and not made.level_known
    return Change.NEWS if heard or late or grown_s > NEWS_S else Change.NONE


def _other_car(made: UnitBasis, now: UnitBasis) -> bool:
    return (made.connected, made.vehicle) != (now.connected, now.vehicle)


def _ahead(unit: UnitBasis, now_s: float) -> tuple[object, ...]:
    """Return the settings with the departures that are still to come."""
    return (
        unit.reserve_percent,
        unit.max_soc_percent,
        unit.charge_limit_w,
        unit.discharge_limit_w,
        unit.ready_by_minute,
        unit.ready_by_soc_percent,
        [departure for departure in unit.departures if departure.time_s > now_s],
    )


def _known_s(prices: Sequence[PriceSlot]) -> float:
    """Return how far ahead prices are known."""
    return prices[-1].end_s - prices[0].start_s if prices else 0.0


def _agree(made: Sequence[PriceSlot], now: Sequence[PriceSlot]) -> bool:
    """Return whether both say the same wherever both say something."""
    i = j = 0
    while i < len(made) and j < len(now):
        one, other = made[i], now[j]
        if (
            one.start_s < other.end_s
            and other.start_s < one.end_s
            and (one.import_price, one.export_price)
            != (other.import_price, other.export_price)
        ):
            return False
        if one.end_s <= other.end_s:
            i += 1
        else:
            j += 1
    return True
