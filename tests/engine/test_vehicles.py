"""Several cars at one station: what belongs to one never counts for another."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.model import (
    Decision,
    HomeMode,
    Inputs,
    Intent,
    IntentKind,
    Reading,
    Reason,
    ReasonCode,
    UnitInputs,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.savings import savings
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
    VehicleMemory,
    first_settings,
)
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from custom_components.leaf_to_home.engine.vehicles import seated
from tests.engine.loop import EVENING_PEAK, LEAF, START_S, site_with
from tests.engine.parts import grid, home, inputs, known, reading, thorough, unit

CARS = {"big": LEAF, "small": replace(LEAF, usable_kwh=20.0)}
AUTOMATIC = HomeSettings(mode=HomeMode.AUTOMATIC)
PLAN = Reason(code=ReasonCode.PLAN)
COVER = Intent(kind=IntentKind.COVER, power_w=6000.0, reason=PLAN)


@dataclass
class Plug:
    """A station at which cars come and go, in a home that is stepped by hand."""

    state: HomeState = field(
        default_factory=lambda: home(
            settings=AUTOMATIC, units={"leaf": unit(connected=None)}
        )
    )
    now_s: float = START_S
    vehicles: dict[str, Any] = field(default_factory=lambda: dict(CARS))
    said: dict[str, Any] = field(default_factory=dict)
    plan: Intent | None = None
    plan_vehicle: str | None = None
    draw_w: float = 2000.0
    power_w: float = 0.0

    @property
    def leaf(self) -> UnitState:
        """Return what the engine remembers of the station."""
        return self.state.units["leaf"]

    def inputs(self) -> Inputs:
        said = reading(time_s=self.now_s, power_w=self.power_w, **self.said)
        return inputs(
            site=site_with(EVENING_PEAK),
            units={
                "leaf": known(
                    reading=said,
                    vehicles=self.vehicles,
                    plan=self.plan,
                    plan_vehicle=self.plan_vehicle,
                )
            },
            grid=grid(self.draw_w - self.power_w, self.now_s),
        )

    def step(self, seconds: float = 1.0, **said: Any) -> Decision:
        """Let time pass, with what the station says."""
        self.said = said
        self.now_s += seconds
        self.state, decision = step(self.state, self.inputs(), self.now_s)
        setpoint = decision.units["leaf"].setpoint
        if setpoint is not None:
            self.power_w = setpoint.power_w
        return decision

    def run(self, seconds: int, **said: Any) -> Decision:
        for _ in range(seconds - 1):
            self.step(**said)
        return self.step(**said)

    def leave(self) -> None:
        """Take the car away, and see that."""
        self.power_w = 0.0
        self.step(connected=False, soc_percent=None, status=UnitStatus.DISCONNECTED)

    def change(self, **settings: Any) -> None:
        self.leaf.settings = replace(self.leaf.settings, **settings)


def reason(decision: Decision) -> ReasonCode:
    return decision.units["leaf"].reason.code


def test_the_first_car_that_is_told_is_what_the_unit_was_until_now() -> None:
    """An update must not take back what the user has set."""
    plug = Plug()
    plug.change(reserve_percent=55.0, mode=UnitMode.HOLD, until_s=START_S + 900.0)
    plug.state.ledger.on_arrival_kwh["leaf"] = 20.0
    plug.step(vehicle="small", soc_percent=40.0)
    assert plug.leaf.vehicle == "small"
    assert plug.leaf.vehicle_here
    assert plug.leaf.settings.reserve_percent == 55.0
    assert plug.leaf.settings.mode is UnitMode.HOLD
    assert plug.state.ledger.on_arrival_kwh.keys() == {"leaf/small"}
    # Its charge is reckoned with its own capacity.
    assert plug.leaf.stored_kwh == pytest.approx(0.405 * 20.0)


def test_a_car_has_its_own_settings_and_the_station_keeps_its_own() -> None:
    plug = Plug()
    plug.step(vehicle="big", soc_percent=70.0)
    plug.change(
        reserve_percent=50.0,
        ready_by=True,
        ready_by_minute=300,
        charge_limit_w=3000.0,
        mode=UnitMode.OFF,
    )
    plug.leave()
    assert plug.leaf.settings.reserve_percent == 50.0, "that of the last car"
    plug.step(vehicle="small", soc_percent=40.0)
    settings = plug.leaf.settings
    assert settings.reserve_percent == 30.0
    assert not settings.ready_by
    assert settings.charge_limit_w == 3000.0
    assert settings.mode is UnitMode.OFF
    plug.change(reserve_percent=20.0)
    plug.leave()
    plug.step(vehicle="big", soc_percent=60.0)
    settings = plug.leaf.settings
    assert (settings.reserve_percent, settings.ready_by) == (50.0, True)
    assert settings.ready_by_minute == 300
    assert plug.leaf.vehicles["small"].settings.reserve_percent == 20.0
    plug.step(vehicle="big", soc_percent=60.0)
    assert plug.leaf.vehicles.keys() == {"small"}


@pytest.mark.parametrize("unplugged", [True, False])
@pytest.mark.parametrize("mode", [UnitMode.CHARGE, UnitMode.DISCHARGE, UnitMode.HOLD])
def test_a_manual_mode_is_of_the_car_it_was_given_for(
    mode: UnitMode, unplugged: bool
) -> None:
    plug = Plug()
    plug.step(vehicle="big", soc_percent=60.0)
    plug.change(mode=mode, power_w=1000.0)
    plug.step(vehicle="big", soc_percent=60.0)
    assert plug.leaf.settings.mode is mode
    if unplugged:
        plug.leave()
    plug.step(vehicle="small", soc_percent=60.0)
    assert plug.leaf.settings.mode is UnitMode.AUTOMATIC
    assert plug.leaf.settings.power_w is None


def test_until_a_car_is_told_it_is_held() -> None:
    """Also when its charge is known already: it could be anybody's."""
    plug = Plug(plan=COVER)
    plug.run(40, vehicle="big", soc_percent=70.0, status=UnitStatus.IDLE)
    plug.plan_vehicle = "big"
    assert plug.run(60, vehicle="big", soc_percent=70.0).units["leaf"].send
    plug.leave()
    for _ in range(100):
        decision = plug.step(soc_percent=90.0)
        assert reason(decision) is ReasonCode.VEHICLE_UNKNOWN
        assert decision.units["leaf"].setpoint is None
        assert decision.units["leaf"].soc_percent is None
    # What was put away is there again.
    plug.step(vehicle="big", soc_percent=64.0)
    assert plug.leaf.stored_kwh == pytest.approx(0.645 * LEAF.capacity_kwh)
    plug.step(vehicle="big", soc_percent=64.0)
    assert plug.leaf.driven_kwh == pytest.approx(0.06 * LEAF.capacity_kwh, abs=0.2)


