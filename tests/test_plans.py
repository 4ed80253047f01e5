"""The plan of a running home: made beside the loop, kept, and never needed."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
import importlib.abc
import json
import math
import subprocess
import sys
import threading
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import importlib as importlib_helper
from homeassistant.util import dt as dt_util
import pytest

from custom_components.leaf_to_home import (
    hearing,
    home as module_of_home,
    plans,
    workshop,
)
from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.following import GRACE_S, PLAN_MAX_AGE_S
from custom_components.leaf_to_home.engine.model import (
    HomeMode,
    Inputs,
    IntentKind,
    Reading,
    UnitMode,
)
from custom_components.leaf_to_home.engine.planning import Planner
from custom_components.leaf_to_home.engine.step import step
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.plan_store import PlanStore
from custom_components.leaf_to_home.workshop import Made, Order, Workshop
from tests import recording
from tests.conftest import UNIT_ID, Advance, make_entry, unit_data, wait_for
from tests.living import run
from tests.planned import live, planned, settle, store, stored
from tests.platforms import HOME_ID, recorded_home, unit

pytestmark = pytest.mark.usefixtures("recording_driver")

SECOND = f"{UNIT_ID[:-1]}2"


# Stored plans that fit no unit that they were made for.
NOTHING: dict[str, Any] = {
    "made_s": 0.0,
    "steps": [],
    "expected_cost": 0.0,
    "stored_value": 0.0,
    "problems": [],
}
FOR_NOBODY: dict[str, Any] = {
    "contract": "",
    "import_limit_w": None,
    "units": {},
    "prices": [],
}


def now_s() -> float:
    return dt_util.utcnow().timestamp()


def made_s(home: Home) -> float:
    assert home.plans.made_s is not None
    return home.plans.made_s


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Inputs]:
    """Return what each step was given."""
    seen: list[Inputs] = []

    def watch(state: Any, inputs: Inputs, at_s: float) -> Any:
        seen.append(inputs)
        return step(state, inputs, at_s)

    monkeypatch.setattr(module_of_home, "step", watch)
    return seen


def followed(steps: list[Inputs]) -> bool:
    """Return whether the latest step was told what the plan wants."""
    return steps[-1].units[UNIT_ID].plan is not None


class Jobs:
    """The jobs of the workshop; each waits while `held` is set, or fails."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.held = threading.Event()
        self.go = threading.Event()
        self.error: Exception | None = None

    def release(self) -> None:
        self.held.clear()
        self.go.set()

    def hold(self) -> None:
        self.go.clear()
        self.held.set()


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Watch the real workshop at work; no real plan takes minutes or fails."""
    watched = Jobs()
    work = Workshop.work

    def watch(self: Workshop, heard: Any, order: Order) -> Made:
        watched.orders.append(order)
        if watched.held.is_set():
            assert watched.go.wait(60.0)
        if watched.error is not None:
            raise watched.error
        return work(self, heard, order)

    monkeypatch.setattr(Workshop, "work", watch)
    yield watched
    watched.release()


async def test_a_home_plans_and_its_unit_follows(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    plan = home.plans.plans[UNIT_ID]
    assert plan.made_s == pytest.approx(now_s(), abs=3.0)
    assert plan.steps[-1].end_s >= now_s() + 24 * 3600.0
    assert home.plans.followed(now_s())
    intent, following = plan.intent(now_s()), plan.next_action(now_s())
    assert intent is not None
    assert following is not None
    reasons = []
    for _ in range(90):
        await live(hass, home, advance, 1)
        assert home.decision is not None
        decision = home.decision.units[UNIT_ID]
        assert decision.intent is intent.kind is IntentKind.COVER
        assert decision.next_action == following
        reasons.append(decision.reason)
    assert intent.reason in reasons
    assert unit().setpoints[-1].power_w > 1000.0


async def test_observing_everything_is_planned_and_nothing_sent(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    steps: list[Inputs],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance, mode=HomeMode.OBSERVE)
    await live(hass, home, advance, 30)
    assert followed(steps)
    assert home.decision is not None
    setpoint = home.decision.units[UNIT_ID].setpoint
    assert setpoint is not None
    assert setpoint.power_w > 1000.0
    assert unit().writes == []


@pytest.mark.parametrize(
    "mode", [HomeMode.SELF_CONSUMPTION, HomeMode.BACKUP_READY, HomeMode.OFF]
)
async def test_other_modes_have_no_plan_and_get_one_at_once(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    mode: HomeMode,
    steps: list[Inputs],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    home.async_change_home(mode=mode)
    assert home.plans.plans == {}
    await live(hass, home, advance, 30)
    assert home.plans.plans == {}
    assert home.plans.problems.worst == "none"
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await settle(hass, home)
    assert made_s(home) == now_s()
    assert followed(steps)


@pytest.mark.parametrize("mode", [UnitMode.HOLD, UnitMode.OFF])
async def test_a_unit_that_is_commanded_by_hand_is_not_planned_for(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    steps: list[Inputs],
    mode: UnitMode,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    home.async_change_unit(UNIT_ID, mode=mode)
    assert home.plans.plans == {}
    assert home.decision is not None
    assert home.decision.units[UNIT_ID].next_action is None
    home.async_change_unit(UNIT_ID, mode=UnitMode.AUTOMATIC)
    await settle(hass, home)
    assert followed(steps)


async def test_a_unit_without_a_state_of_charge_waits_for_one(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    entry = recorded_home(unit_data(recording.DRIVER))
    monkeypatch.setattr(
        recording.RecordingUnit,
        "reading",
        lambda self: replace(
            Reading(time_s=now_s()),
            **self.values
            | ({"soc_percent": None} if self.context.subentry_id == SECOND else {}),
        ),
    )
    home = await planned(hass, monkeypatch, freezer, advance, entry=entry)
    assert home.plans.plans.keys() == {UNIT_ID}
    monkeypatch.undo()
    await live(hass, home, advance, 2)
    assert home.plans.plans.keys() == {UNIT_ID, SECOND}


async def test_a_changed_setting_makes_a_new_plan_at_once(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
    steps: list[Inputs],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    before = made_s(home)
    await live(hass, home, advance, 20)
    assert made_s(home) == before
    jobs.hold()
    home.async_change_unit(UNIT_ID, reserve_percent=50.0)
    assert home.plans.running
    # What it is doing goes on for a moment, within its new limits.
    await run(hass, advance, int(GRACE_S))
    assert followed(steps)
    await run(hass, advance, 2)
    assert not followed(steps), "the rule takes over"
    assert home.plans.plans, "and what was planned is still shown"
    jobs.release()
    await settle(hass, home)
    assert followed(steps)
    assert made_s(home) > before
    assert jobs.orders[-1].state.units[UNIT_ID].settings.reserve_percent == 50.0


async def test_a_car_that_was_swapped_is_not_driven_by_the_old_plan(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
    steps: list[Inputs],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    jobs.error = RuntimeError("no plan for an empty place")
    unit().push(connected=False)
    await live(hass, home, advance, 3)
    jobs.hold()
    jobs.error = None
    unit().push(connected=True, soc_percent=35.0)
    await run(hass, advance, 2)
    # Connected again, it looks as before, and no new plan is there yet.
    assert not followed(steps)
    jobs.release()
    await settle(hass, home)
    await live(hass, home, advance, 2)
    assert followed(steps)
    assert home.plans.plans[UNIT_ID].made_s > now_s() - 5.0


async def test_a_charge_that_is_corrected_makes_a_new_plan(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    before = made_s(home)
    unit().values["soc_percent"] = 45.0
    # A jump that nothing explains is believed after a minute.
    await live(hass, home, advance, 90)
    assert made_s(home) > before
    assert home.plans.plans[UNIT_ID].steps[0].soc_percent < 46.0


async def test_what_flaps_makes_few_plans_and_the_last_is_a_minute_late_at_most(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
    steps: list[Inputs],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    begun = len(jobs.orders)
    for i in range(120):
        home.async_change_unit(UNIT_ID, reserve_percent=30.0 + i % 2)
        await settle(hass, home)
        await live(hass, home, advance, 1)
    assert len(jobs.orders) - begun <= 3 * plans.BURST
    home.async_change_unit(UNIT_ID, reserve_percent=45.0)
    await live(hass, home, advance, 60)
    assert jobs.orders[-1].state.units[UNIT_ID].settings.reserve_percent == 45.0
    assert followed(steps)


async def test_a_plan_that_fails_leaves_the_rule_in_charge(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
    jobs: Jobs,
    steps: list[Inputs],
) -> None:
    jobs.error = RuntimeError("no idea")
    home = await planned(hass, monkeypatch, freezer, advance)
    assert home.plans.plans == {}
    assert home.plans.problems.worst == "failed"
    assert home.plans.cost(0.0, 9e9) is None
    assert not followed(steps)
    await live(hass, home, advance, 30)
    assert unit().setpoints[-1].power_w > 1000.0, "the rule covers"
    # It is not tried again and again, and not said again and again.
    assert len(jobs.orders) <= 2
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    assert caplog.text.count("no plan could be made") == 1
    jobs.error = None
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    assert home.plans.problems.worst == "none"
    assert followed(steps)
    assert "plans are made again" in caplog.text


@pytest.mark.parametrize(
    "spoilt", [{"cost": math.nan}, {"soc_percent": math.inf}, {"grid_w": -math.inf}]
)
async def test_a_plan_with_numbers_that_are_none_has_failed(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    steps: list[Inputs],
    spoilt: dict[str, Any],
) -> None:
    plan = Planner.plan

    def spoil(*args: Any) -> Any:
        (key, made), *_ = plan(*args).items()
        last = replace(made.steps[-1], **spoilt)
        return {key: replace(made, steps=(*made.steps[:-1], last))}

    # No real plan has any.
    monkeypatch.setattr(Planner, "plan", spoil)
    home = await planned(hass, monkeypatch, freezer, advance)
    assert home.plans.problems.worst == "failed"
    assert not followed(steps)


async def test_a_plan_that_could_not_be_renewed_is_given_up(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
    steps: list[Inputs],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    jobs.error = RuntimeError("no idea")
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    assert followed(steps), "it was good, and is not old"
    freezer.tick(PLAN_MAX_AGE_S)
    await live(hass, home, advance, 2)
    assert not followed(steps)
    assert home.plans.plans == {}


async def test_a_plan_that_takes_minutes_is_late_and_never_piles_up(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
    jobs: Jobs,
    steps: list[Inputs],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    begun = len(jobs.orders)
    jobs.hold()
    freezer.tick(900.0)
    for i in range(75):
        home.async_change_unit(UNIT_ID, reserve_percent=30.0 + i % 2)
        await run(hass, advance, 1)
    assert len(jobs.orders) == begun + 1
    assert home.plans.problems.worst == "late"
    assert not followed(steps)
    assert caplog.text.count("takes very long") == 1
    jobs.release()
    await settle(hass, home)
    await live(hass, home, advance, 2)
    assert home.plans.problems.worst == "none"
    assert followed(steps)


async def test_learning_that_takes_minutes_is_no_problem_of_plans(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
    jobs: Jobs,
) -> None:
    home = await planned(
        hass, monkeypatch, freezer, advance, mode=HomeMode.SELF_CONSUMPTION
    )
    jobs.hold()
    freezer.tick(900.0)
    await run(hass, advance, 70)
    assert home.plans.running
    assert home.plans.problems.worst == "none"
    assert "takes very long" not in caplog.text
    jobs.release()
    await settle(hass, home)


async def test_what_was_planned_for_another_setting_is_not_shown_for_long(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    jobs.error = RuntimeError("no idea")
    home.async_change_unit(UNIT_ID, reserve_percent=50.0)
    await settle(hass, home)
    assert home.plans.plans
    await live(hass, home, advance, int(GRACE_S) + 2)
    assert home.plans.plans == {}
    assert home.plans.problems.worst == "failed"


async def test_a_hung_plan_does_not_keep_a_home_from_ending(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
) -> None:
    monkeypatch.setattr(plans, "STOP_S", 0.0)
    monkeypatch.setattr(workshop, "WAIT_S", 0.0)
    home = await planned(hass, monkeypatch, freezer, advance)
    jobs.hold()
    freezer.tick(900.0)
    await run(hass, advance, 1)
    assert home.plans.running
    before = home.plans.plans
    unloading = hass.async_create_task(hass.config_entries.async_unload(HOME_ID))
    await wait_for(hass, freezer, unloading, seconds=10)
    assert unloading.result()
    jobs.release()
    await settle(hass, home)
    assert home.plans.plans is before, "what comes too late is nobody's"


async def test_every_quarter_hour_there_is_a_new_plan_and_a_past(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
    hass_storage: dict[str, Any],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    first = made_s(home)
    for _ in range(191):
        await live(hass, home, advance, 1, 1200.0)
        await advance(9)
    assert made_s(home) == first // 900.0 * 900.0 + 1800.0
    assert len(jobs.orders) <= 4
    # What the next plan leans on is no single moment.
    unit().values["power_w"] = 0.0
    freezer.tick(785.0)
    await live(hass, home, advance, 5, 6000.0)
    load_w = jobs.orders[-1].load_w
    assert load_w is not None
    assert load_w < 3000.0
    assert await hass.config_entries.async_unload(HOME_ID)
    load = stored(hass_storage, "past", HOME_ID)["draw"]["load"]
    known = [w for day in load.values() for w in day if w is not None]
    assert known == pytest.approx([1200, 1200], abs=5)


async def test_the_past_is_written_once_an_hour(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    key = f"{DOMAIN}.past.{HOME_ID}"
    for quarter in range(1, 6):
        freezer.tick(900.0)
        await live(hass, home, advance, 2)
        assert (key in hass_storage) is (quarter >= 4)
    assert stored(hass_storage, "plan", HOME_ID)["plans"][UNIT_ID]["made_s"] == (
        pytest.approx(now_s(), abs=3.0)
    )


async def test_comings_and_goings_are_learnt_in_every_mode(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    home = await planned(
        hass, monkeypatch, freezer, advance, mode=HomeMode.SELF_CONSUMPTION
    )
    unit().push(connected=False)
    await live(hass, home, advance, 5)
    freezer.tick(3600.0)
    await live(hass, home, advance, 5)
    unit().push(connected=True, soc_percent=40.0)
    await live(hass, home, advance, 70)
    assert await hass.config_entries.async_unload(HOME_ID)
    (trip,) = stored(hass_storage, "past", HOME_ID)["presence"][UNIT_ID]["trips"]
    assert trip[2] == pytest.approx(3605.0, abs=10.0)


async def test_what_is_heard_meanwhile_stays_short(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
) -> None:
    monkeypatch.setattr(hearing, "MOMENTS_KEPT", 5)
    monkeypatch.setattr(hearing, "QUARTERS_KEPT", 5)
    heard: list[hearing.Heard] = []
    take = hearing.Hearing.async_take

    def watch(self: hearing.Hearing) -> hearing.Heard:
        heard.append(take(self))
        return heard[-1]

    monkeypatch.setattr(hearing.Hearing, "async_take", watch)
    home = await planned(hass, monkeypatch, freezer, advance)
    jobs.hold()
    freezer.tick(900.0)
    for i in range(40):
        unit().push(connected=bool(i % 2))
        await run(hass, advance, 1)
    jobs.release()
    await settle(hass, home)
    await live(hass, home, advance, 2)
    assert len(heard[-1].moments) == 5


async def test_a_clock_that_is_set_back(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
    steps: list[Inputs],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    jobs.hold()
    freezer.move_to(dt_util.utcnow() - timedelta(hours=2))
    home.async_step()
    assert not followed(steps), "a plan of the future is none"
    jobs.release()
    await settle(hass, home)
    await live(hass, home, advance, 5)
    assert made_s(home) == pytest.approx(now_s(), abs=6.0)
    assert followed(steps)


async def test_two_units_plan_together(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    entry = recorded_home(unit_data(recording.DRIVER))
    home = await planned(hass, monkeypatch, freezer, advance, entry=entry)
    assert home.plans.plans.keys() == {UNIT_ID, SECOND}
    one, other = home.plans.plans[UNIT_ID], home.plans.plans[SECOND]
    end_s = one.steps[-1].end_s
    # The last one's grid is the home's; the cost is its bill and no sum of two.
    assert home.plans.cost(now_s(), end_s) == other.cost(now_s(), end_s)
    assert [step.start_s for step in one.steps] == [
        step.start_s for step in other.steps
    ]
    steps = zip(one.steps, other.steps, strict=True)
    assert all(
        last.grid_w <= first.grid_w + max(0.0, -last.unit_w) + 1.0
        for first, last in steps
    )


async def test_plan_and_past_survive_a_restart(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
    hass_storage: dict[str, Any],
    steps: list[Inputs],
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    home.async_change_unit(UNIT_ID, reserve_percent=35.0)
    await settle(hass, home)
    plan = home.plans.plans[UNIT_ID]
    jobs.hold()
    assert await hass.config_entries.async_reload(HOME_ID)
    again = hass.config_entries.async_get_entry(HOME_ID)
    assert again is not None
    home = again.runtime_data.home
    kept = home.plans.plans[UNIT_ID]
    assert kept.made_s == plan.made_s
    assert kept.steps[-1].end_s >= plan.made_s + 24 * 3600.0
    assert len(kept.steps) < len(plan.steps)
    assert followed(steps), "it is followed before there is a new one"
    jobs.release()
    await settle(hass, home)


async def test_a_plan_of_another_contract_is_not_followed_after_a_restart(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
    steps: list[Inputs],
) -> None:
    await planned(hass, monkeypatch, freezer, advance)
    jobs.hold()
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    options = dict(entry.options)
    options["tariff"] = {"import": 0.3, "export": 0.05}
    hass.config_entries.async_update_entry(entry, options=options)
    await run(hass, advance, 2)
    home: Home = entry.runtime_data.home
    assert not followed(steps)
    assert not home.plans.followed(now_s())
    jobs.release()
    await settle(hass, home)
    await live(hass, home, advance, 2)
    assert followed(steps)


async def test_a_plan_is_not_kept_for_a_unit_that_was_removed(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
    hass_storage: dict[str, Any],
    steps: list[Inputs],
) -> None:
    entry = recorded_home(unit_data(recording.DRIVER))
    home = await planned(hass, monkeypatch, freezer, advance, entry=entry)
    unit().push(connected=False)
    await live(hass, home, advance, 2)
    jobs.hold()
    recording.UNITS.pop(SECOND)
    hass.config_entries.async_remove_subentry(entry, SECOND)
    await run(hass, advance, 8)
    home = entry.runtime_data.home
    assert not followed(steps)
    jobs.release()
    await settle(hass, home)
    await live(hass, home, advance, 2)
    assert home.plans.plans.keys() == {UNIT_ID}
    assert await hass.config_entries.async_unload(HOME_ID)
    past = stored(hass_storage, "past", HOME_ID)
    assert past["presence"].keys() == {UNIT_ID}


async def test_an_entry_that_is_removed_takes_its_plans_along(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    await planned(hass, monkeypatch, freezer, advance)
    assert await hass.config_entries.async_unload(HOME_ID)
    assert f"{DOMAIN}.past.{HOME_ID}" in hass_storage
    await hass.config_entries.async_remove(HOME_ID)
    assert not [key for key in hass_storage if key.startswith(DOMAIN)]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("plan", {"plans": {UNIT_ID: {"made_s": "soon"}}, "made_for": None}),
        ("plan", {"plans": {UNIT_ID: 5}}),
        ("plan", {"plans": [1]}),
        ("plan", {"plans": {UNIT_ID: NOTHING}, "made_for": {"contract": "x"}}),
        ("plan", {"problems": {"days": 5}}),
        ("plan", []),
        ("plan", "no JSON"),
        ("past", {"draw": {"load": {"x": [0] * 96}}}),
        ("past", {"presence": {UNIT_ID: {"trips": [[1]]}}}),
        ("past", {"presence": [1]}),
    ],
    ids=str,
)
async def test_what_cannot_be_read_is_made_anew(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
    kind: str,
    data: Any,
    steps: list[Inputs],
) -> None:
    store(hass_storage, kind, HOME_ID, data)
    home = await planned(hass, monkeypatch, freezer, advance)
    assert UNIT_ID in home.plans.plans
    assert followed(steps)


async def test_a_stored_plan_that_was_made_for_nobody_is_none(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    """Each step asks what the plan of a unit was made for, and must find it."""
    data = {"plans": {UNIT_ID: NOTHING}, "made_for": FOR_NOBODY}
    store(hass_storage, "plan", HOME_ID, data)
    assert (await PlanStore(hass, HOME_ID).async_load()).following is None


async def test_what_a_newer_version_wrote_is_put_aside(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store(hass_storage, "plan", HOME_ID, {}, version=99)
    home = await planned(hass, monkeypatch, freezer, advance)
    assert UNIT_ID in home.plans.plans
    assert f"{DOMAIN}.plan.{HOME_ID} cannot be read" in caplog.text


async def test_a_home_without_units_plans_nothing(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
) -> None:
    entry = make_entry(entry_id=HOME_ID)
    home = await planned(hass, monkeypatch, freezer, advance, entry=entry)
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    assert jobs.orders == []
    assert home.plans.problems.worst == "none"


class ImportWatch(importlib.abc.MetaPathFinder):
    """Remembers in which thread a module is looked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.threads: list[int] = []

    def find_spec(self, fullname: str, *_: Any) -> None:
        if fullname == self.name:
            self.threads.append(threading.get_ident())


