"""A second-life pack behind a Battery-Emulator and an inverter, as a model.

The emulator is as its firmware is: what it publishes of a battery is missing until the
battery speaks; limits that are set from outside are currents, stand in place of its own
and lapse by themselves; a pause takes all power away until somebody ends it; a stop
opens the contactors and is a fault.
"""

from collections import deque
from dataclasses import dataclass, field
import json
from typing import Any, Final

from custom_components.leaf_to_home.engine.plant import Plant

from .station_house import House

CELLS: Final = 96
LAPSE_S: Final = 30.0
# What the emulator's own settings allow, as it comes, A.
OWN_A: Final = 30.0


@dataclass(kw_only=True)
class Battery:
    """What the pack's electronics say; `answers` is false while they say nothing."""

    answers: bool = True
    soh: float = 68.0
    cell_spread: float = 24.0
    temperature_min: float = 17.4
    temperature_max: float = 19.1
    max_charge: float = 6000.0
    max_discharge: float = 6000.0
    balancing: str = "Ready"


@dataclass(kw_only=True)
class EmulatedPack:
    """Battery, emulator and inverter in real time."""

    plant: Plant
    house: House
    watchdog_s: float
    battery: Battery = field(default_factory=Battery)
    started_s: float = 0.0
    paused: bool = False
    stopped: bool = False
    setpoint_w: float = 0.0
    setpoint_s: float = 0.0
    grid_w: float = 0.0
    errors: set[str] = field(default_factory=set)
    warnings: set[str] = field(default_factory=set)
    events: deque[dict[str, str]] = field(default_factory=deque)
    _caps_a: dict[str, float] = field(default_factory=dict)
    _caps_end_s: float = 0.0

    @property
    def voltage(self) -> float:
        """Return the pack's voltage: the cells' between empty and full."""
        return CELLS * (3.4 + 0.7 * self.plant.soc_percent / 100.0)

    @property
    def power_w(self) -> float:
        """Return the AC power, positive into the home."""
        return self.plant.power_w

    def command(self, name: str, payload: bytes, now_s: float) -> None:
        """Obey what is published at the emulator's command topics."""
        match name:
            case "PAUSE":
                self.paused = True
                self.report("PAUSE_BEGIN", "WARNING", now_s)
            case "STOP":
                self.paused = self.stopped = True
                self.report("EQUIPMENT_STOP", "ERROR", now_s)
            case "RESUME":
                self.paused = self.stopped = False
                self.end("PAUSE_BEGIN")
                self.end("EQUIPMENT_STOP")
            case "SET_LIMITS":
                self._limit(payload, now_s)

    def caps_a(self, now_s: float) -> dict[str, float]:
        """Return the limits that are set from outside and have not lapsed."""
        return dict(self._caps_a) if now_s < self._caps_end_s else {}

    def report(self, code: str, severity: str, now_s: float) -> None:
        """Let something happen; it is published once."""
        found = self.errors if severity == "ERROR" else self.warnings
        if severity in ("ERROR", "WARNING"):
            found.add(code)
        self.events.append(
            {
                "event_type": code,
                "severity": severity,
                "count": "1",
                "data": "0",
                "message": code.replace("_", " ").capitalize(),
                "millis": str(int((now_s - self.started_s) * 1000)),
            }
        )

    def end(self, code: str) -> None:
        """Let it be over; that is not published."""
        self.errors.discard(code)
        self.warnings.discard(code)

    def restart(self, now_s: float) -> None:
        """Start the emulator anew: it forgets what it was told."""
        self.started_s = now_s
        self.paused = self.stopped = False
        self.errors.clear()
        self.warnings.clear()
        self.events.clear()
        self._caps_a.clear()

    def steer(self, power_w: float, now_s: float) -> None:
        """Set the inverter's power, positive into the home."""
        self.setpoint_w, self.setpoint_s = power_w, now_s

    def run(self, now_s: float) -> None:
        """Let everything go on up to now."""
        plant = self.plant
        if now_s - self.setpoint_s > self.watchdog_s:
            # The inverter's dead man: nobody leads it any more.
            self.setpoint_w = 0.0
        allowed_w = self._allowed_w(now_s)
        power_w = max(-allowed_w["max_charge"], self.setpoint_w)
        power_w = min(power_w, allowed_w["max_discharge"])
        if power_w != plant.commanded_w:
            plant.command(power_w, plant.time_s)
        while plant.time_s < now_s - 1e-3:
            dt_s = min(1.0, now_s - plant.time_s)
            middle_s = plant.time_s + dt_s / 2.0
            made = plant.advance(
                dt_s, self.house.load_w(middle_s), self.house.solar_w(middle_s)
            )
            self.grid_w = made.grid_w

    def info(self, now_s: float) -> dict[str, Any]:
        """Return what the emulator publishes at its main topic."""
        status = "ERROR" if self.errors else "WARNING" if self.warnings else "OK"
        info: dict[str, Any] = {
            "bms_status": "FAULT" if self.errors else "ACTIVE",
            "pause_status": "PAUSED" if self.paused else "RUNNING",
        }
        if self.battery.answers:
            info |= self._battery_info(now_s)
        return info | {
            # The firmware cuts this text too short.
            "event_level": "",
            "emulator_status": status,
            "hardware": "LilyGo T-CAN485",
            "software_version": "9.3.5",
            "cpu_temp": 41.2,
            "emulator_uptime": int(now_s - self.started_s),
        }

    def state(self, now_s: float) -> dict[str, Any]:
        """Return what is going on."""
        return {
            "soc_percent": round(self.plant.soc_percent, 3),
            "power_w": round(self.power_w, 1),
            "grid_w": round(self.grid_w, 1),
            "setpoint_w": self.setpoint_w,
            "caps_a": self.caps_a(now_s),
            "paused": self.paused,
            "stopped": self.stopped,
        }

    def _battery_info(self, now_s: float) -> dict[str, Any]:
        battery, plant, soc = self.battery, self.plant, self.plant.soc_percent
        into_w = plant.spec.stored_w(self.power_w)
        cell = self.voltage / CELLS
        stops = self.paused or bool(self.errors)
        return {
            # Scaled to the window of 20 to 80 % that the inverter is let see.
            "SOC": round(max(0.0, min(100.0, (soc - 20.0) / 0.6)), 2),
            "SOC_real": round(soc, 2),
            "state_of_health": battery.soh,
            "temperature_min": battery.temperature_min,
            "temperature_max": battery.temperature_max,
            "stat_batt_power": round(into_w),
            "battery_current": round(into_w / self.voltage, 1),
            "battery_voltage": round(self.voltage, 1),
            "cell_max_voltage": round(cell + battery.cell_spread / 2000.0, 3),
            "cell_min_voltage": round(cell - battery.cell_spread / 2000.0, 3),
            "cell_voltage_delta": battery.cell_spread,
            "total_capacity": round(plant.spec.capacity_kwh * 1000.0),
            "remaining_capacity_real": round(plant.stored_kwh * 1000.0),
            "remaining_capacity": round(plant.stored_kwh * 600.0),
            "max_discharge_power": 0 if stops else battery.max_discharge,
            "max_charge_power": 0 if stops else battery.max_charge,
            "balancing_active_cells": 0,
            "balancing_status": battery.balancing,
            "charging_state": "Idle",
            "limiting_factor": "Idle",
        }

    def _allowed_w(self, now_s: float) -> dict[str, float]:
        """Return what the inverter is told that it may do, W."""
        battery, caps_a = self.battery, self.caps_a(now_s)
        if not battery.answers or self.paused or self.errors:
            return {"max_charge": 0.0, "max_discharge": 0.0}
        own_w = {
            "max_charge": battery.max_charge,
            "max_discharge": battery.max_discharge,
        }
        return {
            key: min(power_w, caps_a.get(key, OWN_A) * self.voltage)
            for key, power_w in own_w.items()
        }

    def _limit(self, payload: bytes, now_s: float) -> None:
        """Take limits in tenths of an ampere; a missing one is taken away."""
        try:
            data = json.loads(payload)
        except ValueError:
            data = {}
        if not isinstance(data, dict):
            data = {}
        self._caps_a = {
            key: data[key] / 10.0
            for key in ("max_charge", "max_discharge")
            if type(data.get(key)) is int
        }
        timeout = data.get("timeout")
        self._caps_end_s = now_s + (timeout if type(timeout) is int else LAPSE_S)
