"""How much is in the battery: energy counting, anchored at what the unit reports."""

from .battery import UnitSpec
from .model import Reading
from .state import UnitState

# How far a report may lie from the counted value before it is doubted, percent.
TOLERANCE_PERCENT = 2.0
# Counting itself errs by this share of what has moved.
COUNTING_ERROR = 0.15
# A doubtful report is believed when it stays this long.
CONFIRM_S = 60.0
# Chargers report 0 and 1 % when they do not know.
GLITCH_PERCENT = 1.0
# After a silence this long a report need not fit what was counted.
SILENT_S = 300.0
# Counting is no finer than this, percent.
EXACT_PERCENT = 0.02
# A counter gains no more than this share of the unit's power allows, and one step.
COUNTER_SLACK = 1.5
COUNTER_STEP_KWH = 1.0
STANDBY_SLACK = 1.5
# Without a new report, a state of charge is known until this share, and so many of the
# reported steps, could have moved.
BLIND_SHARE = 0.05
BLIND_STEPS = 2.0
# What others have said is counted on until this share of the capacity has moved.
OTHER_SHARE = 0.25


def count(
    unit: UnitState, spec: UnitSpec, reading: Reading | None, dt_s: float
) -> tuple[float, float]:
    """Count what flowed in the last `dt_s` seconds; return AC kWh in and out.

    The device's own counters come first; else the last known power is taken to have
    stood. What is not known at all is counted as what our command could have moved.
    """
    charged_kwh = discharged_kwh = 0.0
    most_kwh = _most_kwh(unit, spec, reading)
    silent_s = 0.0 if reading is None else reading.time_s - (unit.heard_s or 0.0)
    if silent_s > max(SILENT_S, 3.0 * dt_s):
        # Whatever happened while nobody listened, the next report tells.
        unit.anchor_soc_percent = None
    if reading is not None and reading.charged_kwh is not None:
        charged_kwh = _counted(reading.charged_kwh, unit.device_charged_kwh, most_kwh)
        unit.device_charged_kwh = reading.charged_kwh
    elif unit.power_w is not None and unit.power_w < 0.0:
        charged_kwh = -unit.power_w * dt_s / 3.6e6
    if reading is not None and reading.discharged_kwh is not None:
        discharged_kwh = _counted(
            reading.discharged_kwh, unit.device_discharged_kwh, most_kwh
        )
        unit.device_discharged_kwh = reading.discharged_kwh
    elif unit.power_w is not None and unit.power_w > 0.0:
        discharged_kwh = unit.power_w * dt_s / 3.6e6
    unit.charged_kwh += charged_kwh
    unit.discharged_kwh += discharged_kwh
    if charged_kwh * 3.6e6 <= STANDBY_SLACK * spec.standby_w * dt_s:
        # What a station draws while it idles does not reach the battery.
        into_kwh = 0.0
    else:
        into_kwh = charged_kwh
    unit.into_kwh += into_kwh
    unit.moved_kwh += into_kwh + discharged_kwh
    # Who follows the load by itself may have given all it can.
    told_w = spec.max_discharge_w if unit.native and unit.told else unit.told_w
    if unit.power_w is None and not _counts(reading, told_w):
        unit.moved_kwh += abs(told_w) * dt_s / 3.6e6
        if told_w > 0.0 and unit.stored_kwh is not None:
            # What may be gone is gone, or the reserve would not be kept.
            unit.stored_kwh += spec.stored_w(told_w) * dt_s / 3.6e6
    if unit.stored_kwh is None or dt_s <= 0.0:
        return charged_kwh, discharged_kwh
    before_kwh = unit.stored_kwh
    hours = dt_s / 3600.0
    if into_kwh > 0.0:
        unit.stored_kwh += spec.stored_w(-into_kwh * 1e3 / hours) * hours / 1e3
    if discharged_kwh > 0.0:
        unit.stored_kwh += spec.stored_w(discharged_kwh * 1e3 / hours) * hours / 1e3
    unit.stored_kwh = min(max(unit.stored_kwh, 0.0), spec.capacity_kwh)
    _count_other(unit, spec, unit.stored_kwh - before_kwh)
    return charged_kwh, discharged_kwh


def _count_other(unit: UnitState, spec: UnitSpec, change_kwh: float) -> None:
    """Count on what others have said, as long as counting is exact enough."""
    if unit.other_kwh is None:
        return
    unit.other_kwh = min(max(unit.other_kwh + change_kwh, 0.0), spec.capacity_kwh)
    unit.other_moved_kwh += abs(change_kwh)
    if unit.other_moved_kwh > OTHER_SHARE * spec.capacity_kwh:
        unit.other_kwh = None


def least_kwh(unit: UnitState) -> float:
    """Return what is stored by whoever says less: that much may be given."""
    stored_kwh = unit.stored_kwh or 0.0
    return stored_kwh if unit.other_kwh is None else min(stored_kwh, unit.other_kwh)


