"""One socket per network, shared by every unit, every home and the flow."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from homeassistant.components import network
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import instance_id
from homeassistant.util.hass_dict import HassKey

from ...const import DOMAIN
from .endpoint import Endpoint, PortTaken
from .frames import Message
from .link import Link
from .own_node import OwnNode, identification
from .pace import PACE, Pace
from .ports import GROUP

HUB: HassKey[Hub] = HassKey(f"{DOMAIN}_echonet_lite")

# Integrations that are known to listen on the port; they sit in this very process.
_OTHERS: Final = ("echonetlite", "echonet_lite", "hems_echonet_lite", "hems")

# The network's local address, the sender's address, and what it says.
type NetworkListener = Callable[[str, str, Message], None]


class Lan:
    """One network: its socket, and the links to its nodes."""

    def __init__(self, endpoint: Endpoint, pace: Pace) -> None:
        self.endpoint = endpoint
        self.pace = pace
        self.users = 0
        self._links: dict[str, tuple[Link, int]] = {}

    @callback
    def acquire_link(self, address: str) -> Link:
        """Return the link to a node: whoever speaks to it takes turns on it."""
        link, users = self._links.get(address) or (
            Link(self.endpoint, address, self.pace),
            0,
        )
        self._links[address] = (link, users + 1)
        return link

    @callback
    def release_link(self, link: Link) -> None:
        """Give a link back; the last one closes it."""
        known, users = self._links.get(link.address, (None, 0))
        if known is not link:
            return
        if users > 1:
            self._links[link.address] = (link, users - 1)
        else:
            del self._links[link.address]
            link.close()

    def speaks_to(self, address: str) -> bool:
        """Return whether a node has answered somebody who has a link to it."""
        link, _ = self._links.get(address, (None, 0))
        return link is not None and link.latency_s is not None

    @asynccontextmanager
    async def async_link(self, address: str) -> AsyncGenerator[Link]:
        """Use a link for a while."""
        link = self.acquire_link(address)
        try:
            yield link
        finally:
            self.release_link(link)

    def close(self) -> None:
        """Close everything."""
        for link, _ in self._links.values():
            link.close()
        self._links.clear()
        self.endpoint.close()


class Hub:
    """Keeps the networks, each as long as somebody uses it."""

    def __init__(self, hass: HomeAssistant, pace: Pace = PACE) -> None:
        self._hass = hass
        self.pace = pace
        self._lans: dict[str, Lan] = {}
        self._lock = asyncio.Lock()
        self._listeners: list[NetworkListener] = []

    @callback
    def listen(self, listener: NetworkListener) -> CALLBACK_TYPE:
        """Call back with what is said on the networks that are in use anyway."""
        self._listeners.append(listener)

        @callback
        def stop() -> None:
            self._listeners.remove(listener)

        return stop

    @callback
    def speaks_to(self, local_address: str, address: str) -> bool:
        """Return whether a node of a network has answered who has a link to it."""
        lan = self._lans.get(local_address)
        return lan is not None and lan.speaks_to(address)

    async def async_local_address(self, address: str | None) -> str:
        """Return a local address; None is Home Assistant's own."""
        if address is not None:
            return address
        return await network.async_get_source_ip(self._hass, GROUP)

    async def async_acquire(self, address: str | None) -> Lan:
        """Return the network at a local address; None is Home Assistant's own.

        Raise EndpointError.
        """
        async with self._lock:
            addresses = await self.async_addresses()
            address = await self.async_local_address(address)
            lan = self._lans.get(address)
            if lan is None:
                number = identification(await instance_id.async_get(self._hass))
                endpoint = Endpoint(address, OwnNode(number))
                endpoint.listen(partial(self._heard, address))
                try:
                    await endpoint.open(dedicated=address not in _first(addresses))
                except BaseException:
                    endpoint.close()
                    raise
                lan = self._lans[address] = Lan(endpoint, self.pace)
            lan.users += 1
            return lan

    @callback
    def async_release(self, lan: Lan) -> None:
        """Give a network back; the last one closes its socket."""
        lan.users -= 1
        if lan.users <= 0:
            lan.close()
            if self._lans.get(lan.endpoint.address) is lan:
                del self._lans[lan.endpoint.address]

    @asynccontextmanager
    async def async_use(self, address: str | None) -> AsyncGenerator[Lan]:
        """Use a network for a while."""
        lan = await self.async_acquire(address)
        try:
            yield lan
        finally:
            self.async_release(lan)

    @callback
    def _heard(self, local_address: str, address: str, message: Message) -> None:
        for listener in list(self._listeners):
            listener(local_address, address, message)

    async def async_addresses(self) -> list[tuple[str, str]]:
        """Return name and address of the interfaces that can be used."""
        return [
            (adapter["name"], ipv4["address"])
            for adapter in await network.async_get_adapters(self._hass)
            for ipv4 in adapter["ipv4"]
        ]


@callback
def async_get_hub(hass: HomeAssistant) -> Hub:
    """Return the one hub."""
    if HUB not in hass.data:
        hass.data[HUB] = Hub(hass)
    return hass.data[HUB]


def program_name(hass: HomeAssistant, err: PortTaken) -> str:
    """Return who has the port, as far as that can be known.

    In our own process it is another integration. Where the machine does not tell, an
    integration that is known to use the port is the likeliest.
    """
    if err.program is not None and not err.own_process:
        return err.program
    others = [name for name in _OTHERS if name in hass.config.components]
    return ", ".join(others) or err.program or "?"


def _first(addresses: list[tuple[str, str]]) -> set[str]:
    """Return the addresses from which a program on all addresses talks."""
    first: dict[str, str] = {}
    for name, address in addresses:
        first.setdefault(name, address)
    return {*first.values(), "127.0.0.1"}
