"""One rule of freshness for everything that is measured."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest

from custom_components.leaf_to_home.engine.model import Reading, Sample
from custom_components.leaf_to_home.sources.base import PowerSource, Source
from custom_components.leaf_to_home.sources.grid import TwoSensors, UnitMeter
from custom_components.leaf_to_home.sources.mains import Mains
from custom_components.leaf_to_home.sources.meters import Daylight, Meters
from custom_components.leaf_to_home.sources.solar import SumOfSources
from tests.conftest import GRID, SOLAR, set_power

NOON = "2026-06-21T19:00:00+00:00"
MIDNIGHT = "2026-06-21T08:00:00+00:00"


def now_s() -> float:
    return dt_util.utcnow().timestamp()


def fresh(sample: Sample | None) -> float | None:
    """Return the value that may be used now."""
    return sample.value if sample is not None and sample.fresh(now_s()) else None


def interval_s(source: PowerSource) -> float | None:
    return source.interval_s


class Heard:
    """Counts what a source calls back."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def started(source: Any) -> Heard:
    heard = Heard()
    source.async_start(heard)
    return heard


@pytest.mark.parametrize(
    ("state", "unit", "expected"),
    [
        ("1234.5", "W", 1234.5),
        ("-1.5", "kW", -1500.0),
        ("0.5", "MW", 500_000.0),
        ("999", "kW", 999_000.0),
        ("1001", "kW", None),
        ("nan", "W", None),
        ("inf", "W", None),
        ("on", "W", None),
        ("", "W", None),
        (STATE_UNKNOWN, "W", None),
        (STATE_UNAVAILABLE, "W", None),
        ("5", "kWh", None),
        ("5", None, None),
    ],
)
async def test_what_a_state_says(
    hass: HomeAssistant, state: str, unit: str | None, expected: float | None
) -> None:
    source = Source(hass, GRID)
    started(source)
    set_power(hass, GRID, state, unit)
    await hass.async_block_till_done()
    assert fresh(source.sample(now_s())) == expected


async def test_a_state_from_before_counts(hass: HomeAssistant) -> None:
    set_power(hass, GRID, 300)
    source = Source(hass, GRID)
    started(source)
    assert fresh(source.sample(now_s())) == 300.0


async def test_no_entity_no_sample(hass: HomeAssistant) -> None:
    source = Source(hass, GRID)
    started(source)
    assert source.sample(now_s()) is None
    assert not source.speaks(now_s())
    assert source.interval_s is None


