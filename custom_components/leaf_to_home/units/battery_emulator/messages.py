"""What Battery-Emulator publishes, as values that may be used; anything else is None.

Everybody on the broker may publish anything here, so nothing is taken on trust: a value
out of its range is not known, and a message that cannot be read costs only itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any, Final

from homeassistant.util.json import JSON_DECODE_EXCEPTIONS, json_loads_object

# The emulator's own buffer is smaller than this.
LONGEST_BYTES: Final = 16_384
LONGEST_TEXT: Final = 64

type Range = tuple[float, float]

PERCENT: Final[Range] = (0.0, 100.0)
# New packs say a little more than 100 %; 0 is what nobody has measured.
SOH_PERCENT: Final[Range] = (1.0, 120.0)
TEMPERATURE_C: Final[Range] = (-50.0, 120.0)
CELL_MV: Final[Range] = (500.0, 5_000.0)
PACK_V: Final[Range] = (10.0, 1_500.0)
CURRENT_A: Final[Range] = (-2_000.0, 2_000.0)
POWER_W: Final[Range] = (-200_000.0, 200_000.0)
LIMIT_W: Final[Range] = (0.0, 200_000.0)
CAPACITY_WH: Final[Range] = (100.0, 1_000_000.0)
UPTIME_S: Final[Range] = (0.0, 4e9)


class MessageError(ValueError):
    """A message that is none of Battery-Emulator's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """One battery behind an emulator.

    `power_w` is what flows at its DC terminals, positive out of the battery. `soc` is
    the real state of charge, not the one that is scaled for the inverter.
    """

    soc_percent: float | None
    scaled_soc_percent: float | None
    soh_percent: float | None
    power_w: float | None
    voltage_v: float | None
    cell_min_mv: float | None
    cell_max_mv: float | None
    temperature_min_c: float | None
    temperature_max_c: float | None
    capacity_wh: float | None
    max_charge_w: float | None
    max_discharge_w: float | None
    balancing: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Info:
    """One message about the emulator and its first battery.

    `pack` is None as long as the battery does not speak to the emulator.
    """

    bms: str | None
    pause: str | None
    status: str | None
    hardware: str | None
    software: str | None
    uptime_s: float | None
    pack: Pack | None


@dataclass(frozen=True, kw_only=True, slots=True)
class EmulatorEvent:
    """Something that the emulator reports once, when it happens."""

    code: str
    severity: str


def parse_info(payload: Any) -> Info:
    """Return what the emulator says of itself and its battery."""
    data = _object(payload)
    info = Info(
        bms=_word(data, "bms_status"),
        pause=_word(data, "pause_status"),
        # Its event_level is cut at the wrong place by the emulator; this one is right.
        status=_word(data, "emulator_status"),
        hardware=_text(data, "hardware"),
        software=_text(data, "software_version"),
        uptime_s=_number(data, "emulator_uptime", UPTIME_S),
        pack=_pack(data),
    )
    if info.bms is None or info.pause is None:
        raise MessageError("it does not tell what the emulator is doing")
    return info


def parse_pack(payload: Any) -> Pack:
    """Return what the emulator says of a further battery."""
    pack = _pack(_object(payload))
    if pack is None:
        raise MessageError("it tells nothing of a battery")
    return pack


def parse_event(payload: Any) -> EmulatorEvent:
    """Return what has happened at the emulator."""
    data = _object(payload)
    code, severity = _word(data, "event_type"), _word(data, "severity")
    if code is None or severity is None:
        raise MessageError("it names no event")
    return EmulatorEvent(code=code, severity=severity)


def parse_online(payload: Any) -> bool:
    """Return whether the emulator says that it is there, or the broker in its name."""
    if payload == b"online":
        return True
    if payload == b"offline":
        return False
    raise MessageError("it is neither online nor offline")


def _object(payload: Any) -> dict[str, Any]:
    if not isinstance(payload, bytes):
        raise MessageError("it is not bytes")
    if len(payload) > LONGEST_BYTES:
        raise MessageError(f"it is {len(payload)} bytes long")
    try:
        return dict(json_loads_object(payload))
    except (*JSON_DECODE_EXCEPTIONS, ValueError) as err:
        raise MessageError(f"it is no JSON object: {err}") from err


def _pack(data: Mapping[str, Any]) -> Pack | None:
    if "SOC_real" not in data and "SOC" not in data:
        return None
    cells = _pair(
        _number(data, "cell_min_voltage", CELL_MV, scale=1000.0),
        _number(data, "cell_max_voltage", CELL_MV, scale=1000.0),
    )
    temperatures = _pair(
        _number(data, "temperature_min", TEMPERATURE_C),
        _number(data, "temperature_max", TEMPERATURE_C),
    )
    return Pack(
        soc_percent=_number(data, "SOC_real", PERCENT),
        scaled_soc_percent=_number(data, "SOC", PERCENT),
        soh_percent=_number(data, "state_of_health", SOH_PERCENT),
        # The emulator counts what goes into the battery.
        power_w=_number(data, "stat_batt_power", POWER_W, scale=-1.0),
        voltage_v=_number(data, "battery_voltage", PACK_V),
        cell_min_mv=cells[0],
        cell_max_mv=cells[1],
        temperature_min_c=temperatures[0],
        temperature_max_c=temperatures[1],
        capacity_wh=_number(data, "total_capacity", CAPACITY_WH),
        max_charge_w=_number(data, "max_charge_power", LIMIT_W),
        max_discharge_w=_number(data, "max_discharge_power", LIMIT_W),
        balancing=_word(data, "balancing_status"),
    )


def _pair(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """Return both, or none of them where they contradict each other."""
    if low is None or high is None or low <= high:
        return low, high
    return None, None


def _number(
    data: Mapping[str, Any], key: str, allowed: Range, *, scale: float = 1.0
) -> float | None:
    """Return a number, which may be written as text, None out of its range."""
    raw = data.get(key)
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        value = float(raw) * scale
    except ValueError:
        return None
    low, high = allowed
    # Whole thousandths: 3.801 V are 3801 mV, and 0 W have no sign.
    return (
        round(value, 3) + 0.0 if math.isfinite(value) and low <= value <= high else None
    )


def _text(data: Mapping[str, Any], key: str) -> str | None:
    raw = data.get(key)
    if not isinstance(raw, str) or not raw.isprintable():
        return None
    return raw.strip()[:LONGEST_TEXT] or None


def _word(data: Mapping[str, Any], key: str) -> str | None:
    text = _text(data, key)
    return None if text is None else text.upper()
