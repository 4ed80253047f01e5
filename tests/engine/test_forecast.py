"""Distributions of draw and trips: from the own past, wide where that is short."""

from datetime import date

import numpy as np
import pytest

from custom_components.leaf_to_home.engine.forecast import (
    BINS,
    KEPT_DAYS,
    SLOTS,
    DrawHistory,
    Level,
    Moment,
)
from custom_components.leaf_to_home.engine.model import Departure
from custom_components.leaf_to_home.engine.plan import Absence, Floats, Hazard
from custom_components.leaf_to_home.engine.presence import (
    KEPT_DAYS as PRESENCE_DAYS,
    PresenceHistory,
)
from custom_components.leaf_to_home.engine.tariff import Tariff

MONDAY = date(2026, 11, 23).toordinal()
MONDAY_S = 1_795_392_000.0
DAY_S = 86400.0
FLAT = Tariff.flat(0.30)


def history(
    days: int, load_w: float = 600.0, solar_w: float = 0.0, *, forecast: bool = False
) -> DrawHistory:
    past = DrawHistory()
    for day in range(MONDAY - days, MONDAY):
        for slot in range(SLOTS):
            sun = solar_w * (1.0 + day % 2) if 40 <= slot < 60 else 0.0
            past.add(day, slot, load_w + slot, sun, sun if forecast else None)
    return past


def moments(count: int = 8, first: int = 0, slots: int = 1) -> list[Moment]:
    return [
        Moment(day=MONDAY, slot=first + i * slots, slots=slots) for i in range(count)
    ]


def mean(values: Floats) -> Floats:
    return np.asarray(values @ np.array(BINS))


def test_the_first_day_has_a_wide_distribution() -> None:
    values, shares = DrawHistory().bins(moments(4, 76))
    assert values.shape == (4, len(BINS))
    assert shares.sum() == pytest.approx(1.0)
    assert np.all(np.diff(values, axis=1) >= 0.0)
    assert values[0, -1] > 3.0 * values[0, 0] > 0.0
    sunny, _ = DrawHistory().bins(moments(1, 48), solar_forecast_w=np.array([3000.0]))
    assert mean(sunny)[0] < 0.0


def test_the_mean_of_the_past_is_kept() -> None:
    values, _ = history(14).bins(moments(8))
    # Neighbouring quarter-hours weigh the same on both sides; the day's first has the
    # last one beside it.
    assert mean(values)[1:] == pytest.approx(600.0 + np.arange(1, 8))


def test_steps_of_an_hour_are_means() -> None:
    values, _ = history(14).bins(moments(3, 8, slots=4))
    assert mean(values)[1] == pytest.approx(600.0 + 12.0 + 1.5)


def test_the_present_level_fades() -> None:
    past = history(14)
    ahead = np.arange(0.0, 16.0, 2.0, dtype=np.float64)
    plain = mean(past.bins(moments(8))[0])
    level = Level(load_w=1600.0, solar_w=None)
    raised = mean(past.bins(moments(8), level=level, ahead_h=ahead)[0])
    assert raised[0] > plain[0] + 500.0
    assert raised[7] == pytest.approx(plain[7], abs=1.0)
    unknown = Level(load_w=None, solar_w=None)
    same = mean(past.bins(moments(8), level=unknown, ahead_h=ahead)[0])
    assert same == pytest.approx(plain)


def test_a_home_without_a_past_leans_on_what_it_draws_now() -> None:
    ahead = np.arange(0.0, 16.0, 2.0, dtype=np.float64)
    plain = mean(DrawHistory().bins(moments(8))[0])
    level = Level(load_w=3400.0, solar_w=None)
    raised = mean(DrawHistory().bins(moments(8), level=level, ahead_h=ahead)[0])
    assert raised[0] == pytest.approx(3400.0)
    assert raised[7] == pytest.approx(plain[7], abs=1.0)
    sun = np.full(8, 2000.0)
    sunny = mean(DrawHistory().bins(moments(8), solar_forecast_w=sun)[0])
    level = Level(load_w=None, solar_w=400.0)
    clouded, _ = DrawHistory().bins(
        moments(8), level=level, ahead_h=ahead, solar_forecast_w=sun
    )
    assert mean(clouded)[0] > sunny[0] + 800.0


def test_a_clouded_sky_stays_clouded_for_a_while() -> None:
    past = history(14, solar_w=1500.0)
    ahead = np.arange(0.0, 2.0, 0.25, dtype=np.float64)
    plain = mean(past.bins(moments(8, 44))[0])
    level = Level(load_w=None, solar_w=200.0)
    clouded = mean(past.bins(moments(8, 44), level=level, ahead_h=ahead)[0])
    assert np.all(clouded > plain + 500.0)


