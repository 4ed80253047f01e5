"""A signed power at the entities of another integration: written, read back, spared."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest

from custom_components.leaf_to_home.engine.battery import UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.model import (
    IslandingStart,
    NativeMode,
    OutcomeKind,
    Reading,
    Reason,
    ReasonCode,
    Setpoint,
    UnitStatus,
)
from custom_components.leaf_to_home.units.mapped import (
    MappedSetpoint,
    calls as calls_module,
    writer as writer_module,
)

from . import foreign
from .foreign import count_calls, state, turn

SPEC = UnitSpec(
    kind=UnitKind.STATIONARY, usable_kwh=10.0, max_charge_w=6000, max_discharge_w=6000
)
SIGNED: dict[str, Any] = {"power": foreign.SIGNED, "positive": "charge"}
EACH: dict[str, Any] = {
    "charge_power": foreign.CHARGE,
    "discharge_power": foreign.DISCHARGE,
    "mode": foreign.MODE,
    "mode_options": {
        "charge": "Force charge",
        "discharge": "Force discharge",
        "idle": "Pause",
        "auto": "Self use",
    },
}


@pytest.fixture(autouse=True)
async def inverter(hass: HomeAssistant) -> None:
    """The other integration's inverter is there."""
    await foreign.install(hass)


class Bench:
    """A mapped set-point with nothing around it."""

    def __init__(self, hass: HomeAssistant, **data: Any) -> None:
        self.hass = hass
        self.islanding = False
        self.measured_w: float | None = None
        self.setpoint = MappedSetpoint(
            hass,
            data,
            spec=SPEC,
            islanding=lambda: self.islanding,
            measured_w=lambda: self.measured_w,
        )
        self.setpoint.async_listen(lambda: None)

    async def apply(
        self,
        power_w: float,
        code: ReasonCode = ReasonCode.PLAN,
        native: NativeMode | None = None,
    ) -> tuple[OutcomeKind, float | None, str | None]:
        outcome = await self.setpoint.apply(
            Setpoint(power_w=power_w, reason=Reason(code=code), native=native)
        )
        return outcome.kind, outcome.power_w, outcome.detail

    def read(self, power_w: float | None, time_s: float) -> Reading:
        return self.setpoint.complete(Reading(time_s=time_s, power_w=power_w))

    def watch(self, freezer: FrozenDateTimeFactory, power_w: float) -> Reading:
        """Measure a power for a minute; return the last reading."""
        for _ in range(11):
            freezer.tick(5)
            self.read(power_w, freezer().timestamp())
        freezer.tick(5)
        return self.read(power_w, freezer().timestamp())


async def test_a_signed_number_takes_both_directions(hass: HomeAssistant) -> None:
    bench = Bench(hass, **SIGNED)
    assert await bench.apply(1500.0) == (OutcomeKind.APPLIED, 1500.0, None)
    assert state(hass, foreign.SIGNED) == -1500.0
    assert await bench.apply(-2000.0) == (OutcomeKind.APPLIED, -2000.0, None)
    assert state(hass, foreign.SIGNED) == 2000.0
    assert await bench.apply(0.0) == (OutcomeKind.APPLIED, 0.0, None)
    assert state(hass, foreign.SIGNED) == 0.0


async def test_the_other_sign_of_a_number_is_obeyed(hass: HomeAssistant) -> None:
    bench = Bench(hass, power=foreign.SIGNED, positive="discharge")
    await bench.apply(1500.0)
    assert state(hass, foreign.SIGNED) == 1500.0


async def test_what_a_number_cannot_take_counts_as_limited(hass: HomeAssistant) -> None:
    bench = Bench(hass, **SIGNED)
    assert await bench.apply(1530.0) == (OutcomeKind.LIMITED, 1500.0, "step")
    assert await bench.apply(5900.0) == (OutcomeKind.LIMITED, 5000.0, "device_limit")
    assert await bench.apply(-5900.0) == (OutcomeKind.LIMITED, -4000.0, "device_limit")
    assert state(hass, foreign.SIGNED) == 4000.0
    assert await bench.apply(-30.0) == (OutcomeKind.LIMITED, 0.0, "below_minimum")
    assert state(hass, foreign.SIGNED) == 0.0


