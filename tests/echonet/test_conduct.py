"""Our command, the panel's, or the station's own will."""

from dataclasses import replace

import pytest

from custom_components.leaf_to_home.units.echonet_lite.classes import Connection, Mode
from custom_components.leaf_to_home.units.echonet_lite.conduct import Conduct, Sight

CHARGING = Sight(
    time_s=100.0,
    power_s=100.0,
    mode=Mode.CHARGE,
    power_w=-3000.0,
    connection=Connection.BOTH,
    soc_percent=50.0,
)
AT_REST = replace(CHARGING, mode=Mode.STANDBY, power_w=0.0)
DISCHARGING = replace(CHARGING, mode=Mode.DISCHARGE, power_w=2000.0)


def elsewhere(conduct: Conduct) -> bool:
    return conduct.elsewhere


def forced(conduct: Conduct) -> bool:
    return conduct.forced


def told(mode: Mode, until_percent: float | None = None) -> Conduct:
    conduct = Conduct()
    conduct.command(mode, until_percent=until_percent)
    return conduct


def test_beginning_is_nobodys_fault() -> None:
    conduct = Conduct()
    conduct.see(CHARGING)
    conduct.see(AT_REST)
    assert not elsewhere(conduct)
    assert not forced(conduct)


def test_set_on_the_panel() -> None:
    conduct = told(Mode.CHARGE)
    conduct.see(CHARGING)
    assert not elsewhere(conduct)
    conduct.see(replace(DISCHARGING, time_s=110.0))
    assert elsewhere(conduct)
    conduct.see(replace(AT_REST, time_s=120.0))
    assert elsewhere(conduct)
    # Set back, or set anew by us.
    conduct.see(replace(CHARGING, time_s=130.0))
    assert not elsewhere(conduct)
    conduct.see(replace(DISCHARGING, time_s=140.0))
    conduct.command(Mode.DISCHARGE, until_percent=None)
    assert not elsewhere(conduct)


@pytest.mark.parametrize(
    "sight",
    [
        replace(AT_REST, connection=Connection.NONE),
        replace(AT_REST, fault=True),
        replace(AT_REST, islanding=True),
        replace(AT_REST, soc_percent=96.0),
        replace(AT_REST, soc_percent=79.5),
        replace(AT_REST, connection=Connection.DISCHARGEABLE),
    ],
)
def test_charge_ended_by_itself(sight: Sight) -> None:
    conduct = told(Mode.CHARGE, until_percent=80.0)
    conduct.see(CHARGING)
    conduct.see(sight)
    assert not elsewhere(conduct)
    assert conduct.commanded is None


@pytest.mark.parametrize(
    "sight",
    [
        replace(AT_REST, connection=Connection.CHARGEABLE),
        replace(AT_REST, dischargeable=0.0),
        replace(AT_REST, soc_percent=30.5),
    ],
)
def test_discharge_ended_by_itself(sight: Sight) -> None:
    conduct = told(Mode.DISCHARGE, until_percent=30.0)
    conduct.see(DISCHARGING)
    conduct.see(sight)
    assert not elsewhere(conduct)


def test_stopped_on_the_panel() -> None:
    for mode, sight in ((Mode.CHARGE, CHARGING), (Mode.DISCHARGE, DISCHARGING)):
        conduct = told(mode)
        conduct.see(sight)
        conduct.see(AT_REST)
        assert elsewhere(conduct)


def test_passing_through() -> None:
    conduct = told(Mode.DISCHARGE)
    conduct.see(replace(AT_REST, mode=Mode.PREPARATION))
    assert not elsewhere(conduct)
    conduct.see(replace(AT_REST, mode=None))
    assert not elsewhere(conduct)


def test_forced_charge_with_actual_mode() -> None:
    conduct = told(Mode.STANDBY)
    conduct.see(AT_REST)
    conduct.see(
        replace(AT_REST, time_s=105.0, actual=Mode.CHARGE, power_w=-2000.0, power_s=105)
    )
    assert forced(conduct)
    assert not elsewhere(conduct)
    conduct.see(replace(AT_REST, time_s=110.0, actual=Mode.STANDBY))
    assert not forced(conduct)


def test_forced_charge_by_power_alone() -> None:
    conduct = Conduct()
    sight = replace(AT_REST, power_w=-2000.0)
    conduct.see(sight)
    # The same measurement seen twice is one.
    conduct.see(replace(sight, time_s=101.0))
    assert not forced(conduct)
    conduct.see(replace(sight, time_s=105.0, power_s=105.0))
    assert forced(conduct)
    conduct.see(replace(sight, time_s=110.0, power_s=110.0, mode=Mode.CHARGE))
    assert not forced(conduct)


def test_slow_to_stop_is_not_forced() -> None:
    conduct = told(Mode.CHARGE)
    conduct.see(CHARGING)
    conduct.command(Mode.STANDBY, until_percent=None)
    for second in (105.0, 110.0, 115.0):
        conduct.see(replace(CHARGING, mode=Mode.STANDBY, time_s=second, power_s=second))
        assert not forced(conduct)
    for second in (125.0, 130.0):
        conduct.see(replace(CHARGING, mode=Mode.STANDBY, time_s=second, power_s=second))
    assert forced(conduct)


def test_forced_charge_is_not_the_panel() -> None:
    conduct = told(Mode.DISCHARGE)
    sight = replace(DISCHARGING, power_w=-2000.0, actual=Mode.CHARGE)
    conduct.see(sight)
    assert forced(conduct)
    # Some change their mode to what they do.
    conduct.see(replace(sight, mode=Mode.STANDBY))
    assert not elsewhere(conduct)


def test_standby_consumption_is_no_charge() -> None:
    conduct = Conduct()
    for second in (100.0, 105.0, 110.0):
        conduct.see(replace(AT_REST, power_w=-150.0, time_s=second, power_s=second))
    assert not forced(conduct)
