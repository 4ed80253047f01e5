"""What another source than the charger says of a car, checked as it comes in."""

from collections.abc import Callable
from math import isfinite
from typing import Final

from homeassistant.core import callback

from ..engine.model import Sample

SOC: Final = "soc_percent"
SOH: Final = "soh_percent"
ODOMETER: Final = "odometer_km"
PLUGGED: Final = "plugged"
# What can be of a LEAF. 0 and 1 % is what is said when nothing is known.
RANGES: Final = {
    SOC: (1.01, 100.0),
    SOH: (20.0, 110.0),
    ODOMETER: (0.0, 2_000_000.0),
    PLUGGED: (0.0, 1.0),
}
# What was said of the plug counts so long; charge and odometer have rules of their own.
MAX_AGE_S: Final = 900.0


class CarSource:
    """One source of one car; `name` is shown, `vehicle` the car's key or ""."""

    def __init__(self, name: str, vehicle: str) -> None:
        self.name = name
        self.vehicle = vehicle
        self.values: dict[str, Sample] = {}
        self._on_update: Callable[[], None] | None = None

    async def async_start(self, on_update: Callable[[], None]) -> None:
        """Listen, and call back when something was heard."""
        self._on_update = on_update

    async def async_stop(self) -> None:
        """Listen no more."""
        self._on_update = None

    @callback
    def take(
        self, name: str, value: float, time_s: float, max_age_s: float = MAX_AGE_S
    ) -> None:
        """Take a value if it can be one at all."""
        low, high = RANGES[name]
        if isfinite(value) and low <= value <= high:
            self.values[name] = Sample(value=value, time_s=time_s, max_age_s=max_age_s)

    @callback
    def updated(self) -> None:
        """Tell that something was heard."""
        if self._on_update is not None:
            self._on_update()