def most_kwh(unit: UnitState) -> float:
    """Return what is stored by whoever says more: that much less may be taken."""
    stored_kwh = unit.stored_kwh or 0.0
    return stored_kwh if unit.other_kwh is None else max(stored_kwh, unit.other_kwh)


def _counts(reading: Reading | None, told_w: float) -> bool:
    """Return whether a counter of the device watches over what a command moves."""
    if reading is None:
        return False
    counter = reading.discharged_kwh if told_w > 0.0 else reading.charged_kwh
    return counter is not None


def _most_kwh(unit: UnitState, spec: UnitSpec, reading: Reading | None) -> float:
    """Return what a counter can have gained since it was last heard."""
    if reading is None or unit.heard_s is None:
        return COUNTER_STEP_KWH
    hours = max(0.0, reading.time_s - unit.heard_s) / 3600.0
    power_w = max(spec.max_charge_w, spec.max_discharge_w)
    return COUNTER_STEP_KWH + COUNTER_SLACK * power_w / 1e3 * hours


def _counted(now_kwh: float, before_kwh: float | None, most_kwh: float) -> float:
    """Return what a counter gained; one that was reset or jumped begins anew."""
    gained_kwh = 0.0 if before_kwh is None else now_kwh - before_kwh
    return gained_kwh if 0.0 <= gained_kwh <= most_kwh else 0.0


def anchor(unit: UnitState, spec: UnitSpec, reading: Reading, now_s: float) -> None:
    """Believe the reported state of charge, or doubt it until it has stood."""
    if reading.connected is not None:
        if reading.connected and not unit.connected:
            # What the trip took is not known before it says.
            unit.arrived_s = now_s
            unit.anchor_soc_percent = None
            unit.stored_kwh = None
        unit.connected = reading.connected
    soc = reading.soc_percent
    if soc is None or unit.connected is False:
        return
    if not 0.0 <= soc <= 100.0:
        return
    low = spec.capacity_kwh * soc / 100.0
    high = spec.capacity_kwh * min(100.0, soc + spec.soc_step_percent) / 100.0
    if soc == unit.anchor_soc_percent and unit.stored_kwh is not None:
        # The same report again tells nothing new: counting goes on, downwards freely,
        # or a report that hangs would hide an empty battery.
        unit.stored_kwh = min(unit.stored_kwh, high)
        unit.suspect_soc_percent = None
        unit.suspect_since_s = None
        return
    if not (
        reading.soc_certain
        or _plausible(unit, spec, soc)
        or _confirmed(unit, spec, soc, now_s)
    ):
        return
    unit.suspect_soc_percent = None
    unit.suspect_since_s = None
    unit.moved_kwh = 0.0
    unit.anchor_soc_percent = soc
    if unit.stored_kwh is None:
        unit.stored_kwh = (low + high) / 2.0
    unit.stored_kwh = min(max(unit.stored_kwh, low), high)


def _plausible(unit: UnitState, spec: UnitSpec, soc: float) -> bool:
    if unit.anchor_soc_percent is None or unit.stored_kwh is None:
        return soc > GLITCH_PERCENT
    expected = unit.stored_kwh / spec.capacity_kwh * 100.0
    slack = (
        TOLERANCE_PERCENT
        + spec.soc_step_percent
        + 100.0 * COUNTING_ERROR * unit.moved_kwh / spec.capacity_kwh
    )
    return abs(soc - expected) <= slack


def _confirmed(unit: UnitState, spec: UnitSpec, soc: float, now_s: float) -> bool:
    close = TOLERANCE_PERCENT + spec.soc_step_percent
    if (
        unit.suspect_soc_percent is None
        or unit.suspect_since_s is None
        or abs(soc - unit.suspect_soc_percent) > close
    ):
        unit.suspect_soc_percent = soc
        unit.suspect_since_s = now_s
        return False
    gains = unit.stored_kwh is not None and (
        soc > unit.stored_kwh / spec.capacity_kwh * 100.0
    )
    if gains and soc == unit.suspect_soc_percent:
        # Energy from nowhere is believed only of a report that lives.
        return False
    return now_s - unit.suspect_since_s >= CONFIRM_S


def soc_percent(unit: UnitState, spec: UnitSpec) -> float | None:
    """Return the counted state of charge in percent, or None where it is not known."""
    if unit.stored_kwh is None or spec.capacity_kwh <= 0.0:
        return None
    return unit.stored_kwh / spec.capacity_kwh * 100.0


def soc_known(unit: UnitState, spec: UnitSpec) -> bool:
    """Return whether the state of charge is sure enough to begin a discharge."""
    return (
        unit.stored_kwh is not None
        and unit.anchor_soc_percent is not None
        and unit.suspect_since_s is None
        and unit.moved_kwh
        <= (BLIND_SHARE + BLIND_STEPS * spec.soc_step_percent / 100.0)
        * spec.capacity_kwh
    )
