"""What is believed of a message that anybody on the broker may have sent."""

import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.units.battery_emulator.messages import (
    EmulatorEvent,
    MessageError,
    Pack,
    parse_event,
    parse_info,
    parse_online,
    parse_pack,
)
from custom_components.leaf_to_home.units.battery_emulator.view import (
    Emulator,
    fault_of,
)
from custom_components.leaf_to_home.units.pack import (
    Balancing,
    PackCondition,
    PackFault,
)
from tests.engine.parts import thorough

HEAD = {"bms_status": "ACTIVE", "pause_status": "RUNNING", "emulator_status": "OK"}


def info(**values: Any) -> bytes:
    return json.dumps(HEAD | values).encode()


def pack(**values: Any) -> Pack:
    return parse_pack(json.dumps({"SOC_real": 50.0} | values).encode())


def emulator(payload: bytes, *events: tuple[str, str], now_s: float = 0.0) -> Emulator:
    heard = Emulator()
    heard.hear(parse_info(payload), now_s)
    heard.events.extend(EmulatorEvent(code=code, severity=how) for code, how in events)
    return heard


@pytest.mark.parametrize("value", [61.5, "61.5", " 61.5 ", "6.15e1"])
def test_numbers_may_come_as_texts(value: object) -> None:
    assert pack(SOC_real=value).soc_percent == 61.5


@pytest.mark.parametrize(
    "value",
    [
        -0.01,
        100.01,
        1e300,
        True,
        None,
        "",
        "60 %",
        "nan",
        "inf",
        [60],
        {"v": 60},
        "9" * 500,
    ],
)
def test_a_state_of_charge_that_is_none_is_not_known(value: object) -> None:
    assert pack(SOC_real=value).soc_percent is None


@pytest.mark.parametrize(
    ("key", "field", "good", "expected", "bad"),
    [
        ("state_of_health", "soh_percent", 68.2, 68.2, 0),
        ("temperature_min", "temperature_min_c", -12.5, -12.5, -60),
        ("temperature_max", "temperature_max_c", 31, 31.0, 400),
        ("stat_batt_power", "power_w", 1500, -1500.0, 1e9),
        ("battery_voltage", "voltage_v", 362.4, 362.4, 0),
        ("cell_min_voltage", "cell_min_mv", 3.801, 3801.0, 0),
        ("cell_max_voltage", "cell_max_mv", 3.825, 3825.0, 12),
        ("total_capacity", "capacity_wh", 14_600, 14_600.0, -1),
        ("max_charge_power", "max_charge_w", 0, 0.0, -1),
        ("max_discharge_power", "max_discharge_w", 6000, 6000.0, 1e6),
    ],
)
def test_each_value_has_its_range(
    key: str, field: str, good: object, expected: float, bad: object
) -> None:
    assert getattr(pack(**{key: good}), field) == expected
    assert getattr(pack(**{key: bad}), field) is None
    assert getattr(pack(), field) is None


def test_cells_and_temperatures_that_contradict_themselves_are_not_known() -> None:
    contradictory = pack(
        cell_min_voltage=3.9,
        cell_max_voltage=3.8,
        temperature_min=20,
        temperature_max=10,
    )
    assert contradictory.cell_min_mv is contradictory.cell_max_mv is None
    assert contradictory.temperature_min_c is contradictory.temperature_max_c is None


def test_a_part_of_a_message_is_a_part_of_what_is_known() -> None:
    heard = parse_info(info(SOC_real=44.0))
    assert heard.pack is not None
    assert heard.pack.soc_percent == 44.0
    assert heard.pack.soh_percent is None
    assert (heard.hardware, heard.software, heard.uptime_s) == (None, None, None)
    assert parse_info(info()).pack is None


