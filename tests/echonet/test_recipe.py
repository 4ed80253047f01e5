"""What is written for a set-point, by what the maps allow."""

from typing import cast

import pytest

from custom_components.leaf_to_home.engine.model import (
    DischargeSemantics,
    NativeMode,
    Reason,
    ReasonCode,
    Setpoint,
)
from custom_components.leaf_to_home.units.echonet_lite.classes import (
    BATTERY,
    CHARGER,
    BatteryClass,
    Connection,
    Mode,
)
from custom_components.leaf_to_home.units.echonet_lite.device import DeviceObject
from custom_components.leaf_to_home.units.echonet_lite.link import Link
from custom_components.leaf_to_home.units.echonet_lite.recipe import (
    BELOW_MINIMUM,
    DEVICE_LIMIT,
    MODE_ONLY,
    STOP,
    Recipe,
    allows,
    recipes,
)

from .stations import BATTERY as BATTERY_EOJ, CHARGER as CHARGER_EOJ, i32, u32

RANGE = u32(500) + u32(6000)
ANY = DischargeSemantics.UNKNOWN


def device(
    settable: set[int],
    profile: BatteryClass = CHARGER,
    **values: bytes,
) -> DeviceObject:
    eoj = CHARGER_EOJ if profile is CHARGER else BATTERY_EOJ
    made = DeviceObject(cast("Link", None), eoj)
    made.set_map = frozenset(settable)
    made.take(
        {profile.charge_range: RANGE, profile.discharge_range: RANGE}
        | {int(name, 16): edt for name, edt in values.items()}
    )
    return made


def ways(
    made: DeviceObject,
    power_w: float,
    native: NativeMode | None = None,
    *,
    profile: BatteryClass = CHARGER,
    semantics: DischargeSemantics = ANY,
    bound_wh: float | None = None,
) -> list[Recipe]:
    return recipes(
        profile,
        made,
        Setpoint(power_w=power_w, reason=Reason(code=ReasonCode.PLAN), native=native),
        semantics=semantics,
        bound_wh=bound_wh,
    )


def written(recipe: Recipe) -> list[tuple[int, bytes]]:
    return [(write.epc, write.edt) for write in recipe.writes]


async def test_stop() -> None:
    made = device({0xDA, 0xEB})
    assert ways(made, 0.0) == [STOP]
    assert ways(made, -3000.0, NativeMode.STANDBY) == [STOP]


async def test_mode_only() -> None:
    """A device without settable power still charges, discharges and stands by."""
    made = device({0xDA})
    for power_w, mode in ((-3000.0, Mode.CHARGE), (3000.0, Mode.DISCHARGE)):
        (recipe,) = ways(made, power_w)
        assert (written(recipe), recipe.mode) == ([], mode)
        assert (recipe.power_w, recipe.limit) == (None, MODE_ONLY)


async def test_power_without_method() -> None:
    """Releases before N."""
    made = device({0xDA, 0xEB, 0xEC})
    (recipe,) = ways(made, -3000.0)
    assert written(recipe) == [(0xEB, u32(3000))]
    assert (recipe.mode, recipe.power_w) == (Mode.CHARGE, -3000.0)
    (recipe,) = ways(made, 2000.0)
    assert written(recipe) == [(0xEC, u32(2000))]
    assert (recipe.mode, recipe.power_w) == (Mode.DISCHARGE, 2000.0)


async def test_designated_power() -> None:
    made = device({0xDA, 0xDC, 0xDD, 0xEB, 0xEC})
    (recipe,) = ways(made, -3000.0)
    assert written(recipe) == [(0xDC, b"\x03"), (0xEB, u32(3000))]
    (recipe,) = ways(made, 2000.0)
    assert written(recipe) == [(0xDD, b"\x03"), (0xEC, u32(2000))]


@pytest.mark.parametrize(("grid", "signed"), [(b"\x00", True), (b"\x02", False)])
async def test_signed_power(grid: bytes, signed: bool) -> None:
    """Only where the station may feed back; the designated power is the other way."""
    made = device({0xDA, 0xDC, 0xDD, 0xE0, 0xEB, 0xEC}, DB=grid)
    found = ways(made, 2500.0)
    assert len(found) == 1 + signed
    if signed:
        assert written(found[0]) == [
            (0xDC, b"\x06"),
            (0xDD, b"\x06"),
            (0xE0, i32(-2500)),
        ]
        assert (found[0].mode, found[0].power_w) == (Mode.BOTH, 2500.0)
        assert written(ways(made, -2500.0)[0])[-1] == (0xE0, i32(2500))
    assert found[-1].mode is Mode.DISCHARGE


