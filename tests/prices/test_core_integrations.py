"""Prices through the real integrations of Home Assistant, up to the home's tariff."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.prices import payloads
from tests.prices.homes import (
    DAYS,
    IMPORT,
    afternoon_before,
    check_day,
    home_with,
    load,
)
from tests.prices.payloads import (
    AMSTERDAM,
    AUTUMN_DAY,
    OSLO,
    PLAIN_DAY,
    SPRING_DAY,
    begin,
)
from tests.prices.servers import Servers, nord_pool_entry

NORD_POOL = {"kind": "nordpool", "area": "NO1", "minutes": 15}


@pytest.mark.usefixtures("norway")
@pytest.mark.parametrize(("day", "steps"), DAYS)
async def test_nord_pool(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    day: date,
    steps: int,
) -> None:
    """Tomorrow's quarter-hours, by the afternoon before, with VAT and a grid fee."""
    freezer.move_to(afternoon_before(day, OSLO))
    servers.last = day
    await load(hass, nord_pool_entry("NO1", "NO2"))
    fees = {"bands": [{"price": 0.35, "from": "22:00", "to": "06:00"}, {"price": 0.45}]}
    home = await home_with(
        hass, {"source": NORD_POOL, "import": IMPORT, "export": {"series": "import"}}
    )
    check_day(home, day, OSLO, steps)
    check_day(home, day - timedelta(days=1), OSLO, 96)
    # The days before are fetched as well: unknown prices are estimated from them.
    check_day(home, day - timedelta(days=3), OSLO, 96)
    slots = home.site.tariff.known(dt_util.utcnow().timestamp(), hours=72)
    assert slots[-1].end_s == begin(day + timedelta(days=1), OSLO).timestamp()
    assert slots[0].export_price == slots[0].import_price
    assert home.site.tariff.published_minute == 12 * 60 + 45
    assert servers.queries[-1]["currency"] == "NOK"

    dearer = await home_with(
        hass,
        {
            "source": NORD_POOL,
            "import": {"formula": {"spot": IMPORT, "add": fees, "vat_percent": 25}},
        },
    )
    for now, then in zip(
        home.site.tariff.day_slots(begin(day, OSLO).timestamp()),
        dearer.site.tariff.day_slots(begin(day, OSLO).timestamp()),
        strict=True,
    ):
        minute = home.site.tariff.day_minute(now.start_s)[1]
        fee = 0.35 if minute < 6 * 60 or minute >= 22 * 60 else 0.45
        assert now.import_price is not None
        assert then.import_price == pytest.approx((now.import_price + fee) * 1.25)


@pytest.mark.usefixtures("norway")
@pytest.mark.parametrize(("day", "steps"), [(SPRING_DAY, 23), (AUTUMN_DAY, 25)])
async def test_nord_pool_by_the_hour(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    day: date,
    steps: int,
) -> None:
    freezer.move_to(afternoon_before(day, OSLO))
    servers.last = day
    await load(hass, nord_pool_entry("NO1"))
    home = await home_with(
        hass, {"source": {**NORD_POOL, "minutes": 60}, "import": IMPORT}
    )
    check_day(home, day, OSLO, steps, minutes=60)


