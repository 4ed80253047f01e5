"""What the form and the discovery show of a network."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from homeassistant.core import HomeAssistant

from .classes import BATTERIES, CODE_PCS, CODE_SOLAR, METER_POWER
from .device import DeviceObject
from .discovery import FoundDevice, async_describe, async_search, class_name, maker_name
from .endpoint import EndpointError, PortTaken
from .house import ROLE_GRID, ROLE_SOLAR
from .hub import Lan, async_get_hub, program_name
from .link import NoAnswer
from .station import vehicle_key
from .whereabouts import Whereabouts

# Nodes of a large network are asked a few at a time.
AT_ONCE = 8


class SearchError(Exception):
    """Nothing to choose from; `key` is the error that the form shows."""

    def __init__(self, key: str, **placeholders: str) -> None:
        super().__init__(key)
        self.key = key
        self.placeholders = placeholders


@dataclass(frozen=True, kw_only=True, slots=True)
class Battery:
    """A charger or battery that can become a unit."""

    device: FoundDevice
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HouseMeter:
    """Something that measures the house."""

    device: FoundDevice
    label: str
    role: str
    # Whether makers agree on what it measures.
    trusted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a network has."""

    batteries: list[Battery]
    meters: list[HouseMeter]


async def async_addresses(hass: HomeAssistant) -> list[tuple[str, str]]:
    """Return interface and address of those that a search can go through."""
    return await async_get_hub(hass).async_addresses()


async def async_look(
    hass: HomeAssistant, local_address: str | None, host: str | None
) -> Found:
    """Search the network, and ask one address where that is given.

    Raise SearchError.
    """
    async with _async_network(hass, local_address) as lan:
        devices = await _async_devices(lan, host)
        language = hass.config.language
        batteries = _batteries(devices, language)
        if not batteries:
            raise SearchError("nothing_found" if host is None else "no_battery")
        meters = [
            await _async_meter(lan, device, language)
            for device in devices
            if device.code in METER_POWER
        ]
    return Found(batteries=batteries, meters=meters)


async def async_look_at(
    hass: HomeAssistant, local_address: str, host: str, instances: Iterable[int]
) -> list[Battery]:
    """Ask one node, and nobody else, for objects that it says to have.

    Raise SearchError.
    """
    async with _async_network(hass, local_address) as lan:
        try:
            devices = await async_describe(lan, host, instances)
        except NoAnswer as err:
            raise SearchError("no_answer") from err
    return _batteries(devices, hass.config.language)


async def async_last_address(
    hass: HomeAssistant, subentry_id: str, node: str, told: str
) -> str:
    """Return where a unit's node was last, which may not be where it was set up."""
    whereabouts = Whereabouts(hass, subentry_id)
    await whereabouts.async_load()
    return whereabouts.last(node, told)


async def async_vehicle(
    hass: HomeAssistant, local_address: str | None, device: FoundDevice
) -> str | None:
    """Return the key of the car at a charger, None where it cannot be told."""
    profile = BATTERIES[device.code]
    if profile.vehicle is None:
        return None
    try:
        async with (
            async_get_hub(hass).async_use(local_address) as lan,
            lan.async_link(device.address) as link,
        ):
            told = await link.get(device.eoj, (profile.mode, profile.vehicle))
    except EndpointError, NoAnswer:
        return None
    return vehicle_key(told.get(profile.vehicle))


@asynccontextmanager
async def _async_network(
    hass: HomeAssistant, local_address: str | None
) -> AsyncGenerator[Lan]:
    """Use a network; raise SearchError where that cannot be."""
    try:
        async with async_get_hub(hass).async_use(local_address) as lan:
            yield lan
    except PortTaken as err:
        raise SearchError("port_taken", program=program_name(hass, err)) from err
    except EndpointError as err:
        raise SearchError("not_an_address_here") from err


async def _async_devices(lan: Lan, host: str | None) -> list[FoundDevice]:
    """Return what is on the network; of a node that is named, all, of others meters.

    Its neighbours may measure the house.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def describe(
        address: str, instances: tuple[int, ...] | None = None
    ) -> list[FoundDevice] | None:
        async with gate:
            try:
                return await async_describe(lan, address, instances)
            except NoAnswer:
                return None

    own: list[FoundDevice] = []
    if host is None:
        found = await async_search(lan)
    else:
        told, found = await asyncio.gather(describe(host), async_search(lan))
        if told is None:
            raise SearchError("no_answer")
        own = told
    described = await asyncio.gather(
        *(
            describe(address, instances)
            for address, instances in sorted(found.items())
            if address != host
        )
    )
    others = [device for node in described for device in node or ()]
    if host is not None:
        others = [device for device in others if device.code in METER_POWER]
    return own + others


async def _async_meter(lan: Lan, device: FoundDevice, language: str) -> HouseMeter:
    """Return a meter with its value now: that shows which one, and which way."""
    epc = METER_POWER[device.code]
    value = "?"
    async with lan.async_link(device.address) as link:
        thing = DeviceObject(link, device.eoj)
        try:
            await thing.refresh((epc,))
        except NoAnswer:
            power_w = None
        else:
            power_w = thing.number(epc)
        if power_w is not None:
            value = f"{power_w:.0f}"
    return HouseMeter(
        device=device,
        label=f"{_label(device, language)}: {value} W",
        role=ROLE_SOLAR if device.code == CODE_SOLAR else ROLE_GRID,
        trusted=device.code != CODE_PCS,
    )


def _batteries(devices: list[FoundDevice], language: str) -> list[Battery]:
    return [
        Battery(device=device, label=_label(device, language))
        for device in devices
        if device.code in BATTERIES
    ]


def _label(device: FoundDevice, language: str) -> str:
    parts = [
        maker_name(device.maker, language),
        device.product,
        f"{class_name(device.code, language)} {device.eoj:06X}",
        device.address,
    ]
    return " · ".join(part for part in parts if part)
