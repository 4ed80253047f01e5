"""A running home and its prices: when they come, when they do not, over a restart."""

import asyncio
from datetime import date, datetime, timedelta
from statistics import fmean
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import EVENT_CALL_SERVICE
from homeassistant.core import Event, HomeAssistant, SupportsResponse, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import ReasonCode
from custom_components.leaf_to_home.engine.plan import PriceBasis
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.sources import prices
from custom_components.leaf_to_home.sources.price_actions import ActionReader
from custom_components.leaf_to_home.sources.price_book import Offer
from custom_components.leaf_to_home.sources.price_readers import EntityReader
from custom_components.leaf_to_home.sources.price_shapes.values import PriceError
from custom_components.leaf_to_home.store import SafeStore
from tests import recording
from tests.conftest import GRID, UNIT_ID, make_entry, set_power, setup, unit_data
from tests.prices import payloads
from tests.prices.homes import IMPORT, load
from tests.prices.payloads import AUTUMN_DAY, OSLO, PLAIN_DAY, SPRING_DAY, begin
from tests.prices.servers import Servers, nord_pool_entry

pytestmark = pytest.mark.usefixtures("recording_driver", "norway")

NORD_POOL: dict[str, Any] = {
    "source": {"kind": "nordpool", "area": "NO1", "minutes": 15},
    "import": IMPORT,
}
PRICES = "sensor.prices"
ENTITY: dict[str, Any] = {
    "source": {"kind": "entity", "entities": [PRICES]},
    "import": IMPORT,
}
TOMORROW = PLAIN_DAY + timedelta(days=1)


@pytest.fixture(autouse=True)
def no_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look exactly when it is time to."""
    monkeypatch.setattr(prices, "SPREAD_S", 0.0)


async def settle(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Wait until no home looks for prices; libraries pause between their tries."""
    hass.loop.slow_callback_duration = 1e9
    for _ in range(120):
        for _ in range(10):
            # A way to the executor and back takes real time, which is not frozen.
            await hass.loop.run_in_executor(None, int)
            await asyncio.sleep(0)
        homes: list[Home] = [
            entry.runtime_data.home
            for entry in hass.config_entries.async_loaded_entries(DOMAIN)
        ]
        if not any(home.prices._looking for home in homes):
            return
        freezer.tick(timedelta(seconds=1))
    raise AssertionError("looking for prices does not come to an end")


async def pass_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, **delta: float
) -> None:
    """Let time pass in one step, and what is due then happen."""
    freezer.tick(timedelta(**delta))
    # Meter and unit are heard all the time.
    set_power(hass, GRID, 500.0 + dt_util.utcnow().minute)
    recording.UNITS[UNIT_ID].push()
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    await settle(hass, freezer)


async def loaded(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tariff: dict[str, Any],
    **entry: Any,
) -> tuple[Home, MockConfigEntry]:
    set_power(hass, GRID, 500.0)
    found = make_entry(unit_data(recording.DRIVER), options={"tariff": tariff}, **entry)
    home = await setup(hass, found)
    await settle(hass, freezer)
    return home, found


def days_asked_for(hass: HomeAssistant) -> list[str]:
    """Return the days that homes ask Nord Pool for, from now on."""
    days: list[str] = []

    def called(event: Event) -> None:
        if event.data["domain"] == "nordpool":
            days.append(event.data["service_data"]["date"])

    hass.bus.async_listen(EVENT_CALL_SERVICE, callback(called))
    return days


def known_until(home: Home) -> Any:
    return home.prices.known_until


def midnight(after: date) -> Any:
    """Return the end of a day."""
    return begin(after + timedelta(days=1), OSLO)


def price_now(home: Home) -> float | None:
    home.async_step()
    assert home.decision is not None
    return home.decision.import_price


async def basis_now(hass: HomeAssistant, home: Home) -> PriceBasis:
    """Return where the plan of now has its price from."""
    while home.plans.running:
        # Time is frozen, so that a pause would never end.
        await hass.loop.run_in_executor(None, int)
    step = home.plans.plans[UNIT_ID].at(dt_util.utcnow().timestamp())
    assert step is not None
    return step.price_basis