def test_a_car_that_falls_asleep_stays_the_one_that_it_was() -> None:
    plug = Plug()
    plug.step(vehicle="small", soc_percent=70.0)
    plug.run(300, soc_percent=None)
    assert plug.leaf.vehicle_here
    assert plug.leaf.stored_kwh == pytest.approx(0.705 * 20.0, abs=0.3)
    plug.state = from_dict(HomeState, json.loads(json.dumps(to_dict(plug.state))))
    plug.step(soc_percent=None)
    assert plug.leaf.vehicle_here, "also over a restart"


def test_a_stranger_is_nobodys_and_changes_nothing() -> None:
    plug = Plug()
    plug.step(vehicle="big", soc_percent=70.0)
    plug.change(reserve_percent=45.0)
    plug.leave()
    decision = plug.run(5, vehicle="visitor", soc_percent=95.0)
    assert reason(decision) is ReasonCode.VEHICLE_UNKNOWN
    assert plug.leaf.vehicle == "big"
    assert not plug.leaf.vehicle_here
    assert plug.leaf.stored_kwh is None
    assert plug.leaf.vehicles.keys() == {"big"}
    plug.leave()
    plug.step(vehicle="big", soc_percent=66.0)
    assert plug.leaf.settings.reserve_percent == 45.0


def test_off_still_idles_a_car_that_is_not_told() -> None:
    plug = Plug()
    plug.leave()
    plug.change(mode=UnitMode.OFF)
    assert plug.step(soc_percent=50.0).units["leaf"].park


