"""Manual modes: what may be asked of a unit, and when it ends."""

from datetime import datetime, time, timedelta
from typing import Any

from homeassistant.exceptions import ServiceValidationError
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .engine.model import HomeMode, UnitMode
from .entity import LeafToHomeUnitEntity

# Without an end a manual mode lasts until the next ready-by time, this long at most.
DEFAULT_LENGTH = timedelta(hours=12)
# The engine takes an end further away for a clock that went wrong.
LONGEST = timedelta(days=5)
RELEASED: dict[str, Any] = {
    "mode": UnitMode.AUTOMATIC,
    "power_w": None,
    "until_s": None,
    "until_soc_percent": None,
    "until_kwh": None,
}


def manual_changes(
    unit: LeafToHomeUnitEntity,
    mode: UnitMode,
    *,
    duration: timedelta | None = None,
    until: datetime | time | None = None,
    soc_percent: float | None = None,
    energy_kwh: float | None = None,
    power_w: float | None = None,
) -> dict[str, Any]:
    """Return the settings of a manual mode.

    Raises ServiceValidationError for what could not begin or would end at once.
    """
    if unit.home.state.settings.mode is HomeMode.OFF:
        raise _invalid(unit, "home_off")
    if unit.reading is not None and unit.reading.connected is False:
        raise _invalid(unit, "not_connected")
    _check_soc(unit, mode, soc_percent)
    return {
        "mode": mode,
        "power_w": power_w,
        "until_s": _end(unit, duration, until).timestamp(),
        "until_soc_percent": soc_percent,
        "until_kwh": _until_kwh(unit, mode, energy_kwh),
    }


def _check_soc(
    unit: LeafToHomeUnitEntity, mode: UnitMode, target: float | None
) -> None:
    """Refuse a target out of bounds, and a mode whose goal is reached already."""
    settings = unit.settings
    soc = unit.decision.soc_percent if unit.decision else None
    if mode is UnitMode.CHARGE:
        if target is not None and target > settings.max_soc_percent:
            raise _invalid(
                unit,
                "target_above_highest",
                target=f"{target:g}",
                highest=f"{settings.max_soc_percent:g}",
            )
        goal = settings.max_soc_percent if target is None else target
        reached = soc is not None and soc >= goal
    elif mode is UnitMode.DISCHARGE:
        if target is not None and target < settings.reserve_percent:
            raise _invalid(
                unit,
                "target_below_reserve",
                target=f"{target:g}",
                reserve=f"{settings.reserve_percent:g}",
            )
        goal = settings.reserve_percent if target is None else target
        # The last reported step is not used, since it could lie below the goal.
        reached = soc is not None and soc <= goal + unit.unit.spec.soc_step_percent
    else:
        return
    if reached:
        raise _invalid(unit, "soc_reached", soc=f"{soc:.0f}", goal=f"{goal:g}")


def _end(
    unit: LeafToHomeUnitEntity,
    duration: timedelta | None,
    until: datetime | time | None,
) -> datetime:
    """Return when the mode ends."""
    now = dt_util.utcnow()
    if duration is not None:
        end = now + duration
    elif isinstance(until, datetime):
        end = dt_util.as_utc(until)
    elif until is not None:
        end = next_local(until, now)
    else:
        end = now + DEFAULT_LENGTH
        if unit.settings.ready_by:
            ready_s = unit.home.site.tariff.next_local_time(
                now.timestamp(), unit.settings.ready_by_minute
            )
            end = min(end, dt_util.utc_from_timestamp(ready_s))
    if end <= now:
        raise _invalid(unit, "end_in_the_past", end=_shown(end))
    if end > now + LONGEST:
        raise _invalid(
            unit, "end_too_far", end=_shown(end), longest=f"{LONGEST.days:d}"
        )
    return end


def next_local(clock: time, after: datetime) -> datetime:
    """Return when it is that local time for the first time after a moment."""
    local = dt_util.as_local(after)
    end = local.replace(
        hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0
    )
    if end <= local:
        end += timedelta(days=1)
    return dt_util.as_utc(end)


def _until_kwh(
    unit: LeafToHomeUnitEntity, mode: UnitMode, energy_kwh: float | None
) -> float | None:
    """Return at which state of the unit's own counter the energy has passed."""
    if energy_kwh is None:
        return None
    state = unit.home.state.units[unit.unit.subentry_id]
    counted = state.charged_kwh if mode is UnitMode.CHARGE else state.discharged_kwh
    return counted + energy_kwh


def _shown(moment: datetime) -> str:
    return dt_util.as_local(moment).strftime("%Y-%m-%d %H:%M")


def _invalid(
    unit: LeafToHomeUnitEntity, key: str, **placeholders: str
) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"unit": unit.unit.name, **placeholders},
    )
