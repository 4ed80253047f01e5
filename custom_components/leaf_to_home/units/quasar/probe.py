"""The form's connection test: whether a Quasar is there, and which one."""

from homeassistant.components.modbus import async_get_temporary_unit
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from modbus_connection import ModbusTcpParams

from ..base import UnitUnreachable
from .link import Link
from .pace import PACE, Pace
from .registers import UNIT_ID, Identity, Nonsense


class ProbeError(Exception):
    """Why it is none; `key` is the error of the form."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


async def async_probe(hass: HomeAssistant, host: str, port: int) -> Identity:
    """Read a charger without changing anything; raise ProbeError."""
    params = ModbusTcpParams(host=host, port=port)
    try:
        async with async_get_temporary_unit(hass, params, UNIT_ID) as unit:
            link = Link(unit, hass.data.get(PACE, Pace()))
            identity = await link.identity()
            await link.orders()
            if (await link.sight()).state is None:
                raise ProbeError("not_a_quasar")
            return identity
    except Nonsense as err:
        raise ProbeError("not_a_quasar") from err
    except (UnitUnreachable, HomeAssistantError) as err:
        raise ProbeError("quasar_no_answer") from err
