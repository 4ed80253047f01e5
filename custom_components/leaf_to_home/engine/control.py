"""Meet an intent with the live measurement, without hunting.

The loop corrects on what the house draws without the unit, which is known whenever grid
and unit were both measured while the unit stood still: it needs no integrator. While a
unit is on its way from one command to the next, two meters never show the same moment
of it: then its command stays, but for taking back what is certainly too much.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from .battery import UnitSpec
from .model import Capabilities, Intent, IntentKind, Reason, ReasonCode, UnitInputs
from .state import UnitState

# Import aimed at while covering without export, W; the station's own minimum plus this
# where that is higher.
TARGET_IMPORT_W = 60.0
OVER_MIN_IMPORT_W = 10.0
# Left to the grid while absorbing, so that the noise of the sun buys nothing.
TARGET_EXPORT_W = 30.0
# A reading may come this much later than it says.
LATE_S = 10.0
# A correction smaller than this is not worth a write.
DEADBAND_W = 40.0
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
    """A power with its reason.

    `firm` is exempt from the dwell times; `urgent` does not wait to see whether the
    wish lasts, and may be one reversal more within the hour.
    """

    power_w: float
    reason: Reason
    firm: bool = False
    urgent: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What the loop knows of this moment.

    `draw_w` is the import that the home would have without units that cover; None while
    a unit is on its way, when `assumed_draw_w` takes it for as far as it can be.
    `charging_w` is what other units take, `export_w` the battery export still allowed.
    """

    now_s: float
    means: bool
    draw_w: float | None
    assumed_draw_w: float | None
    grid_w: float | None
    charging_w: float
    export_w: float
    import_price: float | None


def target_import_w(spec: UnitSpec, export_w: float, *, means: bool = False) -> float:
    """Return the grid power to aim at while covering, W."""
    if means:
        return spec.min_import_w if export_w < spec.min_import_w else 0.0
    if export_w > TARGET_IMPORT_W:
        return 0.0
    return max(TARGET_IMPORT_W, spec.min_import_w + OVER_MIN_IMPORT_W)


def target_export_w(*, means: bool) -> float:
    """Return what is left to the grid while absorbing, W."""
    return 0.0 if means else TARGET_EXPORT_W


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
        return _on_its_way(intent, unit, spec, moment)
    if intent.kind is IntentKind.EXPORT:
        # What the house takes does not count as export.
        ceiling_w = max(0.0, moment.draw_w) + moment.export_w
        return Wish(power_w=min(intent.power_w, ceiling_w), reason=intent.reason)
    if intent.kind is IntentKind.COVER:
        covered = _cover(intent, unit, spec, moment)
        if covered.power_w > 0.0 or not intent.absorb_surplus:
            return covered
        absorbed = _absorb(intent, unit, spec, moment)
        return absorbed if absorbed.power_w < 0.0 else covered
    return _absorb(intent, unit, spec, moment)


def _on_its_way(
    intent: Intent, unit: UnitState, spec: UnitSpec, moment: Moment
) -> Wish:
    """Keep the command until the unit has followed it.

    What is surely too much is taken back, and what goes the wrong way ends.
    """
    command_w = unit.command_w or 0.0
    if intent.kind is IntentKind.ABSORB:
        command_w = min(0.0, command_w)
    elif not intent.absorb_surplus:
        command_w = max(0.0, command_w)
    if command_w != 0.0 and moment.assumed_draw_w is not None:
        assumed = replace(moment, draw_w=moment.assumed_draw_w)
        most = wish(intent, unit, spec, assumed)
        if 0.0 <= most.power_w / command_w < 1.0:
            return most
    return Wish(power_w=command_w, reason=Reason(code=ReasonCode.SETTLING))


def _cover(intent: Intent, unit: UnitState, spec: UnitSpec, moment: Moment) -> Wish:
    assert moment.draw_w is not None
    running = (unit.command_w or 0.0) > 0.0
    aim_w = target_import_w(spec, moment.export_w, means=moment.means)
    wanted_w = moment.draw_w - aim_w
    least_w = spec.min_power_w
    if running and moment.draw_w + moment.export_w >= least_w > wanted_w:
        # Staying at the least power still exports nothing, and spares a start.
        wanted_w = least_w
    elif not running and not moment.means:
        least_w = max(LEAST_START_W, START_MARGIN * least_w)
    if wanted_w < least_w or wanted_w <= 0.0:
        return Wish(
            power_w=0.0,
            reason=Reason(
                code=ReasonCode.BELOW_MIN_POWER, values={"wanted_w": wanted_w}
            ),
        )
    power_w = min(wanted_w, intent.power_w)
    if not pays(intent, spec, moment.import_price, power_w, running=running):
        return Wish(
            power_w=0.0,
            reason=Reason(code=ReasonCode.NO_PROFIT, values={"wanted_w": wanted_w}),
        )
    return Wish(power_w=power_w, reason=intent.reason)


def _absorb(intent: Intent, unit: UnitState, spec: UnitSpec, moment: Moment) -> Wish:
    assert moment.draw_w is not None
    draw_w = moment.draw_w + moment.charging_w
    running = (unit.command_w or 0.0) < 0.0
    surplus_w = -draw_w - target_export_w(means=moment.means)
    least_w = spec.min_power_w
    if running and -draw_w >= least_w > surplus_w:
        surplus_w = least_w
    elif not running and not moment.means:
        least_w = max(LEAST_START_W, START_MARGIN * least_w)
    if surplus_w < least_w or spec.stored_w(-surplus_w) <= 0.0:
        return Wish(power_w=0.0, reason=intent.reason)
    return Wish(
        power_w=-min(surplus_w, spec.max_charge_w),
        reason=Reason(code=ReasonCode.SOLAR_SURPLUS, values={"surplus_w": surplus_w}),
    )


