"""What a home and its units measure, decide and save."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    MATCH_ALL,
    PERCENTAGE,
    EntityCategory,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTemperature,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType
from homeassistant.util import dt as dt_util

from .battery_view import capacity_details, health_of, reported, reported_date
from .const import CONF_GRID, CONF_SOLAR, GRID_UNIT
from .engine.derating import spread_mv
from .engine.model import (
    Decision,
    IntentKind,
    NextAction,
    OutcomeKind,
    Reading,
    ReasonCode,
    UnitDecision,
    UnitStatus,
)
from .engine.outage_model import NoBackup
from .engine.plan import PriceBasis
from .engine.problems import Problem
from .engine.requirement import Trip, TripSource
from .engine.savings import costs
from .engine.state import HomeState, UnitState
from .entity import LeafToHomeHomeEntity, LeafToHomeUnitEntity, Significance
from .home import Home, LeafToHomeConfigEntry
from .outage_setup import tier_subentries
from .plan_problems import NO_PROBLEM
from .plan_view import expected_cost_today
from .sensor_outage import (
    DESCRIPTIONS as OUTAGE_DESCRIPTIONS,
    TIER_DESCRIPTIONS,
    OutageSensor,
    TierSensor,
)
from .unit_runtime import UnitRuntime
from .units.pack import Balancing, PackCondition, PackFault, PackView, TellsPack
from .vehicles import NO_VEHICLE, OTHER_VEHICLE

if TYPE_CHECKING:
    from .engine.forecast_error import ForecastError, ForecastErrors

PARALLEL_UPDATES = 0

BACKUP_POSSIBLE = "possible"

ENERGY = Significance(least=0.01)
# With another car it is another amount at once.
STORED = Significance(notable=1.0, least=0.01)
MONEY = Significance(least=0.01, quiet_s=300.0)
POWER = Significance(notable=50.0, share=0.05, least=1.0)
# Over a window or a month, power moves slowly.
MEAN_POWER = Significance(notable=500.0, share=0.2, least=20.0)
SOC = Significance(notable=1.0, least=0.5)
# What a plan expects moves with every plan, most of the time by little.
COST = Significance(notable=0.02, share=0.05, least=0.01, quiet_s=900.0)
WORTH = Significance(notable=0.001, share=0.05, least=0.001, quiet_s=900.0)
# Months show in it; the recorder need not.
SLOW = Significance(notable=1.0, least=0.05, quiet_s=3600.0)
# The cells' electronics step by a few millivolts all the time.
CELL = Significance(notable=20.0, least=5.0, quiet_s=300.0)
TEMPERATURE = Significance(notable=2.0, least=0.5, quiet_s=300.0)
LIMIT = Significance(notable=500.0, share=0.2, least=50.0, quiet_s=300.0)
# A price changes a few times a day, and at once.
PRICE = Significance(notable=1e-6)
# A code is written when it changes, the numbers beside it once a minute.
TEXT = Significance()


@dataclass(frozen=True, kw_only=True)
class HomeSensorDescription(SensorEntityDescription):
    """Describe a sensor of the home; `{currency}` in its unit is Home Assistant's.

    `enabled_fn` tells whether the entity is enabled by default in this home.
    """

    enabled_fn: Callable[[LeafToHomeConfigEntry], bool] | None = None
    has_fn: Callable[[LeafToHomeConfigEntry], bool] = lambda _: True
    last_reset_fn: Callable[[Home], datetime | None] | None = None
    significance: Significance
    value_fn: Callable[[Home], StateType | datetime]


@dataclass(frozen=True, kw_only=True)
class UnitSensorDescription(SensorEntityDescription):
    """Describe a sensor of a unit; `measured` ones go when the unit is unreachable.

    `names_fn` tells what it can say beside its options, in words of the user's own.
    """

    attributes_fn: Callable[[LeafToHomeUnitEntity], Mapping[str, Any]] | None = None
    has_fn: Callable[[UnitRuntime], bool] = lambda _: True
    measured: bool = False
    names_fn: Callable[[UnitRuntime], Iterable[str]] | None = None
    significance: Significance
    value_fn: Callable[[LeafToHomeUnitEntity], StateType | date | datetime]


def _rounded(value: float | None, digits: int = 0) -> float | None:
    return None if value is None else round(value, digits or None)


def _decided(
    value_fn: Callable[[Decision], float | None], digits: int = 0
) -> Callable[[Home], float | None]:
    def value(home: Home) -> float | None:
        return _rounded(value_fn(home.decision), digits) if home.decision else None

    return value


def _unit_decided(
    value_fn: Callable[[UnitDecision], float | None], digits: int = 0
) -> Callable[[LeafToHomeUnitEntity], float | None]:
    def value(unit: LeafToHomeUnitEntity) -> float | None:
        return _rounded(value_fn(unit.decision), digits) if unit.decision else None

    return value


def _read(
    value_fn: Callable[[Reading], float | None], digits: int = 0
) -> Callable[[LeafToHomeUnitEntity], float | None]:
    def value(unit: LeafToHomeUnitEntity) -> float | None:
        return _rounded(value_fn(unit.reading), digits) if unit.reading else None

    return value


def _persisted(
    value_fn: Callable[[UnitState], float],
) -> Callable[[LeafToHomeUnitEntity], float | None]:
    def value(unit: LeafToHomeUnitEntity) -> float | None:
        return round(value_fn(unit.persisted), 3) if unit.persisted else None

    return value


def _total(value_fn: Callable[[HomeState], float]) -> Callable[[Home], float]:
    return lambda home: round(value_fn(home.persisted), 3)


def _measured_by_unit(entry: LeafToHomeConfigEntry) -> bool:
    """Return whether no other integration counts the energy of grid and sun."""
    kind: str | None = entry.data.get(CONF_GRID, {}).get("kind")
    return kind == GRID_UNIT


def _has_price_source(entry: LeafToHomeConfigEntry) -> bool:
    """Return whether prices come from a source, and so end somewhere."""
    return entry.runtime_data.home.prices.has_source


def _has_solar(entry: LeafToHomeConfigEntry) -> bool:
    """Return whether a sensor, or the unit that is the meter, measures the sun."""
    return bool(entry.data.get(CONF_SOLAR)) or _measured_by_unit(entry)


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


def _savings_day(home: Home) -> datetime | None:
    """Return the local midnight from which the day's savings count."""
    day = home.persisted.ledger.day
    date = dt_util.parse_date(day) if day else None
    return dt_util.start_of_local_day(date) if date else None


