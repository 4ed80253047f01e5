"""What a unit should do: the user's mode, a departure, the plan, else the rule."""

from dataclasses import dataclass, replace

from .battery import UnitSpec
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
from .rule import Outlook, decide
from .soc import soc_percent
from .state import HomeState, UnitSettings, UnitState
from .tariff import Tariff

# A manual mode that names no end stops after this long.
MANUAL_S = 12 * 3600.0
# The latest start of charging assumes this share of the measured power.
CHARGING_SHARE = 0.8
MANUAL_MODES = frozenset({UnitMode.CHARGE, UnitMode.DISCHARGE, UnitMode.HOLD})


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """An intent, who stands behind it, and what is expected next.

    `by_user` outranks departure and soft limits; `for_departure` outranks soft limits.
    """

    intent: Intent
    by_user: bool = False
    for_departure: bool = False
    unreachable_departure: bool = False
    next_action: NextAction | None = None


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
        return (soc is not None and soc >= goal) or (
            settings.until_kwh is not None and unit.charged_kwh >= settings.until_kwh
        )
    if settings.mode is UnitMode.DISCHARGE:
        goal = max(settings.until_soc_percent or 0.0, settings.reserve_percent)
        return (soc is not None and soc <= goal + spec.soc_step_percent) or (
            settings.until_kwh is not None and unit.discharged_kwh >= settings.until_kwh
        )
    return False


def charge_ceiling_w(known: UnitInputs, settings: UnitSettings) -> float:
    """Return the highest charging power that device and user allow, W."""
    return _ceiling(
        known.spec.max_charge_w,
        known.reading.max_charge_w if known.reading else None,
        settings.charge_limit_w,
    )


def discharge_ceiling_w(known: UnitInputs, settings: UnitSettings) -> float:
    """Return the highest discharging power that device and user allow, W."""
    return _ceiling(
        known.spec.max_discharge_w,
        known.reading.max_discharge_w if known.reading else None,
        settings.discharge_limit_w,
    )


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

    departures = _departures(settings, known, unit, inputs.site.tariff, now_s)
    pressing = _pressing(unit, known, departures, charge_w, now_s, inputs.interval_s)
    if pressing is not None:
        return pressing

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
    if known.plan is not None:
        return Choice(intent=known.plan)
    intent, following = decide(
        Outlook(
            now_s=now_s,
            slots=inputs.site.tariff.known(now_s),
            spec=known.spec,
            stored_kwh=unit.stored_kwh or 0.0,
            reserve_percent=settings.reserve_percent,
            max_soc_percent=settings.max_soc_percent,
            charge_w=charge_w,
            discharge_w=discharge_w,
            draw_w=draw_w,
            surplus_kwh=state.surplus_kwh,
            departures=departures,
        )
    )
    if intent.stored_value is not None:
        state.ledger.value_per_kwh = intent.stored_value
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


def _departures(
    settings: UnitSettings,
    known: UnitInputs,
    unit: UnitState,
    tariff: Tariff,
    now_s: float,
) -> tuple[Departure, ...]:
    announced = known.departures
    if not settings.ready_by or unit.connected is False:
        return announced
    due_s = tariff.next_local_time(now_s, settings.ready_by_minute)
    ready = Departure(
        time_s=due_s, soc_percent=settings.ready_by_soc_percent, back_s=due_s
    )
    return (*announced, ready)


def _pressing(
    unit: UnitState,
    known: UnitInputs,
    departures: tuple[Departure, ...],
    charge_w: float,
    now_s: float,
    interval_s: float,
) -> Choice | None:
    """Return the charge for a departure once its latest start has come.

    The latest start assumes 80 % of the measured charging power and one reported step
    more; once begun it goes on until the goal or the departure.
    """
    spec = known.spec
    if unit.departure_latch_s is not None and unit.departure_latch_s <= now_s:
        unit.departure_latch_s = None
    power_w = CHARGING_SHARE * min(charge_w, unit.charging_w or charge_w)
    fill_w = spec.stored_w(-power_w)
    stored_kwh = unit.stored_kwh or 0.0
    latched: Choice | None = None
    for departure in departures:
        if departure.time_s <= now_s:
            continue
        goal = min(100.0, departure.soc_percent + spec.soc_step_percent)
        missing_kwh = spec.capacity_kwh * goal / 100.0 - stored_kwh
        if missing_kwh <= 0.0:
            if unit.departure_latch_s == departure.time_s:
                unit.departure_latch_s = None
            continue
        left_s = departure.time_s - now_s
        needed_s = (
            missing_kwh * 3.6e6 / fill_w + spec.start_delay_s + interval_s
            if fill_w > 0.0
            else left_s
        )
        if unit.departure_latch_s != departure.time_s and needed_s < left_s:
            continue
        unit.departure_latch_s = departure.time_s
        full_w = spec.stored_w(-charge_w)
        asked_kwh = spec.capacity_kwh * departure.soc_percent / 100.0 - stored_kwh
        latched = Choice(
            intent=Intent(
                kind=IntentKind.CHARGE,
                power_w=charge_w,
                reason=Reason(
                    code=ReasonCode.DEPARTURE,
                    values={
                        "soc_percent": departure.soc_percent,
                        "left_s": left_s,
                        "missing_kwh": missing_kwh,
                    },
                ),
            ),
            for_departure=True,
            unreachable_departure=asked_kwh * 3.6e6 > full_w * left_s,
        )
        break
    return latched
