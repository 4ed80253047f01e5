"""A car behind a station that speaks ECHONET Lite, in a house with a board and panels.

What the standard leaves to the station is decided as real ones do: without back-feed,
load-following by itself, an island of its own when the grid is lost, and no watchdog.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import Any

from custom_components.leaf_to_home.engine.plant import Plant

from .echonet_emulator import MAKER, Thing
from .station_house import House

CHARGER = 0x027E01
BOARD = 0x028701
SOLAR = 0x027901

CHARGE, DISCHARGE, STANDBY, IDLE = 0x42, 0x43, 0x44, 0x47
MAXIMUM, SURPLUS_OR_FOLLOW, DESIGNATED, PURCHASE = 0x01, 0x02, 0x03, 0x05
MODES = {CHARGE: "charge", DISCHARGE: "discharge", STANDBY: "standby", IDLE: "idle"}
METHODS = {
    MAXIMUM: "at full power",
    SURPLUS_OR_FOLLOW: "with the load",
    DESIGNATED: "at the power that is set",
    PURCHASE: "at the purchase that is set",
}
SETTABLE = {0x81, 0xCD, 0xDA, 0xDC, 0xDD, 0xDE, 0xE7, 0xEA, 0xEB, 0xEC}
ANNOUNCED = {0x80, 0x88, 0xC7, 0xDA, 0xDB, 0xE1}
# Longer pauses are made up for in coarse steps.
COARSE_S = 10.0
COARSE_FROM_S = 60.0


@dataclass(kw_only=True)
class Settings:
    """What was set over the network, and what of it is used up."""

    mode: int = STANDBY
    charge_method: int = MAXIMUM
    discharge_method: int = SURPLUS_OR_FOLLOW
    charge_w: int = 0
    discharge_w: int = 0
    purchase_w: int = 0
    charge_wh: int = 0
    discharge_wh: int = 0
    session_wh: float = 0.0


@dataclass(kw_only=True)
class StationPlant:
    """Runs car, station and house in real time, or faster when told to."""

    plant: Plant
    house: House
    # Whether the board has a node of its own, which dies with the grid.
    board_apart: bool = False
    # Whether a person has to start the island; the car keeps the station awake.
    by_hand: bool = False
    on_event: Callable[[str], None] = lambda _: None
    settings: Settings = field(default_factory=Settings)
    things: list[Thing] = field(default_factory=list)
    ahead_s: float = 0.0
    dark: bool = False
    _sent_w: float = 0.0

    def __post_init__(self) -> None:
        """Make the objects."""
        spec = self.plant.spec
        self.settings.charge_w = round(spec.max_charge_w / 2.0)
        self.settings.discharge_w = round(spec.max_discharge_w / 2.0)
        self.charger = Thing(
            eoj=CHARGER,
            values=_common() | self._fixed(),
            settable=SETTABLE,
            announced=ANNOUNCED,
            on_set=self._set,
            on_get=self.run,
        )
        self.board = Thing(
            eoj=BOARD, values=_common() | {0xC6: _i32(0)}, on_get=self.run
        )
        self.solar = Thing(
            eoj=SOLAR,
            values=_common() | {0xE0: bytes(2), 0xD0: b"\x00"},
            on_get=self.run,
        )
        self.things = [self.charger, self.solar]
        if not self.board_apart:
            self.things.insert(1, self.board)
        self._tell()

    @property
    def time_s(self) -> float:
        """Return the station's clock."""
        return time.time() + self.ahead_s

    def run(self) -> None:
        """Live up to now."""
        now_s = self.time_s
        plant = self.plant
        coarse = now_s - plant.time_s > COARSE_FROM_S
        while (left_s := now_s - plant.time_s) > 1e-3:
            self._steer()
            dt_s = min(left_s, COARSE_S if coarse else 1.0)
            middle_s = plant.time_s + dt_s / 2.0
            made = plant.advance(
                dt_s, self.house.load_w(middle_s), self.house.solar_w(middle_s)
            )
            self.settings.session_wh += abs(made.unit_w) * dt_s / 3600.0
            self._end_session()
            self._watch_light()
        self._tell()

    def skip(self, seconds: float) -> None:
        """Let hours pass at once."""
        self.run()
        self.ahead_s += seconds
        self.run()

    def set_grid(self, present: bool) -> None:
        """Take the grid away or give it back."""
        self.run()
        if present is not self.plant.grid_lost:
            return
        if present:
            self.plant.restore_grid()
            self._change_mode(STANDBY)
        else:
            self.plant.islands = not self.by_hand
            self.plant.lose_grid()
            # It takes the house over by itself, or waits for somebody.
            self._change_mode(STANDBY if self.by_hand else DISCHARGE)
        self._sent_w = 0.0
        self.on_event("grid back" if present else "grid lost")
        self.run()
        self._tell()

    def start_island(self) -> None:
        """Take the house over, as the button at the station says."""
        self.run()
        if not self.plant.grid_lost:
            return
        self.plant.start_island()
        self._change_mode(DISCHARGE)
        self.on_event("started by hand")
        self.run()
        self._tell()

    def set_car(self, present: bool) -> None:
        """Plug the car in or take it away."""
        self.run()
        if present is self.plant.connected:
            return
        if present:
            self.plant.plug_in()
        else:
            self.plant.unplug()
        self._change_mode(STANDBY)
        self.on_event("car plugged in" if present else "car unplugged")
        self._tell()

    def set_mode(self, mode: int) -> None:
        """Take a mode from the station's own panel."""
        self.run()
        self._change_mode(mode)
        self.on_event(f"panel: {MODES[mode]}")
        self.run()
        self._tell()

    def state(self) -> dict[str, Any]:
        """Return what is going on."""
        self.run()
        plant = self.plant
        return {
            "mode": MODES[self.settings.mode],
            "power_w": round(plant.power_w),
            "load_w": round(self.house.load_w(plant.time_s)),
            "soc_percent": round(plant.soc_percent, 2),
            "connected": plant.connected,
            "grid": not plant.grid_lost,
            "islanding": self.islanding,
            "dark": self.dark,
            "charged_kwh": round(plant.reading().charged_kwh or 0.0, 4),
            "discharged_kwh": round(plant.reading().discharged_kwh or 0.0, 4),
        }

    @property
    def islanding(self) -> bool:
        """Return whether the station is on its own."""
        plant = self.plant
        waits = self.by_hand and plant.island_over
        return plant.grid_lost and plant.connected and not waits

    def _set(self, epc: int, edt: bytes) -> bool:
        """Take a value from the network; False: refused."""
        self.run()
        number = int.from_bytes(edt)
        settings = self.settings
        match epc, len(edt):
            case 0xDA, 1:
                if number not in MODES or not self.plant.connected:
                    return False
                # A station does what it is told, also what takes the light away.
                self._change_mode(number)
            case 0xDC, 1:
                if number not in METHODS:
                    return False
                settings.charge_method = number
            case 0xDD, 1:
                if number not in METHODS:
                    return False
                settings.discharge_method = number
            case 0xDE, 4:
                settings.purchase_w = number
            case 0xE7, 4:
                settings.charge_wh = number
                settings.session_wh = 0.0
            case 0xEA, 4:
                settings.discharge_wh = number
                settings.session_wh = 0.0
            case 0xEB, 4:
                settings.charge_w = number
            case 0xEC, 4:
                settings.discharge_w = number
            case (0xCD, 1) | (0x81, _):
                pass
            case _:
                return False
        self._steer()
        self.run()
        self._tell()
        return True

    def _change_mode(self, mode: int) -> None:
        if mode != self.settings.mode:
            self.settings.mode = mode
            self.settings.session_wh = 0.0

    def _end_session(self) -> None:
        """Stop what has reached its bound."""
        settings, plant = self.settings, self.plant
        spec = plant.spec
        if plant.grid_lost:
            return
        bound_wh, ended = {
            CHARGE: (settings.charge_wh, plant.soc_percent >= spec.max_soc_percent),
            DISCHARGE: (
                settings.discharge_wh,
                plant.soc_percent <= spec.min_soc_percent,
            ),
        }.get(settings.mode, (0, False))
        if ended or 0 < bound_wh <= settings.session_wh:
            self.on_event(f"{MODES[settings.mode]} ended by itself")
            self._change_mode(STANDBY)
            self._steer()

    def _watch_light(self) -> None:
        """Notice when an island that carried the house has ended."""
        plant = self.plant
        dark = plant.grid_lost and plant.connected and plant.island_over
        if dark and not self.dark:
            self.on_event("the house is dark")
        self.dark = dark

    def _steer(self) -> None:
        """Pass on to the car what the settings mean now."""
        power_w = self._wanted_w()
        if power_w != self._sent_w:
            self._sent_w = power_w
            self.plant.command(power_w, self.plant.time_s)

    def _wanted_w(self) -> float:
        settings, spec = self.settings, self.plant.spec
        time_s = self.plant.time_s
        net_w = self.house.load_w(time_s) - self.house.solar_w(time_s)
        if settings.mode == CHARGE:
            powers = {
                SURPLUS_OR_FOLLOW: max(0.0, -net_w),
                DESIGNATED: settings.charge_w,
                PURCHASE: max(0.0, settings.purchase_w - net_w),
            }
            power_w = powers.get(settings.charge_method, spec.max_charge_w)
            return -min(power_w, spec.max_charge_w)
        if settings.mode == DISCHARGE:
            powers = {
                DESIGNATED: settings.discharge_w,
                PURCHASE: max(0.0, net_w - settings.purchase_w),
            }
            power_w = powers.get(settings.discharge_method, spec.max_discharge_w)
            return min(power_w, spec.max_discharge_w)
        return 0.0

    def _fixed(self) -> dict[int, bytes]:
        spec = self.plant.spec
        low_w = spec.min_power_w
        return {
            0xC0: _u32(10.0 * spec.capacity_kwh * (100.0 - spec.min_soc_percent)),
            0xC5: _u32(spec.max_charge_w),
            0xC6: _u32(spec.max_discharge_w),
            0xC8: _u32(low_w) + _u32(spec.max_charge_w),
            0xC9: _u32(low_w) + _u32(spec.max_discharge_w),
            0xCA: bytes.fromhex("00000096"),
            0xCB: bytes.fromhex("00000096"),
            0xCC: b"\x22",
            0xCD: b"\x10",
            0xCE: _u32(1000.0 * spec.capacity_kwh),
            0xD0: _u32(1000.0 * spec.capacity_kwh),
            0xDF: b"\x41",
            0xE6: b"\x11JN1LEAF0000000001",
        }

    def _tell(self) -> None:
        """Put what is going on into the objects."""
        plant, settings = self.plant, self.settings
        spec, reading = plant.spec, plant.reading()
        stored_wh = 1000.0 * plant.stored_kwh
        # What may be discharged begins at the lowest state of charge.
        floor_wh = 10.0 * spec.capacity_kwh * spec.min_soc_percent
        power_w = plant.power_w
        actual = STANDBY
        if abs(power_w) >= 60.0:
            actual = DISCHARGE if power_w > 0.0 else CHARGE
        self.charger.values |= {
            0xC2: _u32(max(0.0, stored_wh - floor_wh)),
            0xC4: bytes([round(max(0.0, plant.soc_percent - spec.min_soc_percent))]),
            0xC7: b"\x43" if plant.connected else b"\x30",
            0xCF: _u32(max(0.0, 1000.0 * spec.capacity_kwh - stored_wh)),
            0xD3: _i32(-power_w),
            0xD6: _u32(1000.0 * (reading.discharged_kwh or 0.0)),
            0xD8: _u32(1000.0 * (reading.charged_kwh or 0.0)),
            0xDA: bytes([settings.mode]),
            0xDB: b"\x01" if self.islanding else b"\x02",
            0xDC: bytes([settings.charge_method]),
            0xDD: bytes([settings.discharge_method]),
            0xDE: _u32(settings.purchase_w),
            0xE1: bytes([actual]),
            0xE2: _u32(stored_wh),
            0xE4: bytes([round(plant.reported_soc_percent)]),
            0xE7: _u32(settings.charge_wh),
            0xEA: _u32(settings.discharge_wh),
            0xEB: _u32(settings.charge_w),
            0xEC: _u32(settings.discharge_w),
        }
        self.charger.impossible = (
            set() if plant.connected else {0xC0, 0xC2, 0xC4, 0xD0, 0xE2, 0xE4, 0xE6}
        )
        time_s = plant.time_s
        load_w, solar_w = self.house.load_w(time_s), self.house.solar_w(time_s)
        self.board.values[0xC6] = _i32(load_w - solar_w - power_w)
        # The board is fed by the grid, and so are the panels' inverters.
        self.board.impossible = {0xC6} if plant.grid_lost else set()
        watts = 0.0 if plant.grid_lost else solar_w
        self.solar.values[0xE0] = round(watts).to_bytes(2)


def meaning(epc: int, edt: bytes) -> str:
    """Return in words what is set."""
    number = int.from_bytes(edt)
    return {
        0xCD: "ask the car for its data",
        0xDA: MODES.get(number, f"mode {number:02x}"),
        0xDC: f"charge {METHODS.get(number, f'method {number:02x}')}",
        0xDD: f"discharge {METHODS.get(number, f'method {number:02x}')}",
        0xDE: f"leave {number} W to the grid",
        0xE7: f"charge {number} Wh at most",
        0xEA: f"discharge {number} Wh at most",
        0xEB: f"charge with {number} W",
        0xEC: f"discharge with {number} W",
    }.get(epc, "")


def _common() -> dict[int, bytes]:
    return {
        0x80: b"\x30",
        0x81: b"\x00",
        0x82: b"\x00\x00R\x01",
        0x88: b"\x42",
        0x89: b"\x00\x00",
        0x8A: MAKER,
        0x8C: b"V2H-DEMO".ljust(12, b"\x00"),
        0x8D: b"SN0001".ljust(12, b"\x00"),
    }


def _u32(value: float) -> bytes:
    return round(value).to_bytes(4)


def _i32(value: float) -> bytes:
    return round(value).to_bytes(4, signed=True)