def _now_s() -> float:
    return dt_util.utcnow().timestamp()


def _forecast_error(
    period_fn: Callable[[ForecastErrors], ForecastError | None],
    value_fn: Callable[[ForecastError], float],
) -> Callable[[Home], float | None]:
    def value(home: Home) -> float | None:
        errors = home.plans.errors
        error = None if errors is None else period_fn(errors)
        return None if error is None else _rounded(value_fn(error))

    return value


def _several_units(entry: LeafToHomeConfigEntry) -> bool:
    return len(entry.runtime_data.units) > 1


def _home_stored_value(home: Home) -> float | None:
    """Return what one kWh more is worth in the unit that makes the best of it."""
    now_s = _now_s()
    values = [
        plan.stored_value for plan in home.plans.plans.values() if plan.intent(now_s)
    ]
    return _rounded(max(values, default=None), 4)


def _is_switched(unit: UnitRuntime) -> bool:
    """Return whether its charge is counted by us, since it tells nothing."""
    return unit.unit.capabilities.switched


def _confidence_percent(reading: Reading) -> float:
    """Return how far the counted charge may be trusted: not at all, or to the dot."""
    if reading.soc_percent is None or reading.soc_error_percent is None:
        return 0.0
    return max(0.0, 100.0 - 2.0 * reading.soc_error_percent)


def _error_kwh(unit: LeafToHomeUnitEntity) -> float | None:
    """Return by how much the stored energy may be out."""
    error = unit.reading.soc_error_percent if unit.reading else None
    if error is None:
        return None
    return round(error / 100.0 * unit.unit.spec.capacity_kwh, 3)


