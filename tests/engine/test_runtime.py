"""How long what is stored lasts."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.battery import LossCurve
from custom_components.leaf_to_home.engine.outage_model import LoadOutlook, Runtime
from custom_components.leaf_to_home.engine.runtime import (
    BUSY_SHARE,
    CALM_SHARE,
    Store,
    estimate,
)
from tests.engine.loop import LEAF, START_S

LOSSLESS = replace(LEAF, discharge_loss=LossCurve(), charge_loss=LossCurve())
TEN = Store(spec=LOSSLESS, usable_kwh=10.0, room_kwh=5.0)


def lasting(
    *stores: Store, outlook: LoadOutlook | None = None, **values: Any
) -> Runtime | None:
    told: dict[str, Any] = {
        "recent_w": 1000.0,
        "carried": False,
        "shed_w": {},
        "on_w": {},
    }
    return estimate(stores or (TEN,), outlook, now_s=START_S, **told | values)


def flat(load_w: float, hours: int = 24, **values: Any) -> LoadOutlook:
    same = (load_w,) * hours
    shape: dict[str, Any] = {"low_w": same, "likely_w": same, "high_w": same}
    return LoadOutlook(start_s=START_S, step_s=3600.0, **shape | values)


def test_what_is_not_known_gives_no_runtime() -> None:
    assert estimate((), None, 500.0, START_S, carried=False, shed_w={}, on_w={}) is None
    assert lasting(recent_w=None) is None
    assert lasting(recent_w=None, outlook=flat(1.0, hours=0)) is None
    assert lasting(recent_w=None, outlook=replace(flat(1.0), step_s=0.0)) is None


def test_without_an_outlook_the_recent_load_counts_widely() -> None:
    runtime = lasting()
    assert runtime is not None
    assert runtime.likely_h == pytest.approx(10.0)
    assert runtime.low_h == pytest.approx(10.0 / BUSY_SHARE)
    assert runtime.high_h == pytest.approx(10.0 / CALM_SHARE)
    assert runtime.usable_kwh == 10.0


def test_losses_and_what_the_car_draws_count() -> None:
    runtime = lasting(Store(spec=LEAF, usable_kwh=10.0, room_kwh=0.0, own_w=200.0))
    assert runtime is not None
    assert runtime.likely_h == pytest.approx(1e4 / (1000.0 + 80.0 + 30.0 + 4.0 + 200.0))


def test_several_share_the_load() -> None:
    runtime = lasting(TEN, TEN)
    assert runtime is not None
    assert runtime.likely_h == pytest.approx(20.0)


def test_the_outlook_is_followed_and_its_last_day_goes_on() -> None:
    evening = (500.0,) * 12 + (1500.0,) * 12
    runtime = lasting(
        Store(spec=LOSSLESS, usable_kwh=30.0, room_kwh=0.0),
        outlook=flat(
            500.0,
            low_w=(250.0,) * 24,
            likely_w=evening,
            high_w=(3000.0,) * 24,
        ),
    )
    assert runtime is not None
    assert runtime.low_h == pytest.approx(10.0)
    # 24 kWh a day, and 6 of the second one by its noon.
    assert runtime.likely_h == pytest.approx(36.0)
    assert runtime.high_h == pytest.approx(120.0)


def test_a_house_that_is_carried_is_taken_as_it_is() -> None:
    runtime = lasting(recent_w=500.0, carried=True, outlook=flat(1000.0))
    assert runtime is not None
    assert runtime.likely_h == pytest.approx(20.0)


def test_what_lasts_for_good_has_no_end() -> None:
    runtime = lasting(recent_w=1.0, on_w={"comfort": 1.0})
    assert runtime is not None
    assert (runtime.low_h, runtime.likely_h, runtime.high_h) == (None, None, None)
    assert runtime.tier_gain_h == {}
    full = lasting(Store(spec=LOSSLESS, usable_kwh=0.0, room_kwh=1.0), recent_w=0.0)
    assert full is not None
    assert full.low_h == 0.0


def test_the_sun_fills_only_a_station_that_takes_it() -> None:
    sunny = flat(1000.0, solar_w=(0.0,) * 6 + (3000.0,) * 6 + (0.0,) * 12)
    dark = lasting(TEN, outlook=sunny)
    assert dark is not None
    assert dark.likely_h == pytest.approx(10.0)
    lit = lasting(replace(TEN, solar=True), outlook=sunny)
    assert lit is not None
    # Six hours of the night before, a full battery, and all of that.
    assert lit.likely_h == pytest.approx(12.0 + 15.0)
    assert lit.low_h is not None
    assert lit.low_h < 27.0


def test_each_tier_says_what_it_adds() -> None:
    runtime = lasting(on_w={"comfort": 500.0}, shed_w={"work": 1000.0})
    assert runtime is not None
    assert runtime.tier_gain_h["comfort"] == pytest.approx(10.0)
    assert runtime.tier_gain_h["work"] == pytest.approx(5.0)
    all_of_it = lasting(on_w={"comfort": 1000.0})
    assert all_of_it is not None
    assert all_of_it.tier_gain_h["comfort"] == pytest.approx(7 * 24 - 10.0)
