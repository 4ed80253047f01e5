"""What the demo's dashboards show of its house."""

from typing import Any

from .demo_home import EXPORT, HOME, LOADS, Entities


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
