"""The limits that a wish has to pass, soft ones first, hard ones last."""

from dataclasses import dataclass, replace

from .control import Wish
from .limits import main_room_w
from .model import Inputs, Reason, ReasonCode, UnitInputs
from .policy import Choice, charge_ceiling_w, discharge_ceiling_w
from .soc import soc_known, soc_percent
from .state import UnitState

# A unit that stopped at the reserve discharges again this far above it, and one that is
# full charges again this far below, percent.
RESUME_PERCENT = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What is left of the home's limits when a unit's turn comes, W.

    `draw_w` is the home's import without this unit and those after it; None where it is
    not known. `worst_draw_w` stands in for it. `charging_w` is what units before take,
    `allowed_w` the import that the demand window still bears.
    """

    now_s: float
    draw_w: float | None
    worst_draw_w: float | None
    charging_w: float
    allowed_w: float | None


def ceiling_percent(unit: UnitState, choice: Choice) -> float:
    """Return up to which state of charge the unit is filled."""
    ceiling = unit.settings.max_soc_percent
    if choice.for_departure:
        ceiling = max(ceiling, choice.intent.reason.values.get("soc_percent", 0.0))
    return ceiling


def floor_percent(unit: UnitState, known: UnitInputs) -> float:
    """Return where discharging stops: one reported step is kept above the reserve."""
    floor = max(unit.settings.reserve_percent, known.spec.min_soc_percent)
    return floor + known.spec.soc_step_percent


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
        return _discharge(wanted, unit, known, standing_s, inputs.interval_s)
    if wanted.power_w < 0.0:
        return _charge(wanted, choice, unit, known, standing_s)
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
    return Wish(power_w=_carry(-room_w, unit, known), reason=reason)


def _main(
    wanted: Wish, unit: UnitState, known: UnitInputs, inputs: Inputs, room: Room
) -> Wish:
    """Keep the breaker, exempt from dwell times where that means charging less."""
    draw_w = room.worst_draw_w if room.draw_w is None else room.draw_w
    if draw_w is not None:
        draw_w += room.charging_w
    room_w = main_room_w(inputs, draw_w, unit.power_w or 0.0, room.now_s)
    if room_w is None or wanted.power_w >= -room_w:
        return wanted
    reason = Reason(code=ReasonCode.MAIN_LIMIT, values={"room_w": room_w})
    if room_w >= 0.0:
        power_w = -room_w if room_w > known.spec.min_power_w else 0.0
        return Wish(power_w=power_w, reason=reason, firm=power_w == 0.0)
    if room.draw_w is None:
        # What is only remembered stops a charge; it does not start a discharge.
        return Wish(power_w=max(0.0, wanted.power_w), reason=reason, firm=True)
    return Wish(power_w=_carry(-room_w, unit, known), reason=reason, firm=True)


def _carry(over_w: float, unit: UnitState, known: UnitInputs) -> float:
    ceiling_w = discharge_ceiling_w(known, unit.settings)
    return min(max(over_w, known.spec.min_power_w), ceiling_w)


def _discharge(
    wanted: Wish,
    unit: UnitState,
    known: UnitInputs,
    standing_s: float,
    interval_s: float,
) -> Wish:
    """Keep the reserve, with hysteresis, and the unit's own power."""
    spec = known.spec
    soc = soc_percent(unit, spec) or 0.0
    floor = floor_percent(unit, known)
    if soc <= floor:
        unit.below_reserve = True
    elif soc >= max(floor, unit.settings.reserve_percent + RESUME_PERCENT):
        unit.below_reserve = False
    if unit.below_reserve:
        values = {"reserve_percent": floor, "soc_percent": soc}
        reason = Reason(code=ReasonCode.RESERVE, values=values)
        return Wish(power_w=0.0, reason=reason, firm=True)
    if (unit.command_w or 0.0) <= 0.0 and not soc_known(unit, spec):
        return Wish(power_w=0.0, reason=Reason(code=ReasonCode.SOC_UNKNOWN))
    left_kwh = (unit.stored_kwh or 0.0) - spec.capacity_kwh * floor / 100.0
    lasting_w = spec.discharge_w_for(left_kwh * 3.6e6 / standing_s)
    power_w = min(wanted.power_w, discharge_ceiling_w(known, unit.settings), lasting_w)
    if power_w < spec.min_power_w and interval_s < 60.0:
        power_w = 0.0
    return replace(wanted, power_w=power_w)


def _charge(
    wanted: Wish, choice: Choice, unit: UnitState, known: UnitInputs, standing_s: float
) -> Wish:
    """Keep the highest state of charge, with hysteresis, and the unit's own power."""
    spec = known.spec
    soc = soc_percent(unit, spec) or 0.0
    ceiling = ceiling_percent(unit, choice)
    charging = (unit.command_w or 0.0) < 0.0
    resume = 0.0 if charging or choice.for_departure else RESUME_PERCENT
    if soc >= ceiling - resume:
        values = {"max_soc_percent": ceiling, "soc_percent": soc}
        return Wish(power_w=0.0, reason=Reason(code=ReasonCode.FULL, values=values))
    room_kwh = spec.capacity_kwh * ceiling / 100.0 - (unit.stored_kwh or 0.0)
    filling_w = spec.charge_w_for(room_kwh * 3.6e6 / standing_s)
    power_w = max(wanted.power_w, -charge_ceiling_w(known, unit.settings), -filling_w)
    return replace(wanted, power_w=power_w)
