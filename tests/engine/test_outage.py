"""The way of a home through an outage."""

from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings as hypothesis_settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
import pytest

from custom_components.leaf_to_home.engine.battery import UnitKind
from custom_components.leaf_to_home.engine.model import (
    Guard,
    HomeMode,
    ReasonCode,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.outage_figures import charging_share
from custom_components.leaf_to_home.engine.outage_model import (
    LoadAction,
    LoadCommand,
    LoadInput,
    LoadOutlook,
    NoBackup,
    NoticeCode,
    OutagePhase,
    OutageSettings,
    ShedReason,
    Tier,
    UnitBackup,
    agreed,
)
from custom_components.leaf_to_home.engine.state import HomeSettings, HomeState
from custom_components.leaf_to_home.engine.step import step
from tests.engine.loop import LEAF, START_S
from tests.engine.outages import EVENTS, SETTINGS, House, live, settle, start
from tests.engine.parts import home, inputs, known, reading, thorough, unit

PLAIN = OutageSettings()


def house(**values: Any) -> House:
    """Return a house that has run for a while without tiers."""
    made = House(**{"settings": PLAIN} | values)
    made.run(3.0)
    return made


def phase(of: House) -> OutagePhase:
    return of.state.outage.phase


def codes(of: House) -> list[NoticeCode]:
    assert of.decision is not None
    assert of.decision.outage is not None
    return [notice.code for notice in of.decision.outage.notices]


def test_an_outage_is_seen_after_the_debounce_and_over_when_the_grid_is_stable() -> (
    None
):
    it = house()
    it.set_grid(there=False)
    it.tick()
    assert phase(it) is OutagePhase.SUSPECTED
    it.run(2.0)
    assert phase(it) is OutagePhase.SUSPECTED
    it.tick()
    assert phase(it) is OutagePhase.OUTAGE
    it.run(600.0)
    it.set_grid(there=True)
    it.run(119.0)
    assert phase(it) is OutagePhase.OUTAGE
    decision = it.run(3.0)
    assert phase(it) is OutagePhase.NORMAL
    outage = decision.outage
    assert outage is not None
    assert outage.record is not None
    assert outage.record.ended_s is not None
    assert outage.record.ended_s - outage.record.began_s == pytest.approx(603.0, abs=2)
    assert 0.3 < outage.record.carried_kwh < 0.5
    assert outage.outages_this_year == 1
    assert outage.minutes_this_year == pytest.approx(10.0, abs=0.1)


def test_the_end_is_told_once() -> None:
    it = house()
    it.set_grid(there=False)
    it.run(60.0)
    it.set_grid(there=True)
    ended = 0
    for _ in range(300):
        outage = it.tick().outage
        assert outage is not None
        ended += outage.ended is not None
    assert ended == 1


def test_a_flicker_is_no_outage() -> None:
    it = house()
    for _ in range(20):
        it.set_grid(there=False)
        it.run(2.0)
        it.set_grid(there=True)
        it.run(2.0)
        assert phase(it) in (OutagePhase.SUSPECTED, OutagePhase.NORMAL)
    it.run(10.0)
    assert phase(it) is OutagePhase.NORMAL
    assert it.state.outage.outages == 0


def test_a_grid_that_comes_and_goes_ends_no_outage() -> None:
    it = house()
    it.set_grid(there=False)
    it.run(10.0)
    for _ in range(10):
        it.set_grid(there=True)
        it.run(60.0)
        it.set_grid(there=False)
        it.run(5.0)
    assert phase(it) is OutagePhase.OUTAGE
    assert it.state.outage.outages == 1


def test_what_is_unavailable_is_no_outage() -> None:
    it = house()
    it.sensor = it.unit_heard = it.meter_heard = False
    it.run(3600.0, 10.0)
    assert phase(it) is OutagePhase.NORMAL


def test_a_sensor_that_dies_within_the_debounce_proves_nothing() -> None:
    it = house(backup=UnitBackup(by_hand=True))
    it.set_grid(there=False)
    it.tick()
    it.sensor = it.meter_heard = False
    it.run(600.0)
    assert phase(it) is OutagePhase.SUSPECTED, "neither an outage nor its end"
    it.sensor = True
    it.run(4.0)
    assert phase(it) is OutagePhase.WAITING_FOR_PERSON


@pytest.mark.parametrize(
    ("signs", "agreeing", "says"),
    [
        ((), 1, None),
        ((None,), 1, None),
        ((False,), 1, False),
        ((True, False), 1, False),
        ((True, None), 1, True),
        ((False, True), 2, None),
        ((False, None), 2, None),
        ((False, False, True), 2, False),
        ((True, True, None), 2, True),
        ((False,), 3, False),
    ],
)
def test_of_several_sensors_enough_have_to_agree(
    signs: tuple[bool | None, ...], agreeing: int, says: bool | None
) -> None:
    if signs:
        assert agreed(signs, agreeing) is says
    made = inputs(mains_signs=signs, outage=OutageSettings(agreeing=agreeing))
    assert made.mains_present is says
    assert replace(made, mains=True).mains_present is True


@pytest.mark.parametrize("at_s", [1.0, 30.0, 70.0, 700.0, 760.0])
@pytest.mark.parametrize("down_s", [5.0, 600.0])
def test_a_restart_in_any_phase_changes_nothing_but_time(
    at_s: float, down_s: float
) -> None:
    it = house()
    it.set_grid(there=False)
    for second in range(700):
        if second == at_s:
            it.restart(down_s)
        it.tick()
    assert phase(it) is OutagePhase.OUTAGE
    it.set_grid(there=True)
    for second in range(700, 900):
        if second == at_s:
            it.restart(down_s)
        it.tick()
    it.run(130.0)
    assert phase(it) is OutagePhase.NORMAL
    assert it.state.outage.outages == 1


def test_an_outage_that_ended_while_nobody_looked_is_closed() -> None:
    it = house()
    it.set_grid(there=False)
    it.run(60.0)
    it.set_grid(there=True)
    it.restart(7200.0)
    it.tick()
    assert phase(it) is OutagePhase.OUTAGE
    it.run(130.0)
    record = it.state.outage.record
    assert phase(it) is OutagePhase.NORMAL
    assert record is not None
    assert record.ended_unseen


def test_a_cold_start_in_the_middle_knows_the_outage_and_nothing_else() -> None:
    it = House()
    it.set_grid(there=False)
    it.state = HomeState(settings=it.state.settings)
    it.meter_heard = it.sensor = False
    for load in it.loads.values():
        load.away = True
    decision = it.tick()
    assert decision.guard is Guard.ISLANDING
    assert phase(it) is OutagePhase.OUTAGE, "the station says so at once"
    record = it.state.outage.record
    assert record is not None
    assert record.began_unseen
    assert decision.outage is not None
    assert not decision.outage.commands
    assert decision.outage.carried_w == it.load_w


def test_a_cold_start_sheds_at_once_what_the_station_does_not_bear() -> None:
    it = House(settings=SETTINGS, base_w=4500.0, soc_percent=95.0)
    it.set_grid(there=False)
    it.state = HomeState(settings=it.state.settings)
    decision = it.tick()
    assert decision.outage is not None
    assert [each.load for each in decision.outage.commands] == ["heater"]


@pytest.mark.parametrize("set_s", [7200.0, -7200.0])
def test_a_clock_that_is_set_makes_no_outage_longer(set_s: float) -> None:
    it = house()
    it.set_grid(there=False)
    it.run(300.0)
    it.now_s += set_s
    it.run(300.0)
    it.set_grid(there=True)
    it.run(130.0)
    record = it.state.outage.record
    assert record is not None
    assert record.ended_s is not None
    assert record.ended_s - record.began_s == pytest.approx(600.0, abs=5.0)


def test_a_clock_that_is_behind_after_a_start_is_said_to_be_unsure() -> None:
    it = house()
    it.set_grid(there=False)
    it.run(60.0)
    began_s = it.state.outage.record.began_s if it.state.outage.record else None
    it.restart(-4000.0, machine=True)
    it.run(30.0)
    assert NoticeCode.CLOCK_UNSURE in codes(it)
    # The network is there, and with it the time.
    it.now_s += 4100.0
    it.run(30.0)
    assert NoticeCode.CLOCK_UNSURE not in codes(it)
    assert it.state.outage.record is not None
    assert it.state.outage.record.began_s == began_s


def test_a_clock_of_long_ago_begins_no_other_year() -> None:
    it = house()
    it.set_grid(there=False)
    it.run(60.0)
    it.restart(1_000_000.0 - it.now_s, machine=True)
    it.run(30.0)
    assert NoticeCode.CLOCK_UNSURE in codes(it)
    assert it.state.outage.outages == 1


def test_outages_are_counted_by_the_local_year() -> None:
    new_year_s = START_S + 38.25 * 86400.0
    it = House(settings=PLAIN, now_s=new_year_s - 600.0)
    it.run(3.0)
    it.set_grid(there=False)
    it.run(1800.0, 10.0)
    it.set_grid(there=True)
    decision = it.run(200.0, 10.0)
    assert decision.outage is not None
    assert decision.outage.outages_this_year == 0, "it began in the old one"
    assert decision.outage.minutes_this_year == pytest.approx(20.0, abs=0.7)


def before_the_station(**values: Any) -> House:
    """Return a house in the dark, whose loads are heard, and whose station can start.

    The loads have power of their own for a while.
    """
    it = house(
        **{"settings": SETTINGS, "backup": UnitBackup(limit_w=6000.0, by_hand=True)}
        | values
    )
    for load in it.loads.values():
        load.awake = True
    return it


def test_a_tier_below_its_charge_is_shed_before_the_station_starts() -> None:
    it = before_the_station(soc_percent=50.0)
    it.loads["boiler"].awake = False
    it.set_grid(there=False)
    it.run(4.0)
    assert phase(it) is OutagePhase.WAITING_FOR_PERSON
    assert [(told.load, told.reason) for _, told in it.told] == [
        ("heater", ShedReason.STATE_OF_CHARGE)
    ], "what is not heard is not told, nor is a tier with enough left"
    it.run(60.0)
    assert len(it.told) == 1
    # Nor is it told again in the dark when the station has nothing to say any more.
    it.loads["heater"].turn(it.now_s, on=True, by_person=False)
    it.unit_heard = False
    it.run(120.0)
    assert len(it.told) == 1
    it.unit_heard = True
    start(it)
    it.run(300.0)
    assert set(it.state.outage.tiers) == {"comfort"}
    assert not it.loads["heater"].on


def test_before_the_station_starts_the_usual_load_says_how_long_it_lasts() -> None:
    def shed_after(outlook: LoadOutlook | None) -> list[str]:
        state = home(
            settings=HomeSettings(mode=HomeMode.AUTOMATIC),
            units={"leaf": unit(stored_kwh=None, anchor_soc_percent=None)},
        )
        tiers = OutageSettings(
            tiers=(Tier(key="food", loads=("fridge",), runtime_h=2.0),)
        )
        loads = {"fridge": LoadInput(on=True, state="on", power_w=150.0)}
        commands: list[LoadCommand] = []
        for second in range(6):
            now_s = START_S + second
            said = known(
                reading=reading(time_s=now_s, soc_percent=30.0),
                backup=UnitBackup(by_hand=True),
            )
            state, decision = step(
                state,
                inputs(
                    units={"leaf": said},
                    mains_signs=(second == 0,),
                    outage=tiers,
                    loads=loads,
                    load_outlook=outlook,
                ),
                now_s,
            )
            assert decision.outage is not None
            commands += decision.outage.commands
        assert state.outage.phase is OutagePhase.WAITING_FOR_PERSON
        return [command.load for command in commands]

    def usual(load_w: float) -> LoadOutlook:
        day_w = (load_w,) * 96
        return LoadOutlook(
            start_s=START_S, step_s=900.0, low_w=day_w, likely_w=day_w, high_w=day_w
        )

    assert shed_after(usual(5500.0)) == ["fridge"]
    assert shed_after(usual(300.0)) == []
    assert shed_after(None) == [], "a moment's load sheds nothing for hours"


def test_what_cannot_be_carried_is_not_shed_for_it() -> None:
    it = before_the_station(soc_percent=50.0)
    it.plugged = False
    it.set_grid(there=False)
    it.run(60.0)
    assert phase(it) is OutagePhase.OUTAGE
    assert it.told == []


def test_the_grid_that_is_back_sheds_nothing() -> None:
    it = before_the_station(soc_percent=70.0)
    it.set_grid(there=False)
    it.run(10.0)
    it.set_grid(there=True)
    it.soc_percent = 50.0
    it.run(100.0)
    assert phase(it) is OutagePhase.OUTAGE
    assert not [told for _, told in it.told if told.action is LoadAction.SHED]


def test_a_person_is_waited_for_at_both_ends() -> None:
    it = house(backup=UnitBackup(by_hand=True, by_hand_back=True))
    it.set_grid(there=False)
    it.run(5.0)
    assert phase(it) is OutagePhase.WAITING_FOR_PERSON
    assert NoticeCode.WAITING_FOR_PERSON in codes(it)
    it.islands = True
    it.tick()
    assert phase(it) is OutagePhase.OUTAGE
    it.grid = True
    it.run(119.0)
    assert phase(it) is OutagePhase.OUTAGE
    it.run(3.0)
    assert phase(it) is OutagePhase.WAITING_TO_SWITCH_BACK
    assert NoticeCode.SWITCH_BACK in codes(it)
    it.islands = False
    it.run(6.0)
    assert phase(it) in (OutagePhase.RESTORING, OutagePhase.NORMAL)


def test_a_dark_station_that_a_person_starts_is_waited_for_all_the_same() -> None:
    it = house(backup=UnitBackup(by_hand=True))
    it.set_grid(there=False)
    it.unit_heard = False
    it.run(600.0)
    assert phase(it) is OutagePhase.WAITING_FOR_PERSON
    assert NoticeCode.WAITING_FOR_PERSON in codes(it)
    assert NoticeCode.BACKUP_NOT_POSSIBLE not in codes(it)


def test_a_dark_station_without_its_car_is_not_waited_for() -> None:
    it = house(backup=UnitBackup(by_hand=True))
    it.plugged = False
    it.run(3.0)
    it.set_grid(there=False)
    it.unit_heard = False
    it.run(600.0)
    assert phase(it) is OutagePhase.OUTAGE
    assert NoticeCode.BACKUP_NOT_POSSIBLE in codes(it)


def test_a_station_that_should_go_back_by_itself_and_does_not_needs_a_person() -> None:
    it = house()
    it.set_grid(there=False)
    it.run(5.0)
    it.grid = True
    it.run(600.0, 5.0)
    assert phase(it) is OutagePhase.OUTAGE
    it.run(200.0, 5.0)
    assert phase(it) is OutagePhase.WAITING_TO_SWITCH_BACK
    it.set_grid(there=False)
    it.grid, it.islands = False, True
    it.tick()
    assert phase(it) is OutagePhase.OUTAGE


def test_without_a_sensor_the_station_alone_tells() -> None:
    it = house()
    it.sensor = False
    it.set_grid(there=False)
    it.run(5.0)
    assert phase(it) is OutagePhase.OUTAGE
    it.set_grid(there=True)
    it.run(150.0)
    assert phase(it) is OutagePhase.NORMAL


def test_without_any_meter_a_station_that_says_it_is_tied_is_believed_late() -> None:
    state = home()
    now_s = START_S

    def see(since_s: float, *, islands: bool) -> OutagePhase:
        nonlocal state
        status = UnitStatus.ISLANDING if islands else UnitStatus.IDLE
        said = reading(time_s=now_s + since_s, islanding=islands, status=status)
        state, _ = step(
            state,
            inputs(grid=None, units={"leaf": known(reading=said)}),
            now_s + since_s,
        )
        return state.outage.phase

    for since_s in range(0, 20, 2):
        see(since_s, islands=True)
    for since_s in range(20, 700, 10):
        assert see(since_s, islands=False) is OutagePhase.OUTAGE
    for since_s in range(700, 800, 10):
        see(since_s, islands=False)
    assert see(800.0, islands=False) is OutagePhase.NORMAL


@pytest.mark.parametrize(
    ("said", "backup", "why"),
    [
        ({}, {}, None),
        (None, {}, NoBackup.UNREACHABLE),
        ({"time_s": START_S - 100.0}, {}, NoBackup.UNREACHABLE),
        ({"connected": False}, {}, NoBackup.UNPLUGGED),
        ({"status": UnitStatus.FAULT}, {}, NoBackup.FAULT),
        ({"may_island": False}, {}, NoBackup.WRONG_MODE),
        ({"soc_percent": 9.0}, {}, NoBackup.BELOW_FLOOR),
        ({}, {"station_floor_percent": 55.0}, NoBackup.BELOW_FLOOR),
        ({}, {"by_hand": None}, NoBackup.NEVER),
    ],
)
def test_why_a_unit_could_not_carry_the_house(
    said: dict[str, Any] | None, backup: dict[str, Any], why: NoBackup | None
) -> None:
    state = home(units={"leaf": unit(stored_kwh=None, anchor_soc_percent=None)})
    told = known(
        reading=None if said is None else reading(**said),
        backup=UnitBackup(**{"by_hand": True} | backup),
    )
    _, decision = step(state, inputs(units={"leaf": told}), START_S)
    assert decision.outage is not None
    assert decision.outage.no_backup.get("leaf") is why
    notices = [notice.code for notice in decision.outage.notices]
    assert (NoticeCode.BACKUP_NOT_POSSIBLE in notices) is (why is NoBackup.WRONG_MODE)


def test_what_is_left_for_driving_is_the_floor_of_a_car_only() -> None:
    it = house(settings=OutageSettings(driving_percent=40.0), soc_percent=39.0)
    it.set_grid(there=False)
    it.run(5.0)
    assert NoticeCode.FLOOR_REACHED in codes(it)
    pack = replace(LEAF, kind=UnitKind.STATIONARY)
    said = reading(soc_percent=39.0, islanding=True, status=UnitStatus.ISLANDING)
    state = home()
    made = inputs(
        units={"leaf": known(pack, reading=said)},
        outage=OutageSettings(driving_percent=40.0),
    )
    for _ in range(5):
        state, _ = step(state, made, START_S)
    assert not state.outage.floors_s


@pytest.mark.parametrize(
    ("backup", "mode", "stops"),
    [
        ({"stop_at_floor": True, "stop_tested": True}, HomeMode.AUTOMATIC, True),
        ({"stop_at_floor": True}, HomeMode.AUTOMATIC, False),
        ({"stop_tested": True}, HomeMode.AUTOMATIC, False),
        ({"stop_at_floor": True, "stop_tested": True}, HomeMode.OFF, False),
        ({"stop_at_floor": True, "stop_tested": True}, HomeMode.OBSERVE, False),
    ],
)
def test_an_island_is_ended_at_the_floor_only_where_the_user_wants_that(
    backup: dict[str, bool], mode: HomeMode, stops: bool
) -> None:
    state = home()
    state.settings = replace(state.settings, mode=mode)
    told_s = []
    for second in range(200):
        now_s = START_S + second
        said = reading(
            time_s=now_s,
            soc_percent=9.0,
            islanding=True,
            status=UnitStatus.ISLANDING,
            power_w=500.0,
        )
        units = {"leaf": known(reading=said, backup=UnitBackup(**backup))}
        state, decision = step(state, inputs(units=units, grid=None), now_s)
        assert not decision.units["leaf"].send
        if decision.units["leaf"].stop:
            told_s.append(second)
    assert bool(told_s) is stops
    if stops:
        assert told_s[0] >= 60, "what can be shed is off before"
        assert told_s[1] - told_s[0] == 60, "and it is told again, but not always"


def test_a_portable_speaks_for_itself_alone() -> None:
    """What is plugged out of the wall is no outage."""
    state = home(units={"leaf": unit(), "portable": unit()})
    said = reading(islanding=True, status=UnitStatus.ISLANDING, power_w=90.0)
    portable = known(reading=said, backup=UnitBackup(sockets_only=True))
    made = inputs(units={"leaf": known(), "portable": portable})
    for second in range(10):
        state, _ = step(state, made, START_S + second)
    state, decision = step(state, made, START_S + 10.0)
    assert decision.guard is Guard.CLEAR
    assert state.outage.phase is OutagePhase.NORMAL
    assert decision.units["portable"].reason.code is ReasonCode.GUARD_ISLANDING
    assert decision.units["portable"].setpoint is None


def test_a_test_plays_everything_but_the_wire() -> None:
    """Units are led on as before; loads are shed only where that is wanted."""
    for sheds in (False, True):
        it = house(settings=replace(SETTINGS, test_sheds=sheds))
        it.test = True
        it.run(10.0)
        outage = it.decision.outage if it.decision else None
        assert outage is not None
        assert outage.phase is OutagePhase.OUTAGE
        assert outage.test
        assert it.decision is not None
        assert it.decision.guard is Guard.CLEAR
        assert it.decision.units["leaf"].send
        assert bool(it.told) is sheds
        assert it.loads["heater"].on is not sheds
        it.test = False
        it.run(300.0)
        assert phase(it) is OutagePhase.NORMAL
        assert it.loads["heater"].on
        assert it.state.outage.outages == 0
        assert it.state.outage.minutes == 0.0


def test_a_test_that_comes_true_is_a_new_outage() -> None:
    it = house(settings=replace(SETTINGS, test_sheds=True))
    it.test = True
    it.run(10.0)
    it.set_grid(there=False)
    it.run(10.0)
    record = it.state.outage.record
    assert record is not None
    assert not record.test
    assert it.state.outage.outages == 1
    it.test = False
    settle(it)
    assert it.loads["heater"].on


@pytest.mark.parametrize("mode", [HomeMode.OFF, HomeMode.OBSERVE])
def test_alerts_go_on_where_nothing_is_carried_out(mode: HomeMode) -> None:
    it = House(settings=SETTINGS, soc_percent=30.0)
    it.state.settings = replace(it.state.settings, mode=mode)
    it.run(3.0)
    it.set_grid(there=False)
    it.run(10.0)
    assert phase(it) is OutagePhase.OUTAGE
    assert not it.told
    outage = it.decision.outage if it.decision else None
    assert outage is not None
    assert outage.runtime is not None


def test_recharging_after_an_outage_makes_no_new_peak() -> None:
    it = house(soc_percent=50.0)
    it.state.settings = replace(it.state.settings, mode=HomeMode.BACKUP_READY)
    it.run(30.0)
    it.set_grid(there=False)
    it.run(300.0, 5.0)
    it.set_grid(there=True)
    it.run(125.0)
    least_w = []
    for _ in range(4):
        it.run(295.0, 5.0)
        least_w.append(it.power_w)
        it.run(5.0, 5.0)
    assert least_w == [-1500.0, -3000.0, -4500.0, -6000.0]
    assert charging_share(it.state.outage, it.now_s + 3600.0) == 1.0


def test_the_first_command_comes_with_the_end_of_the_debounce() -> None:
    it = House(settings=SETTINGS, soc_percent=50.0)
    it.run(3.0)
    it.set_grid(there=False)
    began_s = it.now_s
    while not it.told:
        it.tick(0.5)
    assert it.told[0][0] - began_s <= SETTINGS.debounce_s + 1.0
    assert it.told[0][1].action is LoadAction.SHED


@thorough(40)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_random_sequences_break_no_rule(seed: int) -> None:
    live(seed, events=12)


class AnySequence(RuleBasedStateMachine):
    """Any event after any other; the house checks each step by itself."""

    house: House

    @initialize(by_hand=st.booleans(), by_hand_back=st.booleans())
    def begin(self, *, by_hand: bool, by_hand_back: bool) -> None:
        """Begin with a house in which all is well."""
        self.house = House(
            backup=UnitBackup(
                limit_w=6000.0, by_hand=by_hand, by_hand_back=by_hand_back
            )
        )
        self.house.run(3.0)

    @rule(event=st.sampled_from(sorted(EVENTS)), seed=st.integers(0, 99))
    def happens(self, event: str, seed: int) -> None:
        """Let something happen."""
        EVENTS[event](self.house, Random(seed))
        self.house.tick()

    @rule(ticks=st.integers(1, 5), tick_s=st.sampled_from([1.0, 5.0, 20.0, 61.0]))
    def passes(self, ticks: int, tick_s: float) -> None:
        """Let time pass."""
        for _ in range(ticks):
            self.house.tick(tick_s)

    def teardown(self) -> None:
        """Nothing may be left undone when all is well again."""
        if hasattr(self, "house"):
            settle(self.house)


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = hypothesis_settings(thorough(40), stateful_step_count=25)