async def test_neither_numpy_nor_a_plan_is_ever_in_the_loop(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    name = workshop.__name__
    watch = ImportWatch(name)
    monkeypatch.setattr(sys, "meta_path", [watch, *sys.meta_path])
    monkeypatch.delitem(sys.modules, name)
    hass.data.pop(importlib_helper.DATA_IMPORT_CACHE, None)
    planning: list[int] = []
    plan = Planner.plan

    def watched(self: Planner, *known: Any) -> Any:
        planning.append(threading.get_ident())
        return plan(self, *known)

    monkeypatch.setattr(Planner, "plan", watched)
    home = await planned(hass, monkeypatch, freezer, advance)
    assert home.plans.plans
    loop = threading.get_ident()
    assert watch.threads
    assert loop not in watch.threads
    assert planning
    assert loop not in planning


def test_the_integration_comes_without_numpy() -> None:
    """A home that loads waits for nothing that only a plan needs."""
    code = f"""
import importlib, json, pkgutil, sys
import custom_components.{DOMAIN} as package
skipped = {{
    "history_export", "recorder_past", "recorder_presence", "replay_work", "workshop"
}}
for module in pkgutil.iter_modules(package.__path__):
    if module.name not in skipped and not module.ispkg:
        importlib.import_module(f"{{package.__name__}}.{{module.name}}")
print(json.dumps("numpy" in sys.modules))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout) is False


async def test_the_loop_goes_on_while_a_plan_is_made(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    jobs: Jobs,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    jobs.hold()
    freezer.tick(900.0)
    await run(hass, advance, 1)
    assert home.plans.running
    steps = 0

    def stepped() -> None:
        nonlocal steps
        steps += 1

    home.async_subscribe_fast(stepped)
    await run(hass, advance, 10)
    await asyncio.sleep(0)
    assert steps >= 10
    jobs.release()
    await settle(hass, home)


async def test_a_plan_made_before_the_draw_was_heard_is_made_anew(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    """A new home would expect a plain house until the next quarter-hour otherwise."""
    home = await planned(hass, monkeypatch, freezer, advance)
    assert home.plans.report["made"] == 1
    step = home.plans.plans[UNIT_ID].steps[0]
    await live(hass, home, advance, 70, 3400.0)
    assert home.plans.report["made"] == 2
    after = home.plans.plans[UNIT_ID].steps[0]
    assert after.grid_w + after.unit_w > step.grid_w + step.unit_w + 1000.0
    await live(hass, home, advance, 120, 3400.0)
    assert home.plans.report["made"] == 2
