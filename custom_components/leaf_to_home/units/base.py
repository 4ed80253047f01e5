"""What every driver offers, and how a driver is found by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol, runtime_checkable

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.importlib import async_import_module

from ..const import CONF_DRIVER, DOMAIN
from ..engine.battery import UnitSpec
from ..engine.model import Capabilities, Outcome, Reading, Setpoint

# A car is at the plug that the unit does not know.
ISSUE_VEHICLE: Final = "echonet_unknown_vehicle"


class UnitUnreachable(HomeAssistantError):
    """The device does not answer; nothing was changed by it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitInfo:
    """What a device says of itself at the start."""

    manufacturer: str | None = None
    model: str | None = None
    sw_version: str | None = None
    serial_number: str | None = None


class Unit(Protocol):
    """One battery behind one driver; powers are already positive into the home."""

    capabilities: Capabilities
    poll_interval: timedelta | None

    async def connect(self) -> UnitInfo:
        """Reach the device and learn its capabilities; raise UnitUnreachable."""

    def listen(self, on_reading: Callable[[Reading], None]) -> Callable[[], None]:
        """Call back with each reading the device pushes; return the way to stop."""

    async def read(self) -> Reading:
        """Read the device now; raise UnitUnreachable."""

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Carry out a set-point and verify it by reading back."""

    async def park(self) -> Outcome:
        """Leave the device safe, idle and able to start backup; only grid-tied."""

    async def detach(self) -> None:
        """Drop our connection and leave the device as it is."""


@runtime_checkable
class TellsMore(Protocol):
    """A unit that has more to say in diagnostics than its reading."""

    def diagnostics(self) -> dict[str, Any]:
        """Return it, without what names a person, a car or a place.

        What stands under a key such as `address` is taken out by who shows it.
        """


@runtime_checkable
class RunsOnMore(Protocol):
    """A unit that takes more of its battery to run than its preset says."""

    running_spec: UnitSpec


@runtime_checkable
class WakesVehicle(Protocol):
    """A unit that can ask a sleeping car for its data, which wears a relay."""

    has_vehicle: bool

    async def async_refresh_vehicle(self) -> None:
        """Ask it now."""


@runtime_checkable
class GivesBack(Protocol):
    """A unit that stays under our control when we leave, and not when it is removed."""

    async def give_back(self, *, allowed: bool = True) -> Outcome:
        """Park it and leave it to its own app, and tell so.

        Where it is not `allowed`, since an outage may be near, only tell that.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitContext:
    """What a driver gets to be made: the subentry's data and what they mean.

    `vehicles` are the cars that a station can tell apart, by the key that it gives.
    """

    subentry_id: str
    name: str
    spec: UnitSpec
    data: dict[str, Any]
    vehicles: Mapping[str, UnitSpec] = field(default_factory=dict)


# A driver module offers `async_create(hass, context) -> Unit`; its form stands beside
# it in `<driver>_form.py`, so that the flow never loads a driver's protocol library.
# They are offered in this order: what somebody looks for by name, then the rest.
DRIVERS: tuple[str, ...] = (
    "echonet_lite",
    "quasar",
    "battery_emulator",
    "metered",
    "entities",
    "simulated",
)


async def async_create_unit(
    hass: HomeAssistant, driver: str, context: UnitContext
) -> Unit:
    """Import the driver when it is used and make its unit."""
    module = await async_import_module(
        hass, f"custom_components.{DOMAIN}.units.{driver}"
    )
    unit: Unit = await module.async_create(hass, context)
    return unit


async def async_give_back_unit(
    hass: HomeAssistant,
    subentry_id: str,
    name: str,
    data: Mapping[str, Any],
    *,
    allowed: bool,
) -> None:
    """Leave a unit of a home that is no more to its own app, where it has one."""
    if data[CONF_DRIVER] not in DRIVERS:
        return
    module = await async_import_module(
        hass, f"custom_components.{DOMAIN}.units.{data[CONF_DRIVER]}"
    )
    give_back = getattr(module, "async_give_back", None)
    if give_back is not None:
        await give_back(hass, subentry_id, name, dict(data), allowed=allowed)