async def test_a_steady_sensor_is_alive_by_its_reports(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    source = Source(hass, GRID)
    heard = started(source)
    for _ in range(20):
        set_power(hass, GRID, 400)
        await hass.async_block_till_done()
        assert fresh(source.sample(now_s())) == 400.0
        freezer.tick(timedelta(seconds=20))
    assert heard.times == 20
    sample = source.sample(now_s())
    assert sample is not None
    assert sample.time_s == now_s() - 20.0


async def test_thirty_seconds_at_least(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    source = Source(hass, GRID)
    started(source)
    for value in range(5):
        set_power(hass, GRID, value)
        await hass.async_block_till_done()
        freezer.tick(timedelta(seconds=1))
    assert source.interval_s == 1.0
    freezer.tick(timedelta(seconds=29))
    assert source.speaks(now_s())
    freezer.tick(timedelta(seconds=1))
    assert not source.speaks(now_s())
    assert fresh(source.sample(now_s())) is None


async def test_three_intervals_of_a_slow_meter(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    source = Source(hass, GRID)
    started(source)
    set_power(hass, GRID, 0)
    await hass.async_block_till_done()
    freezer.tick(timedelta(seconds=60))
    assert not source.speaks(now_s()), "unknown yet that it is slow"
    set_power(hass, GRID, 0)
    await hass.async_block_till_done()
    freezer.tick(timedelta(seconds=180))
    assert source.speaks(now_s())
    freezer.tick(timedelta(seconds=1))
    assert not source.speaks(now_s())


async def test_one_silence_teaches_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    source = Source(hass, GRID)
    started(source)
    for gap_s in (1, 1, 900, 1):
        set_power(hass, GRID, gap_s)
        await hass.async_block_till_done()
        freezer.tick(timedelta(seconds=gap_s))
    assert source.interval_s == 1.0
    set_power(hass, GRID, STATE_UNAVAILABLE)
    await hass.async_block_till_done()
    freezer.tick(timedelta(seconds=3600))
    set_power(hass, GRID, 5)
    await hass.async_block_till_done()
    assert source.interval_s == 1.0


async def test_the_user_may_set_the_age(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    source = Source(hass, GRID, max_age_s=300.0)
    started(source)
    set_power(hass, GRID, 1)
    await hass.async_block_till_done()
    freezer.tick(timedelta(seconds=300))
    assert source.speaks(now_s())
    freezer.tick(timedelta(seconds=1))
    assert not source.speaks(now_s())


async def test_a_habit_learnt_before_a_restart(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    source = Source(hass, GRID, interval_s=60.0)
    started(source)
    set_power(hass, GRID, 1)
    await hass.async_block_till_done()
    freezer.tick(timedelta(seconds=100))
    assert source.speaks(now_s())


async def test_unavailable_is_lost_at_once_and_nonsense_is_not_heard(
    hass: HomeAssistant,
) -> None:
    source = Source(hass, GRID)
    heard = started(source)
    set_power(hass, GRID, 100)
    set_power(hass, GRID, "nan")
    await hass.async_block_till_done()
    assert fresh(source.sample(now_s())) == 100.0
    set_power(hass, GRID, STATE_UNAVAILABLE)
    await hass.async_block_till_done()
    assert source.sample(now_s()) is None
    set_power(hass, GRID, 100)
    await hass.async_block_till_done()
    assert fresh(source.sample(now_s())) == 100.0
    hass.states.async_remove(GRID)
    await hass.async_block_till_done()
    assert source.sample(now_s()) is None
    assert heard.times == 5


async def test_a_stopped_source_hears_nothing(hass: HomeAssistant) -> None:
    heard = Heard()
    stop = Source(hass, GRID).async_start(heard)
    stop()
    set_power(hass, GRID, 1)
    await hass.async_block_till_done()
    assert heard.times == 0


async def test_two_sensors_are_new_only_together(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    grid = TwoSensors(Source(hass, "sensor.import"), Source(hass, "sensor.export"))
    heard = started(grid)
    assert interval_s(grid) is None
    set_power(hass, "sensor.import", 500)
    await hass.async_block_till_done()
    assert grid.sample(now_s()) is None
    set_power(hass, "sensor.export", 0)
    await hass.async_block_till_done()
    first = grid.sample(now_s())
    assert fresh(first) == 500.0

    freezer.tick(timedelta(seconds=10))
    set_power(hass, "sensor.import", 0)
    await hass.async_block_till_done()
    half = grid.sample(now_s())
    assert first is not None
    assert half is not None
    assert half.time_s == first.time_s
    set_power(hass, "sensor.export", 700)
    await hass.async_block_till_done()
    whole = grid.sample(now_s())
    assert whole is not None
    assert whole.value == -700.0
    assert whole.time_s == now_s()
    assert interval_s(grid) == 10.0

    # One that keeps silent makes the sum stale, whatever the other says.
    freezer.tick(timedelta(seconds=31))
    set_power(hass, "sensor.import", 100)
    await hass.async_block_till_done()
    assert fresh(grid.sample(now_s())) is None
    assert heard.times == 5


def test_the_unit_is_the_meter() -> None:
    meter = UnitMeter()
    meter.take(None)
    assert meter.sample(0.0) is None
    meter.take(Reading(time_s=100.0, max_age_s=10.0, grid_w=250.0))
    assert meter.sample(100.0) == Sample(value=250.0, time_s=100.0, max_age_s=10.0)
    meter.take(Reading(time_s=102.0, grid_w=260.0))
    assert meter.interval_s == 2.0
    meter.take(Reading(time_s=103.0))
    assert meter.sample(103.0) is None, "it is lost at once"
    assert meter.sources == ()
    meter.async_start(Heard())()


async def test_solar_is_known_while_every_part_is(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(NOON)
    solar = SumOfSources(
        (Source(hass, SOLAR), Source(hass, "sensor.roof")), asleep=Daylight(hass).dark
    )
    started(solar)
    assert interval_s(solar) is None
    set_power(hass, SOLAR, 1.5, "kW")
    await hass.async_block_till_done()
    assert solar.sample(now_s()) is None
    set_power(hass, "sensor.roof", 500)
    await hass.async_block_till_done()
    assert fresh(solar.sample(now_s())) == 2000.0
    freezer.tick(timedelta(seconds=20))
    set_power(hass, SOLAR, 1.6, "kW")
    await hass.async_block_till_done()
    sample = solar.sample(now_s())
    assert sample is not None
    assert sample.time_s == now_s() - 20.0
    assert interval_s(solar) == 20.0
    freezer.tick(timedelta(seconds=11))
    assert fresh(solar.sample(now_s())) is None


async def test_an_inverter_asleep_at_night_gives_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(MIDNIGHT)
    solar = SumOfSources((Source(hass, SOLAR),), asleep=Daylight(hass).dark)
    started(solar)
    set_power(hass, SOLAR, STATE_UNAVAILABLE)
    await hass.async_block_till_done()
    assert fresh(solar.sample(now_s())) == 0.0
    # What it says itself comes first.
    set_power(hass, SOLAR, 3)
    await hass.async_block_till_done()
    assert fresh(solar.sample(now_s())) == 3.0


def test_no_sources_no_sum() -> None:
    assert SumOfSources(()).sample(0.0) is None


async def test_no_sunset_near_the_pole(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(MIDNIGHT)
    daylight = Daylight(hass)
    assert daylight.dark(now_s())
    hass.config.latitude = 90.0
    assert daylight.dark(now_s()), "asked once a minute"
    freezer.tick(timedelta(seconds=60))
    assert not daylight.dark(now_s())


async def test_mains(hass: HomeAssistant) -> None:
    mains = Mains.create(hass, {"mains": "binary_sensor.mains"})
    assert mains is not None
    heard = started(mains)
    assert mains.present is None
    for state, expected in (
        ("on", True),
        ("off", False),
        (STATE_UNAVAILABLE, None),
        (STATE_UNKNOWN, None),
    ):
        hass.states.async_set("binary_sensor.mains", state)
        await hass.async_block_till_done()
        assert mains.present is expected
    assert heard.times == 3, "a silence that goes on is no news"


def meters(
    hass: HomeAssistant,
    data: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    intervals: Mapping[str, float] | None = None,
) -> Meters:
    return Meters.create(hass, data, options or {}, intervals or {})


async def test_a_home_with_everything(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(NOON)
    home = meters(
        hass,
        {
            "grid": {"kind": "inverted", "entity": GRID},
            "phases": ["sensor.l1", "sensor.l2"],
            "solar": [SOLAR],
            "other_batteries": ["sensor.battery"],
            "mains": "binary_sensor.mains",
        },
    )
    grid, mains = Heard(), Heard()
    stop = home.async_start(on_grid=grid, on_mains=mains)
    assert set(home.silent(now_s())) == {
        GRID,
        "sensor.l1",
        "sensor.l2",
        SOLAR,
        "sensor.battery",
    }
    set_power(hass, GRID, 700)
    set_power(hass, "sensor.l1", -300)
    set_power(hass, SOLAR, 100)
    set_power(hass, "sensor.battery", -200)
    hass.states.async_set("binary_sensor.mains", "on")
    await hass.async_block_till_done()
    assert (grid.times, mains.times) == (1, 1)
    assert fresh(home.grid.sample(now_s())) == -700.0
    l1, l2 = home.phase_samples(now_s())
    assert fresh(l1) == 300.0
    assert l2 is None
    assert home.other is not None
    assert fresh(home.other.sample(now_s())) == -200.0
    assert set(home.silent(now_s())) == {"sensor.l2"}
    assert home.unit_meter is None
    freezer.tick(timedelta(seconds=10))
    set_power(hass, GRID, 700)
    await hass.async_block_till_done()
    assert home.intervals() == {GRID: 10.0}
    stop()
    set_power(hass, GRID, 800)
    hass.states.async_set("binary_sensor.mains", "off")
    await hass.async_block_till_done()
    assert (grid.times, mains.times) == (2, 1)


async def test_solar_asleep_is_not_silent(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(MIDNIGHT)
    home = meters(hass, {"grid": {"kind": "sensor", "entity": GRID}, "solar": [SOLAR]})
    assert list(home.silent(now_s())) == [GRID]


async def test_two_sensors_from_the_entry(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    home = meters(
        hass,
        {
            "grid": {
                "kind": "two",
                "entity": "sensor.import",
                "entity_export": "sensor.export",
            }
        },
        {"max_age_s": 5.0},
        {"sensor.import": 7.0},
    )
    home.async_start(on_grid=Heard(), on_mains=Heard())
    set_power(hass, "sensor.import", 0)
    set_power(hass, "sensor.export", 900)
    await hass.async_block_till_done()
    assert fresh(home.grid.sample(now_s())) == -900.0
    assert home.grid.interval_s == 7.0
    assert home.intervals() == {"sensor.import": 7.0}
    freezer.tick(timedelta(seconds=6))
    assert fresh(home.grid.sample(now_s())) is None


async def test_the_unit_meter_from_the_entry(hass: HomeAssistant) -> None:
    home = meters(hass, {"grid": {"kind": "unit"}})
    assert home.unit_meter is home.grid
    assert list(home.sources()) == []
