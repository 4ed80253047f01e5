"""What other sources know of a car: it tightens, it stands in, and it teaches."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.leaf_to_home.engine.model import (
    Capabilities,
    Departure,
    Elsewhere,
    Inputs,
    Reading,
    ReasonCode,
    Sample,
    UnitMode,
)
from custom_components.leaf_to_home.engine.state import HomeState
from custom_components.leaf_to_home.engine.stored import from_dict, to_dict
from tests.engine.loop import LEAF, START_S, Loop, Row, dear_site

MINUTE_S = 60.0


class Source:
    """What is said from elsewhere; the loop hears it with its next step."""

    def __init__(self, *, knows: bool = False, **values: Any) -> None:
        """Make a home; `knows`: the charger knows the charge, too."""
        self.told: dict[str, Elsewhere] = {}
        self.departures: tuple[Departure, ...] = ()
        self.values = values
        self.loop = Loop(
            site=dear_site(),
            tick_s=10.0,
            reading=self._reading if not knows else lambda reading: reading,
            adjust=self._adjust,
        )

    def say(self, soc: float | None = None, *, ago_s: float = 0.0, **more: Any) -> None:
        """Say something as of `ago_s` before now."""
        at_s = self.loop.plant.time_s - ago_s
        samples = {
            name: None
            if value is None
            else Sample(value=value, time_s=at_s, max_age_s=900.0)
            for name, value in more.items()
        }
        charge = None if soc is None else Sample(value=soc, time_s=at_s)
        self.told = {"": Elsewhere(soc_percent=charge, **samples)}  # type: ignore[arg-type]

    def run(self, seconds: float, load_w: float = 2000.0) -> list[Row]:
        return self.loop.run(seconds, lambda _: load_w)

    @property
    def soc(self) -> float | None:
        return self.loop.rows[-1].decision.units["leaf"].soc_percent

    @property
    def why(self) -> ReasonCode:
        return self.loop.rows[-1].decision.units["leaf"].reason.code

    def _reading(self, reading: Reading) -> Reading:
        return replace(reading, soc_percent=None, soh_percent=None, **self.values)

    def _adjust(self, inputs: Inputs) -> Inputs:
        unit = inputs.units["leaf"]
        unit = replace(
            unit,
            elsewhere=self.told,
            departures=self.departures,
            capabilities=Capabilities(dead_time_s=5.0, reports_soc=False),
        )
        return replace(inputs, units={"leaf": unit})


def test_a_charger_that_knows_no_charge_gives_once_another_source_does() -> None:
    home = Source()
    home.run(MINUTE_S)
    assert home.soc is None
    assert home.why is ReasonCode.SOC_UNKNOWN
    home.say(70.0)
    rows = home.run(10 * MINUTE_S)
    assert home.soc == pytest.approx(69.0, abs=1.5)
    assert rows[-1].unit_w > 1500.0


def test_it_ages_by_energy_and_not_by_the_clock() -> None:
    home = Source()
    home.say(31.5)
    home.run(2 * MINUTE_S)
    home.loop.change(mode=UnitMode.HOLD)
    home.run(2 * 3600.0)
    assert home.soc is not None
    home.loop.change(mode=UnitMode.AUTOMATIC, reserve_percent=12.0)
    rows = home.run(2 * 3600.0)
    assert max(row.unit_w for row in rows) > 1500.0
    # Counted down to the reserve and no further, although nobody reports any more.
    assert home.loop.plant.soc_percent > 12.0 + (70.0 - 31.5) - 4.0


def test_a_report_of_before_the_trip_is_not_of_now() -> None:
    home = Source()
    home.say(70.0)
    home.run(5 * MINUTE_S)
    home.loop.plant.unplug(10.0)
    home.run(30 * MINUTE_S)
    home.loop.plant.plug_in()
    rows = home.run(10 * MINUTE_S)
    assert home.why is ReasonCode.SOC_UNKNOWN
    assert max(row.unit_w for row in rows) <= 0.0


def test_a_report_from_shortly_before_the_plug_in_counts_less() -> None:
    home = Source()
    home.say(70.0)
    home.run(5 * MINUTE_S)
    home.loop.plant.unplug(10.0)
    home.run(30 * MINUTE_S)
    home.say(60.0)
    home.run(6 * MINUTE_S)
    home.loop.plant.plug_in()
    home.run(20.0)
    # Six minutes of driving may have taken a kilowatt-hour.
    assert home.soc == pytest.approx(60.0 - 100.0 / 36.0, abs=0.7)


def test_a_lower_report_tightens_what_the_charger_says() -> None:
    """Rule 8: discharging stops by whoever says less."""
    home = Source(knows=True)
    home.run(MINUTE_S)
    home.say(33.0)
    rows = home.run(3600.0, 5000.0)
    assert home.soc == pytest.approx(home.loop.plant.soc_percent, abs=1.5)
    given = [row for row in rows if row.unit_w > 100.0]
    assert given
    # Two points are given, one step above the reserve of 30.
    assert home.loop.plant.soc_percent > 70.0 - 4.0
    assert home.why is ReasonCode.RESERVE


def test_a_higher_report_loosens_nothing() -> None:
    home = Source(knows=True)
    home.loop.plant._state.stored_kwh = 0.30 * LEAF.capacity_kwh
    home.run(MINUTE_S)
    home.say(80.0)
    rows = home.run(3600.0)
    assert max(row.unit_w for row in rows) <= 0.0
    assert home.soc == pytest.approx(30.0, abs=1.5)


def test_charging_stops_by_whoever_says_more() -> None:
    home = Source(knows=True)
    home.run(MINUTE_S)
    home.say(94.0)
    home.loop.change(mode=UnitMode.CHARGE)
    home.run(3600.0)
    assert home.loop.plant.soc_percent < 73.0


@pytest.mark.parametrize(("said", "least"), [(38.0, 72.0), (70.0, 60.0)])
def test_a_departure_goes_by_whoever_says_less(said: float, least: float) -> None:
    """Rule 8: to be ready by the lower report, the car is charged for the difference.

    A higher one makes nobody leave with less.
    """
    home = Source(knows=True)
    home.loop.plant._state.stored_kwh = 0.50 * LEAF.capacity_kwh
    home.departures = (Departure(time_s=START_S + 3 * 3600.0, soc_percent=60.0),)
    home.run(MINUTE_S)
    home.say(said)
    rows = home.run(3 * 3600.0 - 2 * MINUTE_S, 500.0)
    assert home.loop.plant.soc_percent >= least - 0.5
    assert home.loop.plant.soc_percent <= least + 3.0
    assert not any(row.decision.units["leaf"].flags for row in rows)


def test_a_departure_that_only_the_charger_finds_ready_is_told_of() -> None:
    """The highest charge is kept by whoever says more, and what lacks is said."""
    home = Source(knows=True)
    home.loop.plant._state.stored_kwh = 0.90 * LEAF.capacity_kwh
    home.loop.change(reserve_percent=90.0)
    home.departures = (Departure(time_s=START_S + 3600.0, soc_percent=90.0),)
    home.run(MINUTE_S)
    home.say(75.0)
    rows = home.run(3600.0 - 2 * MINUTE_S, 500.0)
    assert home.loop.plant.soc_percent < 97.0
    assert ReasonCode.DEPARTURE in rows[-1].decision.units["leaf"].flags


def test_what_others_said_fades_with_what_is_counted() -> None:
    home = Source(knows=True)
    home.run(MINUTE_S)
    home.say(45.0)
    home.loop.change(mode=UnitMode.CHARGE)
    home.run(3600.0)
    # More than a quarter would have to move; so far it still counts.
    assert home.loop.leaf.other_kwh is not None
    home.loop.change(mode=UnitMode.DISCHARGE, reserve_percent=12.0)
    home.run(3 * 3600.0, 6000.0)
    assert home.loop.leaf.other_kwh is None


def test_the_charger_takes_over_once_it_knows() -> None:
    home = Source()
    home.say(50.0)
    home.run(2 * MINUTE_S)
    assert home.soc == pytest.approx(50.0, abs=1.0)
    home.loop.reading = lambda reading: reading
    home.run(2 * MINUTE_S)
    assert home.soc == pytest.approx(70.0, abs=1.5)
    assert home.loop.leaf.other_kwh is not None
    assert home.loop.leaf.soc_elsewhere is False


def test_a_charger_that_falls_silent_is_not_loosened() -> None:
    home = Source(knows=True)
    home.loop.plant._state.stored_kwh = 0.35 * LEAF.capacity_kwh
    home.run(MINUTE_S)
    home.loop.reading = home._reading
    for _ in range(5):
        home.say(90.0)
        home.run(2 * MINUTE_S)
    assert home.soc is not None
    assert home.soc < 37.0


def test_an_unplugged_car_is_believed_where_the_charger_cannot_tell() -> None:
    home = Source(connected=None)
    home.say(70.0, plugged=1.0)
    home.run(2 * MINUTE_S)
    assert home.loop.leaf.connected is True
    home.say(None, plugged=0.0)
    home.run(2 * MINUTE_S)
    assert home.why is ReasonCode.DISCONNECTED
    # An old word on the plug says nothing any more.
    home.run(20 * MINUTE_S)
    assert home.why is not ReasonCode.DISCONNECTED


def trip(home: Source, km: float, kwh: float, *, told: bool = True) -> float:
    """Drive, come back, and return what the consumption is then."""
    home.say(70.0, odometer_km=1000.0)
    home.run(5 * MINUTE_S)
    home.loop.plant.unplug(kwh)
    home.run(45 * MINUTE_S)
    soc = home.loop.plant.soc_percent if told else None
    home.say(soc, odometer_km=1000.0 + km)
    home.loop.plant.plug_in()
    home.run(5 * MINUTE_S)
    return home.loop.leaf.settings.kwh_per_100_km


def test_a_trip_teaches_what_driving_takes() -> None:
    # 24 kWh for 100 km: a third of the way from 18 towards it.
    assert trip(Source(), 50.0, 12.0) == pytest.approx(18.0 + 6.0 * 0.2, abs=0.3)
    assert trip(Source(knows=True), 50.0, 12.0) == pytest.approx(19.2, abs=0.3)


@pytest.mark.parametrize(("km", "kwh"), [(3.0, 1.0), (90.0, 2.0), (20.0, 12.0)])
def test_a_trip_that_is_short_or_was_charged_on_the_way_teaches_nothing(
    km: float, kwh: float
) -> None:
    assert trip(Source(), km, kwh) == 18.0


def test_a_trip_without_a_charge_at_its_end_teaches_nothing() -> None:
    home = Source()
    assert trip(home, 50.0, 12.0, told=False) == 18.0
    home.run(45 * MINUTE_S)
    assert home.loop.leaf.left_km is None


def test_all_of_it_outlasts_a_restart() -> None:
    home = Source(knows=True)
    home.say(60.0, odometer_km=1000.0)
    home.run(5 * MINUTE_S)
    again = from_dict(HomeState, to_dict(home.loop.state))
    assert again == home.loop.state
    assert again.units["leaf"].other_kwh is not None
    assert again.units["leaf"].odometer_km == 1000.0
    assert (again.units["leaf"].other_s or 0.0) + 1.0 > START_S
