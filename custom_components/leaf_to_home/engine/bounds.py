"""The limits that a wish has to pass, soft ones first, hard ones last."""

from dataclasses import dataclass, replace

from .control import (
    DEADBAND_W,
    LEAST_START_W,
    START_GAP_S,
    TARGET_IMPORT_W,
    Wish,
    target_import_w,
)
from .derating import charge_w_at, discharge_w_at
from .limits import main_room_w
from .model import Inputs, Reason, ReasonCode, UnitInputs
from .policy import Choice, charge_ceiling_w, discharge_ceiling_w
from .soc import EXACT_PERCENT, least_kwh, most_kwh, soc_known
from .state import UnitState

# A unit that stopped at the reserve discharges again this far above it, and one that is
# full charges again this far below, percent.
RESUME_PERCENT = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What is left of the home's limits when a unit's turn comes, W.

    `draw_w` is the home's import without this unit and those after it; None where it is
    not known. `worst_draw_w` stands in for it. `charging_w` is what units before take,
    `more_w` how much more than they do now, `allowed_w` the import that the demand
    window still bears.
    """

    now_s: float
    draw_w: float | None
    worst_draw_w: float | None
    charging_w: float
    more_w: float
    allowed_w: float | None


def ceiling_percent(unit: UnitState, known: UnitInputs, choice: Choice) -> float:
    """Return up to which state of charge the unit is filled."""
    most = known.spec.max_soc_percent
    ceiling = min(unit.settings.max_soc_percent, most)
    if choice.for_departure:
        # One reported step more, as what is asked for is read off a report.
        asked = choice.intent.reason.values["soc_percent"]
        return max(ceiling, min(most, asked + known.spec.soc_step_percent))
    if choice.by_user and unit.settings.until_soc_percent is not None:
        return min(ceiling, unit.settings.until_soc_percent)
    return ceiling


def floor_percent(unit: UnitState, known: UnitInputs) -> float:
    """Return where discharging stops: one reported step is kept above the reserve.

    So is what the report may be out by, where it says so.
    """
    floor = max(unit.reserve_percent, known.spec.min_soc_percent)
    error = known.reading.soc_error_percent if known.reading else None
    return floor + known.spec.soc_step_percent + (error or 0.0)


def above_allowed(power_w: float, room: Room) -> bool:
    """Return whether with a unit at `power_w` the demand window will be missed."""
    if room.allowed_w is None or room.draw_w is None:
        return False
    import_w = room.draw_w + room.charging_w - power_w
    return import_w > max(room.allowed_w, TARGET_IMPORT_W) + DEADBAND_W


def bound(
    wanted: Wish,
    choice: Choice,
    unit: UnitState,
    known: UnitInputs,
    inputs: Inputs,
    room: Room,
) -> Wish:
    """Return the wish within every limit."""
    wanted = _soft(wanted, choice, unit, known, room)
    return _hard(wanted, choice, unit, known, inputs, room)


def fits(
    power_w: float,
    choice: Choice,
    unit: UnitState,
    known: UnitInputs,
    inputs: Inputs,
    room: Room,
) -> bool:
    """Return whether a power is within the hard limits as it is."""
    kept = Wish(power_w=power_w, reason=choice.intent.reason)
    return _hard(kept, choice, unit, known, inputs, room).power_w == power_w


def _hard(
    wanted: Wish,
    choice: Choice,
    unit: UnitState,
    known: UnitInputs,
    inputs: Inputs,
    room: Room,
) -> Wish:
    wanted = _main(wanted, unit, known, inputs, room)
    standing_s = inputs.interval_s + known.capabilities.dead_time_s
    if wanted.power_w > 0.0:
        return _discharge(wanted, choice, unit, known, standing_s, means=inputs.means)
    if wanted.power_w < 0.0:
        return _charge(wanted, choice, unit, known, standing_s, means=inputs.means)
    return wanted


def _soft(
    wanted: Wish, choice: Choice, unit: UnitState, known: UnitInputs, room: Room
) -> Wish:
    """Keep the demand window: charge less, or carry what is above it."""
    if (
        room.allowed_w is None
        or room.draw_w is None
        or choice.by_user
        or choice.for_departure
    ):
        return wanted
    room_w = room.allowed_w - room.draw_w - room.charging_w
    if wanted.power_w >= -room_w:
        return wanted
    reason = Reason(code=ReasonCode.IMPORT_LIMIT, values={"room_w": room_w})
    if room_w >= 0.0:
        power_w = -room_w if room_w > known.spec.min_power_w else 0.0
        return Wish(power_w=power_w, reason=reason)
    return Wish(power_w=_carry(-room_w, room.draw_w, unit, known), reason=reason)


def _main(
    wanted: Wish, unit: UnitState, known: UnitInputs, inputs: Inputs, room: Room
) -> Wish:
    """Keep the breaker, exempt from dwell times where that means charging less."""
    draw_w = room.worst_draw_w if room.draw_w is None else room.draw_w
    if draw_w is not None:
        draw_w += room.charging_w
    room_w = main_room_w(inputs, draw_w, unit.assumed_w + room.more_w, room.now_s)
    if room_w is None:
        return wanted
    over_w = -room_w
    if unit.helps and room.now_s - (unit.started_s or 0.0) < START_GAP_S:
        # A load that comes and goes about the limit must not wear the relay.
        over_w = max(over_w, LEAST_START_W)
    if wanted.power_w >= over_w:
        return wanted
    reason = Reason(code=ReasonCode.MAIN_LIMIT, values={"room_w": room_w})
    if over_w <= 0.0:
        power_w = over_w if -over_w > known.spec.min_power_w else 0.0
        return Wish(power_w=power_w, reason=reason, firm=power_w == 0.0)
    if room.draw_w is None:
        # What is only remembered stops a charge; it does not start a discharge.
        return Wish(power_w=max(0.0, wanted.power_w), reason=reason, firm=True)
    power_w = _carry(over_w, room.draw_w, unit, known)
    return Wish(power_w=power_w, reason=reason, firm=True)


def _carry(over_w: float, draw_w: float, unit: UnitState, known: UnitInputs) -> float:
    """Return the discharge that takes `over_w` off the grid, exporting nothing."""
    spec = known.spec
    most_w = min(
        discharge_ceiling_w(known, unit.settings), draw_w - target_import_w(spec, 0.0)
    )
    power_w = min(max(over_w, spec.min_power_w), most_w)
    return power_w if power_w >= spec.min_power_w else 0.0


def _discharge(
    wanted: Wish,
    choice: Choice,
    unit: UnitState,
    known: UnitInputs,
    standing_s: float,
    *,
    means: bool,
) -> Wish:
    """Keep the reserve, with hysteresis, and the unit's own power."""
    spec = known.spec
    stored_kwh = least_kwh(unit)
    soc = stored_kwh / spec.capacity_kwh * 100.0
    floor = floor_percent(unit, known)
    if soc <= floor:
        unit.below_reserve = True
    elif soc >= floor + RESUME_PERCENT:
        unit.below_reserve = False
    if unit.below_reserve:
        values = {"reserve_percent": floor, "soc_percent": soc}
        reason = Reason(code=ReasonCode.RESERVE, values=values)
        return Wish(power_w=0.0, reason=reason, firm=True)
    if (unit.command_w or 0.0) <= 0.0 and not soc_known(unit, spec):
        return Wish(power_w=0.0, reason=Reason(code=ReasonCode.SOC_UNKNOWN))
    left_kwh = stored_kwh - spec.capacity_kwh * floor / 100.0
    left_kwh = min(left_kwh, choice.spare_kwh)
    lasting_w = spec.discharge_w_for(left_kwh * 3.6e6 / standing_s)
    tapered_w = max(discharge_w_at(spec, soc), spec.min_power_w)
    ceiling_w = min(discharge_ceiling_w(known, unit.settings), tapered_w)
    power_w = min(wanted.power_w, ceiling_w, lasting_w)
    if power_w < spec.min_power_w and not means:
        power_w = 0.0
    return replace(wanted, power_w=power_w)


