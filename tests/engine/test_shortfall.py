"""Departures that cannot be met any more where no plan says so."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.model import HomeMode, Site, UnitMode
from custom_components.leaf_to_home.engine.problems import Finding, Problem
from custom_components.leaf_to_home.engine.requirement import Ask, Requirement
from custom_components.leaf_to_home.engine.shortfall import shortfalls
from custom_components.leaf_to_home.engine.state import HomeSettings, HomeState
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import START_S
from tests.engine.parts import home, inputs, unit

HOUR_S = 3600.0
TRIP = Requirement(departure_s=START_S + HOUR_S, ask=Ask(soc_percent=90.0))


def house(*trips: Requirement, mode: HomeMode, **values: Any) -> HomeState:
    """Return a home whose LEAF is half full; an hour at 6 kW is 16.5 %."""
    one = unit(requirements=list(trips), **values)
    return home(units={"leaf": one}, settings=HomeSettings(mode=mode))


def short(state: HomeState, **given: Any) -> list[Finding]:
    return shortfalls(state, inputs(**given), START_S, ())


@pytest.mark.parametrize(
    "mode", [mode for mode in HomeMode if mode is not HomeMode.OFF]
)
def test_a_departure_that_cannot_be_met_is_found(mode: HomeMode) -> None:
    (finding,) = short(house(TRIP, mode=mode))
    assert finding.problem is Problem.DEPARTURE
    assert finding.unit == "leaf"
    assert finding.time_s == TRIP.departure_s
    assert finding.wanted == 90.0
    assert finding.expected == pytest.approx(65.5, abs=1.5)


def test_what_can_be_met_is_none() -> None:
    easy = replace(TRIP, ask=Ask(soc_percent=60.0))
    assert short(house(easy, mode=HomeMode.BACKUP_READY)) == []
    assert short(house(mode=HomeMode.BACKUP_READY)) == []


def test_where_nothing_can_be_said_nothing_is() -> None:
    assert short(house(TRIP, mode=HomeMode.OFF)) == []
    assert short(house(TRIP, mode=HomeMode.OBSERVE, stored_kwh=None)) == []
    assert short(house(TRIP, mode=HomeMode.OBSERVE, connected=False)) == []
    state = house(TRIP, mode=HomeMode.AUTOMATIC)
    assert shortfalls(state, inputs(), START_S, {"leaf"}) == [], "its plan tells"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"mode": UnitMode.OFF}, 50.0),
        ({"mode": UnitMode.HOLD, "until_s": START_S + HOUR_S}, 50.0),
        ({"mode": UnitMode.DISCHARGE, "until_s": START_S + HOUR_S / 2}, 58.0),
        ({"mode": UnitMode.CHARGE, "until_s": START_S + HOUR_S}, 65.5),
        ({"charge_limit_w": 0.0}, 50.0),
    ],
)
def test_what_the_user_wants_meanwhile_counts(
    settings: dict[str, Any], expected: float
) -> None:
    state = house(TRIP, mode=HomeMode.AUTOMATIC)
    leaf = state.units["leaf"]
    leaf.settings = replace(leaf.settings, **settings)
    (finding,) = short(state)
    assert finding.expected == pytest.approx(expected, abs=1.5)


def test_the_main_limit_counts() -> None:
    """Beside the house there are 2 kW left."""
    state = house(TRIP, mode=HomeMode.SELF_CONSUMPTION)
    state.load_peaks_w = [(int(START_S // HOUR_S), 1000.0)]
    site = Site(tariff=Tariff.flat(0.3), main_limit_w=3300.0)
    (finding,) = short(state, site=site)
    assert finding.expected is not None
    assert 50.0 < finding.expected < 57.0


def test_each_trip_is_found() -> None:
    later = replace(TRIP, departure_s=START_S + 2.2 * HOUR_S, id="later")
    assert len(short(house(TRIP, later, mode=HomeMode.OBSERVE))) == 2