@pytest.mark.parametrize(
    "payload",
    ["text", None, b"", b"{", b"[1]", b"\xff", b"[" * 9000, b" " * 20_000 + info()],
)
def test_what_is_no_message_is_refused(payload: object) -> None:
    for parse in (parse_info, parse_pack, parse_event, parse_online):
        with pytest.raises(MessageError):
            parse(payload)


def test_messages_of_others_are_refused() -> None:
    with pytest.raises(MessageError, match="what the emulator is doing"):
        parse_info(b'{"state": "ON"}')
    with pytest.raises(MessageError, match="nothing of a battery"):
        parse_pack(info())
    with pytest.raises(MessageError, match="no event"):
        parse_event(b'{"event_type": "X"}')


def test_texts_are_kept_short_and_printable() -> None:
    heard = parse_info(info(hardware="x" * 500, software_version="9\n\x1b[31m"))
    assert heard.hardware == "x" * 64
    assert heard.software is None


@thorough(200)
@given(st.binary(max_size=300))
def test_bytes_never_do_worse_than_to_be_refused(payload: bytes) -> None:
    for parse in (parse_info, parse_pack, parse_event, parse_online):
        try:
            parse(payload)
        except MessageError:
            continue


WORDS = (
    *("SOC_real", "SOC", "state_of_health", "battery_voltage", "stat_batt_power"),
    *("cell_min_voltage", "cell_max_voltage", "temperature_min", "temperature_max"),
    *("emulator_uptime", "balancing_status", "emulator_status", "bms_status"),
)
_PLAIN = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.text(max_size=20)
)


@thorough(200)
@given(st.dictionaries(st.sampled_from(WORDS), _PLAIN | st.lists(_PLAIN, max_size=2)))
def test_whatever_a_value_is_the_view_stays_within_its_words(
    values: dict[str, Any],
) -> None:
    try:
        heard = parse_info(info(**values))
    except MessageError:
        return
    one = Emulator()
    one.hear(heard, 0.0)
    view = one.view()
    assert view.condition in PackCondition
    if heard.pack is not None and heard.pack.soc_percent is not None:
        assert 0.0 <= heard.pack.soc_percent <= 100.0


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("CAN_BATTERY_MISSING", PackFault.BATTERY_MISSING),
        ("CAN_BATTERY2_MISSING", PackFault.BATTERY_MISSING),
        ("CAN_INVERTER_MISSING", PackFault.INVERTER_MISSING),
        ("MODBUS_INVERTER_MISSING", PackFault.INVERTER_MISSING),
        ("EQUIPMENT_STOP", PackFault.EMERGENCY_STOP),
        ("CONTACTOR_WELDED", PackFault.CONTACTOR),
        ("AUTOMATIC_PRECHARGE_FAILURE", PackFault.CONTACTOR),
        ("BATTERY3_OVERHEAT", PackFault.OVERHEATED),
        ("BATTERY_FROZEN", PackFault.FROZEN),
        ("BATTERY_TEMP_DEVIATION_HIGH", PackFault.TEMPERATURE_SPREAD),
        ("CELL_CRITICAL_OVER_VOLTAGE", PackFault.OVERVOLTAGE),
        ("BATTERY2_UNDERVOLTAGE", PackFault.UNDERVOLTAGE),
        ("CELL_DEVIATION_HIGH", PackFault.CELL_SPREAD),
        ("BATTERY_ISOLATION", PackFault.INSULATION),
        ("HVIL_FAILURE", PackFault.INTERLOCK),
        ("BATTERY_FUSE", PackFault.FUSE),
        ("WATER_INGRESS", PackFault.WATER),
        ("THERMAL_RUNAWAY", PackFault.THERMAL_RUNAWAY),
        ("BATTERY_CHG_DISCHG_STOP_REQ", PackFault.STOP_REQUESTED),
        ("BATTERY_CAUTION", PackFault.CAUTION),
        ("CHARGE_LIMIT_EXCEEDED", PackFault.LIMIT_EXCEEDED),
        ("SOH_LOW", PackFault.WORN_OUT),
        ("SOC_PLAUSIBILITY_ERROR", PackFault.STATE_OF_CHARGE),
        ("STALE_VALUE", PackFault.STALE_VALUE),
        ("12V_LOW", PackFault.LOW_12V),
        ("CAN_NATIVE_BUS_ERROR", PackFault.COMMUNICATION),
        ("RESET_PANIC", PackFault.OTHER),
        ("<script>", PackFault.OTHER),
    ],
)
def test_every_event_has_a_name_of_ours(code: str, fault: PackFault) -> None:
    assert fault_of(EmulatorEvent(code=code, severity="ERROR")) is fault


