"""What runs for one unit of a home."""

from collections.abc import Mapping
from dataclasses import dataclass

from .car_sources import CarSources
from .coordinator import UnitCoordinator
from .engine.battery import UnitSpec
from .engine.outage_model import UnitBackup
from .engine.requirement import Pattern
from .units.base import Unit, UnitInfo
from .vehicles import Vehicle
from .worker import UnitWorker


@dataclass(kw_only=True, slots=True)
class UnitRuntime:
    """One unit with everything that runs for it."""

    subentry_id: str
    name: str
    spec: UnitSpec
    unit: Unit
    coordinator: UnitCoordinator
    worker: UnitWorker
    vehicles: Mapping[str, Vehicle]
    native: bool
    patterns: Mapping[str, Pattern]
    backup: UnitBackup
    info: UnitInfo | None = None
    car_sources: CarSources | None = None

    @property
    def vehicle_specs(self) -> Mapping[str, UnitSpec]:
        """Return the batteries of the cars that the station tells apart."""
        return {key: vehicle.spec for key, vehicle in self.vehicles.items()}
