"""How a sensor is described, and when its value is worth writing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from homeassistant.components.sensor import SensorEntityDescription
from homeassistant.helpers.typing import StateType

from .engine.model import Decision, Reading, UnitDecision
from .entity import LeafToHomeUnitEntity, Significance
from .home import Home, LeafToHomeConfigEntry
from .unit_runtime import UnitRuntime

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


def rounded(value: float | None, digits: int = 0) -> float | None:
    """Return the number as it is shown, None where it is not known."""
    if value is None:
        return None
    # A little less than nothing is nothing: nobody wants to read -0.
    return round(value, digits or None) + 0


def decided(
    value_fn: Callable[[Decision], float | None], digits: int = 0
) -> Callable[[Home], float | None]:
    """Return what shows a number of the home's latest decision."""

    def value(home: Home) -> float | None:
        return rounded(value_fn(home.decision), digits) if home.decision else None

    return value


def unit_decided(
    value_fn: Callable[[UnitDecision], float | None], digits: int = 0
) -> Callable[[LeafToHomeUnitEntity], float | None]:
    """Return what shows a number of the latest decision on a unit."""

    def value(unit: LeafToHomeUnitEntity) -> float | None:
        return rounded(value_fn(unit.decision), digits) if unit.decision else None

    return value


def read(
    value_fn: Callable[[Reading], float | None], digits: int = 0
) -> Callable[[LeafToHomeUnitEntity], float | None]:
    """Return what shows a number that the unit told last."""

    def value(unit: LeafToHomeUnitEntity) -> float | None:
        return rounded(value_fn(unit.reading), digits) if unit.reading else None

    return value
