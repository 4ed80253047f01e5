"""Limits that are lent to an emulator take load off a battery; they guard nothing."""

from dataclasses import replace
import json

import pytest

from custom_components.leaf_to_home.units.battery_emulator.caps import CurrentCaps

from .conftest import SPEC

# 3150 W from the battery at 350 V are 9 A.
MILD = replace(SPEC, max_charge_w=3000.0, max_discharge_w=3000.0)


def message(
    caps: CurrentCaps,
    *,
    charge_w: float = 3000.0,
    discharge_w: float = 3000.0,
    voltage_v: float | None = 350.0,
) -> dict[str, int] | None:
    text = caps.message(
        MILD, charge_w=charge_w, discharge_w=discharge_w, voltage_v=voltage_v
    )
    return None if text is None else dict(json.loads(text))


def test_they_are_whole_tenths_of_an_ampere_and_rounded_down() -> None:
    caps = CurrentCaps(charge_a=20.0, discharge_a=20.0)
    assert message(caps) == {"max_charge": 81, "max_discharge": 90, "timeout": 30}


def test_they_are_never_above_what_is_set_in_the_emulator() -> None:
    """There a limit from outside stands in place of its own one."""
    assert message(CurrentCaps(charge_a=8.0, discharge_a=9.0)) is None
    one = message(CurrentCaps(charge_a=8.0, discharge_a=9.5))
    assert one == {"max_discharge": 90, "timeout": 30}


@pytest.mark.parametrize(
    ("charge_a", "discharge_a", "keys"),
    [
        (20.0, None, {"max_charge", "timeout"}),
        (None, 20.0, {"max_discharge", "timeout"}),
    ],
)
def test_a_direction_that_nobody_named_is_left_alone(
    charge_a: float | None, discharge_a: float | None, keys: set[str]
) -> None:
    found = message(CurrentCaps(charge_a=charge_a, discharge_a=discharge_a))
    assert found is not None
    assert found.keys() == keys


def test_nothing_named_means_nothing_sent() -> None:
    caps = CurrentCaps(charge_a=None, discharge_a=None)
    assert not caps.wanted
    assert message(caps) is None


def test_the_house_is_never_left_without_power() -> None:
    """The grid may fail while a limit stands, for half a minute."""
    caps = CurrentCaps(charge_a=20.0, discharge_a=20.0)
    assert message(caps, charge_w=0.0, discharge_w=0.0) == {
        "max_charge": 0,
        "max_discharge": 50,
        "timeout": 30,
    }


def test_without_a_voltage_no_current_is_known() -> None:
    caps = CurrentCaps(charge_a=20.0, discharge_a=20.0)
    assert message(caps, voltage_v=None) is None
