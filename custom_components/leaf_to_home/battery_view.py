"""What is shown of a unit's battery: its health, as it stands on disk."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from homeassistant.util import dt as dt_util

from .engine.battery import UnitSpec
from .engine.battery_health import Estimate, HealthReport, report
from .engine.state import HomeState

if TYPE_CHECKING:
    from .entity import LeafToHomeUnitEntity
    from .unit_runtime import UnitRuntime


def health_of(state: HomeState, unit: UnitRuntime) -> HealthReport | None:
    """Return the report on the battery of the unit, or of the car that it has now."""
    known = state.units.get(unit.subentry_id)
    if known is None:
        return None
    record = state.batteries.get(known.book(unit.subentry_id))
    if record is None:
        return None
    spec: UnitSpec = unit.vehicle_specs.get(known.vehicle or "", unit.spec)
    return report(record, spec, dt_util.utcnow().timestamp())


def reported(
    value_fn: Callable[[HealthReport], float | None], digits: int
) -> Callable[[LeafToHomeUnitEntity], float | None]:
    """Return what shows a number of the report."""

    def value(unit: LeafToHomeUnitEntity) -> float | None:
        health = health_of(unit.home.persisted, unit.unit)
        number = None if health is None else value_fn(health)
        return None if number is None else round(number, digits)

    return value


def reported_date(
    value_fn: Callable[[HealthReport], float],
) -> Callable[[LeafToHomeUnitEntity], date | None]:
    """Return what shows a date of the report."""

    def value(unit: LeafToHomeUnitEntity) -> date | None:
        health = health_of(unit.home.persisted, unit.unit)
        if health is None:
            return None
        return dt_util.as_local(dt_util.utc_from_timestamp(value_fn(health))).date()

    return value


def capacity_details(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    """Return how well the capacity is known, and what of it was measured."""
    health = health_of(unit.home.persisted, unit.unit)
    if health is None:
        return {}
    return {
        **_range(health.capacity),
        "measured": _rounded(health.measured),
        "soh": health.soh_percent,
    }


def _range(estimate: Estimate) -> Mapping[str, float]:
    return {"lowest": round(estimate.low, 2), "highest": round(estimate.high, 2)}


def _rounded(estimate: Estimate | None) -> float | None:
    return None if estimate is None else round(estimate.value, 2)
