"""Actions that charge, discharge or hold a unit for a while."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import (
    ATTR_AREA_ID,
    ATTR_DEVICE_ID,
    ATTR_ENTITY_ID,
    STATE_UNAVAILABLE,
    Platform,
)
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    translation,
)
from homeassistant.util import dt as dt_util
import probatio as vol
import pytest

from custom_components.leaf_to_home.const import DOMAIN
from custom_components.leaf_to_home.engine.model import HomeMode, UnitMode
from custom_components.leaf_to_home.engine.state import UnitSettings
from custom_components.leaf_to_home.home import Home
from tests import recording
from tests.conftest import EVENING, GRID, UNIT_ID, Advance, set_power, unit_data
from tests.platforms import (
    HOME_ID,
    recorded_home,
    settings,
    setup_platforms,
    state,
    unit,
)

pytestmark = pytest.mark.usefixtures("recording_driver")

MODE = "select.leaf_mode"
SECOND = f"{UNIT_ID[:-1]}2"
HOUR_S = 3600.0


async def act(
    hass: HomeAssistant,
    action: str,
    data: Mapping[str, Any] | None = None,
    target: Mapping[str, Any] | None = None,
    context: Context | None = None,
) -> None:
    await hass.services.async_call(
        DOMAIN,
        action,
        dict(data or {}),
        target=dict(target or {ATTR_ENTITY_ID: MODE}),
        blocking=True,
        context=context,
    )


@pytest.fixture
async def home(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> Home:
    """A home at 18:00 on a Sunday, with its unit at 60 %."""
    freezer.move_to(EVENING)
    return await setup_platforms(hass, monkeypatch, Platform.SELECT)


@pytest.mark.parametrize(
    ("action", "data", "expected"),
    [
        ("charge", {}, {"until_s": 12 * HOUR_S}),
        ("charge", {"duration": "02:00:00"}, {"until_s": 2 * HOUR_S}),
        ("charge", {"duration": {"minutes": 30}}, {"until_s": HOUR_S / 2}),
        ("charge", {"until": "2026-11-22 20:30:00"}, {"until_s": 2.5 * HOUR_S}),
        ("charge", {"until": "2026-11-23T03:00:00+00:00"}, {"until_s": HOUR_S}),
        ("charge", {"until": "23:00"}, {"until_s": 5 * HOUR_S}),
        ("hold", {"until": "17:59"}, {"until_s": 24 * HOUR_S - 60}),
        ("hold", {}, {"until_s": 12 * HOUR_S}),
        (
            "charge",
            {"soc_percent": 80, "power_w": 2000},
            {"until_soc_percent": 80.0, "power_w": 2000.0, "until_s": 12 * HOUR_S},
        ),
        (
            "discharge",
            {"soc_percent": 40, "duration": {"hours": 1}},
            {"until_soc_percent": 40.0, "until_s": HOUR_S},
        ),
        ("charge", {"energy_kwh": 5}, {"until_kwh": 12.0, "until_s": 12 * HOUR_S}),
        ("discharge", {"energy_kwh": 2.5}, {"until_kwh": 5.5, "until_s": 12 * HOUR_S}),
    ],
)
async def test_command(
    hass: HomeAssistant,
    home: Home,
    action: str,
    data: dict[str, Any],
    expected: dict[str, float],
) -> None:
    home.state.units[UNIT_ID].charged_kwh = 7.0
    home.state.units[UNIT_ID].discharged_kwh = 3.0
    before = settings(home)
    await act(hass, action, data)
    bounds = {
        "power_w": None,
        "until_s": None,
        "until_soc_percent": None,
        "until_kwh": None,
    } | expected
    bounds["until_s"] = dt_util.utcnow().timestamp() + expected["until_s"]
    assert settings(home).mode is UnitMode(action)
    for name, value in bounds.items():
        assert getattr(settings(home), name) == value, name
    assert state(hass, MODE) == action

    await act(hass, "release")
    assert settings(home) == before
    assert state(hass, MODE) == "automatic"


@pytest.mark.parametrize(
    ("action", "data", "key", "shown"),
    [
        ("charge", {"soc_percent": 96}, "target_above_highest", "95"),
        ("charge", {"soc_percent": 60}, "soc_reached", "60"),
        ("discharge", {"soc_percent": 29}, "target_below_reserve", "30"),
        ("discharge", {"soc_percent": 60}, "soc_reached", "60"),
        # The step that is reported as 59 % may hold less than 59 %.
        ("discharge", {"soc_percent": 59.8}, "soc_reached", "59.8"),
        (
            "hold",
            {"until": "2026-11-22 17:59:00"},
            "end_in_the_past",
            "2026-11-22 17:59",
        ),
        ("hold", {"duration": 0}, "end_in_the_past", "2026-11-22 18:00"),
        ("hold", {"duration": {"days": 6}}, "end_too_far", "5"),
    ],
)
async def test_refused(
    hass: HomeAssistant,
    home: Home,
    action: str,
    data: dict[str, Any],
    key: str,
    shown: str,
) -> None:
    before = settings(home)
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, action, data)
    error = caught.value
    assert error.translation_domain == DOMAIN
    assert error.translation_key == key
    assert error.translation_placeholders is not None
    assert error.translation_placeholders["unit"] == "LEAF"
    assert shown in error.translation_placeholders.values()
    assert settings(home) == before

    texts = await translation.async_get_translations(hass, "en", "exceptions", {DOMAIN})
    text = texts[f"component.{DOMAIN}.exceptions.{key}.message"]
    assert shown in text.format(**error.translation_placeholders)


@pytest.mark.parametrize(("action", "soc"), [("charge", 95.0), ("discharge", 29.0)])
async def test_nothing_left_to_do(
    hass: HomeAssistant, home: Home, advance: Advance, action: str, soc: float
) -> None:
    for turn in range(18):
        # A jump is believed of a report that lives.
        unit().push(soc_percent=soc if turn > 3 else soc - 1.0)
        await advance(10)
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, action)
    assert caught.value.translation_key == "soc_reached"


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("charge", {"duration": "01:00:00", "until": "23:00"}),
        ("charge", {"duration": {"hours": -1}}),
        ("charge", {"until": "soon"}),
        ("charge", {"soc_percent": 101}),
        ("charge", {"energy_kwh": 0}),
        ("charge", {"power_w": -1}),
        ("hold", {"soc_percent": 50}),
        ("hold", {"power_w": 50}),
        ("release", {"duration": "01:00:00"}),
    ],
)
async def test_schema(
    hass: HomeAssistant, home: Home, action: str, data: dict[str, Any]
) -> None:
    with pytest.raises(vol.Invalid):
        await act(hass, action, data)
    assert settings(home).mode is UnitMode.AUTOMATIC


async def test_not_connected(hass: HomeAssistant, home: Home) -> None:
    unit().push(connected=False)
    for action in ("charge", "discharge", "hold"):
        with pytest.raises(ServiceValidationError) as caught:
            await act(hass, action)
        assert caught.value.translation_key == "not_connected"
    await act(hass, "release")


async def test_the_home_is_off(hass: HomeAssistant, home: Home) -> None:
    home.async_change_home(mode=HomeMode.OFF)
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "charge")
    assert caught.value.translation_key == "home_off"


async def test_release_leaves_off_alone(hass: HomeAssistant, home: Home) -> None:
    home.async_change_unit(UNIT_ID, mode=UnitMode.OFF)
    await act(hass, "release")
    assert settings(home).mode is UnitMode.OFF


async def test_unknown_soc_is_no_obstacle(hass: HomeAssistant, home: Home) -> None:
    home.decision = None
    await act(hass, "charge", {"soc_percent": 80})
    assert settings(home).until_soc_percent == 80.0


async def test_duration_ends(hass: HomeAssistant, home: Home, advance: Advance) -> None:
    await act(hass, "hold", {"duration": {"seconds": 30}})
    await advance(29)
    assert state(hass, MODE) == "hold"
    await advance(6)
    assert state(hass, MODE) == "automatic"
    assert settings(home) == UnitSettings(
        reserve_percent=30.0, outage_floor_percent=10.0, max_soc_percent=95.0
    )


async def test_the_unit_is_told(
    hass: HomeAssistant, home: Home, advance: Advance
) -> None:
    home.async_change_home(mode=HomeMode.AUTOMATIC)
    set_power(hass, GRID, 800.0)
    await act(hass, "charge", {"power_w": 2000})
    for _ in range(4):
        set_power(hass, GRID, 800.0)
        unit().push()
        await advance(10)
    assert unit().setpoints[-1].power_w == -2000.0


async def test_targets(
    hass: HomeAssistant,
    home: Home,
    area_registry: ar.AreaRegistry,
    device_registry: dr.DeviceRegistry,
) -> None:
    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, f"{HOME_ID}_{UNIT_ID}"), HOME_ID
    )
    assert device is not None
    await act(hass, "hold", target={ATTR_DEVICE_ID: device.id})
    assert settings(home).mode is UnitMode.HOLD

    # In an area the home's own mode is a target as well, and no unit.
    area = area_registry.async_create("Garage")
    for known in dr.async_entries_for_config_entry(device_registry, HOME_ID):
        device_registry.async_update_device(known.id, area_id=area.id)
    await act(hass, "release", target={ATTR_AREA_ID: area.id})
    assert settings(home).mode is UnitMode.AUTOMATIC


async def test_a_home_is_no_unit(hass: HomeAssistant, home: Home) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "charge", target={ATTR_ENTITY_ID: "select.home_mode"})
    assert caught.value.translation_key == "no_unit"
    assert caught.value.translation_placeholders == {"entities": "select.home_mode"}


async def test_all_or_none(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    freezer.move_to(EVENING)
    home = await setup_platforms(
        hass,
        monkeypatch,
        Platform.SELECT,
        entry=recorded_home(unit_data(recording.DRIVER)),
    )
    both = {ATTR_ENTITY_ID: [MODE, "select.leaf_2_mode"]}
    recording.UNITS[SECOND].push(connected=False)
    with pytest.raises(ServiceValidationError):
        await act(hass, "hold", target=both)
    assert settings(home).mode is UnitMode.AUTOMATIC

    recording.UNITS[SECOND].push(connected=True)
    await act(hass, "hold", {"duration": {"hours": 1}}, both)
    end_s = (dt_util.utcnow() + timedelta(hours=1)).timestamp()
    for key in (UNIT_ID, SECOND):
        assert home.state.units[key].settings.mode is UnitMode.HOLD
        assert home.state.units[key].settings.until_s == end_s


async def test_context(hass: HomeAssistant, home: Home) -> None:
    context = Context()
    await act(hass, "hold", context=context)
    mode = hass.states.get(MODE)
    assert mode is not None
    assert mode.context is context


async def test_unloaded(hass: HomeAssistant, home: Home) -> None:
    """The actions stay, with nothing to act on."""
    assert await hass.config_entries.async_unload(HOME_ID)
    await act(hass, "hold")
    assert state(hass, MODE) == STATE_UNAVAILABLE