@pytest.mark.parametrize("soc_percent", [None, 25.0])
def test_what_was_told_to_one_car_is_not_left_to_another(
    soc_percent: float | None,
) -> None:
    """Without a pause that anybody saw, and with a charge that is not known yet."""
    plug = Plug(plan=COVER, plan_vehicle="big")
    plug.run(60, vehicle="big", soc_percent=70.0)
    assert plug.power_w > 1500.0
    decision = plug.step(vehicle="small", soc_percent=soc_percent)
    setpoint = decision.units["leaf"].setpoint
    assert setpoint is not None
    assert setpoint.power_w == 0.0
    assert decision.units["leaf"].send
    assert plug.leaf.told_w == 0.0
    if soc_percent is None:
        # It is said until it is seen to rest.
        plug.power_w = 1900.0
        again = plug.step(vehicle="small", soc_percent=None).units["leaf"]
        assert again.setpoint is not None
        assert again.reason.code is ReasonCode.SOC_UNKNOWN
        plug.power_w = 0.0
        assert (
            plug.step(vehicle="small", soc_percent=None).units["leaf"].setpoint is None
        )


def test_who_only_looks_on_stops_nobody() -> None:
    plug = Plug(plan=COVER, plan_vehicle="big")
    plug.run(60, vehicle="big", soc_percent=70.0)
    plug.state.settings = replace(plug.state.settings, mode=HomeMode.OBSERVE)
    decision = plug.step(vehicle="small", soc_percent=None)
    assert not decision.units["leaf"].send
    # It is taken back as soon as it can be.
    assert plug.step(vehicle="small", soc_percent=60.0).units["leaf"].park


def test_a_plan_is_for_the_car_it_was_made_for() -> None:
    charge = Intent(kind=IntentKind.CHARGE, power_w=6000.0, reason=PLAN)
    plug = Plug(plan=charge, plan_vehicle="big")
    decision = plug.run(30, vehicle="small", soc_percent=70.0)
    assert reason(decision) is not ReasonCode.PLAN
    plug.plan_vehicle = "small"
    decision = plug.run(400, vehicle="small", soc_percent=70.0)
    assert reason(decision) is ReasonCode.PLAN
    # Cars are no longer told apart.
    plug.vehicles = {}
    decision = plug.step(soc_percent=70.0)
    assert reason(decision) is not ReasonCode.PLAN


def test_what_was_learnt_of_charging_is_of_the_car() -> None:
    plug = Plug()
    plug.step(vehicle="big", soc_percent=70.0)
    plug.leaf.charging_w = 5500.0
    plug.leaf.driven_kwh = 8.0
    plug.leave()
    plug.step(vehicle="small", soc_percent=70.0)
    other = plug.leaf
    assert (other.charging_w, other.driven_kwh) == (None, 0.0)
    plug.leave()
    plug.now_s += 2.0 * 86400.0
    plug.step(vehicle="big", soc_percent=70.0)
    assert plug.leaf.charging_w == 5500.0
    assert plug.leaf.driven_kwh == pytest.approx(8.0 / 2.718, abs=0.01), "it fades"


def test_savings_are_kept_for_each_car() -> None:
    plug = Plug()
    plug.run(10, vehicle="big", soc_percent=60.0)
    ledger = plug.state.ledger
    ledger.value_per_kwh = 0.2
    ledger.on_arrival_kwh["leaf/big"] = 25.0
    before = savings(plug.state).against_arrival
    plug.leave()
    # The other one stands at the plug for days; nothing moves for the first.
    plug.step(vehicle="small", soc_percent=80.0)
    plug.run(5, vehicle="small", soc_percent=80.0)
    assert ledger is not plug.state.ledger
    ledger = plug.state.ledger
    assert ledger.on_arrival_kwh["leaf/big"] == pytest.approx(25.0, abs=0.01)
    assert ledger.on_arrival_kwh["leaf/small"] == pytest.approx(16.1, abs=0.2)
    assert ledger.left_kwh == {"leaf/big": pytest.approx(21.78, abs=0.1)}
    ledger.value_per_kwh = 0.2
    assert savings(plug.state).against_arrival == pytest.approx(before, abs=0.1)
    plug.leave()
    # It comes back with 10 % less, which every line has used.
    plug.step(vehicle="big", soc_percent=50.0)
    plug.run(2, vehicle="big", soc_percent=50.0)
    ledger = plug.state.ledger
    assert ledger.on_arrival_kwh["leaf/big"] == pytest.approx(25.0 - 3.6, abs=0.1)
    assert ledger.left_kwh.keys() == {"leaf/small"}


