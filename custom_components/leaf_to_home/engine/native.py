"""Following the load by the station's own meter, instead of by set-points of ours.

The station is faster than any meter of the home, and goes on when that dies. Ours is to
start and stop it, for the same reasons and at the same distances as with set-points,
and to see that it does what it should.
"""

from typing import Final

from .bounds import floor_percent
from .control import LATE_S, START_GAP_S, Moment, Wish, settled, target_import_w
from .limits import main_room_w
from .model import Inputs, Intent, IntentKind, OutcomeKind, UnitInputs
from .policy import Choice, discharge_ceiling_w
from .soc import least_kwh
from .state import UnitState

# Less than that is what a station at rest takes for itself, W.
AT_REST_W: Final = 100.0
# What is measured of a unit that moves by itself and of the house is not of one moment:
# a load that seems too small, or a surplus, has to last.
STOP_AFTER_S: Final = 30.0
# So far from the load, for so long, is no following; it is tried again the next day.
MISSED_W: Final = 300.0
EXPORT_AFTER_S: Final = 60.0
IMPORT_AFTER_S: Final = 120.0
# A breaker does not wait for that.
MAIN_AFTER_S: Final = 10.0
RETRY_S: Final = 86_400.0
# What was led by set-points for a reason is left to them for a while.
AGAIN_S: Final = START_GAP_S


def may_follow(
    intent: Intent,
    choice: Choice,
    unit: UnitState,
    known: UnitInputs,
    inputs: Inputs,
    now_s: float,
) -> bool:
    """Return whether the intent can be left to the station, as far as it goes alone.

    It gives whatever the house takes: so nothing may ask for less than all it can, and
    what it can until somebody stops it has to be there.
    """
    if (
        not (known.native and known.capabilities.native_follow)
        or intent.kind is not IntentKind.COVER
        or inputs.means
        or _since(unit.native_failed_s, now_s) < RETRY_S
    ):
        return False
    allowed_w = ceiling_w(intent, unit, known)
    if not known.capabilities.follow_ceiling:
        told_w = known.reading.max_discharge_w if known.reading else None
        able_w = known.spec.max_discharge_w if told_w is None else told_w
        if allowed_w < able_w:
            return False
    spec = known.spec
    unseen_s = inputs.interval_s + known.capabilities.dead_time_s + LATE_S
    drain_kwh = -spec.stored_w(allowed_w) * unseen_s / 3.6e6
    # One step is kept above the reserve, of which this may take a part.
    lowest = floor_percent(unit, known) - spec.soc_step_percent
    left_kwh = least_kwh(unit) - spec.capacity_kwh * lowest / 100.0
    return drain_kwh <= min(left_kwh, choice.spare_kwh)


def ceiling_w(intent: Intent, unit: UnitState, known: UnitInputs) -> float:
    """Return the most that following may come to, W."""
    return min(intent.power_w, discharge_ceiling_w(known, unit.settings))


def begins(unit: UnitState, bounded: Wish, known: UnitInputs, now_s: float) -> bool:
    """Return whether a cover that is due is handed to the station now."""
    return (
        bounded.power_w > 0.0
        and _since(unit.native_left_s, now_s) >= AGAIN_S
        and ((unit.command_w or 0.0) <= 0.0 or settled(unit, known.capabilities, now_s))
    )


def goes_on(
    unit: UnitState,
    wanted: Wish,
    able_w: float,
    known: UnitInputs,
    inputs: Inputs,
    moment: Moment,
) -> bool:
    """Return whether a unit that follows goes on; `wanted` is what we would tell it.

    A hard limit stops it at once, anything else when it has lasted.
    """
    now_s = moment.now_s
    if wanted.firm and wanted.power_w <= 0.0:
        return False
    fails_after_s = _fails_after_s(unit, able_w, known, inputs, moment)
    patience_s = STOP_AFTER_S if wanted.power_w <= 0.0 else fails_after_s
    if patience_s is None:
        unit.native_doubt_s = None
        return True
    if unit.native_doubt_s is None:
        unit.native_doubt_s = now_s
    # A slow meter says the same for long.
    if now_s - unit.native_doubt_s < max(patience_s, 3.0 * inputs.interval_s):
        return True
    if fails_after_s is not None:
        unit.native_failed_s = now_s
    return False


def remember(unit: UnitState, *, native: bool, now_s: float) -> None:
    """Remember whether the unit follows; its command is then what it gives."""
    if unit.native and not native:
        unit.native_left_s = now_s
    if not native:
        unit.native_doubt_s = None
    unit.native = native
    if native and unit.told and unit.power_w is not None and unit.power_w > 0.0:
        unit.command_w = unit.power_w


def at_rest(unit: UnitState) -> bool:
    """Return whether a unit neither does anything nor was told to."""
    return not unit.command_w and abs(unit.power_w or 0.0) <= AT_REST_W


def _fails_after_s(
    unit: UnitState, able_w: float, known: UnitInputs, inputs: Inputs, moment: Moment
) -> float | None:
    """Return after how long the unit has failed to follow, None while it does."""
    outcome, grid_w = known.outcome, moment.grid_w
    if not unit.told or grid_w is None or unit.power_w is None:
        return None
    if outcome is not None:
        if outcome.time_s < (unit.command_s or 0.0):
            return None
        if outcome.kind is OutcomeKind.REFUSED:
            return 0.0
        if outcome.kind not in (OutcomeKind.APPLIED, OutcomeKind.LIMITED):
            return None
    if moment.now_s < (unit.settled_s or 0.0):
        return None
    if grid_w < -moment.export_w - MISSED_W and unit.power_w > AT_REST_W:
        return EXPORT_AFTER_S
    missing_w = grid_w - target_import_w(known.spec, 0.0)
    if min(missing_w, able_w - unit.power_w) <= MISSED_W:
        return None
    room_w = main_room_w(inputs, grid_w, 0.0, moment.now_s)
    return IMPORT_AFTER_S if room_w is None or room_w >= 0.0 else MAIN_AFTER_S


def _since(at_s: float | None, now_s: float) -> float:
    return float("inf") if at_s is None else now_s - at_s
