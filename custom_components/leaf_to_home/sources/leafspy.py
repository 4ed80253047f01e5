"""LeafSpy Pro, which sends what it reads from the car to an address of ours.

Its server setting makes GET requests, with everything in the query. It has no header to
prove who it is: the secret is the address.
"""

from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Final, override

from aiohttp.hdrs import METH_GET
from aiohttp.web import Request, Response
from homeassistant.components import webhook
from homeassistant.const import UnitOfLength
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import DistanceConverter

from ..const import DOMAIN
from .car import ODOMETER, PLUGGED, SOC, SOH, CarSource

# What the app waits for, quotes and all.
ANSWER: Final = '"status":"0"'
# More often than this nothing is taken, whoever sends it.
GAP_S: Final = 2.0
# No number that the app sends is longer.
LONGEST: Final = 24
# "1" is a plug that sits loose, which says nothing.
PLUG_STATES: Final = {"0": 0.0, "2": 1.0}


class LeafSpySource(CarSource):
    """The app of one car.

    With `vin` reports of other cars are left out; `miles`: the app counts in miles.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        vehicle: str,
        webhook_id: str,
        local_only: bool,
        vin: str | None,
        miles: bool,
    ) -> None:
        super().__init__("LeafSpy", vehicle)
        self._hass = hass
        self._webhook_id = webhook_id
        self._local_only = local_only
        self._vin = vin
        self._miles = miles
        self._taken_s = 0.0

    @override
    async def async_start(self, on_update: Callable[[], None]) -> None:
        """Open the address."""
        await super().async_start(on_update)
        webhook.async_register(
            self._hass,
            DOMAIN,
            "LeafSpy",
            self._webhook_id,
            self._handle,
            local_only=self._local_only,
            allowed_methods=[METH_GET],
        )

    @override
    async def async_stop(self) -> None:
        """Close it."""
        webhook.async_unregister(self._hass, self._webhook_id)
        await super().async_stop()

    async def _handle(
        self, hass: HomeAssistant, webhook_id: str, request: Request
    ) -> Response:
        """Take what is plausible; the answer is the same for everything."""
        now_s = dt_util.utcnow().timestamp()
        if self._is_ours(request.query) and not 0.0 <= now_s - self._taken_s < GAP_S:
            values = read(request.query, miles=self._miles)
            if values:
                self._taken_s = now_s
                for name, value in values.items():
                    self.take(name, value, now_s)
                self.updated()
        return Response(text=ANSWER)

    def _is_ours(self, query: Mapping[str, str]) -> bool:
        if self._vin is None:
            return True
        told = query.get("VIN", "").strip().upper()
        return compare_digest(told.encode(), self._vin.encode())


def read(query: Mapping[str, str], *, miles: bool) -> dict[str, float]:
    """Return the values in a query of the app; older ones leave some out."""
    values: dict[str, float] = {}
    for key, name in (("SOC", SOC), ("SOH", SOH), ("Odo", ODOMETER)):
        value = _number(query.get(key, ""))
        if value is not None:
            values[name] = value
    if values.get(SOH) == 0.0:
        # Not read yet.
        del values[SOH]
    if miles and ODOMETER in values:
        values[ODOMETER] = DistanceConverter.convert(
            values[ODOMETER], UnitOfLength.MILES, UnitOfLength.KILOMETERS
        )
    if (plug := PLUG_STATES.get(query.get("PlugState", ""))) is not None:
        values[PLUGGED] = plug
    return values


def _number(text: str) -> float | None:
    if len(text) > LONGEST:
        return None
    try:
        return float(text)
    except ValueError:
        return None
