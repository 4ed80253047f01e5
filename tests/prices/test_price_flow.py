"""Prices that are chosen in the form, tried at once, and used by the home."""

from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.conftest import GRID, make_entry, set_power
from tests.flow_walk import TEXTS, Walk
from tests.prices import payloads
from tests.prices.homes import load
from tests.prices.payloads import LONDON, OSLO, PLAIN_DAY, TOKYO, begin
from tests.prices.servers import Servers, nord_pool_entry
from tests.test_config_flow import at_tariff

PRICES = "sensor.prices"
# What the form of parts begins with.
PARTS: dict[str, Any] = {
    "loss_percent": 0,
    "factor": 1,
    "add": 0,
    "add_by_time": False,
    "vat_percent": 0,
    "export": 0,
    "monthly": {},
}
MARKET = {**PARTS, "export_kind": "fixed"}


async def options(
    hass: HomeAssistant, choice: str, tariff: dict[str, Any] | None = None
) -> tuple[Walk, MockConfigEntry]:
    """Open the options of a home and choose a kind of tariff."""
    set_power(hass, GRID, 500.0)
    entry = make_entry(options={"tariff": tariff or {"import": 0.3}})
    entry.add_to_hass(hass)
    return await again(hass, entry, choice), entry


async def again(hass: HomeAssistant, entry: MockConfigEntry, choice: str) -> Walk:
    walk = await Walk(hass.config_entries.options, "options").start(entry.entry_id)
    await walk.choose("tariff")
    await walk.choose(choice)
    return walk


async def price_of(hass: HomeAssistant, entry: MockConfigEntry) -> float | None:
    """Load the home and return what a kWh costs now."""
    if entry.state.recoverable:
        assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    slot = entry.runtime_data.home.site.tariff.at(dt_util.utcnow().timestamp())
    return None if slot is None else slot.import_price


# ------------------------------------------------------------------ core integrations


@pytest.mark.usefixtures("norway")
async def test_oslo_with_nord_pool_and_a_grid_fee_by_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=15))
    servers.last = PLAIN_DAY + timedelta(days=1)
    await load(hass, nord_pool_entry("NO1", "NO2"))
    walk, entry = await options(hass, "price_integration")
    await walk.submit(integration="nordpool")
    assert walk.step == "price_nordpool"
    await walk.submit(area="NO2", minutes="15")
    assert walk.step == "price_parts"
    assert walk.placeholders["found"].startswith("192 × · ")
    assert "NOK/kWh" in walk.placeholders["found"]
    assert walk.placeholders["found"].endswith("→ 2026-11-24 00:00")
    await walk.submit(
        **MARKET | {"add_by_time": True, "vat_percent": 25, "export_kind": "market"}
    )
    assert walk.step == "band"
    await walk.submit(price=0.35, **{"from": "22:00:00", "to": "06:00:00"})
    await walk.choose("export")
    assert walk.errors == {"from": "not_covered"}
    await walk.submit(price=0.45, **{"from": "06:00:00", "to": "22:00:00"})
    await walk.choose("export")
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options["tariff"] == {
        "source": {"kind": "nordpool", "area": "NO2", "minutes": 15},
        "import": {
            "formula": {
                "spot": {"series": "import"},
                "add": {
                    "bands": [
                        {"price": 0.35, "from": "22:00", "to": "06:00"},
                        {"price": 0.45, "from": "06:00", "to": "22:00"},
                    ]
                },
                "vat_percent": 25,
            }
        },
        "export": {"series": "import"},
    }
    assert await price_of(hass, entry) == pytest.approx(
        (payloads.price(PLAIN_DAY, 60) + 0.45) * 1.25, abs=1e-5
    )

    # The next time all of it is there to be changed.
    walk = await again(hass, entry, "price_integration")
    assert walk.suggested() == {"integration": "nordpool"}
    await walk.submit(integration="nordpool")
    assert walk.suggested() == {"area": "NO2", "minutes": "15"}
    await walk.submit(area="NO2", minutes="60")
    assert walk.suggested() == {
        "loss_percent": 0,
        "factor": 1,
        "add": 0,
        "add_by_time": True,
        "vat_percent": 25,
        "export_kind": "market",
        "export": 0,
    }
    await walk.submit(**walk.suggested() | {"export": -0.02}, monthly={})
    assert walk.step == "bands"
    assert len(walk.placeholders["bands"].splitlines()) == 2
    await walk.choose("export")
    assert entry.options["tariff"]["source"]["minutes"] == 60
    assert entry.options["tariff"]["export"] == {
        "formula": {"spot": {"series": "import"}, "add": -0.02}
    }
    walk = await again(hass, entry, "price_integration")
    await walk.submit(integration="nordpool")
    await walk.submit(**walk.suggested())
    assert walk.suggested()["export"] == -0.02


