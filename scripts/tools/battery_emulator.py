"""A Battery-Emulator with a second-life LEAF pack, as a process on an MQTT broker.

    python -m scripts.tools.battery_emulator --port 1883 --log emulator.jsonl

It publishes what the firmware publishes, and obeys its commands. Beside it stand an
inverter and the house's meters, which Home Assistant finds by MQTT discovery. What
comes in at command topics is a line of JSON each in the log.

It obeys lines on its input and answers each with what is going on, as JSON: `state`,
`set NAME VALUE` (of the battery), `event CODE SEVERITY`, `over CODE`, `battery off|on`,
`inverter off|on`, `silence`, `speak`, `crash`, `leave`, `come`, `restart`. It ends with
its input.
"""

import argparse
import asyncio
from contextlib import suppress
from dataclasses import fields, replace
from datetime import time as clock_time
import json
import os
import time
from typing import Any, TextIO

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
import yaml

from .light import FOLDER, engine_alone

# The engine is imported after this, or Home Assistant would come with it.
engine_alone()

from custom_components.leaf_to_home.engine.battery import UnitKind  # noqa: E402
from custom_components.leaf_to_home.engine.formats import parse_unit  # noqa: E402
from custom_components.leaf_to_home.engine.plant import Plant  # noqa: E402

from .emulated_pack import Battery, EmulatedPack  # noqa: E402
from .station_house import add_house_options, add_load_option, house_of  # noqa: E402
from .station_life import live, note, signalled  # noqa: E402

TICK_S = 0.5
# As the firmware has it.
KEEPALIVE_S = 30
DISCOVERY = "homeassistant"
# When the evening begins, unless somebody says otherwise.
EVENING = clock_time(18, 30)


class EmulatorProcess:
    """The process: model, connection to the broker, log, and the lines it obeys."""

    def __init__(self, options: argparse.Namespace, log: TextIO) -> None:
        self._name: str = options.name
        self._interval_s: float = options.interval
        self._port: int = options.port
        self._meters: bool = options.meters
        self._log = log
        self._speaks = True
        self._inverter_answers = True
        self._published_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        now_s = time.time()
        self.pack = EmulatedPack(
            plant=_plant(options, now_s),
            house=house_of(options),
            watchdog_s=options.watchdog,
            battery=Battery(soh=options.soh),
            started_s=now_s,
            setpoint_s=now_s,
        )
        self._client = self._make_client()

    async def run(self) -> None:
        """Live until the input or a signal ends it."""
        self._loop = asyncio.get_running_loop()
        stop = signalled()
        self._come()
        print(json.dumps(self.state()), flush=True)
        try:
            await live(stop, self._tick(), self.act)
        finally:
            self._leave()

    def state(self) -> dict[str, Any]:
        """Return what is going on."""
        return self.pack.state(time.time()) | {
            "pid": os.getpid(),
            "online": self._client.is_connected(),
        }

    def act(self, line: str) -> dict[str, Any]:
        """Obey a line and return what is going on."""
        pack, now_s = self.pack, time.time()
        match line.split():
            case ["state"]:
                pass
            case ["set", "soc", value]:
                pack.plant = replace_soc(pack.plant, float(value))
            case ["set", name, value] if name in BATTERY_NUMBERS:
                setattr(pack.battery, name, float(value))
            case ["set", "balancing", value]:
                pack.battery.balancing = value
            case ["event", code, severity]:
                pack.report(code, severity, now_s)
            case ["over", code]:
                pack.end(code)
            case ["battery", ("on" | "off") as how]:
                pack.battery.answers = how == "on"
            case ["inverter", ("on" | "off") as how]:
                self._inverter_answers = how == "on"
                self._publish_inverter_status()
            case ["silence" | "speak" as how]:
                self._speaks = how == "speak"
            case ["crash"]:
                # The broker hears nothing more, and says so in its name.
                self._cut()
            case ["leave"]:
                self._leave()
            case ["come"]:
                self._come()
            case ["restart"]:
                pack.restart(now_s)
                self._cut()
                self._come()
            case _:
                return {"error": f"not understood: {line}"}
        self._published_s = 0.0
        return self.state()

    def _make_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"BatteryEmulatorClient-{self._name}"
        )
        client.will_set(f"{self._name}/status", "offline", qos=1, retain=True)
        client.on_connect = self._connected
        client.on_message = self._heard
        client.reconnect_delay_set(min_delay=1, max_delay=2)
        return client

    def _come(self) -> None:
        self._client = self._make_client()
        self._client.connect_async("127.0.0.1", self._port, KEEPALIVE_S)
        self._client.loop_start()

    def _leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _cut(self) -> None:
        """Close the connection without a word."""
        client, self._client = self._client, self._make_client()
        client.on_connect = None
        if (socket := client.socket()) is not None:
            socket.close()
        client.loop_stop()
        # Its thread may have been back already.
        if (socket := client.socket()) is not None:
            socket.close()

    def _connected(self, client: paho.Client, *_: object) -> None:
        client.publish(f"{self._name}/status", "online", retain=True)
        client.subscribe(f"{self._name}/command/+", qos=1)
        if self._meters:
            client.subscribe(f"{self._name}-inverter/set")
            for topic, config in discovery(self._name):
                client.publish(topic, json.dumps(config), retain=True)
            self._publish_inverter_status()

    def _publish_inverter_status(self) -> None:
        word = "online" if self._inverter_answers else "offline"
        self._client.publish(f"{self._name}-inverter/status", word, retain=True)

    def _heard(
        self, _client: paho.Client, _data: object, message: paho.MQTTMessage
    ) -> None:
        """Take a message over from paho's thread."""
        assert self._loop
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(
                self._take, message.topic, bytes(message.payload)
            )

    def _take(self, topic: str, payload: bytes) -> None:
        now_s = time.time()
        name = topic.rpartition("/")[2]
        note(
            self._log,
            {
                "event": "command",
                "object": topic,
                "property": "payload",
                "value": payload.decode(errors="replace"),
                "meaning": meaning(name, payload),
            },
        )
        if topic == f"{self._name}-inverter/set":
            if self._inverter_answers:
                self.pack.steer(float(payload), now_s)
        else:
            self.pack.command(name, payload, now_s)
        self.pack.run(now_s)
        self._publish_meters()

    async def _tick(self) -> None:
        while True:
            now_s = time.time()
            self.pack.run(now_s)
            self._publish_meters()
            if self._speaks and now_s - self._published_s >= self._interval_s:
                self._published_s = now_s
                self._publish_emulator(now_s)
            await asyncio.sleep(TICK_S)

    def _publish_emulator(self, now_s: float) -> None:
        while self.pack.events:
            event = self.pack.events.popleft()
            self._client.publish(f"{self._name}/events", json.dumps(event))
        info = self.pack.info(now_s)
        self._client.publish(f"{self._name}/info", json.dumps(info))

    def _publish_meters(self) -> None:
        if not self._meters:
            return
        pack, now_s = self.pack, time.time()
        values = {
            "grid": round(pack.grid_w, 1),
            "solar": round(pack.house.solar_w(now_s), 1),
        }
        self._client.publish(f"{self._name}-house/state", json.dumps(values))
        if self._inverter_answers:
            values = {
                "power": round(pack.power_w, 1),
                "setpoint": round(pack.setpoint_w, 1),
            }
            self._client.publish(f"{self._name}-inverter/state", json.dumps(values))


