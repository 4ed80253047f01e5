"""Offers batteries that appear on the network, once there is a home for them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.config_entries import SOURCE_INTEGRATION_DISCOVERY
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers import discovery_flow
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.util.hass_dict import HassKey

from ...const import DOMAIN, LOGGER
from .search import SearchError, async_look

# Everything else starts first.
FIRST_S: Final = 60.0
EVERY: Final = timedelta(hours=1)

WATCHES: HassKey[dict[str | None, _Watch]] = HassKey(f"{DOMAIN}_echonet_lite_watch")


class _Watch:
    """Searches one network now and then, for all homes."""

    def __init__(self, hass: HomeAssistant, local_address: str | None) -> None:
        self.users = 0
        self._hass = hass
        self._local_address = local_address
        self._stops: list[CALLBACK_TYPE] = [
            async_call_later(
                hass, FIRST_S, HassJob(self._async_search, cancel_on_shutdown=True)
            ),
            async_track_time_interval(
                hass, self._async_search, EVERY, cancel_on_shutdown=True
            ),
        ]

    @callback
    def stop(self) -> None:
        """Search no more."""
        while self._stops:
            self._stops.pop()()

    async def _async_search(self, _now: datetime) -> None:
        try:
            found = await async_look(self._hass, self._local_address, None)
        except SearchError as err:
            # Nobody asked for it, so nobody is told.
            LOGGER.debug("No ECHONET Lite search: %s", err)
            return
        known = set(_known(self._hass))
        for battery in found.batteries:
            device = battery.device
            if device.unique_id in known:
                continue
            data: dict[str, Any] = {
                "unique_id": device.unique_id,
                "local_address": self._local_address,
                "host": device.address,
                "label": battery.label,
            }
            discovery_flow.async_create_flow(
                self._hass,
                DOMAIN,
                context={"source": SOURCE_INTEGRATION_DISCOVERY},
                data=data,
                discovery_key=discovery_flow.DiscoveryKey(
                    domain=DOMAIN, key=device.unique_id, version=1
                ),
            )


@callback
def async_watch(hass: HomeAssistant, local_address: str | None) -> Callable[[], None]:
    """Offer what appears on a network; return the way to stop."""
    watches = hass.data.setdefault(WATCHES, {})
    watch = watches.get(local_address)
    if watch is None:
        watch = watches[local_address] = _Watch(hass, local_address)
    watch.users += 1

    @callback
    def stop() -> None:
        watch.users -= 1
        if watch.users == 0:
            watch.stop()
            del watches[local_address]

    return stop


def _known(hass: HomeAssistant) -> list[str]:
    """Return the devices that are units of some home."""
    return [
        subentry.unique_id
        for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False)
        for subentry in entry.subentries.values()
        if subentry.unique_id is not None
    ]
