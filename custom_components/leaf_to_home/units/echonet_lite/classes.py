"""The two classes of batteries and the classes that measure the house."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ...engine.battery import UnitKind

CODE_CHARGER: Final = 0x027E
CODE_BATTERY: Final = 0x027D
CODE_BOARD: Final = 0x0287
CODE_METER: Final = 0x0288
CODE_SOLAR: Final = 0x0279
CODE_PCS: Final = 0x02A5

OPERATION: Final = 0x80
FAULT: Final = 0x88
FAULT_CODE: Final = 0x89
FAULT_PRESENT: Final = 0x41


class Mode(IntEnum):
    """What a battery is told to do, and does."""

    OTHER = 0x40
    RAPID_CHARGE = 0x41
    CHARGE = 0x42
    DISCHARGE = 0x43
    STANDBY = 0x44
    TEST = 0x45
    # Of a charger: both ways. Of a storage battery: its own automatic mode.
    BOTH = 0x46
    IDLE = 0x47
    PREPARATION = 0x48
    AUTOMATIC = 0x49


CHARGING_MODES: Final = frozenset({Mode.RAPID_CHARGE, Mode.CHARGE})
AT_REST: Final = frozenset({Mode.STANDBY, Mode.IDLE})


class Method(IntEnum):
    """How the power of a mode is found."""

    OTHER = 0x00
    MAXIMUM = 0x01
    # Charging: the sun's surplus. Discharging: the house's load.
    FOLLOWING = 0x02
    DESIGNATED = 0x03
    CURRENT = 0x04
    PURCHASE = 0x05
    SIGNED = 0x06


class Connection(IntEnum):
    """Whether a car is at the plug and what it would let itself in for."""

    NONE = 0x30
    NOT_READY = 0x40
    CHARGEABLE = 0x41
    DISCHARGEABLE = 0x42
    BOTH = 0x43
    UNKNOWN = 0x44
    UNDEFINED = 0xFF


UNDETERMINED: Final = frozenset({Connection.UNKNOWN, Connection.UNDEFINED})


class Interconnection(IntEnum):
    """Whether the grid is there."""

    REVERSE_FLOW = 0x00
    ISLAND = 0x01
    NO_REVERSE_FLOW = 0x02


PERMITTED: Final = 0x41
PROHIBITED: Final = 0x42


@dataclass(frozen=True, kw_only=True, slots=True)
class BatteryClass:
    """Where a class of batteries keeps what. None: it has no such property."""

    code: int
    kind: UnitKind
    actual: int
    charge_method: int
    discharge_method: int
    charge_energy: tuple[int, ...]
    discharge_energy: tuple[int, ...]
    charged: tuple[int, ...]
    discharged: tuple[int, ...]
    mode: int = 0xDA
    power: int = 0xD3
    charge_power: int = 0xEB
    discharge_power: int = 0xEC
    charge_range: int = 0xC8
    discharge_range: int = 0xC9
    soc: int = 0xE4
    stored: int = 0xE2
    capacity: int = 0xD0
    interconnection: int = 0xDB
    rated_charge: int | None = None
    rated_discharge: int | None = None
    connection: int | None = None
    confirm: int | None = None
    signed_power: int | None = None
    purchase: int | None = None
    reconnect: int | None = None
    island_permission: int | None = None
    dischargeable: int | None = None
    dischargeable_percent: int | None = None
    health: int | None = None
    vehicle: int | None = None
    island_voltage: int = 0xEF

    @property
    def fast(self) -> tuple[int, ...]:
        """Return what is asked for every few seconds."""
        return _present(
            self.mode,
            self.power,
            self.connection,
            self.actual,
            self.interconnection,
            self.soc,
            FAULT,
        )

    @property
    def slow(self) -> tuple[int, ...]:
        """Return what is asked for about once a minute."""
        return _present(
            self.stored,
            self.capacity,
            self.charge_range,
            self.discharge_range,
            *self.charged,
            *self.discharged,
            self.charge_method,
            self.discharge_method,
            self.charge_power,
            self.discharge_power,
            self.signed_power,
            self.reconnect,
            self.island_permission,
            self.dischargeable,
            self.dischargeable_percent,
            self.health,
            self.vehicle,
            FAULT_CODE,
        )

    @property
    def fixed(self) -> tuple[int, ...]:
        """Return what is asked for once."""
        return _present(self.rated_charge, self.rated_discharge)

    @property
    def of_vehicle(self) -> tuple[int, ...]:
        """Return what belongs to the car at the plug and not to the station."""
        if self.connection is None:
            return ()
        return _present(
            self.soc,
            self.stored,
            self.capacity,
            self.dischargeable,
            self.dischargeable_percent,
            self.vehicle,
        )


CHARGER: Final = BatteryClass(
    code=CODE_CHARGER,
    kind=UnitKind.VEHICLE,
    actual=0xE1,
    charge_method=0xDC,
    discharge_method=0xDD,
    charge_energy=(0xE7,),
    discharge_energy=(0xEA,),
    charged=(0xD8,),
    discharged=(0xD6,),
    rated_charge=0xC5,
    rated_discharge=0xC6,
    connection=0xC7,
    confirm=0xCD,
    signed_power=0xE0,
    purchase=0xDE,
    reconnect=0xDF,
    dischargeable=0xC2,
    dischargeable_percent=0xC4,
    vehicle=0xE6,
)

BATTERY: Final = BatteryClass(
    code=CODE_BATTERY,
    kind=UnitKind.STATIONARY,
    actual=0xCF,
    charge_method=0xC1,
    discharge_method=0xC2,
    charge_energy=(0xAA, 0xE7),
    discharge_energy=(0xAB, 0xE8),
    charged=(0xA8, 0xD8),
    discharged=(0xA9, 0xD6),
    reconnect=0xCC,
    island_permission=0xCE,
    health=0xE5,
)

BATTERIES: Final = {profile.code: profile for profile in (CHARGER, BATTERY)}

# What measures the house: where its power is and, for some, whether the grid is there.
METER_POWER: Final = {
    CODE_BOARD: 0xC6,
    CODE_METER: 0xE7,
    CODE_SOLAR: 0xE0,
    CODE_PCS: 0xE7,
}
METER_INTERCONNECTION: Final = {CODE_SOLAR: 0xD0, CODE_PCS: 0xD0}


def _present(*epcs: int | None) -> tuple[int, ...]:
    return tuple(epc for epc in epcs if epc is not None)
