"""What the config entry says, in the engine's words."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryError
import pytest

from custom_components.leaf_to_home.engine.model import CapacityTariff
from custom_components.leaf_to_home.presets import async_load_presets
from custom_components.leaf_to_home.site import build_site, build_spec, main_limits_w
from tests.conftest import OPTIONS, unit_data


@pytest.mark.parametrize(
    ("limit", "phases", "expected"),
    [
        (None, 0, (None, None)),
        (None, 3, (None, None)),
        ({"value": 9000, "unit": "W"}, 3, (9000.0, None)),
        ({"value": 25, "unit": "A"}, 3, (17250.0, 5750.0)),
        # Nobody watches the balance between phases: only one is certain.
        ({"value": 25, "unit": "A"}, 0, (5750.0, None)),
        # A breaker of 60 A for each of two legs of 100 V.
        ({"value": 60, "unit": "A", "voltage": 100}, 2, (12000.0, 6000.0)),
        # A Japanese contract of 60 A is the sum of both legs.
        ({"value": 60, "unit": "A_total", "voltage": 100}, 2, (6000.0, None)),
        ({"value": 60, "unit": "A_total", "voltage": 100}, 0, (6000.0, None)),
    ],
)
def test_main_limit(
    limit: dict[str, Any] | None,
    phases: int,
    expected: tuple[float | None, float | None],
) -> None:
    assert main_limits_w(limit, phases) == expected


async def test_a_full_contract(hass: HomeAssistant) -> None:
    site = build_site(
        hass,
        {"phases": ["sensor.l1", "sensor.l2", "sensor.l3"]},
        OPTIONS
        | {
            "window_min": 15,
            "capacity": {"price_per_kw_month": 4.0, "free_kw": 2.5},
            "main_limit": {"value": 20, "unit": "A"},
            "battery_export_limit_w": 500,
            "export_only_without_solar": True,
        },
    )
    assert site.window_min == 15
    assert site.capacity == CapacityTariff(
        price_per_kw_month=4.0, window_min=15, free_kw=2.5, peaks_averaged=1
    )
    assert site.main_limit_w == 13800.0
    assert site.phase_limit_w == 4600.0
    assert site.battery_export_limit_w == 500.0
    assert site.export_only_without_solar
    assert site.tariff.currency == hass.config.currency
    assert site.tariff.zone.key == hass.config.time_zone


async def test_the_least_contract(hass: HomeAssistant) -> None:
    site = build_site(hass, {}, {"tariff": {"import": 0.3}})
    assert site.window_min == 30
    assert site.capacity is None
    assert site.main_limit_w is None
    assert site.battery_export_limit_w == 0.0
    slot = site.tariff.at(1e9)
    assert slot is not None
    assert (slot.import_price, slot.export_price) == (0.3, 0.0)


async def test_a_tariff_that_is_none(hass: HomeAssistant) -> None:
    with pytest.raises(ConfigEntryError) as raised:
        build_site(hass, {}, {"tariff": {"import": "cheap"}})
    assert raised.value.translation_key == "tariff_invalid"
    assert raised.value.translation_placeholders is not None
    assert "import" in raised.value.translation_placeholders["error"]


async def test_a_preset_with_what_differs(hass: HomeAssistant) -> None:
    presets = await async_load_presets(hass)
    spec = build_spec(presets, unit_data("simulated"), "LEAF")
    assert spec.usable_kwh == presets["leaf-40"]["usable_kwh"]
    assert spec.soh_percent == 90.0
    spec = build_spec(
        presets,
        unit_data(
            "simulated",
            spec={
                "max_charge_w": 3000.0,
                "efficiency": {"charge": 0.9, "discharge": 0.9},
            },
        ),
        "LEAF",
    )
    assert spec.max_charge_w == 3000.0
    assert spec.charge_loss.linear == pytest.approx(0.1)
    assert spec.charge_loss.constant_w == 0.0


@pytest.mark.parametrize(
    "data", [{"preset": "leaf-99"}, {"preset": "leaf-40", "spec": {"usable_kwh": -1}}]
)
async def test_hardware_that_cannot_be(
    hass: HomeAssistant, data: dict[str, Any]
) -> None:
    with pytest.raises(ConfigEntryError) as raised:
        build_spec(await async_load_presets(hass), data, "LEAF")
    assert raised.value.translation_key == "unit_invalid"
    assert raised.value.translation_placeholders is not None
    assert raised.value.translation_placeholders["unit"] == "LEAF"
