"""Whose power it is that the grid meter sees.

A meter on the backed-up side sees in an island what the units give. Power proves the
grid only where it cannot be theirs.
"""

from .model import Inputs, IslandingStart, Reading, UnitInputs, UnitStatus
from .state import HomeState

FLOW_W = 20.0


def can_island(known: UnitInputs) -> bool:
    """Return whether the unit can feed anything without the grid."""
    return (
        known.capabilities.islanding is not IslandingStart.NEVER
        or known.backup.by_hand is True
    )


def can_carry(known: UnitInputs) -> bool:
    """Return whether the unit can carry the house at all."""
    return not known.backup.sockets_only and can_island(known)


def is_the_grids(
    power_w: float, state: HomeState, inputs: Inputs, now_s: float
) -> bool:
    """Return whether the power that the meter sees can only be the grid's."""
    if inputs.outage.meter_at_grid:
        return True
    imports = power_w >= FLOW_W
    if inputs.has_other and not _other_takes(inputs, now_s, imports=imports):
        return False
    return all(
        _gives_nothing(known, now_s, imports=imports)
        for key, known in inputs.units.items()
        if can_carry(known) or _islands(state, key, known, now_s)
    )


def says_island(reading: Reading | None, now_s: float) -> bool:
    """Return whether the unit says just now that it carries something."""
    return (
        reading is not None
        and reading.fresh(now_s)
        and (
            reading.islanding is True
            or (reading.islanding is None and reading.status is UnitStatus.ISLANDING)
        )
    )


def _islands(state: HomeState, key: str, known: UnitInputs, now_s: float) -> bool:
    """Return whether the unit says that it islands, whatever it should be able to.

    A portable unit speaks for itself alone.
    """
    said = state.units[key].islanding or says_island(known.reading, now_s)
    return said and not known.backup.sockets_only


def _other_takes(inputs: Inputs, now_s: float, *, imports: bool) -> bool:
    """Return whether the other batteries take what comes in, and so do not make it."""
    other = inputs.other
    return (
        imports and other is not None and other.fresh(now_s) and other.value <= -FLOW_W
    )


def _gives_nothing(known: UnitInputs, now_s: float, *, imports: bool) -> bool:
    """Return whether the unit surely carries nothing.

    That its power is 0 says little: there are stations that do not measure an island.
    """
    reading = known.reading
    if reading is None or not reading.fresh(now_s) or says_island(reading, now_s):
        return False
    if reading.islanding is False:
        return True
    if reading.connected is False or reading.status is UnitStatus.DISCONNECTED:
        return True
    return imports and reading.power_w is not None and reading.power_w <= -FLOW_W
