"""What to write for a set-point, as far as the device's maps allow; pure."""

from dataclasses import dataclass
from typing import Final

from ...engine.model import DischargeSemantics, NativeMode, Setpoint
from .classes import BatteryClass, Connection, Interconnection, Method, Mode
from .device import DeviceObject

# What a device that limits its own purchase is told to leave to the grid, W.
PURCHASE_W: Final = 100

# Why less was commanded than asked; details of an outcome.
MODE_ONLY: Final = "mode_only"
BELOW_MINIMUM: Final = "below_minimum"
DEVICE_LIMIT: Final = "device_limit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """One property to set; an optional one may be refused without harm."""

    epc: int
    edt: bytes
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Properties in their order, the mode last, and the power that will stand.

    `power_w` is positive into the home, None where the device finds it by itself.
    """

    writes: tuple[Write, ...]
    mode: Mode
    power_w: float | None
    limit: str | None = None


STOP: Final = Recipe(writes=(), mode=Mode.STANDBY, power_w=0.0)


def recipes(
    profile: BatteryClass,
    device: DeviceObject,
    setpoint: Setpoint,
    *,
    semantics: DischargeSemantics,
    bound_wh: float | None = None,
) -> list[Recipe]:
    """Return the ways to carry a set-point out, best first; none: it cannot be."""
    native = setpoint.native
    if native is NativeMode.STANDBY:
        return [STOP]
    if native is NativeMode.FOLLOW:
        return _follow(
            profile, device, setpoint.power_w, semantics=semantics, bound_wh=bound_wh
        )
    charging = setpoint.power_w < 0.0 or native is NativeMode.CHARGE
    if setpoint.power_w == 0.0:
        if native is None:
            return [STOP]
        return [_full(profile, device, charging=charging, bound_wh=bound_wh)]
    return _powered(
        profile,
        device,
        abs(setpoint.power_w),
        charging=charging,
        bound_wh=bound_wh,
    )


def power_range(
    profile: BatteryClass, device: DeviceObject, *, charging: bool
) -> tuple[float, float | None]:
    """Return the device's lowest and highest power, W; None: it does not say."""
    pair = device.pair(profile.charge_range if charging else profile.discharge_range)
    rated_epc = profile.rated_charge if charging else profile.rated_discharge
    rated_w = device.number(rated_epc) if rated_epc is not None else None
    low_w, high_w = pair or (0.0, None)
    # Without a car some stations call their range 0 to 0.
    highest = [power_w for power_w in (high_w, rated_w) if power_w]
    return low_w, min(highest, default=None)


def allows(connection: int | None, *, charging: bool) -> bool | None:
    """Return whether the car lets itself be charged or discharged; None: unknown."""
    if connection == Connection.BOTH:
        return True
    if connection in (Connection.NONE, Connection.NOT_READY):
        return False
    if connection in (Connection.CHARGEABLE, Connection.DISCHARGEABLE):
        return (connection == Connection.CHARGEABLE) == charging
    return None


