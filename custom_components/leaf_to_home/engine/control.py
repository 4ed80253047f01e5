"""Meet an intent with the live measurement, without hunting.

The loop corrects on what the house draws without the unit, which is known whenever grid
and unit were measured together: it needs no integrator, and a correction under way does
not disturb the next one. Where the two were not measured together it waits until the
last command has settled.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .battery import UnitSpec
from .model import Capabilities, Intent, IntentKind, Reason, ReasonCode
from .state import UnitState

# Import aimed at while covering without export, W; the station's own minimum plus this
# where that is higher.
TARGET_IMPORT_W = 60.0
OVER_MIN_IMPORT_W = 10.0
# Left to the grid while absorbing, so that the noise of the sun buys nothing.
TARGET_EXPORT_W = 30.0
# A correction smaller than this is not worth a write.
DEADBAND_W = 40.0
# Grid and unit samples closer than this were measured together.
TOGETHER_S = 1.5
# A unit is not started for less than this, nor for a wish shorter than START_AFTER_S.
LEAST_START_W = 100.0
START_AFTER_S = 20.0
START_MARGIN = 1.3
REVERSAL_GAP_S = 60.0
REVERSALS_AN_HOUR = 2
START_GAP_S = 300.0
# Running already, losses may eat this much more than the margin before it stops.
RUNNING_TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """A power with its reason; `firm` is exempt from the dwell times."""

    power_w: float
    reason: Reason
    firm: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What the loop knows of this moment.

    `draw_w` is the import that the home would have without units that cover; None where
    grid and unit were not measured together. `export_w` is the allowed battery export.
    """

    now_s: float
    interval_s: float
    draw_w: float | None
    grid_w: float | None
    export_w: float
    import_price: float | None


def target_import_w(spec: UnitSpec, export_w: float) -> float:
    """Return the grid power to aim at while covering, W."""
    if export_w > TARGET_IMPORT_W:
        return 0.0
    return max(TARGET_IMPORT_W, spec.min_import_w + OVER_MIN_IMPORT_W)


def wish(
    intent: Intent,
    unit: UnitState,
    spec: UnitSpec,
    moment: Moment,
) -> Wish:
    """Return the power that the intent means now, before dwell times and limits."""
    if intent.kind is IntentKind.CHARGE:
        return Wish(power_w=-intent.power_w, reason=intent.reason)
    if intent.kind is IntentKind.HOLD:
        return Wish(power_w=0.0, reason=intent.reason)
    if moment.draw_w is None:
        return Wish(
            power_w=unit.command_w or 0.0, reason=Reason(code=ReasonCode.SETTLING)
        )
    if intent.kind is IntentKind.EXPORT:
        # What the house takes does not count as export.
        ceiling_w = max(0.0, moment.draw_w) + moment.export_w
        return Wish(power_w=min(intent.power_w, ceiling_w), reason=intent.reason)
    if intent.kind is IntentKind.COVER:
        covered = _cover(intent, unit, spec, moment)
        if covered.power_w > 0.0 or not intent.absorb_surplus:
            return covered
        absorbed = _absorb(intent, unit, spec, moment.draw_w)
        return absorbed if absorbed.power_w < 0.0 else covered
    return _absorb(intent, unit, spec, moment.draw_w)


def _cover(intent: Intent, unit: UnitState, spec: UnitSpec, moment: Moment) -> Wish:
    assert moment.draw_w is not None
    running = (unit.command_w or 0.0) > 0.0
    wanted_w = moment.draw_w - target_import_w(spec, moment.export_w)
    least_w = spec.min_power_w
    if running and moment.draw_w + moment.export_w >= least_w > wanted_w:
        # Staying at the least power still exports nothing, and spares a start.
        wanted_w = least_w
    elif not running:
        least_w = max(LEAST_START_W, START_MARGIN * least_w)
    if wanted_w < least_w or wanted_w <= 0.0:
        return Wish(
            power_w=0.0,
            reason=Reason(
                code=ReasonCode.BELOW_MIN_POWER, values={"wanted_w": wanted_w}
            ),
        )
    power_w = min(wanted_w, intent.power_w)
    if not _pays(intent, spec, moment.import_price, power_w, running=running):
        return Wish(
            power_w=0.0,
            reason=Reason(code=ReasonCode.NO_PROFIT, values={"wanted_w": wanted_w}),
        )
    return Wish(power_w=power_w, reason=intent.reason)


def _absorb(intent: Intent, unit: UnitState, spec: UnitSpec, draw_w: float) -> Wish:
    running = (unit.command_w or 0.0) < 0.0
    surplus_w = -draw_w - TARGET_EXPORT_W
    least_w = spec.min_power_w
    if running and -draw_w >= least_w > surplus_w:
        surplus_w = least_w
    elif not running:
        least_w = max(LEAST_START_W, START_MARGIN * least_w)
    if surplus_w < least_w or spec.stored_w(-surplus_w) <= 0.0:
        return Wish(power_w=0.0, reason=intent.reason)
    return Wish(
        power_w=-min(surplus_w, spec.max_charge_w),
        reason=Reason(code=ReasonCode.SOLAR_SURPLUS, values={"surplus_w": surplus_w}),
    )


