"""All that one step may know, from meters and units as they are right now."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from .engine.model import Inputs, Sample, Site, UnitInputs
from .sources.meters import Meters

if TYPE_CHECKING:
    from .unit_runtime import UnitRuntime

LEAST_INTERVAL_S: Final = 0.5
# How long a decision is taken to stand before a meter's habit is known.
FIRST_INTERVAL_S: Final = 1.0


def collect(
    site: Site,
    meters: Meters,
    units: Mapping[str, UnitRuntime],
    meter_id: str | None,
    now_s: float,
) -> Inputs:
    """Return the inputs at `now_s`; `meter_id` is the unit with the home's meter."""
    solar = meters.solar.sample(now_s) if meters.solar else _unit_solar(units, meter_id)
    return Inputs(
        site=site,
        units={
            key: UnitInputs(
                spec=runtime.spec,
                capabilities=runtime.unit.capabilities,
                reading=runtime.coordinator.data,
                outcome=runtime.worker.outcome,
                patterns=runtime.patterns,
                vehicles=runtime.vehicle_specs,
                elsewhere=(
                    runtime.car_sources.elsewhere() if runtime.car_sources else {}
                ),
                native=runtime.native,
                backup=runtime.backup,
            )
            for key, runtime in units.items()
        },
        grid=meters.grid.sample(now_s),
        phases=meters.phase_samples(now_s),
        solar=solar,
        has_solar=meters.solar is not None or solar is not None,
        other=meters.other.sample(now_s) if meters.other else None,
        has_other=meters.other is not None,
        mains_signs=meters.mains.signs if meters.mains else (),
        interval_s=max(LEAST_INTERVAL_S, meters.grid.interval_s or FIRST_INTERVAL_S),
    )


def _unit_solar(
    units: Mapping[str, UnitRuntime], meter_id: str | None
) -> Sample | None:
    """Return the solar power that comes with the unit's own grid meter."""
    runtime = units.get(meter_id) if meter_id is not None else None
    reading = runtime.coordinator.data if runtime is not None else None
    if reading is None or reading.solar_w is None:
        return None
    return Sample(
        value=reading.solar_w, time_s=reading.time_s, max_age_s=reading.max_age_s
    )
