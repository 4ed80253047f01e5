"""The home's past as Home Assistant's recorder knows it.

Sensors of power have statistics where they say that they measure. The counters of the
Energy dashboard stand in for those that have none, and for the time before they had.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    SUN_EVENT_SUNRISE,
    SUN_EVENT_SUNSET,
    Platform,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.sun import get_astral_event_date
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import EnergyConverter, PowerConverter
import numpy as np

from .const import (
    CONF_GRID,
    CONF_OTHER,
    CONF_SOLAR,
    DOMAIN,
    GRID_INVERTED,
    GRID_TWO,
    GRID_UNIT,
    SUBENTRY_UNIT,
)
from .engine.past_power import (
    Flags,
    Floats,
    Measured,
    PastPower,
    Quantity,
    Rows,
    Span,
    Term,
    past_power,
)
from .flow_energy import is_own
from .sources.dashboard import async_energy_sources

if TYPE_CHECKING:
    from homeassistant.components.recorder.statistics import StatisticsRow

RECORDER: Final = "recorder"
# The finer ones, which are kept for days only, first.
PERIODS: Final[tuple[tuple[Literal["5minute", "hour"], float], ...]] = (
    ("5minute", 300.0),
    ("hour", 3600.0),
)
UNITS: Final = {
    PowerConverter.UNIT_CLASS: UnitOfPower.WATT,
    EnergyConverter.UNIT_CLASS: UnitOfEnergy.KILO_WATT_HOUR,
}


async def async_past_power(
    hass: HomeAssistant, entry: ConfigEntry, start_s: float, end_s: float
) -> PastPower | None:
    """Return the powers of the whole quarter-hours in that time.

    None without a recorder. It is read in the recorder's own executor, and what it
    raises is passed on.
    """
    if RECORDER not in hass.config.components:
        return None
    # Only where it is loaded anyway.
    from homeassistant.helpers.recorder import get_instance  # noqa: PLC0415 loads the recorder

    measured = await async_measured(hass, entry)
    span = Span.between(start_s, end_s)
    return await get_instance(hass).async_add_executor_job(_read, hass, measured, span)


async def async_measured(hass: HomeAssistant, entry: ConfigEntry) -> Measured:
    """Return which sensors tell the powers of the home, and how."""
    sources = await async_energy_sources(hass)
    by_unit = entry.data[CONF_GRID]["kind"] == GRID_UNIT
    own = _Own(hass, entry)
    return Measured(
        grid=Quantity(
            ways=_ways(
                own.powers(entry.entry_id, "grid_power") if by_unit else _grid(entry),
                _counters(hass, sources, "grid"),
            )
        ),
        solar=_solar(hass, entry, sources, own, by_unit=by_unit),
        other=Quantity(
            ways=_ways(
                others := _sensors(entry, CONF_OTHER),
                _counters(hass, sources, "battery", others),
            )
        )
        if entry.data.get(CONF_OTHER)
        else None,
        units=[
            Quantity(
                ways=_ways(
                    own.powers(key, "power"),
                    own.powers(key, "energy_discharged")
                    + own.powers(key, "energy_charged", -1.0),
                ),
                new_s=own.since_s(key, "power"),
            )
            for key, subentry in entry.subentries.items()
            if subentry.subentry_type == SUBENTRY_UNIT
        ],
    )


class _Own:
    """The entities of a home itself, whatever the user calls them."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        self._registry = er.async_get(hass)
        self._entry = entry

    def powers(self, owner: str, key: str, sign: float = 1.0) -> list[Term]:
        """Return the sensor as a sum of one."""
        known = self._find(owner, key)
        return [Term(sensor=known.entity_id, sign=sign)] if known else []

    def since_s(self, owner: str, key: str) -> float:
        """Return since when there is the sensor: never before now, where it is none."""
        known = self._find(owner, key)
        at = known.created_at if known else dt_util.utcnow()
        return at.timestamp()

    def _find(self, owner: str, key: str) -> er.RegistryEntry | None:
        found = self._registry.async_get_entity_id(
            Platform.SENSOR, DOMAIN, f"{owner}_{key}"
        )
        return None if found is None else self._registry.async_get(found)


def _ways(*ways: Sequence[Term]) -> list[Sequence[Term]]:
    """Return the ways that there are."""
    return [way for way in ways if way]


def _grid(entry: ConfigEntry) -> list[Term]:
    grid = entry.data[CONF_GRID]
    if grid["kind"] == GRID_TWO:
        return [
            Term(sensor=grid["entity"]),
            Term(sensor=grid["entity_export"], sign=-1.0),
        ]
    sign = -1.0 if grid["kind"] == GRID_INVERTED else 1.0
    return [Term(sensor=grid["entity"], sign=sign)]