def test_a_forecast_finds_the_days_that_were_alike() -> None:
    past = history(20, solar_w=1500.0, forecast=True)
    bright, _ = past.bins(moments(1, 48), solar_forecast_w=np.array([3000.0]))
    dull, _ = past.bins(moments(1, 48), solar_forecast_w=np.array([1500.0]))
    assert mean(bright)[0] < mean(dull)[0] - 1000.0


def test_the_first_days_with_a_forecast_do_not_count_alone() -> None:
    past = DrawHistory()
    for day in range(1, 21):
        said_w = 3000.0 if day == 20 else None
        sun_w = 3000.0 if day % 2 else 1000.0
        for slot in range(96):
            past.add(MONDAY - 21 + day, slot, 0.0, sun_w, said_w)
    unsaid, _ = past.bins(moments(1, 48))
    said, _ = past.bins(moments(1, 48), solar_forecast_w=np.array([3000.0]))
    # One such day, on which the sun gave little: more of that, and still both.
    assert mean(unsaid)[0] + 50.0 < mean(said)[0] < -1500.0


def test_other_types_of_day_weigh_less() -> None:
    past = DrawHistory()
    for day in range(MONDAY - 14, MONDAY):
        busy = date.fromordinal(day).weekday() >= 5
        for slot in range(SLOTS):
            past.add(day, slot, 2000.0 if busy else 500.0)
    saturday = [Moment(day=MONDAY + 5, slot=40)]
    assert mean(past.bins(moments(1, 40))[0])[0] < 900.0
    assert mean(past.bins(saturday)[0])[0] > 1000.0


def test_only_so_many_days_are_kept_and_stored() -> None:
    past = history(KEPT_DAYS + 5)
    assert past.days == KEPT_DAYS
    again = DrawHistory.from_dict(past.to_dict())
    assert again.days == KEPT_DAYS
    assert again.bins(moments())[0] == pytest.approx(past.bins(moments())[0])
    assert DrawHistory.from_dict(None).days == 0
    assert DrawHistory.from_dict({"load": {"1": [1.0]}, "solar": 3}).days == 0


def drive(
    presence: PresenceHistory,
    day: int,
    *,
    hour: float = 8.0,
    lasting_h: float = 9.0,
    kwh: float = 6.0,
    announced_h: float | None = None,
) -> None:
    """Let a car be home all day but for one trip."""
    begin_s = MONDAY_S + day * DAY_S
    for quarter in range(96):
        now_s = begin_s + quarter * 900.0
        away = hour <= quarter / 4.0 < hour + lasting_h
        before_h = hour - quarter / 4.0
        known = announced_h is not None and 0.0 < before_h <= announced_h
        presence.hear(
            FLAT,
            now_s,
            connected=not away,
            stored_kwh=30.0 if quarter / 4.0 <= hour else 30.0 - kwh,
            announced=(
                [Departure(time_s=begin_s + hour * 3600.0, soc_percent=60.0)]
                if known
                else []
            ),
        )


def hazard_of(
    presence: PresenceHistory, day: int, absences: tuple[Absence, ...] = ()
) -> Hazard:
    starts_s = np.asarray(
        MONDAY_S + day * DAY_S + np.arange(97) * 900.0, dtype=np.float64
    )
    return presence.hazard(
        FLAT,
        starts_s,
        now_s=float(starts_s[0]),
        capacity_kwh=36.0,
        soc_percent=70.0,
        absences=absences,
    )


def test_trips_are_learnt_from_comings_and_goings() -> None:
    presence = PresenceHistory()
    for day in range(5):
        drive(presence, day)
    assert len(presence.trips) == 5
    assert presence.trips[0].energy_kwh == pytest.approx(6.0)
    assert presence.trips[0].lasted_s == pytest.approx(9 * 3600.0)
    hazard = hazard_of(presence, 7)
    # On the next Monday it leaves around eight, and hardly at noon.
    assert hazard.leaving[31:34].sum() > 0.4
    assert hazard.leaving[48] < 0.05
    assert hazard.unasked[32] > 0.5 * hazard.leaving[32]
    kwh, chances = presence.energies(FLAT, MONDAY_S + 8 * 3600.0, 36.0)
    assert float(kwh @ chances) == pytest.approx(6.0, abs=0.7)


def test_a_car_that_leaves_every_day_is_nearly_sure_to_leave() -> None:
    presence = PresenceHistory()
    for day in range(20):
        drive(presence, day)
    hazard = hazard_of(presence, 21)
    # What is still there at half past eight has hardly ever been seen.
    assert 1.0 - float(np.prod(1.0 - hazard.leaving[:35])) > 0.85
    assert hazard.leaving[33] > hazard.leaving[31]


