"""The breaker, the demand window and what they leave."""

from typing import Any

import pytest

from custom_components.leaf_to_home.engine.limits import (
    MARGIN,
    MONTHS_KEPT,
    PEAKS_KEPT,
    allowed_import_w,
    free_level_w,
    main_limit_w,
    main_room_w,
    month_peak_w,
    remember_draw,
    soft_limit_w,
    track_window,
    window_figures,
    window_minutes,
    worst_draw_w,
)
from custom_components.leaf_to_home.engine.model import CapacityTariff, Sample, Site
from custom_components.leaf_to_home.engine.state import HomeSettings, HomeState
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import START_S
from tests.engine.parts import inputs

BELGIUM = CapacityTariff(price_per_kw_month=4.5, free_kw=2.5, peaks_averaged=2)


def site(zone: str = "UTC", **values: Any) -> Site:
    return Site(tariff=Tariff.flat(0.3, timezone=zone), **values)


def home(import_limit_w: float | None = None) -> HomeState:
    return HomeState(settings=HomeSettings(import_limit_w=import_limit_w))


def draw(
    state: HomeState, where: Site, power_w: float | None, minutes: float, at_s: float
) -> float:
    """Draw a power for a time; return when it ended."""
    track_window(state, where, power_w, at_s, at_s + minutes * 60.0)
    return at_s + minutes * 60.0


@pytest.mark.parametrize(
    ("zone", "minutes", "into_min"),
    [
        ("UTC", 15, 8.0),
        ("UTC", 30, 23.0),
        ("UTC", 60, 53.0),
        ("Asia/Kolkata", 60, 23.0),
        ("Asia/Kolkata", 30, 23.0),
        ("Asia/Kathmandu", 30, 8.0),
        ("Asia/Kathmandu", 60, 38.0),
    ],
)
def test_windows_lie_on_the_local_clock(
    zone: str, minutes: int, into_min: float
) -> None:
    state, where = home(), site(zone, window_min=minutes)
    at_s = START_S + 53 * 60.0 + 0.25
    draw(state, where, 1000.0, 0.1, at_s)
    assert state.window.start_s == at_s - into_min * 60.0 - 0.25


def test_a_capacity_tariff_has_its_own_window() -> None:
    assert window_minutes(site(window_min=60)) == 60
    assert window_minutes(site(window_min=60, capacity=BELGIUM)) == 15


def test_the_mean_of_a_window_and_not_its_highest_moment_counts() -> None:
    state, where = home(), site(capacity=BELGIUM)
    at_s = draw(state, where, 10_000.0, 3.0, START_S)
    at_s = draw(state, where, 0.0, 12.0, at_s)
    assert state.window.peaks_w == {"2026-11": [2000.0]}
    assert state.window.start_s == at_s
    assert state.window.energy_kwh == state.window.measured_s == 0.0


def test_export_does_not_pay_for_import() -> None:
    state, where = home(), site(window_min=15)
    at_s = draw(state, where, 4000.0, 7.5, START_S)
    draw(state, where, -4000.0, 7.5, at_s)
    assert state.window.peaks_w["2026-11"] == [2000.0]


def test_one_long_step_fills_several_windows() -> None:
    state, where = home(), site(window_min=15)
    draw(state, where, 3000.0, 52.0, START_S)
    assert state.window.peaks_w["2026-11"] == [3000.0] * 3
    assert state.window.measured_s == pytest.approx(7 * 60.0)
    assert state.window.energy_kwh == pytest.approx(3.0 * 7.0 / 60.0)


def test_a_window_that_was_hardly_measured_says_nothing() -> None:
    state, where = home(1000.0), site(window_min=15)
    at_s = draw(state, where, 9000.0, 13.0, START_S)
    at_s = draw(state, where, None, 2.0, at_s)
    assert state.window.peaks_w == {}
    at_s = draw(state, where, 9000.0, 14.0, at_s)
    draw(state, where, None, 1.0, at_s)
    assert state.window.peaks_w["2026-11"] == [pytest.approx(9000.0)]
    assert state.window.missed == 1


def test_a_window_above_the_limit_is_counted_as_missed() -> None:
    state, where = home(2000.0), site(window_min=15)
    at_s = draw(state, where, 2000.0, 15.0, START_S)
    assert state.window.missed == 0
    draw(state, where, 2001.0, 15.0, at_s)
    assert state.window.missed == 1


