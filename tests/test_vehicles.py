"""The cars of a unit in a running home, and a unit that follows by itself."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode, NativeMode, UnitMode
from custom_components.leaf_to_home.home import Home
from custom_components.leaf_to_home.presets import async_load_presets
from custom_components.leaf_to_home.vehicles import build_vehicles
from tests import recording
from tests.conftest import EVENING, UNIT_ID, Advance, make_entry, unit_data
from tests.living import run
from tests.planned import settle, stored as on_disk
from tests.platforms import HOME_ID, setup_platforms, state, unit

CARS: list[dict[str, Any]] = [
    {"key": "aa", "name": "Big", "preset": "leaf-62"},
    {"key": "bb"},
    {"key": "cc", "usable_kwh": 12.5, "preset": "leaf-62", "soh_percent": 50},
]


async def test_what_is_not_said_of_a_car_is_as_with_the_unit(
    hass: HomeAssistant,
) -> None:
    data = unit_data("recording", vehicles=CARS, spec={"max_charge_w": 3000.0})
    vehicles = build_vehicles(await async_load_presets(hass), data, "LEAF")
    assert [vehicle.name for vehicle in vehicles.values()] == [
        "Big",
        "LEAF 2",
        "LEAF 3",
    ]
    big, plain, small = (vehicle.spec for vehicle in vehicles.values())
    assert (big.usable_kwh, big.soh_percent) == (56.0, 90.0)
    assert (plain.usable_kwh, plain.soh_percent) == (36.0, 90.0)
    assert (small.usable_kwh, small.soh_percent) == (12.5, 50.0)
    # The rest belongs to the station.
    assert {spec.max_charge_w for spec in (big, plain, small)} == {3000.0}
    assert not build_vehicles(await async_load_presets(hass), unit_data("x"), "LEAF")


async def test_a_battery_that_is_no_longer_known(hass: HomeAssistant) -> None:
    data = unit_data("recording", vehicles=[{"key": "aa", "preset": "leaf-1000"}])
    with pytest.raises(ConfigEntryError):
        build_vehicles(await async_load_presets(hass), data, "LEAF")


def entry(**data: Any) -> MockConfigEntry:
    return make_entry(unit_data(recording.DRIVER, **data), entry_id=HOME_ID)


async def evening(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    **data: Any,
) -> Home:
    freezer.move_to(EVENING)
    home = await setup_platforms(
        hass, monkeypatch, Platform.SENSOR, entry=entry(**data)
    )
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    return home


@pytest.mark.usefixtures("recording_driver")
async def test_another_car_is_on_disk_at_once_and_has_a_plan_of_its_own(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    hass_storage: dict[str, Any],
) -> None:
    home = await evening(hass, monkeypatch, freezer, vehicles=CARS)
    unit().values["vehicle"] = "aa"
    await run(hass, advance, 30)
    await settle(hass, home)
    stored = hass_storage[f"{DOMAIN}.{HOME_ID}"]["data"]["state"]["units"][UNIT_ID]
    assert (stored["vehicle"], stored["vehicle_here"]) == ("aa", True)
    assert home.plans.plans[UNIT_ID] is not None
    await run(hass, advance, 60)
    assert home.decision is not None
    intent = home.plans.plans[UNIT_ID].intent(dt_util.utcnow().timestamp())
    assert intent is not None
    assert home.decision.units[UNIT_ID].reason is intent.reason

    made = home.plans.plans[UNIT_ID]
    unit().push(connected=False, vehicle=None, power_w=0.0)
    unit().push(connected=True, vehicle="bb")
    await hass.async_block_till_done()
    assert home.state.units[UNIT_ID].vehicle == "bb"
    assert home.state.units[UNIT_ID].vehicles.keys() == {"aa"}
    decision = home.decision.units[UNIT_ID]
    assert decision.setpoint is not None
    assert decision.reason is not intent.reason
    stored = hass_storage[f"{DOMAIN}.{HOME_ID}"]["data"]["state"]["units"][UNIT_ID]
    assert stored["vehicle"] == "bb"
    await run(hass, advance, 12)
    await settle(hass, home)
    again = home.plans.plans[UNIT_ID]
    assert again is not made
    assert await hass.config_entries.async_unload(HOME_ID)
    plan = on_disk(hass_storage, "plan", HOME_ID)
    assert plan["made_for"]["units"][UNIT_ID]["vehicle"] == "bb"
    past = on_disk(hass_storage, "past", HOME_ID)
    assert past["presence"].keys() == {f"{UNIT_ID}/{key}" for key in ("aa", "bb", "cc")}


@pytest.mark.usefixtures("recording_driver")
async def test_a_unit_that_follows_has_no_set_point(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await evening(hass, monkeypatch, freezer, follows=True)
    home.async_change_unit(UNIT_ID, mode=UnitMode.DISCHARGE)
    await run(hass, advance, 12)
    told = unit().setpoints[-1]
    assert told.native is NativeMode.FOLLOW
    assert told.power_w == 6000.0
    assert told.until_soc_percent == 31.0
    assert len(unit().setpoints) == 1
    assert state(hass, "sensor.leaf_set_point") == "unknown"
    shown = hass.states.get("sensor.leaf_set_point")
    assert shown is not None
    assert shown.attributes["native"] == "follow"
    home.async_change_unit(UNIT_ID, power_w=1000.0)
    await run(hass, advance, 12)
    assert unit().setpoints[-1].power_w == 1000.0
    assert state(hass, "sensor.leaf_set_point") == "1000"
    shown = hass.states.get("sensor.leaf_set_point")
    assert shown is not None
    assert shown.attributes["native"] is None


@pytest.mark.usefixtures("recording_driver")
async def test_a_unit_that_is_not_to_follow_is_led(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    home = await evening(hass, monkeypatch, freezer, follows=True, native_follow=False)
    home.async_change_unit(UNIT_ID, mode=UnitMode.DISCHARGE)
    await run(hass, advance, 60)
    assert {setpoint.native for setpoint in unit().setpoints} == {None}
    assert unit().setpoints[-1].power_w == pytest.approx(1440.0, abs=1.0)


@pytest.mark.usefixtures("recording_driver")
async def test_the_name_of_the_car_at_the_plug(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
) -> None:
    await evening(hass, monkeypatch, freezer, vehicles=CARS, dark=True)
    assert state(hass, "sensor.leaf_car") == "unavailable"
    unit().reachable = True
    await advance(31)
    assert state(hass, "sensor.leaf_car") == "unknown"
    for values, shown in (
        ({"vehicle": "aa"}, "Big"),
        # It sleeps, and is still the one that it was.
        ({"vehicle": None, "soc_percent": None}, "Big"),
        ({"connected": False}, "none"),
        ({"connected": True}, "unknown"),
        ({"vehicle": "somebody's"}, "other"),
        ({"vehicle": "bb"}, "LEAF 2"),
    ):
        unit().push(**values)
        await advance(11)
        assert state(hass, "sensor.leaf_car") == shown, values
