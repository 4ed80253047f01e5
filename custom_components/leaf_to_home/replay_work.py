"""The work of a replay of the home's own days; imported where it is asked for."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util
from sqlalchemy.exc import SQLAlchemyError

from .const import CONF_PRESET, CONF_SOH, CONF_SPEC, DOMAIN, LOGGER, TRIPS_COMMUTER
from .engine.battery import UnitSpec
from .engine.comparison import (
    LEAST_DAYS,
    Comparison,
    LineName,
    Question,
    TooLittleHistory,
    choose_days,
    commuter_trips,
    compare,
    recorded_house,
    span_s,
)
from .engine.formats import Contract, FormatError, parse_contract
from .engine.past_power import PastPower
from .engine.tables import HouseRun
from .flow_unit import WEAR_PER_KWH
from .home import LeafToHomeConfigEntry
from .presets import async_load_presets
from .recorder_past import async_past_power
from .recorder_prices import async_recorded_prices
from .replaying import Ask
from .site import build_spec


async def async_answer(
    hass: HomeAssistant,
    entry: LeafToHomeConfigEntry,
    ask: Ask,
    watch: Callable[[float], None],
) -> dict[str, Any]:
    """Return the answer; raise a translated error where there is none."""
    spec = await _async_spec(hass, ask)
    now_s = dt_util.utcnow().timestamp()
    own = await async_own_contract(
        hass, entry, *span_s(home_zone(entry), now_s, ask.days)
    )
    contract = _contract(hass, own, ask)
    begin_s, end_s = span_s(contract.site.tariff.zone, now_s, ask.days)
    past = await async_recorded(hass, entry, begin_s, end_s)
    return await hass.async_add_executor_job(_work, past, contract, spec, ask, watch)


def home_zone(entry: LeafToHomeConfigEntry) -> ZoneInfo:
    """Return the time zone of a loaded home."""
    return entry.runtime_data.home.site.tariff.zone


async def async_recorded(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry, begin_s: float, end_s: float
) -> PastPower:
    """Return the home's past; raise a translated error where nothing is known of it."""
    with _reading(entry):
        past = await async_past_power(hass, entry, begin_s, end_s)
    if past is None:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="recorder_missing"
        )
    return past


@contextmanager
def _reading(entry: LeafToHomeConfigEntry) -> Iterator[None]:
    """Raise a translated error where the recorder's database fails."""
    try:
        yield
    except SQLAlchemyError as err:
        LOGGER.warning("%s: the recorder cannot be read: %s", entry.title, err)
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="recorder_failed"
        ) from err


def too_short(past: PastPower, days: int = 0) -> HomeAssistantError:
    """Return the error of a past of which so many days are known."""
    placeholders = {"days": str(days), "least": str(LEAST_DAYS)}
    if past.silent:
        return HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="history_silent",
            translation_placeholders={
                **placeholders,
                "entities": ", ".join(past.silent),
            },
        )
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="history_too_short",
        translation_placeholders=placeholders,
    )


async def _async_spec(hass: HomeAssistant, ask: Ask) -> UnitSpec:
    presets = await async_load_presets(hass)
    if ask.preset not in presets:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="preset_unknown",
            translation_placeholders={
                "preset": ask.preset,
                "presets": ", ".join(presets),
            },
        )
    wear = WEAR_PER_KWH.get(hass.config.currency)
    data = {
        CONF_PRESET: ask.preset,
        CONF_SOH: ask.soh_percent,
        CONF_SPEC: {} if wear is None else {"wear_per_kwh": wear},
    }
    return build_spec(presets, data, ask.preset)


async def async_own_contract(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry, begin_s: float, end_s: float
) -> Contract:
    """Return the home's contract in that past, for another thread."""
    home = entry.runtime_data.home
    with _reading(entry):
        prices = await async_recorded_prices(hass, entry, begin_s, end_s)
    tariff = home.site.tariff.replayed(*prices)
    # There is nothing to tell by phase in the past of a house as a whole.
    site = replace(home.site, tariff=tariff, phase_limit_w=None)
    return Contract(site=site, import_limit_w=home.state.settings.import_limit_w)


def _contract(hass: HomeAssistant, own: Contract, ask: Ask) -> Contract:
    """Return the contract that is asked for; limits are the home's where none are."""
    if ask.tariff is None:
        return own
    try:
        given = parse_contract(
            {
                "currency": hass.config.currency,
                "timezone": hass.config.time_zone,
                **ask.tariff,
            },
            "tariff",
        )
    except FormatError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="tariff_invalid",
            translation_placeholders={"error": str(err)},
        ) from err
    kept: dict[str, Any] = {
        key: getattr(own.site, key)
        for key in ("main_limit_w", "battery_export_limit_w")
        if key not in ask.tariff
    }
    if "import_limit_kw" not in ask.tariff:
        given = replace(given, import_limit_w=own.import_limit_w)
    return replace(given, site=replace(given.site, **kept))


def _work(
    past: PastPower,
    contract: Contract,
    spec: UnitSpec,
    ask: Ask,
    watch: Callable[[float], None],
) -> dict[str, Any]:
    """Run the three lines, in the executor."""
    tariff = contract.site.tariff
    try:
        house = choose_days(recorded_house(past), tariff, ask.days)
    except TooLittleHistory as err:
        raise too_short(past, err.days) from err
    except FormatError as err:
        # There is not one whole hour.
        raise too_short(past) from err
    trips = []
    if ask.trips == TRIPS_COMMUTER:
        trips = commuter_trips(spec, house, tariff.zone)
    question = Question(house=house, contract=contract, spec=spec, trips=trips)
    found = compare(question, watch=watch)
    return {
        "currency": tariff.currency,
        "preset": ask.preset,
        # A unit that is no car makes none.
        "trips": "commuter" if trips else "none",
        **_days(house),
        **_figures(found),
    }


def _days(house: HouseRun) -> dict[str, Any]:
    return {
        "first_day": house.days[0],
        "last_day": house.days[-1],
        "days": len(house.days),
        "days_left_out": list(house.days_left_out),
    }


def _figures(found: Comparison) -> dict[str, Any]:
    with_discharge = found.lines[LineName.WITH_DISCHARGE]
    return {
        "cost": _money({name: books.total_cost for name, books in found.lines.items()}),
        "saved": _money(
            {
                name: found.saved(name)
                for name in (LineName.ON_ARRIVAL, LineName.SMART_CHARGING)
            }
        ),
        "months": [
            {"month": month.month, "days": month.days, **_money(month.costs)}
            for month in found.months
        ],
        "discharged_kwh": round(with_discharge.discharged_kwh, 1),
        "wear_cost": round(with_discharge.wear_cost, 2),
        "backup_hours": {
            "median": round(with_discharge.backup_hours_median, 1),
            "worst_5_percent": round(with_discharge.backup_hours_p5, 1),
        },
    }


def _money(amounts: Mapping[LineName, float]) -> dict[str, float]:
    return {name.value: round(amount, 2) for name, amount in amounts.items()}
