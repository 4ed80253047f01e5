"""Offers batteries that appear on the network, once there is a home for them."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.config_entries import SOURCE_INTEGRATION_DISCOVERY
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers import discovery_flow
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.util.hass_dict import HassKey

from ...const import DOMAIN, LOGGER
from .classes import BATTERIES
from .discovery import announced_instances
from .frames import Message, Service, class_code
from .hub import async_get_hub
from .search import Battery, SearchError, async_look, async_look_at

# Everything else starts first.
FIRST_S: Final = 60.0
EVERY: Final = timedelta(hours=1)

# A node that starts may say so several times before it answers anything.
SETTLE_S: Final = 5.0
# Anybody can claim to be new: so many nodes are asked in this time, and each once, s.
NEWCOMERS: Final = 8
AGAIN_S: Final = 300.0
# Nor is a person shown more of what nobody has chosen yet.
OFFERS: Final = 32

WATCHES: HassKey[dict[str | None, _Watch]] = HassKey(f"{DOMAIN}_echonet_lite_watch")


class _Watch:
    """Searches one network now and then, and hears who is new, for all homes."""

    def __init__(self, hass: HomeAssistant, local_address: str | None) -> None:
        self.users = 0
        self._hass = hass
        self._hub = async_get_hub(hass)
        self._local_address = local_address
        # By our address and theirs: who waits to be asked for what, and who was.
        self._newcomers: dict[tuple[str, str], tuple[int, ...]] = {}
        self._asked_s: dict[tuple[str, str], float] = {}
        self._task: asyncio.Task[None] | None = None
        self._stops: list[CALLBACK_TYPE] = [
            async_call_later(
                hass, FIRST_S, HassJob(self._async_search, cancel_on_shutdown=True)
            ),
            async_track_time_interval(
                hass, self._async_search, EVERY, cancel_on_shutdown=True
            ),
            self._hub.listen(self._heard),
        ]

    @callback
    def stop(self) -> None:
        """Search and listen no more."""
        while self._stops:
            self._stops.pop()()
        if self._task is not None:
            self._task.cancel()

    async def _async_search(self, _now: datetime) -> None:
        try:
            found = await async_look(self._hass, self._local_address, None)
        except SearchError as err:
            # Nobody asked for it, so nobody is told.
            LOGGER.debug("No ECHONET Lite search: %s", err)
            return
        self._offer(found.batteries)

    @callback
    def _heard(self, local_address: str, address: str, message: Message) -> None:
        """Note a node that is new and says that it has a battery.

        Nodes say so when they start. Who is spoken to anyway is not new.
        """
        if message.service not in (Service.INF, Service.INFC):
            return
        batteries = tuple(
            eoj
            for eoj in announced_instances(message) or ()
            if class_code(eoj) in BATTERIES
        )
        if not batteries or self._hub.speaks_to(local_address, address):
            return
        now_s = self._hass.loop.time()
        self._asked_s = {
            known: asked_s
            for known, asked_s in self._asked_s.items()
            if now_s - asked_s < AGAIN_S
        }
        newcomer = (local_address, address)
        if newcomer in self._asked_s or len(self._asked_s) >= NEWCOMERS:
            return
        self._asked_s[newcomer] = now_s
        self._newcomers[newcomer] = batteries
        if self._task is None or self._task.done():
            self._task = self._hass.async_create_background_task(
                self._async_ask_newcomers(), "ECHONET Lite newcomers"
            )

    async def _async_ask_newcomers(self) -> None:
        while self._newcomers:
            await asyncio.sleep(SETTLE_S)
            newcomers, self._newcomers = self._newcomers, {}
            own = await self._hub.async_local_address(self._local_address)
            await asyncio.gather(
                *(
                    self._async_ask(local_address, address, batteries)
                    for (local_address, address), batteries in newcomers.items()
                    if local_address == own
                )
            )

    async def _async_ask(
        self, local_address: str, address: str, batteries: tuple[int, ...]
    ) -> None:
        try:
            found = await async_look_at(self._hass, local_address, address, batteries)
        except SearchError as err:
            LOGGER.debug("Nothing is known of the new node at %s: %s", address, err)
            return
        self._offer(found)

    @callback
    def _offer(self, batteries: Iterable[Battery]) -> None:
        """Offer what no home has; who was asked to ignore it does so by itself."""
        known = set(_known(self._hass))
        for battery in batteries:
            device = battery.device
            if device.unique_id in known or _offers(self._hass) >= OFFERS:
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


def _offers(hass: HomeAssistant) -> int:
    flows = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    source = SOURCE_INTEGRATION_DISCOVERY
    return sum(flow["context"]["source"] == source for flow in flows)


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