def test_the_highest_windows_of_a_month_are_kept_and_of_a_year() -> None:
    state, where = home(), site(window_min=15)
    at_s = START_S
    for number in range(PEAKS_KEPT + 3):
        at_s = draw(state, where, 100.0 * number, 15.0, at_s)
    kept = state.window.peaks_w["2026-11"]
    assert kept == sorted(kept, reverse=True)
    assert (len(kept), kept[0]) == (PEAKS_KEPT, 1400.0)
    for _ in range(MONTHS_KEPT + 2):
        at_s += 31 * 86400.0
        at_s = draw(state, where, 100.0, 15.0, at_s - at_s % 900.0)
    assert len(state.window.peaks_w) == MONTHS_KEPT
    assert "2026-11" not in state.window.peaks_w


def test_the_months_peak_is_the_mean_of_what_the_contract_counts() -> None:
    state = home()
    assert month_peak_w(state, site(), START_S) is None
    state.window.peaks_w = {"2026-11": [5000.0, 4000.0, 1000.0]}
    assert month_peak_w(state, site(), START_S) == 5000.0
    assert month_peak_w(state, site(capacity=BELGIUM), START_S) == 4500.0
    assert month_peak_w(state, site(), START_S + 10 * 86400.0) is None


@pytest.mark.parametrize(
    ("peaks", "limit_w", "soft_w"),
    [
        ({}, None, 2500.0),
        ({"2026-11": [4000.0, 3000.0]}, None, 3000.0),
        ({"2026-11": [4000.0]}, None, 1000.0),
        ({"2026-11": [3200.0, 300.0]}, None, 1800.0),
        ({"2026-10": [5000.0, 3000.0], "2026-09": [9000.0]}, None, 4000.0),
        ({"2026-11": [4000.0, 3000.0]}, 2000.0, 2000.0),
        ({"2026-11": [4000.0, 3000.0]}, 9000.0, 3000.0),
    ],
    ids=[
        "free",
        "paid this month",
        "one more to come",
        "two below the free part",
        "paid last month",
        "limit",
        "paid below limit",
    ],
)
def test_what_was_paid_for_already_is_free(
    peaks: dict[str, list[float]], limit_w: float | None, soft_w: float
) -> None:
    state = home(limit_w)
    state.window.peaks_w = peaks
    assert soft_limit_w(state, site(capacity=BELGIUM), START_S) == soft_w


@pytest.mark.parametrize("free_kw", [0.0, 2.5])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    "peaks", [[], [300.0], [6000.0, 1000.0, 1000.0], [3000.0, 2900.0, 2000.0, 1500.0]]
)
def test_windows_at_the_free_level_raise_no_charge_and_above_it_they_do(
    peaks: list[float], count: int, free_kw: float
) -> None:
    """However often it is reached, so that it does not creep up to the highest one."""
    capacity = CapacityTariff(
        price_per_kw_month=4.5, free_kw=free_kw, peaks_averaged=count
    )
    state, where = home(), site(capacity=capacity)
    state.window.peaks_w = {"2026-11": peaks}

    def charged_kw(more_w: float) -> float:
        all_w = sorted([*peaks, *[more_w] * count], reverse=True)[:count]
        return max(0.0, sum(all_w) / count / 1e3 - free_kw)

    level_w = free_level_w(state, where, START_S)
    assert charged_kw(level_w) == pytest.approx(charged_kw(0.0))
    assert charged_kw(level_w + 60.0) >= charged_kw(0.0) + 0.0199


def test_without_a_free_part_a_new_capacity_tariff_limits_nothing_yet() -> None:
    capacity = CapacityTariff(price_per_kw_month=4.5)
    assert soft_limit_w(home(), site(capacity=capacity), START_S) is None
    assert soft_limit_w(home(900.0), site(capacity=capacity), START_S) == 900.0
    assert soft_limit_w(home(), site(), START_S) is None
    assert allowed_import_w(home(), site(), START_S) is None


def test_what_the_window_still_bears() -> None:
    where = site(window_min=30)
    state = home(4000.0)
    keep_w = 4000.0 * (1.0 - MARGIN)
    assert allowed_import_w(state, where, START_S) == keep_w
    at_s = draw(state, where, keep_w, 10.0, START_S)
    assert allowed_import_w(state, where, at_s) == pytest.approx(keep_w)
    at_s = draw(state, where, 0.0, 5.0, at_s)
    assert allowed_import_w(state, where, at_s) == pytest.approx(keep_w * 4.0 / 3.0)
    at_s = draw(state, where, 12_000.0, 10.0, at_s)
    spent = keep_w * 10.0 + 12_000.0 * 10.0
    assert allowed_import_w(state, where, at_s) == pytest.approx(
        (keep_w * 30.0 - spent) / 5.0
    )
    average_w, left_w = window_figures(state, where, at_s)
    assert average_w == pytest.approx(spent / 25.0)
    assert left_w == 0.0
    after_s = at_s + 5 * 60.0
    assert allowed_import_w(state, where, after_s) == keep_w, "nothing known of it"


