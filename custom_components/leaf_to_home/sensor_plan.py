"""What is shown of the plan and its forecast: of the home, and of each unit."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfPower
from homeassistant.util import dt as dt_util

from .engine.model import IntentKind, NextAction
from .engine.problems import Problem
from .engine.requirement import Trip, TripSource
from .entity import LeafToHomeUnitEntity
from .home import Home, LeafToHomeConfigEntry
from .plan_problems import NO_PROBLEM
from .plan_view import expected_cost_today
from .sensor_description import (
    COST,
    MEAN_POWER,
    SOC,
    TEXT,
    WORTH,
    HomeSensorDescription,
    UnitSensorDescription,
    rounded,
)
from .unit_runtime import UnitRuntime

if TYPE_CHECKING:
    from .engine.forecast_error import ForecastError, ForecastErrors


def _now_s() -> float:
    return dt_util.utcnow().timestamp()


def _next_action(home: Home) -> NextAction | None:
    """Return the first change that any unit expects, by its plan or by the rule."""
    if home.decision is None:
        return None
    actions = [
        unit.next_action for unit in home.decision.units.values() if unit.next_action
    ]
    return min(actions, key=lambda action: action.time_s, default=None)


def _next_action_kind(home: Home) -> str | None:
    action = _next_action(home)
    return action.kind if action else None


def _next_action_time(home: Home) -> datetime | None:
    action = _next_action(home)
    if action is None:
        return None
    return dt_util.utc_from_timestamp(round(action.time_s / 60.0) * 60.0)


def _forecast_error(
    period_fn: Callable[[ForecastErrors], ForecastError | None],
    value_fn: Callable[[ForecastError], float],
) -> Callable[[Home], float | None]:
    def value(home: Home) -> float | None:
        errors = home.plans.errors
        error = None if errors is None else period_fn(errors)
        return None if error is None else rounded(value_fn(error))

    return value


def _several_units(entry: LeafToHomeConfigEntry) -> bool:
    return len(entry.runtime_data.units) > 1


def _home_stored_value(home: Home) -> float | None:
    """Return what one kWh more is worth in the unit that makes the best of it."""
    now_s = _now_s()
    values = [
        plan.stored_value for plan in home.plans.plans.values() if plan.intent(now_s)
    ]
    return rounded(max(values, default=None), 4)


def _stored_value(unit: LeafToHomeUnitEntity) -> float | None:
    """Return what one stored kWh more would be worth."""
    plan = unit.home.plans.plans.get(unit.unit.subentry_id)
    return None if plan is None else rounded(plan.stored_value, 4)


def _leaves(unit: UnitRuntime) -> bool:
    return unit.spec.leaves


def _departure_soc(unit: LeafToHomeUnitEntity) -> float | None:
    """Return the state of charge that the plan brings to the next departure."""
    departure = unit.home.plans.departure(unit.unit.subentry_id, _now_s())
    return None if departure is None else rounded(departure[1])


def _next_trip[ValueT](
    value_fn: Callable[[Trip], ValueT],
) -> Callable[[LeafToHomeUnitEntity], ValueT | None]:
    def value(unit: LeafToHomeUnitEntity) -> ValueT | None:
        trip = unit.home.plans.next_trip(unit.unit.subentry_id, _now_s())
        return None if trip is None else value_fn(trip)

    return value


HOME_DESCRIPTIONS: tuple[HomeSensorDescription, ...] = (
    HomeSensorDescription(
        key="next_action",
        translation_key="next_action",
        device_class=SensorDeviceClass.ENUM,
        options=[item.value for item in IntentKind],
        significance=TEXT,
        value_fn=_next_action_kind,
    ),
    HomeSensorDescription(
        key="next_action_time",
        translation_key="next_action_time",
        device_class=SensorDeviceClass.TIMESTAMP,
        significance=TEXT,
        value_fn=_next_action_time,
    ),
    HomeSensorDescription(
        key="expected_cost",
        translation_key="expected_cost",
        device_class=SensorDeviceClass.MONETARY,
        native_unit_of_measurement="{currency}",
        significance=COST,
        suggested_display_precision=2,
        value_fn=lambda home: rounded(expected_cost_today(home, _now_s()), 2),
    ),
    HomeSensorDescription(
        key="stored_value",
        translation_key="stored_value",
        has_fn=_several_units,
        native_unit_of_measurement="{currency}/kWh",
        significance=WORTH,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=3,
        value_fn=_home_stored_value,
    ),
    HomeSensorDescription(
        key="plan_problem",
        translation_key="plan_problem",
        device_class=SensorDeviceClass.ENUM,
        options=[NO_PROBLEM, *(problem.value for problem in Problem)],
        significance=TEXT,
        value_fn=lambda home: home.plans.problems.worst,
    ),
    HomeSensorDescription(
        key="forecast_error_day",
        translation_key="forecast_error_day",
        device_class=SensorDeviceClass.POWER,
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_forecast_error(
            lambda errors: errors.day, lambda error: error.absolute_w
        ),
    ),
    HomeSensorDescription(
        key="forecast_error_week",
        translation_key="forecast_error_week",
        device_class=SensorDeviceClass.POWER,
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_forecast_error(
            lambda errors: errors.week, lambda error: error.absolute_w
        ),
    ),
    HomeSensorDescription(
        key="forecast_bias_day",
        translation_key="forecast_bias_day",
        device_class=SensorDeviceClass.POWER,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_forecast_error(lambda errors: errors.day, lambda error: error.bias_w),
    ),
    HomeSensorDescription(
        key="forecast_bias_week",
        translation_key="forecast_bias_week",
        device_class=SensorDeviceClass.POWER,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_forecast_error(
            lambda errors: errors.week, lambda error: error.bias_w
        ),
    ),
)
UNIT_DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="stored_value",
        translation_key="stored_value",
        native_unit_of_measurement="{currency}/kWh",
        significance=WORTH,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=3,
        value_fn=_stored_value,
    ),
    UnitSensorDescription(
        key="departure_soc",
        translation_key="departure_soc",
        has_fn=_leaves,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        suggested_display_precision=0,
        value_fn=_departure_soc,
    ),
    UnitSensorDescription(
        key="next_departure",
        translation_key="next_departure",
        device_class=SensorDeviceClass.TIMESTAMP,
        has_fn=_leaves,
        significance=TEXT,
        value_fn=_next_trip(
            lambda trip: dt_util.utc_from_timestamp(round(trip.departure_s))
        ),
    ),
    UnitSensorDescription(
        key="next_departure_soc",
        translation_key="next_departure_soc",
        has_fn=_leaves,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        suggested_display_precision=0,
        value_fn=_next_trip(lambda trip: round(trip.soc_percent, 1)),
    ),
    UnitSensorDescription(
        key="next_departure_source",
        translation_key="next_departure_source",
        device_class=SensorDeviceClass.ENUM,
        has_fn=_leaves,
        options=[item.value for item in TripSource],
        significance=TEXT,
        value_fn=_next_trip(lambda trip: trip.sources[0].value),
    ),
)
