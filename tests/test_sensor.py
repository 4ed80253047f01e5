"""What a home and its units measure, decide and save."""

from types import SimpleNamespace

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import MATCH_ALL, STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion

from custom_components.leaf_to_home.engine.model import (
    Decision,
    Guard,
    HomeMode,
    IntentKind,
    NextAction,
    Reason,
    ReasonCode,
    Setpoint,
    UnitDecision,
    UnitStatus,
)
from custom_components.leaf_to_home.sensor import HOME_DESCRIPTIONS
from tests.conftest import EVENING, GRID, SOLAR, UNIT_ID, Advance, set_power
from tests.platforms import (
    HOME_ID,
    check_snapshot,
    recorded_home,
    setup_platforms,
    state,
    unit,
)

REASON = Reason(code=ReasonCode.DEAR_PRICE, values={"price": 0.45, "worth": 0.1754321})
DECISION = Decision(
    units={
        UNIT_ID: UnitDecision(
            setpoint=Setpoint(power_w=-1234.5, reason=REASON),
            send=False,
            park=False,
            reason=REASON,
            intent=IntentKind.COVER,
            status=UnitStatus.NOT_CONTROLLABLE,
            soc_percent=60.54,
            stored_kwh=19.6149,
            above_reserve_kwh=9.8949,
            next_action=NextAction(kind=IntentKind.CHARGE, time_s=1795417200.0),
        )
    },
    guard=Guard.CLEAR,
    grid_w=800.4,
    solar_w=250.0,
    load_w=1050.4,
    import_price=0.45,
    export_price=0.05,
    window_average_w=712.6,
    window_left_w=2500.0,
    month_peak_w=4321.0,
)

pytestmark = pytest.mark.usefixtures("recording_driver")


async def test_snapshot(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    freezer.move_to(EVENING)
    set_power(hass, SOLAR, 250.0)
    entry = recorded_home(
        data={"grid": {"kind": "sensor", "entity": GRID}, "solar": [SOLAR]}
    )
    home = await setup_platforms(
        hass, monkeypatch, Platform.SENSOR, entry=entry, everything=True
    )
    # Whether a plan has been made by now is a matter of luck.
    home.plans.plans = {}
    # What becomes known is written at once, however little it changes.
    for decision in (None, DECISION):
        home.decision = decision
        home._shown.async_publish()
    await check_snapshot(hass, entity_registry, snapshot)


async def test_off_by_default(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    entity_registry: er.EntityRegistry,
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.SENSOR)
    entries = er.async_entries_for_config_entry(entity_registry, HOME_ID)
    assert {entry.entity_id for entry in entries if entry.disabled_by} == {
        "sensor.home_export_price",
        "sensor.home_grid_export",
        "sensor.home_grid_import",
    }
    # Nothing measures the sun here.
    assert hass.states.get("sensor.home_solar_power") is None


async def test_the_unit_is_the_meter(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    simulated_entry: MockConfigEntry,
    entity_registry: er.EntityRegistry,
) -> None:
    """Nobody else counts the energy of grid and sun then."""
    await setup_platforms(hass, monkeypatch, Platform.SENSOR, entry=simulated_entry)
    entries = er.async_entries_for_config_entry(
        entity_registry, simulated_entry.entry_id
    )
    assert {entry.entity_id for entry in entries if entry.disabled_by} == {
        "sensor.home_export_price"
    }
    for key in ("grid_import", "grid_export", "solar_production"):
        assert state(hass, f"sensor.home_{key}") == "0.0"


async def test_unreachable(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    await setup_platforms(hass, monkeypatch, Platform.SENSOR)
    assert state(hass, "sensor.leaf_state_of_charge") == "60.5"
    unit().reachable = False
    await advance(120)
    for measured in (
        "energy_above_the_reserve",
        "power",
        "state_of_charge",
        "state_of_health",
        "stored_energy",
    ):
        assert state(hass, f"sensor.leaf_{measured}") == STATE_UNAVAILABLE
    assert state(hass, "sensor.leaf_status") == UnitStatus.UNREACHABLE
    # Nobody knows how it goes on, but what has been counted stands.
    assert state(hass, "sensor.leaf_set_point") == STATE_UNKNOWN
    assert state(hass, "sensor.leaf_energy_charged") == "0.0"

    unit().reachable = True
    await advance(60)
    assert state(hass, "sensor.leaf_power") == "0"


async def test_unknown_is_not_zero(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, advance: Advance
) -> None:
    await setup_platforms(hass, monkeypatch, Platform.SENSOR)
    unit().push(power_w=None, soh_percent=None)
    await advance(12)
    assert state(hass, "sensor.leaf_power") == STATE_UNKNOWN
    assert state(hass, "sensor.leaf_state_of_health") == STATE_UNKNOWN


async def test_before_the_first_step(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await setup_platforms(hass, monkeypatch, Platform.SENSOR, everything=True)
    home.decision = None
    home._shown.async_publish()
    for entity_id in (
        "sensor.home_grid_power",
        "sensor.home_next_action",
        "sensor.home_next_action_time",
        "sensor.leaf_state_of_charge",
        "sensor.leaf_status",
        "sensor.leaf_reason",
    ):
        assert state(hass, entity_id) == STATE_UNKNOWN


async def test_totals_are_what_is_on_disk(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    home = await setup_platforms(hass, monkeypatch, Platform.SENSOR)
    unit().push(power_w=3000.0, status=UnitStatus.DISCHARGING)
    # Nothing of a new unit is on disk yet.
    assert state(hass, "sensor.leaf_energy_discharged") == STATE_UNKNOWN
    shown = []
    for turn in range(27):
        set_power(hass, GRID, 100.0)
        unit().push()
        await advance(10)
        if turn < 7:
            continue
        shown.append(float(state(hass, "sensor.leaf_energy_discharged")))
        assert shown[-1] <= round(home.persisted.units[UNIT_ID].discharged_kwh, 3)
    assert shown == sorted(shown)
    assert shown[-1] > 0.05


async def test_setpoint_and_outcome(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    simulated_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    home = await setup_platforms(
        hass, monkeypatch, Platform.SENSOR, entry=simulated_entry
    )
    assert state(hass, "sensor.leaf_outcome") == STATE_UNKNOWN
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await advance(180)
    assert float(state(hass, "sensor.leaf_set_point")) > 100.0
    assert float(state(hass, "sensor.leaf_power")) > 100.0
    assert state(hass, "sensor.leaf_outcome") == "applied"
    outcome = hass.states.get("sensor.leaf_outcome")
    assert outcome is not None
    assert "power" in outcome.attributes
    assert outcome.state_info is not None
    assert outcome.state_info["unrecorded_attributes"] == {MATCH_ALL, "options"}


def test_next_action_is_the_first_of_all_units() -> None:
    values = {
        description.key: description.value_fn for description in HOME_DESCRIPTIONS
    }
    home = SimpleNamespace(
        decision=SimpleNamespace(
            units={
                "a": SimpleNamespace(next_action=None),
                "b": SimpleNamespace(
                    next_action=NextAction(kind=IntentKind.HOLD, time_s=9000.0)
                ),
                "c": SimpleNamespace(
                    next_action=NextAction(kind=IntentKind.CHARGE, time_s=3610.0)
                ),
            }
        ),
        plans=SimpleNamespace(next_action=lambda now_s: None),
    )
    assert values["next_action"](home) == "charge"  # type: ignore[arg-type]
    time = values["next_action_time"](home)  # type: ignore[arg-type]
    assert str(time) == "1970-01-01 01:00:00+00:00"