def test_a_car_that_was_taken_off_the_list_is_forgotten() -> None:
    plug = Plug()
    plug.run(5, vehicle="big", soc_percent=60.0)
    plug.change(reserve_percent=77.0)
    plug.leave()
    plug.run(5, vehicle="small", soc_percent=60.0)
    plug.vehicles = {"small": CARS["small"]}
    plug.step(vehicle="small", soc_percent=60.0)
    assert plug.leaf.vehicles == {}
    assert plug.leaf.vehicle == "small"
    assert not {"leaf/big"} & plug.state.ledger.on_arrival_kwh.keys()
    # Now the one that is there, while another one is known.
    plug.change(reserve_percent=66.0)
    plug.vehicles = {"third": LEAF}
    decision = plug.step(vehicle="small", soc_percent=60.0)
    assert reason(decision) is ReasonCode.VEHICLE_UNKNOWN
    nobody = plug.leaf
    assert (nobody.vehicle, nobody.settings.reserve_percent) == (None, 30.0)
    plug.step(vehicle="third", soc_percent=60.0)
    assert plug.leaf.settings.reserve_percent == 30.0


def test_without_a_list_the_last_car_is_what_the_unit_is() -> None:
    plug = Plug()
    plug.run(5, vehicle="big", soc_percent=60.0)
    plug.change(reserve_percent=44.0)
    plug.vehicles = {}
    plug.step(vehicle="big", soc_percent=60.0)
    assert plug.leaf.vehicle is None
    assert plug.leaf.settings.reserve_percent == 44.0
    assert plug.state.ledger.smart_kwh.keys() == {"leaf"}
    assert plug.leaf.stored_kwh is not None


def test_without_cars_to_tell_apart_nothing_changes() -> None:
    before = home()
    given_ = inputs()
    assert seated(before, given_) is given_


# Whatever may come.


@dataclass
class Truth:
    """What a car really is, and what its owner has set for it."""

    soc_percent: float
    reserve_percent: float = 30.0
    ready_by: bool = False


events = st.lists(
    st.tuples(
        st.sampled_from(
            ["leave", "big", "small", "visitor", "sleep", "wake", "set", "restart"]
        ),
        # Whether the station says who it is, and whether the pause was seen.
        st.sampled_from([True, True, False]),
        st.booleans(),
        st.sampled_from([15.0, 30.0, 60.0]),
    ),
    min_size=2,
    max_size=14,
)


