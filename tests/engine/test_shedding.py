"""What goes off in an outage, and how it comes back."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.model import HomeMode
from custom_components.leaf_to_home.engine.outage_memory import (
    LoadMemory,
    OutageMemory,
    TierMemory,
)
from custom_components.leaf_to_home.engine.outage_model import (
    LoadAction,
    LoadCommand,
    LoadInput,
    NoticeCode,
    OutagePhase,
    OutageSettings,
    ShedReason,
    Tier,
)
from custom_components.leaf_to_home.engine.shedding import (
    OBEY_S,
    OVERLOADS,
    ROOM_S,
    Burden,
    notices,
    restore,
    shed,
)
from tests.engine.loop import START_S
from tests.engine.outages import SETTINGS, House, Load

COMFORT = Tier(key="comfort", loads=("heater", "boiler"), soc_percent=60.0)
FOOD = Tier(key="food", loads=("fridge",), runtime_h=2.0)
PLENTY = Burden(power_w=500.0, limit_w=6000.0, soc_percent=90.0, low_h=20.0, gain_h={})
OLD_S = START_S - 3600.0


def on(power_w: float | None = 1000.0, **values: Any) -> LoadInput:
    said: dict[str, Any] = {"on": True, "state": "heat", "changed_s": OLD_S}
    return LoadInput(**said | {"power_w": power_w} | values)


OFF = LoadInput(on=False, state="off", changed_s=START_S + 1.0, power_w=0.0)


class Board:
    """The loads of a house, told step by step."""

    def __init__(self, *tiers: Tier, **loads: LoadInput) -> None:
        self.memory = OutageMemory(phase=OutagePhase.OUTAGE)
        self.settings = OutageSettings(tiers=tiers)
        self.loads = loads

    def shed(self, since_s: float, burden: Burden = PLENTY) -> list[LoadCommand]:
        now_s = START_S + since_s
        return shed(self.memory, self.settings, self.loads, burden, now_s)

    def restore(self, since_s: float) -> list[LoadCommand]:
        return restore(self.memory, self.settings, self.loads, START_S + since_s)

    def codes(self, since_s: float = 0.0) -> list[NoticeCode]:
        return [notice.code for notice in notices(self.memory, None, START_S + since_s)]


LOW = replace(PLENTY, soc_percent=60.0)


def test_a_tier_is_shed_at_its_charge_and_its_loads_are_remembered() -> None:
    board = Board(COMFORT, FOOD, heater=on(), boiler=OFF, fridge=on())
    assert board.shed(0.0) == []
    assert board.shed(1.0, LOW) == [
        LoadCommand(
            load="heater",
            action=LoadAction.SHED,
            tier="comfort",
            state="heat",
            reason=ShedReason.STATE_OF_CHARGE,
        )
    ]
    assert board.shed(2.0, LOW) == [], "it is told once"
    assert board.codes() == [NoticeCode.LOADS_SHED]


def test_an_unknown_charge_and_an_unknown_runtime_shed_nothing() -> None:
    board = Board(COMFORT, FOOD, heater=on(), fridge=on())
    nothing = replace(PLENTY, soc_percent=None, low_h=None, power_w=None)
    assert board.shed(0.0, nothing) == []


def test_a_short_runtime_sheds_what_waits_for_it() -> None:
    board = Board(COMFORT, FOOD, heater=on(), fridge=on())
    commands = board.shed(0.0, replace(PLENTY, low_h=2.0))
    assert [(it.load, it.reason) for it in commands] == [("fridge", ShedReason.RUNTIME)]


def test_at_the_floor_everything_goes() -> None:
    board = Board(COMFORT, FOOD, heater=on(), boiler=on(), fridge=on())
    commands = board.shed(0.0, replace(PLENTY, floor=True))
    assert [it.load for it in commands] == ["heater", "boiler", "fridge"]


def test_who_has_just_come_on_may_run_for_its_time() -> None:
    tier = replace(COMFORT, min_on_s=600.0)
    board = Board(tier, heater=on(changed_s=START_S - 100.0))
    assert board.shed(0.0, LOW) == []
    assert board.shed(499.0, LOW) == []
    assert len(board.shed(500.0, LOW)) == 1
    # An overload does not wait, nor does a clock that was set.
    board = Board(tier, heater=on(changed_s=START_S - 100.0))
    assert len(board.shed(0.0, replace(PLENTY, power_w=6001.0))) == 1
    board = Board(tier, heater=on(changed_s=START_S + 9e5))
    assert len(board.shed(0.0, LOW)) == 1


def test_an_overload_sheds_as_many_tiers_as_it_takes() -> None:
    board = Board(COMFORT, FOOD, heater=on(500.0), boiler=on(400.0), fridge=on(150.0))
    commands = board.shed(0.0, replace(PLENTY, power_w=6100.0))
    assert [it.load for it in commands] == ["heater", "boiler"]
    assert commands[0].reason is ShedReason.OVERLOAD
    board = Board(COMFORT, FOOD, heater=on(500.0), fridge=on(150.0))
    commands = board.shed(0.0, replace(PLENTY, power_w=6100.0))
    assert [it.load for it in commands] == ["heater", "fridge"], "one was not enough"


def test_where_powers_are_unknown_one_tier_is_tried_after_the_other() -> None:
    board = Board(COMFORT, FOOD, heater=on(None), fridge=on(None))
    over = replace(PLENTY, power_w=6500.0)
    assert [it.load for it in board.shed(0.0, over)] == ["heater"]
    board.loads["heater"] = OFF
    assert board.shed(1.0, over) == [], "the meter has to show it first"
    assert [it.load for it in board.shed(2.0, over)] == ["fridge"]
    # A gross overload leaves no time for that.
    board = Board(COMFORT, FOOD, heater=on(None), fridge=on(None))
    gross = replace(PLENTY, power_w=9000.0)
    assert [it.load for it in board.shed(0.0, gross)] == ["heater", "fridge"]


def test_a_leg_that_is_too_full_sheds_what_hangs_on_it() -> None:
    board = Board(
        replace(COMFORT, leg=0), replace(FOOD, leg=1), heater=on(), fridge=on()
    )
    full = replace(PLENTY, legs_w=(500.0, 3200.0), leg_limit_w=3000.0)
    commands = board.shed(0.0, full)
    assert [(it.load, it.reason) for it in commands] == [
        ("fridge", ShedReason.LEG_OVERLOAD)
    ]


def test_a_leg_that_nobody_measures_any_more_has_no_room() -> None:
    """What a silent leg carries is unknown, and not nothing."""
    board = Board(replace(COMFORT, leg=1), heater=on(power_w=500.0))
    full = replace(PLENTY, legs_w=(500.0, 3200.0), leg_limit_w=3000.0)
    assert [it.load for it in board.shed(0.0, full)] == ["heater"]
    board.loads["heater"] = OFF
    silent = replace(PLENTY, power_w=500.0, legs_w=(500.0, None), leg_limit_w=3000.0)
    for at_s in range(10, 1500, 10):
        board.shed(float(at_s), silent)
    assert COMFORT.key in board.memory.tiers
    heard = replace(silent, legs_w=(500.0, 300.0))
    for at_s in range(1500, 2300, 10):
        board.shed(float(at_s), heard)
    assert COMFORT.key not in board.memory.tiers


def test_what_people_turn_on_again_stays_on_but_for_strict_tiers() -> None:
    for strict in (False, True):
        board = Board(replace(COMFORT, strict=strict), heater=on())
        board.shed(0.0, LOW)
        board.loads["heater"] = OFF
        board.shed(2.0, LOW)
        board.loads["heater"] = on(by_person=True, changed_s=START_S + 50.0)
        assert bool(board.shed(51.0, LOW)) is strict
        assert bool(board.shed(90.0, LOW)) is strict
        assert (NoticeCode.LOADS_SHED in board.codes()) is strict


def test_even_what_people_want_goes_once_for_a_worse_reason() -> None:
    board = Board(COMFORT, heater=on())
    board.shed(0.0, LOW)
    board.loads["heater"] = OFF
    board.shed(2.0, LOW)
    board.loads["heater"] = on(by_person=True, changed_s=START_S + 50.0)
    assert board.shed(51.0, LOW) == []
    bottom = replace(LOW, floor=True)
    assert len(board.shed(60.0, bottom)) == 1
    board.loads["heater"] = OFF
    board.shed(61.0, bottom)
    board.loads["heater"] = on(by_person=True, changed_s=START_S + 70.0)
    assert board.shed(71.0, bottom) == []
    # The station's limit outranks everybody, each time.
    over = replace(bottom, power_w=6500.0)
    assert len(board.shed(80.0, over)) == 1
    board.loads["heater"] = OFF
    board.shed(81.0, bottom)
    board.loads["heater"] = on(by_person=True, changed_s=START_S + 90.0)
    assert board.shed(91.0, bottom) == []
    assert len(board.shed(100.0, over)) == 1


def test_what_comes_on_by_itself_goes_off_again() -> None:
    board = Board(COMFORT, heater=on())
    board.shed(0.0, LOW)
    board.loads["heater"] = OFF
    board.shed(2.0, LOW)
    board.loads["heater"] = on(by_person=False, changed_s=START_S + 50.0)
    assert len(board.shed(51.0, LOW)) == 1
    # Likewise what was off when its tier was shed, or was not heard.
    board.loads["boiler"] = LoadInput(on=None)
    assert board.shed(52.0, LOW) == []
    board.loads["boiler"] = on()
    assert [it.load for it in board.shed(53.0, LOW)] == ["boiler"]


def test_who_presses_the_switch_again_and_again_wins_but_for_strict_tiers() -> None:
    for strict in (False, True):
        board = Board(replace(COMFORT, strict=strict), heater=on())
        board.shed(0.0, LOW)
        board.loads["heater"] = OFF
        board.shed(2.0, LOW)
        # So soon after it was told, nobody knows who did that.
        board.loads["heater"] = on(by_person=False, changed_s=START_S + 6.0)
        assert len(board.shed(6.0, LOW)) == 1
        board.loads["heater"] = OFF
        board.shed(8.0, LOW)
        board.loads["heater"] = on(by_person=False, changed_s=START_S + 12.0)
        assert bool(board.shed(12.0, LOW)) is strict
        assert (NoticeCode.LOADS_SHED in board.codes()) is strict


def test_what_comes_on_by_itself_now_and_then_is_nobody_pressing_a_switch() -> None:
    board = Board(COMFORT, heater=on())
    board.shed(0.0, LOW)
    for since_s in (100.0, 200.0, 300.0):
        board.loads["heater"] = OFF
        board.shed(since_s - 90.0, LOW)
        board.loads["heater"] = on(by_person=False, changed_s=START_S + since_s)
        assert len(board.shed(since_s, LOW)) == 1


def test_what_somebody_turns_on_in_a_shed_tier_is_left_alone() -> None:
    board = Board(COMFORT, heater=OFF)
    board.shed(0.0, LOW)
    board.loads["heater"] = on(by_person=True, changed_s=START_S + 50.0)
    assert board.shed(51.0, LOW) == []


def test_a_load_that_refuses_is_told_again_and_then_people_are() -> None:
    board = Board(COMFORT, heater=on())
    told = [second for second in range(1300) if board.shed(float(second), LOW)]
    assert told == [0, 10, 20, 620, 1220]
    assert NoticeCode.LOAD_REFUSES in board.codes()
    board.loads["heater"] = OFF
    board.shed(1300.0, LOW)
    assert NoticeCode.LOAD_REFUSES not in board.codes()


def test_what_was_told_in_the_dark_is_told_again_when_there_is_light() -> None:
    board = Board(COMFORT, heater=on(), boiler=LoadInput(on=None))
    dark = replace(LOW, dark=True)
    told = [second for second in range(700) if board.shed(float(second), dark)]
    assert told == [0], "a load without power cannot obey"
    assert NoticeCode.LOAD_REFUSES not in board.codes()
    assert "boiler" not in board.memory.loads, "what is not heard is left alone"
    board.loads["boiler"] = on(by_person=False, changed_s=START_S + 700.0)
    told_loads = [
        (second, command.load)
        for second in range(700, 715)
        for command in board.shed(float(second), LOW)
    ]
    assert told_loads[:2] == [(700, "heater"), (700, "boiler")]
    assert told_loads[2:] == [(710, "heater"), (710, "boiler")], "now it counts"


def test_the_dark_takes_nothing_from_what_people_want_on() -> None:
    board = Board(COMFORT, heater=on())
    board.shed(0.0, LOW)
    board.loads["heater"] = OFF
    board.shed(2.0, LOW)
    board.loads["heater"] = on(by_person=True, changed_s=START_S + 50.0)
    assert board.shed(51.0, LOW) == []
    assert board.shed(60.0, replace(LOW, dark=True)) == []
    assert board.shed(90.0, LOW) == []


def test_a_charge_about_the_threshold_makes_nothing_flap() -> None:
    board = Board(COMFORT, heater=on())
    board.shed(0.0, LOW)
    board.loads["heater"] = OFF
    for second in range(1, 3000):
        soc = 60.0 + second % 3
        board.shed(float(second), replace(PLENTY, soc_percent=soc))
    assert "comfort" in board.memory.tiers
    board.shed(3000.0)
    board.shed(3000.0 + ROOM_S - 1.0)
    assert "comfort" in board.memory.tiers
    board.shed(3000.0 + ROOM_S)
    assert "comfort" not in board.memory.tiers
    assert board.restore(3000.0 + ROOM_S)[0].load == "heater"


def test_a_tier_comes_back_only_if_the_runtime_bears_it() -> None:
    board = Board(FOOD, fridge=on())
    board.shed(0.0, replace(PLENTY, low_h=1.0))
    board.loads["fridge"] = OFF
    tight = replace(PLENTY, low_h=8.0, gain_h={"food": 6.0})
    for since_s in (1.0, 5000.0):
        board.shed(since_s, tight)
        board.shed(since_s + 1.0, replace(PLENTY, low_h=None))
    assert board.memory.tiers
    endless = replace(PLENTY, low_h=None, endless=True)
    board.shed(6000.0, endless)
    board.shed(6000.0 + ROOM_S, endless)
    assert not board.memory.tiers


def test_what_overloaded_comes_back_into_room_but_not_for_ever() -> None:
    board = Board(COMFORT, heater=on(1500.0))
    now_s = 0.0
    for _ in range(OVERLOADS):
        board.loads["heater"] = on(1500.0)
        assert board.shed(now_s, replace(PLENTY, power_w=6500.0))
        board.loads["heater"] = OFF
        board.shed(now_s + 1.0, replace(PLENTY, power_w=5000.0))
        board.shed(now_s + 2.0 + ROOM_S, replace(PLENTY, power_w=5000.0))
        assert board.memory.tiers, "there is no room"
        board.shed(now_s + 700.0, replace(PLENTY, power_w=3000.0))
        board.shed(now_s + 700.0 + ROOM_S, replace(PLENTY, power_w=3000.0))
        assert not board.memory.tiers
        board.restore(now_s + 710.0 + ROOM_S)
        board.loads["heater"] = on(1500.0)
        board.restore(now_s + 711.0 + ROOM_S)
        assert not board.memory.loads
        now_s += 5000.0
    board.shed(now_s, replace(PLENTY, power_w=6500.0))
    board.loads["heater"] = OFF
    board.shed(now_s + 1.0)
    board.shed(now_s + 9000.0)
    assert board.memory.tiers


def test_loads_come_back_the_last_one_first_and_one_by_one() -> None:
    board = Board(COMFORT, FOOD, heater=on(), boiler=on(), fridge=on())
    board.shed(0.0, replace(LOW, low_h=1.0))
    board.loads = {"heater": OFF, "boiler": OFF, "fridge": OFF}
    board.shed(2.0, LOW)
    board.memory.tiers.clear()
    told = []
    for second in range(100, 140):
        for command in board.restore(float(second)):
            told.append((second, command.load, command.state))
            board.loads[command.load] = on(changed_s=START_S + second)
    assert told == [
        (100, "fridge", "heat"),
        (110, "boiler", "heat"),
        (120, "heater", "heat"),
    ]
    assert board.memory.loads == {}
    assert board.codes() == []


def shed_board(**values: Any) -> Board:
    """Return a board with a heater that was shed and is seen off."""
    board = Board(COMFORT, heater=OFF)
    known: dict[str, Any] = {
        "tier": "comfort",
        "number": 1,
        "reason": ShedReason.RUNTIME,
        "told_s": START_S,
        "off_s": START_S + 1.0,
        "state": "heat",
    }
    board.memory.loads["heater"] = LoadMemory(**known | values)
    return board


def test_what_does_not_come_back_is_told_for_as_long_as_it_is_so() -> None:
    board = shed_board()
    told = [second for second in range(100, 800) if board.restore(float(second))]
    assert told == [100, 110, 120, 720]
    assert board.codes() == [NoticeCode.LOADS_SHED, NoticeCode.LOAD_REFUSES]
    board.loads["heater"] = LoadInput(on=None)
    assert board.restore(5000.0) == [], "what is not heard is not told"
    board.loads["heater"] = OFF
    assert len(board.restore(5001.0)) == 1
    board.loads["heater"] = on()
    board.restore(5002.0)
    assert board.codes() == []


@pytest.mark.parametrize(
    "now",
    [
        replace(OFF, by_person=True, changed_s=START_S + 50.0),
        on(by_person=True, state="cool", changed_s=START_S + 50.0),
        on(state="heat"),
    ],
    ids=["turned off", "turned on", "came back by itself"],
)
def test_what_somebody_has_decided_meanwhile_stays(now: LoadInput) -> None:
    board = shed_board()
    board.loads["heater"] = now
    assert board.restore(100.0) == []
    assert board.memory.loads == {}


def test_what_came_back_in_another_mode_gets_its_own() -> None:
    board = shed_board()
    board.loads["heater"] = on(state="fan_only")
    assert board.restore(100.0)[0].state == "heat"
    assert board.restore(100.0 + OBEY_S) == []
    assert board.memory.loads == {}


def test_a_load_of_a_tier_that_was_taken_out_is_brought_back_once() -> None:
    board = shed_board()
    board.settings, board.loads = OutageSettings(), {}
    board.memory.tiers["comfort"] = TierMemory(
        reason=ShedReason.RUNTIME, since_s=START_S
    )
    board.shed(99.0)
    assert len(board.restore(100.0)) == 1
    assert board.restore(200.0) == []


# A whole house.


def test_a_lamp_that_comes_on_with_the_power_is_put_back_once() -> None:
    house = House(settings=SETTINGS, soc_percent=90.0)
    house.run(3.0)
    house.set_grid(there=False)
    house.run(30.0)
    assert not house.loads["lamp"].on
    house.set_grid(there=True)
    house.run(200.0)
    assert not house.loads["lamp"].on
    put_back = [it for _, it in house.told if it.action is LoadAction.PUT_BACK]
    assert len(put_back) == 2, "at the island and at the grid's return"


def test_a_lamp_that_somebody_used_since_is_left_alone() -> None:
    house = House(settings=SETTINGS, soc_percent=90.0)
    house.run(3.0)
    house.set_grid(there=False)
    house.run(30.0)
    house.loads["lamp"].turn(house.now_s, on=True, by_person=True)
    house.run(300.0)
    house.set_grid(there=True)
    house.run(300.0)
    assert house.loads["lamp"].on


def test_a_lamp_that_somebody_presses_again_and_again_stays_on() -> None:
    house = House(settings=SETTINGS, soc_percent=90.0)
    house.run(3.0)
    house.set_grid(there=False)
    house.run(10.0)
    for _ in range(2):
        assert not house.loads["lamp"].on
        house.loads["lamp"].turn(house.now_s, on=True, by_person=False)
        house.run(5.0)
    assert house.loads["lamp"].on
    house.run(60.0)
    assert house.loads["lamp"].on


def test_a_lamp_that_was_on_stays_on_and_a_deaf_one_is_not_told_for_ever() -> None:
    house = House(settings=SETTINGS, soc_percent=90.0)
    house.loads["lamp"] = Load(on=True)
    house.run(3.0)
    house.set_grid(there=False)
    house.run(60.0)
    assert house.loads["lamp"].on
    house = House(settings=SETTINGS, soc_percent=90.0)
    house.run(3.0)
    house.loads["lamp"].deaf = True
    house.set_grid(there=False)
    house.run(300.0)
    assert len(house.told) == 3


def test_off_in_an_outage_brings_back_what_was_shed_when_it_is_over() -> None:
    house = House(settings=SETTINGS, soc_percent=50.0)
    house.run(3.0)
    house.set_grid(there=False)
    house.run(30.0)
    assert not house.loads["heater"].on
    house.state.settings = replace(house.state.settings, mode=HomeMode.OFF)
    house.run(60.0)
    house.set_grid(there=True)
    house.run(300.0)
    assert house.loads["heater"].on


def test_a_restart_between_shedding_and_restoring_loses_nothing() -> None:
    house = House(settings=SETTINGS, soc_percent=50.0)
    house.run(3.0)
    house.set_grid(there=False)
    house.run(10.0)
    house.restart(90.0)
    house.run(10.0)
    house.set_grid(there=True)
    house.restart(90.0)
    house.run(300.0)
    assert house.loads["heater"].on
    assert house.state.outage.record is not None
    assert house.state.outage.record.shed == ("heater",)
