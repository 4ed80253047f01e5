"""Finds a station on the network and asks which meters and cars belong to it."""

from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, Any

from homeassistant.const import CONF_NAME
from homeassistant.data_entry_flow import FlowContext, FlowResult
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from ..const import CONF_NATIVE_FOLLOW, CONF_VEHICLES, CONF_VISITORS, DOMAIN
from ..flow_unit import UnitSteps
from ..presets import async_load_presets
from ..vehicles import (
    CONF_KEY,
    name_errors,
    name_of,
    suggested,
    to_vehicle,
    vehicle_schema,
)

if TYPE_CHECKING:
    from .echonet_lite import search

DRIVER = "echonet_lite"

CONF_ADDRESS = "address"
CONF_CAR = "car"
CONF_CARS = "cars"
CONF_DEVICE = "device"
CONF_HOST = "host"
CONF_INVERTED = "inverted"
CONF_LOCAL_ADDRESS = "local_address"
CONF_METERS = "meters"


class EchonetLiteSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    UnitSteps[ContextT, ResultT, HandlerT]
):
    """Searches by multicast or asks one address, then lets choose."""

    _local_address: str | None = None
    _found: search.Found
    _chosen: dict[str, Any]
    # Keys of the cars that were chosen, and what was said of the first of them so far.
    _keys: list[str]
    _vehicles: list[dict[str, Any]]

    async def async_step_echonet_lite(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask where to search, and search."""
        module = await self._async_search_module()
        errors: dict[str, str] = {}
        placeholders = {"program": ""}
        if user_input is not None:
            local = user_input.get(CONF_LOCAL_ADDRESS, "").strip() or None
            host = user_input.get(CONF_HOST, "").strip() or None
            self._local_address = local
            if local is not None and not _is_ip(local):
                errors[CONF_LOCAL_ADDRESS] = "not_an_ip"
            elif host is not None and not _is_ip(host):
                errors[CONF_HOST] = "not_an_ip"
            else:
                try:
                    self._found = await module.async_look(
                        self.hass, self._local_address, host
                    )
                except module.SearchError as err:
                    field = {
                        "no_answer": CONF_HOST,
                        "no_battery": CONF_HOST,
                        "not_an_address_here": CONF_LOCAL_ADDRESS,
                    }.get(err.key, "base")
                    errors[field] = err.key
                    placeholders |= err.placeholders
                else:
                    return await self.async_step_echonet_device()
        suggested = user_input
        if suggested is None:
            known = self._known_unit() or {}
            suggested = {
                CONF_HOST: await self._async_last_address(module, known),
                CONF_LOCAL_ADDRESS: known.get(CONF_LOCAL_ADDRESS),
            }
        return self.async_show_form(
            step_id=DRIVER,
            data_schema=self.add_suggested_values_to_schema(
                _where_schema(await module.async_addresses(self.hass)), suggested
            ),
            errors=errors,
            description_placeholders=placeholders,
            last_step=False,
        )

    async def async_step_echonet_device(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which of the devices it is, and what measures the house."""
        found = self._found
        if user_input is not None:
            return await self._async_device_chosen(user_input)
        batteries = {item.device.unique_id: item.label for item in found.batteries}
        meters = {item.device.unique_id: item.label for item in found.meters}
        fields: dict[vol.Marker, Any] = {
            vol.Required(CONF_DEVICE): _select(batteries),
        }
        if meters:
            fields[vol.Optional(CONF_METERS)] = _select(meters, multiple=True)
            fields[vol.Required(CONF_INVERTED, default=False)] = BooleanSelector()
        fields[vol.Required(CONF_NATIVE_FOLLOW, default=True)] = BooleanSelector()
        return self.async_show_form(
            step_id="echonet_device",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), self._suggested_device()
            ),
            last_step=False,
        )

    async def async_step_echonet_cars(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which cars belong to the house."""
        known, plugged = self._cars()
        if user_input is not None:
            self._keys = user_input.get(CONF_CARS, [])
            self._vehicles = []
            return await self.async_step_echonet_car()
        labels = {key: f"{name} ({key})" for key, name in known.items()}
        chosen = list(labels)
        if plugged is not None and plugged not in labels:
            labels[plugged] = plugged
            if plugged not in self._visitors():
                chosen.append(plugged)
        return self.async_show_form(
            step_id="echonet_cars",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Optional(CONF_CARS): _select(labels, multiple=True)}),
                {CONF_CARS: chosen},
            ),
            description_placeholders={
                "plugged": "–" if plugged is None else labels[plugged]
            },
            last_step=False,
        )

    async def async_step_echonet_car(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for name and battery of each car in turn."""
        number = len(self._vehicles)
        errors: dict[str, str] = {}
        if user_input is not None:
            others = [vehicle[CONF_NAME] for vehicle in self._vehicles]
            errors = name_errors(user_input[CONF_NAME], others)
            if not errors:
                self._vehicles.append(to_vehicle(self._keys[number], user_input))
                user_input = None
                number += 1
        if number == len(self._keys):
            return await self._async_echonet_done(self._vehicles)
        key = self._keys[number]
        known, _ = self._cars()
        name = known.get(key) or name_of({}, self._known_unit_name(), number + 1)
        return self.async_show_form(
            step_id="echonet_car",
            data_schema=self.add_suggested_values_to_schema(
                vehicle_schema(await async_load_presets(self.hass)),
                user_input or suggested(self._known_vehicle(key), name),
            ),
            errors=errors,
            description_placeholders={
                "key": key,
                "number": str(number + 1),
                "count": str(len(self._keys)),
            },
            last_step=False,
        )

    async def _async_device_chosen(self, user_input: dict[str, Any]) -> ResultT:
        chosen = user_input[CONF_DEVICE]
        wanted = set(user_input.get(CONF_METERS, []))
        device = next(
            item.device
            for item in self._found.batteries
            if item.device.unique_id == chosen
        )
        self._unit_unique_id = device.unique_id
        if self._unit_is_used():
            return self.async_abort(reason="unit_already_configured")
        self._chosen = {
            CONF_LOCAL_ADDRESS: self._local_address,
            CONF_ADDRESS: device.address,
            "node": device.node,
            "eoj": device.eoj,
            CONF_METERS: [
                {
                    "address": item.device.address,
                    "node": item.device.node,
                    "eoj": item.device.eoj,
                    "role": item.role,
                    # The sun is never counted the other way round.
                    "inverted": item.role == "grid" and user_input[CONF_INVERTED],
                }
                for item in self._found.meters
                if item.device.unique_id in wanted
            ],
            CONF_NATIVE_FOLLOW: user_input[CONF_NATIVE_FOLLOW],
        }
        module = await self._async_search_module()
        self._chosen[CONF_CAR] = await module.async_vehicle(
            self.hass, self._local_address, device
        )
        known, plugged = self._cars()
        if known or plugged is not None:
            return await self.async_step_echonet_cars()
        return await self._async_echonet_done([])

    async def _async_echonet_done(self, vehicles: list[dict[str, Any]]) -> ResultT:
        data = dict(self._chosen)
        del data[CONF_CAR]
        data[CONF_VEHICLES] = vehicles
        keys = {vehicle[CONF_KEY] for vehicle in vehicles}
        visitors = [key for key in self._visitors() if key not in keys]
        if visitors:
            data[CONF_VISITORS] = visitors
        return await self._async_driver_done(DRIVER, data)

    def _suggested_device(self) -> dict[str, Any]:
        """Return what to begin with: what was chosen before, or all that is sure."""
        found = self._found
        known = self._known_unit()
        if known is not None:
            stored = {
                (meter["node"], meter["eoj"]): meter
                for meter in known.get(CONF_METERS, ())
            }
            return {
                CONF_DEVICE: self._unit_unique_id,
                CONF_METERS: [
                    item.device.unique_id
                    for item in found.meters
                    if (item.device.node, item.device.eoj) in stored
                ],
                CONF_INVERTED: any(meter["inverted"] for meter in stored.values()),
                CONF_NATIVE_FOLLOW: known.get(CONF_NATIVE_FOLLOW, True),
            }
        offered = [item.device.unique_id for item in found.batteries]
        # One that was discovered is known by now.
        found_id = self._unit_unique_id
        return {
            CONF_DEVICE: found_id if found_id in offered else offered[0],
            CONF_METERS: [
                item.device.unique_id for item in found.meters if item.trusted
            ],
        }

    async def _async_last_address(
        self, module: Any, known: Mapping[str, Any]
    ) -> str | None:
        """Return where the unit that is changed was last, None for a new one."""
        subentry_id = self._known_unit_id()
        if subentry_id is None:
            return None
        address: str = await module.async_last_address(
            self.hass, subentry_id, known["node"], known[CONF_ADDRESS]
        )
        return address

    def _cars(self) -> tuple[dict[str, str], str | None]:
        """Return the names of the known cars, and the one at the plug."""
        known = self._known_unit() or {}
        names = {
            vehicle[CONF_KEY]: name_of(vehicle, self._known_unit_name(), number)
            for number, vehicle in enumerate(known.get(CONF_VEHICLES, ()), 1)
        }
        return names, self._chosen[CONF_CAR]

    def _known_vehicle(self, key: str) -> dict[str, Any]:
        """Return what was said of a car before."""
        known = self._known_unit() or {}
        for vehicle in known.get(CONF_VEHICLES, ()):
            if vehicle[CONF_KEY] == key:
                return dict(vehicle)
        return {}

    def _visitors(self) -> list[str]:
        """Return the cars that are left alone."""
        return list((self._known_unit() or {}).get(CONF_VISITORS, ()))

    async def _async_search_module(self) -> Any:
        """Load the protocol when somebody wants it."""
        return await async_import_module(
            self.hass, f"custom_components.{DOMAIN}.units.{DRIVER}.search"
        )


def _where_schema(addresses: list[tuple[str, str]]) -> vol.Schema:
    return vol.Schema(
        {
            vol.Optional(CONF_LOCAL_ADDRESS): SelectSelector(
                SelectSelectorConfig(
                    options=[
                        SelectOptionDict(value=address, label=f"{name}: {address}")
                        for name, address in addresses
                    ],
                    custom_value=True,
                    mode=SelectSelectorMode.DROPDOWN,
                )
            ),
            vol.Optional(CONF_HOST): TextSelector(),
        }
    )


def _select(labels: dict[str, str], *, multiple: bool = False) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(value=value, label=label)
                for value, label in labels.items()
            ],
            multiple=multiple,
            mode=SelectSelectorMode.LIST,
        )
    )


def _is_ip(text: str) -> bool:
    try:
        return not IPv4Address(text).is_multicast
    except AddressValueError:
        return False
