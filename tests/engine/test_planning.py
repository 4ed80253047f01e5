"""From state and inputs to plans: timelines, several units, replays that plan."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from custom_components.leaf_to_home.engine.horizon import lay_out
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    CapacityTariff,
    Departure,
    Inputs,
    IntentKind,
    Site,
    UnitInputs,
)
from custom_components.leaf_to_home.engine.plan import PriceBasis
from custom_components.leaf_to_home.engine.planning import OwnPast, Past, Planner
from custom_components.leaf_to_home.engine.presence import PresenceHistory
from custom_components.leaf_to_home.engine.price_futures import PriceMemory
from custom_components.leaf_to_home.engine.replay import run_replay
from custom_components.leaf_to_home.engine.replay_planner import (
    ForecastName,
    PriceKnowledge,
)
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
    VehicleMemory,
    first_settings,
)
from custom_components.leaf_to_home.engine.tables import HouseRun
from custom_components.leaf_to_home.engine.tariff import (
    KnownPrices,
    PriceSeries,
    Tariff,
    parse_tariff,
)
from custom_components.leaf_to_home.engine.trips import Trip
from tests.engine.parts import reading
from tests.engine.replays import LEAF, at, contract, flat_house

NOW_S = at("2026-11-23T10:07")
DAY_S = 86400.0
SERIES = PriceSeries(
    [NOW_S - 20 * DAY_S + i * 3600.0 for i in range(24 * 40)],
    [0.2 + 0.1 * np.sin(i / 24 * 2 * np.pi) + 0.01 * (i // 24 % 5) for i in range(960)],
)


def in_london(text: str) -> float:
    zone = ZoneInfo("Europe/London")
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def day_ahead(series: PriceSeries | KnownPrices = SERIES) -> Tariff:
    return parse_tariff(
        {
            "currency": "EUR",
            "timezone": "Europe/Madrid",
            "import": {"series": "p"},
            "export": 0.05,
            "published": {"at": "13:00"},
        },
        series={"p": series},
    )


def bands() -> Tariff:
    return contract().site.tariff


def test_steps_lie_on_the_clock_and_at_changes() -> None:
    trip_s = at("2026-11-24T07:40")
    timeline = lay_out(bands(), NOW_S, PriceMemory(), cuts_s=[trip_s])
    near = timeline.near
    assert near.starts_s[0] == NOW_S
    assert near.starts_s[1] == at("2026-11-23T10:15")
    assert trip_s in near.starts_s
    assert at("2026-11-23T23:00") in near.starts_s
    assert near.import_price.shape == (1, len(near.starts_s) - 1)
    assert timeline.far.starts_s[0] == near.starts_s[-1]
    assert timeline.far.starts_s[-1] >= NOW_S + 48 * 3600.0
    assert len(timeline.far.import_price) == 1


@pytest.mark.parametrize("hour", [9, 15])
def test_unknown_prices_are_several_futures(hour: int) -> None:
    now_s = at(f"2026-11-23T{hour:02}:00")
    timeline = lay_out(day_ahead(), now_s, PriceMemory())
    # More becomes known at 13:00, of today or tomorrow.
    branch_s = at("2026-11-23T13:00") if hour < 13 else at("2026-11-24T13:00")
    assert timeline.near.starts_s[-1] == branch_s
    far = timeline.far
    assert len(far.import_price) > 3
    known_s = at("2026-11-24T00:00") if hour < 13 else at("2026-11-25T00:00")
    certain = far.starts_s[:-1] < known_s
    assert np.ptp(far.import_price[:, certain], axis=0).max() == pytest.approx(0.0)
    assert np.ptp(far.import_price[:, ~certain], axis=0).max() > 0.01
    assert set(timeline.near.price_basis) == {PriceBasis.KNOWN}
    assert [basis is PriceBasis.KNOWN for basis in far.price_basis] == certain.tolist()
    assert PriceBasis.UNKNOWN not in far.price_basis


def test_without_a_past_the_known_prices_go_on() -> None:
    short = PriceSeries([NOW_S - 7200.0 + 3600.0 * i for i in range(24)], [0.2] * 24)
    timeline = lay_out(day_ahead(short), NOW_S, PriceMemory())
    assert len(timeline.far.import_price) == 1
    assert timeline.far.import_price == pytest.approx(0.2)
    assert timeline.far.price_basis[-1] is PriceBasis.ESTIMATED


def test_a_price_that_failed_to_come_is_estimated_too() -> None:
    """At noon nothing is known of the day, but much of the days before."""
    now_s = at("2026-11-23T12:00")
    times = [at("2026-11-01T00:00") + 3600.0 * i for i in range(22 * 24)]
    prices = [0.1 if (i % 24) < 18 else 0.4 for i in range(22 * 24)]
    known = KnownPrices(
        (start_s, start_s + 3600.0, price)
        for start_s, price in zip(times, prices, strict=True)
    )
    tariff = day_ahead(known)
    timeline = lay_out(tariff, now_s, PriceMemory())
    assert set(timeline.near.price_basis) == {PriceBasis.ESTIMATED}
    assert timeline.near.import_price == pytest.approx(0.1, abs=0.02)
    far = timeline.far
    evening = (far.starts_s[:-1] >= at("2026-11-23T18:00")) & (
        far.starts_s[:-1] < at("2026-11-24T00:00")
    )
    assert far.import_price.mean(axis=0)[evening] == pytest.approx(0.4, abs=0.02)
    # A day later these are no longer the days before.
    lost = lay_out(tariff, now_s + 86400.0, PriceMemory())
    assert set(lost.near.price_basis) == {PriceBasis.UNKNOWN}


def test_prices_of_another_zone_end_within_a_local_day() -> None:
    """In London the market's day ends an hour before midnight."""
    begin_s = in_london("2026-11-01T00:00") - 3600.0
    known = KnownPrices(
        (begin_s + 3600.0 * i, begin_s + 3600.0 * (i + 1), 0.4 if i % 24 == 9 else 0.1)
        for i in range(23 * 24)
    )
    tariff = parse_tariff(
        {"import": {"series": "p"}, "published": {"at": "12:00"}},
        timezone="Europe/London",
        currency="GBP",
        series={"p": known},
        live=True,
    )
    far = lay_out(tariff, in_london("2026-11-23T15:00"), PriceMemory()).far
    dear = far.starts_s[:-1][far.import_price.mean(axis=0) > 0.3]
    assert dear.tolist()[-1] == in_london("2026-11-25T08:00")


