"""Whether a unit is there, and whether it is well."""

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import (
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    Platform,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from syrupy.assertion import SnapshotAssertion

from custom_components.leaf_to_home.engine.model import (
    HomeMode,
    OutcomeKind,
    UnitStatus,
)
from tests import recording
from tests.conftest import EVENING, GRID, Advance, make_entry, set_power, unit_data
from tests.platforms import check_snapshot, recorded_home, setup_platforms, state, unit

pytestmark = pytest.mark.usefixtures("recording_driver")

PLUG = "binary_sensor.leaf_plug"
PROBLEM = "binary_sensor.leaf_problem"


async def test_snapshot(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    entry = recorded_home(unit_data(recording.DRIVER, preset="pack-24"))
    await setup_platforms(hass, monkeypatch, Platform.BINARY_SENSOR, entry=entry)
    await check_snapshot(hass, entity_registry, snapshot)


async def test_plug(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, advance: Advance
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.BINARY_SENSOR)
    assert state(hass, PLUG) == STATE_ON
    unit().push(connected=False)
    await advance(12)
    assert state(hass, PLUG) == STATE_OFF
    unit().push(connected=None)
    await advance(12)
    assert state(hass, PLUG) == STATE_UNKNOWN


async def test_fault(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, advance: Advance
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.BINARY_SENSOR)
    assert state(hass, PROBLEM) == STATE_OFF
    unit().push(status=UnitStatus.FAULT)
    await advance(12)
    assert state(hass, PROBLEM) == STATE_ON


async def test_refused(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    home = await setup_platforms(hass, monkeypatch, Platform.BINARY_SENSOR)
    unit().outcome = OutcomeKind.REFUSED
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    for _ in range(8):
        set_power(hass, GRID, 800.0)
        unit().push()
        await advance(10)
    assert state(hass, PROBLEM) == STATE_ON


async def test_unreachable_from_the_start(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_entry(unit_data(recording.DRIVER, dark=True))
    home = await setup_platforms(hass, monkeypatch, Platform.BINARY_SENSOR, entry=entry)
    assert state(hass, PLUG) == STATE_UNAVAILABLE
    assert state(hass, PROBLEM) == STATE_ON

    home.units[next(iter(home.units))].coordinator.last_update_success = True
    home.decision = None
    home._shown.async_publish()
    assert state(hass, PLUG) == STATE_UNKNOWN
    assert state(hass, PROBLEM) == STATE_UNKNOWN