@pytest.mark.usefixtures("norway")
async def test_no_integration_is_set_up(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    walk, _ = await options(hass, "price_integration")
    assert walk.errors == {"base": "no_price_integration"}
    assert walk.placeholders["integrations"] == (
        "Nord Pool, Tibber, easyEnergy, EnergyZero"
    )
    # It may be set up meanwhile.
    await load(hass, nord_pool_entry("NO1"))
    await walk.submit()
    assert walk.errors == {}
    assert walk.fields == {"integration"}


@pytest.mark.usefixtures("norway")
async def test_a_source_that_does_not_answer_is_told_at_once(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    integration = nord_pool_entry("NO1")
    await load(hass, integration)
    walk, entry = await options(hass, "price_integration")
    await walk.submit(integration="nordpool")
    assert await hass.config_entries.async_unload(integration.entry_id)
    await walk.submit(area="NO1", minutes="60")
    assert walk.errors == {"base": "price_source"}
    assert walk.placeholders["problem"].startswith("Nord Pool is not available")
    assert entry.options["tariff"] == {"import": 0.3}
    assert await hass.config_entries.async_setup(integration.entry_id)
    await walk.submit(area="NO1", minutes="60")
    assert walk.step == "price_parts"


@pytest.mark.usefixtures("norway")
async def test_a_source_without_a_price_for_now(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    await load(hass, nord_pool_entry("NO1"))
    walk, _ = await options(hass, "price_template")
    past = begin(PLAIN_DAY, OSLO).timestamp()
    await walk.submit(
        template=f"{{{{ [{{'start': {past}, 'end': {past + 3600.0}, 'price': 1}}] }}}}"
    )
    assert walk.errors == {"base": "price_source"}
    assert "has no prices now" in walk.placeholders["problem"]


@pytest.mark.parametrize("kind", ["easyenergy", "energyzero"])
@pytest.mark.usefixtures("netherlands")
async def test_utrecht(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers, kind: str
) -> None:
    freezer.move_to(begin(PLAIN_DAY, payloads.AMSTERDAM) + timedelta(hours=10))
    await load(hass, MockConfigEntry(domain=kind, title=kind, data={}))
    walk, entry = await options(hass, "price_integration")
    await walk.submit(integration=kind)
    assert walk.step == f"price_{kind}"
    assert walk.suggested() == {"includes": "all", "minutes": "15"}
    await walk.submit(includes="market", minutes="60")
    await walk.submit(**MARKET | {"add": 0.13, "export_kind": "source"})
    assert entry.options["tariff"] == {
        "source": {"kind": kind, "includes": "market", "minutes": 60},
        "import": {"formula": {"spot": {"series": "import"}, "add": 0.13}},
        "export": {"series": "export"},
    }
    price = payloads.expected(PLAIN_DAY, payloads.AMSTERDAM, 60)[10]
    assert await price_of(hass, entry) == pytest.approx(price + 0.13, abs=1e-4)
    tariff = entry.runtime_data.home.site.tariff
    slot = tariff.at(dt_util.utcnow().timestamp())
    assert slot.export_price is not None

    walk = await again(hass, entry, "price_integration")
    await walk.submit(integration=kind)
    assert walk.suggested() == {"includes": "market", "minutes": "60"}
    await walk.submit(**walk.suggested())
    assert walk.suggested()["export_kind"] == "source"
    assert walk.suggested()["add"] == 0.13


async def test_a_currency_that_is_not_that_of_home_assistant(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    await hass.config.async_update(currency="USD")
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    await load(hass, nord_pool_entry("GER", currency="EUR"))
    walk, _ = await options(hass, "price_integration")
    await walk.submit(integration="nordpool")
    await walk.submit(area="GER", minutes="15")
    assert walk.errors == {"base": "price_currency"}
    assert walk.placeholders["problem"] == "EUR"
    assert walk.placeholders["currency"] == "USD"


async def test_a_new_home_has_the_same_choice(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await hass.config.async_set_time_zone("Europe/Oslo")
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    hass.states.async_set(
        PRICES, "0.1", payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    )
    await hass.config.async_update(currency="NOK")
    walk = await at_tariff(hass)
    await walk.choose("price_entity")
    await walk.submit(entities=[PRICES])
    await walk.submit(**MARKET | {"add": 0.4})
    assert walk.step == "first_unit"
    for texts in TEXTS.values():
        shown = texts["options"]["step"]
        for step in ("tiers", *(key for key in shown if key.startswith("price_"))):
            assert texts["config"]["step"][step] == shown[step]


# ---------------------------------------------------------------------------- entities


async def test_london_with_octopus_agile_and_outgoing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await hass.config.async_set_time_zone("Europe/London")
    await hass.config.async_update(currency="GBP")
    freezer.move_to(begin(PLAIN_DAY, LONDON) + timedelta(hours=17))
    rates = payloads.octopus_energy(PLAIN_DAY)
    for name in ("current_day_rates", "next_day_rates", "outgoing"):
        hass.states.async_set(f"event.{name}", "2026-11-22T00:00:00", rates)
    hass.states.async_set("event.next_day_rates", "unknown", {})
    walk, entry = await options(hass, "price_entity")
    assert walk.placeholders["entities"] == (
        "event.current_day_rates (Octopus Energy), event.outgoing (Octopus Energy)"
    )
    answers = {
        "entities": ["event.current_day_rates", "event.next_day_rates"],
        "export_entities": ["event.outgoing"],
    }
    await walk.submit(**answers, published="16:00:30")
    assert walk.errors == {"published": "not_a_time"}
    await walk.submit(**answers, published="16:00:00")
    assert walk.step == "price_parts"
    await walk.submit(**MARKET | {"export_kind": "source"})
    assert entry.options["tariff"] == {
        "source": {"kind": "entity", **answers},
        "published": {"at": "16:00"},
        "import": {"series": "import"},
        "export": {"series": "export"},
    }
    assert await price_of(hass, entry) is not None
    assert entry.runtime_data.home.site.tariff.published_minute == 16 * 60
    walk = await again(hass, entry, "price_entity")
    assert walk.suggested() == {**answers, "published": "16:00"}


async def test_brisbane_with_amber(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await hass.config.async_set_time_zone("Australia/Brisbane")
    await hass.config.async_update(currency="AUD")
    attributes = payloads.amber_forecast(PLAIN_DAY)
    now = dt_util.parse_datetime(attributes["forecasts"][2]["start_time"])
    assert now is not None
    freezer.move_to(now + timedelta(minutes=2))
    hass.states.async_set("sensor.general_forecast", "0.3", attributes)
    walk, entry = await options(hass, "price_entity")
    await walk.submit(entities=["sensor.general_forecast"])
    await walk.submit(**MARKET)
    assert "published" not in entry.options["tariff"]
    assert await price_of(hass, entry) == pytest.approx(
        attributes["forecasts"][2]["per_kwh"]
    )


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_an_unknown_shape_shows_what_was_found_and_what_is_expected(
    hass: HomeAssistant, language: str
) -> None:
    hass.config.language = language
    hass.states.async_set(PRICES, "1", {"hours": [{"hour": 0, "cost": 1}]})
    walk, _ = await options(hass, "price_entity")
    assert walk.placeholders["entities"] == "–"
    await walk.submit(entities=[PRICES])
    assert walk.errors == {"base": "price_source"}
    problem = walk.placeholders["problem"]
    assert "hours: [1 × {hour, cost}]" in problem
    assert "Nord Pool – raw_today/raw_tomorrow: [{start, end, value}]" in problem
    assert ("見つかったもの" in problem) is (language == "ja")


async def test_a_source_that_has_no_export_prices(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await hass.config.async_set_time_zone("Europe/Oslo")
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    hass.states.async_set(
        PRICES, "0.1", payloads.nord_pool_custom(PLAIN_DAY, OSLO, tomorrow=False)
    )
    await hass.config.async_update(currency="NOK")
    walk, _ = await options(hass, "price_entity")
    await walk.submit(entities=[PRICES])
    await walk.submit(**MARKET | {"export_kind": "source"})
    assert walk.errors == {"export_kind": "no_export_prices"}


# ------------------------------------------------------------------- JEPX and templates


async def test_tokyo_with_jepx(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """Losses, wheeling, VAT, and each month's fuel adjustment and levy."""
    await hass.config.async_set_time_zone("Asia/Tokyo")
    await hass.config.async_update(currency="JPY")
    freezer.move_to(begin(PLAIN_DAY, TOKYO) + timedelta(hours=12))
    hass.states.async_set(PRICES, "1", {"csv": payloads.jepx_lines(PLAIN_DAY)})
    walk, entry = await options(hass, "price_jepx")
    assert walk.placeholders["entities"] == f"{PRICES} (JEPX)"
    assert walk.suggested() == {"area": "tokyo", "published": "10:30"}
    await walk.submit(entities=[PRICES], area="kansai", published="10:30:00")
    fuel = [
        {"from": "2026-10-01", "price": -1.5},
        {"from": "2026-11-01", "price": 2.25},
    ]
    levy = [{"from": "2026-05-01", "price": 3.98}]
    parts = {"loss_percent": 6.9, "add": 9.5, "vat_percent": 10}
    await walk.submit(
        **MARKET | parts | {"monthly": {"fuel_adjustment": fuel, "levy": levy}}
    )
    assert entry.options["tariff"] == {
        "source": {"kind": "entity", "entities": [PRICES], "area": "kansai"},
        "published": {"at": "10:30"},
        "import": {
            "formula": {
                "spot": {"series": "import"},
                **parts,
                "fuel_adjustment": fuel,
                "levy": levy,
            }
        },
        "export": 0,
    }
    home_price = await price_of(hass, entry)
    spot = entry.runtime_data.home.prices.book.imported[24].price
    assert home_price == pytest.approx((spot / 0.931 + 9.5) * 1.1 + 2.25 + 3.98)

    # Next month's adjustment is added to those that are there.
    walk = await again(hass, entry, "price_jepx")
    await walk.submit(**walk.suggested())
    assert walk.suggested(of="monthly") == {"fuel_adjustment": fuel, "levy": levy}
    await walk.submit(
        **walk.suggested(),
        monthly={
            "fuel_adjustment": [*fuel, {"from": "2026-12-01", "price": 2.5}],
            "levy": levy,
        },
    )
    formula = entry.options["tariff"]["import"]["formula"]
    assert formula["fuel_adjustment"][2] == {"from": "2026-12-01", "price": 2.5}


async def test_a_template(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    walk, entry = await options(hass, "price_template")
    await walk.submit(template="{{ 1 / 0 }}")
    assert walk.errors == {"base": "price_source"}
    assert "ZeroDivisionError" in walk.placeholders["problem"]
    await walk.submit(template="{{ [{'begin': 1}] }}")
    assert "prices" in walk.placeholders["problem"]
    template = (
        "{{ [{'start': (now() - timedelta(hours=1)).isoformat(), "
        "'end': (now() + timedelta(hours=3)).isoformat(), 'price': 0.25}] }}"
    )
    await walk.submit(template=template, export_template="")
    assert walk.step == "price_parts"
    await walk.submit(**MARKET)
    assert entry.options["tariff"]["source"] == {
        "kind": "template",
        "template": template,
    }
    assert await price_of(hass, entry) == 0.25


# ------------------------------------------------------------------------------- tiers


async def test_three_tiers_with_fuel_adjustment_and_levy(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await hass.config.async_set_time_zone("Asia/Tokyo")
    await hass.config.async_update(currency="JPY")
    freezer.move_to(begin(PLAIN_DAY.replace(day=2), TOKYO))
    walk, entry = await options(hass, "tiers")
    rows = [
        {"price": 29.8, "upto_kwh": 120},
        {"price": 36.4, "upto_kwh": 300},
        {"price": 40.49},
    ]
    await walk.submit(tiers=rows[:2], month_kwh=350, month_day=1)
    assert walk.errors == {"base": "price_parts"}
    assert "a last tier without upto_kwh" in walk.placeholders["problem"]
    await walk.submit(tiers=rows, month_kwh=350, month_day=1)
    assert walk.step == "price_parts"
    assert walk.placeholders["found"] == (
        "29.8 JPY/kWh (120 kWh) → 36.4 JPY/kWh (300 kWh) → 40.49 JPY/kWh"
    )
    # There is no market whose price export could earn.
    assert "export_kind" not in walk.fields
    levy = [{"from": "2026-05-01", "price": 3.98}]
    await walk.submit(**PARTS | {"export": 7, "monthly": {"levy": levy}})
    tiers = {"tiers": rows, "month_kwh": 350, "month_day": 1}
    assert entry.options["tariff"] == {
        "import": {"formula": {"spot": tiers, "levy": levy}},
        "export": 7,
    }
    assert await price_of(hass, entry) == pytest.approx(29.8 + 3.98)
    walk = await again(hass, entry, "tiers")
    assert walk.suggested() == tiers


async def test_bands_with_fuel_adjustment_and_levy(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """A Japanese contract by time of day."""
    await hass.config.async_set_time_zone("Asia/Tokyo")
    await hass.config.async_update(currency="JPY")
    freezer.move_to(begin(PLAIN_DAY, TOKYO) + timedelta(hours=12))
    bands = {"bands": [{"price": 28, "from": "01:00", "to": "06:00"}, {"price": 36}]}
    walk, entry = await options(hass, "bands", {"import": bands, "export": 7})
    await walk.choose("export")
    assert walk.suggested() == {"export": 7}
    levy = [{"from": "2026-05-01", "price": 3.98}]
    fuel = [{"from": "2026-11-01", "price": -2.5}]
    await walk.submit(
        export=7, monthly={"levy": [{"from": "2026-05-01", "price": 1e9}]}
    )
    assert walk.errors == {"base": "price_parts"}
    assert "levy[0].price" in walk.placeholders["problem"]
    await walk.submit(export=7, monthly={"fuel_adjustment": fuel, "levy": levy})
    assert entry.options["tariff"] == {
        "import": {"formula": {"spot": bands, "fuel_adjustment": fuel, "levy": levy}},
        "export": 7,
    }
    assert await price_of(hass, entry) == pytest.approx(36 - 2.5 + 3.98)
    walk = await again(hass, entry, "bands")
    assert len(walk.placeholders["bands"].splitlines()) == 2
    await walk.choose("export")
    assert walk.suggested(of="monthly") == {"fuel_adjustment": fuel, "levy": levy}
    # Without them they are plain bands again.
    await walk.submit(export=7, monthly={})
    assert entry.options["tariff"] == {"import": bands, "export": 7}


async def test_a_levy_that_begins_on_no_day(hass: HomeAssistant) -> None:
    walk, _ = await options(hass, "tiers")
    await walk.submit(tiers=[{"price": 0.3}], month_kwh=350, month_day=1)
    with pytest.raises(InvalidData):
        await walk.submit(
            **PARTS | {"monthly": {"levy": [{"from": "May", "price": 1}]}}
        )
    await walk.submit(
        **PARTS | {"monthly": {"levy": [{"from": "2026-05-01", "price": 1e9}]}}
    )
    assert walk.errors == {"base": "price_parts"}
    assert "levy[0].price" in walk.placeholders["problem"]


async def test_another_kind_of_tariff_takes_nothing_over_but_its_parts(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(begin(PLAIN_DAY, OSLO) + timedelta(hours=9))
    bands = {"bands": [{"price": 0.2, "from": "23:00", "to": "07:00"}, {"price": 0.3}]}
    walk, _ = await options(hass, "tiers", {"import": bands, "export": 0.08})
    assert walk.suggested() == {"month_day": 1}
    await walk.submit(tiers=[{"price": 0.3}], month_kwh=350, month_day=1)
    assert walk.suggested() == {
        key: value for key, value in PARTS.items() if key != "monthly"
    } | {"export": 0.08}
    walk, _ = await options(hass, "price_entity", {"import": bands})
    assert walk.suggested() == {}
