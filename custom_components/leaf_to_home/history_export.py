"""Writes a home's past as the files that a replay reads."""

from collections.abc import Iterator
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util, slugify
from homeassistant.util.file import WriteError, write_utf8_file_atomic
from homeassistant.util.yaml import dump

from .const import DOMAIN
from .engine.comparison import house_powers, span_s
from .engine.formats import Contract
from .engine.past_power import PastPower
from .engine.quarters import QUARTER_S
from .engine.tariff import PriceSlot, Tariff
from .home import LeafToHomeConfigEntry
from .replay_work import async_own_contract, async_recorded, home_zone, too_short

HOUSE: Final = "house.csv"
IMPORT_PRICES: Final = "import_prices.csv"
EXPORT_PRICES: Final = "export_prices.csv"
TARIFF: Final = "tariff.yaml"
# A price is written as often as it may change.
PRICE_STEPS_S: Final = (3600.0, 1800.0, 900.0)


async def async_export(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry, days: int, folder: str | None
) -> dict[str, Any]:
    """Write the last `days` whole days of a loaded home; return what was written.

    Without a `folder` one of the home's own in Home Assistant's configuration, which is
    not served to browsers: the load tells when somebody is at home. Raises a translated
    error where nothing can be written.
    """
    now_s = dt_util.utcnow().timestamp()
    begin_s, end_s = span_s(home_zone(entry), now_s, days, past_days=0)
    contract = await async_own_contract(hass, entry, begin_s, end_s)
    past = await async_recorded(hass, entry, begin_s, end_s)
    if not past.known.any():
        raise too_short(past)
    target = Path(
        folder or hass.config.path(DOMAIN, slugify(entry.title) or entry.entry_id)
    )
    return await hass.async_add_executor_job(
        _write, hass, target, past, contract, folder is not None
    )


def _write(
    hass: HomeAssistant,
    folder: Path,
    past: PastPower,
    contract: Contract,
    chosen: bool,
) -> dict[str, Any]:
    """Write all files, or none where one of them may not be written."""
    known = past.known.nonzero()[0]
    tariff = contract.site.tariff
    begin_s = past.span.begin_s + int(known[0]) * QUARTER_S
    texts = {
        HOUSE: "".join(_house(past, range(known[0], known[-1] + 1), tariff.zone)),
        IMPORT_PRICES: "".join(_prices(tariff, begin_s, past.span.end_s, 0)),
        EXPORT_PRICES: "".join(_prices(tariff, begin_s, past.span.end_s, 1)),
        TARIFF: dump(_contract(contract)),
    }
    paths = {name: folder / name for name in texts}
    if chosen:
        # An absolute path says where it is; a link may lead elsewhere.
        for path in (folder, *paths.values()):
            if not folder.is_absolute() or not hass.config.is_allowed_path(str(path)):
                raise ServiceValidationError(
                    translation_domain=DOMAIN,
                    translation_key="path_not_allowed",
                    translation_placeholders={"path": str(path)},
                )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_utf8_file_atomic(str(paths[name]), text)
    except (OSError, WriteError) as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="export_failed",
            translation_placeholders={"path": str(folder), "error": str(err)},
        ) from err
    return {
        "folder": str(folder),
        "files": list(texts),
        "first": _iso(begin_s, tariff.zone),
        "last": _iso(past.span.begin_s + int(known[-1]) * QUARTER_S, tariff.zone),
        "hours": round(len(known) / 4, 2),
        "hours_missing": round((known[-1] + 1 - known[0] - len(known)) / 4, 2),
    }


def _house(past: PastPower, rows: range, zone: ZoneInfo) -> Iterator[str]:
    """Yield the house as CSV; what is not known is empty."""
    yield "time,load_w,solar_w\n"
    load_w, solar_w = house_powers(past)
    for row in rows:
        time = _iso(past.span.begin_s + row * QUARTER_S, zone)
        yield f"{time},{_number(load_w[row])},{_number(solar_w[row])}\n"


def _number(value: float) -> str:
    return "" if isnan(value) else f"{value:.1f}"


def _prices(tariff: Tariff, begin_s: float, end_s: float, way: int) -> Iterator[str]:
    """Yield the prices of one way in a regular step; what is not known has no row."""
    slots: list[PriceSlot] = []
    at_s = begin_s
    while at_s < end_s:
        slots += tariff.day_slots(at_s)
        at_s = tariff.local_midnight_after(at_s)
    first_s = slots[0].start_s
    step_s = next(
        (
            step_s
            for step_s in PRICE_STEPS_S
            if all((slot.start_s - first_s) % step_s == 0.0 for slot in slots)
        ),
        PRICE_STEPS_S[-1],
    )
    yield "time,price\n"
    for slot in slots:
        price = slot.export_price if way else slot.import_price
        at_s = slot.start_s
        while price is not None and at_s < slot.end_s:
            yield f"{_iso(at_s, tariff.zone)},{price:.6g}\n"
            at_s += step_s


def _contract(contract: Contract) -> dict[str, Any]:
    """Return the contract in the form of a replay's file."""
    site = contract.site
    data: dict[str, Any] = {
        "currency": site.tariff.currency,
        "timezone": site.tariff.zone.key,
        "import": {"series": IMPORT_PRICES},
        "export": {"series": EXPORT_PRICES},
        "battery_export_limit_w": site.battery_export_limit_w,
    }
    if site.tariff.published_minute is not None:
        hour, minute = divmod(site.tariff.published_minute, 60)
        data["published"] = {"at": f"{hour:02}:{minute:02}"}
    if site.main_limit_w is not None:
        data["main_limit_w"] = site.main_limit_w
    if contract.import_limit_w is not None:
        data["import_limit_kw"] = contract.import_limit_w / 1000.0
    if site.capacity is not None:
        data["capacity"] = {
            "price_per_kw_month": site.capacity.price_per_kw_month,
            "window_min": site.capacity.window_min,
            "free_kw": site.capacity.free_kw,
            "peaks_averaged": site.capacity.peaks_averaged,
        }
    return data


def _iso(at_s: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_s, zone).isoformat()
