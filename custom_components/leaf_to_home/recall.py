"""Asks the recorder for what a home does not remember, beside everything else.

A new home knows the last weeks at once, and one that was not running what its sensors
said meanwhile. Plans are made without that until it is there, and made anew then.
"""

import asyncio
from collections.abc import Callable, Mapping
import json
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.importlib import async_import_module

from .const import CONF_GRID, CONF_OTHER, CONF_SOLAR, DOMAIN, LOGGER
from .engine.model import Inputs

if TYPE_CHECKING:
    from .workshop import Workshop

# What was not measured may come late, and a recorder that is busy be less so.
EVERY_S: Final = 3600.0
# States are kept for ten days, unless the user wishes otherwise.
LOOK_BACK_S: Final = 60 * 86400.0
RECORDER: Final = "recorder"
# These tell what load and sun are; a unit that is added changes neither.
MEASURED: Final = (CONF_GRID, CONF_SOLAR, CONF_OTHER)


class Recall:
    """Asks at the start of a home, and then every hour while there are gaps."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        on_recalled: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._hass = hass
        self._entry = entry
        self._on_recalled = on_recalled
        self._begun_s: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed = False
        self._watched = False

    @callback
    def async_begin(self, workshop: Workshop, inputs: Inputs, now_s: float) -> None:
        """Ask, where that is due."""
        if self._task is not None and not self._task.done():
            return
        if self._begun_s is not None and 0.0 <= now_s - self._begun_s < EVERY_S:
            return
        self._begun_s = now_s
        self._task = self._entry.async_create_background_task(
            self._hass,
            self._async_run(workshop, inputs, now_s),
            f"{DOMAIN} recall",
        )

    @callback
    def async_stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def _async_run(
        self, workshop: Workshop, inputs: Inputs, now_s: float
    ) -> None:
        try:
            await self._async_ask(workshop, inputs, now_s)
            if not self._watched:
                await self._async_ask_for_trips(workshop, inputs, now_s)
                self._watched = True
        except Exception as err:  # noqa: BLE001 a database may fail in any way
            # Whatever a database says, plans are made from what is known.
            log = LOGGER.debug if self._failed else LOGGER.warning
            log("%s: the recorder tells nothing (%r)", self._entry.title, err)
            self._failed = True
        else:
            if self._failed:
                LOGGER.info("%s: the recorder tells again", self._entry.title)
            self._failed = False

    async def _async_ask(
        self, workshop: Workshop, inputs: Inputs, now_s: float
    ) -> None:
        job = self._hass.async_add_executor_job
        asked = await job(workshop.question, self._measured(), inputs, now_s)
        if asked is None:
            return
        module = await async_import_module(self._hass, f"{__package__}.recorder_past")
        past = await module.async_past_power(
            self._hass, self._entry, asked.start_s, asked.end_s
        )
        if past is None:
            return
        quarters = await job(workshop.recall, asked, past, inputs)
        self._on_recalled({"quarters": quarters, "without_statistics": past.silent})

    async def _async_ask_for_trips(
        self, workshop: Workshop, inputs: Inputs, now_s: float
    ) -> None:
        """Ask once when the cars were there that are new to this home.

        A car that was seen here before, and whose past was lost, is one of them.
        """
        job = self._hass.async_add_executor_job
        strangers = await job(workshop.strangers, inputs, now_s)
        if not strangers or RECORDER not in self._hass.config.components:
            return
        module = await async_import_module(
            self._hass, f"{__package__}.recorder_presence"
        )
        for key in strangers:
            recorded = await module.async_recorded_unit(
                self._hass, key, now_s - LOOK_BACK_S, now_s
            )
            if recorded is not None:
                await job(workshop.recall_trips, key, recorded, inputs, now_s)

    def _measured(self) -> str:
        """Return a text that changes with the sensors that tell load and sun."""
        data = self._entry.data
        return json.dumps([data.get(key) for key in MEASURED], sort_keys=True)