def test_without_any_price_there_are_steps() -> None:
    old = PriceSeries([0.0, 3600.0], [0.2, 0.2])
    timeline = lay_out(day_ahead(old), NOW_S, PriceMemory())
    assert len(timeline.near.starts_s) >= 2
    assert set(timeline.near.price_basis + timeline.far.price_basis) == {
        PriceBasis.UNKNOWN
    }


def test_a_run_may_end_before_the_horizon() -> None:
    timeline = lay_out(bands(), NOW_S, PriceMemory(), last_s=NOW_S + 6 * 3600.0)
    assert timeline.far.starts_s[-1] == pytest.approx(NOW_S + 6 * 3600.0)


def home(tariff: Tariff, units: int = 1, **site: object) -> tuple[HomeState, Inputs]:
    state = HomeState(
        settings=HomeSettings(import_limit_w=4000.0 if "window_min" in site else None)
    )
    known = {}
    for index in range(units):
        key = f"unit{index}"
        state.units[key] = UnitState(
            settings=first_settings(LEAF), stored_kwh=18.0, connected=True
        )
        known[key] = UnitInputs(spec=LEAF)
    return state, Inputs(
        site=Site(tariff=tariff, **site),  # type: ignore[arg-type]
        units=known,
    )


def test_every_unit_with_a_known_charge_gets_a_plan() -> None:
    state, inputs = home(bands(), units=3)
    state.units["unit2"].stored_kwh = None
    plans = Planner().plan(state, inputs, Past(), OwnPast(), NOW_S)
    assert plans.keys() == {"unit0", "unit1"}
    step = plans["unit0"].at(NOW_S)
    assert step is not None
    assert step.start_s == NOW_S