def pays(
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


def follow(unit: UnitState, power_w: float, *, still: bool) -> None:
    """Take in a measured power, of a unit that stands still or is on its way."""
    if still:
        unit.least_w = unit.most_w = power_w
    else:
        unit.least_w = min(unit.least_w, power_w)
        unit.most_w = max(unit.most_w, power_w)


def assume(unit: UnitState, spec: UnitSpec, power_w: float, age_s: float) -> None:
    """Assume the unit as far as its command can have brought it since a reading."""
    far_w = unit.least_w if (unit.command_w or 0.0) < 0.0 else unit.most_w
    unit.assumed_w = _within_reach(far_w, spec, power_w, age_s)


def _within_reach(
    far_w: float, spec: UnitSpec, power_w: float, seconds: float
) -> float:
    """Return how far towards `far_w` the unit can have ramped from `power_w`."""
    if spec.ramp_w_per_s <= 0.0:
        return far_w
    reach_w = spec.ramp_w_per_s * (LATE_S + seconds)
    return min(max(far_w, power_w - reach_w), power_w + reach_w)


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

    wanted = _no_further(wanted, command_w, moment)
    if not wanted.firm:
        blocked = _dwell(wanted, command_w, unit, moment)
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
    if wanted.power_w * command_w < 0.0:
        return wanted
    deadband_w = 0.0 if moment.means else DEADBAND_W
    if abs(wanted.power_w - command_w) <= deadband_w:
        return Wish(power_w=command_w, reason=wanted.reason)
    # Less discharge while the meter exports, or less charge: at once.
    relieving = command_w < wanted.power_w < 0.0 or (
        command_w > wanted.power_w > 0.0
        and moment.grid_w is not None
        and moment.grid_w < -moment.export_w - deadband_w
    )
    if not relieving and not settled(unit, capabilities, now_s):
        return Wish(power_w=command_w, reason=wanted.reason)
    return wanted


def _no_further(wanted: Wish, command_w: float, moment: Moment) -> Wish:
    """Return `wanted`, but no more than stands while the draw is not really known."""
    if moment.draw_w is not None or moment.grid_w is None:
        return wanted
    least_w = -inf if command_w >= 0.0 else command_w
    power_w = min(max(wanted.power_w, least_w), max(0.0, command_w))
    return wanted if power_w == wanted.power_w else replace(wanted, power_w=power_w)


def _dwell(
    wanted: Wish, command_w: float, unit: UnitState, moment: Moment
) -> ReasonCode | None:
    """Return why a start or a reversal has to wait, if it has to."""
    if wanted.power_w == 0.0:
        return None
    now_s = moment.now_s
    direction = 1 if wanted.power_w > 0.0 else -1
    starting = command_w == 0.0
    reversing = unit.direction not in (0, direction)
    if starting:
        if unit.started_s is not None and now_s - unit.started_s < START_GAP_S:
            return ReasonCode.DWELL
        since_s = unit.wanted_since_s
        patient = not wanted.urgent and not moment.means
        if patient and since_s is not None and now_s - since_s < START_AFTER_S:
            return ReasonCode.DWELL
    if reversing:
        recent = [at_s for at_s in unit.reversals_s if now_s - at_s < 3600.0]
        if len(recent) >= REVERSALS_AN_HOUR and not wanted.urgent:
            return ReasonCode.DWELL
        if recent and now_s - recent[-1] < REVERSAL_GAP_S:
            return ReasonCode.DWELL
        if unit.direction_s is not None and now_s - unit.direction_s < REVERSAL_GAP_S:
            return ReasonCode.DWELL
    return None


def commanded(
    unit: UnitState, known: UnitInputs, power_w: float, now_s: float, *, told: bool
) -> None:
    """Remember a new command: its time, start, direction and when it is done.

    `told` is false for a command that is only shown.
    """
    unit.told = told
    if unit.command_w == power_w:
        return
    if told:
        _send_off(unit, known, power_w, now_s)
    if power_w != 0.0:
        direction = 1 if power_w > 0.0 else -1
        if not unit.command_w or direction != unit.direction:
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


def _send_off(unit: UnitState, known: UnitInputs, power_w: float, now_s: float) -> None:
    """Take the unit for on its way to `power_w` until it must have got there."""
    spec = known.spec
    dead_s = known.capabilities.dead_time_s
    power_now_w = unit.least_w if unit.power_w is None else unit.power_w
    far_w = max(
        abs(power_w - _within_reach(end_w, spec, power_now_w, dead_s))
        for end_w in (unit.least_w, unit.most_w)
    )
    if far_w == 0.0:
        return
    begins_s = now_s + dead_s
    if power_w != 0.0:
        starting = power_w * (unit.command_w or 0.0) <= 0.0
        started_s = now_s if starting else unit.started_s or 0.0
        begins_s = max(begins_s, started_s + dead_s + spec.start_delay_s)
    ramp_s = far_w / spec.ramp_w_per_s if spec.ramp_w_per_s > 0.0 else 0.0
    unit.settled_s = begins_s + ramp_s
    follow(unit, power_w, still=False)


def forget(unit: UnitState) -> None:
    """Remember no command: the unit does something else, or was never told."""
    unit.command_w = None
    unit.wanted_since_s = None
    unit.told = False
    unit.native = False
    unit.native_doubt_s = None


def begin_afresh(unit: UnitState) -> None:
    """Let the next command wait for nothing that was before."""
    unit.started_s = None
    unit.direction = 0
    unit.direction_s = None
    unit.reversals_s = []
