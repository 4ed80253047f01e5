"""The words of the engine."""

import pytest

from custom_components.leaf_to_home.engine.model import (
    NativeMode,
    Reading,
    Reason,
    ReasonCode,
    Sample,
    Setpoint,
)

HOLD = Reason(code=ReasonCode.USER_HOLD)
OTHER = Reason(code=ReasonCode.RESERVE, values={"soc_percent": 30.0})


@pytest.mark.parametrize(
    ("age_s", "fresh"),
    [(0.0, True), (30.0, True), (30.1, False), (-5.0, True), (-3600.0, False)],
    ids=["now", "just", "old", "ahead", "from another clock"],
)
def test_what_is_old_or_of_the_future_does_not_count(age_s: float, fresh: bool) -> None:
    now_s = 1e9
    sample = Sample(value=1.0, time_s=now_s - age_s, max_age_s=30.0)
    assert sample.fresh(now_s) is fresh
    assert Reading(time_s=now_s - age_s, max_age_s=30.0).fresh(now_s) is fresh


def test_a_set_point_asks_the_same_for_whatever_reason() -> None:
    here = Setpoint(power_w=0.0, reason=HOLD)
    assert here.same_command(Setpoint(power_w=0.0, reason=OTHER))
    assert not here.same_command(Setpoint(power_w=100.0, reason=HOLD))
    follow = Setpoint(power_w=0.0, reason=HOLD, native=NativeMode.FOLLOW)
    assert not here.same_command(follow)
    assert not here.same_command(None)