def test_announced_and_wanted_departures_are_planned() -> None:
    state, inputs = home(bands())
    unit = state.units["unit0"]
    unit.settings = replace(unit.settings, ready_by=True, ready_by_soc_percent=80.0)
    inputs = replace(
        inputs,
        units={
            "unit0": UnitInputs(
                spec=LEAF,
                departures=(
                    Departure(time_s=at("2026-11-23T18:00"), soc_percent=60.0),
                ),
            )
        },
    )
    past = Past()
    past.hear(state, inputs, NOW_S)
    plan = Planner().plan(state, inputs, past, OwnPast(), NOW_S)["unit0"]
    leaving = plan.at(at("2026-11-23T17:59"))
    assert leaving is not None
    assert leaving.soc_percent >= 60.0
    gone = plan.at(at("2026-11-23T20:00"))
    assert gone is not None
    assert not gone.home


def test_a_car_that_is_away_carries_no_house() -> None:
    """Nobody announced the trip; it is expected back as it always was."""
    state, inputs = home(bands(), units=2)
    past = Past()
    car = state.units["unit0"]
    for day in range(5, 0, -1):
        for at_s, connected in (
            (at("2026-11-23T08:00") - day * DAY_S, False),
            (at("2026-11-23T16:00") - day * DAY_S, True),
        ):
            car.connected = connected
            car.stored_kwh = 18.0 if connected else 24.0
            past.hear(state, inputs, at_s)
    car.connected, car.stored_kwh = False, 24.0
    past.hear(state, inputs, at("2026-11-23T08:00"))
    plans = Planner().plan(state, inputs, past, OwnPast(), NOW_S)
    gone = [step for step in plans["unit0"].steps if not step.home]
    assert gone[0].start_s == NOW_S
    assert at("2026-11-23T14:00") < gone[-1].end_s < at("2026-11-23T17:00")
    assert all(step.unit_w == 0.0 for step in gone)
    assert plans["unit0"].intent(NOW_S) is None
    back = plans["unit0"].at(gone[-1].end_s)
    assert back is not None
    # It comes back with less.
    assert gone[-1].soc_percent < 60.0
    assert plans["unit0"].problems == ()
    # And what the other one does stands on that.
    dear = [
        (one, other)
        for one, other in zip(plans["unit0"].steps, plans["unit1"].steps, strict=True)
        if not one.home and other.intent.kind is IntentKind.COVER
    ]
    assert dear
    assert all(other.unit_w > 0.0 for _, other in dear)