async def test_storage_battery() -> None:
    """Its properties are elsewhere; what is signed with a car is an amount here."""
    made = device({0xDA, 0xC1, 0xC2, 0xE0, 0xEB, 0xEC, 0xAA}, BATTERY, DB=b"\x00")
    (recipe,) = ways(made, -1000.0, profile=BATTERY, bound_wh=1500.0)
    assert written(recipe) == [
        (0xC1, b"\x03"),
        (0xEB, u32(1000)),
        (0xAA, u32(1500)),
    ]
    assert recipe.writes[-1].optional
    (recipe,) = ways(made, 1000.0, profile=BATTERY, bound_wh=1500.0)
    assert written(recipe) == [(0xC2, b"\x03"), (0xEC, u32(1000))]


async def test_limits() -> None:
    made = device({0xDA, 0xEB}, C5=u32(4000))
    (recipe,) = ways(made, -9000.0)
    assert (recipe.power_w, recipe.limit) == (-4000.0, DEVICE_LIMIT)
    (recipe,) = ways(made, -300.0)
    assert (recipe.mode, recipe.limit) == (Mode.STANDBY, BELOW_MINIMUM)
    # Without a car some have no range at all.
    made.take({0xC8: bytes(8), 0xC5: b""})
    (recipe,) = ways(made, -9000.0)
    assert (recipe.power_w, recipe.limit) == (-9000.0, None)


async def test_energy_bound() -> None:
    made = device({0xDA, 0xEB, 0xEC, 0xE7, 0xEA})
    (recipe,) = ways(made, -3000.0, bound_wh=9000.4)
    assert written(recipe)[-1] == (0xE7, u32(9000))
    (recipe,) = ways(made, 3000.0, bound_wh=0.2)
    # Zero would mean that there is no bound.
    assert written(recipe)[-1] == (0xEA, u32(1))


async def test_native_modes() -> None:
    made = device({0xDA, 0xDC, 0xDD, 0xEB, 0xEC, 0xDE})
    (recipe,) = ways(made, 0.0, NativeMode.CHARGE)
    assert (written(recipe), recipe.mode) == ([(0xDC, b"\x01")], Mode.CHARGE)
    (recipe,) = ways(made, 0.0, NativeMode.DISCHARGE)
    assert (written(recipe), recipe.mode) == ([(0xDD, b"\x01")], Mode.DISCHARGE)
    (recipe,) = ways(made, -2000.0, NativeMode.CHARGE)
    assert written(recipe) == [(0xDC, b"\x03"), (0xEB, u32(2000))]
    follow, purchase = ways(made, 0.0, NativeMode.FOLLOW)
    assert written(follow) == [(0xDD, b"\x02")]
    assert written(purchase) == [(0xDD, b"\x05"), (0xDE, u32(100))]


async def test_load_following_by_nature() -> None:
    made = device({0xDA, 0xEC})
    assert ways(made, 0.0, NativeMode.FOLLOW) == []
    follows = DischargeSemantics.FOLLOWS
    for ceiling_w, taken_w in ((9000.0, 6000), (6000.0, 6000), (1500.0, 1500)):
        (recipe,) = ways(made, ceiling_w, NativeMode.FOLLOW, semantics=follows)
        assert written(recipe) == [(0xEC, u32(taken_w))]
    (recipe,) = ways(made, 10.0, NativeMode.FOLLOW, semantics=follows)
    assert (recipe.mode, recipe.limit) == (Mode.STANDBY, BELOW_MINIMUM)
    made = device({0xDA})
    (recipe,) = ways(made, 0.0, NativeMode.FOLLOW, semantics=follows)
    assert (written(recipe), recipe.mode) == ([], Mode.DISCHARGE)


@pytest.mark.parametrize(
    ("connection", "charge", "discharge"),
    [
        (Connection.NONE, False, False),
        (Connection.NOT_READY, False, False),
        (Connection.CHARGEABLE, True, False),
        (Connection.DISCHARGEABLE, False, True),
        (Connection.BOTH, True, True),
        (Connection.UNKNOWN, None, None),
        (Connection.UNDEFINED, None, None),
        (None, None, None),
    ],
)
def test_what_the_car_allows(
    connection: int | None, charge: bool | None, discharge: bool | None
) -> None:
    assert allows(connection, charging=True) is charge
    assert allows(connection, charging=False) is discharge
