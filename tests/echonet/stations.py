"""Stations, batteries and meters for the emulator, with a car that behaves like one."""

import asyncio
from dataclasses import dataclass, field

from .emulator import MAKER, Thing

CHARGER = 0x027E01
BATTERY = 0x027D1F
BOARD = 0x028701
METER = 0x028801
SOLAR = 0x027901
PCS = 0x02A501


# What happens to a car is reckoned in steps of so many seconds.
STEP_S = 10.0


def u32(value: float) -> bytes:
    """Return an unsigned number of four bytes."""
    return round(value).to_bytes(4)


def i32(value: float) -> bytes:
    """Return a signed number of four bytes."""
    return round(value).to_bytes(4, signed=True)


def common(release: str, product: bytes = b"VCG-TEST") -> dict[int, bytes]:
    """Return what every object has."""
    return {
        0x80: b"\x30",
        0x81: b"\x00",
        0x82: b"\x00\x00" + release.encode() + b"\x01",
        0x88: b"\x42",
        0x89: b"\x00\x00",
        0x8A: MAKER,
        0x8C: product.ljust(12, b"\x00"),
        0x8D: b"SN0001".ljust(12, b"\x00"),
    }


@dataclass(kw_only=True)
class Car:
    """The car at the plug, and what the station does with it.

    Power is positive when charging, as the standard counts. `live` brings it up to now.
    """

    soc_percent: float = 55.0
    capacity_wh: float = 36_000.0
    load_w: float = 800.0
    # Without back-feed the station gives at most what the house takes.
    back_feed: bool = False
    forced_below: float = 0.0
    vehicle: bytes = b"JN1LEAF0000000001"
    plugged: bool = True
    island: bool = False
    speed: float = 1.0
    charged_wh: float = 0.0
    discharged_wh: float = 0.0
    power_w: float = 0.0
    session_wh: float = 0.0
    woken: int = 0
    # Values are there only after the car was woken.
    asleep: bool = False
    time_s: float | None = None
    history: list[str] = field(default_factory=list)


def charger(
    car: Car,
    *,
    release: str = "R",
    settable: set[int] | None = None,
    without: set[int] | None = None,
    rated_w: float = 6000.0,
    least_w: float = 0.0,
) -> Thing:
    """Return an EV charger/discharger with a car that lives in real time."""
    methods = release >= "N"
    values = common(release) | {
        0xC0: u32(car.capacity_wh),
        0xC2: u32(0),
        0xC4: b"\x00",
        0xC5: u32(rated_w),
        0xC6: u32(rated_w),
        0xC7: b"\x43",
        0xC8: u32(least_w) + u32(rated_w),
        0xC9: u32(least_w) + u32(rated_w),
        0xCA: bytes.fromhex("00000096"),
        0xCB: bytes.fromhex("00000096"),
        0xCC: b"\x22",
        0xCD: b"\x10",
        0xD0: u32(car.capacity_wh),
        0xD3: i32(0),
        0xD6: u32(0),
        0xD8: u32(0),
        0xDA: b"\x44",
        0xDB: b"\x02",
        0xE2: u32(0),
        0xE4: b"\x00",
        0xE6: b"\x00",
        0xE7: u32(0),
        0xEA: u32(0),
        0xEB: u32(rated_w),
        0xEC: u32(rated_w),
    }
    if methods:
        values |= {0xDC: b"\x01", 0xDD: b"\x02", 0xDE: u32(0), 0xDF: b"\x41"}
    if release >= "P":
        values[0xE0] = i32(0)
    if release >= "Q":
        values[0xE1] = b"\x44"
    for epc in without or ():
        values.pop(epc, None)
    if settable is None:
        settable = {0x81, 0xCD, 0xDA, 0xE7, 0xEA, 0xEB, 0xEC, 0xDC, 0xDD, 0xDE, 0xE0}
    thing = Thing(
        eoj=CHARGER,
        values=values,
        settable=settable & values.keys(),
        announced={0x80, 0x88, 0xC7, 0xDA, 0xE1} & values.keys(),
    )

    def live() -> None:
        _live(car, thing)

    def on_set(epc: int, edt: bytes) -> bool:
        live()
        if epc == 0xCD:
            car.woken += 1
            car.asleep = False
            live()
            return edt == b"\x10"
        if epc == 0xDA:
            if edt[0] not in _modes(release):
                return False
            if edt != values[0xDA]:
                car.session_wh = 0.0
        if epc in (0xDC, 0xDD) and edt[0] == 0x06:
            return 0xE0 in values
        return True

    thing.on_get = live
    thing.on_set = on_set
    live()
    return thing


