"""Solar forecasts as mean powers of steps."""

import numpy as np
import pytest

from custom_components.leaf_to_home.engine.solar_outlook import SolarOutlook

HOUR_S = 3600.0


def test_without_a_forecast_nothing_is_said() -> None:
    steps_s = np.array([0.0, HOUR_S])
    assert SolarOutlook().mean_w(steps_s) is None
    assert SolarOutlook(forecasts=({},)).mean_w(steps_s) is None


def test_an_energy_is_that_of_the_time_that_begins() -> None:
    outlook = SolarOutlook(forecasts=({0.0: 100.0, HOUR_S: 500.0, 2 * HOUR_S: 300.0},))
    means_w = outlook.mean_w(np.array([0.0, 1800.0, 5400.0, 9000.0]))
    assert means_w is not None
    assert means_w.tolist() == pytest.approx([100.0, 300.0, 400.0])


def test_half_hours_and_nights_are_what_they_are() -> None:
    day = {0.0: 100.0, 1800.0: 200.0, 3600.0: 100.0, 86400.0: 50.0}
    outlook = SolarOutlook(forecasts=(day,))
    means_w = outlook.mean_w(np.array([0.0, 1800.0, 5400.0, 86400.0, 88200.0]))
    assert means_w is not None
    assert means_w.tolist() == pytest.approx([200.0, 300.0, 0.0, 100.0])


def test_a_day_that_begins_with_nothing_at_sunrise_tells_of_the_time_before() -> None:
    day = {1234.0: 0.0, HOUR_S: 40.0, 2 * HOUR_S: 400.0, 2 * HOUR_S + 777.0: 50.0}
    outlook = SolarOutlook(forecasts=(day,))
    means_w = outlook.mean_w(np.array([0.0, HOUR_S, 2 * HOUR_S, 3 * HOUR_S]))
    assert means_w is not None
    assert means_w.tolist() == pytest.approx([40.0, 400.0, 50.0])


def test_several_roofs_add_up_as_far_as_all_of_them_are_told() -> None:
    one = {0.0: 100.0, HOUR_S: 100.0}
    other = {0.0: 50.0, HOUR_S: 50.0, 2 * HOUR_S: 50.0}
    means_w = SolarOutlook(forecasts=(one, other)).mean_w(
        HOUR_S * np.arange(5, dtype=np.float64)
    )
    assert means_w is not None
    assert means_w[:2].tolist() == [150.0, 150.0]
    assert np.isnan(means_w[2:]).all()


def test_a_single_energy_is_that_of_an_hour() -> None:
    means_w = SolarOutlook(forecasts=({0.0: 80.0},)).mean_w(np.array([0.0, HOUR_S]))
    assert means_w is not None
    assert means_w.tolist() == [80.0]
