"""The solar forecasts that the Energy dashboard is configured with.

They are asked for every hour, beside everything else. Only all of them together say
what the panels are to give.
"""

import asyncio
from collections.abc import Callable, Mapping
import math
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration
from homeassistant.util import dt as dt_util

from ..const import DOMAIN, LOGGER
from .dashboard import async_energy_sources

EVERY_S: Final = 3600.0
# Other integrations may still be loading.
AGAIN_S: Final = 300.0
# Who has not answered by then never will.
ANSWER_S: Final = 60.0

type Energies = Mapping[float, float]


class SolarForecasts:
    """Keeps the latest forecasts: time (s) and energy (Wh) from then on."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, on_new: Callable[[], None]
    ) -> None:
        self.latest: tuple[Energies, ...] = ()
        self._hass = hass
        self._entry = entry
        self._on_new = on_new
        self._next_s: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed = False

    @callback
    def async_begin(self, now_s: float) -> None:
        """Ask, where that is due."""
        if self._task is not None and not self._task.done():
            return
        if self._next_s is not None and self._next_s - EVERY_S <= now_s < self._next_s:
            return
        self._next_s = now_s + EVERY_S
        self._task = self._entry.async_create_background_task(
            self._hass, self._async_run(now_s), f"{DOMAIN} solar forecast"
        )

    @callback
    def async_stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def _async_run(self, now_s: float) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                forecasts = await self._async_ask()
        except Exception as err:  # noqa: BLE001
            # Whatever another integration raises, the past days stand in.
            log = LOGGER.debug if self._failed else LOGGER.warning
            log("%s: no solar forecast (%r)", self._entry.title, err)
            self._failed = True
            forecasts = None
        else:
            self._failed = False
        if forecasts is None:
            self._next_s = now_s + AGAIN_S
        elif forecasts != self.latest:
            self.latest = forecasts
            self._on_new()

    async def _async_ask(self) -> tuple[Energies, ...] | None:
        """Return all forecasts, None while one of them is missing."""
        ids = {
            entry_id: None
            for source in await async_energy_sources(self._hass)
            if source["type"] == "solar"
            for entry_id in source.get("config_entry_solar_forecast") or ()
        }
        found = []
        for entry_id in ids:
            entry = self._hass.config_entries.async_get_entry(entry_id)
            if entry is None or entry.disabled_by is not None:
                # The dashboard goes on without it as well.
                continue
            if entry.state is not ConfigEntryState.LOADED:
                return None
            integration = await async_get_integration(self._hass, entry.domain)
            platform = await integration.async_get_platform("energy")
            forecast = await platform.async_get_solar_forecast(self._hass, entry_id)
            if forecast is None:
                return None
            found.append(_energies(forecast))
        return tuple(found)


def _energies(forecast: Mapping[str, Any]) -> Energies:
    """Return a forecast by seconds, without what is no time or no number."""
    return {
        dt_util.as_utc(at).timestamp(): float(wh)
        for text, wh in forecast["wh_hours"].items()
        if (at := dt_util.parse_datetime(text)) is not None
        and isinstance(wh, int | float)
        and math.isfinite(wh)
    }
