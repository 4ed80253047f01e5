"""What the sensors say of the grid, and how they are set up."""

from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.outage_setup import build_outage
from custom_components.leaf_to_home.sources.mains import (
    Mains,
    MainsKind,
    MainsSpec,
    mains_specs,
)
from tests.conftest import GRID, make_entry, set_power, setup
from tests.flow_walk import Walk

CONTACT = "binary_sensor.contact"
FREQUENCY = "sensor.frequency"
UPS = "sensor.ups"
GRID_DATA: dict[str, Any] = {"grid": {"kind": "sensor", "entity": GRID}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OL", True),
        ("OL CHRG", True),
        ("Online, Battery Charging", True),
        ("ONLINE", True),
        ("online", True),
        ("OL BOOST", True),
        ("OB DISCHRG LB", False),
        ("On Battery, Low Battery", False),
        ("ONBATT LOWBATT", False),
        ("on_battery", False),
        ("OB TEST", None),
        ("OL CAL", None),
        ("Runtime Calibration", None),
        ("COMMLOST", None),
        ("Offline", None),
        ("OFF", None),
        (STATE_UNAVAILABLE, None),
        (STATE_UNKNOWN, None),
        ("", None),
    ],
)
async def test_the_words_of_a_ups(
    hass: HomeAssistant, text: str, expected: bool | None
) -> None:
    hass.states.async_set(UPS, text)
    spec = MainsSpec(entity=UPS, kind=MainsKind.UPS)
    assert spec.sign(hass.states.get(UPS)) is expected


@pytest.mark.parametrize(
    ("kind", "on"), [(MainsKind.PRESENT, True), (MainsKind.ABSENT, False)]
)
async def test_a_contact(hass: HomeAssistant, kind: MainsKind, on: bool) -> None:
    spec = MainsSpec(entity=CONTACT, kind=kind)
    assert spec.sign(None) is None
    for text, expected in (("on", on), ("off", not on), (STATE_UNAVAILABLE, None)):
        hass.states.async_set(CONTACT, text)
        assert spec.sign(hass.states.get(CONTACT)) is expected


async def test_a_frequency_has_to_come_well_inside_again(hass: HomeAssistant) -> None:
    mains = Mains(
        hass,
        [
            MainsSpec(
                entity=FREQUENCY,
                kind=MainsKind.RANGE,
                low=48.0,
                high=52.0,
                hysteresis=0.5,
                unit="Hz",
            )
        ],
    )
    heard: list[bool | None] = []
    stop = mains.async_start(lambda: heard.append(mains.present))
    for value, expected in (
        ("50.0", True),
        ("48.0", True),
        ("47.9", False),
        ("48.3", False),
        ("48.5", True),
        ("52.1", False),
        ("51.7", False),
        ("51.4", True),
        ("nan", None),
        ("high", None),
        (STATE_UNAVAILABLE, None),
        ("0", False),
    ):
        set_power(hass, FREQUENCY, value, "Hz")
        await hass.async_block_till_done()
        assert mains.present is expected, value
    # A value that says nothing new is no reason to decide.
    assert heard == [True, False, True, False, True, None, False]
    set_power(hass, FREQUENCY, 50_000, "mHz")
    assert mains.present is None, "the thresholds mean nothing in another unit"
    stop()


async def test_several_have_to_agree(hass: HomeAssistant) -> None:
    data = {
        "mains": CONTACT,
        "mains_sensors": [{"entity": UPS, "kind": "ups"}],
        "mains_agreeing": 2,
    }
    mains = Mains.create(hass, data)
    assert mains is not None
    for contact, ups, expected in (
        ("on", "OL", True),
        ("off", "OL", None),
        ("off", "OB", False),
        (STATE_UNAVAILABLE, "OB", None),
    ):
        hass.states.async_set(CONTACT, contact)
        hass.states.async_set(UPS, ups)
        assert mains.present is expected, (contact, ups)
    assert Mains.create(hass, {}) is None


@pytest.fixture
def home(hass: HomeAssistant) -> MockConfigEntry:
    """A home with one contact, as it was set up first."""
    entry = make_entry(data={**GRID_DATA, "mains": CONTACT})
    entry.add_to_hass(hass)
    hass.states.async_set(CONTACT, "on")
    hass.states.async_set(UPS, "OL CHRG")
    hass.states.async_set(
        FREQUENCY, "59.98", {"device_class": "frequency", "unit_of_measurement": "Hz"}
    )
    return entry


async def change(hass: HomeAssistant, entry: MockConfigEntry) -> Walk:
    walk = await Walk(hass.config_entries.flow, "config").start(
        entry.domain, source=SOURCE_RECONFIGURE, entry_id=entry.entry_id
    )
    await walk.choose("mains")
    return walk


