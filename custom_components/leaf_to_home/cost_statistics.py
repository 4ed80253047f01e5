"""The three lines of the ledger as Home Assistant's long-term statistics.

Imported only where the recorder is loaded. Each hour stands with what the ledger says
at its end. A sum goes on from the hour before by as much as the ledger has changed, so
that an hour that was missed or is written twice counts once, whatever happens to Home
Assistant or to its clock.
"""

from datetime import datetime
from typing import Final

from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import (
    StatisticsRow,
    async_add_external_statistics,
    get_last_statistics,
    statistics_during_period,
)
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_track_utc_time_change
from homeassistant.helpers.recorder import get_instance
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util
from sqlalchemy.exc import SQLAlchemyError

from .const import DOMAIN, LOGGER
from .engine.savings import costs
from .engine.state import HomeState
from .home import Home

HOUR_S: Final = 3600.0
# The steps at the turn of the hour are over by then.
SECOND: Final = 15
# A sensor of the same key gives each line its name.
LINES: Final = ("cost_on_arrival", "cost_smart", "cost_actual")


def statistic_id(entry: ConfigEntry, line: str) -> str:
    """Return the id of a line's statistic."""
    return f"{DOMAIN}:{entry.entry_id.lower()}_{line}"


@callback
def async_start(hass: HomeAssistant, entry: ConfigEntry, home: Home) -> None:
    """Finish the hour in which the home was left, and write each one from now on.

    Called before the home starts, while it still stands as it was left.
    """
    if not home.units:
        return
    kept = home.persisted
    now_s = dt_util.utcnow().timestamp()
    if kept.time_s is not None and (hour_s := _hour_s(kept.time_s)) < _hour_s(now_s):
        # Nothing that is wrong with the recorder keeps a home from loading.
        entry.async_create_task(
            hass, _async_write(hass, entry, kept, hour_s), f"{DOMAIN} costs"
        )

    async def finish(hour_s: float) -> None:
        # Only what is on disk is never taken back.
        await home.async_save_now()
        await _async_write(hass, entry, home.persisted, hour_s)

    @callback
    def hour_over(now: datetime) -> None:
        hour_s = _hour_s(now.timestamp()) - HOUR_S
        entry.async_create_task(hass, finish(hour_s), f"{DOMAIN} costs")

    entry.async_on_unload(
        async_track_utc_time_change(hass, hour_over, minute=0, second=SECOND)
    )


@callback
def async_remove(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete the statistics of a home that is removed."""
    ids = [statistic_id(entry, line) for line in LINES]
    get_instance(hass).async_clear_statistics(ids)


async def _async_write(
    hass: HomeAssistant, entry: ConfigEntry, state: HomeState, hour_s: float
) -> None:
    """Write the hour that begins at `hour_s` as it stands in `state`."""
    ids = {line: statistic_id(entry, line) for line in LINES}
    try:
        before = await get_instance(hass).async_add_executor_job(
            _rows_before, hass, list(ids.values()), hour_s
        )
    except SQLAlchemyError as err:
        # The next hour makes up for it.
        LOGGER.warning("%s: the recorder cannot be read: %s", entry.title, err)
        return
    words = await async_get_translations(hass, hass.config.language, "entity", {DOMAIN})
    cost = costs(state)
    since_s = state.ledger.since_s
    for line, total in zip(
        LINES, (cost.on_arrival, cost.smart, cost.actual), strict=True
    ):
        name = words[f"component.{DOMAIN}.entity.sensor.{line}.name"]
        async_add_external_statistics(
            hass,
            StatisticMetaData(
                has_sum=True,
                mean_type=StatisticMeanType.NONE,
                name=f"{entry.title}: {name}",
                source=DOMAIN,
                statistic_id=ids[line],
                unit_class=None,
                unit_of_measurement=hass.config.currency,
            ),
            [
                StatisticData(
                    start=dt_util.utc_from_timestamp(hour_s),
                    last_reset=(
                        None if since_s is None else dt_util.utc_from_timestamp(since_s)
                    ),
                    state=total,
                    sum=_sum(before.get(ids[line]), total, since_s),
                )
            ],
        )


def _hour_s(at_s: float) -> float:
    """Return when the hour of `at_s` began; statistics know those of UTC."""
    return at_s // HOUR_S * HOUR_S


def _sum(before: StatisticsRow | None, total: float, since_s: float | None) -> float:
    """Return the sum of an hour at whose end a line stands at `total`.

    A ledger of which nothing was written yet counts from its start, where that is
    known: what an older one holds was not spent in this hour.
    """
    if before is None:
        return 0.0 if since_s is None else total
    # A ledger that was begun anew stood at nothing.
    same = before["last_reset"] == since_s
    return (before["sum"] or 0.0) + total - ((before["state"] or 0.0) if same else 0.0)


def _rows_before(
    hass: HomeAssistant, ids: list[str], hour_s: float
) -> dict[str, StatisticsRow]:
    """Return the last row of each statistic before that hour."""
    rows = {}
    for key in ids:
        found = get_last_statistics(
            hass, 1, key, False, {"last_reset", "state", "sum"}
        ).get(key, [])
        if found and found[-1]["start"] >= hour_s:
            # Written before, or the clock was set back.
            found = statistics_during_period(
                hass,
                dt_util.utc_from_timestamp(0.0),
                dt_util.utc_from_timestamp(hour_s),
                {key},
                "hour",
                None,
                {"last_reset", "state", "sum"},
            ).get(key, [])
        if found:
            rows[key] = found[-1]
    return rows
