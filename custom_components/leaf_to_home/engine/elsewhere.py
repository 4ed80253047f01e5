"""What other sources than the charger know of a car, and how far that may be believed.

Where the charger knows no state of charge theirs is the one. Where it knows one they
only tighten it: the lower of both counts for giving, the higher for taking. A report
keeps its worth while no energy can have moved; one from shortly before the plug-in
counts less by what driving may have taken since.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from .battery import UnitSpec
from .model import Elsewhere, Inputs, Reading, Sample, UnitInputs
from .state import HomeState, UnitState
from .vehicles import nobodys

# A report this long before the plug-in still tells.
ARRIVAL_S: Final = 900.0
# What driving may have taken since, on the mean.
DRIVING_W: Final = 10_000.0
# A trip says how much driving takes if it was this long and this plausible.
LEAST_KM: Final = 5.0
LIKELY_PER_100_KM: Final = (8.0, 40.0)
# So many km weigh as much as what was known before.
KNOWN_KM: Final = 200.0
# Later than this after the return, charging has hidden what the trip took.
RETURN_S: Final = 1800.0


def informed(state: HomeState, inputs: Inputs, now_s: float) -> Inputs:
    """Return the inputs with what others know beside each charger."""
    if not any(known.elsewhere for known in inputs.units.values()):
        return inputs
    return replace(
        inputs,
        units={
            key: _informed(state.units[key], known, now_s)
            for key, known in inputs.units.items()
        },
    )


def learn_trip(
    was_connected: bool | None, unit: UnitState, known: UnitInputs, now_s: float
) -> None:
    """Learn from odometer and charge of departure and return what driving takes."""
    if unit.connected is False:
        if was_connected:
            unit.left_km, unit.left_kwh = unit.odometer_km, unit.stored_kwh
        unit.odometer_km = None
        return
    told = _elsewhere(unit, known)
    odometer = None if told is None else told.odometer_km
    if odometer is not None and not nobodys(unit, known):
        since_s = unit.arrived_s if unit.arrived_s is not None else now_s
        if odometer.time_s >= since_s - ARRIVAL_S:
            unit.odometer_km = odometer.value
    if unit.left_km is None or unit.left_kwh is None:
        return
    if now_s - (unit.arrived_s or 0.0) > RETURN_S:
        unit.left_km = unit.left_kwh = None
    elif unit.odometer_km is not None and unit.stored_kwh is not None:
        _learn(unit, unit.odometer_km - unit.left_km, unit.left_kwh - unit.stored_kwh)
        unit.left_km = unit.left_kwh = None


def _learn(unit: UnitState, km: float, kwh: float) -> None:
    if km < LEAST_KM:
        return
    per_100_km = kwh / km * 100.0
    low, high = LIKELY_PER_100_KM
    if not low <= per_100_km <= high:
        # It was charged on the way, or nobody knows what.
        return
    weight = km / (km + KNOWN_KM)
    before = unit.settings.kwh_per_100_km
    unit.settings = replace(
        unit.settings,
        kwh_per_100_km=round(before + weight * (per_100_km - before), 2),
    )


def _elsewhere(unit: UnitState, known: UnitInputs) -> Elsewhere | None:
    """Return what is said of the car at the plug."""
    told: Mapping[str, Elsewhere] = known.elsewhere
    return told.get(unit.vehicle or "") or told.get("")


def _informed(unit: UnitState, known: UnitInputs, now_s: float) -> UnitInputs:
    told, reading = _elsewhere(unit, known), known.reading
    if told is None or reading is None or not reading.fresh(now_s):
        return known
    if reading.connected is None and _fresh(told.plugged, now_s):
        assert told.plugged is not None
        reading = replace(reading, connected=told.plugged.value > 0.0)
    if nobodys(unit, known) or reading.connected is False:
        unit.other_kwh = None
        return replace(known, reading=reading)
    if reading.soh_percent is None and told.soh_percent is not None:
        reading = replace(reading, soh_percent=told.soh_percent)
    return replace(
        known, reading=_with_charge(unit, known.spec, reading, told.soc_percent, now_s)
    )


def _with_charge(
    unit: UnitState,
    spec: UnitSpec,
    reading: Reading,
    soc: Sample | None,
    now_s: float,
) -> Reading:
    """Return the reading with the charge that only others know; keep it beside else."""
    arrives = bool(reading.connected) and not unit.connected
    if arrives:
        unit.other_kwh = None
        unit.soc_elsewhere = False
    if reading.soc_percent is not None and unit.soc_elsewhere:
        # From now on the charger speaks for itself.
        unit.soc_elsewhere = False
        unit.other_kwh, unit.other_moved_kwh = unit.stored_kwh, unit.moved_kwh
        unit.stored_kwh = unit.anchor_soc_percent = None
    since_s = now_s if arrives or unit.arrived_s is None else unit.arrived_s
    if (
        soc is None
        or soc.time_s > now_s
        or soc.time_s < since_s - ARRIVAL_S
        or (not arrives and unit.other_s is not None and soc.time_s <= unit.other_s)
    ):
        return reading
    unit.other_s = soc.time_s
    driven_kwh = DRIVING_W * max(0.0, since_s - soc.time_s) / 3.6e6
    kwh = max(0.0, spec.capacity_kwh * soc.value / 100.0 - driven_kwh)
    own = reading.soc_percent is None and (
        arrives or unit.soc_elsewhere or unit.anchor_soc_percent is None
    )
    if own:
        unit.soc_elsewhere = True
        return replace(reading, soc_percent=kwh / spec.capacity_kwh * 100.0)
    unit.other_kwh, unit.other_moved_kwh = kwh, 0.0
    return reading


def _fresh(sample: Sample | None, now_s: float) -> bool:
    return sample is not None and sample.fresh(now_s)