def test_a_habit_that_has_changed_is_forgotten() -> None:
    presence = PresenceHistory()
    for day in range(42):
        drive(presence, day, kwh=12.0)
    for day in range(42, 70):
        drive(presence, day, hour=13.0, kwh=4.0, lasting_h=3.0)
    hazard = hazard_of(presence, 70)
    # Four weeks on it is the new hour that counts, and what trips take now.
    assert hazard.leaving[51:55].sum() > 2.0 * hazard.leaving[31:35].sum()
    kwh, chances = presence.energies(FLAT, MONDAY_S + 70 * DAY_S, 36.0)
    assert float(kwh @ chances) < 7.0
    for day in range(70, 98):
        drive(presence, day, hour=13.0, kwh=4.0, lasting_h=3.0)
    hazard = hazard_of(presence, 98)
    # After eight weeks the old one is gone.
    assert hazard.leaving[31:35].sum() < 0.15
    kwh, chances = presence.energies(FLAT, MONDAY_S + 98 * DAY_S, 36.0)
    assert float(kwh @ chances) == pytest.approx(4.0, abs=0.7)


def test_days_before_teach_as_days_that_were_watched() -> None:
    watched, told = PresenceHistory(), PresenceHistory()
    for day in range(10):
        drive(watched, day, announced_h=12.0)
    days = [MONDAY + day for day in range(10)]
    told.look_back(days, watched.trips)
    assert told.trips == watched.trips
    one, other = hazard_of(watched, 12), hazard_of(told, 12)
    assert one.leaving == pytest.approx(other.leaving, abs=0.05)
    assert one.kinds == other.kinds


def test_what_announcements_ask_for_is_learnt() -> None:
    presence = PresenceHistory()
    for day in range(5):
        drive(presence, day, announced_h=6.0)
    workday = hazard_of(presence, 7).kinds[0]
    assert workday.asked_percent == pytest.approx(60.0)
    assert workday.notice_s == pytest.approx(6 * 3600.0, abs=900.0)
    # Nobody ever asked for anything: what the user wishes.
    assert hazard_of(PresenceHistory(), 0).kinds[0].asked_percent == 70.0


def test_a_car_nobody_knows_may_leave_by_day() -> None:
    hazard = hazard_of(PresenceHistory(), 0)
    assert hazard.leaving[8] == 0.0
    assert hazard.leaving[40] > 0.0
    kwh, chances = PresenceHistory().energies(FLAT, MONDAY_S, 36.0)
    assert kwh[0] < kwh[-1]
    assert chances.sum() == pytest.approx(1.0)


def test_who_announces_trips_is_not_expected_to_leave_unasked() -> None:
    presence = PresenceHistory()
    for day in range(5):
        drive(presence, day, announced_h=6.0)
    assert presence.trips[0].notice_h == pytest.approx(6.0)
    hazard = hazard_of(presence, 7)
    assert hazard.unasked[32] < 0.1 * hazard.leaving[32]
    trip = Absence(
        departure_s=MONDAY_S + 7 * DAY_S + 8 * 3600.0,
        back_s=MONDAY_S + 7 * DAY_S + 17 * 3600.0,
        soc_percent=50.0,
    )
    assert hazard_of(presence, 7, (trip,)).leaving[32] == 0.0


def test_an_announcement_that_nobody_took_up_is_left_behind() -> None:
    """A calendar tells of a trip a day, for years, to a car that stays."""
    told, untold = PresenceHistory(), PresenceHistory()
    trip = Departure(time_s=MONDAY_S + 8 * 3600.0, soc_percent=60.0)
    for hour in (0.0, 7.0, 10.0):
        for presence, trips in ((told, [trip] if hour < 8.0 else []), (untold, [])):
            presence.hear(
                FLAT,
                MONDAY_S + hour * 3600.0,
                connected=True,
                stored_kwh=20.0,
                announced=trips,
            )
        same = hazard_of(told, 7).unasked == pytest.approx(hazard_of(untold, 7).unasked)
        assert same == (hour > 8.0)


def test_presence_survives_storing() -> None:
    presence = PresenceHistory()
    for day in range(PRESENCE_DAYS + 3):
        drive(presence, day)
    presence.hear(FLAT, MONDAY_S + 70 * DAY_S, connected=True, stored_kwh=20.0)
    presence.hear(FLAT, MONDAY_S + 70 * DAY_S + 900.0, connected=False, stored_kwh=20.0)
    again = PresenceHistory.from_dict(presence.to_dict())
    assert [trip.day for trip in again.trips] == [trip.day for trip in presence.trips]
    again.hear(FLAT, MONDAY_S + 70 * DAY_S + 9000.0, connected=True, stored_kwh=18.0)
    assert again.trips[-1].energy_kwh == pytest.approx(2.0)
    assert PresenceHistory.from_dict(None).trips == []


def test_what_is_not_known_is_not_learnt() -> None:
    presence = PresenceHistory()
    presence.hear(FLAT, MONDAY_S, connected=None, stored_kwh=None)
    presence.hear(FLAT, MONDAY_S, connected=False, stored_kwh=None)
    presence.hear(FLAT, MONDAY_S + 900.0, connected=True, stored_kwh=20.0)
    assert presence.trips == []