def battery(
    *, soc_percent: int = 60, settable: set[int] | None = None, eoj: int = BATTERY
) -> Thing:
    """Return a storage battery that does at once what it is told."""
    values = common("M", b"ESS-TEST") | {
        0x97: b"\x0c\x00",
        0x98: bytes.fromhex("07ea0b16"),
        0xA0: u32(8000),
        0xA1: u32(7600),
        0xA2: u32(8000),
        0xA3: u32(7600),
        0xA4: u32(3200),
        0xA5: u32(4500),
        0xA8: u32(1_234_000),
        0xA9: u32(1_100_500),
        0xAA: u32(0),
        0xAB: u32(0),
        0xC1: b"\x01",
        0xC2: b"\x02",
        0xC8: u32(100) + u32(3000),
        0xC9: u32(100) + u32(3000),
        0xCF: b"\x44",
        0xD0: u32(8000),
        0xD3: i32(0),
        0xDA: b"\x46",
        0xDB: b"\x00",
        0xE2: u32(8000 * soc_percent / 100),
        0xE4: bytes([soc_percent]),
        0xE5: b"\x5c",
        0xE6: b"\x04",
        0xEB: u32(0),
        0xEC: u32(0),
    }
    if settable is None:
        settable = {0xAA, 0xAB, 0xC1, 0xC2, 0xDA, 0xEB, 0xEC}
    thing = Thing(eoj=eoj, values=values, settable=settable, announced={0xDA, 0xCF})

    def on_get() -> None:
        mode = values[0xDA][0]
        signed = {
            0x42: int.from_bytes(values[0xEB]),
            0x43: -int.from_bytes(values[0xEC]),
        }.get(mode, 0)
        values[0xD3] = i32(signed)
        values[0xCF] = bytes([mode])

    thing.on_get = on_get
    return thing


def board(power_w: float = 500.0) -> Thing:
    """Return a distribution board that measures the grid."""
    return Thing(eoj=BOARD, values=common("M") | {0xC6: i32(power_w)})


def board_of(car: Car) -> Thing:
    """Return a distribution board that measures the house with this car."""
    thing = board()

    def on_get() -> None:
        if car.island:
            # It is fed by the grid that is gone.
            thing.impossible.add(0xC6)
        else:
            thing.impossible.discard(0xC6)
            thing.values[0xC6] = i32(car.load_w + car.power_w)

    thing.on_get = on_get
    return thing


def meter(power_w: float = 500.0) -> Thing:
    """Return a smart meter."""
    return Thing(eoj=METER, values=common("F") | {0xC0: bytes(16), 0xE7: i32(power_w)})


def solar(power_w: float = 1500.0) -> Thing:
    """Return panels."""
    return Thing(
        eoj=SOLAR,
        values=common("M") | {0xE0: round(power_w).to_bytes(2), 0xD0: b"\x00"},
    )


def conditioner(state: int = 0) -> Thing:
    """Return a multi-input power conditioner."""
    return Thing(
        eoj=PCS, values=common("M") | {0xD0: bytes([state]), 0xE7: i32(-700.0)}
    )


def _modes(release: str) -> set[int]:
    modes = {0x42, 0x43, 0x44}
    modes |= {0x41, 0x45} if release < "G" else {0x47}
    if release >= "N":
        modes.add(0x46)
    if release >= "P":
        modes |= {0x48, 0x49}
    return modes


