"""A house in memory, whose meter and units speak every second."""

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.engine.model import Guard, HomeMode
from custom_components.leaf_to_home.home import Home
from tests.conftest import EVENING, GRID, UNIT_ID, Advance, set_power, setup
from tests.recording import UNITS, RecordingUnit


async def covering(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    entry: MockConfigEntry,
    advance: Advance,
) -> tuple[Home, RecordingUnit]:
    """Return a home whose unit was just told to cover the evening's load."""
    freezer.move_to(EVENING)
    set_power(hass, GRID, 1500)
    home = await setup(hass, entry)
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    await run(hass, advance, 60)
    unit = UNITS[UNIT_ID]
    assert unit.setpoints, home.decision
    assert unit.setpoints[-1].power_w > 1000.0
    return home, unit


async def run(
    hass: HomeAssistant, advance: Advance, seconds: int, load_w: float = 1500.0
) -> None:
    """Let time pass in a house whose meter and units speak every second."""
    for _ in range(seconds):
        meter(hass, load_w)
        for unit in UNITS.values():
            unit.push()
        await advance(1)


def guard(home: Home) -> Guard:
    return home.state.guard


def reached(home: Home) -> bool:
    return home.units[UNIT_ID].coordinator.last_update_success


def meter(hass: HomeAssistant, load_w: float = 1500.0) -> None:
    """Let the grid meter report, as physics has it."""
    set_power(hass, GRID, load_w - sum(u.values["power_w"] for u in UNITS.values()))