def _pays(
    intent: Intent,
    spec: UnitSpec,
    price: float | None,
    power_w: float,
    *,
    running: bool,
) -> bool:
    """Return whether covering at `power_w` costs less than buying, losses included."""
    if intent.stored_value is None or price is None:
        return True
    bought = price * power_w
    drained = -spec.stored_w(power_w) * intent.stored_value
    gain = bought - drained - spec.wear_per_kwh * power_w
    return gain > (-RUNNING_TOLERANCE * bought if running else 0.0)


def settled(
    unit: UnitState, capabilities: Capabilities, now_s: float, factor: float = 2.0
) -> bool:
    """Return whether the last command has had `factor` dead times to show."""
    return (
        unit.command_s is None
        or now_s - unit.command_s >= factor * capabilities.dead_time_s
    )


def ramp_s(spec: UnitSpec) -> float:
    """Return how long the unit takes from one end of its power to the other, s."""
    if spec.ramp_w_per_s <= 0.0:
        return 0.0
    return (spec.max_charge_w + spec.max_discharge_w) / spec.ramp_w_per_s


def steady(
    wanted: Wish,
    unit: UnitState,
    capabilities: Capabilities,
    moment: Moment,
    fits: Callable[[float], bool],
) -> Wish:
    """Return `wanted` after dead time, deadband and dwell times.

    `fits` says whether a power would still be within the hard limits: the command that
    stands is only kept where it is.
    """
    now_s = moment.now_s
    command_w = unit.command_w if unit.command_w is not None else 0.0
    if wanted.power_w != 0.0 and command_w == 0.0:
        if unit.wanted_since_s is None:
            unit.wanted_since_s = now_s
    else:
        unit.wanted_since_s = None

    if not wanted.firm:
        blocked = _dwell(wanted.power_w, command_w, unit, moment)
        if blocked is not None:
            return Wish(power_w=0.0, reason=Reason(code=blocked))

    if (
        unit.command_w is None
        or wanted.power_w == command_w
        or not fits(command_w)
        or wanted.power_w == 0.0
        or command_w == 0.0
    ):
        return wanted
    same_way = wanted.power_w * command_w > 0.0
    # Less discharge while the meter exports, or less charge while it is over: at once.
    relieving = (
        same_way
        and moment.grid_w is not None
        and (
            (command_w > wanted.power_w > 0.0 and moment.grid_w < -moment.export_w)
            or (0.0 > wanted.power_w > command_w)
        )
    )
    if same_way and not relieving:
        if not settled(unit, capabilities, now_s):
            return Wish(power_w=command_w, reason=wanted.reason)
        deadband_w = DEADBAND_W if moment.interval_s < 60.0 else 0.0
        if abs(wanted.power_w - command_w) <= deadband_w:
            return Wish(power_w=command_w, reason=wanted.reason)
    return wanted


def _dwell(
    wanted_w: float, command_w: float, unit: UnitState, moment: Moment
) -> ReasonCode | None:
    """Return why a start or a reversal has to wait, if it has to."""
    if wanted_w == 0.0:
        return None
    now_s = moment.now_s
    direction = 1 if wanted_w > 0.0 else -1
    starting = command_w == 0.0
    reversing = unit.direction not in (0, direction)
    if starting:
        if unit.started_s is not None and now_s - unit.started_s < START_GAP_S:
            return ReasonCode.DWELL
        since_s = unit.wanted_since_s
        patience_s = START_AFTER_S if moment.interval_s < START_AFTER_S else 0.0
        if since_s is not None and now_s - since_s < patience_s:
            return ReasonCode.DWELL
    if reversing:
        recent = [at_s for at_s in unit.reversals_s if now_s - at_s < 3600.0]
        if len(recent) >= REVERSALS_AN_HOUR:
            return ReasonCode.DWELL
        if recent and now_s - recent[-1] < REVERSAL_GAP_S:
            return ReasonCode.DWELL
        if unit.direction_s is not None and now_s - unit.direction_s < REVERSAL_GAP_S:
            return ReasonCode.DWELL
    return None


def commanded(unit: UnitState, power_w: float, now_s: float) -> None:
    """Remember a new command: its time, start and direction."""
    if unit.command_w == power_w:
        return
    if power_w != 0.0:
        direction = 1 if power_w > 0.0 else -1
        if not unit.command_w:
            unit.started_s = now_s
        if direction != unit.direction:
            if unit.direction != 0:
                unit.reversals_s = [
                    at_s for at_s in unit.reversals_s if now_s - at_s < 3600.0
                ]
                unit.reversals_s.append(now_s)
            unit.direction = direction
            unit.direction_s = now_s
    unit.command_w = power_w
    unit.command_s = now_s
