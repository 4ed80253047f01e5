"""What a unit should do: the user's mode, a departure, the plan, else the rule."""

from dataclasses import dataclass, replace
from math import inf

from .announced import departures_ahead
from .battery import UnitSpec
from .control import START_GAP_S
from .derating import mean_share, measured_charge_w, measured_discharge_w
from .model import (
    Departure,
    HomeMode,
    Inputs,
    Intent,
    IntentKind,
    NextAction,
    Reason,
    ReasonCode,
    UnitInputs,
    UnitMode,
)
from .reach import CHARGING_SHARE, Charging
from .requirement import LATE_S, SOON_S
from .rule import Outlook, decide
from .soc import EXACT_PERCENT, least_kwh, most_kwh, soc_percent
from .state import HomeState, UnitSettings, UnitState

# A manual mode that names no end stops after this long.
MANUAL_S = 12 * 3600.0
# Above this state of charge a battery takes less for its own sake, and this near the
# reserve some give nothing.
TAPER_PERCENT = 80.0
EMPTY_PERCENT = 2.0
MANUAL_MODES = frozenset({UnitMode.CHARGE, UnitMode.DISCHARGE, UnitMode.HOLD})
# Where prices decide: by a plan, or by the rule where there is none.
PLANNING_MODES = frozenset({HomeMode.AUTOMATIC, HomeMode.OBSERVE})


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """An intent, who stands behind it, and what is expected next.

    `by_user` outranks departure and soft limits; `for_departure` outranks soft limits.
    `spare_kwh` may leave the battery by the next step without breaking a departure.
    """

    intent: Intent
    by_user: bool = False
    for_departure: bool = False
    unreachable_departure: bool = False
    next_action: NextAction | None = None
    spare_kwh: float = inf


def rule_decides(state: HomeState, known: UnitInputs) -> bool:
    """Return whether the rule is in charge where neither user nor departure is."""
    return known.plan is None and state.settings.mode in PLANNING_MODES


def end_manual(unit: UnitState, spec: UnitSpec, now_s: float) -> None:
    """Give a manual mode an end, and end it when that has come."""
    settings = unit.settings
    if settings.mode not in MANUAL_MODES:
        return
    if settings.until_s is None or settings.until_s > now_s + 10 * MANUAL_S:
        unit.settings = settings = replace(settings, until_s=now_s + MANUAL_S)
    if _manual_over(unit, spec, settings, now_s):
        unit.settings = automatic(settings)


def automatic(settings: UnitSettings) -> UnitSettings:
    """Return the settings with the manual mode and its bounds taken out."""
    return replace(
        settings,
        mode=UnitMode.AUTOMATIC,
        power_w=None,
        until_s=None,
        until_soc_percent=None,
        until_kwh=None,
    )


def _manual_over(
    unit: UnitState, spec: UnitSpec, settings: UnitSettings, now_s: float
) -> bool:
    if settings.until_s is not None and now_s >= settings.until_s:
        return True
    if unit.connected is False:
        return True
    soc = soc_percent(unit, spec)
    if settings.mode is UnitMode.CHARGE:
        goal = min(settings.until_soc_percent or 100.0, settings.max_soc_percent)
        return (soc is not None and soc >= goal - EXACT_PERCENT) or (
            settings.until_kwh is not None and unit.charged_kwh >= settings.until_kwh
        )
    if settings.mode is UnitMode.DISCHARGE:
        goal = max(settings.until_soc_percent or 0.0, unit.reserve_percent)
        return (soc is not None and soc <= goal + spec.soc_step_percent) or (
            settings.until_kwh is not None and unit.discharged_kwh >= settings.until_kwh
        )
    return False


def charge_ceiling_w(known: UnitInputs, settings: UnitSettings) -> float:
    """Return the highest charging power that device and user allow, W."""
    if not known.capabilities.charges:
        return 0.0
    return _ceiling(
        measured_charge_w(known.spec, known.reading),
        known.reading.max_charge_w if known.reading else None,
        settings.charge_limit_w,
    )


def discharge_ceiling_w(known: UnitInputs, settings: UnitSettings) -> float:
    """Return the highest discharging power that device and user allow, W."""
    if not known.capabilities.discharges:
        return 0.0
    return _ceiling(
        measured_discharge_w(known.spec, known.reading),
        known.reading.max_discharge_w if known.reading else None,
        settings.discharge_limit_w,
    )


