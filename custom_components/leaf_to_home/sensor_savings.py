"""What is shown of costs and savings."""

from datetime import datetime

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.util import dt as dt_util

from .engine.savings import costs
from .home import Home
from .sensor_description import MONEY, HomeSensorDescription, rounded


def _savings_day(home: Home) -> datetime | None:
    """Return the local midnight from which the day's savings count."""
    day = home.persisted.ledger.day
    date = dt_util.parse_date(day) if day else None
    return dt_util.start_of_local_day(date) if date else None


DESCRIPTIONS: tuple[HomeSensorDescription, ...] = (
    HomeSensorDescription(
        key="cost_on_arrival",
        translation_key="cost_on_arrival",
        device_class=SensorDeviceClass.MONETARY,
        entity_registry_enabled_default=False,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: rounded(costs(home.persisted).on_arrival, 4),
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
        value_fn=lambda home: rounded(costs(home.persisted).smart, 4),
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
        value_fn=lambda home: rounded(costs(home.persisted).actual, 4),
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
        value_fn=lambda home: rounded(home.savings.against_arrival_today, 4),
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
        value_fn=lambda home: rounded(home.savings.against_smart_today, 4),
    ),
    HomeSensorDescription(
        key="savings_total_on_arrival",
        translation_key="savings_total_on_arrival",
        device_class=SensorDeviceClass.MONETARY,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: rounded(home.savings.against_arrival, 4),
    ),
    HomeSensorDescription(
        key="savings_total_smart",
        translation_key="savings_total_smart",
        device_class=SensorDeviceClass.MONETARY,
        native_unit_of_measurement="{currency}",
        significance=MONEY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value_fn=lambda home: rounded(home.savings.against_smart, 4),
    ),
)
