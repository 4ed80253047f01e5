"""Asks the integrations that give prices as the answer of an action."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from .price_book import Offer, Quotes, merged
from .price_shapes.records import RecordShape
from .price_shapes.values import PriceError

CALL_TIMEOUT_S: Final = 60.0

INCLUDES_MARKET: Final = "market"
INCLUDES_VAT: Final = "market_vat"
INCLUDES_ALL: Final = "all"


@dataclass(frozen=True, kw_only=True)
class ActionReader:
    """Asks an integration through an action that answers."""

    hass: HomeAssistant
    domain: str
    title: str
    zone: ZoneInfo
    published_minute: int | None
    goes_back: bool = True

    @callback
    def async_listen(self, on_change: CALLBACK_TYPE) -> CALLBACK_TYPE | None:
        """Return None: nothing tells of news."""
        return None

    async def async_read(self, days: Sequence[date]) -> Offer:
        """Return what the action says of these days."""
        quotes: Quotes = ()
        exported: Quotes = ()
        currency: str | None = None
        problem: PriceError | None = None
        for day in days:
            try:
                offer = await self._async_read_day(day)
            except PriceError as err:
                problem = problem or err
                continue
            quotes = merged(quotes, offer.imported)
            exported = merged(exported, offer.exported)
            currency = offer.currency
        if not quotes and problem is not None:
            raise problem
        return Offer(imported=quotes, exported=exported, currency=currency)

    async def _async_read_day(self, day: date) -> Offer:
        raise NotImplementedError

    def _entry(self) -> ConfigEntry:
        entries = self.hass.config_entries.async_loaded_entries(self.domain)
        if not entries:
            raise PriceError("price_source_unavailable", source=self.title)
        return entries[0]

    async def _async_call(self, action: str, **data: Any) -> Mapping[str, Any]:
        """Call an action; whatever goes wrong in it, it is told and no more."""
        if not self.hass.services.has_service(self.domain, action):
            raise PriceError("price_source_unavailable", source=self.title)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                answer = await self.hass.services.async_call(
                    self.domain, action, data, blocking=True, return_response=True
                )
        except TimeoutError as err:
            raise PriceError(
                "price_source_failed", source=self.title, error="timeout"
            ) from err
        except HomeAssistantError as err:
            raise PriceError(
                "price_source_failed", source=self.title, error=str(err)
            ) from err
        except Exception as err:
            # Another integration's code may raise whatever it likes.
            raise PriceError(
                "price_source_failed", source=self.title, error=repr(err)
            ) from err
        return answer or {}

    def _read(
        self, shape: RecordShape, answer: Mapping[str, Any], factor: float = 1.0
    ) -> Quotes:
        if not shape.found_in(answer) and not shape.empty_in(answer):
            raise PriceError("price_source_empty", source=self.title)
        return shape.read(answer, self.zone, factor)


@dataclass(frozen=True, kw_only=True)
class NordPoolReader(ActionReader):
    """The core integration of Nord Pool, in money per MWh."""

    CURRENCIES: ClassVar = ("DKK", "EUR", "NOK", "PLN", "SEK")

    area: str
    minutes: int

    async def _async_read_day(self, day: date) -> Offer:
        entry = self._entry()
        currency = self.hass.config.currency
        if currency not in self.CURRENCIES:
            currency = entry.data["currency"]
        data: dict[str, Any] = {
            "config_entry": entry.entry_id,
            "date": day.isoformat(),
            "areas": [self.area],
            "currency": currency,
        }
        if self.minutes == 15:
            answer = await self._async_call("get_prices_for_date", **data)
        else:
            answer = await self._async_call(
                "get_price_indices_for_date", **data, resolution=self.minutes
            )
        shape = RecordShape(
            name=self.title, lists=(self.area,), start="start", end="end", price="price"
        )
        return Offer(imported=self._read(shape, answer, 0.001), currency=currency)


@dataclass(frozen=True, kw_only=True)
class TibberReader(ActionReader):
    """The core integration of Tibber: today and tomorrow, all that is paid per kWh."""

    home: str

    async def async_read(self, days: Sequence[date]) -> Offer:
        """Return all that Tibber has, whatever the days."""
        shape = RecordShape(
            name=self.title, lists=(self.home,), start="start_time", price="price"
        )
        return Offer(imported=self._read(shape, await self.async_homes()))

    async def async_homes(self) -> Mapping[str, Any]:
        """Return the prices of each home, by its name."""
        self._entry()
        begin = dt_util.start_of_local_day()
        answer = await self._async_call(
            "get_prices",
            start=begin.isoformat(),
            end=(begin + timedelta(days=3)).isoformat(),
        )
        homes = answer.get("prices")
        return homes if isinstance(homes, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class EasyEnergyReader(ActionReader):
    """The core integration of easyEnergy, in EUR per kWh."""

    SHAPE: ClassVar = RecordShape(
        name="easyEnergy", lists=("prices",), start="timestamp", price="price"
    )

    includes: str
    minutes: int
    with_export: bool

    async def _async_read_day(self, day: date) -> Offer:
        data = {
            "config_entry": self._entry().entry_id,
            "start": day.isoformat(),
            "end": day.isoformat(),
            "granularity": "quarter" if self.minutes == 15 else "hour",
        }
        answer = await self._async_call(
            "get_energy_usage_prices",
            **data,
            incl_vat=self.includes != INCLUDES_MARKET,
            price_type="invoice" if self.includes == INCLUDES_ALL else "market",
        )
        exported: Quotes = ()
        if self.with_export:
            exported = self._read(
                self.SHAPE, await self._async_call("get_energy_return_prices", **data)
            )
        return Offer(
            imported=self._read(self.SHAPE, answer), exported=exported, currency="EUR"
        )


@dataclass(frozen=True, kw_only=True)
class EnergyZeroReader(ActionReader):
    """The core integration of EnergyZero, in EUR per kWh.

    What is exported earns the market's price.
    """

    SHAPE: ClassVar = RecordShape(
        name="EnergyZero", lists=("prices",), start="start", end="end", price="price"
    )

    includes: str
    minutes: int
    with_export: bool

    async def _async_read_day(self, day: date) -> Offer:
        data = {
            "config_entry": self._entry().entry_id,
            "start": day.isoformat(),
            "end": day.isoformat(),
            "incl_vat": self.includes != INCLUDES_MARKET,
            "interval": "quarter" if self.minutes == 15 else "hour",
        }
        answer = await self._async_call(
            "get_energy_prices",
            **data,
            price_type="all_in" if self.includes == INCLUDES_ALL else "market",
        )
        imported = exported = self._read(self.SHAPE, answer)
        if self.with_export and self.includes == INCLUDES_ALL:
            exported = self._read(
                self.SHAPE,
                await self._async_call(
                    "get_energy_prices", **data, price_type="market"
                ),
            )
        return Offer(
            imported=imported,
            exported=exported if self.with_export else (),
            currency="EUR",
        )
