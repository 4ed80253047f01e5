"""Which nodes there are, and who they are."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pyhems import REGISTRY

from .classes import BATTERIES, METER_POWER
from .device import IDENTIFICATION, MAKER, PRODUCT, SERIAL
from .frames import (
    CONTROLLER,
    NODE_PROFILE,
    Message,
    Service,
    class_code,
    decode_instances,
    decode_text,
)
from .hub import Lan
from .link import Link

INSTANCES_ANNOUNCED: Final = 0xD5
INSTANCES: Final = 0xD6
_PROFILE_CLASS: Final = class_code(NODE_PROFILE)
_IDENTIFICATION_BYTES: Final = 17
# More nodes than this no house has: anybody can answer under any number of addresses.
_MOST_NODES: Final = 128
# More batteries and meters than this no node of a house has.
_MOST_OBJECTS: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundDevice:
    """A battery or a meter on the network, as it says of itself."""

    address: str
    eoj: int
    # Names the node for good; begins with its address where it has no other name.
    node: str
    maker: int | None
    product: str | None

    @property
    def code(self) -> int:
        """Return the class."""
        return class_code(self.eoj)

    @property
    def unique_id(self) -> str:
        """Return what tells this device from all others."""
        return f"echonet_lite-{self.node}-{self.eoj:06x}"


async def async_search(lan: Lan) -> dict[str, tuple[int, ...]]:
    """Return address and objects of the nodes that answer a call to all."""
    found: dict[str, tuple[int, ...]] = {}

    def heard(address: str, message: Message) -> None:
        instances = announced_instances(message)
        if instances is not None and (address in found or len(found) < _MOST_NODES):
            found[address] = instances

    stop = lan.endpoint.listen(heard)
    try:
        # A frame can get lost, and a call to all is not repeated by anybody else.
        for _ in range(2):
            lan.endpoint.send_group(
                Message(
                    tid=lan.endpoint.next_tid(),
                    source=CONTROLLER,
                    target=NODE_PROFILE,
                    service=Service.GET,
                    properties=((INSTANCES, b""),),
                )
            )
            await asyncio.sleep(lan.pace.search_s / 2.0)
    finally:
        stop()
    return found


def announced_instances(message: Message) -> tuple[int, ...] | None:
    """Return the objects that a node names in a message, None if it names none."""
    if class_code(message.source) != _PROFILE_CLASS:
        return None
    for epc, edt in message.properties:
        if epc in (INSTANCES, INSTANCES_ANNOUNCED) and edt:
            return decode_instances(edt)
    return None


async def async_describe(
    lan: Lan, address: str, instances: Iterable[int] | None = None
) -> list[FoundDevice]:
    """Return the batteries and meters of a node; raise NoAnswer."""
    async with lan.async_link(address) as link:
        if instances is None:
            told = await link.get(NODE_PROFILE, (INSTANCES,))
            instances = decode_instances(told.get(INSTANCES, b""))
        known = (
            eoj
            for eoj in dict.fromkeys(instances)
            if class_code(eoj) in BATTERIES or class_code(eoj) in METER_POWER
        )
        return [
            await _describe_object(link, eoj) for eoj in islice(known, _MOST_OBJECTS)
        ]


async def async_node_name(link: Link, eoj: int) -> str:
    """Return what names a node for good; raise NoAnswer.

    That is its identification number. Some have none: then the device's own, then
    maker, product code and serial number, and last of all the address, which cannot be
    followed when it changes.
    """
    told = await link.get(NODE_PROFILE, (INSTANCES, IDENTIFICATION))
    name = _identification(told.get(IDENTIFICATION, b""))
    if name is None:
        told = await link.get(eoj, (MAKER, IDENTIFICATION, PRODUCT, SERIAL))
        name = _identification(told.get(IDENTIFICATION, b""))
    if name is not None:
        return name
    maker, serial = told.get(MAKER), decode_text(told.get(SERIAL))
    if maker and serial:
        product = decode_text(told.get(PRODUCT)) or ""
        return f"{maker.hex()}-{product}-{serial}".lower()
    return link.address


def maker_name(maker: int | None, language: str) -> str | None:
    """Return who made a device, by its code where the name is not known."""
    if maker is None:
        return None
    known = REGISTRY.manufacturers.get(maker)
    if known is None:
        return f"{maker:06X}"
    return known.name_ja if language == "ja" else known.name_en


def class_name(code: int, language: str) -> str:
    """Return what a class is called."""
    known = REGISTRY.devices.get(code)
    if known is None:
        return f"{code:04X}"
    return known.name_ja if language == "ja" else known.name_en


async def _describe_object(link: Link, eoj: int) -> FoundDevice:
    told = await link.get(eoj, (MAKER, PRODUCT))
    maker = told.get(MAKER)
    return FoundDevice(
        address=link.address,
        eoj=eoj,
        node=await async_node_name(link, eoj),
        maker=int.from_bytes(maker) if maker else None,
        product=decode_text(told.get(PRODUCT)),
    )


def _identification(edt: bytes) -> str | None:
    """Return an identification number; the unset ones are all zeros or all ones."""
    if len(edt) != _IDENTIFICATION_BYTES or len(set(edt[4:])) == 1:
        return None
    return edt.hex()
