"""What a home keeps on disk, and how it gets there without losing anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
import sys
from typing import Any, Final, Protocol, override, runtime_checkable

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryError
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER
from .engine.state import HomeState
from .engine.stored import StateError, from_dict, to_dict

STORAGE_VERSION: Final = 1
STORAGE_MINOR_VERSION: Final = 1


@runtime_checkable
class Persistent(Protocol):
    """A unit that keeps something of its own, saved together with the home."""

    async def async_save(self) -> None:
        """Write it now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What was found on disk.

    `state` None: nothing was there, or nothing readable; then `aside` tells where the
    unreadable file was put. `intervals` holds how often each source used to report.
    """

    state: HomeState | None = None
    intervals: Mapping[str, float] = field(default_factory=dict)
    aside: str | None = None


class NewerStore(Exception):
    """The file was written by a newer version, which alone can read it."""


class SafeStore(Store[dict[str, Any]]):
    """A store that is written whole or not at all, and knows whether it was.

    Home Assistant's own logs a failed write and returns as if nothing had happened;
    totals that are published as persisted need the truth.
    """

    def __init__(self, hass: HomeAssistant, key: str) -> None:
        super().__init__(
            hass,
            STORAGE_VERSION,
            key,
            atomic_writes=True,
            # Left to the migration, which knows the whole number of a newer version.
            max_readable_version=sys.maxsize,
            minor_version=STORAGE_MINOR_VERSION,
        )
        self._writes = 0

    async def async_write(self, data: dict[str, Any]) -> bool:
        """Write `data`; return whether it is on disk now."""
        before = self._writes
        await self.async_save(data)
        return self._writes > before

    @override
    async def _async_write_data(self, data: dict[str, Any]) -> None:
        await super()._async_write_data(data)
        self._writes += 1

    @override
    async def _async_migrate_func(
        self,
        old_major_version: int,
        old_minor_version: int,
        old_data: dict[str, Any],
    ) -> dict[str, Any]:
        """Take older data as it is: fields that it lacks keep their defaults.

        Newer data stay where they are: read here they would lose what only the newer
        version knows, with the next write.
        """
        if (old_major_version, old_minor_version) > (self.version, self.minor_version):
            raise NewerStore(f"{old_major_version}.{old_minor_version}")
        return old_data

    async def async_put_aside(self) -> str | None:
        """Rename the file so that the next write cannot destroy it; return its name."""
        path = Path(self.path)
        aside = path.with_name(f"{path.name}.corrupt.{dt_util.utcnow().isoformat()}")

        def rename() -> str | None:
            if not path.exists():
                return None
            path.rename(aside)
            return str(aside)

        return await self.hass.async_add_executor_job(rename)

    async def async_copies_aside(self) -> set[str]:
        """Return the unreadable files that were put aside so far."""
        path = Path(self.path)

        def find() -> set[str]:
            return {str(each) for each in path.parent.glob(f"{path.name}.corrupt.*")}

        return await self.hass.async_add_executor_job(find)

    @override
    async def async_remove(self) -> None:
        """Delete the file, and what was put aside of it."""
        await super().async_remove()
        copies = await self.async_copies_aside()

        def unlink() -> None:
            for copy in copies:
                Path(copy).unlink(missing_ok=True)

        await self.hass.async_add_executor_job(unlink)


class HomeStore:
    """The stored state of one home."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        self._store = SafeStore(hass, f"{DOMAIN}.{entry_id}")

    async def async_load(self) -> Stored:
        """Read the state back.

        Raises `ConfigEntryError` where a newer version wrote it, which stays as it is.
        What cannot be read is put aside, never overwritten.
        """
        copies = await self._store.async_copies_aside()
        try:
            data = await self._store.async_load()
        except NewerStore as err:
            raise ConfigEntryError(
                translation_domain=DOMAIN,
                translation_key="store_newer",
                translation_placeholders={
                    "found": str(err),
                    "supported": f"{STORAGE_VERSION}.{STORAGE_MINOR_VERSION}",
                },
            ) from err
        except (AttributeError, KeyError, TypeError) as err:
            # Valid JSON that is not what Home Assistant's store writes.
            return await self._async_unreadable(repr(err))
        if data is None:
            # Broken JSON has been renamed by Home Assistant's store already.
            new = await self._store.async_copies_aside() - copies
            return Stored(
                aside=max(new) if new else await self._store.async_put_aside()
            )
        try:
            return Stored(
                state=from_dict(HomeState, data["state"]),
                intervals=_numbers(data.get("intervals")),
            )
        except (AttributeError, KeyError, StateError, TypeError, ValueError) as err:
            return await self._async_unreadable(str(err))

    async def async_save(
        self, state: HomeState, intervals: Mapping[str, float]
    ) -> bool:
        """Write the state; return whether it is on disk now."""
        return await self._store.async_write(
            {"state": to_dict(state), "intervals": dict(intervals)}
        )

    async def async_remove(self) -> None:
        """Delete everything that was stored of the home."""
        await self._store.async_remove()

    async def _async_unreadable(self, error: str) -> Stored:
        aside = await self._store.async_put_aside()
        LOGGER.error(
            "The stored state %s cannot be read (%s); it was kept as %s",
            self._store.key,
            error,
            aside,
        )
        return Stored(aside=aside or self._store.key)


def _numbers(data: Any) -> dict[str, float]:
    """Return the numbers in `data`; a learnt habit is not worth failing for."""
    if not isinstance(data, dict):
        return {}
    return {
        key: float(value)
        for key, value in data.items()
        if isinstance(value, int | float) and value > 0
    }


def simulated_store(hass: HomeAssistant, subentry_id: str) -> SafeStore:
    """Return where a simulated unit keeps its house and car."""
    return SafeStore(hass, f"{DOMAIN}.simulated.{subentry_id}")


def echonet_lite_store(hass: HomeAssistant, subentry_id: str) -> SafeStore:
    """Return where a unit on ECHONET Lite keeps the addresses of its nodes."""
    return SafeStore(hass, f"{DOMAIN}.echonet_lite.{subentry_id}")


def metered_store(hass: HomeAssistant, subentry_id: str) -> SafeStore:
    """Return where a unit behind plugs keeps its count."""
    return SafeStore(hass, f"{DOMAIN}.metered.{subentry_id}")


async def async_remove_unit(hass: HomeAssistant, subentry_id: str) -> None:
    """Delete what a unit that is gone has stored."""
    for store in (simulated_store, echonet_lite_store, metered_store):
        await store(hass, subentry_id).async_remove()