def _live(car: Car, thing: Thing) -> None:
    values = thing.values
    now_s = asyncio.get_running_loop().time()
    dt_s = 0.0 if car.time_s is None else (now_s - car.time_s) * car.speed
    car.time_s = now_s
    while True:
        step_s = min(dt_s, STEP_S)
        _move(car, step_s)
        mode = values[0xDA][0]
        if (
            not car.plugged
            or (mode == 0x42 and _reached(car, values[0xE7]))
            or (mode == 0x43 and _reached(car, values[0xEA]))
        ):
            mode = 0x44
        values[0xDA] = bytes([mode])
        car.power_w = _power(car, mode, values)
        dt_s -= step_s
        if dt_s <= 0.0:
            break
    _tell(car, thing)


def _move(car: Car, dt_s: float) -> None:
    moved_wh = car.power_w * dt_s / 3600.0
    car.session_wh += abs(moved_wh)
    if moved_wh > 0.0:
        car.charged_wh += moved_wh
    else:
        car.discharged_wh -= moved_wh
    car.soc_percent += 100.0 * moved_wh / car.capacity_wh
    car.soc_percent = max(0.0, min(100.0, car.soc_percent))


def _reached(car: Car, bound: bytes) -> bool:
    return 0 < int.from_bytes(bound) <= car.session_wh


def _power(car: Car, mode: int, values: dict[int, bytes]) -> float:
    if not car.plugged:
        return 0.0
    if car.island:
        return -car.load_w
    if car.soc_percent < car.forced_below:
        return 2000.0
    rated_w = int.from_bytes(values[0xC5])
    if mode == 0x42 and car.soc_percent < 100.0:
        if values.get(0xDC, b"\x03") in (b"\x03", b"\x01"):
            return min(rated_w, int.from_bytes(values.get(0xEB, u32(rated_w))))
        return rated_w
    if mode == 0x43 and car.soc_percent > 5.0:
        method = values.get(0xDD, b"\x03")
        asked_w = float(int.from_bytes(values.get(0xEC, u32(rated_w))))
        if method == b"\x02":
            return -min(rated_w, max(0.0, car.load_w - 50.0))
        if method == b"\x05":
            purchase_w = int.from_bytes(values[0xDE])
            return -min(rated_w, max(0.0, car.load_w - purchase_w))
        if not car.back_feed:
            asked_w = min(asked_w, max(0.0, car.load_w - 50.0))
        return -asked_w
    if mode == 0x46:
        return float(int.from_bytes(values[0xE0], signed=True))
    return 0.0


def _tell(car: Car, thing: Thing) -> None:
    values = thing.values
    thing.impossible -= {0xC0, 0xC2, 0xC4, 0xD0, 0xE2, 0xE4, 0xE6, 0xC8, 0xC9}
    if not car.plugged or car.asleep:
        thing.impossible |= {0xC0, 0xC2, 0xC4, 0xD0, 0xE2, 0xE4, 0xE6}
    stored_wh = car.capacity_wh * car.soc_percent / 100.0
    new = {
        0xC2: u32(max(0.0, stored_wh - 0.1 * car.capacity_wh)),
        # What may be discharged; not the state of charge.
        0xC4: bytes([max(0, round(car.soc_percent) - 10)]),
        0xC7: b"\x43" if car.plugged else b"\x30",
        0xD3: i32(car.power_w),
        0xD6: u32(car.discharged_wh),
        0xD8: u32(car.charged_wh),
        0xDB: b"\x01" if car.island else b"\x00" if car.back_feed else b"\x02",
        0xE1: bytes([_actual(car)]),
        0xE2: u32(stored_wh),
        0xE4: bytes([round(car.soc_percent)]),
        0xE6: bytes([len(car.vehicle)]) + car.vehicle,
    }
    if car.plugged and car.asleep:
        new[0xC7] = b"\x44"
    values |= {epc: edt for epc, edt in new.items() if epc in values}


def _actual(car: Car) -> int:
    if car.power_w > 0.0:
        return 0x42
    return 0x43 if car.power_w < 0.0 else 0x44
