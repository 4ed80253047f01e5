"""What the house is said to draw while the grid is away."""

from dataclasses import replace

import pytest

from custom_components.leaf_to_home.engine.meter import look
from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Guard,
    IslandingStart,
    UnitInputs,
)
from custom_components.leaf_to_home.engine.outage_model import (
    OutagePhase,
    OutageSettings,
    UnitBackup,
)
from custom_components.leaf_to_home.engine.state import HomeState
from tests.engine.loop import START_S
from tests.engine.outages import House
from tests.engine.parts import grid, home, inputs, known, reading, unit

PLAIN = OutageSettings()


def house(**values: object) -> House:
    """Return a house whose meter lies behind the switch, in light."""
    it = House(settings=PLAIN, meter_behind=True)
    for name, value in values.items():
        setattr(it, name, value)
    it.run(5.0)
    return it


def load_w(it: House) -> float | None:
    assert it.decision is not None
    return it.decision.load_w


def test_the_load_is_what_is_carried() -> None:
    it = house()
    it.base_w = 900.0
    it.set_grid(there=False)
    it.run(5.0)
    assert load_w(it) == pytest.approx(it.load_w)
    it.base_w = 300.0
    it.tick()
    assert load_w(it) == pytest.approx(it.load_w), "without a minute of memory"


def test_what_is_carried_is_not_imported_as_well() -> None:
    it = house()
    it.set_grid(there=False)
    it.run(5.0)
    imported_kwh = it.state.import_kwh
    it.run(600.0, 5.0)
    assert it.state.import_kwh == imported_kwh
    assert it.decision is not None
    assert it.decision.grid_w is None
    before = max(peak_w for _, peak_w in it.state.load_peaks_w)
    assert before < 2.0 * it.load_w


def test_in_the_dark_nobody_knows_what_the_house_would_draw() -> None:
    it = house(backup=UnitBackup(by_hand=True))
    it.set_grid(there=False)
    it.run(5.0)
    assert it.state.outage.phase is OutagePhase.WAITING_FOR_PERSON
    assert load_w(it) is None


def test_a_play_leaves_the_load_as_it_is() -> None:
    it = house()
    it.test = True
    it.run(30.0)
    assert it.state.outage.phase is OutagePhase.OUTAGE
    assert load_w(it) == pytest.approx(it.load_w, abs=10.0)


def carried(
    said: UnitInputs, *, state: HomeState | None = None, **values: object
) -> float | None:
    """Return the load of an island at this moment."""
    state = state or home(units={"leaf": unit(islanding=True)})
    state.guard = Guard.ISLANDING
    now = {"grid": None, "units": {"leaf": said}} | values
    return look(state, inputs(**now), START_S).load_w


def island(power_w: float | None = 400.0, **values: float) -> UnitInputs:
    return known(
        capabilities=Capabilities(islanding=IslandingStart.BY_ITSELF),
        reading=reading(islanding=True, power_w=power_w, **values),
    )


def test_a_unit_that_says_nothing_leaves_the_load_unknown() -> None:
    assert carried(island()) == 400.0
    assert carried(island(None)) is None
    assert carried(island(time_s=START_S - 300.0)) is None


def test_the_sun_of_an_island_is_drawn_too() -> None:
    solar = replace(island(-600.0), backup=UnitBackup(solar_in_island=True))
    assert carried(solar, has_solar=True, solar=grid(1000.0)) == 400.0
    assert carried(solar, has_solar=True, solar=None) is None
    assert carried(island(), has_solar=True, solar=grid(1000.0)) == 400.0


def test_a_meter_at_the_grid_counts_what_is_drawn_beside_the_island() -> None:
    """The grid is back, and nobody has switched the station back to it yet."""
    at_grid = OutageSettings(meter_at_grid=True)
    assert carried(island(), grid=grid(250.0), outage=at_grid) == 650.0
    assert carried(island(), grid=grid(400.0)) == 400.0
