"""The demo's house: what its owner answers at the set-up, and how it is found.

Everything is laid around the present moment, so that the evening peak begins within a
minute of the start.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

DOMAIN = "leaf_to_home"
SUBENTRY_TIER = "shedding_tier"
SUBENTRY_UNIT = "unit"
HOME = "Demo house"
LEAF = "LEAF"
DASHBOARD = "demo-house"
CHEAP, DEAR, EXPORT = 0.12, 0.36, 0.07
# How the LEAF is reached.
UNITS: Final = (
    "simulated",
    "echonet",
    "quasar",
    "battery_emulator",
    "portable",
    "all",
)
# What of it can carry the house when the grid is gone.
ISLANDING: Final = ("simulated", "echonet")
# Panels and habits of the demo's people, the same behind either unit.
SEED, SOLAR_PEAK_W, SOH_PERCENT = 7, 4000, 92
# A Quasar measures no house: Home Assistant's own Modbus integration reads the meter.
METER_ENTITY = "sensor.house_meter"
SOLAR_ENTITY = "sensor.house_solar"
METER = """\
modbus:
  - name: house
    type: tcp
    host: 127.0.0.1
    port: {port}
    sensors:
      - name: House meter
        device_address: 2
        address: 0
        data_type: int32
        scan_interval: 1
        unit_of_measurement: W
        device_class: power
        state_class: measurement
      - name: House solar
        device_address: 2
        address: 2
        data_type: int32
        scan_interval: 1
        unit_of_measurement: W
        device_class: power
        state_class: measurement
"""
# What a contact on a circuit that is not backed up would say.
MAINS_ENTITY = "binary_sensor.mains"
MAINS = """\
template:
  - binary_sensor:
      - name: Mains
        state: "{{ is_state('switch.leaf_simulated_grid', 'on') }}"
        availability: "{{ has_value('switch.leaf_simulated_grid') }}"
"""
# Nobody wants to wait two minutes here.
STABLE_S = 15
# What goes off in an outage; each a helper that stands for the real thing.
LOADS = {
    "water_heater": "Water heater",
    "air_conditioner": "Air conditioner",
    "dishwasher": "Dishwasher",
}
# Shed in this order, when the charge falls to so much.
TIERS: tuple[dict[str, Any], ...] = (
    {"name": "Heavy", "loads": ["water_heater", "dishwasher"], "soc_percent": 95},
    {"name": "Comfort", "loads": ["air_conditioner"], "soc_percent": 20},
)
# How long the evening lasts once it has begun.
EVENING = timedelta(hours=5)


def evening_begins(now: datetime) -> datetime:
    """Return the next full minute: prices change with the minute."""
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def bands(now: datetime, evening: timedelta) -> list[dict[str, Any]]:
    """Return the answer for each band of the day: dear for an evening, then cheap."""
    begins = evening_begins(now)
    peak, end = f"{begins:%H:%M:%S}", f"{begins + evening:%H:%M:%S}"
    return [
        {"price": DEAR, "from": peak, "to": end},
        {"price": CHEAP, "from": end, "to": peak},
    ]


def station_arguments(now: datetime, zone: str, address: str) -> list[str]:
    """Return how the station process is started with the demo's house behind it."""
    return [
        f"--address={address}",
        # Real ones take half a minute; nobody wants to wait that long here.
        "--start-delay=10",
        f"--seed={SEED}",
        f"--solar-peak={SOLAR_PEAK_W}",
        f"--soh={SOH_PERCENT}",
        f"--zone={zone}",
        f"--evening-peak={evening_begins(now):%H:%M:%S}",
    ]


def own_meters(proposed: dict[str, Any]) -> dict[str, Any]:
    """Return the form of the station with its own board and panels.

    Another station on this machine, of a test perhaps, is none of the demo's business.
    """
    node = proposed["device"].rpartition("-")[0]
    meters = [meter for meter in proposed["meters"] if meter.startswith(node)]
    return proposed | {"meters": meters}


