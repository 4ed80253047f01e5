"""State of charge from LeafSpy, OVMS and entities, through a real Home Assistant."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path
import shutil
import socket
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import mqtt
from homeassistant.components.mqtt import util as mqtt_util
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.sources import ovms
from custom_components.leaf_to_home.sources.leafspy import GAP_S, LONGEST, read
from tests import recording
from tests.conftest import EVENING, UNIT_ID, Advance, make_entry, unit_data
from tests.platforms import HOME_ID, setup_platforms, state, unit

pytestmark = pytest.mark.usefixtures("recording_driver")

SECRET = "ab" * 32
URL = f"/api/webhook/{SECRET}"
ANSWER = '"status":"0"'
VIN = "SJNFAAZE0U6000001"
# A report as the app sends it, in the order of the app.
REPORT = {
    "user": "me",
    "pass": "",
    "DevBat": "80",
    "Gids": "219",
    "Lat": "35.0",
    "Long": "139.0",
    "Elv": "5",
    "Seq": "50",
    "Trip": "1",
    "Odo": "38000",
    "SOC": "46.2757",
    "AHr": "107.3014",
    "BatTemp": "8.7",
    "Amb": "7.0",
    "Wpr": "0",
    "PlugState": "2",
    "ChrgMode": "2",
    "ChrgPwr": "1300",
    "VIN": VIN,
    "PwrSw": "1",
    "Tunits": "C",
    "RPM": "0",
    "SOH": "92.95",
    "Hx": "102.51",
    "Speed": "0.0",
    "BatVolts": "352.56",
    "BatAmps": "-1.006",
}
PREFIX = "ovms/me/LEAF/"
PATIENCE_S = 60.0


def leafspy(**conf: Any) -> dict[str, Any]:
    return {
        "kind": "leafspy",
        "webhook_id": SECRET,
        "local_only": False,
        "miles": False,
        **conf,
    }


async def home_with(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, *sources: dict[str, Any]
) -> tuple[Home, MockConfigEntry]:
    entry = make_entry(
        unit_data(recording.DRIVER, car_sources=list(sources)), entry_id=HOME_ID
    )
    home = await setup_platforms(hass, monkeypatch, Platform.SENSOR, entry=entry)
    unit().push(soc_percent=None)
    await hass.async_block_till_done()
    return home, entry


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    found = ir.async_get(hass).issues.values()
    return {
        issue.translation_key: issue
        for issue in found
        if issue.domain == DOMAIN and issue.active and issue.translation_key
    }


async def until(condition: Callable[[], Any], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"{what} did not happen in {PATIENCE_S:.0f} s")


def test_what_a_query_of_the_app_says() -> None:
    assert read(REPORT, miles=False) == {
        "soc_percent": 46.2757,
        "soh_percent": 92.95,
        "odometer_km": 38000.0,
        "plugged": 1.0,
    }
    assert read(REPORT, miles=True)["odometer_km"] == pytest.approx(61155.1, abs=0.1)
    # An older app, a loose plug, a health that was not read yet.
    old = {"SOC": "46.3", "PlugState": "1", "SOH": "0.0"}
    assert read(old, miles=True) == {"soc_percent": 46.3}


@pytest.mark.parametrize(
    "text", ["", "nan?", "4" * (LONGEST + 1), "0x10", "1_0__0", "４６,２", "'; --"]
)
def test_what_is_no_number_is_not_read(text: str) -> None:
    assert "soc_percent" not in read({"SOC": text}, miles=False)


async def test_leafspy_tells_the_charge_that_the_charger_does_not_know(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    home, entry = await home_with(hass, monkeypatch, leafspy())
    assert home.state.units[UNIT_ID].soc_elsewhere is False
    # The first report of the charger is forgotten with the car that left.
    unit().push(connected=False)
    unit().push(connected=True)
    await hass.async_block_till_done()
    home._shown.async_publish()
    assert state(hass, "sensor.leaf_state_of_charge") == "unknown"

    client = await hass_client_no_auth()
    answer = await client.get(URL, params=REPORT)
    assert answer.status == 200
    assert await answer.text() == ANSWER
    await hass.async_block_till_done()
    assert home.state.units[UNIT_ID].soc_elsewhere is True
    home._shown.async_publish()
    # The planner may be importing numpy meanwhile, which `approx` would look at.
    assert 45.7 < float(state(hass, "sensor.leaf_state_of_charge")) < 47.3
    shown = hass.states.get("sensor.leaf_state_of_charge_by_another_source")
    assert shown is not None
    assert shown.state == "46.3"
    assert shown.attributes["source"] == "LeafSpy"
    assert shown.attributes["age"] <= 5
    assert state(hass, "sensor.leaf_reported_by_another_source") != "unknown"
    assert state(hass, "sensor.leaf_state_of_health") == "92.95"

    # Closed with the home.
    assert await hass.config_entries.async_unload(entry.entry_id)
    answer = await client.get(URL, params=REPORT | {"SOC": "90"})
    assert await answer.text() != ANSWER


@pytest.mark.parametrize(
    "wrong",
    [
        {"SOC": "0"},
        {"SOC": "1"},
        {"SOC": "101"},
        {"SOC": "-5"},
        {"SOC": "nan"},
        {"SOC": "inf"},
        {"SOC": "1e400"},
        {"SOC": "half"},
        {"SOC": "9" * 5000},
        {"SOC": "５０%"},
        {"VIN": "SJNFAAZE0U6999999"},
        {"VIN": "ü" * 17},
    ],
)
async def test_what_cannot_be_is_answered_and_not_taken(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    hass_client_no_auth: ClientSessionGenerator,
    wrong: dict[str, str],
) -> None:
    home, _ = await home_with(hass, monkeypatch, leafspy(vin=VIN))
    client = await hass_client_no_auth()
    answer = await client.get(URL, params=REPORT | wrong)
    assert await answer.text() == ANSWER
    sources = home.units[UNIT_ID].car_sources
    assert sources is not None
    assert sources.latest() is None


async def test_nobody_but_who_knows_the_address_is_heard_and_not_too_often(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    freezer.move_to(EVENING)
    home, _ = await home_with(hass, monkeypatch, leafspy())
    sources = home.units[UNIT_ID].car_sources
    assert sources is not None
    client = await hass_client_no_auth()
    for url in (f"/api/webhook/{'cd' * 32}", "/api/webhook/"):
        answer = await client.get(url, params=REPORT)
        assert await answer.text() != ANSWER
    await client.post(URL, params=REPORT)
    assert sources.latest() is None

    def latest() -> float | None:
        found = sources.latest()
        return None if found is None else found[1].value

    for soc in ("50", "51", "52"):
        answer = await client.get(URL, params=REPORT | {"SOC": soc})
        assert await answer.text() == ANSWER
    assert latest() == 50.0
    freezer.tick(GAP_S)
    await client.get(URL, params=REPORT | {"SOC": "53"})
    assert latest() == 53.0


async def test_from_the_home_network_only(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    home, _ = await home_with(hass, monkeypatch, leafspy(local_only=True))
    sources = home.units[UNIT_ID].car_sources
    assert sources is not None
    client = await hass_client_no_auth()
    # No request of a test comes from outside.
    monkeypatch.setattr(
        "homeassistant.components.webhook.network_util.is_local", lambda _: False
    )
    await client.get(URL, params=REPORT)
    assert sources.latest() is None
    monkeypatch.undo()
    await client.get(URL, params=REPORT)
    assert sources.latest() is not None


async def test_diagnostics_keep_address_car_and_place_secret(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    ovms = {"kind": "ovms", "topic_prefix": "ovms/secretuser/LEAF/"}
    _, entry = await home_with(hass, monkeypatch, leafspy(vin=VIN), ovms)
    assert await async_setup_component(hass, "diagnostics", {})
    client = await hass_client_no_auth()
    await client.get(URL, params=REPORT)
    data: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    told = data["units"][UNIT_ID]["car_sources"]
    assert told[0]["values"]["soc_percent"]["value"] == 46.2757
    for secret in (SECRET, VIN, "secretuser", "139.0"):
        assert secret not in str(data)


async def test_two_sources_that_contradict_each_other_are_named(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    freezer.move_to(EVENING)
    hass.states.async_set("sensor.car", "80")
    entities = {"kind": "entities", "soc_percent": "sensor.car"}
    _, entry = await home_with(hass, monkeypatch, leafspy(), entities)
    client = await hass_client_no_auth()
    await client.get(URL, params=REPORT)
    assert "car_sources_contradict" not in issues(hass)
    for _ in range(7):
        unit().push()
        await advance(60)
    issue = issues(hass)["car_sources_contradict"]
    assert issue.translation_placeholders == {
        "unit": "LEAF",
        "first": "LeafSpy",
        "first_percent": "46",
        "second": "sensor.car",
        "second_percent": "80",
    }
    hass.states.async_set("sensor.car", "48")
    await hass.async_block_till_done()
    assert "car_sources_contradict" not in issues(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_a_source_that_contradicts_the_charger_is_named_and_tightens(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    freezer.move_to(EVENING)
    home, _ = await home_with(hass, monkeypatch, leafspy())
    unit().push(soc_percent=60.0)
    client = await hass_client_no_auth()
    await client.get(URL, params=REPORT | {"SOC": "35"})
    other_kwh = home.state.units[UNIT_ID].other_kwh
    assert other_kwh is not None
    assert abs(other_kwh - 32.4 * 0.35) < 0.1
    for _ in range(7):
        unit().push()
        await advance(60)
    issue = issues(hass)["car_source_contradicts_charger"]
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["first"] == "LeafSpy"
    assert float(state(hass, "sensor.leaf_state_of_charge")) > 59.0


async def test_entities_are_as_old_as_their_last_change(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(EVENING)
    miles = {"unit_of_measurement": "mi"}
    hass.states.async_set("sensor.car", "63")
    hass.states.async_set("sensor.odometer", "1000", miles)
    hass.states.async_set("binary_sensor.plug", "on")
    home, _ = await home_with(
        hass,
        monkeypatch,
        {
            "kind": "entities",
            "soc_percent": "sensor.car",
            "soh_percent": "sensor.not_there",
            "odometer_km": "sensor.odometer",
            "plugged": "binary_sensor.plug",
        },
    )
    sources = home.units[UNIT_ID].car_sources
    assert sources is not None

    def soc() -> tuple[float, float]:
        sample = sources.elsewhere()[""].soc_percent
        assert sample is not None
        return sample.value, sample.time_s

    first = soc()
    assert first[0] == 63.0
    told = sources.elsewhere()[""]
    assert told.odometer_km is not None
    assert told.odometer_km.value == pytest.approx(1609.344)
    assert told.plugged is not None
    assert told.plugged.value == 1.0
    freezer.tick(600.0)
    # The service fails, comes back, and says the same again and again.
    for text in ("unavailable", "63", "unknown", "63"):
        hass.states.async_set("sensor.car", text, force_update=True)
        await hass.async_block_till_done()
    assert soc() == first
    hass.states.async_set("sensor.car", "61")
    hass.states.async_set("binary_sensor.plug", "off")
    await hass.async_block_till_done()
    assert soc()[0] == 61.0
    assert soc()[1] >= first[1] + 600.0
    hass.states.async_remove("sensor.car")
    await hass.async_block_till_done()
    assert soc()[0] == 61.0
    plugged = sources.elsewhere()[""].plugged
    assert plugged is not None
    assert plugged.value == 0.0
    # It holds as long as it is said.
    assert plugged.fresh(plugged.time_s + 86400.0)
    hass.states.async_set("binary_sensor.plug", "unavailable")
    await hass.async_block_till_done()
    assert sources.elsewhere()[""].plugged is None


class Module:
    """The OVMS module: a client of the broker that answers requests."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, str]] = []
        self.metrics: dict[str, str] = {}
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(f"{PREFIX}client/#")
        self._client.loop_start()

    def say(self, metric: str, value: str, *, retain: bool = True) -> None:
        self._client.publish(
            f"{PREFIX}metric/{metric}", value, retain=retain
        ).wait_for_publish(PATIENCE_S)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        topic = message.topic.removeprefix(PREFIX)
        self.heard.append((topic, message.payload.decode()))
        if topic.endswith("request/metric"):
            for metric, value in self.metrics.items():
                client.publish(f"{PREFIX}metric/{metric}", value, retain=True)


