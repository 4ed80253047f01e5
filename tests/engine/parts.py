"""Small parts of a home, with what a test does not care about filled in."""

from typing import Any

from hypothesis import HealthCheck, settings

from custom_components.leaf_to_home.engine.battery import UnitSpec
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Inputs,
    Reading,
    Sample,
    Site,
    UnitInputs,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.state import (
    HomeState,
    UnitState,
    first_settings,
)
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import LEAF, START_S

SITE = Site(tariff=Tariff.flat(0.30))


def thorough(examples: int) -> settings:
    """Return how a property is tried: the same examples each time, without a clock."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def reading(**values: Any) -> Reading:
    """Return what an idle LEAF at half charge says at the start."""
    said: dict[str, Any] = {
        "time_s": START_S,
        "soc_percent": 50.0,
        "power_w": 0.0,
        "connected": True,
        "status": UnitStatus.IDLE,
        "islanding": False,
    }
    return Reading(**said | values)


def known(spec: UnitSpec = LEAF, **values: Any) -> UnitInputs:
    """Return what is known of a unit that has just spoken."""
    told: dict[str, Any] = {
        "reading": reading(),
        "capabilities": Capabilities(dead_time_s=5.0),
    }
    return UnitInputs(spec=spec, **told | values)


def grid(value_w: float, time_s: float = START_S) -> Sample:
    """Return a sample of the meter."""
    return Sample(value=value_w, time_s=time_s)


def inputs(**values: Any) -> Inputs:
    """Return the inputs of a home with one LEAF and a quiet meter."""
    measured: dict[str, Any] = {
        "site": SITE,
        "units": {"leaf": known()},
        "grid": grid(500.0),
    }
    return Inputs(**measured | values)


def unit(spec: UnitSpec = LEAF, **values: Any) -> UnitState:
    """Return a LEAF at half charge that is at home and was heard."""
    remembered: dict[str, Any] = {
        "settings": first_settings(spec),
        "stored_kwh": spec.capacity_kwh / 2.0,
        "anchor_soc_percent": 50.0,
        "connected": True,
        "power_w": 0.0,
        "told": True,
    }
    return UnitState(**remembered | values)


def home(**values: Any) -> HomeState:
    """Return a home with one LEAF that has been running for a while."""
    remembered: dict[str, Any] = {
        "units": {"leaf": unit()},
        "time_s": START_S - 1.0,
        "grid_seen_s": START_S - 1.0,
    }
    return HomeState(**remembered | values)