def test_the_end_of_a_window_does_not_allow_anything() -> None:
    where, state = site(window_min=30), home(4000.0)
    at_s = draw(state, where, 0.0, 29.9, START_S)
    assert allowed_import_w(state, where, at_s) == pytest.approx(7920.0)


def test_what_was_not_measured_counts_as_drawn_at_the_limit() -> None:
    where, state = site(window_min=30), home(4000.0)
    at_s = draw(state, where, None, 15.0, START_S)
    assert allowed_import_w(state, where, at_s) == pytest.approx(3960.0)
    average_w, left_w = window_figures(state, where, at_s)
    assert average_w is None
    assert left_w == pytest.approx(3960.0)


def test_without_a_window_there_is_nothing_to_show() -> None:
    assert window_figures(home(), site(), START_S) == (None, None)


def test_the_highest_draw_of_each_hour_of_a_day_is_remembered() -> None:
    state = home()
    assert worst_draw_w(state, START_S) is None
    hour = int(START_S // 3600)
    for minute, draw_w in ((0, 500.0), (10, 3000.0), (20, 700.0), (60, -200.0)):
        remember_draw(state, inputs(), draw_w, 0.0, START_S + minute * 60.0)
    assert state.load_peaks_w == [(hour, 3000.0), (hour + 1, -200.0)]
    later_s = START_S + 22 * 3600.0
    assert worst_draw_w(state, later_s) is None, "less than a day proves nothing"
    assert worst_draw_w(state, later_s + 3600.0) == 3000.0
    for hours in (24, 47):
        remember_draw(state, inputs(), 100.0, 0.0, START_S + hours * 3600.0)
    assert worst_draw_w(state, START_S + 47 * 3600.0) == 100.0


def test_the_fullest_phase_of_each_hour_is_remembered() -> None:
    """All that the units give is taken to be on it, as where room is looked for."""
    state = HomeState()
    hour = int(START_S // 3600)
    given = inputs(phases=(phase(900.0), phase(2500.0), phase(-100.0)))
    remember_draw(state, given, 1300.0, -2000.0, START_S)
    assert state.phase_peaks_w == [(hour, 500.0)]
    remember_draw(state, given, 3300.0, 0.0, START_S + 9.0)
    assert state.phase_peaks_w == [(hour, 2500.0)]
    late = inputs(phases=(phase(900.0), phase(9500.0, age_s=60.0)))
    remember_draw(state, late, 9000.0, 0.0, START_S)
    assert state.phase_peaks_w == [(hour, 2500.0)]


def phase(value: float, age_s: float = 0.0) -> Sample:
    return Sample(value=value, time_s=START_S - age_s)


def room(draw_w: float | None, unit_w: float = 0.0, **values: Any) -> float | None:
    phases = values.pop("phases", ())
    given = inputs(site=site(**values), phases=phases)
    return main_room_w(given, draw_w, unit_w, START_S)


def test_room_below_the_main_limit() -> None:
    assert main_limit_w(site()) is None
    assert room(5000.0) is None
    assert room(5000.0, main_limit_w=10_000.0) == pytest.approx(4900.0)
    assert room(11_000.0, main_limit_w=10_000.0) == pytest.approx(-1100.0)
    assert room(None, main_limit_w=10_000.0) == 0.0, "nothing known, nothing charged"


def test_the_fullest_phase_decides() -> None:
    phases = (phase(1000.0), phase(4000.0), phase(-500.0))
    limits: dict[str, Any] = {"phase_limit_w": 5000.0, "phases": phases}
    assert room(4500.0, **limits) == pytest.approx(950.0)
    assert room(4500.0, -3000.0, **limits) == pytest.approx(3950.0)
    assert room(4500.0, main_limit_w=5000.0, **limits) == pytest.approx(450.0)


@pytest.mark.parametrize(
    "phases",
    [(), (phase(1000.0), None), (phase(1000.0), phase(0.0, 31.0))],
    ids=["none", "one lost", "one old"],
)
def test_what_the_phases_do_not_say_may_all_be_on_one(
    phases: tuple[Sample | None, ...],
) -> None:
    limits: dict[str, Any] = {
        "phase_limit_w": 5000.0,
        "main_limit_w": 15_000.0,
        "phases": phases,
    }
    assert room(1000.0, **limits) == pytest.approx(3950.0)
    assert room(7000.0, **limits) == 0.0, "which is no reason to discharge"
    assert room(None, **limits) == 0.0