def _stored_value(unit: LeafToHomeUnitEntity) -> float | None:
    """Return what one stored kWh more would be worth."""
    plan = unit.home.plans.plans.get(unit.unit.subentry_id)
    return None if plan is None else _rounded(plan.stored_value, 4)


def _departure_soc(unit: LeafToHomeUnitEntity) -> float | None:
    """Return the state of charge that the plan brings to the next departure."""
    departure = unit.home.plans.departure(unit.unit.subentry_id, _now_s())
    return None if departure is None else _rounded(departure[1])


def _next_trip[ValueT](
    value_fn: Callable[[Trip], ValueT],
) -> Callable[[LeafToHomeUnitEntity], ValueT | None]:
    def value(unit: LeafToHomeUnitEntity) -> ValueT | None:
        trip = unit.home.plans.next_trip(unit.unit.subentry_id, _now_s())
        return None if trip is None else value_fn(trip)

    return value


def _status(unit: LeafToHomeUnitEntity) -> str | None:
    if not unit.reachable:
        # The engine goes by the last reading until that is too old.
        return UnitStatus.UNREACHABLE
    return unit.decision.status if unit.decision else None


def _vehicle(unit: LeafToHomeUnitEntity) -> str | None:
    """Return the name of the car at the plug, None until it is told."""
    reading = unit.reading
    if reading is None:
        return None
    if reading.connected is False:
        return NO_VEHICLE
    told = reading.vehicle
    state = unit.home.state.units[unit.unit.subentry_id]
    if told is None and state.vehicle_here:
        # It sleeps, and is still the one that it was.
        told = state.vehicle
    if told is None:
        return None
    vehicle = unit.unit.vehicles.get(told)
    return OTHER_VEHICLE if vehicle is None else vehicle.name


def _soc_elsewhere(unit: LeafToHomeUnitEntity) -> float | None:
    sources = unit.unit.car_sources
    latest = sources.latest() if sources is not None else None
    return None if latest is None else round(latest[1].value, 1)


def _soc_elsewhere_time(unit: LeafToHomeUnitEntity) -> datetime | None:
    sources = unit.unit.car_sources
    latest = sources.latest() if sources is not None else None
    if latest is None:
        return None
    return dt_util.utc_from_timestamp(round(latest[1].time_s))


