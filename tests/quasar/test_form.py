"""Setting up a charger: the connection test, what it is, and changing it."""

from collections.abc import AsyncGenerator
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from tmodbus.exceptions import IllegalDataAddressError
from tmodbus.pdu import ReadHoldingRegistersPDU
from tmodbus.server import AsyncTcpServer, ModbusRequestRouter

from scripts.tools.quasar_plant import SEED
from tests.conftest import UNIT_ID, make_entry
from tests.flow_walk import Walk
from tests.test_subentry_flow import add, added, change

from .conftest import SERIAL, Charger, free_port, quasar_data

BATTERY: dict[str, Any] = {
    "name": "LEAF",
    "preset": "leaf-40",
    "soh_percent": 90,
    "reserve_percent": 20,
    "spec": {},
}


class Registers:
    """An independent Modbus server with nothing but the charger's registers."""

    def __init__(self) -> None:
        self.values = dict(SEED)
        self.port = free_port()
        router = ModbusRequestRouter()

        @router.register(ReadHoldingRegistersPDU)
        async def read(unit_id: int, request: ReadHoldingRegistersPDU) -> list[int]:
            wanted = range(
                request.start_address, request.start_address + request.quantity
            )
            if unit_id != 1 or not self.values.keys() >= set(wanted):
                raise IllegalDataAddressError(request.function_code)
            return [self.values[address] for address in wanted]

        self._server = AsyncTcpServer("127.0.0.1", router, port=self.port)

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()


@pytest.fixture
async def registers(socket_enabled: None) -> AsyncGenerator[Registers]:
    """Return a server that is not the station's."""
    server = Registers()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def home(hass: HomeAssistant) -> Any:
    """A home without a unit, not loaded."""
    entry = make_entry()
    entry.add_to_hass(hass)
    return entry


async def at_charger(hass: HomeAssistant, home: Any) -> Walk:
    walk = await add(hass, home)
    await walk.choose("quasar")
    assert walk.step == "quasar"
    return walk


async def test_add(hass: HomeAssistant, home: Any, registers: Registers) -> None:
    walk = await at_charger(hass, home)
    assert walk.suggested() == {"port": 502}
    await walk.submit(host=" 127.0.0.1 ", port=registers.port)
    assert walk.step == "battery"
    # It cannot carry the house in an outage: the reserve is for driving.
    assert walk.suggested()["reserve_percent"] == 20
    assert walk.suggested(of="spec") == {"max_charge_w": 7400, "max_discharge_w": 7400}
    await walk.submit(
        **BATTERY | {"spec": {"max_charge_w": 7400, "max_discharge_w": 7400}}
    )
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    unit = added(home)
    assert unit.unique_id == f"wallbox-{SERIAL}"
    assert unit.data == {
        "driver": "quasar",
        "preset": "leaf-40",
        "soh_percent": 90,
        # No meter of its own keeps it from exporting.
        "spec": {
            "max_charge_w": 7400,
            "max_discharge_w": 7400,
            "reserve_percent": 20,
            "min_import_w": 0,
        },
        "host": "127.0.0.1",
        "port": registers.port,
        "serial_number": SERIAL,
    }


async def test_a_charger_is_one_unit(
    hass: HomeAssistant, home: Any, registers: Registers
) -> None:
    walk = await at_charger(hass, home)
    await walk.submit(host="127.0.0.1", port=registers.port)
    await walk.submit(**BATTERY)
    walk = await at_charger(hass, home)
    await walk.submit(host="127.0.0.1", port=registers.port)
    assert walk.result["reason"] == "unit_already_configured"


async def test_looking_changes_nothing(
    hass: HomeAssistant, home: Any, station: Charger
) -> None:
    walk = await at_charger(hass, home)
    await walk.submit(host="127.0.0.1", port=station.port)
    assert walk.step == "battery"
    assert station.writes() == []
    assert not (await station.ask())["remote"]


async def test_nobody_there(
    hass: HomeAssistant, home: Any, registers: Registers
) -> None:
    walk = await at_charger(hass, home)
    await walk.submit(host="127.0.0.1", port=free_port())
    assert walk.errors == {"host": "quasar_no_answer"}
    await walk.submit(host="127.0.0.1", port=registers.port)
    assert walk.step == "battery"


@pytest.mark.parametrize(
    "wrong", [{537: 99}, {81: 7}, {2: 0, 3: 0}, {2: 0xFFFF, 3: 0xFFFF}]
)
async def test_something_else_answers(
    hass: HomeAssistant, home: Any, registers: Registers, wrong: dict[int, int]
) -> None:
    """An inverter speaks Modbus as well."""
    registers.values |= wrong
    walk = await at_charger(hass, home)
    await walk.submit(host="127.0.0.1", port=registers.port)
    assert walk.errors == {"base": "not_a_quasar"}


async def test_registers_that_are_missing(
    hass: HomeAssistant, home: Any, registers: Registers
) -> None:
    del registers.values[530]
    walk = await at_charger(hass, home)
    await walk.submit(host="127.0.0.1", port=registers.port)
    assert walk.errors == {"base": "not_a_quasar"}


@pytest.mark.parametrize(
    ("habit", "errors"),
    [
        ("silent", {"host": "quasar_no_answer"}),
        ("partial", {"host": "quasar_no_answer"}),
        ("empty", {"host": "quasar_no_answer"}),
    ],
)
async def test_answers_that_are_none(
    hass: HomeAssistant,
    home: Any,
    station: Charger,
    habit: str,
    errors: dict[str, str],
) -> None:
    await station.ask(f"habit {habit}")
    walk = await at_charger(hass, home)
    await walk.submit(host="127.0.0.1", port=station.port)
    assert walk.errors == errors


async def test_a_new_address(hass: HomeAssistant, registers: Registers) -> None:
    entry = make_entry(quasar_data(1, reserve_percent=20))
    entry.add_to_hass(hass)
    walk = await change(hass, entry)
    assert walk.suggested() == {"host": "127.0.0.1", "port": 1}
    await walk.submit(host="127.0.0.1", port=registers.port)
    # The reserve belongs to its entity by now.
    assert "reserve_percent" not in walk.fields
    await walk.submit(name="LEAF", preset="leaf-40", soh_percent=90, spec={})
    assert walk.result["reason"] == "reconfigure_successful"
    unit = entry.subentries[UNIT_ID]
    assert unit.data["port"] == registers.port
    assert unit.data["spec"] == {"min_import_w": 0}
    assert unit.unique_id == f"wallbox-{SERIAL}"
