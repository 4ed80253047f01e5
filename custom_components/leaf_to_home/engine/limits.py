"""What the breaker bears now and what the demand window still allows."""

from .model import HomeMode, Inputs, Sample, Site
from .state import HomeState, WindowState

# Distance kept from a limit, since the meter and the station both err.
MARGIN = 0.01
# How many hours of the house's own peaks bound charging while the meter is silent.
PEAK_HOURS = 24
# A window measured for less than this share says nothing about its average.
MEASURED_SHARE = 0.9
PEAKS_KEPT = 12
MONTHS_KEPT = 13


def window_minutes(site: Site) -> int:
    """Return the length of the demand window in minutes."""
    return site.capacity.window_min if site.capacity else site.window_min


def track_window(
    state: HomeState, site: Site, import_w: float | None, start_s: float, end_s: float
) -> None:
    """Add the mean import of `start_s` to `end_s` to the demand windows it spans."""
    window = state.window
    length_s = window_minutes(site) * 60.0
    while start_s < end_s:
        begin_s = _window_start(site, start_s, length_s)
        if window.start_s != begin_s:
            _close(window, state, site, length_s)
            window.start_s = begin_s
            window.energy_kwh = 0.0
            window.measured_s = 0.0
        upto_s = min(end_s, begin_s + length_s)
        if import_w is not None:
            window.energy_kwh += max(0.0, import_w) * (upto_s - start_s) / 3.6e6
            window.measured_s += upto_s - start_s
        start_s = upto_s
    if window.start_s is not None and end_s >= window.start_s + length_s:
        _close(window, state, site, length_s)
        window.start_s = _window_start(site, end_s, length_s)
        window.energy_kwh = 0.0
        window.measured_s = 0.0


def _window_start(site: Site, now_s: float, length_s: float) -> float:
    # Every time zone in use is a whole number of quarter-hours from UTC; hours and
    # half-hours need the local clock.
    minute = site.tariff.day_minute(now_s)[1]
    into_s = (minute * 60.0 + now_s % 60.0) % length_s
    return now_s - into_s


def _close(window: WindowState, state: HomeState, site: Site, length_s: float) -> None:
    if window.start_s is None or window.measured_s < MEASURED_SHARE * length_s:
        return
    average_w = window.energy_kwh * 3.6e6 / window.measured_s
    peaks = window.peaks_w.setdefault(site.tariff.month(window.start_s), [])
    peaks.append(average_w)
    peaks.sort(reverse=True)
    del peaks[PEAKS_KEPT:]
    for month in sorted(window.peaks_w)[:-MONTHS_KEPT]:
        del window.peaks_w[month]
    limit_w = state.settings.import_limit_w
    if limit_w is not None and average_w > limit_w:
        window.missed += 1


def month_peak_w(state: HomeState, site: Site, now_s: float) -> float | None:
    """Return the mean of the month's highest windows that the contract counts, in W."""
    peaks = state.window.peaks_w.get(site.tariff.month(now_s))
    if not peaks:
        return None
    counted = peaks[: site.capacity.peaks_averaged if site.capacity else 1]
    return sum(counted) / len(counted)


def soft_limit_w(state: HomeState, site: Site, now_s: float) -> float | None:
    """Return the average import that the running window should keep, if any.

    Under a capacity tariff that is the month's peak that the plans mean to pay for.
    Where none of them leads, or knows of this month yet, it is what the last month came
    to; never less than what costs nothing more, nor more than the user's own limit.
    """
    limit_w = state.settings.import_limit_w
    if site.capacity is None:
        return limit_w
    planned_w = state.window.planned_w
    level_w = max(free_level_w(state, site, now_s), planned_w or 0.0)
    if planned_w is None or level_w <= 0.0:
        level_w = max(level_w, _last_month_w(state, site, now_s))
    if level_w <= 0.0:
        return limit_w
    return level_w if limit_w is None else min(limit_w, level_w)


