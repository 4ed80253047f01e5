"""Units that talk over real UDP on loopback, in more of a hurry than in a house."""

from collections.abc import AsyncGenerator, Awaitable, Callable
import random
from typing import Any

from homeassistant.core import HomeAssistant
import pytest

from custom_components.leaf_to_home.engine.battery import UnitKind, UnitSpec
from custom_components.leaf_to_home.units.base import UnitContext
from custom_components.leaf_to_home.units.echonet_lite import endpoint, journal, ports
from custom_components.leaf_to_home.units.echonet_lite.driver import EchonetLiteUnit
from custom_components.leaf_to_home.units.echonet_lite.hub import HUB, Hub
from custom_components.leaf_to_home.units.echonet_lite.pace import Pace
from scripts.tools import echonet_emulator

from .emulator import Emulator, Thing, loopback
from .stations import CHARGER

# About a twentieth of the times in a house.
QUICK = Pace(
    answer_s=1.1,
    resend_s=0.2,
    resend_slow_s=0.4,
    rest_s=0.08,
    brief_s=0.3,
    silent_s=2.0,
    apply_s=1.35,
    fresh_s=0.05,
    follow_s=0.1,
    slow_node_s=0.5,
    fast_s=0.5,
    slow_s=0.3,
    search_s=0.3,
    seek_s=0.3,
    anew_s=0.05,
    meter_wait_s=0.1,
    meter_age_s=1.0,
)

SPEC = UnitSpec(
    kind=UnitKind.VEHICLE,
    usable_kwh=40.0,
    soh_percent=90.0,
    max_charge_w=6000.0,
    max_discharge_w=6000.0,
)


@pytest.fixture(autouse=True)
def _group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep to a multicast group of our own: others on this machine test as well."""
    group = f"239.255.{random.randrange(256)}.{random.randrange(1, 255)}"
    for module in (endpoint, journal, ports, echonet_emulator):
        monkeypatch.setattr(module, "GROUP", group)


type MakeNode = Callable[..., Awaitable[Emulator]]
type MakeUnit = Callable[..., EchonetLiteUnit]


@pytest.fixture
def hub(hass: HomeAssistant, socket_enabled: None) -> Hub:
    """Return the hub, in a hurry."""
    hub = hass.data[HUB] = Hub(hass, QUICK)
    return hub


@pytest.fixture
async def make_node(socket_enabled: None) -> AsyncGenerator[MakeNode]:
    """Return what starts a node; all are stopped at the end."""
    nodes: list[Emulator] = []

    async def make_node(
        *things: Thing, address: str | None = None, serial: int = 1
    ) -> Emulator:
        node = Emulator(address or loopback(), list(things), serial=serial)
        nodes.append(node)
        return await node.start()

    yield make_node
    for node in nodes:
        await node.stop()


@pytest.fixture
async def make_unit(hass: HomeAssistant, hub: Hub) -> AsyncGenerator[MakeUnit]:
    """Return what makes a unit for a node; all are detached at the end."""
    units: list[EchonetLiteUnit] = []
    local_address = loopback()

    def make_unit(
        node: Emulator,
        eoj: int = CHARGER,
        spec: UnitSpec = SPEC,
        cars: dict[str, UnitSpec] | None = None,
        /,
        **data: Any,
    ) -> EchonetLiteUnit:
        name = node.identification.hex() if node.identification else node.address
        unit = EchonetLiteUnit(
            hass,
            UnitContext(
                subentry_id="01JUNIT",
                name="LEAF",
                spec=spec,
                vehicles=cars or {},
                data={
                    "driver": "echonet_lite",
                    "local_address": local_address,
                    "address": node.address,
                    "node": name,
                    "eoj": eoj,
                    **data,
                },
            ),
            hub,
        )
        units.append(unit)
        return unit

    yield make_unit
    for unit in units:
        await unit.detach()
