"""Departures that cannot be met any more where no plan says so."""

from collections.abc import Container, Iterator

from .announced import departures_ahead
from .derating import mean_share
from .model import Departure, HomeMode, Inputs, UnitMode
from .policy import MANUAL_MODES, charge_ceiling_w
from .problems import NEAR_PERCENT, Finding, Problem
from .reach import Charging
from .soc import least_kwh
from .state import HomeState


def shortfalls(
    state: HomeState, inputs: Inputs, now_s: float, planned: Container[str]
) -> list[Finding]:
    """Return the departures that units will not be ready for, whatever is done.

    Left out are units in `planned`, of which their plans tell, those that are not
    plugged in, and all while the home is off.
    """
    if state.settings.mode is HomeMode.OFF:
        return []
    return [
        finding
        for key in inputs.units
        if key not in planned
        for finding in _of_unit(state, inputs, key, now_s)
    ]


def _of_unit(
    state: HomeState, inputs: Inputs, key: str, now_s: float
) -> Iterator[Finding]:
    unit, known = state.units[key], inputs.units[key]
    if unit.stored_kwh is None or unit.connected is False:
        return
    stored_kwh = least_kwh(unit)
    spec = known.spec
    charge_w = charge_ceiling_w(known, unit.settings)
    for departure in departures_ahead(unit, known, inputs.site.tariff, now_s):
        missing_kwh = spec.capacity_kwh * departure.soc_percent / 100.0 - stored_kwh
        begin_s = _begin_s(state, key, now_s, departure)
        tapered_w = charge_w * mean_share(
            spec.charge_taper,
            stored_kwh / spec.capacity_kwh * 100.0,
            departure.soc_percent,
        )
        possible_kwh = Charging(state, inputs, spec, departure.time_s).possible_kwh(
            begin_s, tapered_w, missing_kwh
        )
        short_percent = 100.0 * (missing_kwh - possible_kwh) / spec.capacity_kwh
        if short_percent > NEAR_PERCENT:
            yield Finding(
                problem=Problem.DEPARTURE,
                unit=key,
                time_s=departure.time_s,
                wanted=departure.soc_percent,
                expected=departure.soc_percent - short_percent,
            )


def _begin_s(state: HomeState, key: str, now_s: float, departure: Departure) -> float:
    """Return from when on the unit can be charged for the departure."""
    settings = state.units[key].settings
    if settings.mode is UnitMode.OFF:
        return departure.time_s
    if settings.mode in MANUAL_MODES - {UnitMode.CHARGE} and settings.until_s:
        return max(now_s, settings.until_s)
    return now_s
