"""Import and export prices in time, as far as they are known, in local time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from zoneinfo import ZoneInfo

from .local_clock import LocalClock, LocalDay
from .price_formula import MonthUse
from .price_parsing import parse_minute, parse_prices
from .prices import FlatPrice, KnownPrices, PriceSeries, PriceSource, TariffError
from .recorded_prices import FilledPrices

__all__ = [
    "KnownPrices",
    "PriceSeries",
    "PriceSlot",
    "Tariff",
    "TariffError",
    "parse_tariff",
]

# When the next day's prices are there, in most markets.
USUALLY_PUBLISHED_MINUTE = 14 * 60
_KEPT_DAYS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceSlot:
    """A stretch of time with one import and one export price, money per kWh.

    A price that is not known is None.
    """

    start_s: float
    end_s: float
    import_price: float | None
    export_price: float | None


class _Known:
    """What `known` answers between two changes."""

    __slots__ = ("from_s", "hours", "slots", "until_s")

    def __init__(
        self, hours: float, from_s: float, until_s: float, slots: list[PriceSlot]
    ) -> None:
        self.hours = hours
        self.from_s = from_s
        self.until_s = until_s
        self.slots = slots


class Tariff:
    """What a kWh costs and earns, when, and how far ahead that is known.

    `published_minute` is the local minute from which tomorrow's series prices are
    known; None where they are known from the start. A `live` series holds only what is
    known already: then the minute only tells when more will be.
    """

    __slots__ = (
        "_clock",
        "_days",
        "_export",
        "_import",
        "_known",
        "_live",
        "_slot",
        "currency",
        "published_minute",
        "zone",
    )

    def __init__(
        self,
        *,
        currency: str,
        zone: ZoneInfo,
        import_prices: PriceSource,
        export_prices: PriceSource,
        published_minute: int | None = None,
        live: bool = False,
    ) -> None:
        self.currency = currency
        self.zone = zone
        self.published_minute = published_minute
        self._import = import_prices
        self._export = export_prices
        self._live = live
        self._clock = LocalClock(zone)
        self._days: dict[float, tuple[PriceSlot, ...]] = {}
        self._slot: PriceSlot | None = None
        self._known: _Known | None = None

    @classmethod
    def flat(
        cls,
        import_price: float,
        *,
        export_price: float = 0.0,
        currency: str = "EUR",
        timezone: str = "UTC",
    ) -> Self:
        """Return a tariff with one price per direction, money per kWh."""
        return cls(
            currency=currency,
            zone=ZoneInfo(timezone),
            import_prices=FlatPrice(import_price),
            export_prices=FlatPrice(export_price),
        )

    def foreseen(self) -> Self:
        """Return the same tariff with every price known from the start."""
        return type(self)(
            currency=self.currency,
            zone=self.zone,
            import_prices=self._import,
            export_prices=self._export,
        )

    def apart(self) -> Self:
        """Return the same tariff for another thread: its memory is its own."""
        return type(self)(
            currency=self.currency,
            zone=self.zone,
            import_prices=self._import,
            export_prices=self._export,
            published_minute=self.published_minute,
            live=self._live,
        )

    def replayed(
        self,
        imported: PriceSeries | None = None,
        exported: PriceSeries | None = None,
    ) -> Self:
        """Return the same tariff for a replay, in which no price is known too early.

        Where nothing says when prices are published, it is midday's auction. What was
        `imported` and `exported` at stands in where a price is no longer known.
        """
        published_minute = self.published_minute
        if published_minute is None and self._import.published:
            published_minute = USUALLY_PUBLISHED_MINUTE
        return type(self)(
            currency=self.currency,
            zone=self.zone,
            import_prices=(
                FilledPrices(self._import, imported) if imported else self._import
            ),
            export_prices=(
                FilledPrices(self._export, exported) if exported else self._export
            ),
            published_minute=published_minute,
        )

    def at(self, now_s: float) -> PriceSlot | None:
        """Return the slot in force, None where neither price is known.

        It ends at local midnight at the latest, even when the price goes on.
        """
        slot = self._slot
        if slot is None or not slot.start_s <= now_s < slot.end_s:
            for slot in self.day_slots(now_s):
                if now_s < slot.end_s:
                    break
            self._slot = slot
        assert slot is not None, "a day has at least one slot"
        if slot.import_price is None and slot.export_price is None:
            return None
        return slot

    def known(self, now_s: float, hours: float = 24.0) -> tuple[PriceSlot, ...]:
        """Return the slots from `now_s` to `hours` ahead, as far as they are known now.

        The first begins at `now_s`, neighbours with equal prices are one. It ends where
        the import price is no longer known; a price that is unknown earlier is None.
        """
        known = self._known
        if (
            known is None
            or known.hours != hours
            or not known.from_s <= now_s < known.until_s
        ):
            known = self._known = self._look_ahead(now_s, hours)
        slots = known.slots
        end_s = now_s + hours * 3600.0
        count = len(slots)
        while count and (
            slots[count - 1].start_s >= end_s or slots[count - 1].import_price is None
        ):
            count -= 1
        if not count:
            return ()
        result = slots[:count]
        result[0] = _clip(result[0], now_s, end_s)
        result[-1] = _clip(result[-1], now_s, end_s)
        return tuple(result)

    def day_slots(self, now_s: float) -> tuple[PriceSlot, ...]:
        """Return all slots of the local day of `now_s`, known in advance or not."""
        day = self._clock.day(now_s)
        slots = self._days.get(day.start_s)
        if slots is None:
            if len(self._days) >= _KEPT_DAYS:
                self._days.clear()
            slots = self._days[day.start_s] = _day_slots(
                day, self._import, self._export
            )
        return slots

    def day_minute(self, now_s: float) -> tuple[str, int]:
        """Return the local date ("2026-11-22") and the minute that the clock shows."""
        day = self._clock.day(now_s)
        return day.iso, day.minute(now_s)

    def month(self, now_s: float) -> str:
        """Return the local month, "2026-11"."""
        return self._clock.day(now_s).iso[:7]

    def local_midnight_after(self, now_s: float) -> float:
        """Return when the next local day begins, in seconds since the epoch."""
        return self._clock.day(now_s).end_s

    def local_days(self, now_s: float, count: int) -> list[LocalDay]:
        """Return the local day before that of `now_s`, that one and `count` more."""
        today = self._clock.day(now_s)
        days = [self._clock.day(today.start_s - 1.0), today]
        while len(days) < count + 2:
            days.append(self._clock.day_after(days[-1]))
        return days

    def next_local_time(self, now_s: float, minute_of_day: int) -> float:
        """Return when the local clock next shows that minute, strictly after `now_s`.

        A time that the clock skips rolls forward to the moment of the skip.
        """
        return self._clock.next_time(now_s, minute_of_day)

    def _look_ahead(self, now_s: float, hours: float) -> _Known:
        """Collect what `known` needs until the next slot or publication."""
        today = self._clock.day(now_s)
        slot = next(slot for slot in self.day_slots(now_s) if now_s < slot.end_s)
        from_s, until_s = slot.start_s, slot.end_s
        known_until_s = float("inf")
        if self.published_minute is not None and not self._live:
            published_s = today.moments(self.published_minute)[0]
            known_until_s = today.end_s
            if now_s < published_s:
                until_s = min(until_s, published_s)
            else:
                from_s = max(from_s, published_s)
                known_until_s = self._clock.day_after(today).end_s
        slots: list[PriceSlot] = []
        day = today
        while day.start_s < until_s + hours * 3600.0:
            if day.start_s < known_until_s:
                day_slots = self.day_slots(day.start_s)
            elif self._import.published:
                break
            else:
                export = FlatPrice(None) if self._export.published else self._export
                day_slots = _day_slots(day, self._import, export)
            for slot in day_slots:
                if slot.end_s > from_s:
                    _append(slots, slot)
            day = self._clock.day_after(day)
        return _Known(hours, from_s, until_s, slots)


def _day_slots(
    day: LocalDay, import_prices: PriceSource, export_prices: PriceSource
) -> tuple[PriceSlot, ...]:
    imports = dict(import_prices.of_day(day))
    exports = dict(export_prices.of_day(day))
    starts = sorted(imports.keys() | exports.keys())
    slots: list[PriceSlot] = []
    import_price = export_price = None
    for start_s, end_s in zip(starts, [*starts[1:], day.end_s], strict=True):
        import_price = imports.get(start_s, import_price)
        export_price = exports.get(start_s, export_price)
        _append(
            slots,
            PriceSlot(
                start_s=start_s,
                end_s=end_s,
                import_price=import_price,
                export_price=export_price,
            ),
        )
    return tuple(slots)


def _append(slots: list[PriceSlot], slot: PriceSlot) -> None:
    """Add `slot`, as one with the last when the prices are the same."""
    if (
        slots
        and slots[-1].import_price == slot.import_price
        and slots[-1].export_price == slot.export_price
    ):
        slots[-1] = replace(slot, start_s=slots[-1].start_s)
    else:
        slots.append(slot)


def _clip(slot: PriceSlot, from_s: float, end_s: float) -> PriceSlot:
    return PriceSlot(
        start_s=max(slot.start_s, from_s),
        end_s=min(slot.end_s, end_s),
        import_price=slot.import_price,
        export_price=slot.export_price,
    )


def parse_tariff(
    data: Mapping[str, object],
    *,
    timezone: str | None = None,
    currency: str | None = None,
    series: Mapping[str, PriceSource] | None = None,
    use: MonthUse | None = None,
    live: bool = False,
) -> Tariff:
    """Read a tariff from the mapping of a file or of stored options.

    `timezone` and `currency` stand in for those that the mapping does not have,
    `series` holds what `series: NAME` refers to, `use` the month's import that tiers
    go by. Without `export` it earns nothing. Raises `TariffError` with the path of the
    field.
    """
    zone = _zone(data.get("timezone", timezone))
    money = data.get("currency", currency)
    if not isinstance(money, str) or not money:
        raise TariffError(f"currency: expected a code like EUR, found {money!r}")
    if data.get("import") is None:
        raise TariffError("import: expected a price, bands or a series, found nothing")
    export = data.get("export")
    return Tariff(
        currency=money,
        zone=zone,
        import_prices=parse_prices(data["import"], "import", series or {}, use),
        export_prices=parse_prices(
            0.0 if export is None else export, "export", series or {}
        ),
        published_minute=_published(data.get("published")),
        live=live,
    )


def _zone(name: object) -> ZoneInfo:
    if isinstance(name, str):
        try:
            return ZoneInfo(name)
        except KeyError, OSError, ValueError:
            pass
    raise TariffError(f"timezone: expected a name like Europe/Berlin, found {name!r}")


def _published(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"at"}:
        raise TariffError(f'published: expected {{at: "HH:MM"}}, found {value!r}')
    return parse_minute(value["at"], "published.at")