def _charge(
    wanted: Wish,
    choice: Choice,
    unit: UnitState,
    known: UnitInputs,
    standing_s: float,
    *,
    means: bool,
) -> Wish:
    """Keep the highest state of charge, with hysteresis, and the unit's own power."""
    spec = known.spec
    stored_kwh = most_kwh(unit)
    soc = stored_kwh / spec.capacity_kwh * 100.0
    ceiling = ceiling_percent(unit, known, choice)
    charging = (unit.command_w or 0.0) < 0.0
    at_once = charging or choice.for_departure or choice.by_user
    if soc >= ceiling - (EXACT_PERCENT if at_once else RESUME_PERCENT):
        values = {"max_soc_percent": ceiling, "soc_percent": soc}
        return Wish(power_w=0.0, reason=Reason(code=ReasonCode.FULL, values=values))
    room_kwh = spec.capacity_kwh * ceiling / 100.0 - stored_kwh
    filling_w = spec.charge_w_for(room_kwh * 3.6e6 / standing_s)
    if not means:
        # The last bit is taken at the least power that the unit can.
        filling_w = max(filling_w, spec.min_power_w)
    tapered_w = max(charge_w_at(spec, soc), spec.min_power_w)
    ceiling_w = min(charge_ceiling_w(known, unit.settings), tapered_w)
    power_w = max(wanted.power_w, -ceiling_w, -filling_w)
    return replace(wanted, power_w=power_w)
