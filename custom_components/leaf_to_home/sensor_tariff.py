"""What is shown of prices and demand windows."""

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import EntityCategory, UnitOfPower

from .home import LeafToHomeConfigEntry
from .sensor_description import MEAN_POWER, PRICE, TEXT, HomeSensorDescription, decided


def _has_price_source(entry: LeafToHomeConfigEntry) -> bool:
    """Return whether prices come from a source, and so end somewhere."""
    return entry.runtime_data.home.prices.has_source


DESCRIPTIONS: tuple[HomeSensorDescription, ...] = (
    HomeSensorDescription(
        key="import_price",
        translation_key="import_price",
        native_unit_of_measurement="{currency}/kWh",
        significance=PRICE,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=decided(lambda decision: decision.import_price, 5),
    ),
    HomeSensorDescription(
        key="export_price",
        translation_key="export_price",
        entity_registry_enabled_default=False,
        native_unit_of_measurement="{currency}/kWh",
        significance=PRICE,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=decided(lambda decision: decision.export_price, 5),
    ),
    HomeSensorDescription(
        key="window_average",
        translation_key="window_average",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=decided(lambda decision: decision.window_average_w),
    ),
    HomeSensorDescription(
        key="window_left",
        translation_key="window_left",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=decided(lambda decision: decision.window_left_w),
    ),
    HomeSensorDescription(
        key="month_peak",
        translation_key="month_peak",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        significance=MEAN_POWER,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=decided(lambda decision: decision.month_peak_w),
    ),
)
SOURCE_DESCRIPTIONS: tuple[HomeSensorDescription, ...] = (
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
