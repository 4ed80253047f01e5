"""A house that lives through outages in a replay, with the engine that runs at home."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from custom_components.leaf_to_home.engine.outage_house import (
    COMFORT,
    HEAVY,
    Bands,
    OutageHabits,
    Outlooks,
)
from custom_components.leaf_to_home.engine.outage_model import OutageSettings, Tier
from custom_components.leaf_to_home.engine.outage_replay import OutageBooks
from custom_components.leaf_to_home.engine.outages import HOUR_S, Outage
from custom_components.leaf_to_home.engine.replay import Replay, run_replay
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun
from custom_components.leaf_to_home.engine.trips import Trip
from tests.engine.replays import LEAF, contract, flat_house, seeded_house

DAY_W = [300.0] * 24 + [800.0] * 48 + [2500.0] * 24
HOUSE = flat_house(DAY_W * 2)
BEGIN_S = HOUSE.times_s[0]


def outage(from_h: float, until_h: float) -> Outage:
    return Outage(begin_s=BEGIN_S + from_h * HOUR_S, end_s=BEGIN_S + until_h * HOUR_S)


def tiers(heavy_percent: float | None, comfort_percent: float | None) -> OutageHabits:
    return OutageHabits(
        settings=OutageSettings(
            tiers=(
                Tier(key=HEAVY, loads=(HEAVY,), soc_percent=heavy_percent),
                Tier(key=COMFORT, loads=(COMFORT,), soc_percent=comfort_percent),
            )
        )
    )


def play(
    *outages: Outage,
    policy: PolicyName = PolicyName.RULE,
    habits: OutageHabits | None = None,
    loads_w: Sequence[float] = DAY_W * 2,
    trips: Sequence[Trip] = (),
    soc_percent: float = 80.0,
) -> Replay:
    return run_replay(
        ReplayRun(
            house=flat_house(loads_w),
            contract=contract(),
            spec=replace(LEAF, initial_soc_percent=soc_percent),
            policy=policy,
            trips=trips,
            outages=outages,
            habits=habits or tiers(None, None),
        )
    )


def books(replay: Replay) -> OutageBooks:
    assert replay.outage_books is not None
    return replay.outage_books


@pytest.mark.parametrize("policy", [PolicyName.RULE, PolicyName.NONE])
def test_a_short_outage_is_carried_whole(policy: PolicyName) -> None:
    replay = play(outage(8.2, 11.7), policy=policy)
    found = books(replay)
    assert (found.outages, found.outages_away) == (1, 0)
    assert found.outage_hours == pytest.approx(3.5)
    assert found.outage_load_kwh == pytest.approx(2.8)
    # It takes the station half a minute to begin.
    assert found.outage_served_kwh == pytest.approx(2.8, abs=0.01)
    assert found.outage_lit_hours == pytest.approx(3.5, abs=0.01)
    assert found.outage_priority_share == pytest.approx(1.0, abs=0.005)
    assert found.outage_loads_left_off == 0


def test_what_an_outage_took_is_missing_afterwards_and_was_not_bought() -> None:
    calm = play(policy=PolicyName.NONE)
    dark = play(outage(8.0, 14.0), policy=PolicyName.NONE)
    assert books(calm).outages == 0
    assert books(calm).outage_priority_share is None
    row = 14 * 4
    assert dark.records.stored_kwh[row - 1] < calm.records.stored_kwh[row - 1] - 4.0
    taken_w = dark.records.grid_w()[8 * 4 : 14 * 4]
    assert abs(taken_w).max() < 1.0


def test_a_run_without_outages_is_as_if_none_could_be() -> None:
    plain = run_replay(
        ReplayRun(house=HOUSE, contract=contract(), spec=LEAF, policy=PolicyName.RULE)
    )
    assert plain.outage_books is None
    assert plain.played == ()
    able = run_replay(
        ReplayRun(
            house=HOUSE,
            contract=contract(),
            spec=LEAF,
            policy=PolicyName.RULE,
            habits=OutageHabits(),
        )
    )
    assert able.books.total_cost == plain.books.total_cost


def test_tiers_are_shed_and_come_back() -> None:
    """In the evening there is more than is needed; both tiers are off at once."""
    replay = play(outage(19.0, 23.0), habits=tiers(100.0, 100.0))
    found = books(replay)
    assert found.outage_served_kwh < 0.3 * found.outage_load_kwh
    assert found.outage_loads_left_off == 0
    assert found.outage_weighted_share is not None
    assert found.outage_weighted_share < 0.65
    evening_w = replay.records.load_w[19 * 4 + 2 : 23 * 4]
    assert evening_w.max() == pytest.approx(Bands(HOUSE).kept_w, abs=1.0)
    assert replay.records.load_w[23 * 4 + 3] == 2500.0


def test_who_sheds_carries_longer_than_who_does_not() -> None:
    long = outage(18.0, 44.0)
    all_on = play(long, soc_percent=50.0)
    shed = play(long, soc_percent=50.0, habits=tiers(45.0, 30.0))
    assert books(shed).outage_lit_hours > books(all_on).outage_lit_hours + 2.0
    for replay in (all_on, shed):
        share = books(replay).outage_priority_share
        assert share is not None
        assert 0.3 < share <= 1.0


def test_an_empty_car_leaves_the_house_dark_until_the_grid_is_back() -> None:
    replay = play(outage(1.0, 30.0), soc_percent=20.0)
    found = books(replay)
    assert 3.0 < found.outage_lit_hours < 15.0
    (played,) = replay.played
    assert played.weighted_kwh < played.weighted_best_kwh
    # An outage may go below the reserve.
    assert replay.books.reserve_violations == 0
    # The grid charges it again.
    assert replay.records.stored_kwh[-1] > LEAF.capacity_kwh * 0.12


def test_a_car_that_is_away_carries_nothing_and_comes_home_into_the_outage() -> None:
    trip = Trip(
        departure_s=BEGIN_S + 8.0 * HOUR_S,
        return_s=BEGIN_S + 12.0 * HOUR_S,
        energy_kwh=5.0,
        required_soc_percent=50.0,
        known_hours_before=None,
    )
    away = books(play(outage(9.0, 11.0), trips=[trip]))
    assert (away.outages, away.outages_away) == (1, 1)
    assert away.outage_served_kwh == 0.0
    assert away.outage_priority_share is None

    comes = books(play(outage(9.0, 14.0), trips=[trip]))
    assert comes.outage_lit_hours == pytest.approx(2.0, abs=0.02)
    assert comes.outage_priority_share == pytest.approx(1.0, abs=0.01)

    leaves = books(play(outage(6.0, 14.0), trips=[trip]))
    assert leaves.outage_lit_hours == pytest.approx(4.0, abs=0.02)
    assert leaves.outage_restarts == 2


def test_an_overload_trips_a_station_that_nobody_relieves() -> None:
    loads_w = [400.0] * 40 + [7500.0] * 16 + [400.0] * 40
    nobody = books(play(outage(9.0, 15.0), policy=PolicyName.NONE, loads_w=loads_w))
    assert nobody.outage_trips > 3
    relieved = books(play(outage(9.0, 15.0), loads_w=loads_w))
    # Home Assistant was up by then, and sheds before the station lets go.
    assert relieved.outage_trips == 0
    assert relieved.outage_lit_hours > nobody.outage_lit_hours + 2.0


def test_home_assistant_dies_now_and_then_and_nothing_is_forgotten() -> None:
    """It comes up in the dark, and every six hours again, from what it had saved."""
    found = books(play(outage(18.0, 44.0), habits=tiers(75.0, 60.0)))
    assert found.outage_restarts >= 4
    assert found.outage_loads_left_off == 0


def test_the_plan_lives_through_outages_too() -> None:
    house = seeded_house(3)
    begin_s = house.times_s[0]
    replay = run_replay(
        ReplayRun(
            house=house,
            contract=contract(),
            spec=LEAF,
            plan_every_s=3600.0,
            outages=[Outage(begin_s=begin_s + 3000.0, end_s=begin_s + 12_345.0)],
            habits=OutageHabits(),
        )
    )
    found = books(replay)
    assert found.outage_hours == pytest.approx(9345.0 / 3600.0)
    assert found.outage_served_kwh > 0.0


def test_the_load_in_bands() -> None:
    bands = Bands(HOUSE)
    assert bands.split(200.0) == (200.0, 0.0, 0.0)
    kept_w, comfort_w, heavy_w = bands.split(2500.0)
    assert kept_w == pytest.approx(675.0)
    assert kept_w + comfort_w == pytest.approx(1225.0)
    assert kept_w + comfort_w + heavy_w == pytest.approx(2500.0)


def test_the_load_to_come_is_that_of_the_days_before() -> None:
    outlooks = Outlooks(HOUSE)
    begin_s = BEGIN_S - BEGIN_S % 86_400.0
    for day in range(40):
        assert (outlooks.at(begin_s + day * 86_400.0) is None) is (day < 3)
        for k, load_w in enumerate(DAY_W):
            outlooks.learn(begin_s + day * 86_400.0 + k * 900.0, load_w + day)
    outlook = outlooks.at(begin_s + 40 * 86_400.0 + 6 * HOUR_S + 100.0)
    assert outlook is not None
    assert outlook.start_s == begin_s + 40 * 86_400.0 + 6 * HOUR_S
    assert len(outlook.likely_w) == 96
    # Only the last weeks count.
    assert 810.0 < outlook.low_w[0] < outlook.likely_w[0] < outlook.high_w[0] < 840.0
    assert outlook.likely_w[95] < 330.0