def usual_charge_w(unit: UnitState, known: UnitInputs) -> float:
    """Return the highest charging power of the hours to come, W.

    A full battery takes little or nothing until it has been used.
    """
    if (soc_percent(unit, known.spec) or 0.0) >= TAPER_PERCENT:
        known = replace(known, reading=None)
    return charge_ceiling_w(known, unit.settings)


def usual_discharge_w(unit: UnitState, known: UnitInputs) -> float:
    """Return the highest discharging power of the hours to come, W.

    An empty battery gives nothing until it has been filled; what is only switched
    gives no more than what is plugged into it, at any time.
    """
    if known.capabilities.switched:
        return discharge_ceiling_w(known, unit.settings)
    empty_percent = unit.reserve_percent + EMPTY_PERCENT
    if (soc_percent(unit, known.spec) or 0.0) <= empty_percent:
        known = replace(known, reading=None)
    return discharge_ceiling_w(known, unit.settings)


def _ceiling(*limits: float | None) -> float:
    return max(0.0, min(limit for limit in limits if limit is not None))


def choose(
    state: HomeState,
    unit: UnitState,
    known: UnitInputs,
    inputs: Inputs,
    draw_w: float,
    now_s: float,
) -> Choice:
    """Return the intent of one unit; the state of charge is known."""
    settings = unit.settings
    charge_w = charge_ceiling_w(known, settings)
    discharge_w = discharge_ceiling_w(known, settings)
    if settings.mode in MANUAL_MODES:
        return Choice(intent=_manual(settings, charge_w, discharge_w), by_user=True)

    departures = departures_ahead(unit, known, inputs.site.tariff, now_s)
    pressing = _pressing(state, unit, known, inputs, departures, charge_w, now_s)
    if isinstance(pressing, Choice):
        return pressing
    free = _freely(state, unit, known, inputs, departures, draw_w, now_s)
    return free if pressing == inf else replace(free, spare_kwh=pressing)


def _freely(
    state: HomeState,
    unit: UnitState,
    known: UnitInputs,
    inputs: Inputs,
    departures: tuple[Departure, ...],
    draw_w: float,
    now_s: float,
) -> Choice:
    """Return what the home's mode, the plan or the rule mean: no departure presses."""
    settings = unit.settings
    charge_w = charge_ceiling_w(known, settings)
    discharge_w = discharge_ceiling_w(known, settings)
    mode = state.settings.mode
    if mode is HomeMode.SELF_CONSUMPTION:
        return Choice(
            intent=Intent(
                kind=IntentKind.COVER,
                power_w=discharge_w,
                reason=Reason(code=ReasonCode.SELF_CONSUMPTION),
                absorb_surplus=True,
            )
        )
    if mode is HomeMode.BACKUP_READY:
        return Choice(
            intent=Intent(
                kind=IntentKind.CHARGE,
                power_w=charge_w,
                reason=Reason(code=ReasonCode.BACKUP_READY),
            )
        )
    if _late(unit, departures, now_s):
        # For planner and rule it is away; it may leave at any moment.
        return Choice(
            intent=Intent(
                kind=IntentKind.HOLD,
                power_w=0.0,
                reason=Reason(code=ReasonCode.DEPARTURE),
            )
        )
    if known.plan is not None:
        return Choice(intent=known.plan, next_action=known.plan_next)
    intent, following = decide(
        Outlook(
            now_s=now_s,
            slots=inputs.site.tariff.known(now_s),
            spec=known.spec,
            stored_kwh=least_kwh(unit),
            reserve_percent=unit.reserve_percent,
            max_soc_percent=settings.max_soc_percent,
            charge_w=usual_charge_w(unit, known),
            discharge_w=usual_discharge_w(unit, known),
            draw_w=draw_w,
            surplus_kwh=state.surplus_kwh,
            driven_kwh=unit.driven_kwh,
            departures=tuple(
                departure
                for departure in departures
                if departure.time_s <= now_s + SOON_S
            ),
        )
    )
    if intent.stored_value is not None:
        state.ledger.value_per_kwh = intent.stored_value
    if (
        following is not None
        and following.time_s - now_s < START_GAP_S
        and not unit.command_w
    ):
        # A start that is not worth its wear, and would forbid the next one.
        intent = Intent(
            kind=IntentKind.HOLD, power_w=0.0, reason=Reason(code=ReasonCode.DWELL)
        )
    return Choice(intent=intent, next_action=following)


