"""Repairs that the running home gives reason for."""

from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode
from tests.conftest import (
    GRID,
    SOLAR,
    UNIT_ID,
    Advance,
    make_entry,
    set_power,
    setup,
    unit_data,
)
from tests.living import run
from tests.planned import settle
from tests.recording import DRIVER, UNITS

MIDNIGHT = "2026-11-23T08:30:00+00:00"
MORNING = "2026-11-23T18:00:00+00:00"


def issue(
    hass: HomeAssistant, entry: MockConfigEntry, name: str
) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, f"{name}_{entry.entry_id}")


async def test_a_meter_the_wrong_way_round(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    """The meter of this house counts export as import."""
    freezer.move_to(MORNING)
    home = await setup(hass, recorded_entry)
    unit = UNITS[UNIT_ID]

    async def swing(sign: float) -> None:
        power_w = 2000.0 if unit.values["power_w"] == 0.0 else 0.0
        home.state.units[UNIT_ID].command_s = freezer().timestamp()
        unit.push(power_w=power_w)
        for _ in range(20):
            set_power(hass, GRID, sign * (1000.0 - power_w))
            unit.push()
            await advance(1)

    # Nothing that is only shown moves anything.
    for _ in range(5):
        await swing(-1.0)
    assert issue(hass, recorded_entry, "grid_sign") is None

    home.state.settings = type(home.state.settings)(mode=HomeMode.OFF)
    for _ in range(4):
        await swing(-1.0)
    found = issue(hass, recorded_entry, "grid_sign")
    assert found is not None
    assert found.is_fixable
    assert found.translation_key == "grid_sign"
    assert found.translation_placeholders == {"home": "Home"}
    assert found.data == {"entry_id": recorded_entry.entry_id}

    for _ in range(2):
        await swing(1.0)
    assert issue(hass, recorded_entry, "grid_sign") is None


@pytest.mark.parametrize(
    ("night", "battery_w", "expected"),
    [(True, 0, True), (True, 1000, False), (True, None, False), (False, 0, False)],
)
async def test_export_at_night_out_of_nothing(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
    night: bool,
    battery_w: float | None,
    expected: bool,
) -> None:
    freezer.move_to(MIDNIGHT if night else MORNING)
    entry = make_entry(
        unit_data(DRIVER),
        data={
            "grid": {"kind": "sensor", "entity": GRID},
            "solar": [SOLAR],
            "other_batteries": ["sensor.battery"],
        },
    )
    await setup(hass, entry)
    for _ in range(130):
        set_power(hass, GRID, -400)
        set_power(hass, SOLAR, 0)
        if battery_w is not None:
            set_power(hass, "sensor.battery", battery_w)
        UNITS[UNIT_ID].push()
        await advance(5)
    assert (issue(hass, entry, "grid_sign") is not None) is expected

    # Once it has been seen to, it is judged anew.
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert issue(hass, entry, "grid_sign") is None


async def test_a_source_that_stays_silent(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
) -> None:
    freezer.move_to(MIDNIGHT)
    entry = make_entry(
        unit_data(DRIVER),
        data={"grid": {"kind": "sensor", "entity": GRID}, "solar": [SOLAR]},
    )
    await setup(hass, entry)
    set_power(hass, GRID, 500)
    await advance(60)
    assert issue(hass, entry, f"source_stale_{GRID}") is None
    set_power(hass, GRID, STATE_UNAVAILABLE)
    await advance(920)
    found = issue(hass, entry, f"source_stale_{GRID}")
    assert found is not None
    assert not found.is_fixable
    assert found.translation_placeholders == {"home": "Home", "entity_id": GRID}
    assert issue(hass, entry, f"source_stale_{SOLAR}") is None, "the sun is down"
    set_power(hass, GRID, 500)
    await advance(20)
    assert issue(hass, entry, f"source_stale_{GRID}") is None


async def test_a_power_that_nobody_knows_proves_nothing(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    freezer.move_to(MIDNIGHT)
    await setup(hass, recorded_entry)
    for _ in range(130):
        set_power(hass, GRID, -400)
        UNITS[UNIT_ID].push(power_w=None)
        await advance(5)
    assert issue(hass, recorded_entry, "grid_sign") is None


async def test_the_sign_of_a_unit_s_own_meter_cannot_be_turned_here(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recording_driver: None,
    advance: Advance,
) -> None:
    freezer.move_to(MIDNIGHT)
    entry = make_entry(unit_data(DRIVER), data={"grid": {"kind": "unit"}})
    await setup(hass, entry)
    for _ in range(130):
        UNITS[UNIT_ID].push(grid_w=-400.0)
        await advance(5)
    found = issue(hass, entry, "grid_sign")
    assert found is not None
    assert not found.is_fixable
    assert found.translation_key == "grid_sign_unit"


async def test_decisions_that_keep_failing(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    recorded_entry: MockConfigEntry,
    advance: Advance,
) -> None:
    freezer.move_to(MIDNIGHT)
    home = await setup(hass, recorded_entry)
    await run(hass, advance, 2)
    # A plan that comes is acted on at once: it would be one failure more.
    await settle(hass, home)
    problem = "binary_sensor.leaf_problem"
    with patch(
        "custom_components.leaf_to_home.home.step", side_effect=ZeroDivisionError("x")
    ):
        for _ in range(2):
            home.async_step()
            await hass.async_block_till_done()
            assert issue(hass, recorded_entry, "no_decision") is None
            assert hass.states.is_state(problem, "off")
        home.async_step()
        await hass.async_block_till_done()
        found = issue(hass, recorded_entry, "no_decision")
        assert found is not None
        assert not found.is_fixable
        assert found.severity is ir.IssueSeverity.ERROR
        assert found.translation_placeholders == {
            "home": "Home",
            "error": "ZeroDivisionError: x",
        }
        assert hass.states.is_state(problem, "on")
    await run(hass, advance, 2)
    assert issue(hass, recorded_entry, "no_decision") is None
    assert hass.states.is_state(problem, "off")
