"""The plan over the websocket and as the response of an action."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import (
    HomeMode,
    IntentKind,
    ReasonCode,
    UnitMode,
)
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.plan_view import plan_of
from tests.conftest import UNIT_ID, Advance
from tests.planned import live, planned, settle
from tests.platforms import HOME_ID, recorded_home, setup_platforms

pytestmark = pytest.mark.usefixtures("recording_driver")

SUBSCRIBE = {"type": f"{DOMAIN}/plan/subscribe", "config_entry_id": HOME_ID}


@pytest.fixture
async def home(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> Home:
    """A home that has planned, and a departure in the morning."""
    home = await planned(hass, monkeypatch, freezer, advance)
    home.async_change_unit(UNIT_ID, ready_by=True, ready_by_minute=7 * 60)
    await settle(hass, home)
    return home


async def ask(hass: HomeAssistant, **data: Any) -> Any:
    return await hass.services.async_call(
        DOMAIN, "get_plan", data, blocking=True, return_response=True
    )


def check(plan: Any) -> None:
    """Check what dashboards and automations depend on."""
    assert plan["status"] == "planned"
    assert plan["followed"] is True
    assert plan["mode"] == "automatic"
    assert plan["problems"] == []
    assert plan["currency"] == "EUR"
    assert plan["expected_cost_today"] > 0.0
    (unit,) = plan["units"].values()
    assert plan["units"].keys() == {UNIT_ID}
    assert unit["name"] == "LEAF"
    assert unit["stored_value"] > 0.0
    assert unit["departure"]["wanted_percent"] == 80.0
    assert unit["departure"]["expected_percent"] >= 80.0
    now = dt_util.utcnow()
    departure = dt_util.parse_datetime(unit["departure"]["time"])
    assert departure is not None
    assert dt_util.as_local(departure).hour == 7
    steps = unit["steps"]
    assert len(steps) > 48
    starts = [dt_util.parse_datetime(step["start"]) for step in steps]
    ends = [dt_util.parse_datetime(step["end"]) for step in steps]
    assert starts[1:] == ends[:-1]
    assert ends[0] is not None
    assert ends[0] > now
    for step in steps:
        assert step.keys() == {
            "start",
            "end",
            "home",
            "intent",
            "power_w",
            "absorb_surplus",
            "reason",
            "values",
            "soc_percent",
            "unit_w",
            "grid_w",
            "import_price",
            "price_basis",
            "cost",
        }
        assert step["intent"] in list(IntentKind)
        assert step["reason"] in list(ReasonCode)
        assert step["values"].keys() == {"price", "value", "soc_percent"}
        assert step["power_w"] >= 0
        assert step["price_basis"] == "known"
    covering = steps[0]
    assert covering["intent"] == "cover"
    assert covering["import_price"] == 0.45
    assert covering["unit_w"] > 0
    assert covering["grid_w"] < 500
    charging = [step for step in steps if step["unit_w"] < 0]
    assert charging
    assert {step["import_price"] for step in charging} == {0.12}
    assert (
        charging[0]["soc_percent"] > steps[steps.index(charging[0]) - 1]["soc_percent"]
    )


async def test_the_action_tells_the_plan(hass: HomeAssistant, home: Home) -> None:
    assert home.plans.plans
    check(await ask(hass, config_entry_id=HOME_ID))
    # With a single home nobody has to say which.
    check(await ask(hass))


async def test_the_action_over_the_websocket(
    hass: HomeAssistant, home: Home, hass_ws_client: WebSocketGenerator
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json_auto_id(
        {
            "type": "call_service",
            "domain": DOMAIN,
            "service": "get_plan",
            "service_data": {"config_entry_id": HOME_ID},
            "return_response": True,
        }
    )
    answer = await client.receive_json()
    assert answer["success"], home
    check(answer["result"]["response"])


async def test_the_action_refuses_with_a_reason(
    hass: HomeAssistant, home: Home
) -> None:
    assert home.plans.plans
    other = MockConfigEntry(domain="sun")
    other.add_to_hass(hass)
    for entry_id, key in (
        ("nobody", "service_config_entry_not_found"),
        (other.entry_id, "service_config_entry_wrong_domain"),
    ):
        with pytest.raises(ServiceValidationError) as raised:
            await ask(hass, config_entry_id=entry_id)
        assert raised.value.translation_key == key
    assert await hass.config_entries.async_unload(HOME_ID)
    with pytest.raises(ServiceValidationError) as raised:
        await ask(hass, config_entry_id=HOME_ID)
    assert raised.value.translation_key == "service_config_entry_not_loaded"


@pytest.mark.parametrize(
    ("mode", "status"),
    [
        (HomeMode.SELF_CONSUMPTION, "not_planning"),
        (HomeMode.BACKUP_READY, "not_planning"),
        (HomeMode.OFF, "not_planning"),
        (HomeMode.OBSERVE, "planned"),
    ],
)
async def test_a_home_in_another_mode(
    hass: HomeAssistant, home: Home, mode: HomeMode, status: str
) -> None:
    home.async_change_home(mode=mode)
    await settle(hass, home)
    plan = await ask(hass)
    assert plan["status"] == status
    assert plan["mode"] == mode
    if status != "planned":
        assert plan["units"] == {}
        assert plan["followed"] is False
        assert plan["expected_cost_today"] is None


async def test_before_the_first_plan(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = recorded_home()
    home = await setup_platforms(hass, monkeypatch, Platform.SELECT, entry=entry)
    await settle(hass, home)
    home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD)
    plan = plan_of(entry)
    assert plan["status"] == "waiting"
    assert plan["units"] == {}


async def test_the_websocket_sends_each_new_plan(
    hass: HomeAssistant,
    home: Home,
    advance: Advance,
    freezer: FrozenDateTimeFactory,
    hass_ws_client: WebSocketGenerator,
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json({"id": 5, **SUBSCRIBE})
    assert (await client.receive_json())["success"]
    first = (await client.receive_json())["event"]
    check(first)
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    second = (await client.receive_json())["event"]
    assert second["units"][UNIT_ID]["made"] > first["units"][UNIT_ID]["made"]

    await client.send_json({"id": 6, "type": "unsubscribe_events", "subscription": 5})
    assert (await client.receive_json())["success"]
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    await client.send_json({"id": 7, "type": "ping"})
    assert (await client.receive_json())["type"] == "pong"


async def test_the_websocket_tells_of_another_mode(
    hass: HomeAssistant, home: Home, hass_ws_client: WebSocketGenerator
) -> None:
    """The plan is the same: what has changed is whether anybody is led by it."""
    client = await hass_ws_client(hass)
    await client.send_json({"id": 5, **SUBSCRIBE})
    assert (await client.receive_json())["success"]
    before = (await client.receive_json())["event"]["mode"]
    other = HomeMode.AUTOMATIC if before == HomeMode.OBSERVE else HomeMode.OBSERVE
    home.async_change_home(mode=other)
    await settle(hass, home)
    await client.send_json({"id": 6, "type": "ping"})
    assert (await client.receive_json())["event"]["mode"] == other


async def test_a_subscription_outlives_a_reload(
    hass: HomeAssistant,
    home: Home,
    advance: Advance,
    freezer: FrozenDateTimeFactory,
    hass_ws_client: WebSocketGenerator,
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json({"id": 5, **SUBSCRIBE})
    assert (await client.receive_json())["success"]
    check((await client.receive_json())["event"])
    assert await hass.config_entries.async_reload(HOME_ID)
    assert (await client.receive_json())["event"] == {
        "status": "not_loaded",
        "problems": [],
        "units": {},
    }
    check((await client.receive_json())["event"])
    entry = hass.config_entries.async_get_entry(HOME_ID)
    assert entry is not None
    again: Home = entry.runtime_data.home
    assert again is not home
    freezer.tick(900.0)
    await live(hass, again, advance, 2)
    check((await client.receive_json())["event"])


async def test_a_home_that_is_not_loaded_yet(
    hass: HomeAssistant, home: Home, hass_ws_client: WebSocketGenerator
) -> None:
    assert await hass.config_entries.async_unload(HOME_ID)
    client = await hass_ws_client(hass)
    await client.send_json({"id": 5, **SUBSCRIBE})
    assert (await client.receive_json())["success"], home
    assert (await client.receive_json())["event"]["status"] == "not_loaded"
    assert await hass.config_entries.async_setup(HOME_ID)
    assert (await client.receive_json())["event"]["status"] == "planned"


async def test_a_home_that_is_removed(
    hass: HomeAssistant, home: Home, hass_ws_client: WebSocketGenerator
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json({"id": 5, **SUBSCRIBE})
    await client.receive_json()
    await client.receive_json()
    await hass.config_entries.async_remove(HOME_ID)
    assert (await client.receive_json())["event"]["status"] == "not_loaded", home
    await client.send_json({"id": 6, **SUBSCRIBE})
    answer = await client.receive_json()
    assert not answer["success"]
    assert answer["error"]["code"] == "not_found"


@pytest.mark.parametrize("entry_id", ["nobody", "of another"])
async def test_no_such_home(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, entry_id: str
) -> None:
    assert await async_setup_component(hass, DOMAIN, {})
    MockConfigEntry(domain="sun", entry_id="of another").add_to_hass(hass)
    client = await hass_ws_client(hass)
    await client.send_json({"id": 5, **SUBSCRIBE, "config_entry_id": entry_id})
    answer = await client.receive_json()
    assert not answer["success"]
    assert answer["error"]["code"] == "not_found"


async def test_a_connection_that_breaks_leaves_nothing_behind(
    hass: HomeAssistant,
    home: Home,
    advance: Advance,
    freezer: FrozenDateTimeFactory,
    hass_ws_client: WebSocketGenerator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json({"id": 5, **SUBSCRIBE})
    await client.receive_json()
    await client.receive_json()
    await client.close()
    await hass.async_block_till_done()
    freezer.tick(900.0)
    await live(hass, home, advance, 2)
    assert not [each for each in caplog.records if each.levelname == "ERROR"]
    # Whoever comes back subscribes anew.
    client = await hass_ws_client(hass)
    await client.send_json({"id": 5, **SUBSCRIBE})
    assert (await client.receive_json())["success"]
    check((await client.receive_json())["event"])


async def test_who_sees_the_home_sees_its_plan(
    hass: HomeAssistant,
    home: Home,
    hass_ws_client: WebSocketGenerator,
    hass_read_only_access_token: str,
    hass_admin_user: MockUser,
) -> None:
    assert home.plans.plans
    client = await hass_ws_client(hass, hass_read_only_access_token)
    await client.send_json({"id": 5, **SUBSCRIBE})
    assert (await client.receive_json())["success"]
    check((await client.receive_json())["event"])


async def test_no_plan_in_what_the_recorder_keeps(
    hass: HomeAssistant, home: Home
) -> None:
    assert home.plans.plans
    for state in hass.states.async_all():
        assert "steps" not in state.attributes
        assert "plan" not in state.attributes
