"""What a LEAF would have saved here: whoever asks, one at a time.

The work takes seconds to minutes of one core. It is done in the executor with pauses in
which Home Assistant goes on, and ends with whoever asked, with the home or with Home
Assistant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import threading
from typing import Any, Final

from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.importlib import async_import_module
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN, TRIPS_COMMUTER
from .flow_unit import DEFAULT_PRESET
from .home import LeafToHomeConfigEntry

DEFAULT_DAYS: Final = 30
# Fewer say nothing about a home; `engine.comparison` asks for as many.
LEAST_DAYS: Final = 7
MOST_DAYS: Final = 366
# So much rest after each planned hour leaves the interpreter to Home Assistant.
REST_S: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    """The replay that is running; `ended` is seen by its thread."""

    entry_id: str
    ended: threading.Event


_RUNNING: HassKey[_Running] = HassKey(f"{DOMAIN}_replay")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """What is asked; without a `tariff` the home's own holds.

    A tariff has the fields of a replay's file. Limits that it does not name are the
    home's.
    """

    days: int = DEFAULT_DAYS
    preset: str = DEFAULT_PRESET
    soh_percent: float = 100.0
    trips: str = TRIPS_COMMUTER
    tariff: Mapping[str, Any] | None = None


async def async_replay(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    ask: Ask,
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Return what a unit would have saved in the home of a loaded entry.

    `on_progress` hears how much is done, 0 to 1. Raises a translated error where there
    is no answer.
    """
    if _RUNNING in hass.data:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="replay_running"
        )
    ended = threading.Event()
    hass.data[_RUNNING] = _Running(entry_id=entry.entry_id, ended=ended)

    @callback
    def end() -> None:
        ended.set()

    remove_job = hass.async_add_shutdown_job(HassJob(end))
    try:
        # numpy comes with it.
        work = await async_import_module(hass, f"{__package__}.replay_work")
        answer: dict[str, Any] = await work.async_answer(
            hass, entry, ask, _watcher(hass, ended, on_progress)
        )
    except Ended as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="replay_stopped"
        ) from err
    finally:
        # Where the asking was cancelled, the thread hears it here.
        ended.set()
        remove_job()
        del hass.data[_RUNNING]
    return answer


@callback
def async_end_replay(hass: HomeAssistant, entry: LeafToHomeConfigEntry) -> None:
    """End the replay of a home that is unloaded, if there is one."""
    running = hass.data.get(_RUNNING)
    if running is not None and running.entry_id == entry.entry_id:
        running.ended.set()


class Ended(Exception):
    """The home or Home Assistant stops, or nobody waits for the answer any more."""


def _watcher(
    hass: HomeAssistant,
    ended: threading.Event,
    on_progress: Callable[[float], None] | None,
) -> Callable[[float], None]:
    """Return what is called in the executor after each planned hour."""
    told = -1

    def watch(share: float) -> None:
        nonlocal told
        if ended.wait(REST_S):
            raise Ended
        percent = int(share * 100.0)
        if on_progress is not None and percent != told:
            told = percent
            hass.loop.call_soon_threadsafe(on_progress, min(1.0, percent / 100.0))

    return watch
