"""The tariff of a running home, made anew whenever more of its prices is known.

What is known stays known: over a restart, and while the source says nothing.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
import random
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from ..const import CONF_TARIFF, DOMAIN, LOGGER
from ..engine.local_clock import LocalClock, LocalDay
from ..engine.tariff import Tariff
from ..health import HomeHealth
from ..site import build_tariff
from ..store import NewerStore, SafeStore
from .month_use import MonthMeter
from .price_book import Offer, PriceBook
from .price_readers import (
    CONF_SOURCE,
    CONF_SOURCE_KIND,
    PriceReader,
    async_create_reader,
)
from .price_schedule import PriceSchedule
from .price_shapes.values import PriceError, async_text

# Changes that come together are read once.
SETTLE_S: Final = 1.0
# Homes do not all ask at the same moment.
SPREAD_S: Final = 90.0
PATIENCE: Final = 3
# Past days are fetched once, in no hurry.
PAST_DAYS: Final = 35
PAST_PAUSE_S: Final = 5.0
SAVE_S: Final = 3600.0
# Silent for this long, and with little left that is known.
SILENT_S: Final = 86400.0
LITTLE_LEFT_S: Final = 6 * 3600.0


class HomePrices:
    """Keeps a home's tariff up to date; never blocks, and forgets nothing too early."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, health: HomeHealth
    ) -> None:
        self.tariff: Tariff
        self.book = PriceBook()
        self._hass = hass
        self._entry = entry
        self._health = health
        self._conf: Mapping[str, Any] = entry.options[CONF_TARIFF]
        self._store = price_store(hass, entry.entry_id)
        self._reader: PriceReader | None = None
        self._schedule: PriceSchedule | None = None
        self._month: MonthMeter | None = None
        self._on_change: CALLBACK_TYPE | None = None
        self._stops: list[CALLBACK_TYPE] = []
        self._cancel_look: CALLBACK_TYPE | None = None
        self._looking = False
        self._look_again = False
        self._next_look_s: float | None = None
        self._heard_s: float | None = None
        self._read_s: float | None = None
        self._failures = 0
        self._error: PriceError | None = None
        self._unsaved = False
        self._saved_s = 0.0
        self._saved_until_s: float | None = None
        self._past_done = False

    @property
    def has_source(self) -> bool:
        """Return whether prices come from somewhere."""
        return CONF_SOURCE in self._conf

    @property
    def known_until(self) -> datetime | None:
        """Return until when prices are known without a hole."""
        until_s = self.book.known_until(_now_s())
        return None if until_s is None else dt_util.utc_from_timestamp(until_s)

    async def async_load(self) -> None:
        """Read back what was known.

        Raises `ConfigEntryError` for a tariff that is none.
        """
        self._build()
        self._month = _month_meter(self._conf, None)
        if self.has_source or self._month is not None:
            await self._async_restore()
        if self.has_source:
            self._reader = reader = await async_create_reader(self._hass, self._conf)
            self._schedule = PriceSchedule(
                clock=LocalClock(reader.zone), published_minute=reader.published_minute
            )
        self._build()

    async def _async_restore(self) -> None:
        try:
            stored = await self._store.async_load() or {}
            self._month = _month_meter(self._conf, stored.get("month"))
            # Prices of another source, or in other money, are of no use for this one.
            if (
                self.has_source
                and stored.get("source") == self._conf[CONF_SOURCE]
                and stored.get("currency") == self._hass.config.currency
            ):
                self.book = PriceBook.from_dict(stored["book"])
                self._heard_s = min(float(stored["heard_s"]), _now_s())
                self._past_done = bool(stored["past_done"])
        except (AttributeError, KeyError, NewerStore, TypeError, ValueError) as err:
            aside = await self._store.async_put_aside()
            LOGGER.warning(
                "%s: the stored prices cannot be read (%r) and are kept as %s",
                self._entry.title,
                err,
                aside,
            )

    @callback
    def async_start(self, on_change: CALLBACK_TYPE) -> None:
        """Look for prices from now on; `on_change`: there is a new tariff."""
        self._on_change = on_change
        if self._reader is None:
            return
        if self._heard_s is None:
            self._heard_s = _now_s()

        @callback
        def news() -> None:
            self._look_at(_now_s() + SETTLE_S)

        stop = self._reader.async_listen(news)
        if stop is not None:
            self._stops.append(stop)
        self._look_at(_now_s())

    async def async_stop(self) -> None:
        """Look no more, and keep what is known."""
        self._on_change = None
        while self._stops:
            self._stops.pop()()
        if self._cancel_look is not None:
            self._cancel_look()
            self._cancel_look = None
        if self._reader is not None or self._month is not None:
            await self._async_save()

    @callback
    def async_hear(self, import_kwh: float) -> None:
        """Take the home's import counter in, which tiers go by."""
        if self._month is None or not self._month.hear(import_kwh, dt_util.utcnow()):
            return
        self._unsaved = True
        self._build()
        self._entry.async_create_background_task(
            self._hass, self._async_save(seldom=True), f"{DOMAIN} prices"
        )

    def diagnostics(self) -> dict[str, Any]:
        """Return what a report should say of the prices."""
        until = self.known_until
        return {
            "source": self._conf.get(CONF_SOURCE),
            "quotes": [len(self.book.imported), len(self.book.exported)],
            "known_from": _iso(
                self.book.imported[0].start_s if self.book.imported else None
            ),
            "known_until": until.isoformat() if until else None,
            "heard": _iso(self._heard_s),
            "read": _iso(self._read_s),
            "next_look": _iso(self._next_look_s),
            "failures": self._failures,
            "detail": str(self._error) if self._error else None,
            "month": self._month.to_dict() if self._month else None,
        }

    @callback
    def _build(self) -> None:
        """Make the tariff of what is known now."""
        self.tariff = build_tariff(
            self._hass,
            self._conf,
            imported=self.book.imported,
            exported=self.book.exported,
            published_minute=self._local_publication(),
            use=self._month.use if self._month else None,
        )
        if self._on_change is not None:
            self._on_change()

    def _local_publication(self) -> int | None:
        """Return the minute of the local day at which tomorrow's prices come."""
        schedule = self._schedule
        if schedule is None or schedule.published_minute is None:
            return None
        today = schedule.clock.day(_now_s())
        at_s = today.moments(schedule.published_minute)[0]
        local = dt_util.as_local(dt_util.utc_from_timestamp(at_s))
        return local.hour * 60 + local.minute

    @callback
    def _look_at(self, at_s: float) -> None:
        """Look at that time, or at the earlier one that is set already."""
        if self._on_change is None:
            return
        if self._looking:
            self._look_again = True
            return
        if self._cancel_look is not None:
            if self._next_look_s is not None and self._next_look_s <= at_s:
                return
            self._cancel_look()

        self._next_look_s = at_s
        wait_s = at_s - _now_s()
        if wait_s <= 0.0:
            self._look()
            return

        @callback
        def due(_now: datetime) -> None:
            self._look()

        self._cancel_look = async_call_later(
            self._hass, wait_s, HassJob(due, cancel_on_shutdown=True)
        )

    @callback
    def _look(self) -> None:
        self._cancel_look = None
        self._looking = True
        self._entry.async_create_background_task(
            self._hass, self._async_look(), f"{DOMAIN} prices"
        )

    async def _async_look(self) -> None:
        assert self._reader is not None
        assert self._schedule is not None
        try:
            days = self._wanted_days()
            if days:
                await self._async_read(days)
            await self._async_check_silence()
            await self._async_fetch_past()
        finally:
            self._looking = False
        now_s = _now_s()
        if self._look_again:
            self._look_again = False
            self._look_at(now_s + SETTLE_S)
            return
        next_s = self._schedule.next_look(
            now_s, self.book.known_until(now_s), self._failures
        )
        spread_s = random.uniform(0.0, SPREAD_S) if self._reader.goes_back else 0.0
        self._look_at(next_s + spread_s)

    def _wanted_days(self) -> list[LocalDay]:
        """Return the source's days to ask for; all of them where it is only read."""
        assert self._reader is not None
        assert self._schedule is not None
        days = self._schedule.days(dt_util.start_of_local_day().timestamp(), _now_s())
        if not self._reader.goes_back:
            return days
        return [day for day in days if not self.book.covers(day.start_s, day.end_s)]

    async def _async_ask(self, days: list[LocalDay]) -> Offer:
        """Ask the source; whatever goes wrong is a `PriceError`, and not the end."""
        assert self._reader is not None
        source = str(self._conf[CONF_SOURCE][CONF_SOURCE_KIND])
        try:
            offer = await self._reader.async_read(
                [date.fromisoformat(day.iso) for day in days]
            )
        except PriceError:
            raise
        except Exception as err:
            LOGGER.exception("%s: prices cannot be read", self._entry.title)
            raise PriceError(
                "price_source_failed", source=source, error=repr(err)
            ) from err
        # It may have changed since the form asked, and so may Home Assistant's.
        currency = self._hass.config.currency
        if offer.currency not in (None, currency):
            raise PriceError(
                "price_currency",
                source=source,
                found=str(offer.currency),
                currency=currency,
            )
        return offer

    async def _async_read(self, days: list[LocalDay]) -> None:
        try:
            offer = await self._async_ask(days)
        except PriceError as err:
            self._failures += 1
            self._error = err
            # While Home Assistant starts, a source may only not be there yet.
            if self._failures == PATIENCE:
                LOGGER.warning("%s: no prices: %s", self._entry.title, err)
            return
        if self._failures >= PATIENCE:
            LOGGER.info("%s: prices come again", self._entry.title)
        self._failures = 0
        self._error = None
        self._read_s = _now_s()
        self._take(offer)
        await self._async_save(seldom=True)

    def _take(self, offer: Offer) -> None:
        now_s = _now_s()
        if any(quote.end_s > now_s for quote in offer.imported):
            self._heard_s = now_s
        if self.book.take(offer, now_s):
            self._unsaved = True
            self._build()

    async def _async_check_silence(self) -> None:
        """Tell the user when nothing has come for a day and little is left."""
        now_s = _now_s()
        left_s = (self.book.known_until(now_s) or now_s) - now_s
        heard_s = now_s if self._heard_s is None else self._heard_s
        if now_s - heard_s >= SILENT_S and left_s < LITTLE_LEFT_S:
            error = await async_text(self._hass, self._error) if self._error else "–"
            self._health.async_prices_missing(error)
        else:
            self._health.async_prices_came()

    async def _async_fetch_past(self) -> None:
        """Ask once for the days before, from which unknown prices are estimated."""
        reader, schedule = self._reader, self._schedule
        assert reader is not None
        assert schedule is not None
        if self._past_done or self._failures or not reader.goes_back:
            return
        if self.book.known_until(_now_s()) is None:
            return
        day = schedule.clock.day(_now_s())
        for _ in range(PAST_DAYS):
            day = schedule.clock.day(day.start_s - 1.0)
            if self.book.covers(day.start_s, day.end_s):
                continue
            await asyncio.sleep(PAST_PAUSE_S)
            if self._on_change is None:
                return
            try:
                offer = await self._async_ask([day])
            except PriceError:
                break
            if not offer.imported:
                break
            self.book.take(offer, _now_s())
        self._past_done = True
        self._build()
        await self._async_save()

    async def _async_save(self, *, seldom: bool = False) -> None:
        """Write what is known; `seldom`: only news, once an hour if no further on."""
        now_s = _now_s()
        until_s = self.book.known_until(now_s)
        recent = (
            until_s == self._saved_until_s and 0.0 <= now_s - self._saved_s < SAVE_S
        )
        if seldom and (recent or not self._unsaved):
            return
        self._unsaved = False
        self._saved_s, self._saved_until_s = now_s, until_s
        await self._store.async_write(
            {
                "source": self._conf.get(CONF_SOURCE),
                "currency": self._hass.config.currency,
                "book": self.book.to_dict(),
                "heard_s": self._heard_s,
                "past_done": self._past_done,
                "month": self._month.to_dict() if self._month else None,
            }
        )


def price_store(hass: HomeAssistant, entry_id: str) -> SafeStore:
    """Return where a home keeps the prices that it knows."""
    return SafeStore(hass, f"{DOMAIN}.prices.{entry_id}")


def _month_meter(conf: Mapping[str, Any], stored: Any) -> MonthMeter | None:
    """Return the meter of the month where prices have tiers."""
    tiers = find_tiers(conf.get("import"))
    if tiers is None:
        return None
    return MonthMeter(
        month_kwh=float(tiers["month_kwh"]),
        month_day=int(tiers.get("month_day", 1)),
        edges_kwh=[
            float(tier["upto_kwh"])
            for tier in tiers["tiers"]
            if tier.get("upto_kwh") is not None
        ],
        stored=stored,
    )


def find_tiers(prices: object) -> Mapping[str, Any] | None:
    """Return the tiers that prices are made of, None where they have none."""
    if not isinstance(prices, Mapping):
        return None
    if "tiers" in prices:
        return prices
    formula = prices.get("formula")
    return find_tiers(formula.get("spot")) if isinstance(formula, Mapping) else None


def _now_s() -> float:
    return dt_util.utcnow().timestamp()


def _iso(at_s: float | None) -> str | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat()