def _manual(settings: UnitSettings, charge_w: float, discharge_w: float) -> Intent:
    bound_w = float("inf") if settings.power_w is None else settings.power_w
    if settings.mode is UnitMode.CHARGE:
        return Intent(
            kind=IntentKind.CHARGE,
            power_w=min(charge_w, bound_w),
            reason=Reason(code=ReasonCode.USER_CHARGE),
        )
    if settings.mode is UnitMode.DISCHARGE:
        return Intent(
            kind=IntentKind.COVER,
            power_w=min(discharge_w, bound_w),
            reason=Reason(code=ReasonCode.USER_DISCHARGE),
        )
    return Intent(
        kind=IntentKind.HOLD, power_w=0.0, reason=Reason(code=ReasonCode.USER_HOLD)
    )


def _late(unit: UnitState, departures: tuple[Departure, ...], now_s: float) -> bool:
    """Return whether the unit is still there although it should have left."""
    return any(
        departure.time_s <= now_s and not _gone(unit, departure, now_s)
        for departure in departures
    )


def _gone(unit: UnitState, departure: Departure, now_s: float) -> bool:
    """Return whether a departure asks for nothing more; one that is late still does."""
    if departure.time_s > now_s:
        return False
    waits = departure.until_gone and unit.connected is not False
    return not waits or now_s >= departure.time_s + LATE_S


def _pressing(
    state: HomeState,
    unit: UnitState,
    known: UnitInputs,
    inputs: Inputs,
    departures: tuple[Departure, ...],
    charge_w: float,
    now_s: float,
) -> Choice | float:
    """Return the charge for a departure once its latest start has come.

    The latest start assumes 80 % of the measured charging power, one reported step
    more and the longest wait between two starts, and goes by whoever says that less is
    stored; once begun it goes on until the goal or the departure, and beyond while the
    unit is late. Before that, return what may be discharged by the next step, kWh.
    """
    spec = known.spec
    if unit.departure_latch_s is not None and unit.departure_latch_s <= now_s:
        unit.departure_latch_s = None
    power_w = CHARGING_SHARE * min(charge_w, unit.charging_w or charge_w)
    before_s = spec.start_delay_s + inputs.interval_s
    if (unit.command_w or 0.0) >= 0.0:
        before_s += START_GAP_S
    stored_kwh = least_kwh(unit)
    exact_kwh = spec.capacity_kwh * EXACT_PERCENT / 100.0
    # More than this cannot be discharged while a decision stands.
    step_kwh = -spec.stored_w(discharge_ceiling_w(known, unit.settings)) / 1e3
    step_kwh *= (inputs.interval_s + known.capabilities.dead_time_s) / 3600.0
    spare_kwh = inf
    for departure in departures:
        if _gone(unit, departure, now_s):
            continue
        goal = min(100.0, departure.soc_percent + spec.soc_step_percent)
        missing_kwh = spec.capacity_kwh * goal / 100.0 - stored_kwh
        latched = unit.departure_latch_s == departure.time_s
        charging = Charging(state, inputs, spec, departure.time_s)
        # The nearer to full, the less it takes; it may be fuller than is counted on.
        fullest = most_kwh(unit) / spec.capacity_kwh * 100.0
        doubt = fullest - stored_kwh / spec.capacity_kwh * 100.0
        tapered = mean_share(spec.charge_taper, fullest, min(100.0, goal + doubt))
        left_kwh = -missing_kwh
        if left_kwh < step_kwh:
            left_kwh += charging.possible_kwh(
                now_s + before_s, power_w * tapered, missing_kwh + step_kwh
            )
        if missing_kwh <= exact_kwh or (left_kwh > 1e-9 and not latched):
            if latched:
                unit.departure_latch_s = None
            if left_kwh < step_kwh:
                spare_kwh = min(spare_kwh, max(0.0, left_kwh))
            continue
        unit.departure_latch_s = departure.time_s
        asked_kwh = spec.capacity_kwh * departure.soc_percent / 100.0 - stored_kwh
        # What one decision has to fill: a replay's may stand for an hour.
        enough_w = spec.charge_w_for(missing_kwh * 3.6e6 / inputs.interval_s)
        return Choice(
            intent=Intent(
                kind=IntentKind.CHARGE,
                power_w=min(charge_w, max(enough_w, spec.min_power_w)),
                reason=Reason(
                    code=ReasonCode.WATCH if departure.watch else ReasonCode.DEPARTURE,
                    values={
                        "soc_percent": departure.soc_percent,
                        "left_s": departure.time_s - now_s,
                        "missing_kwh": missing_kwh,
                    },
                ),
            ),
            for_departure=True,
            unreachable_departure=not departure.watch
            and asked_kwh > exact_kwh
            and charging.possible_kwh(now_s, charge_w * tapered, asked_kwh) < asked_kwh,
        )
    return spare_kwh