def _powered(
    profile: BatteryClass,
    device: DeviceObject,
    asked_w: float,
    *,
    charging: bool,
    bound_wh: float | None,
) -> list[Recipe]:
    low_w, high_w = power_range(profile, device, charging=charging)
    watts = round(asked_w if high_w is None else min(asked_w, high_w))
    limit = DEVICE_LIMIT if watts < round(asked_w) else None
    if watts < low_w:
        # More than was asked for could break a limit that only the asker knows.
        return [_below_minimum()]
    power_w = float(-watts if charging else watts)
    energy = _energy(profile, device, bound_wh, charging=charging)
    method_epc, power_epc = (
        (profile.charge_method, profile.charge_power)
        if charging
        else (profile.discharge_method, profile.discharge_power)
    )
    mode = Mode.CHARGE if charging else Mode.DISCHARGE
    found: list[Recipe] = []
    signed_epc = profile.signed_power
    if (
        signed_epc is not None
        and device.writable(signed_epc, profile.charge_method, profile.discharge_method)
        and device.byte(profile.interconnection) == Interconnection.REVERSE_FLOW
    ):
        signed = bytes([Method.SIGNED])
        found.append(
            Recipe(
                writes=(
                    Write(epc=profile.charge_method, edt=signed),
                    Write(epc=profile.discharge_method, edt=signed),
                    # The standard counts charging as positive.
                    Write(
                        epc=signed_epc,
                        edt=(watts if charging else -watts).to_bytes(4, signed=True),
                    ),
                    *energy,
                ),
                mode=Mode.BOTH,
                power_w=power_w,
                limit=limit,
            )
        )
    if device.writable(power_epc):
        found.append(
            Recipe(
                writes=(
                    *_method(device, method_epc, Method.DESIGNATED),
                    Write(epc=power_epc, edt=watts.to_bytes(4)),
                    *energy,
                ),
                mode=mode,
                power_w=power_w,
                limit=limit,
            )
        )
    if not found:
        found.append(Recipe(writes=energy, mode=mode, power_w=None, limit=MODE_ONLY))
    return found


def _below_minimum() -> Recipe:
    return Recipe(writes=(), mode=Mode.STANDBY, power_w=0.0, limit=BELOW_MINIMUM)


def _full(
    profile: BatteryClass,
    device: DeviceObject,
    *,
    charging: bool,
    bound_wh: float | None,
) -> Recipe:
    """Return the mode at the power that the device finds itself."""
    method = profile.charge_method if charging else profile.discharge_method
    return Recipe(
        writes=(
            *_method(device, method, Method.MAXIMUM),
            *_energy(profile, device, bound_wh, charging=charging),
        ),
        mode=Mode.CHARGE if charging else Mode.DISCHARGE,
        power_w=None,
    )


def _follow(
    profile: BatteryClass,
    device: DeviceObject,
    ceiling_w: float,
    *,
    semantics: DischargeSemantics,
    bound_wh: float | None,
) -> list[Recipe]:
    energy = _energy(profile, device, bound_wh, charging=False)
    found: list[Recipe] = []
    if device.writable(profile.discharge_method):
        following = _method(device, profile.discharge_method, Method.FOLLOWING)
        found.append(
            Recipe(writes=(*following, *energy), mode=Mode.DISCHARGE, power_w=None)
        )
        if profile.purchase is not None and device.writable(profile.purchase):
            found.append(
                Recipe(
                    writes=(
                        *_method(device, profile.discharge_method, Method.PURCHASE),
                        Write(epc=profile.purchase, edt=PURCHASE_W.to_bytes(4)),
                        *energy,
                    ),
                    mode=Mode.DISCHARGE,
                    power_w=None,
                )
            )
    elif semantics is DischargeSemantics.FOLLOWS:
        low_w, high_w = power_range(profile, device, charging=False)
        ceiling: tuple[Write, ...] = ()
        if device.writable(profile.discharge_power):
            watts = round(ceiling_w if high_w is None else min(ceiling_w, high_w))
            if watts < low_w:
                return [_below_minimum()]
            ceiling = (Write(epc=profile.discharge_power, edt=watts.to_bytes(4)),)
        found.append(
            Recipe(writes=(*ceiling, *energy), mode=Mode.DISCHARGE, power_w=None)
        )
    return found


def _method(device: DeviceObject, epc: int, method: Method) -> tuple[Write, ...]:
    return (Write(epc=epc, edt=bytes([method])),) if device.writable(epc) else ()


def _energy(
    profile: BatteryClass,
    device: DeviceObject,
    bound_wh: float | None,
    *,
    charging: bool,
) -> tuple[Write, ...]:
    """Return the bound that ends a command which is left standing."""
    if bound_wh is None:
        return ()
    epcs = profile.charge_energy if charging else profile.discharge_energy
    for epc in epcs:
        if device.writable(epc):
            watt_hours = max(1, round(bound_wh))
            return (Write(epc=epc, edt=watt_hours.to_bytes(4), optional=True),)
    return ()