def issues(hass: HomeAssistant) -> list[ir.IssueEntry]:
    return [
        issue
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue.active and "prices" in issue.issue_id
    ]


async def test_tomorrow_comes_when_it_is_published(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=8))
    servers.last = PLAIN_DAY
    await load(hass, nord_pool_entry("NO1"))
    home, _ = await loaded(hass, freezer, NORD_POOL)
    assert known_until(home) == midnight(PLAIN_DAY)
    assert price_now(home) == pytest.approx(payloads.price(PLAIN_DAY, 32), abs=1e-5)
    site = home.site

    # Nobody asks for what cannot be there yet.
    asked = days_asked_for(hass)
    await pass_time(hass, freezer, hours=4)
    assert asked == []
    # It is late today.
    await pass_time(hass, freezer, minutes=46)
    await pass_time(hass, freezer, minutes=5)
    assert known_until(home) == midnight(PLAIN_DAY)
    assert home.site is site
    servers.last = TOMORROW
    await pass_time(hass, freezer, minutes=5)
    assert known_until(home) == midnight(TOMORROW)
    # The home goes on with a new tariff, without having been loaded anew.
    assert home.site is not site
    assert home.site.tariff is home.prices.tariff
    await pass_time(hass, freezer, seconds=11)
    state = hass.states.get("sensor.home_prices_known_until")
    assert state is not None
    assert state.state == midnight(TOMORROW).isoformat()
    # Only what was missing was asked for, and now nothing is any more.
    assert set(asked) == {TOMORROW.isoformat()}
    asked.clear()
    for _ in range(20):
        await pass_time(hass, freezer, hours=1)
    assert asked == []
    assert not issues(hass)