BATTERY_NUMBERS = {item.name for item in fields(Battery) if item.type is float}


def discovery(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what Home Assistant is told of the inverter and of the meters."""
    inverter = {"identifiers": [f"{name}-inverter"], "name": "Inverter"}
    house = {"identifiers": [f"{name}-house"], "name": "House meter"}
    power = {
        "device_class": "power",
        "unit_of_measurement": "W",
        "state_class": "measurement",
    }
    availability = {"availability_topic": f"{name}-inverter/status"}
    found: list[tuple[str, dict[str, Any]]] = [
        (
            f"number/{name}_setpoint",
            {
                "name": "Battery power",
                "unique_id": f"{name}_setpoint",
                "command_topic": f"{name}-inverter/set",
                "state_topic": f"{name}-inverter/state",
                "value_template": "{{ value_json.setpoint }}",
                "device_class": "power",
                "unit_of_measurement": "W",
                "min": -6000,
                "max": 6000,
                "step": 10,
                "mode": "box",
                "device": inverter,
                **availability,
            },
        ),
        (
            f"sensor/{name}_power",
            {
                "name": "Power",
                "unique_id": f"{name}_power",
                "state_topic": f"{name}-inverter/state",
                "value_template": "{{ value_json.power }}",
                "device": inverter,
                **power,
                **availability,
            },
        ),
    ]
    found += [
        (
            f"sensor/{name}_{key}",
            {
                "name": f"{key.capitalize()} power",
                "unique_id": f"{name}_{key}",
                "state_topic": f"{name}-house/state",
                "value_template": f"{{{{ value_json.{key} }}}}",
                "device": house,
                **power,
            },
        )
        for key in ("grid", "solar")
    ]
    return [(f"{DISCOVERY}/{topic}/config", config) for topic, config in found]


def meaning(name: str, payload: bytes) -> str:
    """Return what a command asks for, in a word or a few."""
    if name != "set":
        return name.lower().replace("_", " ")
    power_w = float(payload)
    if power_w == 0.0:
        return "rest"
    return "discharge" if power_w > 0.0 else "charge"


def replace_soc(plant: Plant, soc_percent: float) -> Plant:
    """Return the plant with another state of charge."""
    memory = plant.to_dict()
    memory["stored_kwh"] = plant.spec.capacity_kwh * soc_percent / 100.0
    return Plant.from_dict(plant.spec, memory, dead_time_s=plant.dead_time_s)


def _plant(options: argparse.Namespace, now_s: float) -> Plant:
    path = FOLDER / "presets" / "leaf-24.yaml"
    data = yaml.safe_load(path.read_text()) | {"soh_percent": options.soh}
    spec = replace(
        parse_unit(data, "leaf-24"),
        kind=UnitKind.STATIONARY,
        min_import_w=0.0,
        start_delay_s=1.0,
        ramp_w_per_s=2000.0,
        initial_soc_percent=options.soc,
    )
    return Plant(spec, time_s=now_s, dead_time_s=1.0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.tools.battery_emulator")
    parser.add_argument("--port", type=int, required=True, help="of the broker")
    parser.add_argument("--log", required=True, help="file for what was commanded")
    parser.add_argument("--name", default="battery-emulator", help="host name, topic")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds")
    parser.add_argument("--meters", action="store_true", help="inverter and meters too")
    parser.add_argument(
        "--watchdog", type=float, default=60.0, help="the inverter's, s"
    )
    parser.add_argument("--soh", type=float, default=68.0)
    parser.add_argument("--soc", type=float, default=60.0)
    add_house_options(parser)
    add_load_option(parser)
    parser.set_defaults(evening_peak=EVENING)
    return parser.parse_args()


def main() -> None:
    """Run the process."""
    options = _options()
    with open(options.log, "a", encoding="utf-8") as log:  # noqa: PTH123 as it is given
        asyncio.run(EmulatorProcess(options, log).run())


if __name__ == "__main__":
    main()
