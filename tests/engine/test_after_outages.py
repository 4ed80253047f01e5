"""What is left of an outage when it is over, and of what was raised before it."""

from dataclasses import replace

import pytest

from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Guard,
    HomeMode,
    Inputs,
    IslandingStart,
    Reading,
    Sample,
    UnitInputs,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.outage_model import (
    NoBackup,
    OutagePhase,
    OutageSettings,
    Tier,
    UnitBackup,
    Watch,
    WatchSource,
)
from custom_components.leaf_to_home.engine.state import (
    HomeSettings,
    HomeState,
    UnitState,
    first_settings,
)
from custom_components.leaf_to_home.engine.step import step
from tests.engine.loop import LEAF, START_S, dear_site
from tests.engine.outages import SETTINGS, House, settle

PLAIN = OutageSettings()


def house(**values: object) -> House:
    it = House(settings=PLAIN, soc_percent=50.0)
    for name, value in values.items():
        setattr(it, name, value)
    it.state.settings = replace(it.state.settings, mode=HomeMode.BACKUP_READY)
    return it


def on(it: House) -> set[str]:
    """Return which of the two that are shed first are on."""
    return {load for load in ("heater", "desk") if it.loads[load].on}


def phase(it: House) -> OutagePhase:
    return it.state.outage.phase


def test_recharging_keeps_the_import_limit() -> None:
    """Half hours: what was not measured of one in the dark is no room for more."""
    it = house(base_w=600.0)
    it.loads["heater"].on = False
    it.state.settings = replace(it.state.settings, import_limit_w=3000.0)
    it.run(60.0)
    it.set_grid(there=False)
    it.run(900.0, 5.0)
    it.set_grid(there=True)
    it.run(3.0 * 3600.0, 5.0)
    assert phase(it) is OutagePhase.NORMAL
    assert it.power_w < -1000.0, "it is charged"
    peaks_w = [peak for peaks in it.state.window.peaks_w.values() for peak in peaks]
    assert peaks_w
    assert max(peaks_w) <= 3000.0
    assert it.state.window.missed == 0


def test_a_restart_between_the_loads_goes_on_with_them() -> None:
    it = House(settings=SETTINGS, soc_percent=30.0)
    it.run(10.0)
    it.set_grid(there=False)
    it.run(60.0)
    assert not on(it)
    it.set_grid(there=True)
    while phase(it) is not OutagePhase.RESTORING:
        it.tick()
    it.run(3.0)
    for down_s in (5.0, 4000.0):
        it.restart(down_s)
        it.tick()
    settle(it)
    assert on(it) == {"heater", "desk"}
    assert it.state.outage.outages == 1


def test_a_planned_cut_that_ends_in_the_outage_asks_for_nothing_after_it() -> None:
    it = house(soc_percent=85.0)
    it.state.settings = replace(it.state.settings, mode=HomeMode.AUTOMATIC)
    cut = Watch(
        reserve_percent=80.0,
        until_s=START_S + 1800.0,
        needed_s=START_S + 300.0,
        source=WatchSource.CALENDAR,
    )
    given = it.inputs

    def with_cut() -> Inputs:
        now = given()
        return replace(now, watches=(cut,) if it.now_s < cut.until_s else ())

    it.inputs = with_cut  # type: ignore[method-assign]  # the calendar of the house
    it.run(300.0, 5.0)
    assert it.state.units["leaf"].reserve_percent == 80.0
    it.set_grid(there=False)
    it.base_w = 3000.0
    it.run(3600.0, 5.0)
    assert it.soc_percent < 80.0
    unit = it.state.units["leaf"]
    assert unit.reserve_percent == unit.settings.reserve_percent
    assert not unit.watch_short
    it.set_grid(there=True)
    it.run(1800.0, 5.0)
    assert phase(it) is OutagePhase.NORMAL
    assert it.power_w >= 0.0, "dear power is bought for no cut that is over"


def test_beside_a_unit_that_cannot_island_the_other_one_carries_alone() -> None:
    """A Quasar is told nothing, counts for nothing, and ends nothing."""
    never = Capabilities(islanding=IslandingStart.NEVER)
    leaf = Capabilities(islanding=IslandingStart.BY_ITSELF)
    settings = OutageSettings(tiers=(Tier(key="a", loads=(), soc_percent=20.0),))
    state = HomeState(
        settings=HomeSettings(mode=HomeMode.AUTOMATIC),
        units={
            key: UnitState(settings=first_settings(LEAF)) for key in ("leaf", "quasar")
        },
    )

    def inputs(now_s: float, *, there: bool) -> Inputs:
        said = Reading(time_s=now_s, soc_percent=50.0, connected=True)
        carries = replace(
            said,
            power_w=0.0 if there else 700.0,
            islanding=not there,
            status=UnitStatus.IDLE if there else UnitStatus.ISLANDING,
        )
        # It charges from the island: it is tied to something, and says so.
        takes = replace(said, power_w=-1500.0, islanding=False)
        return Inputs(
            site=dear_site(),
            units={
                "leaf": UnitInputs(
                    spec=LEAF,
                    capabilities=leaf,
                    reading=carries,
                    backup=UnitBackup(limit_w=6000.0),
                ),
                "quasar": UnitInputs(spec=LEAF, capabilities=never, reading=takes),
            },
            grid=Sample(value=500.0 + now_s % 5, time_s=now_s) if there else None,
            outage=settings,
        )

    now_s = START_S
    state, decision = step(state, inputs(now_s, there=True), now_s)
    for _ in range(900):
        now_s += 1.0
        state, decision = step(state, inputs(now_s, there=False), now_s)
        assert not any(unit.send or unit.park for unit in decision.units.values())
    outage = decision.outage
    assert outage is not None
    assert outage.phase is OutagePhase.OUTAGE
    assert decision.guard is Guard.ISLANDING
    assert outage.no_backup == {"quasar": NoBackup.NEVER}
    assert outage.carried_w == 700.0
    assert decision.load_w == 700.0
    assert outage.runtime is not None
    usable_kwh = state.units["leaf"].stored_kwh
    assert usable_kwh is not None
    assert outage.runtime.usable_kwh < usable_kwh, "of one battery alone"


@pytest.mark.parametrize("seen_w", [(0.0,), (45.0, 0.0, -45.0)], ids=["none", "both"])
def test_a_station_that_says_it_is_tied_ends_what_it_told_beside_a_meter_near_zero(
    seen_w: tuple[float, ...],
) -> None:
    """The sun may leave the meter about nothing all day, and the sensor be dead."""
    it = house(sensor=False)
    it.run(10.0)
    it.set_grid(there=False)
    it.run(60.0)
    assert phase(it) is OutagePhase.OUTAGE
    it.set_grid(there=True)
    for second in range(0, 600, 5):
        it.meter_stuck_w = seen_w[second // 50 % len(seen_w)]
        it.tick(5.0)
        assert phase(it) is OutagePhase.OUTAGE
    for second in range(0, 180, 5):
        it.meter_stuck_w = seen_w[second // 50 % len(seen_w)]
        it.tick(5.0)
    assert phase(it) is OutagePhase.NORMAL


def test_who_was_told_by_a_sensor_that_died_does_not_believe_the_station_alone() -> (
    None
):
    it = house()
    it.run(10.0)
    it.set_grid(there=False)
    it.run(60.0)
    it.sensor = it.islands = False
    it.run(1800.0, 5.0)
    assert phase(it) is OutagePhase.OUTAGE
