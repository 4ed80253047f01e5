"""Getting to know the node of a unit: what it is, has beside, and does now."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .classes import BATTERIES, METER_INTERCONNECTION
from .conduct import Conduct
from .device import DeviceObject
from .discovery import INSTANCES
from .frames import NODE_PROFILE, class_code, decode_instances
from .house import House, MeterChoice, own_meters
from .hub import Lan
from .learning import Learner
from .link import Link, NoAnswer
from .station import Station
from .whereabouts import Whereabouts


@dataclass(frozen=True, kw_only=True, slots=True)
class Acquaintance:
    """What a unit knows before it meets its node, and keeps when it meets it again."""

    node: str
    eoj: int
    # None: those that the station itself brings.
    meters: Iterable[Mapping[str, Any]] | None
    vehicles: frozenset[str]
    whereabouts: Whereabouts
    conduct: Conduct
    learner: Learner


async def async_meet(
    lan: Lan,
    link: Link,
    known: Acquaintance,
    *,
    house: House | None = None,
    island: bool | None = None,
) -> Station:
    """Return the station behind a link with all that it tells; raise NoAnswer.

    It takes a house over that is in use, and what was last known of an island.
    """
    device = DeviceObject(link, known.eoj)
    await device.load_maps()
    told = await link.get(NODE_PROFILE, (INSTANCES,))
    instances = decode_instances(told.get(INSTANCES, b""))
    siblings: list[DeviceObject] = []
    for eoj in instances:
        if eoj != known.eoj and _knows_grid(eoj):
            sibling = DeviceObject(link, eoj, brief=True)
            with suppress(NoAnswer):
                await sibling.load_maps()
                siblings.append(sibling)
    station = Station(
        device,
        siblings,
        house or _house(lan, link, known, instances),
        pace=lan.pace,
        conduct=known.conduct,
        learner=known.learner,
        vehicles=known.vehicles,
        island=island,
    )
    try:
        await device.refresh(station.profile.fixed)
        await station.refresh()
    except BaseException:
        if house is None:
            await station.house.close()
        raise
    return station


def _house(
    lan: Lan, link: Link, known: Acquaintance, instances: Iterable[int]
) -> House:
    choices = (
        own_meters(link.address, known.node, instances)
        if known.meters is None
        else [MeterChoice.from_data(dict(meter)) for meter in known.meters]
    )
    return House(lan, choices, known.node, link, known.whereabouts)


def _knows_grid(eoj: int) -> bool:
    code = class_code(eoj)
    return code in BATTERIES or code in METER_INTERCONNECTION