async def test_a_number_for_each_direction_and_a_mode(hass: HomeAssistant) -> None:
    bench = Bench(hass, **EACH)
    assert await bench.apply(1500.0) == (OutcomeKind.APPLIED, 1500.0, None)
    assert state(hass, foreign.DISCHARGE) == 1.5
    assert state(hass, foreign.MODE) == "Force discharge"
    assert await bench.apply(-2000.0) == (OutcomeKind.APPLIED, -2000.0, None)
    assert state(hass, foreign.CHARGE) == 2.0
    assert state(hass, foreign.DISCHARGE) == 0.0
    assert state(hass, foreign.MODE) == "Force charge"
    assert await bench.apply(0.0) == (OutcomeKind.APPLIED, 0.0, None)
    assert state(hass, foreign.CHARGE) == 0.0
    assert state(hass, foreign.MODE) == "Pause"


async def test_amperes_are_taken_at_their_voltage_and_rest_is_a_switch(
    hass: HomeAssistant,
) -> None:
    bench = Bench(
        hass,
        charge_power=foreign.AMPERE,
        voltage_v=230.0,
        actions={"charge": [foreign.REMOTE]},
    )
    capabilities = bench.setpoint.capabilities(IslandingStart.NEVER, soc=True)
    assert capabilities.charges
    assert not capabilities.discharges
    assert await bench.apply(-2400.0) == (OutcomeKind.LIMITED, -2300.0, "step")
    assert state(hass, foreign.AMPERE) == 10.0
    assert state(hass, foreign.REMOTE) == "on"
    assert await bench.apply(-1000.0) == (OutcomeKind.LIMITED, 0.0, "below_minimum")
    assert state(hass, foreign.REMOTE) == "off"
    assert state(hass, foreign.AMPERE) == 10.0


async def test_there_is_no_way_to_a_direction_that_is_not_mapped(
    hass: HomeAssistant,
) -> None:
    bench = Bench(hass, charge_power=foreign.CHARGE)
    reading = bench.read(0.0, 1.0)
    assert reading.max_discharge_w == 0.0
    assert reading.max_charge_w == pytest.approx(3000.0)
    assert await bench.apply(1000.0) == (OutcomeKind.LIMITED, 0.0, "no_path")


async def test_percent_are_shares_of_the_rated_power(hass: HomeAssistant) -> None:
    bench = Bench(hass, charge_power=foreign.PERCENT, rated_w=5000.0)
    assert await bench.apply(-2500.0) == (OutcomeKind.APPLIED, -2500.0, None)
    assert state(hass, foreign.PERCENT) == 50.0


async def test_a_unit_nobody_knows_is_not_guessed(hass: HomeAssistant) -> None:
    bench = Bench(hass, charge_power=foreign.PERCENT)
    assert await bench.apply(-2500.0) == (OutcomeKind.REFUSED, None, "unit_unknown")
    assert state(hass, foreign.PERCENT) == 0.0


async def test_a_script_is_told_the_power(hass: HomeAssistant) -> None:
    bench = Bench(
        hass,
        actions={way: [foreign.SCRIPT] for way in ("charge", "discharge", "idle")},
    )
    bench.measured_w = 1200.0
    assert await bench.apply(1200.0) == (OutcomeKind.APPLIED, 1200.0, None)
    assert state(hass, foreign.SIGNED) == -1200.0
    bench.measured_w = 0.0
    assert await bench.apply(0.0) == (OutcomeKind.APPLIED, 0.0, None)
    assert state(hass, foreign.SIGNED) == 0.0


async def test_a_device_without_a_power_runs_at_its_own_or_not_at_all(
    hass: HomeAssistant,
) -> None:
    bench = Bench(hass, actions={"charge": [foreign.REMOTE]})
    assert await bench.apply(-3000.0) == (OutcomeKind.LIMITED, 0.0, "fixed_power")
    assert state(hass, foreign.REMOTE) == "off"
    assert await bench.apply(-6000.0) == (OutcomeKind.APPLIED, -6000.0, None)
    assert state(hass, foreign.REMOTE) == "on"