def _sensors(entry: ConfigEntry, key: str) -> list[Term]:
    return [Term(sensor=sensor) for sensor in entry.data.get(key, ())]


def _solar(
    hass: HomeAssistant,
    entry: ConfigEntry,
    sources: Sequence[Mapping[str, Any]],
    own: _Own,
    *,
    by_unit: bool,
) -> Quantity | None:
    sensors = _sensors(entry, CONF_SOLAR)
    if not sensors and not by_unit:
        return None
    return Quantity(
        ways=_ways(
            sensors or own.powers(entry.entry_id, "solar_power"),
            _counters(hass, sources, "solar", sensors),
        ),
        asleep=True,
        # A unit that measures the grid may know a sun, too.
        optional=not sensors,
    )


def _counters(
    hass: HomeAssistant,
    sources: Sequence[Mapping[str, Any]],
    kind: str,
    chosen: Sequence[Term] = (),
) -> list[Term]:
    """Return the dashboard's counters of a kind, without those that are our own.

    Where it has all the `chosen` sensors beside counters of theirs, only those count:
    the others are of something else, such as the station of a unit.
    """
    known = [source for source in sources if source["type"] == kind]
    sensors = {term.sensor for term in chosen}
    theirs = [source for source in known if source.get("stat_rate") in sensors]
    if sensors and {source["stat_rate"] for source in theirs} == sensors:
        known = theirs
    return [
        Term(sensor=sensor, sign=sign)
        for source in known
        for key, sign in (("stat_energy_from", 1.0), ("stat_energy_to", -1.0))
        if (sensor := source.get(key)) and not is_own(hass, sensor)
    ]


def _read(hass: HomeAssistant, measured: Measured, span: Span) -> PastPower:
    """Ask for the statistics, in the recorder's executor."""
    from homeassistant.components.recorder.statistics import (  # noqa: PLC0415 loads the recorder
        get_metadata,
        statistics_during_period,
    )

    known = {
        sensor: data["has_sum"]
        for sensor, (_, data) in get_metadata(
            hass, statistic_ids=measured.sensors
        ).items()
        # A power that claims to be a total has sums that mean nothing.
        if data["unit_class"] in UNITS
        and data["has_sum"] == (data["unit_class"] == EnergyConverter.UNIT_CLASS)
    }
    rows: dict[str, list[Rows]] = {}
    for period, length_s in PERIODS if known and span.count else ():
        found = statistics_during_period(
            hass,
            # A counter is to be known before the first period, too.
            dt_util.utc_from_timestamp(span.begin_s - length_s),
            dt_util.utc_from_timestamp(span.end_s),
            set(known),
            period,
            {**UNITS},
            {"mean", "sum"},
        )
        for sensor, statistics in found.items():
            rows.setdefault(sensor, []).append(
                _rows(statistics, length_s, counter=known[sensor])
            )

    def dark(starts_s: Floats) -> Flags:
        return _dark(hass, starts_s)

    return past_power(span, measured, rows, dark)


def _rows(
    statistics: Sequence[StatisticsRow], length_s: float, *, counter: bool
) -> Rows:
    key: Literal["mean", "sum"] = "sum" if counter else "mean"
    values = (row.get(key) for row in statistics)
    return Rows(
        starts_s=np.array([row["start"] for row in statistics], dtype=np.float64),
        values=np.array(
            [np.nan if value is None else value for value in values], dtype=np.float64
        ),
        length_s=length_s,
        counter=counter,
    )


def _dark(hass: HomeAssistant, starts_s: Floats) -> Flags:
    """Return where the sun is down; near the poles it may never be known to be."""
    events = sorted(_sun(hass, starts_s[0], starts_s[-1]))
    times_s = np.array([at_s for at_s, _ in events])
    up = np.array([rising for _, rising in events])
    after = np.searchsorted(times_s, starts_s, side="right")
    inside = (after > 0) & (after < len(events))
    after = np.clip(after, 1, max(len(events) - 1, 1))
    if len(events) < 2:
        return np.zeros(len(starts_s), dtype=np.bool_)
    night_s = times_s[after] - times_s[after - 1]
    result: Flags = inside & ~up[after - 1] & up[after] & (night_s < 86400.0)
    return result


def _sun(
    hass: HomeAssistant, first_s: float, last_s: float
) -> Iterator[tuple[float, bool]]:
    """Yield when the sun rises (True) and sets on the days around that time."""
    day: datetime = dt_util.utc_from_timestamp(first_s) - timedelta(days=2)
    while day.timestamp() < last_s + 2 * 86400.0:
        for event, rising in ((SUN_EVENT_SUNRISE, True), (SUN_EVENT_SUNSET, False)):
            if (at := get_astral_event_date(hass, event, day.date())) is not None:
                yield at.timestamp(), rising
        day += timedelta(days=1)
