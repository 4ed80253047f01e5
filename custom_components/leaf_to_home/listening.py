"""When a home decides: with what its meters and units tell, as soon as they do."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .engine.model import Sample
from .sources.meters import Meters

if TYPE_CHECKING:
    from .unit_runtime import UnitRuntime

# A faster meter is heard this often.
STEP_GAP_S: Final = 0.5


class Listening:
    """Hears meters and units, and calls for a `step` when something is new."""

    def __init__(
        self, hass: HomeAssistant, meters: Meters, step: Callable[[], None]
    ) -> None:
        self._hass = hass
        self._meters = meters
        self._step = step
        self._meter_unit: UnitRuntime | None = None
        self._grid_s: float | None = None
        self._stepped_s = 0.0
        self._pending_step: CALLBACK_TYPE | None = None
        self._ended = False

    @property
    def meter_id(self) -> str | None:
        """Return the unit that measures the grid for the home, None while none does."""
        return self._meter_unit.subentry_id if self._meter_unit else None

    @callback
    def async_stepped(self, now_s: float) -> None:
        """Hear that a step begins, whoever called for it."""
        self._cancel_pending()
        self._stepped_s = now_s

    @callback
    def async_seen(self, grid: Sample | None) -> None:
        """Hear which grid sample the step has seen."""
        self._grid_s = grid.time_s if grid else None

    @callback
    def async_end(self) -> None:
        """Call for no further step."""
        self._ended = True
        self._cancel_pending()

    def meter_speaks(self) -> bool:
        """Return whether the grid meter is heard right now, since steps have ended."""
        if self._meter_unit is not None:
            self._take_meter(self._meter_unit)
        now_s = dt_util.utcnow().timestamp()
        sample = self._meters.grid.sample(now_s)
        return sample is not None and sample.fresh(now_s)

    def unit_listener(self, runtime: UnitRuntime) -> Callable[[], None]:
        """Return what is called with each reading of a unit, and when it is lost.

        What must not be missed is seen at once: a car that leaves may be followed by
        another one before the meter speaks.
        """
        reached = True
        restarts = 0
        state: tuple[bool | None, bool | None] = (None, None)

        @callback
        def heard() -> None:
            nonlocal reached, restarts, state
            was_reached, before, begun = reached, state, restarts
            reached = runtime.coordinator.last_update_success
            reading = runtime.coordinator.data
            if reading is not None:
                state = (reading.islanding, reading.connected)
                restarts = reading.restarts
            if reached and (not was_reached or restarts != begun):
                runtime.worker.async_forget()
            if reached is not was_reached or state != before:
                self._take_meter(runtime)
                self._step()
            elif self._take_meter(runtime):
                self.async_grid_heard()

        return heard

    @callback
    def _take_meter(self, runtime: UnitRuntime) -> bool:
        """Take the grid power that a unit measures; the first one is the meter."""
        meter = self._meters.unit_meter
        if meter is None:
            return False
        coordinator = runtime.coordinator
        reading = coordinator.data if coordinator.last_update_success else None
        if (
            self._meter_unit is None
            and reading is not None
            and reading.grid_w is not None
        ):
            self._meter_unit = runtime
        if self._meter_unit is not runtime:
            return False
        meter.take(reading)
        return True

    @callback
    def async_grid_heard(self) -> None:
        """Step when the meter of the home tells something new, or falls silent."""
        if self._ended:
            return
        sample = self._meters.grid.sample(dt_util.utcnow().timestamp())
        if sample is None:
            if self._grid_s is not None:
                self._step()
        elif self._grid_s is None or sample.time_s > self._grid_s:
            self._step_soon()

    @callback
    def _step_soon(self) -> None:
        """Step now, or as soon as the last step is old enough."""
        since_s = dt_util.utcnow().timestamp() - self._stepped_s
        if not 0.0 <= since_s < STEP_GAP_S:
            self._step()
        elif self._pending_step is None:

            @callback
            def due(_now: datetime) -> None:
                self._pending_step = None
                self._step()

            self._pending_step = async_call_later(
                self._hass, STEP_GAP_S - since_s, HassJob(due, cancel_on_shutdown=True)
            )

    @callback
    def _cancel_pending(self) -> None:
        if self._pending_step is not None:
            self._pending_step()
            self._pending_step = None