def setup_answers(
    now: datetime, unit: str = "simulated", station: str = "", local: str = ""
) -> dict[str, Any]:
    """Return an answer for each step of the home's set-up.

    A station has an address, and Home Assistant another one, since ECHONET Lite has
    only one port.
    """
    return {
        "user": {"name": HOME, "kind": "unit"},
        # The simulated charger starts for half a minute before it carries the house; a
        # mains sensor knows at once.
        "sensors": {"mains": MAINS_ENTITY} if unit == "simulated" else {},
        "limits": {
            "main_limit": 40,
            "main_limit_unit": "ampere",
            "voltage": 230,
            "window_min": "15",
            "battery_export_limit_w": 0,
            "export_only_without_solar": False,
            "capacity": {"free_kw": 0, "peaks_averaged": 1},
            "freshness": {},
        },
        "tariff": "bands",
        "band": bands(now, EVENING),
        "bands": ["band", "export"],
        "export": {"export": EXPORT},
        "first_unit": {"echonet": "echonet_lite"}.get(unit, unit),
        "simulated": {
            "dead_time_s": "5",
            "trips": "none",
            "solar_peak_w": SOLAR_PEAK_W,
            "seed": SEED,
            "evening_peak": f"{evening_begins(now):%H:%M:%S}",
        },
        "echonet_lite": {"local_address": local, "host": station},
        "echonet_device": own_meters,
        # The car at the plug.
        "echonet_cars": dict,
        "echonet_car": dict,
        "battery": {
            "name": LEAF,
            "preset": "leaf-40",
            "soh_percent": SOH_PERCENT,
            "reserve_percent": 30,
            "spec": {},
        },
    }


def quasar_arguments(now: datetime, zone: str, port: int) -> list[str]:
    """Return how the charger process is started with the demo's house behind it."""
    return [
        f"--port={port}",
        "--start-delay=3",
        f"--seed={SEED}",
        f"--solar-peak={SOLAR_PEAK_W}",
        f"--soh={SOH_PERCENT}",
        f"--zone={zone}",
        f"--evening-peak={evening_begins(now):%H:%M:%S}",
    ]


def quasar_answers(now: datetime, port: int) -> dict[str, Any]:
    """Return an answer for each step where the LEAF is at a Quasar."""
    return setup_answers(now, "quasar") | {
        "user": {"name": HOME, "kind": "sensor"},
        "grid": {"entity": METER_ENTITY},
        "sensors": {"solar": [SOLAR_ENTITY]},
        # However much the house draws at this moment.
        **dict.fromkeys(
            ("grid_importing", "grid_exporting", "grid_balanced"), "grid_done"
        ),
        "quasar": {"host": "127.0.0.1", "port": port},
    }


def outage_answers() -> dict[str, Any]:
    """Return how the demo's home behaves in outages: its grid is soon trusted."""
    return {
        "init": "outage",
        "outage": {
            "debounce_s": 1,
            "stable_s": STABLE_S,
            "stagger_s": 2,
            "put_back": [],
            "test_sheds": True,
        },
    }


def tier_answers(number: int) -> dict[str, Any]:
    """Return the answers to the flow of the tier that is shed as the `number`th."""
    tier = TIERS[number]
    loads = [f"input_boolean.{load}" for load in tier["loads"]]
    return {
        "user": {
            **tier,
            "loads": loads,
            "min_on_min": 0,
            "strict": False,
            "leg": "both",
            "order": number + 1,
        }
    }


class Entities:
    """Finds the demo's entities by what they are, whatever they are called.

    `units` are the subentries of the units by name, the LEAF's first; `more` finds
    the entities of each other.
    """

    def __init__(
        self, registry: Sequence[dict[str, Any]], units: Mapping[str, str] = {}
    ) -> None:
        unit = next(iter(units.values()), None)
        self._entities = {
            (
                entity["entity_id"].split(".")[0],
                bool(entity["config_subentry_id"]),
                _key(entity),
            ): entity
            for entity in registry
            if entity["platform"] == DOMAIN
            and (unit is None or entity["config_subentry_id"] in (None, unit))
        }
        self.more = {
            name: Entities(registry, {name: other})
            for name, other in units.items()
            if other != unit
        }

    def home(self, domain: str, key: str) -> str:
        """Return the id of an entity of the home."""
        return self._find(domain, False, key)

    def unit(self, domain: str, key: str) -> str:
        """Return the id of an entity of the LEAF."""
        return self._find(domain, True, key)

    def has_unit(self, domain: str, key: str) -> bool:
        """Return whether the LEAF has an entity."""
        return (domain, True, key) in self._entities

    def _find(self, domain: str, of_unit: bool, key: str) -> str:
        try:
            return str(self._entities[domain, of_unit, key]["entity_id"])
        except KeyError:
            owner = "LEAF" if of_unit else "home"
            raise LookupError(f"the {owner} has no {domain} '{key}'") from None


def tiers_of(registry: Iterable[dict[str, Any]]) -> list[str]:
    """Return the ids of the sensors of the tiers."""
    return [
        entity["entity_id"]
        for entity in registry
        if entity["platform"] == DOMAIN
        and entity["config_subentry_id"]
        and _key(entity) == "tier"
    ]


def _key(entity: dict[str, Any]) -> str:
    owner = entity["config_subentry_id"] or entity["config_entry_id"]
    return str(entity["unique_id"]).removeprefix(f"{owner}_")