@pytest.fixture
async def broker_port(
    hass: HomeAssistant, socket_enabled: None, tmp_path: Path
) -> AsyncGenerator[int]:
    """Start a mosquitto, and connect Home Assistant's own MQTT to it."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.skip("mosquitto is not installed; scripts/test installs it as root")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (tmp_path / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
    )
    process = await asyncio.create_subprocess_exec(
        program,
        "-c",
        str(tmp_path / "mosquitto.conf"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    await until(listens, "the start of mosquitto")
    (tmp_path / "configuration.yaml").touch()
    hass.config.config_dir = str(tmp_path)
    entry = MockConfigEntry(
        domain=mqtt.DOMAIN,
        data={"broker": "127.0.0.1", "port": port, "discovery": False},
        version=mqtt.CONFIG_ENTRY_VERSION,
        minor_version=mqtt.CONFIG_ENTRY_MINOR_VERSION,
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: mqtt.is_connected(hass), "the connection to the broker")
    yield port
    await hass.config_entries.async_unload(entry.entry_id)
    process.terminate()
    await process.wait()


async def test_ovms_is_asked_and_heard_over_a_real_broker(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, broker_port: int
) -> None:
    module = Module(broker_port)
    try:
        # What lies there from some day before tells the health, and no charge.
        module.say("v/b/soc", "88.0")
        module.say("v/b/soh", "84.5")
        ovms = {"kind": "ovms", "topic_prefix": PREFIX}
        home, entry = await home_with(hass, monkeypatch, ovms)
        sources = home.units[UNIT_ID].car_sources
        assert sources is not None

        def told() -> Any:
            return sources.elsewhere()[""]

        await until(lambda: told().soh_percent == 84.5, "the health")
        wanted = "client/leaf_to_home/request/metric"
        await until(lambda: wanted in dict(module.heard), "the request")
        assert dict(module.heard)["client/leaf_to_home/active"] == "1"
        assert told().soc_percent is None

        module.say("v/b/soc", "57.5")
        module.say("v/p/odometer", "41234.5")
        module.say("v/c/charging", "no")
        await until(lambda: told().odometer_km is not None, "the odometer")
        assert told().soc_percent.value == 57.5
        assert told().plugged is None
        module.say("v/g/generating", "yes")
        await until(lambda: told().plugged is not None, "the plug")
        for nonsense in ("", "nan", "1e9", "x" * 100, "-1"):
            module.say("v/b/soc", nonsense)
        # A module that comes back is asked again, and answers as it is then.
        module.metrics = {"v/b/soc": "44.0"}
        module.say("s/v3/connected", "yes", retain=False)
        await until(lambda: told().soc_percent.value == 44.0, "the answer")

        # Who says nothing for two minutes is no client any more.
        active = ("client/leaf_to_home/active", "1")
        for _ in range(2):
            module.heard.clear()
            async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=55))
            await until(lambda: active in module.heard, "the sign of life")

        module.heard.clear()
        assert await hass.config_entries.async_unload(entry.entry_id)
        await until(
            lambda: ("client/leaf_to_home/active", "0") in module.heard, "the end"
        )
    finally:
        module.stop()


async def test_ovms_is_heard_when_mqtt_comes_late(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broker_port: int,
) -> None:
    """Core itself gives up waiting for it after 50 s."""
    (broker,) = hass.config_entries.async_entries(mqtt.DOMAIN)
    assert await hass.config_entries.async_unload(broker.entry_id)
    monkeypatch.setattr(mqtt_util, "AVAILABILITY_TIMEOUT", 0.1)
    monkeypatch.setattr(ovms, "PATIENCE_S", 0.1)
    module = Module(broker_port)
    try:
        module.metrics = {"v/b/soc": "57.5"}
        source = {"kind": "ovms", "topic_prefix": PREFIX}
        home, entry = await home_with(hass, monkeypatch, source)
        await until(lambda: "OVMS cannot be heard" in caplog.text, "the warning")
        sources = home.units[UNIT_ID].car_sources
        assert sources is not None
        assert await hass.config_entries.async_setup(broker.entry_id)
        await until(lambda: sources.elsewhere()[""].soc_percent, "the answer")
        assert await hass.config_entries.async_unload(entry.entry_id)
    finally:
        module.stop()


async def test_without_mqtt_the_home_loads(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await async_setup_component(hass, "webhook", {})
    ovms = {"kind": "ovms", "topic_prefix": PREFIX}
    home, entry = await home_with(hass, monkeypatch, ovms)
    await until(lambda: "MQTT is not set up" in caplog.text, "the warning")
    assert home.decision is not None
    assert await hass.config_entries.async_unload(entry.entry_id)
