"""The safety rules of the design, each as a property of whatever may happen."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
import json
from random import Random
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.battery import LossCurve
from custom_components.leaf_to_home.engine.bounds import RESUME_PERCENT
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Decision,
    Departure,
    Guard,
    HomeMode,
    Inputs,
    Intent,
    IntentKind,
    NativeMode,
    Reading,
    Reason,
    ReasonCode,
    Sample,
    UnitInputs,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.silence import ELSEWHERE_S
from custom_components.leaf_to_home.engine.state import (
    HomeState,
    UnitState,
    first_settings,
)
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import (
    EVENING_PEAK,
    LEAF,
    START_S,
    Late,
    Loop,
    dear_site,
    reversals_s,
    site_with,
    starts_s,
)
from tests.engine.parts import thorough

# What may be exempt from the dwell times: main limit, reserve, the user.
EXEMPT = {ReasonCode.MAIN_LIMIT, ReasonCode.RESERVE}
PLAN = Reason(code=ReasonCode.PLAN)
FLAT = site_with(Tariff.flat(0.30))
SMALL = replace(LEAF, usable_kwh=2.0, min_import_w=0.0)


intents = st.builds(
    Intent,
    kind=st.sampled_from(IntentKind),
    power_w=st.sampled_from([500.0, 3000.0, 6000.0]),
    reason=st.just(PLAN),
    absorb_surplus=st.booleans(),
)
loads = st.lists(
    st.sampled_from([0.0, 150.0, 400.0, 900.0, 2500.0, 5000.0, 9000.0]),
    min_size=1,
    max_size=8,
)
dead_times = st.sampled_from([1.0, 5.0, 20.0])


# Whatever may come, in any order.

SITE = site_with(EVENING_PEAK, main_limit_w=10_000.0)
SPECS = {"leaf": LEAF, "pack": replace(LEAF, usable_kwh=10.0)}
CARS = {"own": LEAF, "other": replace(LEAF, usable_kwh=20.0)}
LEAVES = Departure(time_s=START_S + 3600.0, soc_percent=80.0)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One step of a history, with what was before and after."""

    now_s: float
    inputs: Inputs
    before: HomeState
    after: HomeState
    decision: Decision


