"""The house that a station stands in: a steady one, or one with a day and a sun."""

import argparse
from dataclasses import dataclass
from datetime import time
from typing import Protocol
from zoneinfo import ZoneInfo

from custom_components.leaf_to_home.engine.house import SimulatedHouse


class House(Protocol):
    """What the house takes and the sun gives at a time, W."""

    def load_w(self, time_s: float) -> float:
        """Return the load."""

    def solar_w(self, time_s: float) -> float:
        """Return the sun's power."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SteadyHouse:
    """A house that always takes the same, without panels."""

    load: float

    def load_w(self, time_s: float) -> float:
        """Return the load."""
        return self.load

    def solar_w(self, time_s: float) -> float:
        """Return the sun's power."""
        return 0.0


def add_house_options(parser: argparse.ArgumentParser) -> None:
    """Let whoever starts a station choose the house's day."""
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--zone", type=ZoneInfo, default=ZoneInfo("UTC"))
    parser.add_argument("--evening-peak", type=time.fromisoformat)
    parser.add_argument("--solar-peak", type=float, default=4000.0, help="W")


def add_load_option(parser: argparse.ArgumentParser) -> None:
    """Let whoever starts a station have a house without a day."""
    parser.add_argument("--load", type=float, help="steady load in W, without panels")


def house_of(options: argparse.Namespace) -> House:
    """Return the house that was chosen."""
    if options.load is not None:
        return SteadyHouse(load=options.load)
    return simulated_house(options)


def simulated_house(options: argparse.Namespace) -> SimulatedHouse:
    """Return the house with the day that was chosen."""
    evening: time | None = options.evening_peak
    return SimulatedHouse(
        options.seed,
        options.zone,
        evening_minute=None if evening is None else evening.hour * 60 + evening.minute,
        solar_peak_w=options.solar_peak,
    )
