"""Prices through the real integration of Tibber, which stands on the recorder."""

from datetime import date, timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.application_credentials import (
    ClientCredential,
    async_import_client_credential,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.conftest import make_entry
from tests.flow_walk import Walk
from tests.prices.homes import (
    DAYS,
    IMPORT,
    afternoon_before,
    check_day,
    home_with,
    load,
)
from tests.prices.payloads import OSLO, PLAIN_DAY
from tests.prices.servers import TIBBER_HOME, TIBBER_HOME_ID, Servers


@pytest.fixture(autouse=True)
def _custom_integrations(
    recorder_mock: object, enable_custom_integrations: None
) -> None:
    """Let the recorder come before all else."""


@pytest.fixture
async def tibber(
    hass: HomeAssistant, norway: None, servers: Servers
) -> MockConfigEntry:
    """The entry of Tibber with a token that is still good for a while."""
    # The session of the played servers says nothing of itself, as the real one does.
    session = async_get_clientsession(hass)
    session._default_headers["User-Agent"] = "HomeAssistant"
    assert await async_setup_component(hass, "application_credentials", {})
    await async_import_client_credential(
        hass, "tibber", ClientCredential("id", "secret")
    )
    return MockConfigEntry(
        domain="tibber",
        title="Tibber",
        data={
            "auth_implementation": "tibber",
            "token": {
                "access_token": "token",
                "refresh_token": "again",
                "token_type": "Bearer",
                "expires_at": 4e9,
            },
        },
    )


@pytest.mark.parametrize(("day", "steps"), DAYS)
async def test_tibber(
    hass: HomeAssistant,
    tibber: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
    day: date,
    steps: int,
) -> None:
    freezer.move_to(afternoon_before(day, OSLO))
    servers.last = day
    await load(hass, tibber)
    home = await home_with(
        hass,
        {"source": {"kind": "tibber", "tibber_home": TIBBER_HOME}, "import": IMPORT},
    )
    check_day(home, day, OSLO, steps)
    check_day(home, day - timedelta(days=1), OSLO, 96)


async def test_the_form_offers_the_homes_that_tibber_has(
    hass: HomeAssistant,
    tibber: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
) -> None:
    freezer.move_to(afternoon_before(PLAIN_DAY, OSLO))
    servers.last = PLAIN_DAY
    await load(hass, tibber)
    entry = make_entry(options={"tariff": {"import": 0.3}})
    entry.add_to_hass(hass)
    walk = await Walk(hass.config_entries.options, "options").start(entry.entry_id)
    await walk.choose("tariff")
    await walk.choose("price_integration")
    await walk.submit(integration="tibber")
    assert walk.step == "price_tibber"
    assert walk.suggested() == {"tibber_home": TIBBER_HOME}
    assert await hass.config_entries.async_unload(tibber.entry_id)
    await walk.submit(tibber_home=TIBBER_HOME)
    assert walk.errors == {"base": "price_source"}
    assert walk.placeholders["problem"].startswith("Tibber is not available")
    assert await hass.config_entries.async_setup(tibber.entry_id)
    await walk.submit(tibber_home=TIBBER_HOME)
    assert walk.step == "price_parts"


async def test_a_home_that_tibber_does_not_know(
    hass: HomeAssistant,
    tibber: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    servers: Servers,
) -> None:
    freezer.move_to(afternoon_before(PLAIN_DAY, OSLO))
    await load(hass, tibber)
    home = await home_with(
        hass, {"source": {"kind": "tibber", "tibber_home": "Hytte"}, "import": IMPORT}
    )
    found = home.prices.diagnostics()
    assert found["failures"] == 1
    assert found["detail"].startswith("Tibber has no prices now")
    assert TIBBER_HOME_ID not in str(found)