class Trouble:
    """Things that come and go: most of the time there is none."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now: dict[str, Any] = {}

    def __call__(self, name: str, often: float, *values: Any) -> Any:
        """Return one of `values` while this trouble lasts, None without it."""
        if name in self._now:
            if self._random.random() < 0.2:
                del self._now[name]
        elif self._random.random() < often:
            self._now[name] = self._random.choice(values)
        return self._now.get(name)


def live(seed: int) -> Iterator[Moment]:
    """Run a home with two units, that mostly obey, through a troubled history.

    In some homes the leaf follows the load by itself, in some there are two of it.
    """
    random = Random(seed)
    capabilities = {"leaf": Capabilities(native_follow=seed % 2 == 0)}
    vehicles = {"leaf": CARS} if seed % 5 < 2 else {}
    trouble = Trouble(random)
    state = HomeState(
        units={
            key: UnitState(settings=first_settings(spec)) for key, spec in SPECS.items()
        }
    )
    now_s = START_S
    powers_w = dict.fromkeys(SPECS, 0.0)
    soc = {key: random.choice([29.0, 32.0, 60.0, 93.0]) for key in SPECS}
    load_w = 1500.0
    grid: Sample | None = None
    plan: Intent | None = None
    readings: dict[str, Reading | None] = {}
    for _ in range(80):
        now_s += random.choice([1.0, 1.0, 5.0, 5.0, 10.0, 20.0, 20.0, 61.0, 400.0])
        if random.random() < 0.1:
            load_w = random.choice([-3000.0, 0.0, 700.0, 2500.0, 6000.0, 11_000.0])
        if random.random() < 0.05:
            plan = random.choice([None, *PLANS])
        state = state.copy()
        state.settings = replace(
            state.settings,
            mode=trouble("home", 0.03, *HomeMode) or HomeMode.AUTOMATIC,
            import_limit_w=trouble("import", 0.02, 1000.0, 4000.0),
        )
        for key, unit in state.units.items():
            mode = unit.settings.mode
            if random.random() < 0.04:
                mode = random.choice([UnitMode.AUTOMATIC, *UnitMode])
            unit.settings = replace(
                unit.settings,
                mode=mode,
                reserve_percent=trouble(f"reserve {key}", 0.02, 10.0, 90.0) or 30.0,
                discharge_limit_w=trouble(f"limit {key}", 0.02, 0.0, 2000.0),
                charge_limit_w=trouble(f"limit {key}", 0.02, 0.0, 2000.0),
            )
        value_w = load_w - sum(powers_w.values()) + random.uniform(-20.0, 20.0)
        if not trouble("meter", 0.04, True):
            grid = Sample(value=value_w, time_s=now_s)
        for key in SPECS:
            soc[key] -= powers_w[key] / 9e5
            if not trouble(f"silent {key}", 0.04, True):
                readings[key] = _says(trouble, key, soc[key], powers_w[key], now_s)
        inputs = Inputs(
            site=SITE,
            units={
                key: UnitInputs(
                    spec=spec,
                    capabilities=capabilities.get(key, Capabilities()),
                    vehicles=vehicles.get(key, {}),
                    plan_vehicle=state.units[key].vehicle,
                    reading=None
                    if trouble(f"none {key}", 0.02, True)
                    else (readings.get(key)),
                    plan=plan,
                    departures=(LEAVES,) if seed % 3 == 0 else (),
                )
                for key, spec in SPECS.items()
            },
            grid=None if trouble("no meter", 0.03, True) else grid,
            solar=Sample(value=max(0.0, -load_w), time_s=now_s),
            has_solar=True,
            mains={None: None, 1: True, 2: False}[trouble("mains", 0.015, 1, 2, 2)],
        )
        after, decision = step(state, inputs, now_s)
        yield Moment(
            now_s=now_s, inputs=inputs, before=state, after=after, decision=decision
        )
        state = after
        for key, told in decision.units.items():
            if told.setpoint is not None and told.send and random.random() < 0.9:
                powers_w[key] = told.setpoint.power_w
                if told.setpoint.native is NativeMode.FOLLOW:
                    others_w = sum(powers_w.values()) - powers_w[key]
                    room_w = max(0.0, load_w - others_w - 50.0)
                    powers_w[key] = min(told.setpoint.power_w, room_w)
            elif told.park:
                powers_w[key] = 0.0


def _says(
    trouble: Trouble, key: str, soc: float, power_w: float, now_s: float
) -> Reading:
    connected = not trouble(f"away {key}", 0.02, True)
    vehicle = trouble(f"car {key}", 0.03, "other", "visitor", "unknown") or "own"
    if vehicle != "own":
        soc = 0.7 * soc
    glitch = trouble(f"glitch {key}", 0.03, 0.0, 1.0, -5.0, "unknown")
    percent = float(int(soc)) if glitch is None else glitch
    return Reading(
        time_s=now_s,
        soc_percent=percent if isinstance(percent, float) and connected else None,
        power_w=None if trouble(f"power {key}", 0.03, True) else power_w * connected,
        connected=connected,
        status=trouble(f"status {key}", 0.04, *UnitStatus),
        islanding=trouble(f"island {key}", 0.02, True) is not None,
        max_charge_w=trouble(f"most {key}", 0.03, 0.0, 3300.0),
        max_discharge_w=trouble(f"most {key}", 0.03, 0.0, 3300.0),
        changed_elsewhere=trouble(f"panel {key}", 0.02, True) is not None,
        vehicle=vehicle if connected and vehicle != "unknown" else None,
    )


PLANS = [
    Intent(kind=kind, power_w=power_w, reason=PLAN, absorb_surplus=power_w > 3000.0)
    for kind in IntentKind
    for power_w in (3000.0, 6000.0)
]
histories = st.integers(min_value=0, max_value=2**32)


def written(decision: Decision) -> bool:
    """Return whether any unit is written to."""
    return any(unit.send or unit.park for unit in decision.units.values())


@thorough(40)
@given(history=histories)
def test_no_step_changes_what_it_was_given(history: int) -> None:
    for moment in live(history):
        before = json.dumps(to_dict(moment.before))
        again, decision = step(moment.before, moment.inputs, moment.now_s)
        assert json.dumps(to_dict(moment.before)) == before
        assert to_dict(again) == to_dict(moment.after), "and it is a pure function"
        assert decision == moment.decision


@thorough(40)
@given(history=histories)
def test_a_restart_changes_no_decision(history: int) -> None:
    for moment in live(history):
        stored = json.loads(json.dumps(to_dict(moment.before)))
        restarted = from_dict(HomeState, stored)
        assert to_dict(restarted) == to_dict(moment.before)
        after, decision = step(restarted, moment.inputs, moment.now_s)
        assert decision == moment.decision
        assert to_dict(after) == to_dict(moment.after)


@thorough(40)
@given(history=histories)
def test_rule_2_lost_data_means_no_new_command(history: int) -> None:
    for moment in live(history):
        grid = moment.inputs.grid
        blind = grid is None or not grid.fresh(moment.now_s)
        for key, unit in moment.decision.units.items():
            stood = moment.before.units[key]
            reading = moment.inputs.units[key].reading
            if reading is None or not reading.fresh(moment.now_s):
                assert unit.setpoint is None
                assert not unit.park
            if unit.setpoint is None or unit.setpoint.power_w <= 0.0:
                continue
            now = moment.after.units[key]
            assert now.stored_kwh is not None
            standing_w = (stood.command_w or 0.0) if stood.told else 0.0
            if blind and unit.send:
                assert unit.setpoint.power_w <= standing_w
            if standing_w <= 0.0 and unit.send:
                assert now.anchor_soc_percent is not None, "heard since it came home"
                assert now.suspect_since_s is None
        assert moment.after.settings == moment.before.settings, "never a mode change"


@thorough(40)
@given(history=histories)
def test_rule_3_every_command_is_within_every_limit(history: int) -> None:
    for moment in live(history):
        grid, draw_w = moment.inputs.grid, None
        for key, unit in moment.decision.units.items():
            if unit.setpoint is None:
                continue
            power_w = unit.setpoint.power_w
            known = moment.inputs.units[key]
            assert known.reading is not None
            given_w = (
                known.reading.max_discharge_w
                if power_w > 0.0
                else (known.reading.max_charge_w)
            )
            chosen = moment.before.units[key].settings
            allowed_w = (
                chosen.discharge_limit_w if power_w > 0.0 else chosen.charge_limit_w
            )
            limits = [6000.0, allowed_w, given_w]
            assert abs(power_w) <= min(limit for limit in limits if limit is not None)
        standing = all(
            unit.least_w == unit.most_w and unit.power_w is not None
            for unit in moment.after.units.values()
        )
        if grid is not None and grid.fresh(moment.now_s) and standing:
            draw_w = grid.value + sum(
                unit.power_w or 0.0 for unit in moment.after.units.values()
            )
            commands_w = sum(
                unit.setpoint.power_w
                if unit.setpoint
                else moment.after.units[key].power_w or 0.0
                for key, unit in moment.decision.units.items()
            )
            charging = any(
                unit.setpoint is not None and unit.setpoint.power_w < 0.0
                for unit in moment.decision.units.values()
            )
            if charging and moment.decision.grid_w is not None:
                assert draw_w - commands_w <= 10_000.0


@thorough(40)
@given(history=histories)
def test_rule_6_what_is_left_standing_is_bounded(history: int) -> None:
    for moment in live(history):
        for key, unit in moment.decision.units.items():
            if unit.setpoint is None or unit.setpoint.power_w == 0.0:
                continue
            until = unit.setpoint.until_soc_percent
            assert until is not None
            settings_ = moment.after.units[key].settings
            if unit.setpoint.power_w > 0.0:
                assert until >= settings_.reserve_percent + 1.0
                assert unit.soc_percent is not None
                assert unit.soc_percent > until
            else:
                assert until <= max(settings_.max_soc_percent, 81.0)


@thorough(40)
@given(history=histories)
def test_rule_7_nothing_is_written_near_an_outage(history: int) -> None:
    islanding = dict.fromkeys(("leaf", "pack"), False)
    lost_s: float | None = None
    stepped_s: float | None = None
    for moment in live(history):
        for key, known in moment.inputs.units.items():
            if known.reading is not None and known.reading.islanding is not None:
                islanding[key] = known.reading.islanding
        grid = moment.inputs.grid
        # Who slept for a minute heard no meter meanwhile: then the silence is new.
        asleep = stepped_s is None or moment.now_s - stepped_s > 60.0
        stepped_s = moment.now_s
        if grid is not None and grid.fresh(moment.now_s):
            lost_s = None
        elif lost_s is None or asleep:
            lost_s = moment.now_s
        if (
            any(
                islands
                and (
                    lost_s is not None
                    or (
                        (said := moment.inputs.units[key].reading) is not None
                        and said.fresh(moment.now_s)
                    )
                )
                for key, islands in islanding.items()
                if key in moment.inputs.units
            )
            or moment.inputs.mains is False
            or (lost_s is not None and moment.now_s - lost_s < 120.0)
        ):
            assert moment.decision.guard is not Guard.CLEAR
            assert not written(moment.decision)


@thorough(40)
@given(history=histories)
def test_rule_8_a_car_that_is_not_known_is_held(history: int) -> None:
    known = False
    for moment in live(history):
        inputs = moment.inputs.units["leaf"]
        reading = inputs.reading
        if not inputs.vehicles or reading is None or not reading.fresh(moment.now_s):
            continue
        if reading.connected is False:
            known = False
        elif reading.vehicle is not None:
            known = reading.vehicle in CARS
        setpoint = moment.decision.units["leaf"].setpoint
        if not known and setpoint is not None:
            assert setpoint.power_w == 0.0
            assert setpoint.native is None
        if known and reading.vehicle is not None:
            assert moment.after.units["leaf"].vehicle == reading.vehicle


@thorough(40)
@given(
    silence_s=st.integers(min_value=1, max_value=150),
    change=st.sampled_from([UnitMode.HOLD, UnitMode.OFF, UnitMode.CHARGE]),
)
def test_rule_7_two_minutes_after_the_meter_was_lost(
    silence_s: int, change: UnitMode
) -> None:
    loop = Loop(site=dear_site(), grid_fails=lambda s: s >= 60.0)
    loop.run(60.0, lambda _: 2000.0)
    rows = loop.run(30.0 + silence_s, lambda _: 2000.0)
    loop.change(mode=change)
    rows += loop.run(30.0, lambda _: 2000.0)
    lost_s = next(row.time_s for row in rows if row.decision.guard is Guard.METER_LOST)
    assert lost_s <= 60.0 + 30.0
    for row in rows:
        if lost_s <= row.time_s < lost_s + 120.0:
            assert not written(row.decision)


@thorough(40)
@given(history=histories)
def test_observing_sends_nothing_but_the_end_of_what_was_told(
    history: int,
) -> None:
    for moment in live(history):
        for key, unit in moment.decision.units.items():
            if moment.before.settings.mode is HomeMode.OBSERVE and unit.send:
                assert unit.park
                assert moment.before.units[key].told
                assert not moment.after.units[key].told


# The closed loop, whatever the load.


def load_of(levels_w: list[float], seconds: float) -> Callable[[float], float]:
    """Return a load that takes one level after the other."""
    return lambda since_s: levels_w[int(since_s // seconds) % len(levels_w)]


@thorough(25)
@given(
    levels_w=loads,
    dead_time_s=dead_times,
    intent=intents,
    reserve_percent=st.sampled_from([20.0, 31.5, 60.0]),
    soc_step_percent=st.sampled_from([0.5, 1.0, 2.0]),
    above_percent=st.floats(min_value=-5.0, max_value=8.0),
    loss_w=st.sampled_from([0.0, 80.0, 250.0]),
    mode=st.sampled_from([UnitMode.AUTOMATIC, UnitMode.DISCHARGE]),
    native=st.booleans(),
)
def test_rule_1_the_reserve_is_kept(
    levels_w: list[float],
    dead_time_s: float,
    intent: Intent,
    reserve_percent: float,
    soc_step_percent: float,
    above_percent: float,
    loss_w: float,
    mode: UnitMode,
    native: bool,
) -> None:
    believed = replace(
        SMALL,
        min_import_w=50.0 if native else 0.0,
        soc_step_percent=soc_step_percent,
        reserve_percent=reserve_percent,
        initial_soc_percent=reserve_percent + above_percent,
    )
    truth = replace(believed, discharge_loss=LossCurve(constant_w=loss_w, linear=0.05))
    loop = Loop(
        site=dear_site(),
        spec=believed,
        truth=truth,
        dead_time_s=dead_time_s,
        plan=intent,
        native=native,
    )
    loop.change(mode=mode)
    rows = loop.run(1500.0, load_of(levels_w, 40.0))
    stopped = False
    before_w = 0.0
    for row in rows:
        unit = row.decision.units["leaf"]
        command_w = row.command_w
        assert command_w is not None
        if row.soc_percent < reserve_percent:
            # What the car draws itself is no command of ours.
            assert row.unit_w <= 0.0 or row.time_s < dead_time_s + 3.0
        if command_w > 0.0:
            assert unit.soc_percent is not None
            assert unit.soc_percent > reserve_percent + soc_step_percent
            if stopped and before_w <= 0.0:
                resumes = reserve_percent + soc_step_percent + RESUME_PERCENT
                assert unit.soc_percent >= resumes
            stopped = False
        stopped |= unit.reason.code is ReasonCode.RESERVE
        before_w = command_w
    lowest = min(row.soc_percent for row in rows)
    assert lowest >= min(reserve_percent, rows[0].soc_percent) - 1e-6


@thorough(25)
@given(
    levels_w=loads,
    dead_time_s=dead_times,
    export_w=st.sampled_from([0.0, 0.0, 1000.0]),
    seed=st.integers(min_value=0, max_value=99),
    kind=st.sampled_from([IntentKind.COVER, IntentKind.EXPORT]),
    lag_s=st.sampled_from([0.0, 10.0]),
    native=st.booleans(),
)
def test_rule_3_settled_export_is_what_is_allowed(
    levels_w: list[float],
    dead_time_s: float,
    export_w: float,
    seed: int,
    kind: IntentKind,
    lag_s: float,
    native: bool,
) -> None:
    stands_s = 150.0
    random = Random(seed)
    loop = Loop(
        site=dear_site(battery_export_limit_w=export_w),
        spec=replace(LEAF, min_import_w=50.0 if native else 0.0),
        native=native,
        dead_time_s=dead_time_s,
        plan=Intent(kind=kind, power_w=6000.0, reason=PLAN),
        noise_w=lambda _: random.uniform(-50.0, 50.0),
        reading=Late(lag_s),
    )
    rows = loop.run(stands_s * len(levels_w), load_of(levels_w, stands_s))
    settles_s = 2.0 * (dead_time_s + 6.0) + 10.0 + lag_s
    for row in rows:
        if row.time_s % stands_s > settles_s:
            # The noise of a single sample, and what is not worth a write.
            assert row.grid_w >= -export_w - 100.0


HOURS = st.lists(
    st.sampled_from([300.0, 1500.0, 4000.0, 7000.0, 8800.0]), min_size=24, max_size=24
)


@thorough(30)
@given(
    hours_w=HOURS,
    asked_percent=st.sampled_from([50.0, 80.0, 95.0]),
    soc_percent=st.sampled_from([15.0, 40.0, 75.0]),
    leaves_hour=st.integers(min_value=3, max_value=20),
    main_limit_w=st.sampled_from([None, 9200.0]),
    slower=st.sampled_from([1.0, 0.8]),
    plan=st.one_of(st.none(), intents),
    import_limit_w=st.sampled_from([None, 2000.0]),
)
def test_rule_4_a_departure_that_can_be_met_is_met(
    hours_w: list[float],
    asked_percent: float,
    soc_percent: float,
    leaves_hour: int,
    main_limit_w: float | None,
    slower: float,
    plan: Intent | None,
    import_limit_w: float | None,
) -> None:
    """The house draws each day the same; the second day the car has to leave."""
    spec = replace(LEAF, initial_soc_percent=soc_percent, reserve_percent=15.0)
    truth = replace(spec, max_charge_w=6000.0 * slower)
    leaves_s = 24.0 * 3600.0 + leaves_hour * 3600.0
    departure = Departure(
        time_s=START_S + leaves_s,
        soc_percent=asked_percent,
        back_s=START_S + leaves_s + 3600.0,
    )
    loop = Loop(
        site=dear_site(main_limit_w=main_limit_w),
        spec=spec,
        truth=truth,
        plan=plan,
        import_limit_w=import_limit_w,
        tick_s=60.0,
        adjust=lambda inputs: replace(
            inputs,
            units={
                key: replace(known, departures=(departure,))
                for key, known in inputs.units.items()
            },
        ),
    )
    house = load_of(hours_w, 3600.0)
    rows = loop.run(leaves_s, house)
    # Within the day before the departure, at four fifths of what is free.
    possible_kwh = 0.0
    for hour in range(leaves_hour, leaves_hour + 24):
        free_w = 6000.0 * slower
        if main_limit_w is not None:
            free_w = min(free_w, main_limit_w * 0.99 - hours_w[hour % 24])
        if free_w > spec.min_power_w:
            possible_kwh += 0.8 * spec.stored_w(-free_w) / 1e3
    needed_kwh = spec.capacity_kwh * (asked_percent + 2.0 - 15.0) / 100.0
    if needed_kwh <= possible_kwh:
        assert rows[-1].soc_percent >= asked_percent - 0.05


@thorough(24)
@given(
    net_w=st.floats(min_value=-4500.0, max_value=7000.0),
    dead_time_s=dead_times,
    seed=st.integers(min_value=0, max_value=99),
    plan=st.one_of(st.none(), intents),
    home=st.sampled_from(
        [HomeMode.AUTOMATIC, HomeMode.SELF_CONSUMPTION, HomeMode.BACKUP_READY]
    ),
    export_w=st.sampled_from([0.0, 2000.0]),
    meter_s=st.sampled_from([1.0, 10.0]),
    native=st.booleans(),
)
def test_rule_5_at_a_constant_load_the_unit_turns_twice_an_hour_at_most(
    net_w: float,
    dead_time_s: float,
    seed: int,
    plan: Intent | None,
    home: HomeMode,
    export_w: float,
    meter_s: float,
    native: bool,
) -> None:
    random = Random(seed)
    loop = Loop(
        site=dear_site(battery_export_limit_w=export_w),
        spec=replace(LEAF, min_import_w=50.0 if native else 0.0, usable_kwh=10.0),
        native=native,
        dead_time_s=dead_time_s,
        plan=plan,
        mode=home,
        meter_s=meter_s,
        noise_w=lambda _: random.uniform(-50.0, 50.0),
    )
    rows = loop.run(3600.0, lambda _: max(net_w, 0.0), lambda _: max(-net_w, 0.0))
    assert len(reversals_s(rows)) <= 2
    assert len(starts_s(rows)) <= 2


@thorough(24)
@given(
    levels_w=st.lists(
        st.floats(min_value=-4500.0, max_value=7000.0), min_size=2, max_size=12
    ),
    stands_s=st.sampled_from([7.0, 31.0, 95.0]),
    dead_time_s=dead_times,
    mode=st.sampled_from(
        [UnitMode.AUTOMATIC, UnitMode.AUTOMATIC, UnitMode.DISCHARGE, UnitMode.CHARGE]
    ),
    plan=st.one_of(st.none(), intents),
    home=st.sampled_from([HomeMode.AUTOMATIC, HomeMode.SELF_CONSUMPTION]),
    import_limit_w=st.sampled_from([None, 3000.0]),
    main_limit_w=st.sampled_from([None, 5000.0]),
    native=st.booleans(),
)
def test_rule_5_starts_and_reversals_keep_their_distance(
    levels_w: list[float],
    stands_s: float,
    dead_time_s: float,
    mode: UnitMode,
    plan: Intent | None,
    home: HomeMode,
    import_limit_w: float | None,
    main_limit_w: float | None,
    native: bool,
) -> None:
    loop = Loop(
        site=dear_site(main_limit_w=main_limit_w),
        spec=replace(LEAF, min_import_w=50.0 if native else 0.0),
        native=native,
        dead_time_s=dead_time_s,
        plan=plan,
        mode=home,
        import_limit_w=import_limit_w,
    )
    loop.change(mode=mode)
    net = load_of(levels_w, stands_s)
    rows = loop.run(2400.0, lambda s: max(net(s), 0.0), lambda s: max(-net(s), 0.0))
    exempt = {
        row.time_s for row in rows if row.decision.units["leaf"].reason.code in EXEMPT
    }
    turned = [time_s for time_s in reversals_s(rows) if time_s not in exempt]
    begun = [time_s for time_s in starts_s(rows) if time_s not in exempt]
    assert all(later - earlier >= 60.0 for earlier, later in pairwise(turned))
    assert all(later - earlier >= 300.0 for earlier, later in pairwise(begun))


@thorough(40)
@given(
    since_s=st.integers(min_value=60, max_value=120),
    changes_s=st.integers(min_value=10, max_value=2400),
)
def test_rule_6_a_mode_of_the_panel_is_respected_and_then_asserted_once(
    since_s: int, changes_s: int
) -> None:
    """Until half an hour has passed, or the plan wants something new."""
    loop = Loop(site=FLAT, tick_s=10.0)
    loop.plan = Intent(kind=IntentKind.COVER, power_w=6000.0, reason=PLAN)
    loop.run(10.0 * since_s, lambda _: 2000.0)
    loop.reading = lambda reading: replace(reading, changed_elsewhere=True)
    loop.plant.command(0.0, loop.plant.time_s)
    begun_s = loop.plant.time_s - START_S
    loop.adjust = lambda inputs: (
        inputs
        if loop.plant.time_s - START_S < begun_s + changes_s
        else replace(
            inputs,
            units={
                "leaf": replace(
                    inputs.units["leaf"],
                    plan=Intent(kind=IntentKind.CHARGE, power_w=3000.0, reason=PLAN),
                )
            },
        )
    )
    rows = loop.run(3000.0, lambda _: 2000.0)
    until_s = begun_s + min(changes_s, ELSEWHERE_S)
    for row in rows:
        if row.time_s < until_s:
            assert row.command_w is None
            assert (
                row.decision.units["leaf"].reason.code is ReasonCode.CHANGED_ELSEWHERE
            )
        else:
            assert row.command_w is not None


def test_rule_6_on_start_the_device_is_read_before_it_is_told() -> None:
    loop = Loop(site=dear_site(), reading=lambda _: None)
    rows = loop.run(200.0, lambda _: 3000.0)
    assert not any(written(row.decision) for row in rows)
    assert rows[-1].decision.units["leaf"].reason.code is ReasonCode.NO_READING
    loop.reading = lambda reading: reading
    assert loop.run(60.0, lambda _: 3000.0)[-1].command_w == pytest.approx(2940.0)
