"""The plan of a running home: made beside the loop, shown, kept, and never needed."""

from datetime import timedelta
import time
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.util import dt as dt_util
import pytest

from custom_components.leaf_to_home import plans
from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode, ReasonCode
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.websocket import async_subscribe_plan
from tests.conftest import EVENING, UNIT_ID, Advance
from tests.living import run
from tests.platforms import HOME_ID, recorded_home, setup_platforms, state

pytestmark = pytest.mark.usefixtures("recording_driver")


async def planned(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    entry: Any = None,
) -> Home:
    """Return a home in the evening that has made its first plan."""
    freezer.move_to(EVENING)
    home = await setup_platforms(hass, monkeypatch, Platform.SENSOR, entry=entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await run(hass, advance, 30)
    await settle(hass, home)
    return home


async def settle(hass: HomeAssistant, home: Home) -> None:
    """Wait for the plan that is being made; the executor's time is not frozen."""
    for _ in range(2000):
        if not home.plans._busy:
            break
        await hass.loop.run_in_executor(None, time.sleep, 0.01)
    await hass.async_block_till_done()


async def test_a_home_plans_and_shows_it(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    plan = home.plans.plans[UNIT_ID]
    now_s = dt_util.utcnow().timestamp()
    assert plan.at(now_s) is not None
    intent = home.plans.intent(UNIT_ID, now_s)
    assert intent is not None
    await run(hass, advance, 15)
    assert home.decision is not None
    assert home.state.units[UNIT_ID].intent is intent.kind
    assert float(state(hass, "sensor.leaf_value_of_stored_energy")) >= 0.0
    assert float(state(hass, "sensor.home_expected_cost_until_midnight")) > 0.0
    assert state(hass, "sensor.home_plan_problem") == "none"
    assert state(hass, "sensor.home_next_action") != "unknown"
    assert state(hass, "sensor.leaf_expected_state_of_charge_at_departure") == "unknown"


async def test_a_departure_is_shown_and_an_impossible_one_is_a_problem(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    local = dt_util.now() + timedelta(minutes=30)
    home.async_change_unit(
        UNIT_ID,
        ready_by=True,
        ready_by_minute=local.hour * 60 + local.minute,
        ready_by_soc_percent=95.0,
    )
    await run(hass, advance, 12)
    await settle(hass, home)
    await run(hass, advance, 12)
    assert home.plans.problem == ReasonCode.DEPARTURE
    assert state(hass, "sensor.home_plan_problem") == "departure"


async def test_a_plan_that_fails_leaves_the_rule_in_charge(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no idea")

    monkeypatch.setattr(plans.HomePlans, "_make", broken)
    home = await planned(hass, monkeypatch, freezer, advance)
    assert home.plans.plans == {}
    assert home.plans.problem == "failed"
    assert home.plans.cost_until(0.0, 1.0) is None
    assert "no plan could be made" in caplog.text
    assert home.decision is not None
    assert home.decision.units[UNIT_ID].setpoint is not None
    home.async_change_home(mode=HomeMode.OBSERVE)
    await run(hass, advance, 12)
    await settle(hass, home)
    assert caplog.text.count("no plan could be made") == 1


async def test_an_old_plan_is_not_followed(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    now_s = dt_util.utcnow().timestamp()
    assert home.plans.intent(UNIT_ID, now_s) is not None
    assert home.plans.intent(UNIT_ID, now_s + plans.PLAN_MAX_AGE_S + 60.0) is None
    assert home.plans.intent("nobody", now_s) is None
    assert home.plans.next_action(now_s + plans.PLAN_MAX_AGE_S + 60.0) is None


async def test_every_quarter_hour_there_is_a_new_plan_and_a_past(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    first_s = home.plans.plans[UNIT_ID].made_s
    for _ in range(190):
        await run(hass, advance, 1)
        await advance(9)
    await settle(hass, home)
    assert home.plans.plans[UNIT_ID].made_s >= first_s + 900.0
    assert home.plans._workshop is not None
    stored = home.plans._workshop.past.draw.to_dict()
    assert any(w for day in stored["load"].values() for w in day)


async def test_plan_and_past_survive_a_restart(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    entry = recorded_home()
    home = await planned(hass, monkeypatch, freezer, advance, entry)
    made_s = home.plans.plans[UNIT_ID].made_s
    stored = hass_storage[f"{DOMAIN}.plan.{HOME_ID}"]["data"]
    assert stored["plans"].keys() == {UNIT_ID}
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert entry.runtime_data.home.plans.plans[UNIT_ID].made_s == made_s
    assert await hass.config_entries.async_unload(entry.entry_id)

    stored["plans"][UNIT_ID] = {"made_s": "soon"}
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert entry.runtime_data.home.plans.plans == {}
    await hass.config_entries.async_remove(entry.entry_id)
    await settle(hass, home)
    assert f"{DOMAIN}.plan.{HOME_ID}" not in hass_storage


async def test_a_store_that_cannot_be_read_is_begun_anew(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    hass_storage[f"{DOMAIN}.plan.{HOME_ID}"] = {
        "version": 99,
        "minor_version": 1,
        "key": f"{DOMAIN}.plan.{HOME_ID}",
        "data": {"plans": {}},
    }
    home = await planned(hass, monkeypatch, freezer, advance)
    assert UNIT_ID in home.plans.plans


class Connection:
    """A websocket that remembers what it was given."""

    def __init__(self) -> None:
        self.subscriptions: dict[int, Any] = {}
        self.sent: list[Any] = []

    def send_event(self, _id: int, event: Any) -> None:
        self.sent.append(event)

    def send_result(self, _id: int) -> None:
        self.sent.append("result")

    def send_error(self, _id: int, code: str, _text: str) -> None:
        self.sent.append(code)


async def test_the_plan_goes_over_the_websocket(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    connection: Any = Connection()
    message = {"id": 1, "type": "-", "config_entry_id": HOME_ID}
    async_subscribe_plan(hass, connection, message)
    result, event = connection.sent
    assert result == "result"
    assert event["units"][UNIT_ID]["steps"][0]["intent"]["kind"]
    home.plans._published.async_publish()
    assert connection.sent[2] == event
    connection.subscriptions[1]()
    home.plans._published.async_publish()
    assert len(connection.sent) == 3
    async_subscribe_plan(hass, connection, message | {"config_entry_id": "nobody"})
    assert connection.sent[3] == "not_found"


async def test_the_plan_is_the_response_of_an_action(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    await planned(hass, monkeypatch, freezer, advance)

    async def ask(entry_id: str) -> Any:
        return await hass.services.async_call(
            DOMAIN,
            "get_plan",
            {"config_entry_id": entry_id},
            blocking=True,
            return_response=True,
        )

    response = await ask(HOME_ID)
    assert response["problem"] == "none"
    assert response["units"][UNIT_ID]["stored_value"] >= 0.0
    with pytest.raises(ServiceValidationError):
        await ask("nobody")
