"""What can be charged by a departure."""

from math import ceil

from .battery import UnitSpec
from .limits import Rooms
from .model import Inputs
from .state import HomeState

# The latest start of charging assumes this share of the measured power.
CHARGING_SHARE = 0.8


class Charging:
    """What a unit can charge up to its departure beside the house."""

    def __init__(
        self,
        state: HomeState,
        inputs: Inputs,
        spec: UnitSpec,
        end_s: float,
    ) -> None:
        self._spec = spec
        self._end_s = end_s
        self._rooms = Rooms(state, inputs.site)

    def possible_kwh(self, from_s: float, power_w: float, enough_kwh: float) -> float:
        """Return what charging from then on can store; `enough_kwh` is enough."""
        kwh = 0.0
        end_s = self._end_s
        while end_s > from_s and kwh < enough_kwh:
            begin_s = from_s
            if self._rooms:
                begin_s = max(begin_s, (ceil(end_s / 3600.0) - 1) * 3600.0)
            kwh += self._fill_w(begin_s, power_w) * (end_s - begin_s) / 3.6e6
            end_s = begin_s
        return kwh

    def _fill_w(self, at_s: float, power_w: float) -> float:
        power_w = self._rooms.within(power_w, at_s)
        if power_w <= self._spec.min_power_w:
            return 0.0
        return self._spec.stored_w(-power_w)
