"""The charger's registers, and what their numbers mean.

All are holding registers at unit 1. The charger counts power positive into the car;
here it turns positive into the home, and nowhere else.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ..base import UnitUnreachable

UNIT_ID: Final = 1
DEFAULT_PORT: Final = 502

FIRMWARE: Final = 1
CONTROL: Final = 81
AUTOSTART: Final = 82
SETPOINT_TYPE: Final = 83
TIMEOUT: Final = 88
LOCKED: Final = 256
ACTION: Final = 257
POWER: Final = 260
AVAILABLE: Final = 514
MEASURED: Final = 526

# Where to begin reading, and how many: only blocks without unknown registers.
IDENTITY_BLOCK: Final = (FIRMWARE, 3)
CONTROL_BLOCK: Final = (CONTROL, 3)
COMMAND_BLOCK: Final = (LOCKED, 5)
STATE_BLOCK: Final = (MEASURED, 17)

USER: Final = 0
REMOTE: Final = 1
POWER_TYPE: Final = 1
START: Final = 1
STOP: Final = 2

# The least that the charger lets itself be limited to (6 A), and all it can (32 A), W.
LEAST_AVAILABLE_W: Final = 1380
MOST_W: Final = 7400
# Nothing that it measures is further from zero than this, W.
ABSURD_W: Final = 9000
# Charger and car never charge above this, percent.
FULL_PERCENT: Final = 97.0


class ChargerState(IntEnum):
    """What register 537 says."""

    NO_CAR = 0
    CHARGING = 1
    WAITING_FOR_CAR = 2
    SCHEDULED_BY_APP = 3
    PAUSED = 4
    END_OF_SCHEDULE = 5
    NO_CAR_LOCKED = 6
    ERROR = 7
    QUEUE_POWER_SHARING = 8
    ERROR_POWER_SHARING = 9
    QUEUE_POWER_BOOST = 10
    DISCHARGING = 11


AWAY: Final = {ChargerState.NO_CAR, ChargerState.NO_CAR_LOCKED}
ERRORS: Final = {ChargerState.ERROR, ChargerState.ERROR_POWER_SHARING}
QUEUED: Final = {ChargerState.QUEUE_POWER_SHARING, ChargerState.QUEUE_POWER_BOOST}
RUNNING: Final = {ChargerState.CHARGING, ChargerState.DISCHARGING}


class Nonsense(UnitUnreachable):
    """What answers is no Quasar, or not in its senses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Which charger it is."""

    firmware: int
    serial: int

    @classmethod
    def decode(cls, values: list[int]) -> Identity:
        """Read it; raise Nonsense for a charger without a number."""
        firmware, high, low = values
        serial = high << 16 | low
        if serial in (0, 0xFFFFFFFF):
            raise Nonsense("no serial number")
        return cls(firmware=firmware, serial=serial)


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """What stands in registers that can be written; power positive into the home."""

    remote: bool
    autostart: bool
    by_power: bool
    locked: bool
    power_w: int

    @classmethod
    def decode(cls, control: list[int], command: list[int]) -> Orders:
        """Read them; raise Nonsense for a control that is none."""
        remote, autostart, by_power = control
        if remote not in (USER, REMOTE):
            raise Nonsense(f"control is {remote}")
        return cls(
            remote=remote == REMOTE,
            autostart=autostart != 0,
            by_power=by_power == POWER_TYPE,
            locked=command[0] != 0,
            power_w=into_home(command[POWER - LOCKED]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What the charger measures; power positive into the home."""

    power_w: float | None
    state: ChargerState | None
    raw_state: int
    raw_soc: int
    errors: tuple[int, ...]

    @property
    def connected(self) -> bool | None:
        """Return whether a car is there, None where it does not tell."""
        if self.state is None or self.state in ERRORS:
            return None
        return self.state not in AWAY

    @property
    def running(self) -> bool:
        """Return whether it charges or discharges."""
        return self.state in RUNNING

    @property
    def failing(self) -> bool:
        """Return whether it tells of an error."""
        return self.state in ERRORS or any(self.errors)

    @classmethod
    def decode(cls, values: list[int]) -> Sight:
        """Read the block; what cannot be is unknown."""
        power_w = into_home(values[0])
        raw_state = values[537 - MEASURED]
        known = raw_state in ChargerState
        return cls(
            power_w=float(power_w) if abs(power_w) <= ABSURD_W else None,
            state=ChargerState(raw_state) if known else None,
            raw_state=raw_state,
            raw_soc=values[538 - MEASURED],
            errors=tuple(values[539 - MEASURED :]),
        )


def into_home(register: int) -> int:
    """Return a register's power as W into the home."""
    return -(register - 0x10000 if register >= 0x8000 else register)


def to_register(power_w: int) -> int:
    """Return W into the home as a register's power."""
    return -power_w & 0xFFFF
