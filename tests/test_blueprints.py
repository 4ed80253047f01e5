"""The blueprints, loaded and run by Home Assistant itself."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
import re
import shutil
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.const import DOMAIN as AUTOMATION_DOMAIN
from homeassistant.components.automation.helpers import async_get_blueprints
from homeassistant.const import (
    ATTR_ENTITY_ID,
    SERVICE_TURN_OFF,
    STATE_OFF,
    STATE_ON,
    Platform,
)
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    async_capture_events,
    async_fire_time_changed,
    async_get_persistent_notifications,
)
import yaml

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import UnitMode
from custom_components.leaf_to_home.home import Home
from tests import recording
from tests.conftest import UNIT_ID, Advance, unit_data
from tests.planned import planned, settle
from tests.platforms import recorded_home, settings, setup_platforms, state, unit

pytestmark = pytest.mark.usefixtures("recording_driver")

FOLDER = Path(__file__).parents[1] / "blueprints" / "automation"
PATHS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.yaml"))
SOURCE = "https://github.com/leaf-to-home/leaf-to-home/blob/main/blueprints/automation/"
SHIFT_LOAD = "leaf_to_home/shift_load.yaml"
NOT_PLUGGED_IN = "leaf_to_home/not_plugged_in.yaml"
NOT_MET = "leaf_to_home/departure_not_met.yaml"
PLUG = "binary_sensor.leaf_plug"
PRICE = "sensor.price_tomorrow"
SECOND = f"{UNIT_ID[:-1]}2"


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """A configuration with the blueprints as a user would have imported them."""
    shutil.copytree(FOLDER, Path(hass_tmp_config_dir) / "blueprints" / "automation")
    return hass_tmp_config_dir


type Automate = Callable[..., Awaitable[None]]


@pytest.fixture
async def automate(hass: HomeAssistant) -> AsyncGenerator[Automate]:
    """Return what makes an automation of a blueprint."""

    async def make(path: str, **inputs: Any) -> None:
        config = {
            "id": "test",
            "alias": "Test",
            "use_blueprint": {"path": path, "input": inputs},
        }
        assert await async_setup_component(
            hass, AUTOMATION_DOMAIN, {AUTOMATION_DOMAIN: [config]}
        )
        await hass.async_block_till_done()
        assert state(hass, "automation.test") == STATE_ON

    yield make
    await hass.services.async_call(
        AUTOMATION_DOMAIN,
        SERVICE_TURN_OFF,
        {ATTR_ENTITY_ID: "automation.test"},
        blocking=True,
    )


async def pass_to(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, clock: str
) -> None:
    """Let it become this local time."""
    freezer.move_to(datetime.fromisoformat(clock).astimezone(dt_util.UTC))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


@pytest.mark.parametrize("path", PATHS)
async def test_loads(hass: HomeAssistant, path: str) -> None:
    assert await async_setup_component(hass, AUTOMATION_DOMAIN, {})
    blueprint = await async_get_blueprints(hass).async_get_blueprint(path)
    assert blueprint.validate() is None
    assert blueprint.metadata["source_url"] == f"{SOURCE}{path}"
    minimum = blueprint.metadata["homeassistant"]["min_version"]
    assert minimum == "2026.10.0"
    manifest = yaml.safe_load((FOLDER.parents[1] / "hacs.json").read_text())
    assert minimum == manifest["homeassistant"]


@pytest.fixture
async def home(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> Home:
    """A home with two units, on a Monday afternoon."""
    freezer.move_to("2026-11-24T00:30:00+00:00")
    assert dt_util.now().isoformat() == "2026-11-23T16:30:00-08:00"
    return await setup_platforms(
        hass,
        monkeypatch,
        Platform.BINARY_SENSOR,
        Platform.SELECT,
        entry=recorded_home(unit_data(recording.DRIVER)),
    )


async def test_shift_load(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, home: Home, automate: Automate
) -> None:
    await automate(
        SHIFT_LOAD,
        units=["select.leaf_mode"],
        start="17:00:00",
        end="20:30:00",
        power=2500,
    )
    await pass_to(hass, freezer, "2026-11-23T16:59:59-08:00")
    assert settings(home).mode is UnitMode.AUTOMATIC
    unit().push()
    await pass_to(hass, freezer, "2026-11-23T17:00:00-08:00")
    assert settings(home).mode is UnitMode.DISCHARGE
    assert settings(home).power_w == 2500.0
    end_s = settings(home).until_s
    assert end_s is not None
    end = dt_util.as_local(dt_util.utc_from_timestamp(end_s))
    assert end.isoformat() == "2026-11-23T20:30:00-08:00"

    await pass_to(hass, freezer, "2026-11-23T20:29:50-08:00")
    assert state(hass, "select.leaf_mode") == "discharge"
    await pass_to(hass, freezer, "2026-11-23T20:30:05-08:00")
    assert state(hass, "select.leaf_mode") == "automatic"


async def test_shift_load_past_midnight(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, home: Home, automate: Automate
) -> None:
    await automate(
        SHIFT_LOAD, units=["select.leaf_mode"], start="22:00:00", end="01:00:00"
    )
    await pass_to(hass, freezer, "2026-11-23T22:00:00-08:00")
    end_s = settings(home).until_s
    assert end_s is not None
    end = dt_util.as_local(dt_util.utc_from_timestamp(end_s))
    assert end.isoformat() == "2026-11-24T01:00:00-08:00"


async def test_shift_load_leaves_out_who_cannot(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, home: Home, automate: Automate
) -> None:
    await automate(SHIFT_LOAD, units=["select.leaf_mode", "select.leaf_2_mode"])
    unit().push(connected=False)
    await pass_to(hass, freezer, "2026-11-23T17:00:00-08:00")
    assert settings(home).mode is UnitMode.AUTOMATIC
    assert home.state.units[SECOND].settings.mode is UnitMode.DISCHARGE


async def test_shift_load_on_other_days(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, home: Home, automate: Automate
) -> None:
    await automate(SHIFT_LOAD, units=["select.leaf_mode"], days=["tue", "wed"])
    await pass_to(hass, freezer, "2026-11-23T17:00:00-08:00")
    assert settings(home).mode is UnitMode.AUTOMATIC
    await pass_to(hass, freezer, "2026-11-24T17:00:00-08:00")
    assert settings(home).mode is UnitMode.DISCHARGE


@pytest.mark.parametrize(
    ("plugged_in", "price", "inputs", "told"),
    [
        pytest.param(False, None, {}, True, id="no price"),
        pytest.param(True, None, {}, False, id="plugged in"),
        pytest.param(False, "0.41", {"price": PRICE}, True, id="dear"),
        pytest.param(False, "0.2", {"price": PRICE}, False, id="cheap"),
        pytest.param(False, "0.2", {"price": PRICE, "threshold": 0.2}, True, id="just"),
        pytest.param(False, "unknown", {"price": PRICE}, False, id="unknown"),
        pytest.param(False, None, {"price": PRICE}, False, id="gone"),
        pytest.param(
            False,
            "0.41",
            {"template": f"{{{{ states('{PRICE}') | float > 0.5 }}}}"},
            False,
            id="template says no",
        ),
        pytest.param(
            False,
            "0.41",
            {"template": f"{{{{ states('{PRICE}') | float > 0.4 }}}}"},
            True,
            id="template says yes",
        ),
    ],
)
async def test_not_plugged_in(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    home: Home,
    automate: Automate,
    plugged_in: bool,
    price: str | None,
    inputs: dict[str, Any],
    told: bool,
) -> None:
    if price is not None:
        hass.states.async_set(PRICE, price)
    events = async_capture_events(hass, "told")
    await automate(
        NOT_PLUGGED_IN,
        plug=PLUG,
        at="20:00:00",
        message="Plug in!",
        notify=[{"event": "told", "event_data": {"text": "{{ message }}"}}],
        **inputs,
    )
    await pass_to(hass, freezer, "2026-11-23T19:59:50-08:00")
    unit().push(connected=plugged_in)
    home.async_step()
    await hass.async_block_till_done()
    assert state(hass, PLUG) == (STATE_ON if plugged_in else STATE_OFF)
    await pass_to(hass, freezer, "2026-11-23T20:00:00-08:00")
    assert [event.data["text"] for event in events] == (["Plug in!"] if told else [])


async def test_not_plugged_in_tells_by_itself(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, home: Home, automate: Automate
) -> None:
    """Without an action of the user's the message is shown in Home Assistant."""
    assert await async_setup_component(hass, "persistent_notification", {})
    await automate(NOT_PLUGGED_IN, plug=PLUG)
    await pass_to(hass, freezer, "2026-11-23T19:59:50-08:00")
    unit().push(connected=False)
    home.async_step()
    await pass_to(hass, freezer, "2026-11-23T20:00:00-08:00")
    (notification,) = async_get_persistent_notifications(hass).values()
    assert "not plugged in" in notification["message"]


