"""The demo's house: what its owner answers at the set-up, and the dashboard.

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
    begins = evening_begins(now)
    peak, end = f"{begins:%H:%M:%S}", f"{begins + EVENING:%H:%M:%S}"
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
        "band": [
            {"price": DEAR, "from": peak, "to": end},
            {"price": CHEAP, "from": end, "to": peak},
        ],
        "bands": ["band", "export"],
        "export": {"export": EXPORT},
        "first_unit": {"echonet": "echonet_lite"}.get(unit, unit),
        "simulated": {
            "dead_time_s": "5",
            "trips": "none",
            "solar_peak_w": SOLAR_PEAK_W,
            "seed": SEED,
            "evening_peak": peak,
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


def energy_preferences(found: Entities) -> dict[str, Any]:
    """Return what the Energy dashboard shows of the demo."""
    return {
        "energy_sources": [
            {
                "type": "grid",
                "stat_energy_from": found.home("sensor", "grid_import_energy"),
                "stat_energy_to": found.home("sensor", "grid_export_energy"),
                "stat_cost": None,
                "stat_compensation": None,
                "entity_energy_price": found.home("sensor", "import_price"),
                "number_energy_price": None,
                "entity_energy_price_export": None,
                "number_energy_price_export": EXPORT,
                "stat_rate": found.home("sensor", "grid_power"),
                "cost_adjustment_day": 0,
            },
            {
                "type": "solar",
                "stat_energy_from": found.home("sensor", "solar_energy"),
                "config_entry_solar_forecast": None,
                "stat_rate": found.home("sensor", "solar_power"),
            },
            *(
                {
                    "type": "battery",
                    "stat_energy_from": each.unit("sensor", "energy_discharged"),
                    "stat_energy_to": each.unit("sensor", "energy_charged"),
                    "stat_rate": each.unit("sensor", "power"),
                }
                for each in (found, *found.more.values())
            ),
        ],
        "device_consumption": [],
    }


def dashboard(found: Entities) -> dict[str, Any]:
    """Return the demo's dashboard."""
    home, unit = found.home, found.unit
    return {
        "views": [
            {
                "title": HOME,
                "path": "house",
                "icon": "mdi:home-lightning-bolt",
                "type": "sections",
                "max_columns": 3,
                "sections": [
                    _section(
                        "Now",
                        [
                            _gauge(
                                unit("sensor", "soc"),
                                {"green": 50, "yellow": 30, "red": 0},
                            ),
                            _tile(unit("sensor", "status"), "LEAF"),
                            _tile(unit("sensor", "power"), "Power"),
                            _tile(unit("sensor", "reason"), "Why"),
                            _tile(home("sensor", "load_power"), "House load"),
                            _tile(home("sensor", "grid_power"), "Grid"),
                            _tile(home("sensor", "solar_power"), "Sun"),
                            _tile(home("sensor", "import_price"), "Price"),
                            _tile(home("sensor", "next_action"), "Next"),
                            _tile(home("sensor", "next_action_time"), "When"),
                        ],
                    ),
                    _section(
                        "The last minutes",
                        [
                            {
                                "type": "history-graph",
                                "hours_to_show": 0.25,
                                "entities": [
                                    home("sensor", "load_power"),
                                    unit("sensor", "power"),
                                    home("sensor", "grid_power"),
                                ],
                            },
                            _tile(
                                home("sensor", "savings_today_on_arrival"),
                                "Saved, on arrival",
                            ),
                            _tile(
                                home("sensor", "savings_today_smart"),
                                "Saved, smart only",
                            ),
                        ],
                    ),
                    *(_other_unit(name, other) for name, other in found.more.items()),
                    _section(
                        "When the grid is gone",
                        [
                            _tile(home("binary_sensor", "outage"), "Outage"),
                            _tile(home("sensor", "outage_phase"), "Phase"),
                            _tile(home("sensor", "backup_runtime"), "It lasts"),
                            _tile(home("sensor", "backup_lasts_until"), "Until"),
                            _tile(home("sensor", "carried_power"), "Carried"),
                            _tile(
                                home("sensor", "last_outage_duration"), "Last outage"
                            ),
                            *(
                                _tile(f"input_boolean.{load}", name)
                                for load, name in LOADS.items()
                            ),
                        ],
                    ),
                    _section(
                        "What you can change",
                        [
                            _tile(home("select", "mode"), "House"),
                            _tile(unit("select", "mode"), "LEAF"),
                            _tile(unit("number", "reserve"), "Reserve"),
                            _tile(unit("switch", "ready_by"), "Ready by"),
                            _tile(unit("time", "ready_by_time"), "Ready at"),
                            _tile(unit("number", "ready_by_soc"), "Ready with"),
                            _tile(unit("button", "charge_now"), "Charge now"),
                            *(
                                [_tile(unit("switch", "grid"), "Mains")]
                                if found.has_unit("switch", "grid")
                                else []
                            ),
                        ],
                    ),
                ],
            }
        ]
    }


def _other_unit(name: str, other: Entities) -> dict[str, Any]:
    unit = other.unit
    return _section(
        name,
        [
            _gauge(unit("sensor", "soc"), {"green": 50, "yellow": 30, "red": 0}),
            _tile(unit("sensor", "status"), name),
            _tile(unit("sensor", "power"), "Power"),
            _tile(unit("sensor", "reason"), "Why"),
            _tile(unit("select", "mode"), "Mode"),
        ],
    )


def _section(title: str, cards: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "grid",
        "cards": [{"type": "heading", "heading": title}, *cards],
    }


def _tile(entity_id: str, name: str) -> dict[str, Any]:
    return {"type": "tile", "entity": entity_id, "name": name}


def _gauge(entity_id: str, severity: dict[str, int]) -> dict[str, Any]:
    return {
        "type": "gauge",
        "entity": entity_id,
        "min": 0,
        "max": 100,
        "severity": severity,
    }
