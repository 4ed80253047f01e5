"""The running home: when it steps, what it sends, what it shows, how it leaves."""

import asyncio
from dataclasses import fields
import json
import math
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.coordinator import sane
from custom_components.leaf_to_home.engine.model import (
    Guard,
    HomeMode,
    IntentKind,
    OutcomeKind,
    Reading,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from custom_components.leaf_to_home.home import Home
from tests.conftest import (
    EVENING,
    GRID,
    SOLAR,
    UNIT_ID,
    Advance,
    make_entry,
    set_power,
    setup,
    unit_data,
    wait_for,
)
from tests.living import covering, guard, meter, reached, run
from tests.planned import settle
from tests.recording import DRIVER, UNITS, RecordingUnit


class Counter:
    """Counts calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


async def test_covers_the_evening_peak(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    simulated_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    home = await setup(hass, simulated_entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await advance(300)

    assert home.decision is not None
    unit = home.decision.units[UNIT_ID]
    assert home.decision.guard is Guard.CLEAR
    assert unit.intent is IntentKind.COVER
    reading = home.units[UNIT_ID].coordinator.data
    assert reading is not None
    assert reading.power_w is not None
    assert reading.power_w > 100.0
    assert home.decision.grid_w is not None
    assert home.decision.grid_w < reading.power_w
    assert home.decision.solar_w == 0.0


async def test_a_new_home_observes_and_sends_nothing(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    set_power(hass, GRID, 1500)
    home = await setup(hass, recorded_entry)
    assert home.state.settings.mode is HomeMode.OBSERVE
    await run(hass, advance, 60)
    assert home.decision is not None
    setpoint = home.decision.units[UNIT_ID].setpoint
    assert setpoint is not None
    assert setpoint.power_w > 1000.0, "what would be commanded is shown"
    unit = UNITS[UNIT_ID]
    assert unit.writes == []
    assert home.units[UNIT_ID].worker.writes == 0
    assert await hass.config_entries.async_unload(recorded_entry.entry_id)
    assert unit.writes == []
    assert unit.calls[-1] == "detach"


async def test_a_step_for_every_grid_sample(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    home = await setup(hass, recorded_entry)
    # A plan is acted on at once, and on a busy machine the first one may be late.
    home.async_step()
    await settle(hass, home)
    steps = Counter()
    stop = home.async_subscribe_fast(steps)
    for value in (400, 400, 500, 500):
        await advance(1)
        set_power(hass, GRID, value)
        await hass.async_block_till_done()
        assert home.decision is not None
        assert home.decision.grid_w == value
    assert steps.calls == 4, "reports count like changes"

    # A faster meter is heard twice a second, the last of its samples at the end.
    for value in (1, 2, 3, 4):
        set_power(hass, GRID, value)
        await hass.async_block_till_done()
    assert steps.calls == 4
    await advance(1)
    assert steps.calls == 5
    assert home.decision is not None
    assert home.decision.grid_w == 4

    # Prices, windows and ageing go on without any.
    steps.calls = 0
    await advance(20)
    assert steps.calls == 4
    stop()
    stop()
    await advance(20)
    assert steps.calls == 4


async def test_a_loss_waits_for_nothing(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    home, _ = await covering(hass, freezer, recorded_entry, advance)
    set_power(hass, GRID, 1600)
    set_power(hass, GRID, STATE_UNAVAILABLE)
    await hass.async_block_till_done()
    assert guard(home) is Guard.METER_LOST
    # A plan is acted on at once, and on a busy machine the first one may be late.
    await settle(hass, home)
    steps = Counter()
    home.async_subscribe_fast(steps)
    set_power(hass, GRID, "unknown")
    await hass.async_block_till_done()
    assert steps.calls == 0, "it is lost already"


async def test_a_unit_that_falls_silent_and_comes_back(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    unit.reachable = False
    for _ in range(70):
        meter(hass)
        await advance(1)
    assert not reached(home)
    assert home.decision is not None
    assert home.decision.units[UNIT_ID].status is UnitStatus.UNREACHABLE
    assert home.decision.units[UNIT_ID].setpoint is None
    assert caplog.text.count("Error requesting LEAF data") == 1

    # It is tried again, and told anew what it may have forgotten.
    writes = len(unit.writes)
    unit.reachable = True
    for _ in range(60):
        meter(hass)
        await advance(1)
    assert reached(home)
    assert caplog.text.count("Fetching LEAF data recovered") == 1
    await run(hass, advance, 30)
    assert len(unit.writes) > writes


async def test_a_unit_that_pushes_again_by_itself(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    for _ in range(70):
        meter(hass)
        await advance(1)
    assert not reached(home)
    connects = unit.calls.count("connect")
    unit.push()
    await advance(60)
    unit.push()
    assert reached(home)
    assert unit.calls.count("connect") == connects
    assert "Fetching LEAF data recovered" in caplog.text


async def test_a_unit_that_is_polled(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    home = await setup(hass, make_entry(unit_data(DRIVER, poll_s=10)))
    unit = UNITS[UNIT_ID]
    assert unit.calls == ["connect", "read"]
    await advance(31)
    assert unit.calls == ["connect", *["read"] * 4]
    unit.reachable = False
    await advance(31)
    assert not reached(home)
    unit.reachable = True
    await advance(31)
    assert reached(home)


async def test_a_home_loads_while_everything_is_dark(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    entry = make_entry(
        unit_data(DRIVER, dark=True),
        data={
            "grid": {"kind": "two", "entity": GRID, "entity_export": "sensor.out"},
            "phases": ["sensor.l1"],
            "solar": [SOLAR],
            "other_batteries": ["sensor.battery"],
            "mains": "binary_sensor.mains",
        },
    )
    home = await setup(hass, entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await advance(20)
    unit = UNITS[UNIT_ID]
    assert unit.writes == []
    assert home.units[UNIT_ID].info is None
    registry = dr.async_get(hass)
    identifier = (DOMAIN, f"{entry.entry_id}_{UNIT_ID}")
    device = registry.async_get_device_by_identifier(identifier, entry.entry_id)
    assert device is not None
    assert device.manufacturer is None

    # The device shows up later and says what it is.
    unit.reachable = True
    await advance(31)
    assert home.units[UNIT_ID].info is not None
    device = registry.async_get_device_by_identifier(identifier, entry.entry_id)
    assert device is not None
    assert (device.manufacturer, device.model) == ("Test", "Recorder")


async def test_a_unit_that_answers_slowly_does_not_hold_up_the_home(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    recorded_entry.add_to_hass(hass)
    answer = asyncio.Event()
    connect = RecordingUnit.connect

    async def slow(self: RecordingUnit) -> Any:
        await answer.wait()
        return await connect(self)

    with patch.object(RecordingUnit, "connect", slow):
        loading = hass.async_create_task(
            hass.config_entries.async_setup(recorded_entry.entry_id)
        )
        await wait_for(hass, freezer, loading, seconds=20)
        assert loading.result()
        home: Home = recorded_entry.runtime_data.home
        assert home.units[UNIT_ID].coordinator.data is None
        answer.set()
        await advance(2)
    assert home.units[UNIT_ID].coordinator.data is not None


async def test_a_failing_decision_silences_everybody(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = make_entry(unit_data(DRIVER, watchdog_s=6.0))
    _, unit = await covering(hass, freezer, entry, advance)
    writes = len(unit.writes)
    await run(hass, advance, 5)
    assert len(unit.writes) > writes, "the watchdog is fed"
    with patch(
        "custom_components.leaf_to_home.home.step", side_effect=ZeroDivisionError
    ):
        await run(hass, advance, 2)
        writes = len(unit.writes)
        await run(hass, advance, 30)
    assert len(unit.writes) == writes
    assert caplog.text.count("no decision could be made") == 1
    await run(hass, advance, 5)
    assert len(unit.writes) > writes


async def test_publishing_is_not_controlling(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    home, unit = await covering(hass, freezer, recorded_entry, advance)
    await run(hass, advance, 30)
    # A plan is shown at once, and on a busy machine the first one may be late.
    await settle(hass, home)
    steps, shown = Counter(), Counter()
    home.async_subscribe_fast(steps)
    stop = home.async_subscribe(shown)
    await run(hass, advance, 60)
    assert steps.calls >= 60
    assert shown.calls == 6

    # A change of status, mode, guard or outcome is shown at once.
    shown.calls = 0
    unit.push(status=UnitStatus.DISCHARGING)
    await run(hass, advance, 1)
    assert shown.calls == 1
    home.async_change_unit(UNIT_ID, reserve_percent=40.0)
    assert shown.calls == 2
    # Nor the plan that this asks for, whenever it comes.
    await settle(hass, home)
    shown.calls = 2
    unit.outcome = OutcomeKind.LIMITED
    home.async_change_unit(UNIT_ID, mode=UnitMode.HOLD)
    await hass.async_block_till_done()
    assert shown.calls == 4
    set_power(hass, GRID, STATE_UNAVAILABLE)
    await hass.async_block_till_done()
    assert shown.calls == 5
    stop()
    await run(hass, advance, 30)
    assert shown.calls == 5


async def test_two_units_at_one_meter_of_theirs(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
) -> None:
    freezer.move_to(EVENING)
    entry = make_entry(
        unit_data(DRIVER), unit_data(DRIVER), data={"grid": {"kind": "unit"}}
    )
    home = await setup(hass, entry)
    first, second = UNITS[UNIT_ID], UNITS[f"{UNIT_ID[:-1]}2"]

    def measured() -> tuple[float | None, float | None]:
        assert home.decision is not None
        return home.decision.grid_w, home.decision.solar_w

    assert measured() == (None, None)
    await advance(1)
    first.push(grid_w=800.0, solar_w=150.0)
    assert measured() == (800.0, 150.0)
    await advance(1)
    second.push(grid_w=5.0)
    assert measured() == (800.0, 150.0), "the first that measures is the meter"
    first.push(grid_w=None, solar_w=None)
    assert measured() == (None, None)
    assert guard(home) is Guard.METER_LOST


@pytest.mark.parametrize("absurd", [math.nan, math.inf, -1e7])
@pytest.mark.parametrize("poll", [False, True])
async def test_what_no_unit_can_mean_is_not_heard(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
    absurd: float,
    poll: bool,
) -> None:
    freezer.move_to(EVENING)
    unit_conf = unit_data(DRIVER, **({"poll_s": 1} if poll else {}))
    home = await setup(hass, make_entry(unit_conf, data={"grid": {"kind": "unit"}}))
    unit = UNITS[UNIT_ID]
    numbers = {
        item.name: absurd
        for item in fields(Reading)
        if item.default is None and "float" in str(item.type)
    }
    assert {"grid_w", "solar_w", "soc_percent", "power_w"} <= numbers.keys()
    for _ in range(5):
        unit.values |= numbers
        if not poll:
            unit.push()
        await advance(1)
    reading = home.units[UNIT_ID].coordinator.data
    assert reading is not None
    assert {getattr(reading, name) for name in numbers} == {None}
    assert reading.connected is True
    stored = json.loads(json.dumps(to_dict(home.state)), parse_constant=pytest.fail)
    assert from_dict(type(home.state), stored) == home.state


async def test_a_plausible_reading_is_left_as_it_is() -> None:
    reading = Reading(time_s=1e9, soc_percent=55.0, power_w=0.0, charged_kwh=12e3)
    assert sane(reading) is reading
