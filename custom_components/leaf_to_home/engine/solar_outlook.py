"""What solar forecasts say, as mean powers over any step.

Forecasts come as energies with times. Most are of the time that begins then. A service
whose day begins with nothing at sunrise, to the second, means the time before each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .quarters import QUARTER_S

type Floats = NDArray[np.float64]
# Time (s) and energy (Wh) of one forecast.
type Energies = Mapping[float, float]

LONGEST_S = 3600.0


@dataclass(kw_only=True, slots=True)
class SolarOutlook:
    """The forecasts of all of a home's panels; what it does not reach is NaN."""

    forecasts: Sequence[Energies] = ()
    _series: list[tuple[Floats, Floats]] | None = field(default=None, init=False)

    def mean_w(self, starts_s: Floats) -> Floats | None:
        """Return the mean of each step, None where there is no forecast."""
        if self._series is None:
            self._series = [_cumulated(each) for each in self.forecasts if each]
        if not self._series:
            return None
        total = np.zeros(len(starts_s) - 1)
        for edges_s, upto_wh in self._series:
            wh = np.diff(np.interp(starts_s, edges_s, upto_wh))
            reached = (starts_s[1:] > edges_s[0]) & (starts_s[:-1] < edges_s[-1])
            total += np.where(reached, wh * 3600.0 / np.diff(starts_s), np.nan)
        return total


def _cumulated(energies: Energies) -> tuple[Floats, Floats]:
    """Return the energy (Wh) that was there by the ends of all pieces."""
    times_s = sorted(energies)
    gaps_s = np.diff(times_s)
    length_s = float(min(np.median(gaps_s), LONGEST_S)) if len(gaps_s) else LONGEST_S
    before = energies[times_s[0]] == 0.0 and times_s[0] % QUARTER_S != 0.0
    edges_s: list[float] = []
    upto_wh: list[float] = []
    total_wh = 0.0
    for i, time_s in enumerate(times_s):
        if before:
            last_s = times_s[i - 1] if i else time_s
            begin_s, end_s = max(last_s, time_s - length_s), time_s
        else:
            next_s = times_s[i + 1] if i + 1 < len(times_s) else np.inf
            begin_s, end_s = time_s, min(next_s, time_s + length_s)
        edges_s += (begin_s, end_s)
        upto_wh.append(total_wh)
        total_wh += max(0.0, energies[time_s])
        upto_wh.append(total_wh)
    return np.array(edges_s), np.array(upto_wh)
