"""What a unit that sees inside its battery can tell, in words that are translated."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class PackCondition(StrEnum):
    """What the electronics of a battery are doing."""

    RUNNING = "running"
    STANDBY = "standby"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    CONTACTORS_OPEN = "contactors_open"
    FAULT = "fault"
    UPDATING = "updating"
    NO_BATTERY = "no_battery"
    SILENT = "silent"
    OFFLINE = "offline"
    NO_BROKER = "no_broker"


class PackFault(StrEnum):
    """What the electronics of a battery complain about."""

    NONE = "none"
    BATTERY_MISSING = "battery_missing"
    INVERTER_MISSING = "inverter_missing"
    EMERGENCY_STOP = "emergency_stop"
    CONTACTOR = "contactor"
    OVERHEATED = "overheated"
    FROZEN = "frozen"
    TEMPERATURE_SPREAD = "temperature_spread"
    OVERVOLTAGE = "overvoltage"
    UNDERVOLTAGE = "undervoltage"
    CELL_SPREAD = "cell_spread"
    INSULATION = "insulation"
    INTERLOCK = "interlock"
    FUSE = "fuse"
    WATER = "water"
    THERMAL_RUNAWAY = "thermal_runaway"
    STOP_REQUESTED = "stop_requested"
    CAUTION = "caution"
    LIMIT_EXCEEDED = "limit_exceeded"
    WORN_OUT = "worn_out"
    STATE_OF_CHARGE = "state_of_charge"
    STALE_VALUE = "stale_value"
    LOW_12V = "low_12v"
    COMMUNICATION = "communication"
    OTHER = "other"


class Balancing(StrEnum):
    """What a battery does about cells that differ."""

    READY = "ready"
    ACTIVE = "active"
    PENDING = "pending"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackView:
    """What is going on inside a battery; None is not known."""

    condition: PackCondition
    fault: PackFault | None = None
    balancing: Balancing | None = None


@runtime_checkable
class TellsPack(Protocol):
    """A unit that sees inside its battery."""

    @property
    def pack(self) -> PackView:
        """Return what is going on there now."""
