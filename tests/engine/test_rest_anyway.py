"""Units that have to be told to rest, or asked, while nothing is wanted of them."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    HomeMode,
    ReasonCode,
    UnitDecision,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.state import HomeSettings, HomeState
from custom_components.leaf_to_home.engine.step import step
from tests.engine.loop import START_S
from tests.engine.parts import home, inputs, known, reading, unit

QUASAR = Capabilities(soc_on_request=True, remembers=True)
AWAY = reading(connected=False, status=UnitStatus.DISCONNECTED, soc_percent=None)
SILENT = reading(soc_percent=None)


def decide(
    state: HomeState, said: Any, capabilities: Capabilities, **values: Any
) -> tuple[HomeState, UnitDecision]:
    units = {"leaf": known(reading=said, capabilities=capabilities)}
    after, decision = step(state, inputs(units=units, **values), START_S)
    return after, decision.units["leaf"]


def automatic(mode: HomeMode = HomeMode.AUTOMATIC, **values: Any) -> HomeState:
    return home(settings=HomeSettings(mode=mode), units={"leaf": unit(**values)})


def test_the_car_is_asked_where_nothing_is_known() -> None:
    state = automatic(stored_kwh=None, anchor_soc_percent=None)
    after, told = decide(state, SILENT, QUASAR)
    assert told.reason.code is ReasonCode.SOC_UNKNOWN
    assert told.send
    assert told.setpoint is not None
    assert told.setpoint.power_w == 0.0
    assert told.setpoint.ask_soc
    assert after.units["leaf"].told


def test_the_car_is_asked_after_a_long_silence() -> None:
    """What was counted before may be another car's by now."""
    state = automatic(anchor_soc_percent=None)
    _, told = decide(state, SILENT, QUASAR)
    assert told.setpoint is not None
    assert told.setpoint.ask_soc


def test_a_car_that_tells_is_not_asked() -> None:
    _, told = decide(automatic(), reading(), QUASAR)
    assert told.setpoint is not None
    assert not told.setpoint.ask_soc


def test_a_command_is_taken_back_when_the_plug_is_pulled() -> None:
    _, told = decide(automatic(), AWAY, QUASAR)
    assert told.reason.code is ReasonCode.DISCONNECTED
    assert told.send
    assert told.setpoint is not None
    assert told.setpoint.power_w == 0.0
    assert not told.setpoint.ask_soc


@pytest.mark.parametrize("said", [AWAY, SILENT])
def test_other_units_are_left_alone(said: Any) -> None:
    state = automatic(stored_kwh=None, anchor_soc_percent=None)
    _, told = decide(state, said, Capabilities())
    assert told.setpoint is None


@pytest.mark.parametrize("said", [AWAY, SILENT])
@pytest.mark.parametrize("mode", [HomeMode.OBSERVE, HomeMode.OFF])
def test_who_only_looks_on_says_nothing(said: Any, mode: HomeMode) -> None:
    state = automatic(mode, stored_kwh=None, anchor_soc_percent=None, told=False)
    state.units["leaf"].parked = True
    _, told = decide(state, said, QUASAR)
    assert told.setpoint is None
    assert not told.send


@pytest.mark.parametrize("said", [AWAY, SILENT])
def test_nothing_is_said_while_an_outage_is_suspected(said: Any) -> None:
    state = automatic(stored_kwh=None, anchor_soc_percent=None)
    _, told = decide(state, said, QUASAR, mains=False)
    assert told.reason.code is ReasonCode.GUARD_OUTAGE_SUSPECTED
    assert told.setpoint is None


def test_off_parks_what_was_told_to_rest_while_away() -> None:
    """It was parked once, then told to rest: it is to be parked again."""
    state = automatic()
    state.units["leaf"].parked = True
    after, _ = decide(state, AWAY, QUASAR)
    leaf = after.units["leaf"]
    assert not leaf.parked
    leaf.settings = replace(leaf.settings, mode=UnitMode.OFF)
    _, told = decide(after, reading(), QUASAR)
    assert told.park
