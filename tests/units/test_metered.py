"""A portable unit on real switches and sensors of Home Assistant's own integrations."""

from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.const import (
    EVENT_CALL_SERVICE,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import Event, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    async_fire_time_changed,
)

from custom_components.leaf_to_home.const import DOMAIN, SUBENTRY_UNIT
from custom_components.leaf_to_home.diagnostics import (
    async_get_config_entry_diagnostics,
)
from custom_components.leaf_to_home.engine.formats import parse_unit
from custom_components.leaf_to_home.engine.metered_model import (
    Anchor,
    Count,
    Facts,
    PassThrough,
)
from custom_components.leaf_to_home.engine.metered_plant import MeteredPlant
from custom_components.leaf_to_home.engine.model import (
    HomeMode,
    OutcomeKind,
    Reason,
    ReasonCode,
    Setpoint,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.units import metered
from tests.conftest import GRID, UNIT_ID, make_entry, set_power, setup, unit_data
from tests.flow_walk import Walk

PLUG = "switch.plug"
IN = "sensor.plug_power"
OUT = "sensor.output_power"
MAINS = "binary_sensor.mains"
KEY = f"{DOMAIN}.metered.{UNIT_ID}"
# 16:15 in the test library's zone: 30 cents; from 17:00 it is dear.
AFTERNOON = "2026-11-24T00:15:00+00:00"


def portable(**data: Any) -> dict[str, Any]:
    return (
        unit_data(
            "metered",
            preset="portable",
            soh_percent=100.0,
            input_switch=PLUG,
            input_power=IN,
            output_power=OUT,
            pass_through="bypass",
            max_input_w=300,
        )
        | data
    )


async def make_plugs(hass: HomeAssistant, *, follows: bool = True) -> None:
    """Make two plugs of template entities, which may lose their radio."""

    def act(action: str) -> list[dict[str, Any]]:
        if not follows:
            return []
        target = {"entity_id": "input_boolean.relay"}
        return [{"action": f"input_boolean.{action}", "target": target}]

    def power(name: str, number: str, reached: str) -> dict[str, Any]:
        return {
            "name": name,
            "state": f"{{{{ states('input_number.{number}') }}}}",
            "availability": f"{{{{ is_state('input_boolean.{reached}', 'on') }}}}",
            "unit_of_measurement": "W",
            "device_class": "power",
        }

    booleans = {
        "relay": {"initial": True},
        "reached": {"initial": True},
        "output_reached": {"initial": True},
    }
    number = {"min": -10, "max": 5000, "step": 0.01, "initial": 0}
    assert await async_setup_component(
        hass, "input_boolean", {"input_boolean": booleans}
    )
    assert await async_setup_component(
        hass, "input_number", {"input_number": {"in": number, "out": number}}
    )
    reached = "{{ is_state('input_boolean.reached', 'on') }}"
    switch = {
        "name": "Plug",
        "state": "{{ is_state('input_boolean.relay', 'on') }}",
        "availability": reached,
        "turn_on": act("turn_on"),
        "turn_off": act("turn_off"),
    }
    config = {
        "template": [
            {"switch": [switch]},
            {
                "sensor": [
                    power("Plug power", "in", "reached"),
                    power("Output power", "out", "output_reached"),
                ]
            },
        ]
    }
    assert await async_setup_component(hass, "template", config)
    await hass.async_block_till_done()


class World:
    """The unit behind the plugs, which lives as its switch has it."""

    def __init__(
        self,
        hass: HomeAssistant,
        freezer: FrozenDateTimeFactory,
        *,
        pass_through: PassThrough = PassThrough.BYPASS,
        max_input_w: float = 300.0,
        load_w: float = 40.0,
        soc: float = 100.0,
    ) -> None:
        self.hass = hass
        self.freezer = freezer
        spec = parse_unit(
            {
                "kind": "portable",
                "usable_kwh": 0.63,
                "min_soc_percent": 0,
                "max_soc_percent": 100,
                "reserve_percent": 30,
                "max_charge_w": 75,
                "max_discharge_w": 600,
                "min_power_w": 10,
                "loss": {"constant_w": 6, "linear": 0.08, "quadratic_per_kw": 0.05},
            },
            "portable",
        )
        facts = Facts(
            unit=spec, pass_through=pass_through, max_input_w=max_input_w, metered=True
        )
        self.plant = MeteredPlant(
            facts,
            load_w=load_w,
            stored_kwh=0.63 * soc / 100.0,
            on=True,
            loss_factor=1.1,
        )
        self.frozen = False
        self.house_w = 300.0

    def is_on(self) -> bool:
        return self.hass.states.is_state("input_boolean.relay", STATE_ON)

    async def live(self, hours: float, *, step_s: float = 20.0) -> None:
        for _ in range(round(hours * 3600.0 / step_s)):
            self.freezer.tick(timedelta(seconds=step_s))
            plant = self.plant
            plant.switch(self.is_on())
            plant.advance(step_s, self.house_w)
            if not self.frozen:
                await self.show("in", plant.input_w)
                await self.show("out", plant.output_w)
            set_power(self.hass, GRID, self.house_w - plant.power_w)
            async_fire_time_changed(self.hass)
            await self.hass.async_block_till_done()

    async def show(self, number: str, value: float) -> None:
        await self.hass.services.async_call(
            "input_number",
            "set_value",
            {"entity_id": f"input_number.{number}", "value": round(value, 2)},
            blocking=True,
        )

    async def turn(self, name: str, state: bool) -> None:
        await self.hass.services.async_call(
            "input_boolean",
            "turn_on" if state else "turn_off",
            {"entity_id": f"input_boolean.{name}"},
            blocking=True,
        )
        await self.hass.async_block_till_done()


async def begin(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, world: World, **data: Any
) -> tuple[MockConfigEntry, Home]:
    house = {"grid": {"kind": "sensor", "entity": GRID}} | data.pop("house", {})
    hass.loop.slow_callback_duration = 1e9
    freezer.move_to(AFTERNOON)
    await make_plugs(hass, follows=data.pop("follows", True))
    set_power(hass, GRID, 300.0)
    entry = make_entry(portable(**data), data=house, first_id=UNIT_ID)
    home = await setup(hass, entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    return entry, home


def state_of(hass: HomeAssistant, key: str) -> str:
    registry = er.async_get(hass)
    entity_id = registry.async_get_entity_id("sensor", DOMAIN, f"{UNIT_ID}_{key}")
    assert entity_id is not None, key
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state


def plug_calls(calls: list[Event[dict[str, Any]]]) -> list[str]:
    """Return what the plug was told."""
    return [
        call.data["service"]
        for call in calls
        if call.data["service_data"].get("entity_id") == PLUG
    ]


def reason(home: Home) -> ReasonCode:
    assert home.decision is not None
    return home.decision.units[UNIT_ID].reason.code


def count_of(home: Home) -> Count:
    unit = home.units[UNIT_ID].unit
    assert isinstance(unit, metered.MeteredUnit)
    return unit.count


async def test_an_evening_from_the_unit(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """Unknown, full, off at the dear price, on again; the shown error holds."""
    world = World(hass, freezer)
    entry, home = await begin(hass, freezer, world)
    calls = async_capture_events(hass, EVENT_CALL_SERVICE)
    await world.live(0.05)
    assert state_of(hass, "soc") == "unknown"
    assert float(state_of(hass, "soc_confidence")) == 0.0
    assert state_of(hass, "stored_energy_error") == "unknown"
    assert state_of(hass, "reason") == "soc_unknown"
    assert world.is_on()
    # It rests at 2 W and is believed to be full after half an hour. From then on it may
    # run the appliances: with more than the evening needs, 30 cents are dear enough.
    await world.live(28.0 / 60.0, step_s=30.0)
    assert world.plant.soc_percent > 99.0
    assert state_of(hass, "soc") == "100.0"
    assert float(state_of(hass, "soc_confidence")) > 90.0
    assert float(state_of(hass, "carried_power")) == 40.0
    # 17:00 is dear.
    await world.live(0.4, step_s=30.0)
    assert not world.is_on()
    assert state_of(hass, "status") == UnitStatus.DISCHARGING
    assert float(state_of(hass, "power")) == pytest.approx(40.0, abs=1.0)
    worker = home.units[UNIT_ID].worker
    assert worker.outcome is not None
    assert worker.outcome.kind is OutcomeKind.APPLIED
    # That it is to be on was said before, which switched nothing.
    assert plug_calls(calls) == ["turn_off"]
    await world.live(2.0, step_s=60.0)
    shown = float(state_of(hass, "soc"))
    error_kwh = float(state_of(hass, "stored_energy_error"))
    assert abs(shown - world.plant.soc_percent) <= 100.0 * error_kwh / 0.63 + 1.0
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    told = diagnostics["units"][UNIT_ID]["more"]
    assert told["states"]["input_switch"] == STATE_OFF
    assert told["count"]["anchor"] == "full"


async def test_hours_of_discharge_are_counted(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """What is shown is near what is true, though its losses are others than told."""
    world = World(hass, freezer)
    _, home = await begin(hass, freezer, world)
    await world.live(0.6, step_s=30.0)
    home.async_change_unit(UNIT_ID, mode=UnitMode.DISCHARGE, reserve_percent=10.0)
    worst = 0.0
    for hour in range(6):
        await world.live(1.0, step_s=90.0)
        world.plant.load_w = (25.0, 40.0, 10.0)[hour % 3]
        reading = home.units[UNIT_ID].coordinator.data
        assert reading is not None
        assert reading.soc_percent is not None
        worst = max(worst, abs(reading.soc_percent - world.plant.soc_percent))
    assert worst < 6.0


async def test_a_restart_in_the_middle_goes_on_where_it_was(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, hass_storage: dict[str, Any]
) -> None:
    world = World(hass, freezer)
    entry, home = await begin(hass, freezer, world)
    await world.live(0.9, step_s=30.0)
    assert not world.is_on()
    before = count_of(home).stored_kwh
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
    # Left for good it must not run the appliances down.
    assert world.is_on()
    assert hass_storage[KEY]["data"]["count"]["stored_kwh"] == pytest.approx(before)
    await world.live(0.02)
    home = await setup(hass, entry)
    assert count_of(home).stored_kwh == pytest.approx(before, abs=0.01)
    await world.live(0.3)
    assert not world.is_on()

    freezer.tick(timedelta(hours=1))
    await world.live(0.05)
    assert count_of(home).error_kwh > 0.05, "an hour without us is not known"


async def test_a_count_that_cannot_be_read_begins_anew(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    hass_storage[KEY] = {
        "version": 1,
        "minor_version": 1,
        "key": KEY,
        "data": {"count": {"cycles": "many"}},
    }
    world = World(hass, freezer)
    _, home = await begin(hass, freezer, world)
    assert count_of(home).cycles == 0
    assert "its count cannot be read" in caplog.text


async def test_a_plug_that_is_gone_and_comes_back_is_told_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    world = World(hass, freezer)
    _, home = await begin(hass, freezer, world)
    await world.live(0.9, step_s=30.0)
    assert not world.is_on()
    await world.turn("reached", False)
    await world.live(0.1)
    assert state_of(hass, "status") == UnitStatus.UNREACHABLE
    assert reason(home) is ReasonCode.NO_READING
    assert state_of(hass, "carried_power") == STATE_UNAVAILABLE
    # It lost its power meanwhile, and came back on.
    await world.turn("relay", True)
    await world.turn("reached", True)
    await world.live(0.1)
    assert not world.is_on()
    assert reason(home) is not ReasonCode.CHANGED_ELSEWHERE


async def test_a_plug_that_is_switched_by_hand_is_respected(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    world = World(hass, freezer)
    _, home = await begin(hass, freezer, world)
    await world.live(0.9, step_s=30.0)
    assert not world.is_on()
    await world.turn("relay", True)
    await world.live(0.4)
    assert world.is_on()
    assert reason(home) is ReasonCode.CHANGED_ELSEWHERE
    await world.live(0.3)
    assert not world.is_on()


async def test_a_plug_that_does_not_follow_is_said(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    world = World(hass, freezer)
    _, home = await begin(hass, freezer, world, follows=False)
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE)
    await world.turn("relay", False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metered, "CONFIRM_S", 0.01)
        await world.live(0.8)
    outcome = home.units[UNIT_ID].worker.outcome
    assert outcome is not None
    assert outcome.kind is OutcomeKind.REFUSED
    assert outcome.detail is not None
    assert PLUG in outcome.detail


async def test_a_power_that_hangs_is_no_measurement(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    world = World(hass, freezer, soc=50.0)
    _, home = await begin(hass, freezer, world)
    await world.live(0.1, step_s=30.0)
    world.frozen = True
    await world.live(2.2, step_s=120.0)
    reading = home.units[UNIT_ID].coordinator.data
    assert reading is not None
    assert reading.power_w is None
    # What a meter says while the plug is off is not believed at all.
    await world.turn("relay", False)
    await world.live(0.02)
    reading = home.units[UNIT_ID].coordinator.data
    assert reading is not None
    assert reading.power_w == pytest.approx(40.0)


async def test_a_load_that_the_mains_cannot_hold_is_a_repair(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    world = World(
        hass,
        freezer,
        pass_through=PassThrough.INVERTER,
        max_input_w=75.0,
        load_w=120.0,
    )
    entry, _ = await begin(
        hass, freezer, world, pass_through="inverter", max_input_w=75
    )
    issues = ir.async_get(hass)
    issue_id = f"metered_reserve_{UNIT_ID}"
    await world.live(0.2)
    assert issues.async_get_issue(DOMAIN, issue_id) is None
    await world.live(0.2)
    issue = issues.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    told = issue.translation_placeholders
    assert told is not None
    assert (told["unit"], told["input"], told["hours"]) == ("LEAF", "75", "8")
    assert float(told["load"]) == pytest.approx(120.0, abs=5.0)
    assert float(told["drain"]) == pytest.approx(77.0, abs=5.0)
    world.plant.load_w = 0.0
    await world.live(0.1)
    assert issues.async_get_issue(DOMAIN, issue_id) is None
    world.plant.load_w = 120.0
    await world.live(0.5)
    assert issues.async_get_issue(DOMAIN, issue_id) is not None
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert issues.async_get_issue(DOMAIN, issue_id) is None


async def test_nothing_is_switched_in_an_outage_not_even_what_was_ordered_before_it(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """The order is there, the mains go, and only then the worker gets its turn."""
    world = World(hass, freezer, soc=60.0)
    hass.states.async_set(MAINS, STATE_ON)
    _, home = await begin(hass, freezer, world, house={"mains": MAINS})
    await world.live(0.1)
    calls = async_capture_events(hass, EVENT_CALL_SERVICE)
    off = Setpoint(power_w=40.0, reason=Reason(code=ReasonCode.DEAR_PRICE))
    home.units[UNIT_ID].worker.async_set(off)
    hass.states.async_set(MAINS, STATE_OFF)
    await hass.async_block_till_done()
    assert reason(home) is ReasonCode.GUARD_OUTAGE_SUSPECTED
    await world.live(0.3)
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await world.live(0.1)
    assert world.is_on()
    # By hand is by hand; nobody switches it on again.
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE)
    await world.turn("relay", False)
    await world.live(0.6)
    assert not world.is_on()
    assert plug_calls(calls) == []


async def test_an_output_that_loses_its_radio_is_unknown_and_not_empty(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    world = World(hass, freezer)
    _, home = await begin(hass, freezer, world)
    await world.live(0.7, step_s=30.0)
    assert not world.is_on()
    await world.turn("output_reached", False)
    await world.live(0.1)
    assert state_of(hass, "carried_power") == "unknown"
    assert state_of(hass, "power") == "unknown"
    assert float(state_of(hass, "soc")) > 90.0
    await world.turn("output_reached", True)
    await world.live(0.1)
    assert state_of(hass, "status") == UnitStatus.DISCHARGING
    assert count_of(home).anchor is Anchor.FULL
    assert count_of(home).cycles == 0


async def test_what_a_unit_gives_to_a_load_that_nobody_knows_is_unknown_and_not_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """What it takes is seen; that it takes nothing says nothing of its appliances."""
    world = World(hass, freezer, soc=50.0, load_w=0.0)
    _, home = await begin(hass, freezer, world, output_power=None)
    home.async_change_unit(UNIT_ID, mode=UnitMode.CHARGE)
    await world.live(0.1)
    assert state_of(hass, "status") == UnitStatus.CHARGING
    assert float(state_of(hass, "power")) == pytest.approx(-75.0, abs=1.0)
    assert state_of(hass, "carried_power") == STATE_UNKNOWN
    await world.turn("relay", False)
    await world.live(0.05)
    assert state_of(hass, "power") == STATE_UNKNOWN
    assert state_of(hass, "status") == STATE_UNKNOWN
    await world.turn("relay", True)
    world.frozen = True
    await world.show("in", 0.0)
    await world.live(0.05)
    assert state_of(hass, "power") == STATE_UNKNOWN, "an empty socket, or fed through"


async def test_a_load_that_was_told_is_what_a_unit_gives_while_it_is_off(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    world = World(hass, freezer, soc=50.0)
    _, home = await begin(hass, freezer, world, output_power=None, carried_w=20)
    home.async_change_home(mode=HomeMode.OBSERVE)
    await world.live(0.05)
    await world.turn("relay", False)
    await world.live(0.05)
    assert float(state_of(hass, "power")) == 20.0
    assert state_of(hass, "status") == UnitStatus.DISCHARGING
    # A tenth of a kWh is a sixth of such a battery.
    registry = er.async_get(hass)
    stored = registry.async_get_entity_id("sensor", DOMAIN, f"{UNIT_ID}_stored_energy")
    assert stored is not None
    entry = registry.async_get(stored)
    assert entry is not None
    assert entry.options["sensor"]["suggested_display_precision"] == 2


async def test_off_leaves_what_only_stores_as_it_is(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    world = World(hass, freezer, pass_through=PassThrough.NONE, max_input_w=75.0)
    _, home = await begin(hass, freezer, world, pass_through="none", max_input_w=75)
    await world.live(0.1)
    await world.turn("relay", False)
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await world.live(0.1)
    assert not world.is_on()
    outcome = home.units[UNIT_ID].worker.outcome
    assert outcome is not None
    assert outcome.kind is OutcomeKind.APPLIED


def plugs(**changes: Any) -> dict[str, Any]:
    return {
        "input_switch": PLUG,
        "input_power": IN,
        "pass_through": "bypass",
        "max_input_w": 300,
        "metered_more": {
            "idle_w": 3,
            "self_discharge_percent_month": 3,
            "full_below_w": 10,
        },
    } | changes


async def test_the_form_shows_what_the_plugs_say(hass: HomeAssistant) -> None:
    await make_plugs(hass)
    hass.states.async_set("input_number.in", "61.4")
    set_power(hass, GRID, 300.0)
    entry = make_entry()
    await setup(hass, entry)
    path = ("config_subentries", SUBENTRY_UNIT)
    manager = hass.config_entries.subentries
    key = (entry.entry_id, SUBENTRY_UNIT)
    walk = await Walk(manager, *path).start(key, source=SOURCE_USER)
    await walk.choose("metered")
    await walk.submit(**plugs(output_power=IN))
    assert walk.errors == {"output_power": "used_twice"}
    await walk.submit(**plugs(output_power="sensor.nothing"))
    assert walk.errors == {"output_power": "not_power"}
    await walk.submit(**plugs(input_switch="switch.none", input_power="sensor.none"))
    assert walk.errors == {
        "input_switch": "plug_unavailable",
        "input_power": "not_power",
    }
    await walk.submit(**plugs(output_power=OUT))
    assert walk.step == "metered_check"
    assert walk.placeholders == {"switch": "On", "input": "61 W", "output": "0 W"}
    await walk.submit()
    assert walk.suggested()["preset"] == "portable"
    await walk.submit(
        name="Portable",
        preset="portable",
        soh_percent=100,
        reserve_percent=30,
        spec={},
    )
    assert walk.result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    unit = list(entry.subentries.values())[-1]
    assert unit.unique_id == f"plug:{PLUG}"
    assert unit.data["full_below_w"] == 10
    assert "metered_more" not in unit.data

    walk = await Walk(manager, *path).start(key, source=SOURCE_USER)
    await walk.choose("metered")
    await walk.submit(**plugs())
    assert walk.result["reason"] == "unit_already_configured"

    walk = await Walk(manager, *path).start(
        key, source=SOURCE_RECONFIGURE, subentry_id=unit.subentry_id
    )
    # Nobody starts it in an outage, and no app of a car knows it.
    assert walk.result["menu_options"] == ["hardware", "trips"]
    await walk.choose("hardware")
    assert walk.suggested()["max_input_w"] == 300
    assert walk.suggested(of="metered_more")["idle_w"] == 3
    await walk.submit(**plugs(carried_w=20))
    assert walk.placeholders["output"] == "–"
    await walk.submit()
    await walk.submit(name="Portable", preset="portable", soh_percent=90, spec={})
    assert walk.result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    unit = list(entry.subentries.values())[-1]
    assert unit.data["carried_w"] == 20
    assert "output_power" not in unit.data