def _elsewhere_details(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    sources = unit.unit.car_sources
    latest = sources.latest() if sources is not None else None
    if latest is None:
        return {}
    source, sample = latest
    return {"source": source.name, "age": round(_now_s() - sample.time_s)}


def _soh(unit: LeafToHomeUnitEntity) -> float | None:
    """Return the state of health that was reported last, by whoever knows it."""
    if unit.reading is not None and unit.reading.soh_percent is not None:
        return _rounded(unit.reading.soh_percent, 2)
    if unit.unit.car_sources is None:
        return None
    health = health_of(unit.home.state, unit.unit)
    return None if health is None else _rounded(health.soh_percent, 2)


def _setpoint_details(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    setpoint = unit.decision.setpoint if unit.decision else None
    return {"native": setpoint.native if setpoint else None}


def _reason_numbers(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    if (decision := unit.decision) is None:
        return {}
    numbers: dict[str, Any] = {
        key: round(value, 3) for key, value in decision.reason.values.items()
    }
    home = unit.home.decision
    if "price" in numbers and home is not None and home.import_price is None:
        numbers["price_basis"] = PriceBasis.ESTIMATED
    return numbers


def _outcome_details(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    if (outcome := unit.unit.worker.outcome) is None:
        return {}
    return {"power": _rounded(outcome.power_w), "detail": outcome.detail}


def _tells_pack(unit: UnitRuntime) -> bool:
    return isinstance(unit.unit, TellsPack)


def _pack(
    value_fn: Callable[[PackView], str | None],
) -> Callable[[LeafToHomeUnitEntity], str | None]:
    def value(unit: LeafToHomeUnitEntity) -> str | None:
        driver = unit.unit.unit
        return value_fn(driver.pack) if isinstance(driver, TellsPack) else None

    return value


def _cells(unit: LeafToHomeUnitEntity) -> Mapping[str, Any]:
    if (reading := unit.reading) is None:
        return {}
    return {
        "lowest": _rounded(reading.cell_min_mv),
        "highest": _rounded(reading.cell_max_mv),
    }


def _no_backup(unit: LeafToHomeUnitEntity) -> str | None:
    """Return why the unit could not carry anything, if the grid went now."""
    if (decision := unit.home.outages.decision) is None:
        return None
    return decision.no_backup.get(unit.unit.subentry_id, BACKUP_POSSIBLE)


HOME_DESCRIPTIONS: tuple[HomeSensorDescription, ...] = (
    HomeSensorDescription(
        key="grid_power",
        translation_key="grid_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_decided(lambda decision: decision.grid_w),
    ),
    HomeSensorDescription(
        key="load_power",
        translation_key="load_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_decided(lambda decision: decision.load_w),
    ),
    HomeSensorDescription(
        key="solar_power",
        translation_key="solar_power",
        device_class=SensorDeviceClass.POWER,
        has_fn=_has_solar,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_decided(lambda decision: decision.solar_w),
    ),
    HomeSensorDescription(
        key="import_price",
        translation_key="import_price",
        native_unit_of_measurement="{currency}/kWh",
        significance=PRICE,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_decided(lambda decision: decision.import_price, 5),
    ),
    HomeSensorDescription(
        key="export_price",
        translation_key="export_price",
        entity_registry_enabled_default=False,
        native_unit_of_measurement="{currency}/kWh",
        significance=PRICE,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_decided(lambda decision: decision.export_price, 5),
    ),
    HomeSensorDescription(
        key="window_average",
        translation_key="window_average",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_decided(lambda decision: decision.window_average_w),
    ),
    HomeSensorDescription(
        key="window_left",
        translation_key="window_left",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_decided(lambda decision: decision.window_left_w),
    ),
    HomeSensorDescription(
        key="month_peak",
        translation_key="month_peak",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_decided(lambda decision: decision.month_peak_w),
    ),
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
        value_fn=lambda home: _rounded(expected_cost_today(home, _now_s()), 2),
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
    HomeSensorDescription(
        key="cost_on_arrival",
        translation_key="cost_on_arrival",
        device_class=SensorDeviceClass.MONETARY,
        entity_registry_enabled_default=False,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: _rounded(costs(home.persisted).on_arrival, 4),
    ),
    HomeSensorDescription(
        key="cost_smart",
        translation_key="cost_smart",
        device_class=SensorDeviceClass.MONETARY,
        entity_registry_enabled_default=False,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: _rounded(costs(home.persisted).smart, 4),
    ),
    HomeSensorDescription(
        key="cost_actual",
        translation_key="cost_actual",
        device_class=SensorDeviceClass.MONETARY,
        entity_registry_enabled_default=False,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: _rounded(costs(home.persisted).actual, 4),
    ),
    HomeSensorDescription(
        key="savings_today_on_arrival",
        translation_key="savings_today_on_arrival",
        device_class=SensorDeviceClass.MONETARY,
        last_reset_fn=_savings_day,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: _rounded(home.savings.against_arrival_today, 4),
    ),
    HomeSensorDescription(
        key="savings_today_smart",
        translation_key="savings_today_smart",
        device_class=SensorDeviceClass.MONETARY,
        last_reset_fn=_savings_day,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: _rounded(home.savings.against_smart_today, 4),
    ),
    HomeSensorDescription(
        key="savings_total_on_arrival",
        translation_key="savings_total_on_arrival",
        device_class=SensorDeviceClass.MONETARY,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: _rounded(home.savings.against_arrival, 4),
    ),
    HomeSensorDescription(
        key="savings_total_smart",
        translation_key="savings_total_smart",
        device_class=SensorDeviceClass.MONETARY,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: _rounded(home.savings.against_smart, 4),
    ),
    HomeSensorDescription(
        key="grid_import_energy",
        translation_key="grid_import_energy",
        device_class=SensorDeviceClass.ENERGY,
        enabled_fn=_measured_by_unit,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_total(lambda state: state.import_kwh),
    ),
    HomeSensorDescription(
        key="grid_export_energy",
        translation_key="grid_export_energy",
        device_class=SensorDeviceClass.ENERGY,
        enabled_fn=_measured_by_unit,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_total(lambda state: state.export_kwh),
    ),
    HomeSensorDescription(
        key="solar_energy",
        translation_key="solar_energy",
        device_class=SensorDeviceClass.ENERGY,
        enabled_fn=_measured_by_unit,
        has_fn=_has_solar,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_total(lambda state: state.solar_kwh),
    ),
    HomeSensorDescription(
        key="prices_until",
        translation_key="prices_until",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_has_price_source,
        significance=TEXT,
        value_fn=lambda home: home.prices.known_until,
    ),
)

UNIT_DESCRIPTIONS: tuple[UnitSensorDescription, ...] = (
    UnitSensorDescription(
        key="soc",
        translation_key="soc",
        device_class=SensorDeviceClass.BATTERY,
        measured=True,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_unit_decided(lambda decision: decision.soc_percent, 1),
    ),
    UnitSensorDescription(
        key="stored_energy",
        translation_key="stored_energy",
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        measured=True,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=STORED,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=_unit_decided(lambda decision: decision.stored_kwh, 2),
    ),
    UnitSensorDescription(
        key="energy_above_reserve",
        translation_key="energy_above_reserve",
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        measured=True,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=STORED,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=_unit_decided(lambda decision: decision.above_reserve_kwh, 2),
    ),
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
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        suggested_display_precision=0,
        value_fn=_departure_soc,
    ),
    UnitSensorDescription(
        key="next_departure",
        translation_key="next_departure",
        device_class=SensorDeviceClass.TIMESTAMP,
        significance=TEXT,
        value_fn=_next_trip(
            lambda trip: dt_util.utc_from_timestamp(round(trip.departure_s))
        ),
    ),
    UnitSensorDescription(
        key="next_departure_soc",
        translation_key="next_departure_soc",
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        suggested_display_precision=0,
        value_fn=_next_trip(lambda trip: round(trip.soc_percent, 1)),
    ),
    UnitSensorDescription(
        key="next_departure_source",
        translation_key="next_departure_source",
        device_class=SensorDeviceClass.ENUM,
        options=[item.value for item in TripSource],
        significance=TEXT,
        value_fn=_next_trip(lambda trip: trip.sources[0].value),
    ),
    UnitSensorDescription(
        key="power",
        translation_key="power",
        device_class=SensorDeviceClass.POWER,
        measured=True,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_read(lambda reading: reading.power_w),
    ),
    UnitSensorDescription(
        key="energy_charged",
        translation_key="energy_charged",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_persisted(lambda state: state.charged_kwh),
    ),
    UnitSensorDescription(
        key="energy_discharged",
        translation_key="energy_discharged",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        value_fn=_persisted(lambda state: state.discharged_kwh),
    ),
    UnitSensorDescription(
        key="soh",
        translation_key="soh",
        entity_category=EntityCategory.DIAGNOSTIC,
        measured=True,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=_soh,
    ),
    UnitSensorDescription(
        key="soc_elsewhere",
        translation_key="soc_elsewhere",
        attributes_fn=_elsewhere_details,
        device_class=SensorDeviceClass.BATTERY,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=lambda unit: unit.car_sources is not None,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_soc_elsewhere,
    ),
    UnitSensorDescription(
        key="soc_elsewhere_time",
        translation_key="soc_elsewhere_time",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=lambda unit: unit.car_sources is not None,
        significance=TEXT,
        value_fn=_soc_elsewhere_time,
    ),
    UnitSensorDescription(
        key="usable_capacity",
        translation_key="usable_capacity",
        attributes_fn=capacity_details,
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=SLOW,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=reported(lambda health: health.capacity.value, 2),
    ),
    UnitSensorDescription(
        key="round_trip_efficiency",
        translation_key="round_trip_efficiency",
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=PERCENTAGE,
        significance=SLOW,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=reported(
            lambda health: (
                None if health.round_trip is None else 100.0 * health.round_trip
            ),
            1,
        ),
    ),
    UnitSensorDescription(
        key="full_cycles",
        translation_key="full_cycles",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        significance=SLOW,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=reported(lambda health: health.cycles, 2),
    ),
    UnitSensorDescription(
        key="throughput",
        translation_key="throughput",
        device_class=SensorDeviceClass.ENERGY,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=SLOW,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=0,
        value_fn=reported(lambda health: health.throughput_kwh, 1),
    ),
    UnitSensorDescription(
        key="end_of_life_earliest",
        translation_key="end_of_life_earliest",
        device_class=SensorDeviceClass.DATE,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        significance=TEXT,
        value_fn=reported_date(lambda health: health.end_earliest_s),
    ),
    UnitSensorDescription(
        key="end_of_life_latest",
        translation_key="end_of_life_latest",
        device_class=SensorDeviceClass.DATE,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        significance=TEXT,
        value_fn=reported_date(lambda health: health.end_latest_s),
    ),
    UnitSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=[item.value for item in UnitStatus],
        significance=TEXT,
        value_fn=_status,
    ),
    UnitSensorDescription(
        key="setpoint",
        translation_key="setpoint",
        attributes_fn=_setpoint_details,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_unit_decided(
            lambda decision: (
                decision.setpoint.power_w
                if decision.setpoint and decision.setpoint.native is None
                else None
            )
        ),
    ),
    UnitSensorDescription(
        key="reason",
        translation_key="reason",
        attributes_fn=_reason_numbers,
        device_class=SensorDeviceClass.ENUM,
        options=[item.value for item in ReasonCode],
        significance=TEXT,
        value_fn=lambda unit: unit.decision.reason.code if unit.decision else None,
    ),
    UnitSensorDescription(
        key="outcome",
        translation_key="outcome",
        attributes_fn=_outcome_details,
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[item.value for item in OutcomeKind],
        significance=TEXT,
        value_fn=lambda unit: (
            unit.unit.worker.outcome.kind if unit.unit.worker.outcome else None
        ),
    ),
    UnitSensorDescription(
        key="carried_power",
        translation_key="carried_load",
        device_class=SensorDeviceClass.POWER,
        has_fn=_is_switched,
        measured=True,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=POWER,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_read(lambda reading: reading.carried_w),
    ),
    UnitSensorDescription(
        key="soc_confidence",
        translation_key="soc_confidence",
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_is_switched,
        measured=True,
        native_unit_of_measurement=PERCENTAGE,
        significance=SOC,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_read(_confidence_percent),
    ),
    UnitSensorDescription(
        key="stored_energy_error",
        translation_key="stored_energy_error",
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_is_switched,
        measured=True,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        significance=ENERGY,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
        value_fn=_error_kwh,
    ),
    UnitSensorDescription(
        key="vehicle",
        translation_key="vehicle",
        device_class=SensorDeviceClass.ENUM,
        has_fn=lambda unit: bool(unit.vehicles),
        measured=True,
        names_fn=lambda unit: (vehicle.name for vehicle in unit.vehicles.values()),
        options=[NO_VEHICLE, OTHER_VEHICLE],
        significance=TEXT,
        value_fn=_vehicle,
    ),
    UnitSensorDescription(
        key="pack_condition",
        translation_key="pack_condition",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        options=[item.value for item in PackCondition],
        significance=TEXT,
        value_fn=_pack(lambda pack: pack.condition),
    ),
    UnitSensorDescription(
        key="pack_fault",
        translation_key="pack_fault",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        options=[item.value for item in PackFault],
        significance=TEXT,
        value_fn=_pack(lambda pack: pack.fault),
    ),
    UnitSensorDescription(
        key="balancing",
        translation_key="balancing",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        options=[item.value for item in Balancing],
        significance=TEXT,
        value_fn=_pack(lambda pack: pack.balancing),
    ),
    UnitSensorDescription(
        key="cell_spread",
        translation_key="cell_spread",
        attributes_fn=_cells,
        device_class=SensorDeviceClass.VOLTAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfElectricPotential.MILLIVOLT,
        significance=CELL,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_read(spread_mv),
    ),
    UnitSensorDescription(
        key="temperature_min",
        translation_key="temperature_min",
        device_class=SensorDeviceClass.TEMPERATURE,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        significance=TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_read(lambda reading: reading.temperature_min_c, 1),
    ),
    UnitSensorDescription(
        key="temperature_max",
        translation_key="temperature_max",
        device_class=SensorDeviceClass.TEMPERATURE,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        significance=TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_read(lambda reading: reading.temperature_max_c, 1),
    ),
    UnitSensorDescription(
        key="allowed_charge_power",
        translation_key="allowed_charge_power",
        device_class=SensorDeviceClass.POWER,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=LIMIT,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_read(lambda reading: reading.max_charge_w),
    ),
    UnitSensorDescription(
        key="allowed_discharge_power",
        translation_key="allowed_discharge_power",
        device_class=SensorDeviceClass.POWER,
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=_tells_pack,
        measured=True,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=LIMIT,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_read(lambda reading: reading.max_discharge_w),
    ),
    UnitSensorDescription(
        key="no_backup",
        translation_key="no_backup",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[BACKUP_POSSIBLE, *(reason.value for reason in NoBackup)],
        significance=TEXT,
        value_fn=_no_backup,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of a home and its units."""
    async_add_entities(
        HomeSensor(entry=entry, description=description)
        for description in HOME_DESCRIPTIONS
        if description.has_fn(entry)
    )
    async_add_entities(
        OutageSensor(entry=entry, description=description)
        for description in OUTAGE_DESCRIPTIONS
    )
    for tier in tier_subentries(entry):
        async_add_entities(
            (
                TierSensor(entry=entry, subentry=tier, description=description)
                for description in TIER_DESCRIPTIONS
            ),
            config_subentry_id=tier.subentry_id,
        )
    for unit in entry.runtime_data.units.values():
        async_add_entities(
            (
                UnitSensor(entry=entry, unit=unit, description=description)
                for description in UNIT_DESCRIPTIONS
                if description.has_fn(unit)
            ),
            config_subentry_id=unit.subentry_id,
        )


class HomeSensor(LeafToHomeHomeEntity, SensorEntity):
    """A sensor of the home."""

    entity_description: HomeSensorDescription

    def __init__(
        self, *, entry: LeafToHomeConfigEntry, description: HomeSensorDescription
    ) -> None:
        """Initialize the sensor."""
        super().__init__(entry=entry, description=description)
        self._significance = description.significance
        if description.enabled_fn is not None:
            self._attr_entity_registry_enabled_default = description.enabled_fn(entry)
        if unit := description.native_unit_of_measurement:
            self._attr_native_unit_of_measurement = unit.format(
                currency=self.home.hass.config.currency
            )

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """Return the value of the sensor."""
        return self.entity_description.value_fn(self.home)

    @property
    @override
    def last_reset(self) -> datetime | None:
        """Return when the total was last 0."""
        if (last_reset_fn := self.entity_description.last_reset_fn) is None:
            return None
        return last_reset_fn(self.home)

    @override
    def _judged_value(self) -> StateType | datetime:
        return self.native_value


class UnitSensor(LeafToHomeUnitEntity, SensorEntity):
    """A sensor of a unit."""

    entity_description: UnitSensorDescription

    # They change with nearly every step and belong to the moment.
    _unrecorded_attributes = frozenset({MATCH_ALL})

    def __init__(
        self,
        *,
        entry: LeafToHomeConfigEntry,
        unit: UnitRuntime,
        description: UnitSensorDescription,
    ) -> None:
        """Initialize the sensor."""
        super().__init__(entry=entry, unit=unit, description=description)
        self._significance = description.significance
        if shown := description.native_unit_of_measurement:
            self._attr_native_unit_of_measurement = shown.format(
                currency=self.home.hass.config.currency
            )
        if description.names_fn is not None:
            names = dict.fromkeys(description.names_fn(unit))
            self._attr_options = [*names, *(description.options or ())]

    @property
    @override
    def available(self) -> bool:
        """Return whether the value still says anything."""
        return self.reachable or not self.entity_description.measured

    @property
    @override
    def native_value(self) -> StateType | date | datetime:
        """Return the value of the sensor."""
        return self.entity_description.value_fn(self)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        """Return the numbers that go with the value."""
        if (attributes_fn := self.entity_description.attributes_fn) is None:
            return None
        return attributes_fn(self)

    @override
    def _judged_value(self) -> StateType | date | datetime:
        return self.native_value