def plan_level(state: HomeState, inputs: Inputs) -> None:
    """Take in the month's peak that the plans mean to pay for, while they are led by.

    It is 0 where they mean to pay for no new one, and None where no plan leads.
    """
    led = state.settings.mode in (HomeMode.AUTOMATIC, HomeMode.OBSERVE)
    led &= any(known.plan is not None for known in inputs.units.values())
    # What the plan of a unit that is away pays for the others count on, too.
    levels = [known.plan_level_w or 0.0 for known in inputs.units.values()]
    state.window.planned_w = max(levels) if led else None


def counted_w(state: HomeState, site: Site, now_s: float) -> tuple[float, ...]:
    """Return the month's windows that a capacity tariff counts so far, W.

    They fall; those that are still to come are 0.
    """
    assert site.capacity is not None
    count = site.capacity.peaks_averaged
    peaks = state.window.peaks_w.get(site.tariff.month(now_s), [])[:count]
    return (*peaks, *[0.0] * (count - len(peaks)))


def free_level_w(state: HomeState, site: Site, now_s: float) -> float:
    """Return up to which level windows raise no charge of a capacity tariff, W.

    However many of them reach it: where several are averaged, the lowest of these is
    what a new one takes the place of.
    """
    assert site.capacity is not None
    peaks = counted_w(state, site, now_s)
    total_w = max(sum(peaks), len(peaks) * site.capacity.free_kw * 1e3)
    # The lowest ones at that level, and the others as they are, come to the same.
    for kept in range(len(peaks) - 1):
        level_w = (total_w - sum(peaks[:kept])) / (len(peaks) - kept)
        if level_w >= peaks[kept]:
            return level_w
    return total_w - sum(peaks[:-1])


def _last_month_w(state: HomeState, site: Site, now_s: float) -> float:
    """Return what the last month that was measured came to, W."""
    assert site.capacity is not None
    this_month = site.tariff.month(now_s)
    peaks = state.window.peaks_w
    before = [month for month in peaks if month < this_month and peaks[month]]
    if not before:
        return 0.0
    counted = peaks[max(before)][: site.capacity.peaks_averaged]
    return sum(counted) / len(counted)


def allowed_import_w(state: HomeState, site: Site, now_s: float) -> float | None:
    """Return the import that keeps the running window within the soft limit, in W.

    What was not measured of the window counts as drawn at the limit.
    """
    limit_w = soft_limit_w(state, site, now_s)
    if limit_w is None:
        return None
    limit_w *= 1.0 - MARGIN
    length_s = window_minutes(site) * 60.0
    start_s = state.window.start_s
    if start_s is None or now_s >= start_s + length_s:
        return limit_w
    left_s = start_s + length_s - now_s
    drawn_s = length_s - left_s
    spent_kwh = state.window.energy_kwh
    spent_kwh += max(0.0, drawn_s - state.window.measured_s) * limit_w / 3.6e6
    room_kwh = limit_w * length_s / 3.6e6 - spent_kwh
    # The last moments of a window would allow anything; the next one pays for it.
    return min(room_kwh * 3.6e6 / max(left_s, 30.0), 2.0 * limit_w)


def window_figures(
    state: HomeState, site: Site, now_s: float
) -> tuple[float | None, float | None]:
    """Return the running window's average so far and what may still be drawn, in W."""
    window = state.window
    average_w = None
    if window.start_s is not None and window.measured_s > 0.0:
        average_w = window.energy_kwh * 3.6e6 / window.measured_s
    left_w = allowed_import_w(state, site, now_s)
    return average_w, None if left_w is None else max(0.0, left_w)


def remember_draw(
    state: HomeState, inputs: Inputs, draw_w: float, units_w: float, now_s: float
) -> None:
    """Keep the highest draw of the house without its units for each recent hour.

    The same of the fullest phase, on which all that the units give is taken to be.
    """
    _remember(state.load_peaks_w, draw_w, now_s)
    fullest_w = _fullest_phase_w(inputs.phases, now_s)
    if fullest_w is not None:
        _remember(state.phase_peaks_w, fullest_w + units_w, now_s)