def test_export_is_not_planned_where_the_sun_forbids_it() -> None:
    tariff = parse_tariff(
        {
            "currency": "EUR",
            "timezone": "Europe/Madrid",
            "import": 0.10,
            "export": {
                "bands": [
                    {"price": 0.40, "from": "17:00", "to": "23:00"},
                    {"price": 0.05},
                ]
            },
        }
    )
    state, inputs = home(
        tariff, battery_export_limit_w=3000.0, export_only_without_solar=True
    )

    def exports(past: Past) -> set[int]:
        plan = Planner().plan(state, inputs, past, OwnPast(), NOW_S)["unit0"]
        return {
            int((step.start_s - at("2026-11-23T00:00")) // 3600.0) % 24
            for step in plan.steps
            if step.intent.kind is IntentKind.EXPORT
        }

    past = Past()
    # Nobody knows yet when the sun shines.
    assert exports(past) == set()
    for slot in range(96):
        past.draw.add(
            date(2026, 11, 22).toordinal(),
            slot,
            400.0,
            50.0 if 32 <= slot < 76 else 0.0,
        )
    assert exports(past) == {19, 20, 21, 22}


@pytest.mark.parametrize(
    ("soc_percent", "able", "kind"),
    [
        (95.0, {"max_charge_w": 0.0}, IntentKind.CHARGE),
        (30.0, {"max_discharge_w": 0.0}, IntentKind.COVER),
    ],
)
def test_what_a_full_or_an_empty_battery_cannot_do_now_it_can_later(
    soc_percent: float, able: dict[str, float], kind: IntentKind
) -> None:
    """Some stations say of a full car that it cannot be charged."""
    state, inputs = home(bands())

    def planned(soc_percent: float) -> set[IntentKind]:
        state.units["unit0"].stored_kwh = LEAF.capacity_kwh * soc_percent / 100.0
        said = reading(soc_percent=soc_percent, **able)
        units = {"unit0": UnitInputs(spec=LEAF, reading=said)}
        plan = Planner().plan(
            state, replace(inputs, units=units), Past(), OwnPast(), NOW_S
        )["unit0"]
        return {step.intent.kind for step in plan.steps}

    assert kind in planned(soc_percent)
    # Of one between the two it is what it can.
    assert kind not in planned(50.0)


@pytest.mark.parametrize("soc_percent", [30.0, 60.0, 95.0])
@pytest.mark.parametrize(
    ("able", "never"),
    [
        (Capabilities(discharges=False), {IntentKind.COVER, IntentKind.EXPORT}),
        (Capabilities(charges=False), {IntentKind.CHARGE, IntentKind.ABSORB}),
    ],
)
def test_a_direction_without_a_path_is_never_planned(
    able: Capabilities, never: set[IntentKind], soc_percent: float
) -> None:
    state, inputs = home(bands(), battery_export_limit_w=3000.0)
    state.units["unit0"].stored_kwh = LEAF.capacity_kwh * soc_percent / 100.0
    units = {"unit0": UnitInputs(spec=LEAF, capabilities=able)}
    past = Past()
    for slot in range(96):
        # The sun shines more than the house takes, so there is something to absorb.
        past.draw.add(
            date(2026, 11, 22).toordinal(),
            slot,
            400.0,
            3000.0 if 40 <= slot < 60 else 0.0,
        )
    plan = Planner().plan(
        state, replace(inputs, units=units), past, OwnPast(history=past.draw), NOW_S
    )["unit0"]
    assert {step.intent.kind for step in plan.steps} & never == set()
    for step in plan.steps:
        if not able.discharges:
            assert step.unit_w <= 0.0
        else:
            assert step.unit_w >= 0.0


def test_a_trip_that_begins_early_is_not_short() -> None:
    state, inputs = home(bands())
    trip = Departure(
        time_s=at("2026-11-23T10:30"), soc_percent=90.0, back_s=at("2026-11-23T20:00")
    )
    inputs = replace(inputs, units={"unit0": UnitInputs(spec=LEAF, departures=(trip,))})
    state.units["unit0"].connected = False
    plan = Planner().plan(state, inputs, Past(), OwnPast(), NOW_S)["unit0"]
    assert plan.problems == ()
    gone = [step for step in plan.steps if not step.home]
    assert (gone[0].start_s, gone[-1].end_s) == (NOW_S, trip.back_s)


def test_a_trip_that_was_announced_ends_when_it_was_said_to() -> None:
    state, inputs = home(bands())
    back_s = at("2026-11-23T15:00")
    trip = Departure(time_s=at("2026-11-23T08:00"), soc_percent=60.0, back_s=back_s)
    inputs = replace(inputs, units={"unit0": UnitInputs(spec=LEAF, departures=(trip,))})
    state.units["unit0"].connected = False
    plan = Planner().plan(state, inputs, Past(), OwnPast(), NOW_S)["unit0"]
    gone = [step for step in plan.steps if not step.home]
    assert (gone[0].start_s, gone[-1].end_s) == (NOW_S, back_s)
    # What is known to be stored is what it left with.
    returned = next(step for step in plan.steps if step.start_s == back_s)
    left_percent = 100.0 * (state.units["unit0"].stored_kwh or 0.0) / LEAF.capacity_kwh
    assert returned.intent.reason.values["soc_percent"] < left_percent - 5.0


@pytest.mark.parametrize(
    ("time", "back"),
    [("2026-11-24T07:30", "2026-11-24T17:00"), ("2026-11-24T09:00",) * 2],
    ids=["a usual trip", "a watch"],
)
def test_what_falls_into_a_trip_under_way_asks_for_nothing(
    time: str, back: str
) -> None:
    """Nobody can charge a car that is away, and nobody is told that it falls short."""
    state, inputs = home(bands())
    back_s = at("2026-11-25T18:00")
    trips = (
        Departure(time_s=at("2026-11-23T08:00"), soc_percent=60.0, back_s=back_s),
        Departure(time_s=at(time), soc_percent=80.0, back_s=at(back)),
    )
    inputs = replace(inputs, units={"unit0": UnitInputs(spec=LEAF, departures=trips)})
    state.units["unit0"].connected = False
    plan = Planner().plan(state, inputs, Past(), OwnPast(), NOW_S)["unit0"]
    assert plan.problems == ()
    gone = [step for step in plan.steps if not step.home]
    assert (gone[0].start_s, gone[-1].end_s) == (
        NOW_S,
        min(back_s, plan.steps[-1].end_s),
    )


def test_a_car_is_charged_before_it_leaves_for_what_is_asked_meanwhile() -> None:
    """Ready by nine, but it leaves at half past seven, and nobody says until when."""
    state, inputs = home(Tariff.flat(0.30))
    leaves_s, ready_s = at("2026-11-24T07:30"), at("2026-11-24T09:00")
    trips = (
        Departure(time_s=leaves_s, soc_percent=50.0),
        Departure(time_s=ready_s, soc_percent=80.0, back_s=ready_s),
    )
    inputs = replace(inputs, units={"unit0": UnitInputs(spec=LEAF, departures=trips)})
    plan = Planner().plan(state, inputs, Past(), OwnPast(), NOW_S)["unit0"]
    leaving = next(step for step in plan.steps if step.end_s == leaves_s)
    assert 80.0 <= leaving.soc_percent < 90.0, "no price is a reason for it"
    assert plan.problems == ()


def test_a_car_that_was_never_away_so_long_may_be_back_soon() -> None:
    state, inputs = home(bands())
    past = Past()
    car = state.units["unit0"]
    car.connected = False
    past.hear(state, inputs, NOW_S - 3 * DAY_S)
    plan = Planner().plan(state, inputs, past, OwnPast(), NOW_S)["unit0"]
    gone = [step for step in plan.steps if not step.home]
    assert gone[-1].end_s == NOW_S + 3600.0


def test_each_car_of_a_unit_has_trips_of_its_own() -> None:
    """One drives to work every day; the other stands beside the house meanwhile."""
    state, inputs = home(bands())
    leaf = state.units["unit0"]
    cars = {"aa": LEAF, "bb": LEAF}
    told = replace(inputs.units["unit0"], vehicles=cars)
    inputs = replace(inputs, units={"unit0": told})
    past = Past()

    def hear(hour: float, vehicle: str | None, stored_kwh: float) -> None:
        leaf.connected = vehicle is not None
        leaf.vehicle_here = vehicle in cars
        leaf.vehicle = vehicle if leaf.vehicle_here else leaf.vehicle
        leaf.stored_kwh = stored_kwh
        past.hear(state, inputs, NOW_S + hour * 3600.0)

    # What was learnt of the unit before is of the car that is told first.
    past.presence["unit0"] = PresenceHistory()
    before = past.presence["unit0"]
    hear(0.0, "aa", 20.0)
    assert past.presence["unit0/aa"] is before
    assert past.presence.keys() == {"unit0/aa", "unit0/bb"}
    leaf.vehicles["bb"] = VehicleMemory(stored_kwh=9.0)
    hear(1.0, None, 20.0)
    hear(2.0, "bb", 7.0)
    # A stranger could be either of them.
    hear(3.0, "cc", 5.0)
    leaf.vehicles["aa"] = VehicleMemory(stored_kwh=20.0)
    hear(4.0, "bb", 6.0)
    hear(5.0, None, 6.0)
    hear(9.0, "aa", 14.0)
    (trip,) = past.presence["unit0/aa"].trips
    assert trip.lasted_s == 8.0 * 3600.0
    assert trip.energy_kwh == 6.0
    (trip,) = past.presence["unit0/bb"].trips
    assert (trip.lasted_s, trip.energy_kwh) == (3600.0, 2.0)


def test_a_capacity_tariff_is_planned_under_what_is_paid() -> None:
    state, inputs = home(
        bands(),
        capacity=CapacityTariff(price_per_kw_month=4.0, free_kw=2.5),
        main_limit_w=9000.0,
    )
    plan = Planner().plan(state, inputs, Past(), OwnPast(), NOW_S)["unit0"]
    charging = [s for s in plan.steps if s.intent.kind is IntentKind.CHARGE]
    assert all(step.grid_w <= 2600.0 for step in charging)


def test_a_home_without_a_peak_so_far_sets_none_by_charging() -> None:
    """Nothing is free in this tariff, and no month before tells of a usual peak."""
    state, inputs = home(
        bands(), capacity=CapacityTariff(price_per_kw_month=4.0, free_kw=0.0)
    )
    past = Past()
    for slot in range(96):
        load_w = 2400.0 if 72 <= slot < 84 else 400.0
        for day in range(4):
            past.draw.add(date(2026, 11, 22).toordinal() - day, slot, load_w)
    draws = OwnPast(history=past.draw)
    plan = Planner().plan(state, inputs, past, draws, NOW_S)["unit0"]
    assert any(step.intent.kind is IntentKind.CHARGE for step in plan.steps)
    assert max(step.grid_w for step in plan.steps) <= 2450.0


def house(days: int = 4) -> HouseRun:
    """Return a house with an evening peak and a noon sun, with days before it."""
    hours = np.arange(24 * (days + 7)) % 24
    load = np.where((hours >= 18) & (hours < 22), 2500.0, 400.0)
    sun = np.where((hours >= 11) & (hours < 15), 1500.0, 0.0)
    begin_s = at("2026-11-16T00:00")
    count = 24 * 7

    def rows(part: slice, forecast: bool) -> HouseRun:
        times_s = [begin_s + 3600.0 * i for i in range(len(hours))][part]
        return HouseRun(
            step_s=3600.0,
            times_s=times_s,
            load_w=load[part].tolist(),
            solar_w=sun[part].tolist(),
            days=("some",) * (len(times_s) // 24),
            days_left_out=(),
            solar_forecast_w=[None, *sun[part].tolist()[1:]] if forecast else None,
        )

    return replace(rows(slice(count, None), True), past=rows(slice(0, count), True))


TRIPS = (
    Trip(
        departure_s=at("2026-11-24T08:00"),
        return_s=at("2026-11-24T17:00"),
        energy_kwh=6.0,
        required_soc_percent=60.0,
        known_hours_before=20.0,
    ),
)


@pytest.mark.parametrize(
    ("forecast", "knowledge"),
    [
        (ForecastName.OWN, PriceKnowledge.PUBLISHED),
        (ForecastName.PERFECT, PriceKnowledge.ALL),
    ],
)
def test_a_replay_that_plans_beats_the_rule(
    forecast: ForecastName, knowledge: PriceKnowledge
) -> None:
    priced = contract()
    priced = replace(priced, site=replace(priced.site, tariff=day_ahead()))
    run = ReplayRun(
        house=house(),
        contract=priced,
        spec=LEAF,
        trips=TRIPS,
        forecast=forecast,
        price_knowledge=knowledge,
    )
    planned = run_replay(run, timer=iter(np.arange(0.0, 1e6, 0.01)).__next__).books
    ruled = run_replay(replace(run, policy=PolicyName.RULE)).books
    naive = run_replay(replace(run, policy=PolicyName.NONE)).books
    assert planned.total_cost < naive.total_cost
    assert planned.total_cost <= ruled.total_cost + 0.05
    assert planned.departures_short == 0
    assert planned.plan_ms_median == pytest.approx(10.0)
    assert planned.plan_ms_p95 is not None


def test_a_replay_by_the_minute_learns_quarter_hours() -> None:
    run = ReplayRun(
        house=flat_house([400.0] * 180, step_s=60.0), contract=contract(), spec=LEAF
    )
    books = run_replay(run).books
    assert books.days
    assert books.plan_ms_median is None


def test_days_that_are_missing_hold_those_before() -> None:
    rows = house()
    kept = [i for i in range(len(rows.times_s)) if not 24 <= i < 48]
    holed = replace(
        rows,
        times_s=[rows.times_s[i] for i in kept],
        load_w=[rows.load_w[i] for i in kept],
        solar_w=[rows.solar_w[i] for i in kept],
        solar_forecast_w=None,
        past=None,
    )
    run = ReplayRun(
        house=holed, contract=contract(), spec=LEAF, forecast=ForecastName.PERFECT
    )
    assert run_replay(run).books.starts > 0
