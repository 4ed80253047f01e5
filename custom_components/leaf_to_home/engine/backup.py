"""What each unit can do in an outage, and what it does."""

from .battery import UnitKind
from .guard import islands
from .model import Inputs, IslandingStart, UnitInputs, UnitStatus
from .outage_model import NoBackup, OutageSettings
from .soc import soc_percent
from .state import HomeState, UnitState


def can_carry(known: UnitInputs) -> bool:
    """Return whether the unit can carry the house at all."""
    return not known.backup.sockets_only and can_island(known)


def can_island(known: UnitInputs) -> bool:
    """Return whether the unit can feed anything without the grid."""
    return (
        known.capabilities.islanding is not IslandingStart.NEVER
        or known.backup.by_hand is True
    )


def begins_by_hand(known: UnitInputs) -> bool:
    """Return whether a person has to start the unit in an outage."""
    if known.backup.by_hand is not None:
        return known.backup.by_hand
    return known.capabilities.islanding is IslandingStart.BY_HAND


def floor_percent(
    unit: UnitState, known: UnitInputs, settings: OutageSettings
) -> float:
    """Return where an outage ends for the unit: the higher of ours and the station's.

    What is left for driving is left by cars only.
    """
    floor = max(
        unit.settings.outage_floor_percent,
        known.backup.station_floor_percent,
        known.spec.min_soc_percent,
    )
    if settings.driving_percent is not None and known.spec.kind is UnitKind.VEHICLE:
        return max(floor, settings.driving_percent)
    return floor


def no_backup(
    unit: UnitState, known: UnitInputs, settings: OutageSettings, now_s: float
) -> NoBackup | None:
    """Return why the unit could not carry anything if the grid went now."""
    if not can_island(known):
        return NoBackup.NEVER
    reading = known.reading
    if reading is None or not reading.fresh(now_s):
        return NoBackup.UNREACHABLE
    if reading.islanding or reading.status is UnitStatus.ISLANDING:
        return None
    if reading.connected is False or reading.status is UnitStatus.DISCONNECTED:
        return NoBackup.UNPLUGGED
    if reading.status is UnitStatus.FAULT:
        return NoBackup.FAULT
    if reading.may_island is False:
        return NoBackup.WRONG_MODE
    soc = soc_percent(unit, known.spec)
    if soc is not None and soc <= floor_percent(unit, known, settings):
        return NoBackup.BELOW_FLOOR
    return None


def islanding(state: HomeState, inputs: Inputs, now_s: float) -> list[str]:
    """Return the units that carry the house, as far as was last heard of them."""
    return [
        key
        for key, known in inputs.units.items()
        if not known.backup.sockets_only
        and islands(state, state.units[key], known.reading, now_s)
    ]


def says_island(known: UnitInputs, now_s: float) -> bool:
    """Return whether the unit says just now that it carries the house."""
    reading = known.reading
    return (
        not known.backup.sockets_only
        and reading is not None
        and reading.fresh(now_s)
        and (
            reading.islanding is True
            or (reading.islanding is None and reading.status is UnitStatus.ISLANDING)
        )
    )


def carried_w(inputs: Inputs, keys: list[str], now_s: float) -> float | None:
    """Return what the units give together, None where one does not say."""
    total_w = 0.0
    for key in keys:
        reading = inputs.units[key].reading
        if reading is None or not reading.fresh(now_s) or reading.power_w is None:
            return None
        total_w += reading.power_w
    return total_w if keys else None


def charge_percent(state: HomeState, inputs: Inputs, keys: list[str]) -> float | None:
    """Return the state of charge of several units together, None without knowledge."""
    stored_kwh = capacity_kwh = 0.0
    for key in keys:
        unit = state.units[key]
        if unit.stored_kwh is None:
            return None
        stored_kwh += unit.stored_kwh
        capacity_kwh += inputs.units[key].spec.capacity_kwh
    return stored_kwh / capacity_kwh * 100.0 if capacity_kwh > 0.0 else None
