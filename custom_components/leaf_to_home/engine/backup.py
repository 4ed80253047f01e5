"""What each unit can do in an outage, and what it does."""

from .battery import UnitKind
from .evidence import can_carry, can_island, says_island
from .guard import islands
from .model import HomeMode, Inputs, IslandingStart, UnitInputs, UnitMode, UnitStatus
from .outage_model import NoBackup, OutageSettings
from .runtime import Store
from .shedding import Burden
from .soc import soc_percent
from .state import HomeState, UnitState

# Discharge at the floor goes on this far above it again, percent.
RESUME_PERCENT = 2.0
# What can be shed is off this long after the floor was reached; a stop that did nothing
# is told again as late.
STOP_S = 60.0
# After this long enough is known of the load that is carried.
FELT_S = 120.0


def begins_by_hand(known: UnitInputs) -> bool:
    """Return whether a person has to start the unit in an outage."""
    if known.backup.by_hand is not None:
        return known.backup.by_hand
    return known.capabilities.islanding is IslandingStart.BY_HAND


def waits_for_person(
    unit: UnitState, known: UnitInputs, reason: NoBackup | None
) -> bool:
    """Return whether the unit could carry the house if somebody started it.

    Until then it may be without power itself, and silent.
    """
    if not (can_carry(known) and begins_by_hand(known)):
        return False
    if reason is NoBackup.UNREACHABLE:
        return unit.connected is not False
    return reason is None


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


def says_carrying(known: UnitInputs, now_s: float) -> bool:
    """Return whether the unit says just now that it carries the house."""
    return not known.backup.sockets_only and says_island(known.reading, now_s)


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


def watch_floors(
    state: HomeState, inputs: Inputs, carrying: list[str], now_s: float
) -> None:
    """See which of the units that carry have come to their floor."""
    floors_s = state.outage.floors_s
    for key in carrying:
        unit, known = state.units[key], inputs.units[key]
        soc = soc_percent(unit, known.spec)
        if soc is None:
            continue
        floor = floor_percent(unit, known, inputs.outage)
        if soc <= floor:
            floors_s.setdefault(key, now_s)
        elif soc >= floor + RESUME_PERCENT:
            floors_s.pop(key, None)


def stops(state: HomeState, inputs: Inputs, now_s: float) -> set[str]:
    """Return the units whose island ends at the floor, where the user wants that.

    A stop takes the light and may not be undone, so that it is told only to a station
    on which it was tried, at the floor that it says itself, and at last.
    """
    memory = state.outage
    result: set[str] = set()
    if memory.test or not memory.holds:
        return result
    for key, since_s in memory.floors_s.items():
        known = inputs.units.get(key)
        if known is None or not says_carrying(known, now_s):
            continue
        unit, backup = state.units[key], known.backup
        soc = soc_percent(unit, known.spec)
        told_s = memory.stops_s.get(key, since_s)
        if (
            backup.stop_at_floor
            and backup.stop_tested
            and state.settings.mode not in (HomeMode.OBSERVE, HomeMode.OFF)
            and unit.settings.mode is not UnitMode.OFF
            and soc is not None
            and soc <= floor_percent(unit, known, inputs.outage)
            and now_s - told_s >= STOP_S
        ):
            memory.stops_s[key] = now_s
            result.add(key)
    return result


def stores_of(state: HomeState, inputs: Inputs, keys: list[str]) -> list[Store]:
    """Return the batteries among `keys` of which it is known what is in them."""
    result: list[Store] = []
    for key in keys:
        unit, known = state.units[key], inputs.units[key]
        if unit.stored_kwh is None:
            continue
        spec = known.spec
        floor = floor_percent(unit, known, inputs.outage)
        result.append(
            Store(
                spec=spec,
                usable_kwh=max(
                    0.0, unit.stored_kwh - spec.capacity_kwh * floor / 100.0
                ),
                room_kwh=max(0.0, spec.capacity_kwh - unit.stored_kwh),
                own_w=known.backup.own_w,
                solar=known.backup.solar_in_island,
            )
        )
    return result


def burden_of(
    state: HomeState,
    inputs: Inputs,
    carrying: list[str],
    given_w: float | None,
    now_s: float,
    *,
    expected: list[str] | None,
) -> Burden:
    """Return what the units that carry bear, and what they have left.

    In the dark, before any does, it is what those have left that are `expected` to.
    """
    memory = state.outage
    runtime = memory.runtime
    backups = [(inputs.units[key].spec, inputs.units[key].backup) for key in carrying]
    limits_w = [
        spec.max_discharge_w if backup.limit_w is None else backup.limit_w
        for spec, backup in backups
    ]
    legs = [backup.leg_limit_w for _, backup in backups]
    leg_limits_w = [limit_w for limit_w in legs if limit_w is not None]
    legged = bool(legs) and len(leg_limits_w) == len(legs)
    played = memory.test
    # A moment's load sheds nothing for hours; what the house usually draws may.
    felt = (
        memory.load_seen_s >= FELT_S
        if carrying
        else bool(expected) and inputs.load_outlook is not None
    )
    return Burden(
        power_w=None if played else given_w,
        limit_w=sum(limits_w) if limits_w else None,
        legs_w=tuple(
            abs(phase.value) if phase is not None and phase.fresh(now_s) else None
            for phase in inputs.phases
        ),
        leg_limit_w=sum(leg_limits_w) if legged else None,
        soc_percent=charge_percent(state, inputs, carrying or expected or []),
        low_h=runtime.low_h if felt and runtime is not None else None,
        gain_h=runtime.tier_gain_h if runtime is not None else {},
        endless=felt and runtime is not None and runtime.low_h is None,
        floor=bool(carrying) and all(key in memory.floors_s for key in carrying),
        played=played,
        dark=expected is not None,
    )