def _remember(peaks: list[tuple[int, float]], draw_w: float, now_s: float) -> None:
    hour = int(now_s // 3600)
    if peaks and peaks[-1][0] == hour:
        if draw_w > peaks[-1][1]:
            peaks[-1] = (hour, draw_w)
        return
    peaks.append((hour, draw_w))
    while peaks[0][0] <= hour - PEAK_HOURS:
        del peaks[0]


def worst_draw_w(state: HomeState, now_s: float) -> float | None:
    """Return the highest draw of the last day, None until a day has been seen."""
    peaks = state.load_peaks_w
    if not peaks or int(now_s // 3600) - peaks[0][0] < PEAK_HOURS - 1:
        return None
    return max(draw_w for _, draw_w in state.load_peaks_w)


def main_limit_w(site: Site) -> float | None:
    """Return what the home may draw by its main limit, with a margin, W."""
    if site.main_limit_w is None:
        return None
    return site.main_limit_w * (1.0 - MARGIN)


class Rooms:
    """What units may charge beside the house in each hour of the day, hard limits only.

    The house is expected to draw what it drew at most in that hour of the day before,
    and in an hour that is not known what it drew in the worst one.
    """

    def __init__(self, state: HomeState, site: Site) -> None:
        self._limits: list[tuple[float, dict[int, float], float]] = []
        main_w = main_limit_w(site)
        if main_w is not None:
            self._add(main_w, state.load_peaks_w)
        if site.phase_limit_w is not None:
            # Until phases are measured everything may be on one of them.
            peaks = state.phase_peaks_w or state.load_peaks_w
            self._add(site.phase_limit_w * (1.0 - MARGIN), peaks)

    def _add(self, limit_w: float, peaks: list[tuple[int, float]]) -> None:
        worst_w = max((peak_w for _, peak_w in peaks), default=0.0)
        by_hour = {hour % 24: peak_w for hour, peak_w in peaks}
        self._limits.append((limit_w, by_hour, worst_w))

    def __bool__(self) -> bool:
        """Return whether there is any limit."""
        return bool(self._limits)

    def within(self, power_w: float, at_s: float) -> float:
        """Return as much of a charging power as there is room for."""
        hour = int(at_s // 3600.0) % 24
        for limit_w, by_hour, worst_w in self._limits:
            power_w = min(power_w, limit_w - by_hour.get(hour, worst_w))
        return power_w


def main_room_w(
    inputs: Inputs, draw_w: float | None, unit_w: float, now_s: float
) -> float | None:
    """Return how much the units may charge within the main limit, W; None: no limit.

    `draw_w` is the import that the home would have without its units, measured or
    remembered; `unit_w` what the unit gives now. Below 0, the house alone is above the
    limit. Without any knowledge of the draw nothing may be charged.
    """
    site = inputs.site
    rooms: list[float] = []
    limit_w = main_limit_w(site)
    if limit_w is not None:
        rooms.append(0.0 if draw_w is None else limit_w - draw_w)
    if site.phase_limit_w is not None:
        limit_w = site.phase_limit_w * (1.0 - MARGIN)
        fullest_w = _fullest_phase_w(inputs.phases, now_s)
        if fullest_w is not None:
            # A unit may hang on the phase with the least room: what is free there,
            # plus what the unit draws already, is all that is certain.
            rooms.append(limit_w - fullest_w - unit_w)
        else:
            # Everything may be on one phase; but that is no reason to discharge.
            rooms.append(0.0 if draw_w is None else max(0.0, limit_w - draw_w))
    return min(rooms) if rooms else None


def _fullest_phase_w(phases: tuple[Sample | None, ...], now_s: float) -> float | None:
    fresh = [phase.value for phase in phases if phase and phase.fresh(now_s)]
    if not fresh or len(fresh) < len(phases):
        return None
    return max(fresh)
