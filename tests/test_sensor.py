"""What a home and its units measure, decide and save."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import MATCH_ALL, STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion

from custom_components.leaf_to_home.engine.forecast_error import (
    ForecastError,
    ForecastErrors,
)
from custom_components.leaf_to_home.engine.model import (
    Decision,
    Guard,
    HomeMode,
    Intent,
    IntentKind,
    NextAction,
    Reason,
    ReasonCode,
    Setpoint,
    UnitDecision,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.plan import Plan, PlannedStep
from custom_components.leaf_to_home.hearing import Heard
from custom_components.leaf_to_home.sensor import HOME_DESCRIPTIONS
from custom_components.leaf_to_home.sensor_description import rounded
from custom_components.leaf_to_home.workshop import Made, Order, Workshop
from tests import recording
from tests.conftest import EVENING, GRID, SOLAR, UNIT_ID, Advance, set_power, unit_data
from tests.planned import live, planned, settle, store
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

NOW_S = datetime.fromisoformat(EVENING).timestamp()
PLAN = Plan(
    made_s=NOW_S,
    steps=tuple(
        PlannedStep(
            start_s=NOW_S + i * 3600.0,
            end_s=NOW_S + (i + 1) * 3600.0,
            intent=Intent(kind=IntentKind.COVER, power_w=6000.0, reason=REASON),
            soc_percent=60.0 - 2.25 * i,
            unit_w=800.0,
            grid_w=60.0,
            import_price=0.45,
            cost=0.031,
        )
        for i in range(48)
    ),
    expected_cost=1.5,
    stored_value=0.14237,
)
ERRORS = ForecastErrors(
    day=ForecastError(absolute_w=210.4, bias_w=-35.6, pinball_w=60.0),
    week=ForecastError(absolute_w=198.0, bias_w=12.0, pinball_w=55.0),
)

HEALTH_OFF = {
    f"sensor.leaf_{key}"
    for key in (
        "end_of_life_earliest",
        "end_of_life_latest",
        "full_cycles",
        "throughput",
    )
}

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

    def work(self: Workshop, heard: Heard, order: Order) -> Made:
        plans = {UNIT_ID: replace(PLAN, made_s=order.now_s)}
        return Made(
            plans=plans, stored={}, past=None, errors=ERRORS, size={}, took_s=0.0
        )

    # The planner gets better; what is shown of a plan stays as it is.
    monkeypatch.setattr(Workshop, "work", work)
    home = await setup_platforms(
        hass, monkeypatch, Platform.SENSOR, entry=entry, everything=True
    )
    home.async_change_unit(UNIT_ID, ready_by=True, ready_by_minute=22 * 60)
    await settle(hass, home)
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
        "sensor.home_cost_in_all",
        "sensor.home_cost_in_all_with_charging_on_arrival",
        "sensor.home_cost_in_all_with_smart_charging_only",
        "sensor.home_export_price",
        "sensor.home_forecast_bias_last_day",
        "sensor.home_forecast_bias_last_week",
        "sensor.home_grid_export",
        "sensor.home_grid_import",
        *HEALTH_OFF,
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
        "sensor.home_cost_in_all",
        "sensor.home_cost_in_all_with_charging_on_arrival",
        "sensor.home_cost_in_all_with_smart_charging_only",
        "sensor.home_export_price",
        "sensor.home_forecast_bias_last_day",
        "sensor.home_forecast_bias_last_week",
        *HEALTH_OFF,
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
        )
    )
    assert values["next_action"](home) == "charge"  # type: ignore[arg-type]
    time = values["next_action_time"](home)  # type: ignore[arg-type]
    assert str(time) == "1970-01-01 01:00:00+00:00"


async def test_what_a_plan_shows(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    plan = home.plans.plans[UNIT_ID]
    shown = float(state(hass, "sensor.leaf_value_of_stored_energy"))
    assert shown == pytest.approx(plan.stored_value, abs=1e-3)
    following = plan.next_action(NOW_S + 2.0)
    assert following is not None
    assert state(hass, "sensor.home_next_action") == following.kind
    assert datetime.fromisoformat(
        state(hass, "sensor.home_next_action_time")
    ).timestamp() == pytest.approx(following.time_s, abs=30.0)
    # There is only one unit, and nobody wants to leave.
    assert hass.states.get("sensor.home_value_of_stored_energy") is None
    departure = "sensor.leaf_expected_state_of_charge_at_departure"
    assert state(hass, departure) == STATE_UNKNOWN
    home.async_change_unit(UNIT_ID, ready_by=True, ready_by_minute=7 * 60)
    await settle(hass, home)
    assert float(state(hass, departure)) >= 80.0


async def test_today_costs_what_was_paid_and_what_is_expected(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    home = await planned(hass, monkeypatch, freezer, advance)
    home.async_change_unit(UNIT_ID, discharge_limit_w=0.0)
    await live(hass, home, advance, 2, 2000.0)

    def cost() -> float:
        return float(state(hass, "sensor.home_expected_cost_today"))

    midnight_s = NOW_S + 6 * 3600.0
    expected = home.plans.cost(NOW_S + 4.0, midnight_s)
    assert expected is not None
    assert expected > 0.5
    assert cost() == pytest.approx(expected, abs=0.02)
    # Three quarter-hours at 2 kW and the evening's price are paid by then.
    for _ in range(270):
        await live(hass, home, advance, 1, 2000.0)
        await advance(9)
    now_s = NOW_S + 2704.0
    assert home.state.ledger.paid == pytest.approx(2.0 * 0.75 * 0.45, rel=0.02)
    rest = home.plans.cost(now_s, midnight_s)
    assert rest is not None
    assert cost() == pytest.approx(home.state.ledger.paid + rest, rel=0.06)

    # At midnight the day begins anew.
    freezer.tick(timedelta(seconds=midnight_s - now_s + 60.0))
    await live(hass, home, advance, 70, 2000.0)
    assert cost() == pytest.approx(
        home.plans.cost(midnight_s + 60.0, midnight_s + 86400.0) or 0.0, abs=0.05
    )


async def test_nobody_knows_what_the_user_s_own_command_will_cost(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    entry = recorded_home(unit_data(recording.DRIVER))
    home = await planned(hass, monkeypatch, freezer, advance, entry=entry)
    second = f"{UNIT_ID[:-1]}2"
    value = float(state(hass, "sensor.home_value_of_stored_energy"))
    assert value == max(
        float(state(hass, "sensor.leaf_value_of_stored_energy")),
        float(state(hass, "sensor.leaf_2_value_of_stored_energy")),
    )
    for mode, known in ((UnitMode.CHARGE, False), (UnitMode.HOLD, True)):
        home.async_change_unit(second, mode=mode)
        await live(hass, home, advance, 61)
        shown = state(hass, "sensor.home_expected_cost_today")
        assert (shown != STATE_UNKNOWN) is known, mode
        assert state(hass, "sensor.leaf_2_value_of_stored_energy") == STATE_UNKNOWN
        assert state(hass, "sensor.leaf_value_of_stored_energy") != STATE_UNKNOWN


async def test_forecast_errors_are_unknown_until_a_day_is_known(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    # 50 quarter-hours of the last day, and no more.
    errors = [[NOW_S - 900.0 * i, 100.0 * (-1) ** i, 30.0] for i in range(1, 51)]
    store(hass_storage, "past", HOME_ID, {"book": {"expected": [], "errors": errors}})
    await planned(hass, monkeypatch, freezer, advance)

    assert state(hass, "sensor.home_forecast_error_last_day") == "100"
    assert state(hass, "sensor.home_forecast_error_last_week") == STATE_UNKNOWN


async def test_the_health_of_a_battery(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    home = await setup_platforms(hass, monkeypatch, Platform.SENSOR, everything=True)
    assert state(hass, "sensor.leaf_usable_capacity") == STATE_UNKNOWN
    unit().push(soh_percent=80.0, power_w=2000.0)
    await advance(30)
    await home.async_save_now()
    await advance(12)
    shown = hass.states.get("sensor.leaf_usable_capacity")
    assert shown is not None
    assert shown.state == "28.8"
    assert shown.attributes["lowest"] < 28.8 < shown.attributes["highest"]
    assert shown.attributes["measured"] is None
    assert shown.attributes["soh"] == 80.0
    assert state(hass, "sensor.leaf_round_trip_efficiency") == STATE_UNKNOWN
    assert float(state(hass, "sensor.leaf_full_cycles")) >= 0.0
    earliest = state(hass, "sensor.leaf_end_of_life_earliest")
    latest = state(hass, "sensor.leaf_end_of_life_latest")
    assert "2027" < earliest < latest < "2052"


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.00001, "0.0"), (-0.00006, "-0.0001"), (None, "None")]
)
def test_a_little_less_than_nothing_is_nothing(value: float | None, shown: str) -> None:
    assert str(rounded(value, 4)) == shown