async def test_setting_up_three_sensors(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await change(hass, home)
    assert walk.suggested() == {
        "sensors": [CONTACT],
        "mains_agreeing": 1,
        "meter_at_grid": False,
    }
    await walk.submit(
        sensors=[CONTACT, UPS, FREQUENCY], mains_agreeing=2, meter_at_grid=True
    )
    assert walk.step == "mains_binary"
    assert walk.placeholders == {"sensor": f"`{CONTACT}`: on"}
    await walk.submit(kind="present")
    assert walk.step == "mains_sensor"
    await walk.submit(kind="ups")
    assert walk.placeholders == {"sensor": f"`{FREQUENCY}`: 59.98 Hz"}
    assert walk.suggested() == {
        "kind": "range",
        "low": 58.0,
        "high": 62.0,
        "hysteresis": 0.2,
    }
    await walk.submit(kind="range", low=58.5, hysteresis=0.2)
    assert walk.result["reason"] == "reconfigure_successful"
    assert home.data == {
        **GRID_DATA,
        "mains_sensors": [
            {"entity": CONTACT, "kind": "present"},
            {"entity": UPS, "kind": "ups"},
            {
                "entity": FREQUENCY,
                "kind": "range",
                "low": 58.5,
                "hysteresis": 0.2,
                "unit": "Hz",
            },
        ],
        "mains_agreeing": 2,
        "meter_at_grid": True,
    }
    assert build_outage(home).meter_at_grid

    # The other sensors leave them as they are, and what is known is offered again.
    walk = await Walk(hass.config_entries.flow, "config").start(
        home.domain, source=SOURCE_RECONFIGURE, entry_id=home.entry_id
    )
    await walk.choose("sensors")
    assert "mains" not in walk.fields
    await walk.submit()
    assert len(mains_specs(home.data)) == 3
    assert home.data["meter_at_grid"] is True
    hass.states.async_set(FREQUENCY, STATE_UNAVAILABLE)
    walk = await change(hass, home)
    await walk.submit(sensors=[FREQUENCY], mains_agreeing=1)
    assert walk.suggested() == {"kind": "range", "low": 58.5, "hysteresis": 0.2}
    await walk.submit(kind="range", low=58.0, hysteresis=0.2)
    assert home.data["mains_sensors"][0]["unit"] == "Hz"

    walk = await change(hass, home)
    await walk.submit(sensors=[], mains_agreeing=1)
    assert home.data == GRID_DATA


async def test_what_cannot_be_a_mains_sensor(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    set_power(hass, GRID, 500)
    await setup(hass, home)
    walk = await change(hass, home)
    own = "binary_sensor.home_outage"
    assert hass.states.get(own) is not None
    await walk.submit(sensors=[own], mains_agreeing=1)
    assert walk.errors == {"sensors": "own_entity"}
    await walk.submit(
        sensors=[f"binary_sensor.m{n}" for n in range(10)], mains_agreeing=1
    )
    assert walk.errors == {"sensors": "too_many_mains"}
    await walk.submit(sensors=[CONTACT], mains_agreeing=2)
    assert walk.errors == {"mains_agreeing": "agreeing_too_many"}
    await walk.submit(sensors=[FREQUENCY], mains_agreeing=1)
    for given, errors in (
        ({}, {"low": "threshold_missing"}),
        ({"low": 52, "high": 48}, {"high": "thresholds_crossed"}),
        ({"low": 48, "high": 52, "hysteresis": 2}, {"hysteresis": "hysteresis_wrong"}),
        ({"low": 48, "hysteresis": -1}, {"hysteresis": "hysteresis_wrong"}),
    ):
        await walk.submit(kind="range", **given)
        assert walk.errors == errors
    await walk.submit(kind="range", low=48, high=52)
    assert walk.result["reason"] == "reconfigure_successful"


@pytest.mark.parametrize(
    ("kind", "text", "unit", "expected"),
    [
        ("voltage", "101.2", "V", {"low": 80.0, "high": 115.0, "hysteresis": 3.0}),
        ("voltage", "233", "V", {"low": 184.0, "high": 264.5, "hysteresis": 6.9}),
        ("frequency", STATE_UNAVAILABLE, "Hz", {}),
    ],
)
async def test_thresholds_that_fit_the_grid_are_proposed(
    hass: HomeAssistant,
    home: MockConfigEntry,
    kind: str,
    text: str,
    unit: str,
    expected: dict[str, float],
) -> None:
    hass.states.async_set(
        FREQUENCY, text, {"device_class": kind, "unit_of_measurement": unit}
    )
    walk = await change(hass, home)
    await walk.submit(sensors=[FREQUENCY], mains_agreeing=1)
    assert walk.suggested() == {"kind": "range", **expected}


async def test_a_sensor_that_is_gone_is_asked_for_all_the_same(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    walk = await change(hass, home)
    await walk.submit(sensors=["sensor.gone"], mains_agreeing=1)
    assert walk.placeholders == {"sensor": "`sensor.gone`: unavailable"}
    assert walk.suggested() == {"kind": "ups"}


async def test_where_another_meter_sits_has_to_be_said_again(
    hass: HomeAssistant, home: MockConfigEntry
) -> None:
    set_power(hass, GRID, 400.0)
    set_power(hass, "sensor.other_meter", 400.0)
    walk = await change(hass, home)
    await walk.submit(sensors=[], mains_agreeing=1, meter_at_grid=True)
    for meter, known in ((GRID, True), ("sensor.other_meter", False)):
        walk = await Walk(hass.config_entries.flow, "config").start(
            home.domain, source=SOURCE_RECONFIGURE, entry_id=home.entry_id
        )
        await walk.choose("grid_kind")
        await walk.submit(kind="sensor")
        await walk.submit(entity=meter)
        await walk.choose("grid_done")
        assert home.data["grid"]["entity"] == meter
        assert ("meter_at_grid" in home.data) is known