async def test_nothing_is_written_that_is_so_already(hass: HomeAssistant) -> None:
    bench = Bench(hass, **EACH)
    await bench.apply(1500.0)
    calls = count_calls(hass)
    await bench.apply(1500.0)
    assert calls == []
    await bench.apply(1600.0)
    assert calls == [("input_number", "set_value")]
    assert bench.setpoint.writes == 3


async def test_a_watchdog_is_fed_with_what_is_so_already(hass: HomeAssistant) -> None:
    bench = Bench(hass, **EACH, watchdog_s=60)
    capabilities = bench.setpoint.capabilities(IslandingStart.NEVER, soc=True)
    assert capabilities.watchdog_s == 60
    await bench.apply(1500.0)
    calls = count_calls(hass)
    await bench.apply(1500.0)
    assert calls == [
        ("input_number", "set_value"),
        ("input_number", "set_value"),
        ("input_select", "select_option"),
    ]


async def test_a_device_that_wears_is_written_to_at_its_pace(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = Bench(hass, **SIGNED, min_interval_s=60)
    capabilities = bench.setpoint.capabilities(IslandingStart.NEVER, soc=True)
    assert capabilities.dead_time_s == 60
    await bench.apply(1000.0)
    assert await bench.apply(2000.0) == (OutcomeKind.PENDING, 1000.0, "paced")
    assert state(hass, foreign.SIGNED) == -1000.0
    # Less, a limit and a stop do not wait.
    assert await bench.apply(800.0) == (OutcomeKind.APPLIED, 800.0, None)
    assert (await bench.apply(2000.0, ReasonCode.MAIN_LIMIT))[0] is OutcomeKind.APPLIED
    assert (await bench.apply(0.0))[0] is OutcomeKind.APPLIED
    freezer.tick(61)
    assert (await bench.apply(3000.0))[0] is OutcomeKind.APPLIED


async def test_what_never_shows_is_written_at_that_pace_too(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer_module, "CONFIRM_S", 0.0)
    bench = Bench(hass, **SIGNED, min_interval_s=60)
    values: list[float] = []

    async def forget(call: Any) -> None:
        values.append(call.data["value"])

    hass.services.async_register("input_number", "set_value", forget)
    for power_w in (1000.0, 1100.0, 1200.0):
        freezer.tick(5)
        assert (await bench.apply(power_w))[0] is OutcomeKind.PENDING
    assert values == [-1000.0]
    freezer.tick(60)
    await bench.apply(1300.0)
    assert values == [-1000.0, -1300.0]


async def test_an_entity_that_is_not_there_is_named(hass: HomeAssistant) -> None:
    bench = Bench(hass, **SIGNED)
    hass.states.async_remove(foreign.SIGNED)
    assert await bench.apply(1000.0) == (
        OutcomeKind.UNREACHABLE,
        None,
        "entity_unavailable",
    )
    assert bench.setpoint.unavailable == foreign.SIGNED
    assert bench.read(0.0, 1.0).status is UnitStatus.NOT_CONTROLLABLE


async def test_a_stop_reaches_what_is_there(hass: HomeAssistant) -> None:
    bench = Bench(hass, **EACH)
    await bench.apply(-2000.0)
    hass.states.async_remove(foreign.DISCHARGE)
    await bench.apply(0.0)
    assert state(hass, foreign.CHARGE) == 0.0
    assert state(hass, foreign.MODE) == "Pause"


async def test_what_came_back_is_told_anew(hass: HomeAssistant) -> None:
    bench = Bench(hass, **SIGNED)
    await bench.apply(1000.0)
    shown = hass.states.get(foreign.SIGNED)
    assert shown is not None
    hass.states.async_set(foreign.SIGNED, "unavailable", shown.attributes)
    await hass.async_block_till_done()
    hass.states.async_set(foreign.SIGNED, "0", shown.attributes)
    await hass.async_block_till_done()
    assert bench.read(0.0, 1.0).restarts == 1
    assert await bench.apply(1000.0) == (OutcomeKind.APPLIED, 1000.0, None)
    assert state(hass, foreign.SIGNED) == -1000.0


async def test_a_refusal_is_kept_with_its_words(hass: HomeAssistant) -> None:
    bench = Bench(hass, **EACH)

    async def refuse(_call: Any) -> None:
        raise HomeAssistantError("the inverter is in standby")

    hass.services.async_register("input_select", "select_option", refuse)
    assert await bench.apply(1000.0) == (OutcomeKind.REFUSED, None, "write_refused")
    assert bench.setpoint.refusal == (foreign.MODE, "the inverter is in standby")


async def test_an_entity_that_never_shows_it_leaves_the_outcome_open(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "CONFIRM_S", 0.05)
    bench = Bench(hass, **SIGNED)
    calls: list[Any] = []

    async def forget(call: Any) -> None:
        calls.append(call.data["value"])

    hass.services.async_register("input_number", "set_value", forget)
    assert await bench.apply(1000.0) == (OutcomeKind.PENDING, None, "not_confirmed")
    # It is on its way: to send it again would only wear the device.
    assert await bench.apply(1000.0) == (OutcomeKind.PENDING, None, "not_confirmed")
    assert calls == [-1000.0]


async def test_nothing_is_written_while_it_carries_the_house(
    hass: HomeAssistant,
) -> None:
    bench = Bench(hass, **EACH)
    await bench.apply(1000.0)
    bench.islanding = True
    calls = count_calls(hass)
    assert await bench.apply(0.0) == (OutcomeKind.REFUSED, None, "islanding")
    assert (await bench.setpoint.park()).detail == "islanding"
    assert calls == []


async def test_an_island_that_begins_in_between_ends_the_writing(
    hass: HomeAssistant,
) -> None:
    bench = Bench(hass, **EACH)
    await bench.apply(1000.0)

    async def island(_call: Any) -> None:
        bench.islanding = True

    hass.services.async_register("input_number", "set_value", island)
    assert await bench.apply(0.0) == (OutcomeKind.REFUSED, None, "islanding")
    assert state(hass, foreign.MODE) == "Force discharge"


@pytest.mark.parametrize(("park", "mode"), [("idle", "Pause"), ("auto", "Self use")])
async def test_it_is_left_as_the_user_wants_it(
    hass: HomeAssistant, park: str, mode: str
) -> None:
    bench = Bench(hass, **EACH, park=park)
    await bench.apply(1000.0)
    assert (await bench.setpoint.park()).kind is OutcomeKind.APPLIED
    assert state(hass, foreign.MODE) == mode


async def test_the_automatic_mode_can_cover_the_house(hass: HomeAssistant) -> None:
    bench = Bench(hass, **EACH, follows=True)
    assert bench.setpoint.capabilities(IslandingStart.NEVER, soc=True).native_follow
    await bench.apply(3000.0, native=NativeMode.FOLLOW)
    assert state(hass, foreign.MODE) == "Self use"


async def test_who_turns_a_knob_by_hand_is_seen(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = Bench(hass, **EACH)
    await bench.apply(1000.0)
    freezer.tick(60)
    assert not bench.read(1000.0, 1.0).changed_elsewhere
    await turn(hass, foreign.MODE, "Self use")
    assert not bench.read(1000.0, 2.0).changed_elsewhere
    freezer.tick(6)
    assert bench.read(1000.0, 3.0).changed_elsewhere
    await turn(hass, foreign.MODE, "Force discharge")
    assert not bench.read(1000.0, 4.0).changed_elsewhere


async def test_a_power_against_the_command_stops_the_unit_for_good(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = Bench(hass, **SIGNED)
    await bench.apply(1000.0)
    reading = bench.watch(freezer, -900.0)
    # It is told to stop before anybody falls silent about it.
    assert reading.status is None
    assert reading.restarts == 1
    assert await bench.apply(1500.0) == (
        OutcomeKind.REFUSED,
        0.0,
        "power_against_command",
    )
    assert state(hass, foreign.SIGNED) == 0.0
    reading = bench.read(0.0, freezer().timestamp())
    assert reading.status is UnitStatus.FAULT
    assert reading.fault == "power_against_command"


async def test_a_power_left_over_from_before_is_no_contradiction(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = Bench(hass, **SIGNED)
    await bench.apply(1000.0)
    for power_w in (-900.0, -900.0, -400.0, 300.0, 1000.0, 1000.0):
        freezer.tick(5)
        assert bench.read(power_w, freezer().timestamp()).restarts == 0


async def test_what_it_does_at_rest_is_its_own_will(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = Bench(hass, **SIGNED)
    await bench.apply(0.0)
    reading = bench.watch(freezer, -900.0)
    assert reading.status is UnitStatus.FORCED_CHARGE
    reading = bench.watch(freezer, 900.0)
    assert reading.status is None
    assert reading.changed_elsewhere


async def test_an_action_that_does_not_answer_is_not_waited_for(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "CALL_S", 0.05)
    bench = Bench(hass, actions={"charge": [foreign.SCRIPT], "idle": [foreign.SCRIPT]})

    async def hang(_call: Any) -> None:
        await hass.loop.create_future()

    hass.services.async_register("script", "inverter_set", hang)
    assert await bench.apply(-1000.0) == (OutcomeKind.REFUSED, None, "write_refused")
    assert bench.setpoint.refusal == (foreign.SCRIPT, "no answer")


async def test_what_shows_only_while_it_is_led_is_enabled_first(
    hass: HomeAssistant,
) -> None:
    bench = Bench(hass, **EACH, enable=[foreign.REMOTE])
    shown = hass.states.get(foreign.MODE)
    assert shown is not None
    hass.states.async_set(foreign.MODE, "unavailable", shown.attributes)
    # That is how it should be: nobody is told that something is amiss.
    assert bench.setpoint.diagnostics()["unavailable"] is None
    assert (await bench.setpoint.park()).kind is OutcomeKind.APPLIED
    assert await bench.apply(1000.0) == (OutcomeKind.PENDING, None, "enabling")
    assert state(hass, foreign.REMOTE) == "on"
    assert bench.setpoint.unavailable == foreign.MODE
    hass.states.async_set(foreign.MODE, "Self use", shown.attributes)
    assert await bench.apply(1000.0) == (OutcomeKind.APPLIED, 1000.0, None)
    assert state(hass, foreign.MODE) == "Force discharge"


async def test_what_is_not_led_any_more_does_not_go_on_where_it_was(
    hass: HomeAssistant,
) -> None:
    options = {
        way: EACH["mode_options"][way] for way in ("charge", "discharge", "idle")
    }
    bench = Bench(
        hass, **EACH | {"mode_options": options}, enable=[foreign.REMOTE], park="auto"
    )
    await bench.apply(1000.0)
    await bench.setpoint.park()
    assert state(hass, foreign.MODE) == "Pause"
    assert state(hass, foreign.REMOTE) == "off"


async def test_what_enables_goes_off_when_it_is_left_to_itself(
    hass: HomeAssistant,
) -> None:
    bench = Bench(hass, **EACH, enable=[foreign.REMOTE], park="auto")
    await bench.apply(1000.0)
    assert state(hass, foreign.REMOTE) == "on"
    await bench.setpoint.park()
    assert state(hass, foreign.MODE) == "Self use"
    assert state(hass, foreign.REMOTE) == "off"


def rounding(hass: HomeAssistant, share: float) -> None:
    """Let the inverter take only a share of what it is told."""

    async def take(call: Any) -> None:
        shown = hass.states.get(foreign.SIGNED)
        assert shown is not None
        value = share * call.data["value"]
        hass.states.async_set(foreign.SIGNED, str(value), shown.attributes)

    hass.services.async_register("input_number", "set_value", take)


async def test_a_device_that_takes_less_limits(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "CONFIRM_S", 0.0)
    rounding(hass, 0.5)
    bench = Bench(hass, **SIGNED)
    assert await bench.apply(1000.0) == (OutcomeKind.LIMITED, 500.0, "device_limit")
    assert not bench.read(500.0, 1.0).changed_elsewhere


async def test_a_device_that_thinks_before_it_rounds_is_nobody_else(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    bench = Bench(hass, **SIGNED)
    await bench.apply(1000.0)
    freezer.tick(10)
    await turn(hass, foreign.SIGNED, -900)
    for _ in range(3):
        freezer.tick(5)
        assert not bench.read(900.0, 1.0).changed_elsewhere
    # What is turned down later is turned by somebody.
    freezer.tick(60)
    await turn(hass, foreign.SIGNED, -500)
    bench.read(500.0, 2.0)
    freezer.tick(6)
    assert bench.read(500.0, 3.0).changed_elsewhere


async def test_a_button_is_pressed_once_and_what_it_does_is_looked_at(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "LOOK_S", 0.02)
    bench = Bench(
        hass,
        actions={"charge": [foreign.STOP], "idle": [foreign.SCRIPT]},
        dead_time_s=0.05,
    )
    calls = count_calls(hass)
    bench.measured_w = 0.0
    assert await bench.apply(-6000.0) == (OutcomeKind.LIMITED, 0.0, "not_seen")
    bench.measured_w = -5800.0
    assert await bench.apply(-6000.0) == (OutcomeKind.APPLIED, -6000.0, None)
    assert calls == [("input_button", "press")]
    # It has not ended because a script has run.
    assert await bench.apply(0.0) == (OutcomeKind.LIMITED, -5800.0, "not_seen")


async def test_a_stop_goes_on_after_a_refusal(hass: HomeAssistant) -> None:
    bench = Bench(hass, **EACH)
    await bench.apply(1000.0)

    async def refuse(_call: Any) -> None:
        raise ValueError("out of range")

    hass.services.async_register("input_number", "set_value", refuse)
    assert await bench.apply(0.0) == (OutcomeKind.REFUSED, None, "write_refused")
    assert bench.setpoint.refusal == (foreign.DISCHARGE, "ValueError: out of range")
    assert state(hass, foreign.MODE) == "Pause"


async def test_amperes_are_taken_at_the_voltage_that_is_measured(
    hass: HomeAssistant,
) -> None:
    bench = Bench(
        hass,
        charge_power=foreign.AMPERE,
        voltage_entity=foreign.SOC,
        actions={"charge": [foreign.REMOTE]},
    )
    await turn(hass, foreign.SOC, 50)
    assert await bench.apply(-500.0) == (OutcomeKind.APPLIED, -500.0, None)
    assert state(hass, foreign.AMPERE) == 10.0
    hass.states.async_set(foreign.SOC, "unknown")
    assert (await bench.apply(-600.0))[2] == "entity_unavailable"
    assert bench.read(0.0, 1.0).max_charge_w is None


async def test_an_option_that_is_gone_is_not_written(hass: HomeAssistant) -> None:
    options = EACH["mode_options"] | {"charge": "Turbo"}
    bench = Bench(hass, **EACH | {"mode_options": options})
    assert await bench.apply(-1000.0) == (OutcomeKind.REFUSED, None, "option_unknown")
    assert state(hass, foreign.CHARGE) == 0.0


@pytest.mark.parametrize(
    ("native", "mode"),
    [
        (NativeMode.CHARGE, "Force charge"),
        (NativeMode.DISCHARGE, "Force discharge"),
        (NativeMode.STANDBY, "Pause"),
    ],
)
async def test_a_native_mode_runs_at_what_the_device_can(
    hass: HomeAssistant, native: NativeMode, mode: str
) -> None:
    bench = Bench(hass, **EACH)
    await bench.apply(0.0, native=native)
    assert state(hass, foreign.MODE) == mode


async def test_what_begins_at_less_than_is_needed_says_so(hass: HomeAssistant) -> None:
    bench = Bench(hass, **SIGNED)
    # More than the unit may do at all is cut before anything is written.
    assert await bench.apply(-9000.0) == (OutcomeKind.LIMITED, -4000.0, "device_limit")
