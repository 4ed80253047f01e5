"""Whose power a meter sees: where it sits decides whether it proves the grid."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.evidence import is_the_grids
from custom_components.leaf_to_home.engine.guard import MAINS_LOST_S
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Guard,
    IslandingStart,
    UnitInputs,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.outage_model import (
    NoticeCode,
    OutagePhase,
    OutageSettings,
    UnitBackup,
)
from tests.engine.loop import START_S
from tests.engine.outages import House, settle
from tests.engine.parts import grid, home, inputs, known, reading

AT_GRID = OutageSettings(meter_at_grid=True)


def mute(**said: Any) -> UnitInputs:
    """Return a unit that can carry the house and does not say whether it does."""
    return known(
        capabilities=Capabilities(islanding=IslandingStart.BY_ITSELF),
        reading=reading(**{"islanding": None} | said),
    )


def proves(unit: UnitInputs, grid_w: float = 400.0, **values: Any) -> bool:
    told = inputs(units={"leaf": unit}, grid=grid(grid_w), **values)
    return is_the_grids(grid_w, home(), told, START_S)


@pytest.mark.parametrize(
    ("said", "grid_w", "proof"),
    [
        ({"power_w": 400.0}, 400.0, False),
        # A station that carries need not measure it.
        ({"power_w": 0.0}, 400.0, False),
        ({"power_w": None}, 400.0, False),
        ({"power_w": 400.0, "islanding": False}, 400.0, True),
        ({"connected": False, "power_w": None}, 400.0, True),
        ({"status": UnitStatus.DISCONNECTED, "power_w": None}, 400.0, True),
        # Who takes power that comes from outside does not make it; the sun might.
        ({"power_w": -3000.0}, 3400.0, True),
        ({"power_w": -3000.0}, -3000.0, False),
        ({"power_w": -3000.0, "islanding": True}, 3400.0, False),
        ({"power_w": -3000.0, "status": UnitStatus.ISLANDING}, 3400.0, False),
        ({"islanding": False, "time_s": START_S - 300.0}, 400.0, False),
    ],
)
def test_what_a_unit_may_give_itself_proves_no_grid(
    said: dict[str, Any], grid_w: float, *, proof: bool
) -> None:
    unit = mute(**said)
    assert proves(unit, grid_w) is proof
    assert proves(unit, grid_w, outage=AT_GRID), "there the meter sees the grid alone"


def test_who_cannot_carry_the_house_makes_no_power_in_it() -> None:
    assert proves(known(reading=None))
    unit = mute()
    assert proves(replace(unit, backup=UnitBackup(sockets_only=True)))
    by_hand = replace(unit, capabilities=Capabilities())
    assert proves(by_hand)
    assert not proves(replace(by_hand, backup=UnitBackup(by_hand=True)))


@pytest.mark.parametrize(
    ("other_w", "proof"), [(None, False), (0.0, False), (500.0, False), (-500.0, True)]
)
def test_another_battery_may_carry_the_house_as_well(
    other_w: float | None, *, proof: bool
) -> None:
    other = None if other_w is None else grid(other_w)
    assert proves(known(), has_other=True, other=other) is proof
    assert proves(known(), has_other=True, other=other, outage=AT_GRID)


def behind(**values: Any) -> House:
    """Return a house whose meter sits behind the transfer switch, in an outage.

    Its station does not say whether it islands, and the mains sensor has died.
    """
    it = House(settings=OutageSettings(), says_island=False, meter_behind=True)
    for name, value in values.items():
        setattr(it, name, value)
    it.run(3.0)
    it.set_grid(there=False)
    it.run(60.0)
    it.sensor = False
    return it


def phase(it: House) -> OutagePhase:
    return it.state.outage.phase


def codes(it: House) -> list[NoticeCode]:
    outage = it.decision.outage if it.decision else None
    assert outage is not None
    return [notice.code for notice in outage.notices]


def test_a_meter_behind_the_transfer_switch_does_not_end_an_outage() -> None:
    it = behind()
    it.run(100.0, 5.0)
    assert NoticeCode.GRID_UNSURE not in codes(it)
    it.run(600.0, 5.0)
    assert phase(it) is OutagePhase.OUTAGE
    assert it.state.guard is Guard.OUTAGE_SUSPECTED
    assert NoticeCode.GRID_UNSURE in codes(it), "a person has to look"
    # The sensor knows, and nothing is to be asked any more.
    it.sensor = True
    it.tick()
    assert NoticeCode.GRID_UNSURE not in codes(it)
    settle(it)


def test_where_the_meter_sits_can_be_said_in_the_outage() -> None:
    it = behind()
    it.run(300.0, 5.0)
    it.set_grid(there=True)
    it.run(300.0, 5.0)
    assert phase(it) is OutagePhase.OUTAGE
    it.settings = AT_GRID
    it.run(300.0, 5.0)
    assert phase(it) is OutagePhase.NORMAL
    assert it.state.guard is Guard.CLEAR
    assert NoticeCode.GRID_UNSURE not in codes(it)


def test_a_silent_island_is_not_ended_by_its_own_power() -> None:
    it = behind(says_island=True, sensor=False)
    assert it.state.guard is Guard.ISLANDING
    it.unit_heard = False
    it.run(600.0, 5.0)
    assert phase(it) is OutagePhase.OUTAGE
    assert it.state.guard is Guard.ISLANDING
    assert NoticeCode.GRID_UNSURE in codes(it)
    it.unit_heard = True
    it.tick()
    assert NoticeCode.GRID_UNSURE not in codes(it), "it says that it carries"


def test_the_power_of_before_a_sleep_proves_nothing_of_now() -> None:
    """The grid went while nobody looked, and the meter is fed by the island."""
    it = House(settings=AT_GRID, says_island=False)
    it.run(300.0, 5.0)
    it.set_grid(there=False)
    it.restart(60.0)
    it.run(30.0)
    it.sensor = False
    it.restart(4000.0)
    it.meter_behind = True
    it.run(100.0, 5.0)
    assert phase(it) is OutagePhase.OUTAGE


@pytest.mark.parametrize("says_island", [False, True])
def test_who_wakes_in_an_island_waits_for_the_mains_sensor(
    *, says_island: bool
) -> None:
    """The grid went while nobody looked, and the sensor is heard after the meter."""
    it = House(says_island=says_island, meter_behind=True)
    it.run(30.0)
    it.set_grid(there=False)
    it.restart(4000.0)
    it.sensor = False
    for _ in range(60):
        unit = it.tick().units["leaf"]
        assert not unit.send
        assert not unit.park
    it.sensor = True
    it.run(10.0)
    assert phase(it) is OutagePhase.OUTAGE


@pytest.mark.parametrize("starts", [True, False])
def test_a_silent_mains_sensor_counts_for_two_minutes_beside_a_mute_station(
    *, starts: bool
) -> None:
    """It may have died with the grid, and the meter is perhaps fed by the island."""
    it = House(says_island=False)
    it.run(10.0)
    if starts:
        it.restart(4000.0)
    it.sensor = False
    for _ in range(int(MAINS_LOST_S)):
        assert it.tick().guard is Guard.OUTAGE_SUSPECTED
    assert it.tick().guard is Guard.CLEAR
    assert phase(it) is OutagePhase.NORMAL, "unavailable is no outage"


@pytest.mark.parametrize(
    "changes", [{"says_island": True}, {"backup": UnitBackup(sockets_only=True)}]
)
def test_who_says_that_it_is_tied_or_cannot_carry_needs_no_mains_sensor(
    changes: dict[str, Any],
) -> None:
    it = House(**{"says_island": False} | changes)
    it.run(10.0)
    it.sensor = False
    assert it.tick().guard is Guard.CLEAR


def test_a_meter_that_repeats_itself_does_not_end_what_a_dead_sensor_told() -> None:
    it = House(settings=AT_GRID, says_island=False)
    it.run(3.0)
    it.set_grid(there=False)
    it.run(60.0)
    it.sensor = False
    it.meter_stuck_w = 412.0
    it.run(900.0, 5.0)
    assert phase(it) is OutagePhase.OUTAGE


@pytest.mark.parametrize("by_hand_back", [True, False])
def test_who_is_switched_back_by_hand_islands_on_beside_the_grid(
    *, by_hand_back: bool
) -> None:
    """It fell silent in the island; the grid that is there says nothing of it."""
    backup = UnitBackup(limit_w=6000.0, by_hand=False, by_hand_back=by_hand_back)
    it = House(settings=AT_GRID, backup=backup)
    it.run(3.0)
    it.set_grid(there=False)
    it.run(60.0)
    it.unit_heard = it.sensor = False
    it.grid = True
    it.run(600.0, 5.0)
    if not by_hand_back:
        assert it.state.guard is Guard.CLEAR
        return
    assert it.state.guard is Guard.ISLANDING
    assert phase(it) is OutagePhase.WAITING_TO_SWITCH_BACK
    assert NoticeCode.SWITCH_BACK in codes(it)
    it.islands, it.unit_heard = False, True
    it.run(200.0, 5.0)
    assert phase(it) is OutagePhase.NORMAL
