"""A car at a Wallbox Quasar, in a house with a meter: registers and what they do.

Written from what is publicly known of the charger, without the driver's code. What is
not known is decided the way that is worst for whoever controls it: given back to its
app with a car at the plug, it begins to charge.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import Any

from custom_components.leaf_to_home.engine.plant import Plant

from .station_house import House

# What stands in the registers of a charger that was just unpacked.
SEED = {1: 3400, 2: 0x0001, 3: 0x86A0, 80: 5020, 81: 0, 82: 1, 83: 0, 88: 0}
SEED |= {256: 0, 257: 0, 258: 0, 259: 0, 260: 0, 514: 7400}
SEED |= dict.fromkeys(range(526, 543), 0)
WRITABLE = {81, 82, 83, 88, 256, 257, 258, 260, 514}
LIMITS = {514: (1380, 7400), 260: (-7400, 7400)}
# So long after a start the car tells its state of charge.
TELLS_S = 2.0
DEAD_TIME_S = 0.5


@dataclass(kw_only=True)
class QuasarPlant:
    """Runs car and charger in real time."""

    plant: Plant
    house: House
    on_event: Callable[[str], None] = lambda _: None
    registers: dict[int, int] = field(default_factory=lambda: dict(SEED))
    grid_w: float = 0.0
    solar_w: float = 0.0
    locked: bool = False
    # What the state of charge reads instead of the truth.
    glitch: int | None = None
    # A state that stands whatever else is going on, such as a queue.
    held_state: int | None = None
    errors_until_s: float = 0.0
    # An error code that is told while it goes on all the same.
    told_error: int = 0
    _session: bool = False
    _begun_s: float = 0.0
    _told_w: float = 0.0
    _message_s: float = field(default_factory=time.time)

    def hear(self) -> None:
        """Take note that somebody sent a message."""
        self.run()
        self._message_s = time.time()

    def write(self, address: int, value: int) -> bool:
        """Take a write; return whether the register can be written at all."""
        self.run()
        signed = value - 0x10000 if value >= 0x8000 else value
        low, high = LIMITS.get(address, (0, 0xFFFF))
        if address not in WRITABLE or not low <= signed <= high:
            return False
        registers = self.registers
        if address == 81:
            self._set_control(value)
        elif registers[81] == 0:
            # Without remote control nothing else is heard.
            return True
        elif address == 257:
            registers[257] = value
            self._act(value)
        else:
            registers[address] = value
        self.run()
        return True

    def run(self) -> None:
        """Live up to now."""
        now_s = time.time()
        timeout_s = self.registers[88]
        if timeout_s and self._session and now_s - self._message_s > timeout_s:
            self._session = False
            self.on_event("watchdog")
        self._steer(now_s)
        plant = self.plant
        while (left_s := now_s - plant.time_s) > 1e-3:
            middle_s = plant.time_s
            made = plant.advance(
                min(left_s, 1.0),
                self.house.load_w(middle_s),
                self.house.solar_w(middle_s),
            )
            self.grid_w = made.grid_w
            self.solar_w = self.house.solar_w(middle_s)
        self._tell(now_s)

    def set_car(self, present: bool) -> None:
        """Plug the car in or out."""
        self.run()
        if present is self.plant.connected:
            return
        if present:
            self.plant.plug_in()
            remote = self.registers[81] == 1
            if self.registers[82] == 1 or (remote and self.registers[257] == 1):
                self._start("started at the plug")
        else:
            self.plant.unplug()
            self._session = False
        self.on_event("plugged" if present else "unplugged")
        self.run()

    def app(self, word: str) -> None:
        """Let the owner press a button in the charger's app."""
        self.run()
        if word == "take":
            self._set_control(0)
        else:
            self._act(1 if word == "start" else 2)
        self.run()

    def restart(self, errors_s: float) -> None:
        """Start anew: what was told is forgotten, and errors come first."""
        self.run()
        self.errors_until_s = time.time() + errors_s
        self._session = False
        self.registers |= {key: SEED[key] for key in (81, 82, 83, 88, 257, 260)}
        self.registers[82] = 0
        self.on_event("restarted")
        self.run()

    def state(self) -> dict[str, Any]:
        """Return what is going on."""
        registers = self.registers
        return {
            "power_w": self.plant.power_w,
            "soc_percent": self.plant.soc_percent,
            "grid_w": self.grid_w,
            "state": registers[537],
            "remote": registers[81] == 1,
            "autostart": registers[82] == 1,
            "by_power": registers[83] == 1,
            "timeout_s": registers[88],
            "available_w": registers[514],
            "setpoint_w": self._setpoint_w(),
            "session": self._session,
            "connected": self.plant.connected,
        }

    def _set_control(self, value: int) -> None:
        self.registers[81] = value
        if value == 0:
            self.registers |= {82: 1, 83: 0, 88: 0}
            if self.plant.connected and not self._session:
                self._start("started by its app")

    def _act(self, action: int) -> None:
        if action == 1 and self.plant.connected and not self.locked:
            if not self._session:
                self._start("started")
        elif action == 2 and self._session:
            self._session = False
            self.on_event("stopped")

    def _start(self, event: str) -> None:
        self._session = True
        self._begun_s = time.time()
        self.on_event(event)

    def _setpoint_w(self) -> int:
        value = self.registers[260]
        return value - 0x10000 if value >= 0x8000 else value

    def _steer(self, now_s: float) -> None:
        """Tell the car what the registers mean, positive into the home."""
        power_w = 0.0
        if self._session and now_s >= self.errors_until_s and self.held_state is None:
            if self.registers[81] == 0:
                power_w = float(-self.registers[514])
            elif self.registers[83] == 1:
                power_w = float(-max(self._setpoint_w(), -7400))
                power_w = max(power_w, float(-self.registers[514]))
        if power_w != self._told_w:
            self._told_w = power_w
            self.plant.command(power_w, now_s)

    def _tell(self, now_s: float) -> None:
        registers, plant = self.registers, self.plant
        failing = now_s < self.errors_until_s
        registers[526] = round(-plant.power_w) & 0xFFFF if self._session else 0
        registers[256] = int(self.locked)
        registers[537] = self._state(failing)
        registers[542] = 0x0004 if failing else self.told_error
        told = self._session and now_s - self._begun_s >= TELLS_S and not failing
        soc = int(plant.reported_soc_percent) if told else 0
        registers[538] = self.glitch if self.glitch is not None and soc else soc

    def _state(self, failing: bool) -> int:
        if failing:
            return 7
        if not self.plant.connected:
            return 6 if self.locked else 0
        if self.held_state is not None:
            return self.held_state
        if not self._session:
            return 4
        if time.time() - self._begun_s < DEAD_TIME_S:
            return 2
        return 11 if self._told_w > 0.0 else 1
