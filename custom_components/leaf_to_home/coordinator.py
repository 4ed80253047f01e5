"""The latest reading of one unit, by push or by poll."""

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .const import DOMAIN, LOGGER
from .engine.model import Reading
from .units.base import Unit, UnitInfo, UnitUnreachable

# How often a device that pushes is tried while it cannot be reached.
RECONNECT: Final = timedelta(seconds=30)
# A home is not kept waiting for a device that is slow to answer.
FIRST_REFRESH_S: Final = 5.0
# No percentage, power in W or counter in kWh of a home comes near it.
ABSURD: Final = 1e6
NUMBERS: Final = tuple(
    item.name for item in fields(Reading) if item.type == float | None
)


def sane(reading: Reading) -> Reading:
    """Return the reading without numbers that none of a home can be, such as NaN.

    A single one of those would spoil every total that it is added to, for ever.
    """
    unknown: dict[str, Any] = {
        name: None
        for name in NUMBERS
        if (value := getattr(reading, name)) is not None and not abs(value) <= ABSURD
    }
    return replace(reading, **unknown) if unknown else reading


class UnitCoordinator(DataUpdateCoordinator[Reading]):
    """Keeps one unit's reading; a device that is away is tried until it is back."""

    config_entry: ConfigEntry[Any]
    data: Reading | None  # type: ignore[assignment]  # None before the first reading

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        *,
        unit: Unit,
        name: str,
        on_info: Callable[[UnitInfo], None],
    ) -> None:
        """Initialize the coordinator."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=name,
            update_interval=unit.poll_interval or RECONNECT,
        )
        self._unit = unit
        self._on_info = on_info
        self._connected = False
        self._stop_listening: CALLBACK_TYPE | None = None

    async def async_start(self) -> None:
        """Reach the unit; where that takes long, it goes on in the background."""
        task = self.config_entry.async_create_background_task(
            self.hass, self.async_refresh(), f"{self.name} first refresh"
        )
        await asyncio.wait([task], timeout=FIRST_REFRESH_S)

    @override
    async def async_shutdown(self) -> None:
        """Listen and poll no more."""
        await super().async_shutdown()
        self._listen_no_more()

    @override
    async def _async_update_data(self) -> Reading:
        """Read the unit, after reaching it where that is needed."""
        try:
            if not self._connected:
                self._on_info(await self._unit.connect())
                self._reached()
            if self._stop_listening is None:
                self._stop_listening = self._unit.listen(self._pushed)
            return sane(await self._unit.read())
        except UnitUnreachable as err:
            self._lost()
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key="unit_unreachable",
                translation_placeholders={"unit": self.name, "error": str(err)},
            ) from err

    @callback
    def async_check_age(self, now_s: float) -> None:
        """Take a unit that pushes for lost when it has been silent for too long."""
        if (
            self._unit.poll_interval is None
            and self.last_update_success
            and self.data is not None
            and not self.data.fresh(now_s)
        ):
            self._lost()
            self.async_set_update_error(
                UpdateFailed(
                    translation_domain=DOMAIN,
                    translation_key="unit_silent",
                    translation_placeholders={"unit": self.name},
                )
            )
            self._schedule_refresh()

    @callback
    def _pushed(self, reading: Reading) -> None:
        if self._unit.poll_interval is not None:
            self._announced(sane(reading))
            return
        if not self.last_update_success:
            self.logger.info("Fetching %s data recovered", self.name)
        self._reached()
        self.async_set_updated_data(sane(reading))

    @callback
    def _announced(self, reading: Reading) -> None:
        """Take what a device says between two polls, which it does not put off.

        One that does not answer is not there again because somebody speaks in its name.
        """
        if self._connected and self.last_update_success:
            self.data = reading
            self.async_update_listeners()

    @callback
    def _reached(self) -> None:
        """Leave it to a device that pushes to say what is new."""
        self._connected = True
        if self._unit.poll_interval is None:
            self.update_interval = None

    @callback
    def _lost(self) -> None:
        """Reach the unit anew the next time."""
        self._connected = False
        if self._unit.poll_interval is None:
            self.update_interval = RECONNECT

    @callback
    def _listen_no_more(self) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