@dataclass
class Story:
    """A station with two cars and a visitor, told event by event."""

    truths: dict[str, Truth] = field(
        default_factory=lambda: {
            "big": Truth(soc_percent=82.0),
            "small": Truth(soc_percent=35.0),
            "visitor": Truth(soc_percent=64.0),
        }
    )
    state: HomeState = field(
        default_factory=lambda: HomeState(
            settings=AUTOMATIC,
            units={"leaf": UnitState(settings=first_settings(LEAF))},
        )
    )
    now_s: float = START_S
    pause_s: float = 0.0
    there: str | None = None
    asleep: bool = False
    says_who: bool = True
    # Whether it was told since it was plugged in.
    told: bool = False
    last: str | None = None
    power_w: float = 0.0

    def happen(self, event: str, says_who: bool, seen: bool, percent: float) -> None:
        leaf = self.state.units["leaf"]
        if event in ("leave", *self.truths):
            if event == self.there:
                return
            self.there = None if event == "leave" else event
            self.power_w = 0.0
            # What nobody sees and nobody says cannot be known.
            self.asleep, self.says_who = False, says_who or not seen
            self.told = False
            if seen or self.there is None:
                self._tell(away=True)
        elif event == "sleep":
            self.asleep = True
        elif event == "wake":
            self.asleep, self.says_who = False, True
        elif event == "restart":
            stored = json.loads(json.dumps(to_dict(self.state)))
            self.state = from_dict(HomeState, stored)
        elif self.last is not None:
            # The owner changes what is shown: that is of the last car.
            truth = self.truths[self.last]
            truth.reserve_percent, truth.ready_by = percent, seen
            leaf.settings = replace(
                leaf.settings, reserve_percent=percent, ready_by=seen
            )

    def live(self) -> Iterator[tuple[UnitInputs, Decision]]:
        for _ in range(4):
            for _ in range(12):
                yield self._tell()
            self.pause_s = 50.0

    def _tell(self, *, away: bool = False) -> tuple[UnitInputs, Decision]:
        there = None if away else self.there
        knows = there is not None and not self.asleep
        truth = self.truths.get(there or "")
        seconds = 5.0 + self.pause_s
        self.now_s += seconds
        self.pause_s = 0.0
        if truth is not None:
            spec = CARS.get(there or "", LEAF)
            moved_kwh = spec.stored_w(self.power_w) * seconds / 3.6e6
            truth.soc_percent += 100.0 * moved_kwh / spec.capacity_kwh
        who = there if knows and self.says_who else None
        if who in CARS:
            self.told = True
            self.last = who
        said = Reading(
            time_s=self.now_s,
            soc_percent=(float(int(truth.soc_percent)) if truth and knows else None),
            power_w=self.power_w,
            connected=there is not None,
            status=UnitStatus.IDLE if there else UnitStatus.DISCONNECTED,
            islanding=False,
            vehicle=who,
        )
        given_ = known(reading=said, vehicles=CARS)
        self.state, decision = step(
            self.state,
            inputs(
                site=site_with(EVENING_PEAK),
                units={"leaf": given_},
                grid=grid(2500.0 - self.power_w, self.now_s),
            ),
            self.now_s,
        )
        setpoint = decision.units["leaf"].setpoint
        if setpoint is not None and there is not None:
            self.power_w = setpoint.power_w
        return given_, decision


@thorough(150)
@given(history=events)
def test_no_sequence_of_cars_makes_one_count_for_another(
    history: list[tuple[str, bool, bool, float]],
) -> None:
    story = Story()
    for happened in history:
        story.happen(*happened)
        for given_, decision in story.live():
            leaf = story.state.units["leaf"]
            said = decision.units["leaf"]
            power_w = said.setpoint.power_w if said.setpoint is not None else 0.0
            if story.last is not None:
                owner = story.truths[story.last]
                assert leaf.vehicle == story.last
                assert leaf.settings.reserve_percent == owner.reserve_percent
                assert leaf.settings.ready_by == owner.ready_by
            for name, kept in leaf.vehicles.items():
                if name != leaf.vehicle:
                    settings = kept.settings
                    assert settings.reserve_percent == (
                        story.truths[name].reserve_percent
                    )
            if not story.told:
                assert power_w == 0.0
                assert said.soc_percent is None or story.there is None
                continue
            truth = story.truths[story.there or ""]
            if said.soc_percent is not None:
                assert said.soc_percent == pytest.approx(truth.soc_percent, abs=3.0)
                stored_kwh = (
                    said.soc_percent / 100.0 * CARS[story.there or ""].usable_kwh
                )
                assert said.stored_kwh == pytest.approx(stored_kwh)
            if power_w > 0.0:
                assert truth.soc_percent > truth.reserve_percent
            if said.reason.code is ReasonCode.DEPARTURE:
                assert truth.ready_by
            assert (leaf.departure_latch_s is None) or truth.ready_by
            assert given_.vehicles == CARS


def test_a_memory_comes_back_from_json_as_it_was() -> None:
    leaf = unit(
        vehicle="big",
        vehicle_here=True,
        vehicles={"small": VehicleMemory(stored_kwh=4.0, since_s=7.0)},
    )
    state = home(units={"leaf": leaf})
    again = from_dict(HomeState, json.loads(json.dumps(to_dict(state))))
    assert again == state
    copy = state.copy()
    copy.units["leaf"].vehicles["third"] = VehicleMemory()
    assert state.units["leaf"].vehicles.keys() == {"small"}