@pytest.fixture
async def alerting(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> Home:
    """A home in the evening that plans, with its plan alert."""
    return await planned(
        hass, monkeypatch, freezer, advance, platforms=(Platform.EVENT, Platform.SELECT)
    )


async def test_a_departure_that_cannot_be_met_is_told(
    hass: HomeAssistant, alerting: Home, automate: Automate
) -> None:
    events = async_capture_events(hass, "told")
    await automate(
        NOT_MET,
        alert="event.home_plan_alert",
        notify=[{"event": "told", "event_data": {"text": "{{ message }}"}}],
    )
    await announce(hass, "18:30", soc_percent=90)
    await settle(hass, alerting)
    (event,) = events
    assert re.fullmatch(
        r"LEAF leaves at Sun 18:30 with about 6\d % instead of 90 %\.",
        event.data["text"],
    )
    # Another trip is news of its own; one that can be made is none.
    await announce(hass, "20:30", soc_percent=95, trip_id="late")
    await settle(hass, alerting)
    await announce(hass, "10:00", soc_percent=80)
    await settle(hass, alerting)
    assert len(events) == 2
    assert "Sun 20:30" in events[1].data["text"]


async def test_a_departure_that_cannot_be_met_is_told_by_itself(
    hass: HomeAssistant, alerting: Home, automate: Automate
) -> None:
    """Without an action of the user's the message is shown in Home Assistant."""
    assert await async_setup_component(hass, "persistent_notification", {})
    await automate(NOT_MET, alert="event.home_plan_alert")
    await announce(hass, "18:30", soc_percent=90)
    await settle(hass, alerting)
    (notification,) = async_get_persistent_notifications(hass).values()
    assert "LEAF leaves at Sun 18:30" in notification["message"]


async def announce(hass: HomeAssistant, departure: str, **data: Any) -> None:
    await hass.services.async_call(
        DOMAIN,
        "announce_trip",
        {ATTR_ENTITY_ID: "select.leaf_mode", "departure": departure, **data},
        blocking=True,
    )
    await hass.async_block_till_done()
