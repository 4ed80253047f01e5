"""A unit whose only lever is a plug, in a closed loop with the real engine."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from random import Random

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.leaf_to_home.engine.metered import see
from custom_components.leaf_to_home.engine.metered_model import (
    Count,
    Facts,
    PassThrough,
    Sight,
    carried_w,
    error_percent,
    running_spec,
    soc_percent,
)
from custom_components.leaf_to_home.engine.metered_plant import MeteredPlant
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Decision,
    HomeMode,
    Inputs,
    Intent,
    IntentKind,
    IslandingStart,
    Reading,
    Reason,
    ReasonCode,
    Sample,
    Site,
    UnitInputs,
    UnitMode,
)
from custom_components.leaf_to_home.engine.plan import Plan
from custom_components.leaf_to_home.engine.planning import OwnPast, Past, Planner
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
    first_settings,
)
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.switched import SWITCH_GAP_S
from custom_components.leaf_to_home.engine.tariff import parse_tariff
from tests.engine.loop import START_S, dear_site, site_with
from tests.engine.test_metered import BYPASS, HOUR, INVERTER, STORE

UNIT = "portable"
PLAN = Reason(code=ReasonCode.PLAN)


def meant(kind: IntentKind, power_w: float = 600.0) -> Intent:
    return Intent(kind=kind, power_w=power_w, reason=PLAN)


@dataclass(frozen=True, kw_only=True)
class Row:
    time_s: float
    on: bool
    soc_percent: float
    decision: Decision


@dataclass(kw_only=True)
class Home:
    """A house with one unit on a plug, counted as its driver counts it."""

    facts: Facts = BYPASS
    truth: Facts | None = None
    site: Site = field(default_factory=dear_site)
    mode: HomeMode = HomeMode.AUTOMATIC
    load_w: float = 40.0
    house_w: Callable[[float], float] = lambda _: 400.0
    soc: float = 99.0
    known: bool = True
    plan: Intent | None = None
    tick_s: float = 10.0
    blind: bool = False
    mains: bool | None = None
    elsewhere: bool = False
    planner: Planner | None = None
    state: HomeState = field(init=False)
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        facts = self.truth or self.facts
        self.plant = MeteredPlant(
            facts,
            time_s=START_S,
            load_w=self.load_w,
            stored_kwh=facts.unit.capacity_kwh * self.soc / 100.0,
            on=True,
        )
        self.count = Count(carried_w=self.load_w, carried_s=6 * HOUR)
        if self.known:
            self.count.stored_kwh = self.facts.unit.capacity_kwh * self.soc / 100.0
        self.state = HomeState(
            settings=HomeSettings(mode=self.mode),
            units={UNIT: UnitState(settings=first_settings(self.facts.unit))},
        )
        self.past, self.plans = Past(), dict[str, Plan]()
        self.capabilities = Capabilities(
            set_power=False,
            switched=True,
            feeds_through=self.facts.pass_through is not PassThrough.NONE,
            islanding=IslandingStart.NEVER,
        )

    @property
    def unit(self) -> UnitState:
        return self.state.units[UNIT]

    def is_on(self) -> bool:
        return self.plant.on

    def change(self, **changes: object) -> None:
        self.unit.settings = replace(self.unit.settings, **changes)  # type: ignore[arg-type]

    def reading(self) -> Reading:
        plant, count, facts = self.plant, self.count, self.facts
        see(
            count,
            facts,
            Sight(
                time_s=plant.time_s,
                on=plant.on,
                input_w=plant.input_w,
                output_w=plant.output_w,
            ),
        )
        soc = soc_percent(count, facts)
        certain = count.anchor_s is not None and plant.time_s - count.anchor_s < 60.0
        usual_w = carried_w(count, facts) or 0.0
        return replace(
            plant.reading(),
            soc_percent=None if soc is None else float(int(soc)),
            soc_error_percent=error_percent(count, facts),
            soc_certain=certain,
            charged_kwh=count.charged_kwh,
            discharged_kwh=count.discharged_kwh,
            max_discharge_w=usual_w if self.capabilities.feeds_through else 0.0,
            changed_elsewhere=self.elsewhere,
        )

    def run(self, hours: float) -> list[Row]:
        begin = len(self.rows)
        for _ in range(round(hours * HOUR / self.tick_s)):
            self.tick()
        return self.rows[begin:]

    def tick(self) -> None:
        plant, now_s = self.plant, self.plant.time_s
        reading = self.reading()
        house_w = self.house_w(now_s - START_S)
        grid = Sample(value=house_w - plant.power_w, time_s=now_s)
        inputs = Inputs(
            site=self.site,
            units={
                UNIT: UnitInputs(
                    spec=running_spec(self.facts),
                    capabilities=self.capabilities,
                    reading=reading,
                    plan=self.plan,
                )
            },
            grid=None if self.blind else grid,
            mains=self.mains,
            interval_s=self.tick_s,
        )
        if self.planner is not None:
            if now_s % 900.0 < self.tick_s:
                self.plans = self.planner.plan(
                    self.state,
                    inputs,
                    self.past,
                    OwnPast(history=self.past.draw),
                    now_s,
                )
            plan = self.plans.get(UNIT)
            known = replace(
                inputs.units[UNIT], plan=plan.intent(now_s) if plan else None
            )
            inputs = replace(inputs, units={UNIT: known})
        self.state, decision = step(self.state, inputs, now_s)
        told = decision.units[UNIT]
        if told.send and told.setpoint is not None:
            plant.command(told.setpoint.power_w, now_s)
        plant.advance(self.tick_s, house_w)
        self.rows.append(
            Row(
                time_s=now_s - START_S,
                on=plant.on,
                soc_percent=plant.soc_percent,
                decision=decision,
            )
        )

    @property
    def reason(self) -> ReasonCode:
        return self.rows[-1].decision.units[UNIT].reason.code


def _steady(power_w: float, _now_s: float) -> float:
    return power_w


def switches_s(rows: list[Row]) -> list[float]:
    return [two.time_s for one, two in pairwise(rows) if one.on is not two.on]


def test_appliances_run_from_the_unit_while_it_is_dear_and_it_fills_while_cheap() -> (
    None
):
    home = Home(tick_s=30.0)
    rows = home.run(24.0)
    evening = [row for row in rows if 60.0 < row.time_s < 3 * HOUR]
    assert not any(row.on for row in evening)
    night = [row for row in rows if 6 * HOUR < row.time_s < 13 * HOUR]
    assert all(row.on for row in night)
    # A full unit takes nothing until it is below 97 %, so that it may rest there.
    assert night[-1].soc_percent > 96.5
    assert len(switches_s(rows)) == 3


def test_a_plan_shifts_as_well() -> None:
    home = Home(planner=Planner(), tick_s=30.0)
    rows = home.run(24.0)
    evening = [row for row in rows if 900.0 < row.time_s < 3 * HOUR]
    assert not any(row.on for row in evening)
    night = [row for row in rows if 6 * HOUR < row.time_s < 12 * HOUR]
    assert night[-1].soc_percent > 96.5
    # On at night, off in the morning, on at the reserve, and there it stays.
    assert len(switches_s(rows)) == 3


def test_where_nothing_is_passed_on_it_only_charges() -> None:
    home = Home(facts=STORE, soc=60.0)
    home.run(3.0)
    assert not home.is_on()
    assert home.plant.output_w == 40.0
    home.change(mode=UnitMode.DISCHARGE)
    home.run(1.0)
    assert not home.is_on()
    home.change(mode=UnitMode.CHARGE)
    home.run(0.5)
    assert home.is_on()
    assert home.plant.output_w == 0.0


def test_the_input_is_on_again_before_the_reserve() -> None:
    home = Home(plan=meant(IntentKind.COVER), load_w=100.0)
    rows = home.run(6.0)
    assert home.is_on()
    assert min(row.soc_percent for row in rows) >= 30.0
    assert ReasonCode.RESERVE in {row.decision.units[UNIT].reason.code for row in rows}


def test_the_less_is_known_the_more_is_kept() -> None:
    lows = []
    for error_kwh in (0.0, 0.1):
        home = Home(plan=meant(IntentKind.COVER), load_w=100.0)
        home.count.error_kwh = error_kwh
        lows.append(min(row.soc_percent for row in home.run(6.0)))
    assert lows[1] > lows[0] + 12.0


@pytest.mark.parametrize("facts", [BYPASS, STORE])
def test_an_unknown_charge_is_filled_until_it_is_known(facts: Facts) -> None:
    home = Home(facts=facts, known=False, soc=60.0, plan=meant(IntentKind.COVER))
    home.plant.switch(False)
    home.run(0.1)
    assert home.is_on()
    assert home.reason is ReasonCode.SOC_UNKNOWN
    home.run(9.0)
    assert any(row.decision.units[UNIT].soc_percent == 100.0 for row in home.rows)


def test_a_user_who_holds_an_unknown_unit_is_heard() -> None:
    home = Home(facts=STORE, known=False, soc=60.0)
    home.change(mode=UnitMode.HOLD)
    home.run(0.2)
    assert not home.is_on()


def test_hold_and_a_full_unit_leave_appliances_on_the_mains() -> None:
    home = Home(plan=meant(IntentKind.HOLD, 0.0))
    home.run(2.0)
    assert home.is_on()
    assert home.plant.soc_percent > 95.0


def test_between_the_prices_the_rule_runs_on_rather_than_recharge_at_them() -> None:
    home = Home(load_w=40.0)
    home.run(1.0)
    assert not home.is_on()
    held = replace(meant(IntentKind.HOLD, 0.0), stored_value=0.12)
    home.plan = held
    home.run(1.0)
    assert not home.is_on()
    home.plan = replace(held, stored_value=0.60)
    home.run(0.5)
    assert home.is_on()


def test_the_sun_carries_the_appliances_rather_than_the_battery() -> None:
    home = Home(plan=meant(IntentKind.COVER), house_w=lambda _: -500.0)
    home.run(1.0)
    assert home.is_on()
    assert home.reason is ReasonCode.SOLAR_SURPLUS


def test_what_only_stores_absorbs_a_surplus_that_is_large_enough() -> None:
    home = Home(facts=STORE, soc=50.0, plan=meant(IntentKind.ABSORB, 75.0))
    home.house_w = lambda _: -50.0
    home.run(0.5)
    assert not home.is_on()
    home.house_w = lambda _: -300.0
    home.run(0.5)
    assert home.is_on()
    home.house_w = lambda _: 300.0
    home.run(0.5)
    assert not home.is_on()


def test_nothing_behind_it_is_not_worth_a_switch() -> None:
    home = Home(plan=meant(IntentKind.COVER), load_w=0.0)
    home.run(1.0)
    assert home.is_on()
    assert home.reason is ReasonCode.BELOW_MIN_POWER


def test_covering_that_costs_more_than_it_saves_is_left_to_the_mains() -> None:
    home = Home(plan=replace(meant(IntentKind.COVER), stored_value=0.39))
    home.run(1.0)
    assert home.is_on()
    assert home.reason is ReasonCode.NO_PROFIT


def test_without_a_meter_what_stands_goes_on_but_nothing_begins() -> None:
    home = Home(plan=meant(IntentKind.COVER), blind=True)
    home.run(1.0)
    assert home.is_on()
    home = Home(plan=meant(IntentKind.COVER), load_w=100.0)
    home.run(0.5)
    assert not home.is_on()
    home.blind = True
    rows = home.run(4.0)
    assert not rows[100].on
    assert home.is_on(), "the reserve needs no meter"
    assert min(row.soc_percent for row in rows) >= 30.0


def test_the_main_limit_comes_before_everything() -> None:
    home = Home(
        site=dear_site(main_limit_w=2000.0),
        plan=meant(IntentKind.CHARGE, 75.0),
        soc=40.0,
        house_w=lambda now_s: 1990.0 if now_s > 600.0 else 500.0,
    )
    home.run(0.1)
    assert home.is_on()
    home.run(0.2)
    assert not home.is_on()
    assert home.reason is ReasonCode.MAIN_LIMIT


def test_a_demand_window_lets_it_charge_later() -> None:
    home = Home(plan=meant(IntentKind.CHARGE, 75.0), soc=70.0)
    home.state.settings = replace(home.state.settings, import_limit_w=420.0)
    home.run(0.5)
    assert not home.is_on()
    home = Home(plan=meant(IntentKind.CHARGE, 75.0), soc=31.0)
    home.state.settings = replace(home.state.settings, import_limit_w=420.0)
    home.run(0.5)
    assert home.is_on(), "the reserve comes before a soft limit"


def test_a_limit_of_the_user_forbids_what_cannot_be_made_smaller() -> None:
    home = Home(plan=meant(IntentKind.COVER))
    home.change(discharge_limit_w=20.0)
    home.run(0.5)
    assert home.is_on()
    home = Home(plan=meant(IntentKind.CHARGE, 75.0), soc=60.0)
    home.change(charge_limit_w=50.0)
    home.run(0.5)
    assert not home.is_on()


def test_what_only_stores_is_filled_as_far_as_the_user_wants() -> None:
    home = Home(facts=STORE, soc=70.0, load_w=0.0, plan=meant(IntentKind.CHARGE, 75.0))
    home.change(max_soc_percent=80.0)
    home.run(4.0)
    assert not home.is_on()
    assert 78.0 < home.plant.soc_percent < 82.0
    assert len(switches_s(home.rows)) == 1


@pytest.mark.parametrize("on", [True, False])
def test_nothing_is_switched_while_the_house_may_be_an_island(on: bool) -> None:
    """On would load the island, off serves nobody: the plug has no mains to save."""
    kind = IntentKind.COVER if on else IntentKind.CHARGE
    home = Home(plan=meant(kind, 75.0), soc=60.0, mains=False)
    home.plant.switch(on)
    home.run(1.0)
    assert home.is_on() is on
    assert home.reason is ReasonCode.GUARD_OUTAGE_SUSPECTED


def test_a_plug_that_was_switched_by_hand_is_left_alone_for_half_an_hour() -> None:
    home = Home(plan=meant(IntentKind.CHARGE, 75.0), soc=60.0)
    home.run(0.2)
    home.plant.switch(False)
    home.elsewhere = True
    home.run(0.4)
    assert not home.is_on()
    assert home.reason is ReasonCode.CHANGED_ELSEWHERE
    home.run(0.2)
    assert home.is_on()


def test_observing_switches_nothing() -> None:
    home = Home(mode=HomeMode.OBSERVE, plan=meant(IntentKind.COVER))
    home.run(1.0)
    assert home.is_on()
    assert home.rows[-1].decision.units[UNIT].setpoint is not None


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    facts=st.sampled_from([BYPASS, INVERTER, STORE]),
    soh=st.floats(90.0, 110.0),
)
def test_never_below_the_reserve_by_our_switching_and_never_hectic(
    seed: int, facts: Facts, soh: float
) -> None:
    """Whatever is meant, drawn and counted wrong: off is never told below the reserve.

    What drains with the mains on, and a charger that goes on, are not our doing.
    """
    random = Random(seed)
    home = Home(
        facts=facts,
        truth=replace(facts, unit=replace(facts.unit, soh_percent=soh)),
        soc=random.uniform(32.0, 100.0),
        tick_s=30.0,
    )
    for _ in range(24):
        home.plan = random.choice(
            [None, *(meant(kind, random.choice([20.0, 75.0])) for kind in IntentKind)]
        )
        home.plant.load_w = random.choice([0.0, 20.0, 60.0, 120.0])
        base_w = random.choice([-300.0, 50.0, 500.0])
        home.house_w = partial(_steady, base_w)
        home.run(0.4)
    if home.capabilities.feeds_through:
        for before, row in pairwise(home.rows):
            if before.on and not row.on:
                assert before.soc_percent >= 30.0
            if not row.on:
                assert row.soc_percent >= 29.0
    at_s = [
        row.time_s
        for before, row in pairwise(home.rows)
        if before.on is not row.on
        and row.decision.units[UNIT].reason.code is not ReasonCode.RESERVE
    ]
    assert all(two - one >= SWITCH_GAP_S - 60.0 for one, two in pairwise(at_s))


THREE_PRICES = parse_tariff(
    {
        "currency": "EUR",
        "timezone": "UTC",
        "import": {
            "bands": [
                {"price": 0.18, "from": "23:00", "to": "07:00"},
                {"price": 0.42, "from": "17:00", "to": "21:00"},
                {"price": 0.30},
            ]
        },
    }
)


def test_after_the_dear_hours_it_runs_on_rather_than_recharge_at_once() -> None:
    """Running on costs more than buying, but switched on it recharges at that price."""
    home = Home(
        planner=Planner(), load_w=20.0, tick_s=30.0, site=site_with(THREE_PRICES)
    )
    rows = home.run(6.0)
    off = [row for row in rows if 900.0 < row.time_s < 5 * HOUR - 900.0]
    assert not any(row.on for row in off)
    assert rows[-1].on


@pytest.mark.parametrize(("idle_w", "shifts"), [(0.0, True), (3.0, False)])
def test_shifting_that_pays_less_than_the_unit_takes_for_itself_is_left(
    idle_w: float, shifts: bool
) -> None:
    home = Home(
        facts=replace(BYPASS, idle_w=idle_w),
        planner=Planner(),
        load_w=11.0,
        tick_s=30.0,
        site=site_with(THREE_PRICES),
    )
    rows = home.run(6.0)
    assert any(not row.on for row in rows) is shifts


def test_what_is_told_first_keeps_the_dear_hours_from_nothing() -> None:
    """The input is on at the start, and is told so; the next minute is dear."""
    home = Home(plan=meant(IntentKind.CHARGE, 75.0))
    home.run(0.02)
    home.plan = meant(IntentKind.COVER)
    home.run(0.02)
    assert not home.is_on()
    home.plan = meant(IntentKind.CHARGE, 75.0)
    home.run(0.1)
    assert not home.is_on()
    assert home.reason is ReasonCode.DWELL
    home.run(0.1)
    assert home.is_on()


def test_what_a_unit_always_takes_for_itself_is_no_reason_against_running() -> None:
    assert running_spec(INVERTER) == INVERTER.unit
    loss = running_spec(BYPASS).discharge_loss
    assert loss.constant_w == BYPASS.unit.discharge_loss.constant_w + BYPASS.idle_w
