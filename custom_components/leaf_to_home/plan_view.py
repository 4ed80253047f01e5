"""The plan of a home as others see it: over the websocket and as an action's response.

The shape is documented in docs/planning.md; dashboards and automations depend on it.
"""

from typing import Any, Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.util import dt as dt_util

from .engine.model import UnitMode
from .engine.plan import Plan, PlannedStep
from .engine.policy import PLANNING_MODES
from .home import Home, LeafToHomeConfigEntry

NOT_LOADED: Final = "not_loaded"
NOT_PLANNING: Final = "not_planning"
WAITING: Final = "waiting"
PLANNED: Final = "planned"


def plan_of(entry: LeafToHomeConfigEntry) -> dict[str, Any]:
    """Return what is planned for a home, loaded or not."""
    if entry.state is not ConfigEntryState.LOADED:
        return {"status": NOT_LOADED, "problems": [], "units": {}}
    home = entry.runtime_data.home
    now_s = dt_util.utcnow().timestamp()
    return {
        "status": _status(home),
        "followed": home.plans.followed(now_s),
        "mode": home.state.settings.mode.value,
        "problems": [
            {"problem": finding.problem.value, **home.plans.problems.values(finding)}
            for finding in home.plans.problems.found
        ],
        "currency": home.site.tariff.currency,
        "expected_cost_today": _money(expected_cost_today(home, now_s)),
        "units": {
            key: _unit(home, key, plan, now_s)
            for key, plan in home.plans.plans.items()
            if key in home.units
        },
    }


def expected_cost_today(home: Home, now_s: float) -> float | None:
    """Return what the local day costs at the grid: paid so far, and still expected.

    Nobody planned what a unit does that the user charges or discharges by hand.
    """
    by_hand = any(
        home.state.units[key].settings.mode in (UnitMode.CHARGE, UnitMode.DISCHARGE)
        for key in home.units
    )
    midnight_s = home.site.tariff.local_midnight_after(now_s)
    expected = home.plans.cost(now_s, midnight_s)
    if by_hand or expected is None:
        return None
    ledger = home.state.ledger
    return ledger.paid - ledger.paid_day + expected


def _status(home: Home) -> str:
    if home.plans.plans:
        return PLANNED
    planning = home.state.settings.mode in PLANNING_MODES
    return WAITING if planning else NOT_PLANNING


def _unit(home: Home, key: str, plan: Plan, now_s: float) -> dict[str, Any]:
    departure = home.plans.departure(key, now_s)
    return {
        "name": home.units[key].name,
        "made": _time(plan.made_s),
        "stored_value": _money(plan.stored_value),
        "departure": None
        if departure is None
        else {
            "time": _time(departure[0].time_s),
            "wanted_percent": departure[0].soc_percent,
            "expected_percent": round(departure[1], 1),
        },
        "steps": [_step(step) for step in plan.steps if step.end_s > now_s],
    }


def _step(step: PlannedStep) -> dict[str, Any]:
    intent = step.intent
    return {
        "start": _time(step.start_s),
        "end": _time(step.end_s),
        "home": step.home,
        "intent": intent.kind.value,
        "power_w": round(intent.power_w),
        "absorb_surplus": intent.absorb_surplus,
        "reason": intent.reason.code.value,
        "values": {key: round(value, 4) for key, value in intent.reason.values.items()},
        "soc_percent": round(step.soc_percent, 1),
        "unit_w": round(step.unit_w),
        "grid_w": round(step.grid_w),
        "import_price": _money(step.import_price),
        "price_basis": step.price_basis.value,
        "cost": _money(step.cost),
    }


def _time(time_s: float) -> str:
    return dt_util.utc_from_timestamp(round(time_s)).isoformat()


def _money(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
