"""A reserve that is raised for what may come."""

from dataclasses import replace

import pytest

from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Inputs,
    IslandingStart,
    ReasonCode,
)
from custom_components.leaf_to_home.engine.outage_model import Watch, WatchSource
from custom_components.leaf_to_home.engine.state import HomeState
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from custom_components.leaf_to_home.engine.tariff import Tariff
from tests.engine.loop import EVENING_PEAK, LEAF, START_S, Loop, Row, site_with
from tests.engine.parts import home, inputs, known

DAY_S = 86400.0


def able(given: Inputs) -> Inputs:
    """Let the leaf carry the house in an outage."""
    units = {
        key: replace(
            unit,
            capabilities=replace(unit.capabilities, islanding=IslandingStart.BY_ITSELF),
        )
        for key, unit in given.units.items()
    }
    return replace(given, units=units)


def watching(**values: float | None) -> Loop:
    """Return a loop whose user watches; the night is cheap from 23:00 on."""
    loop = Loop(site=site_with(EVENING_PEAK), adjust=able, tick_s=60.0)
    raised: dict[str, float | None] = {
        "reserve_percent": 80.0,
        "until_s": START_S + DAY_S,
    }
    loop.change_home(watch=Watch(**raised | values))  # type: ignore[arg-type]
    return loop


def charging(rows: list[Row]) -> list[float]:
    return [row.time_s for row in rows if row.unit_w < -500.0]


def test_a_watch_that_is_needed_at_once_is_charged_for_at_any_price() -> None:
    loop = watching()
    rows = loop.run(7200.0, lambda _: 1000.0)
    assert charging(rows)[0] <= 400.0
    assert rows[-1].soc_percent == pytest.approx(81.0, abs=0.6)
    told = {row.decision.units["leaf"].reason.code for row in rows}
    assert ReasonCode.WATCH in told
    outage = rows[-1].decision.outage
    assert outage is not None
    assert outage.watch is not None
    assert outage.watch.source is WatchSource.USER
    assert not any(row.unit_w > 0.0 for row in rows), "nothing of it is used"


def test_a_watch_that_has_time_waits_for_the_cheap_hours() -> None:
    loop = watching(needed_s=START_S + 11 * 3600.0)
    rows = loop.run(12 * 3600.0, lambda _: 1000.0)
    assert charging(rows)[0] >= 5 * 3600.0, "the night begins at 23:00"
    ready = next(row for row in rows if row.time_s >= 11 * 3600.0)
    assert ready.soc_percent >= 80.0
    assert not any(row.unit_w > 0.0 for row in rows[: 5 * 60])


def test_a_watch_without_time_for_cheap_hours_is_met_all_the_same() -> None:
    loop = watching(needed_s=START_S + 3 * 3600.0)
    rows = loop.run(3 * 3600.0, lambda _: 1000.0)
    assert rows[-1].soc_percent >= 80.0


def test_a_watch_ends_by_itself() -> None:
    loop = watching(reserve_percent=60.0, until_s=START_S + 1800.0)
    rows = loop.run(3600.0, lambda _: 2000.0)
    assert loop.state.settings.watch is None
    assert loop.leaf.reserve_percent == 30.0
    outage = rows[-1].decision.outage
    assert outage is not None
    assert outage.watch is None
    assert rows[-1].unit_w > 0.0


def test_what_was_charged_for_a_watch_is_kept_and_not_charged_again_and_again() -> None:
    loop = watching(reserve_percent=69.0)
    rows = loop.run(7200.0, lambda _: 1000.0)
    assert not charging(rows)
    assert not any(row.unit_w > 0.0 and row.soc_percent < 69.9 for row in rows)


def test_the_highest_watch_rules_and_the_first_need_of_all() -> None:
    state = home()
    state.settings = replace(
        state.settings, watch=Watch(reserve_percent=50.0, until_s=START_S + 60.0)
    )
    given = able(
        inputs(
            watches=(
                Watch(
                    reserve_percent=99.0,
                    until_s=START_S + 600.0,
                    needed_s=START_S + 300.0,
                    source=WatchSource.CALENDAR,
                ),
                Watch(reserve_percent=100.0, until_s=START_S - 1.0),
            )
        )
    )
    state, decision = step(state, given, START_S)
    assert decision.outage is not None
    assert decision.outage.watch == Watch(
        reserve_percent=99.0,
        until_s=START_S + 600.0,
        source=WatchSource.CALENDAR,
    )
    leaf = state.units["leaf"]
    assert leaf.reserve_percent == LEAF.max_soc_percent, "no more than there can be"
    stored = from_dict(HomeState, to_dict(state))
    assert stored.settings.watch == state.settings.watch
    later = replace(
        given,
        units={"leaf": replace(known(), capabilities=given.units["leaf"].capabilities)},
    )
    state, decision = step(state, later, START_S + 61.0)
    assert decision.outage is not None
    assert decision.outage.watch is not None
    assert decision.outage.watch.needed_s == START_S + 300.0


def test_a_unit_that_cannot_back_up_holds_nothing_for_it() -> None:
    state = home()
    given = inputs(watches=(Watch(reserve_percent=90.0, until_s=START_S + 60.0),))
    assert given.units["leaf"].capabilities == Capabilities(dead_time_s=5.0)
    state, _ = step(state, given, START_S)
    assert state.units["leaf"].reserve_percent == 30.0


def test_a_watch_of_a_flat_tariff_is_met_too() -> None:
    loop = Loop(site=site_with(Tariff.flat(0.3)), adjust=able, tick_s=60.0)
    loop.change_home(
        watch=Watch(
            reserve_percent=90.0,
            until_s=START_S + DAY_S,
            needed_s=START_S + 6 * 3600.0,
        )
    )
    rows = loop.run(6 * 3600.0, lambda _: 1000.0)
    assert rows[-1].soc_percent >= 90.0
