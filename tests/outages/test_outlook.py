"""The load to come, as the engine's runtime wants it."""

from datetime import UTC, date, datetime
from typing import Any

from homeassistant.core import HomeAssistant
import pytest

from custom_components.leaf_to_home.engine.model import Inputs
from custom_components.leaf_to_home.engine.quarters import QUARTER_S
from custom_components.leaf_to_home.site import build_site
from custom_components.leaf_to_home.workshop import Workshop
from tests.conftest import OPTIONS

NOW_S = datetime(2026, 11, 23, 2, 7, tzinfo=UTC).timestamp()


def outlook(hass: HomeAssistant, *, days: int, **inputs: Any) -> Any:
    workshop = Workshop({})
    site = build_site(hass, {}, OPTIONS)
    # Every second day draws three times as much.
    today = date.fromisoformat(site.tariff.day_minute(NOW_S)[0]).toordinal()
    for day in range(days):
        for slot in range(96):
            load_w = 900.0 if day % 2 else 300.0
            workshop._past.draw.add(today - 1 - day, slot, load_w)
    return workshop._outlook(Inputs(site=site, units={}, **inputs), NOW_S)


async def test_low_likely_and_high_of_each_quarter_hour(hass: HomeAssistant) -> None:
    found = outlook(hass, days=20)
    assert found.start_s == NOW_S - NOW_S % QUARTER_S
    assert len(found.low_w) == len(found.likely_w) == len(found.high_w) == 96
    assert found.low_w[0] == pytest.approx(300.0, abs=60.0)
    assert found.high_w[0] == pytest.approx(900.0, abs=60.0)
    assert all(
        low <= likely <= high
        for low, likely, high in zip(
            found.low_w, found.likely_w, found.high_w, strict=True
        )
    )


async def test_nothing_is_said_where_nothing_is_known(hass: HomeAssistant) -> None:
    assert outlook(hass, days=0) is None
    assert outlook(hass, days=20, has_solar=True) is None, "the sun hides the load"