def test_an_event_is_over_when_the_emulator_is_well_again() -> None:
    """Events tell when something began; only the status tells that it has ended."""
    event = ("BATTERY_OVERHEAT", "ERROR")
    ill = emulator(
        info(SOC_real=50, bms_status="FAULT", emulator_status="ERROR"), event
    )
    assert ill.view().fault is PackFault.OVERHEATED
    assert ill.fault_code() == "battery_overheat"
    ill.hear(parse_info(info(SOC_real=50)), 5.0)
    assert ill.view().fault is PackFault.NONE
    assert ill.fault_code() is None


def test_a_fault_whose_event_nobody_heard_is_a_fault() -> None:
    ill = emulator(info(SOC_real=50, bms_status="FAULT", emulator_status="ERROR"))
    view = ill.view()
    assert (view.condition, view.fault) == (PackCondition.FAULT, None)
    assert ill.fault_code() == "fault"


def test_a_warning_does_not_explain_an_error() -> None:
    ill = emulator(
        info(SOC_real=50, bms_status="FAULT", emulator_status="ERROR"),
        ("CONTACTOR_OPEN", "WARNING"),
    )
    assert ill.view().condition is PackCondition.FAULT


def test_a_current_proves_that_contactors_are_closed() -> None:
    event = ("CONTACTOR_OPEN", "WARNING")
    values = {"SOC_real": 50, "emulator_status": "WARNING"}
    still = emulator(info(**values, stat_batt_power=0), event)
    assert still.view().condition is PackCondition.CONTACTORS_OPEN
    flowing = emulator(info(**values, stat_batt_power=-900), event)
    assert flowing.view().condition is PackCondition.RUNNING


@pytest.mark.parametrize(
    ("values", "condition"),
    [
        ({"bms_status": "UPDATING"}, PackCondition.UPDATING),
        ({"bms_status": "INACTIVE"}, PackCondition.STANDBY),
        ({"bms_status": "UNKNOWN"}, PackCondition.STANDBY),
        ({"pause_status": "PAUSING"}, PackCondition.PAUSING),
        ({"pause_status": "RESUMING"}, PackCondition.RESUMING),
        ({"emulator_status": "WARNING"}, PackCondition.RUNNING),
    ],
)
def test_conditions(values: dict[str, str], condition: PackCondition) -> None:
    assert emulator(info(SOC_real=50, **values)).view().condition is condition


@pytest.mark.parametrize(
    ("word", "balancing"),
    [("Ready", Balancing.READY), ("Pending", Balancing.PENDING), ("Unknown", None)],
)
def test_balancing(word: str, balancing: Balancing | None) -> None:
    heard = emulator(info(SOC_real=50, balancing_status=word))
    assert heard.view().balancing is balancing


def test_a_restart_is_told_from_two_devices_that_share_a_name() -> None:
    one = emulator(info(emulator_uptime=50_000))
    # The other one has run for hours: it did not start between two messages.
    one.hear(parse_info(info(emulator_uptime=9_000)), 2.0)
    one.hear(parse_info(info(emulator_uptime=50_005)), 5.0)
    assert one.restarts == 0
    one.hear(parse_info(info(emulator_uptime=4)), 20.0)
    assert one.restarts == 1