async def test_what_is_known_stays_known(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The server is gone for a day and a half; the user is told while there is time."""
    noon = begin(PLAIN_DAY, OSLO) + timedelta(hours=13)
    freezer.move_to(noon)
    servers.last = TOMORROW
    await load(hass, nord_pool_entry("NO1"))
    home, _ = await loaded(hass, freezer, NORD_POOL)
    assert known_until(home) == midnight(TOMORROW)
    servers.down = True
    for _ in range(14):
        await pass_time(hass, freezer, hours=2)
    assert not issues(hass)
    assert price_now(home) == pytest.approx(payloads.price(TOMORROW, 17 * 4), abs=1e-5)
    assert caplog.text.count("no prices: Nord Pool could not be asked") == 1

    await pass_time(hass, freezer, hours=2)
    (issue,) = issues(hass)
    assert issue.translation_key == "prices_missing"
    assert issue.translation_placeholders is not None
    assert "Nord Pool could not be asked" in issue.translation_placeholders["error"]
    # When nothing is known any more, the day before tells what the price may be.
    for _ in range(3):
        await pass_time(hass, freezer, hours=2)
    assert price_now(home) is None
    assert await basis_now(hass, home) is PriceBasis.ESTIMATED
    assert home.plans.followed(dt_util.utcnow().timestamp())
    await pass_time(hass, freezer, seconds=11)
    reason = hass.states.get("sensor.leaf_reason")
    assert reason is not None
    assert reason.attributes["price_basis"] == "estimated"
    # Another day later nobody knows, and the unit is held still.
    for _ in range(8):
        await pass_time(hass, freezer, hours=3)
    assert await basis_now(hass, home) is PriceBasis.UNKNOWN
    assert price_now(home) is None
    assert home.decision is not None
    assert home.decision.units[UNIT_ID].reason.code is ReasonCode.NO_PRICE

    servers.down = False
    servers.last = TOMORROW + timedelta(days=2)
    await pass_time(hass, freezer, minutes=31)
    assert price_now(home) is not None
    assert not issues(hass)
    assert "prices come again" in caplog.text


async def test_prices_outlive_a_restart_without_their_source(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    hass_storage: dict[str, Any],
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13))
    servers.last = TOMORROW
    integration = nord_pool_entry("NO1")
    await load(hass, integration)
    home, entry = await loaded(hass, freezer, NORD_POOL)
    slots = home.site.tariff.known(dt_util.utcnow().timestamp(), hours=48)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_unload(integration.entry_id)
    stored = hass_storage[f"{DOMAIN}.prices.{entry.entry_id}"]["data"]
    assert len(stored["book"]["import"]) >= 2 * 96

    assert await hass.config_entries.async_setup(entry.entry_id)
    again: Home = entry.runtime_data.home
    assert again is not home
    assert again.site.tariff.known(slots[0].start_s, hours=48) == slots
    assert again.decision is not None
    assert again.decision.import_price is not None
    await settle(hass, freezer)
    assert again.site.tariff.known(slots[0].start_s, hours=48) == slots

    # Another area's prices are of no use.
    assert await hass.config_entries.async_unload(entry.entry_id)
    source = {**NORD_POOL["source"], "area": "NO2"}
    hass.config_entries.async_update_entry(
        entry, options={"tariff": {**NORD_POOL, "source": source}}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert known_until(entry.runtime_data.home) is None

    await hass.config_entries.async_remove(entry.entry_id)
    await settle(hass, freezer)
    assert f"{DOMAIN}.prices.{entry.entry_id}" not in hass_storage


@pytest.mark.parametrize(
    "data",
    [
        {"source": NORD_POOL["source"], "currency": "NOK", "book": {}},
        {"source": NORD_POOL["source"], "currency": "NOK", "book": None},
        {"source": NORD_POOL["source"], "currency": "NOK"},
        {"source": NORD_POOL["source"], "currency": "SEK", "book": None},
        {"source": 3},
        [],
    ],
)
async def test_a_store_that_cannot_be_read_begins_anew(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    hass_storage: dict[str, Any],
    data: Any,
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13))
    await load(hass, nord_pool_entry("NO1"))
    key = f"{DOMAIN}.prices.01JHOME0000000000000000000"
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": data}
    home, _ = await loaded(
        hass, freezer, NORD_POOL, entry_id="01JHOME0000000000000000000"
    )
    assert known_until(home) == midnight(PLAIN_DAY)


async def test_a_source_that_is_loaded_later(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    """Home Assistant may start it after the home."""
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    home, _ = await loaded(hass, freezer, NORD_POOL)
    assert known_until(home) is None
    assert home.decision is not None
    await load(hass, nord_pool_entry("NO1"))
    await pass_time(hass, freezer, seconds=31)
    assert known_until(home) == midnight(PLAIN_DAY)


async def test_past_days_are_asked_for_once(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prices, "PAST_DAYS", 10)
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    servers.first = PLAIN_DAY - timedelta(days=4)
    await load(hass, nord_pool_entry("NO1"))
    asked = days_asked_for(hass)
    home, entry = await loaded(hass, freezer, NORD_POOL)
    assert (
        home.prices.book.imported[0].start_s == begin(servers.first, OSLO).timestamp()
    )
    # The first one that is not there ends it.
    assert asked[-1] == (PLAIN_DAY - timedelta(days=5)).isoformat()
    asked.clear()
    assert await hass.config_entries.async_reload(entry.entry_id)
    await settle(hass, freezer)
    assert asked == []


async def test_past_days_that_cannot_be_had(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    await load(hass, nord_pool_entry("NO1"))

    ask = ActionReader.async_read

    async def refuse(self: ActionReader, days: list[date]) -> Offer:
        if days[0] < PLAIN_DAY:
            raise PriceError("price_source_empty", source="Nord Pool")
        return await ask(self, days)

    monkeypatch.setattr(ActionReader, "async_read", refuse)
    home, _ = await loaded(hass, freezer, NORD_POOL)
    assert known_until(home) == midnight(PLAIN_DAY)
    assert home.prices.diagnostics()["known_from"] == begin(PLAIN_DAY, OSLO).isoformat()


# ------------------------------------------------------------------ entities, templates


async def test_an_entity_s_news_are_taken_at_once(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13))
    today = payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    both = payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=True)
    hass.states.async_set(PRICES, "0.1", today)
    home, _ = await loaded(hass, freezer, ENTITY)
    assert known_until(home) == midnight(PLAIN_DAY)
    hass.states.async_set(PRICES, "0.1", both)
    await pass_time(hass, freezer, seconds=2)
    assert known_until(home) == midnight(TOMORROW)
    # What it says twice, or no longer, changes nothing, and is not written again.
    site = home.site
    with patch.object(SafeStore, "async_write", autospec=True) as write:
        hass.states.async_set(PRICES, "0.2", both)
        await pass_time(hass, freezer, hours=2)
    keys = {call.args[0].key for call in write.call_args_list}
    assert keys
    assert not any(".prices." in key for key in keys)
    hass.states.async_set(PRICES, "unavailable", {})
    await pass_time(hass, freezer, seconds=2)
    assert home.site is site
    assert known_until(home) == midnight(TOMORROW)
    detail = home.prices.diagnostics()["detail"]
    assert detail.startswith("sensor.prices is not available")


async def test_prices_that_come_or_change_make_a_new_plan(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """Without the home being loaded anew; one for other prices is not followed."""
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13, minutes=2))
    attributes = payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    hass.states.async_set(PRICES, "0.1", attributes)
    home, _ = await loaded(hass, freezer, ENTITY)
    await pass_time(hass, freezer, seconds=10)
    await basis_now(hass, home)
    made = home.plans.report["made"]
    tomorrow = begin(TOMORROW, OSLO) + timedelta(hours=3)
    step = home.plans.plans[UNIT_ID].at(tomorrow.timestamp())
    assert step is not None
    assert step.price_basis is PriceBasis.ESTIMATED
    reason = hass.states.get("sensor.leaf_reason")
    assert reason is not None
    assert "price_basis" not in reason.attributes

    attributes = payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=True)
    hass.states.async_set(PRICES, "0.1", attributes)
    await pass_time(hass, freezer, seconds=10)
    await basis_now(hass, home)
    assert home.plans.report["made"] == made + 1
    step = home.plans.plans[UNIT_ID].at(tomorrow.timestamp())
    assert step is not None
    assert step.price_basis is PriceBasis.KNOWN

    for record in attributes["raw_today"]:
        record["value"] += 1.0
    hass.states.async_set(PRICES, "1.1", attributes)
    await pass_time(hass, freezer, seconds=10)
    await basis_now(hass, home)
    assert home.plans.report["made"] == made + 2
    step = home.plans.plans[UNIT_ID].at(dt_util.utcnow().timestamp())
    assert step is not None
    assert step.import_price > 1.0


async def test_an_entity_that_is_of_another_shape_now(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """An update may change it: what is known stays, and the user is told in time."""
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13))
    hass.states.async_set(
        PRICES, "0.1", payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=True)
    )
    home, _ = await loaded(hass, freezer, ENTITY)
    hass.states.async_set(PRICES, "0.1", {"hours": [{"cost": 1}]})
    await pass_time(hass, freezer, seconds=2)
    assert price_now(home) is not None
    for _ in range(34):
        await pass_time(hass, freezer, hours=1)
    (issue,) = issues(hass)
    assert issue.translation_placeholders is not None
    error = issue.translation_placeholders["error"]
    assert "Found: hours: [1 × {cost}]" in error
    assert "EPEX Spot" in error


async def test_prices_that_are_in_other_money_now(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """An integration that was set up anew tells euros, which are no crowns."""
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13))
    today = payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    hass.states.async_set(PRICES, "1", today | {"unit_of_measurement": "NOK/kWh"})
    home, _ = await loaded(hass, freezer, ENTITY)
    before = price_now(home)
    for record in today["raw_today"]:
        record["value"] /= 10.0
    hass.states.async_set(PRICES, "0.1", today | {"unit_of_measurement": "EUR/kWh"})
    await pass_time(hass, freezer, seconds=2)
    assert before is not None
    assert price_now(home) == before
    detail = home.prices.diagnostics()["detail"]
    assert detail.startswith("The prices of entity are in EUR")


async def test_export_prices_that_are_in_other_money(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13))
    today = payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    hass.states.async_set(PRICES, "1", today | {"unit_of_measurement": "NOK/kWh"})
    sold = "sensor.sold"
    hass.states.async_set(sold, "1", today | {"unit_of_measurement": "EUR/kWh"})
    source = ENTITY["source"] | {"export_entities": [sold]}
    home, _ = await loaded(
        hass,
        freezer,
        {"source": source, "import": IMPORT, "export": {"series": "export"}},
    )
    assert home.prices.book.exported == ()
    assert "are in EUR" in home.prices.diagnostics()["detail"]


async def test_the_repair_speaks_the_system_s_language(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    hass.config.language = "ja"
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13))
    await loaded(hass, freezer, ENTITY)
    for _ in range(25):
        await pass_time(hass, freezer, hours=1)
    (issue,) = issues(hass)
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["error"].startswith(
        "sensor.prices を利用できません"
    )


async def test_a_source_that_only_repeats_the_past(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """Nothing fails, and yet nothing comes."""
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13))
    old = payloads.epex_spot(PLAIN_DAY - timedelta(days=2), OSLO)
    hass.states.async_set(PRICES, "0.1", old)
    home, _ = await loaded(hass, freezer, ENTITY)
    assert known_until(home) is None
    for _ in range(25):
        await pass_time(hass, freezer, hours=1)
    (issue,) = issues(hass)
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["error"] == "–"
    assert home.prices.diagnostics()["failures"] == 0


async def test_import_and_export_from_entities(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """Amber: the interval that runs, the forecast, and both again for feeding in."""
    await hass.config.async_set_time_zone("Australia/Brisbane")
    zone = payloads.BRISBANE
    freezer.move_to(begin(PLAIN_DAY, zone) + timedelta(hours=10, minutes=10))
    forecast = payloads.amber_forecast(PLAIN_DAY)
    forecast["forecasts"] = forecast["forecasts"][21:]
    feed_in = {
        **forecast,
        "forecasts": [
            {**each, "per_kwh": each["per_kwh"] / 2.0} for each in forecast["forecasts"]
        ],
    }
    hass.states.async_set("sensor.now", "0.1", payloads.amber_now(PLAIN_DAY, 20))
    hass.states.async_set("sensor.forecast", "0.1", forecast)
    hass.states.async_set("sensor.feed_in", "0.1", feed_in)
    source = {
        "kind": "entity",
        "entities": ["sensor.now", "sensor.forecast"],
        "export_entities": ["sensor.feed_in"],
    }
    home, _ = await loaded(
        hass,
        freezer,
        {"source": source, "import": IMPORT, "export": {"series": "export"}},
    )
    now_s = dt_util.utcnow().timestamp()
    slots = home.site.tariff.known(now_s)
    assert slots[0].import_price == payloads.price(PLAIN_DAY, 20, 30)
    assert slots[0].export_price is None
    assert slots[1].export_price == payloads.price(PLAIN_DAY, 21, 30) / 2.0
    assert slots[-1].end_s == begin(TOMORROW, zone).timestamp()


async def test_a_template(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=13))
    midnight_s = begin(PLAIN_DAY, OSLO).timestamp()
    template = (
        "{% set ns = namespace(found=[]) %}"
        "{% for price in state_attr('sensor.jepx', 'prices') or [] %}"
        "{% set ns.found = ns.found + [{'start': "
        f"{midnight_s} + 1800 * loop.index0, 'price': price}}] %}}"
        "{% endfor %}{{ ns.found }}"
    )
    source = {
        "kind": "template",
        "template": template,
        "export_template": "{{ [] }}",
    }
    home, _ = await loaded(hass, freezer, {"source": source, "import": IMPORT})
    assert known_until(home) is None
    hass.states.async_set("sensor.jepx", "1", {"prices": [30.0 + k for k in range(48)]})
    await pass_time(hass, freezer, seconds=2)
    assert known_until(home) == midnight(PLAIN_DAY)
    assert price_now(home) == 30.0 + 26


@pytest.mark.parametrize(
    ("template", "detail"),
    [
        ("{{ 1 / 0 }}", "The template cannot be rendered: ZeroDivisionError"),
        ("{{ 'soon' }}", "prices cannot be read. Found: 'soon'"),
        ("", "prices cannot be read. Found: ''"),
        ("{{ [{'start': 3}] }}", "prices[0].start cannot be read. Found: 3"),
    ],
)
async def test_templates_that_give_no_prices(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, template: str, detail: str
) -> None:
    source = {"kind": "template", "template": template}
    home, _ = await loaded(hass, freezer, {"source": source, "import": IMPORT})
    assert home.prices.diagnostics()["detail"].startswith(detail)


# ------------------------------------------------------------------ tiers and the rest


async def test_the_tier_follows_what_was_imported(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, hass_storage: dict[str, Any]
) -> None:
    freezer.move_to(begin(PLAIN_DAY.replace(day=1), OSLO) + timedelta(minutes=1))
    tiers = {
        "tiers": [{"price": 29.8, "upto_kwh": 1.0}, {"price": 36.4}],
        "month_kwh": 15.0,
    }
    home, entry = await loaded(
        hass,
        freezer,
        {
            "import": {
                "formula": {
                    "spot": tiers,
                    "levy": [{"from": "2026-05-01", "price": 3.98}],
                }
            }
        },
    )
    assert price_now(home) == pytest.approx(29.8 + 3.98)
    # 0.5 kWh a day: the edge is two days away.
    edge = home.site.tariff.known(dt_util.utcnow().timestamp(), hours=72)[0].end_s
    assert edge == pytest.approx(
        begin(PLAIN_DAY.replace(day=3), OSLO).timestamp(), abs=900.0
    )
    site = home.site
    home.state = home.state.copy()
    home.state.import_kwh += 1.2
    await pass_time(hass, freezer, seconds=6)
    assert home.site is not site
    await pass_time(hass, freezer, minutes=15)
    assert price_now(home) == pytest.approx(36.4 + 3.98)

    # After a restart the month's import is still there.
    assert await hass.config_entries.async_reload(entry.entry_id)
    await settle(hass, freezer)
    again: Home = entry.runtime_data.home
    assert price_now(again) == pytest.approx(36.4 + 3.98)
    found = again.prices.diagnostics()
    assert found["source"] is None
    assert found["month"]["kwh"] == pytest.approx(1.2, abs=0.1)
    assert not hass.states.async_entity_ids_count("sensor.home_prices_known_until")


@pytest.mark.parametrize(
    "tariff",
    [
        {"source": {"kind": "oracle"}, "import": IMPORT},
        {"source": {}, "import": IMPORT},
        {"source": 3, "import": IMPORT},
        {"source": {"kind": "nordpool"}, "import": IMPORT},
        {"source": {"kind": "tibber", "tibber_home": "x"}, "import": {"series": "y"}},
        {**ENTITY, "published": {"at": "noon"}},
    ],
)
async def test_options_that_describe_no_source(
    hass: HomeAssistant, tariff: dict[str, Any]
) -> None:
    entry = make_entry(options={"tariff": tariff})
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.error_reason_translation_key == "tariff_invalid"


async def test_a_flat_price_looks_for_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, hass_storage: dict[str, Any]
) -> None:
    home, entry = await loaded(hass, freezer, {"import": 0.3})
    assert hass.states.get("sensor.home_prices_known_until") is None
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert f"{DOMAIN}.prices.{entry.entry_id}" not in hass_storage
    assert home.prices.diagnostics()["next_look"] is None


async def test_clocks_that_are_set_back(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """On a day of 25 hours each quarter-hour has its own price."""
    at_two = begin(AUTUMN_DAY, OSLO) + timedelta(hours=2, minutes=5)
    freezer.move_to(at_two)
    hass.states.async_set(
        PRICES, "0.1", payloads.nord_pool_custom(AUTUMN_DAY, OSLO, tomorrow=False)
    )
    home, _ = await loaded(hass, freezer, ENTITY)
    assert dt_util.as_local(dt_util.utcnow()).hour == 2
    assert price_now(home) == payloads.price(AUTUMN_DAY, 8)
    await pass_time(hass, freezer, hours=1)
    assert dt_util.as_local(dt_util.utcnow()).hour == 2
    assert price_now(home) == payloads.price(AUTUMN_DAY, 12)


@pytest.mark.parametrize(("day", "hours"), [(SPRING_DAY, 23), (AUTUMN_DAY, 25)])
async def test_a_plan_over_a_day_on_which_clocks_change(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    day: date,
    hours: int,
) -> None:
    """Up to the last quarter-hour prices are known; then they are estimated, marked."""
    freezer.move_to(begin(day, OSLO) - timedelta(hours=9))
    before = day - timedelta(days=1)
    hass.states.async_set(
        PRICES, "0.1", payloads.nord_pool_custom(before, OSLO, tomorrow=True)
    )
    home, _ = await loaded(hass, freezer, {**ENTITY, "published": {"at": "13:00"}})
    await pass_time(hass, freezer, seconds=10)
    await basis_now(hass, home)
    answer = await hass.services.async_call(
        DOMAIN, "get_plan", {}, blocking=True, return_response=True
    )
    assert answer is not None
    units: Any = answer["units"]
    steps = [
        (
            datetime.fromisoformat(step["start"]),
            datetime.fromisoformat(step["end"]),
            step,
        )
        for step in units[UNIT_ID]["steps"]
    ]
    prices_of = {
        at: payloads.price(day, number) for number, at in payloads.steps(day, OSLO, 15)
    }
    assert len(prices_of) == hours * 4
    until = midnight(day)
    inside = [(a, b, step) for a, b, step in steps if begin(day, OSLO) <= a < until]
    assert sum(((b - a) for a, b, _ in inside), timedelta()) == timedelta(hours=hours)
    for a, b, step in inside:
        assert step["price_basis"] == "known"
        parts = [price for at, price in prices_of.items() if a <= at < b]
        assert step["import_price"] == pytest.approx(fmean(parts), abs=1e-4)
    # To the next publication each quarter-hour is planned for itself.
    assert sum(b - a == timedelta(minutes=15) for a, b, _ in inside) == hours * 4 - 44
    later = {step["price_basis"] for a, _, step in steps if a >= until}
    assert later == {"estimated"}


async def test_a_source_that_fails_in_a_way_nobody_foresaw(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked again all the same."""
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    hass.states.async_set(
        PRICES, "0.1", payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    )

    async def fail(self: EntityReader, days: list[date]) -> Offer:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(EntityReader, "async_read", fail)
        home, _ = await loaded(hass, freezer, ENTITY)
        assert home.prices.diagnostics()["detail"] == (
            "entity could not be asked for prices: ZeroDivisionError()"
        )
    await pass_time(hass, freezer, seconds=31)
    assert known_until(home) == midnight(PLAIN_DAY)


async def test_an_answer_that_does_not_come(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    await load(hass, nord_pool_entry("NO1"))

    async def hang(call: Any) -> None:
        raise TimeoutError

    hass.services.async_register(
        "nordpool", "get_prices_for_date", hang, supports_response=SupportsResponse.ONLY
    )
    home, _ = await loaded(hass, freezer, NORD_POOL)
    assert home.prices.diagnostics()["detail"] == (
        "Nord Pool could not be asked for prices: timeout"
    )