async def test_a_day_that_is_not_the_market_s(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    """In Helsinki the day begins an hour before the market's."""
    helsinki = ZoneInfo("Europe/Helsinki")
    await hass.config.async_set_time_zone("Europe/Helsinki")
    await hass.config.async_update(currency="EUR")
    freezer.move_to(begin(PLAIN_DAY, helsinki) + timedelta(minutes=10))
    servers.last = PLAIN_DAY
    await load(hass, nord_pool_entry("FI", currency="EUR"))
    home = await home_with(
        hass, {"source": {**NORD_POOL, "area": "FI"}, "import": IMPORT}
    )
    now_s = dt_util.utcnow().timestamp()
    slot = home.site.tariff.at(now_s)
    assert slot is not None
    yesterday = PLAIN_DAY - timedelta(days=1)
    assert slot.import_price == pytest.approx(payloads.price(yesterday, 92), abs=1e-5)
    known = home.site.tariff.known(now_s, hours=48)
    assert known[-1].end_s == begin(PLAIN_DAY + timedelta(days=1), OSLO).timestamp()
    assert home.site.tariff.published_minute == 13 * 60 + 45


async def test_a_currency_that_nord_pool_does_not_have(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    """Then it is that which the integration was set up with, and no price is taken."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    await hass.config.async_update(currency="USD")
    freezer.move_to(afternoon_before(PLAIN_DAY, OSLO))
    await load(hass, nord_pool_entry("GER", currency="EUR"))
    home = await home_with(
        hass, {"source": {**NORD_POOL, "area": "GER"}, "import": IMPORT}
    )
    assert servers.queries[-1]["currency"] == "EUR"
    assert home.prices.book.imported == ()
    assert "are in EUR" in home.prices.diagnostics()["detail"]


@pytest.mark.usefixtures("netherlands")
@pytest.mark.parametrize(("day", "steps"), DAYS)
async def test_easy_energy(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    day: date,
    steps: int,
) -> None:
    freezer.move_to(afternoon_before(day, AMSTERDAM))
    servers.last = day
    await load(hass, MockConfigEntry(domain="easyenergy", title="easyEnergy", data={}))
    source = {"kind": "easyenergy", "minutes": 15, "includes": "all"}
    home = await home_with(
        hass, {"source": source, "import": IMPORT, "export": {"series": "export"}}
    )
    check_day(home, day, AMSTERDAM, steps, factor=1.21, add=0.14)
    slot = home.site.tariff.day_slots(begin(day, AMSTERDAM).timestamp())[0]
    assert slot.export_price == pytest.approx(1.21 * payloads.price(day, 0), abs=1e-5)

    for includes, factor in (("market", 1.0), ("market_vat", 1.21)):
        source = {"kind": "easyenergy", "minutes": 60, "includes": includes}
        other = await home_with(hass, {"source": source, "import": IMPORT})
        check_day(other, day, AMSTERDAM, steps // 4, minutes=60, factor=factor)
        assert other.prices.book.exported == ()


@pytest.mark.usefixtures("netherlands")
@pytest.mark.parametrize(("day", "steps"), DAYS)
async def test_energy_zero(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    day: date,
    steps: int,
) -> None:
    freezer.move_to(afternoon_before(day, AMSTERDAM))
    servers.last = day
    await load(hass, MockConfigEntry(domain="energyzero", title="EnergyZero", data={}))
    source = {"kind": "energyzero", "minutes": 15, "includes": "all"}
    home = await home_with(
        hass, {"source": source, "import": IMPORT, "export": {"series": "export"}}
    )
    check_day(home, day, AMSTERDAM, steps, factor=1.21, add=0.1452)
    slot = home.site.tariff.day_slots(begin(day, AMSTERDAM).timestamp())[0]
    assert slot.export_price == pytest.approx(1.21 * payloads.price(day, 0), abs=1e-5)

    source = {"kind": "energyzero", "minutes": 60, "includes": "market"}
    other = await home_with(
        hass, {"source": source, "import": IMPORT, "export": {"series": "export"}}
    )
    check_day(other, day, AMSTERDAM, steps // 4, minutes=60)
    slot = other.site.tariff.day_slots(begin(day, AMSTERDAM).timestamp())[0]
    assert slot.export_price == slot.import_price


@pytest.mark.usefixtures("norway")
async def test_the_custom_integration_of_the_same_name(hass: HomeAssistant) -> None:
    """HACS's Nord Pool hides the core one: then the action is not there."""
    home = await home_with(hass, {"source": NORD_POOL, "import": IMPORT})
    assert home.prices.diagnostics()["detail"].startswith("Nord Pool is not available")


@pytest.mark.usefixtures("netherlands")
async def test_whatever_an_integration_raises_is_only_told(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    """EnergyZero lets its library's own error of a broken connection through."""
    freezer.move_to(afternoon_before(PLAIN_DAY, AMSTERDAM))
    await load(hass, MockConfigEntry(domain="energyzero", title="EnergyZero", data={}))
    servers.down = True
    source = {"kind": "energyzero", "minutes": 15, "includes": "market"}
    home = await home_with(hass, {"source": source, "import": IMPORT})
    found = home.prices.diagnostics()
    assert "EnergyZeroConnectionError" in found["detail"]
    assert found["known_until"] is None
    assert home.decision is not None


@pytest.mark.usefixtures("netherlands")
async def test_an_integration_that_tells_what_is_wrong(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, servers: Servers
) -> None:
    freezer.move_to(afternoon_before(PLAIN_DAY, AMSTERDAM))
    await load(hass, MockConfigEntry(domain="easyenergy", title="easyEnergy", data={}))
    servers.down = True
    source = {"kind": "easyenergy", "minutes": 15, "includes": "market"}
    home = await home_with(hass, {"source": source, "import": IMPORT})
    detail = home.prices.diagnostics()["detail"]
    assert detail.startswith("easyEnergy could not be asked for prices: ")
