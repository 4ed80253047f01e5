"""Units and contracts in, and what each wrong value is told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from custom_components.leaf_to_home.engine.battery import UnitKind
from custom_components.leaf_to_home.engine.formats import (
    FormatError,
    parse_contract,
    parse_unit,
    series_names,
)

PRESETS = Path(__file__).parents[2] / "custom_components/leaf_to_home/presets"

# --- units --------------------------------------------------------------------------

UNIT: Mapping[str, Any] = {
    "kind": "stationary",
    "usable_kwh": 10,
    "max_charge_w": 3000,
    "max_discharge_w": 3300,
    "efficiency": {"charge": 0.9, "discharge": 0.8},
}


def test_a_fixed_efficiency_is_the_linear_curve() -> None:
    spec = parse_unit(UNIT, "unit.yaml")
    assert spec.kind is UnitKind.STATIONARY
    assert spec.stored_w(-2000.0) == pytest.approx(1800.0)
    assert spec.stored_w(2000.0) == pytest.approx(-2500.0)
    assert spec.phases == 1


def test_a_loss_curve_goes_both_ways() -> None:
    data = {k: v for k, v in UNIT.items() if k != "efficiency"}
    spec = parse_unit(
        {**data, "loss": {"constant_w": 80, "linear": 0.03}, "phases": 3}, "unit.yaml"
    )
    assert spec.charge_loss == spec.discharge_loss
    assert spec.charge_loss.loss_w(1000.0) == 110.0
    assert spec.phases == 3


@pytest.mark.parametrize(
    ("name", "kwh"),
    [("leaf-24", 21.5), ("leaf-30", 27.5), ("leaf-40", 36), ("leaf-62", 56)],
)
def test_leaf_presets(name: str, kwh: float) -> None:
    text = (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    spec = parse_unit(yaml.safe_load(text), name)
    assert (spec.kind, spec.usable_kwh) == (UnitKind.VEHICLE, kwh)
    assert (spec.max_charge_w, spec.min_import_w) == (6000.0, 50.0)
    assert spec.round_trip(6000.0, 6000.0) == pytest.approx(0.87, abs=0.01)
    assert spec.round_trip(6000.0, 500.0) < 0.8


def test_portable_presets_and_no_other() -> None:
    text = (PRESETS / "portable.yaml").read_text(encoding="utf-8")
    spec = parse_unit(yaml.safe_load(text), "portable")
    assert (spec.kind, spec.usable_kwh) == (UnitKind.PORTABLE, 0.63)
    # 9.5 hours from empty to full.
    assert spec.capacity_kwh / spec.stored_w(-spec.max_charge_w) * 1e3 == pytest.approx(
        9.5, abs=1.0
    )
    generic = (PRESETS / "portable-generic.yaml").read_text(encoding="utf-8")
    assert parse_unit(yaml.safe_load(generic), "generic").kind is UnitKind.PORTABLE
    # Four sizes of a LEAF, as a car and as a pack of its own.
    assert len(list(PRESETS.glob("*.yaml"))) == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "boat"}, "u.yaml: kind: expected vehicle, stationary, portable"),
        ({"kind": None}, "u.yaml: kind: expected vehicle"),
        ({"usable_kwh": 0}, "u.yaml: usable_kwh: expected a number from 0.01"),
        ({"usable_kwh": "36"}, "u.yaml: usable_kwh: expected a number .* found '36'"),
        ({"usable_kwh": float("nan")}, "u.yaml: usable_kwh: expected a number"),
        (
            {"max_charge_w": ...},
            "u.yaml: max_charge_w: expected a number, found nothing",
        ),
        ({"max_discharge_w": True}, "u.yaml: max_discharge_w: expected a number"),
        ({"usable": 36}, "u.yaml: usable: no such field; expected one of kind"),
        (
            {"min_soc_percent": 96},
            "max_soc_percent: expected more than min_soc_percent",
        ),
        ({"reserve_percent": 5}, "u.yaml: reserve_percent: expected 10 to 95, found 5"),
        ({"min_power_w": 4000}, "u.yaml: min_power_w: expected at most 3000"),
        ({"phases": 4}, "u.yaml: phases: expected 1, 2 or 3, found 4"),
        ({"efficiency": ...}, "u.yaml: expected either efficiency"),
        ({"loss": {}}, "u.yaml: expected either efficiency"),
        ({"efficiency": 0.9}, "u.yaml: efficiency: expected fields such as charge"),
        (
            {"efficiency": {"charge": 0.9}},
            "u.yaml: efficiency.discharge: expected a number",
        ),
        (
            {"efficiency": {"charge": 93}},
            "efficiency.charge: expected a number from 0.1",
        ),
        (
            {"efficiency": ..., "loss": {"constant": 80}},
            "u.yaml: loss: constant: no such field",
        ),
        (
            {"efficiency": ..., "loss": {"linear": -1}},
            "u.yaml: loss.linear: expected a number from 0 to 0.9",
        ),
        (
            {"efficiency": ..., "loss": {"constant_w": 3000}},
            "u.yaml: loss: expected less than max_charge_w",
        ),
    ],
)
def test_a_wrong_unit_is_told_where(changes: dict[str, Any], message: str) -> None:
    data = {k: v for k, v in {**UNIT, **changes}.items() if v is not ...}
    with pytest.raises(FormatError, match=message):
        parse_unit(data, "u.yaml")


# --- tariffs ------------------------------------------------------------------------

TARIFF: Mapping[str, Any] = {"currency": "EUR", "timezone": "UTC", "import": 0.3}


def test_a_contract_with_everything() -> None:
    contract = parse_contract(
        {
            **TARIFF,
            "export": 0.05,
            "capacity": {
                "price_per_kw_month": 4.2,
                "window_min": 60,
                "free_kw": 2.5,
                "peaks_averaged": 3,
            },
            "import_limit_kw": 4.5,
            "main_limit_w": 9200,
            "battery_export_limit_w": 500,
        },
        "t.yaml",
    )
    site = contract.site
    assert contract.import_limit_w == 4500.0
    assert site.main_limit_w == 9200.0
    assert site.battery_export_limit_w == 500.0
    assert site.capacity is not None
    assert site.capacity.window_min == 60
    assert site.capacity.peaks_averaged == 3


def test_a_contract_with_nothing_else() -> None:
    contract = parse_contract({**TARIFF, "main_limit_w": None}, "t.yaml")
    assert contract.import_limit_w is None
    assert contract.site.main_limit_w is None
    assert contract.site.capacity is None
    assert contract.site.battery_export_limit_w == 0.0


def test_series_that_a_tariff_refers_to() -> None:
    data = {"import": {"series": "a.csv"}, "export": {"series": "b.csv"}}
    assert series_names(data) == ["a.csv", "b.csv"]
    assert series_names({"import": 3, "export": {"series": 4}}) == []
    assert series_names("nonsense") == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("text", "t.yaml: expected fields such as currency, .* found 'text'"),
        (None, "t.yaml: expected fields such as currency"),
        ({**TARIFF, "imports": 3}, "t.yaml: imports: no such field; expected one of"),
        ({**TARIFF, "import": {"bands": []}}, "t.yaml: import.bands: expected a list"),
        (
            {**TARIFF, "main_limit_w": 0},
            "t.yaml: main_limit_w: expected a number from 1",
        ),
        (
            {**TARIFF, "import_limit_kw": "4"},
            "t.yaml: import_limit_kw: expected a number",
        ),
        ({**TARIFF, "battery_export_limit_w": -1}, "battery_export_limit_w: expected"),
        (
            {**TARIFF, "capacity": 4},
            "t.yaml: capacity: expected fields such as price_per",
        ),
        (
            {**TARIFF, "capacity": {"window_min": 15}},
            "t.yaml: capacity.price_per_kw_month: expected a number .* found None",
        ),
        (
            {**TARIFF, "capacity": {"price_per_kw_month": 4, "window_min": 20}},
            "t.yaml: capacity.window_min: expected one of 15, 30, 60, found 20",
        ),
        (
            {**TARIFF, "capacity": {"price_per_kw_month": 1e7}},
            r"price_per_kw_month: expected a number from 0 to 1e\+06",
        ),
        (
            {**TARIFF, "capacity": {"price_per_kw_month": 4, "peaks_averaged": 0}},
            "t.yaml: capacity.peaks_averaged: expected one of 1, 2",
        ),
    ],
)
def test_a_wrong_tariff_is_told_where(data: object, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_contract(data, "t.yaml")


def test_long_values_are_cut_short() -> None:
    with pytest.raises(FormatError) as caught:
        parse_unit({**UNIT, "kind": "x" * 500}, "u.yaml")
    assert len(str(caught.value)) < 150
