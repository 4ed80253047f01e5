"""All that is known of a station, made into one reading."""

import asyncio
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from homeassistant.util import dt as dt_util

from ...engine.model import (
    Capabilities,
    DischargeSemantics,
    IslandingStart,
    Reading,
    UnitStatus,
)
from .classes import (
    BATTERIES,
    CHARGING_MODES,
    FAULT,
    FAULT_CODE,
    FAULT_PRESENT,
    METER_INTERCONNECTION,
    PROHIBITED,
    BatteryClass,
    Connection,
    Interconnection,
    Mode,
)
from .conduct import Conduct, Sight
from .device import DeviceObject
from .house import House
from .learning import Learner
from .link import NoAnswer
from .pace import Pace
from .recipe import allows, power_range

# Less than this is what a station at rest takes for itself, W.
REST_W: Final = 60.0
MAX_AGE_S: Final = 60.0
# How long ago the grid may have been seen to count as there, s.
WITNESS_AGE_S: Final = 30.0

GRID_TIED: Final = frozenset(
    {Interconnection.REVERSE_FLOW, Interconnection.NO_REVERSE_FLOW}
)


class Station:
    """One battery behind one device object, with what stands beside it on its node."""

    def __init__(
        self,
        device: DeviceObject,
        siblings: Iterable[DeviceObject],
        house: House,
        *,
        pace: Pace,
        conduct: Conduct,
        learner: Learner,
        vehicles: frozenset[str],
        island: bool | None = None,
    ) -> None:
        self.device = device
        self.siblings = tuple(siblings)
        self.profile: BatteryClass = BATTERIES[device.code]
        self.house = house
        self.conduct = conduct
        self.learner = learner
        self._pace = pace
        self._vehicles = vehicles
        # Other objects of the node that know whether the grid is there.
        self._witnesses = [
            (sibling, epc)
            for sibling in self.siblings
            for epc in [_interconnection(sibling.code)]
            if epc is not None and sibling.readable(epc)
        ]
        # An island outlasts what else is known of the station.
        self._island = island
        self._tells_soc = False
        self._fast_s: float | None = None
        self._slow_s: float | None = None
        self._witnesses_silent_until_s = 0.0

    async def refresh(self) -> None:
        """Ask for what is due; raise NoAnswer."""
        await self.refresh_fast()
        now_s = asyncio.get_running_loop().time()
        if self._slow_s is None or now_s - self._slow_s >= self._pace.slow_s:
            await self.refresh_slow()
            self._slow_s = now_s
        await self.house.refresh()
        self.look()

    async def refresh_fast(self) -> None:
        """Ask for power, mode and whether the grid is there.

        And, until it is told, for the car that all the rest belongs to.
        """
        epcs = self.profile.fast
        if self.nameless and self.profile.vehicle is not None:
            epcs = (*epcs, self.profile.vehicle)
        await self.device.refresh(epcs)
        if self.device.byte(self.profile.interconnection) is None:
            await self._ask_witnesses()
        self._fast_s = asyncio.get_running_loop().time()
        self.look()

    async def refresh_slow(self) -> None:
        """Ask for the rest."""
        await self.device.refresh(self.profile.slow)
        await self._ask_witnesses()

    def fresh(self, max_age_s: float) -> bool:
        """Return whether all that is fast was asked for this short a time ago.

        What was read back of a command, or announced, tells nothing of the grid.
        """
        now_s = asyncio.get_running_loop().time()
        return self._fast_s is not None and now_s - self._fast_s <= max_age_s

    def look(self) -> None:
        """Judge what the station does, after anything new was told."""
        device, profile = self.device, self.profile
        if self.connection == Connection.NONE:
            # What is left of it belongs to a car that has gone.
            device.forget(profile.of_vehicle)
        island = self._witnessed()
        if island is not None or not self._island:
            # Only that there is an island outlasts the witnesses' silence.
            self._island = island
        if device.number(profile.soc) is not None:
            # From now on its silence is no reason to ask elsewhere.
            self._tells_soc = True
        now_s = asyncio.get_running_loop().time()
        power_w, power_s = self.power_w, device.told_s(profile.power)
        self.conduct.see(
            Sight(
                time_s=now_s,
                power_s=power_s,
                mode=self.mode,
                actual=self.actual,
                power_w=power_w,
                connection=self.connection,
                soc_percent=self.soc_percent,
                dischargeable=self._dischargeable(),
                fault=self.faulty,
                islanding=bool(self.islanding),
            )
        )
        if power_w is not None and power_s is not None:
            self.learner.see(power_w, self.house.grid_w(now_s), power_s)

    @property
    def mode(self) -> int | None:
        """Return the mode that is set."""
        return self.device.byte(self.profile.mode)

    @property
    def actual(self) -> int | None:
        """Return the mode that the station is really in."""
        return self.device.byte(self.profile.actual)

    @property
    def connection(self) -> int | None:
        """Return whether a car is there, None for batteries that need none."""
        epc = self.profile.connection
        return None if epc is None else self.device.byte(epc)

    @property
    def power_w(self) -> float | None:
        """Return the power into the home; the standard counts the other way round."""
        value = self.device.number(self.profile.power)
        return None if value is None else 0.0 - value

    @property
    def soc_percent(self) -> float | None:
        """Return the state of charge.

        Never what may still be discharged, which also goes by percent.
        """
        soc = self.device.number(self.profile.soc)
        if soc is not None or self._tells_soc:
            return soc
        stored = self.device.number(self.profile.stored)
        capacity = self.device.number(self.profile.capacity)
        if stored is None or not capacity:
            return None
        return min(100.0, 100.0 * stored / capacity)

    @property
    def capacity_wh(self) -> float | None:
        """Return the battery's capacity, None where it is not told."""
        return self.device.number(self.profile.capacity) or None

    @property
    def faulty(self) -> bool:
        """Return whether the station reports a fault."""
        return self.device.byte(FAULT) == FAULT_PRESENT

    @property
    def islanding(self) -> bool | None:
        """Return whether the station carries the house; an unknown does not end it."""
        reconnect = self.profile.reconnect
        if (
            self._island is None
            and reconnect is not None
            and self.device.byte(reconnect) == PROHIBITED
        ):
            # Only a setting; but nothing else is known, and it keeps the grid away.
            return True
        return self._island

    @property
    def witnessed_island(self) -> bool | None:
        """Return what is known of an island, without what settings let suppose."""
        return self._island

    @property
    def vehicle(self) -> str | None:
        """Return a name for the car at the plug that tells nobody which one it is."""
        epc = self.profile.vehicle
        return vehicle_key(self.device.raw(epc)) if epc is not None else None

    @property
    def stranger(self) -> bool:
        """Return whether a car is at the plug that is not one of the known ones."""
        vehicle = self.vehicle
        return bool(self._vehicles) and (
            vehicle is not None and vehicle not in self._vehicles
        )

    @property
    def nameless(self) -> bool:
        """Return whether there may be a car at the plug, and nobody knows which."""
        return (
            bool(self._vehicles)
            and self.connection != Connection.NONE
            and self.vehicle is None
        )

    def capabilities(self) -> Capabilities:
        """Return what the maps allow and what has been learnt."""
        device, profile = self.device, self.profile
        sets_method = device.writable(profile.discharge_method)
        declared = (
            DischargeSemantics.DESIGNATED
            if sets_method and device.writable(profile.discharge_power)
            else DischargeSemantics.UNKNOWN
        )
        meaning = self.learner.meaning or declared
        signed = profile.signed_power is not None and device.writable(
            profile.signed_power, profile.charge_method, profile.discharge_method
        )
        may_island = device.get_map is not None and not device.get_map.isdisjoint(
            {profile.interconnection, profile.island_voltage}
        )
        return Capabilities(
            set_power=signed
            or device.writable(profile.charge_power, profile.discharge_power),
            native_follow=sets_method or meaning is DischargeSemantics.FOLLOWS,
            # Where the method is set, the power is that of another method.
            follow_ceiling=not sets_method
            and meaning is DischargeSemantics.FOLLOWS
            and device.writable(profile.discharge_power),
            native_import_limit=profile.purchase is not None
            and device.writable(profile.purchase, profile.discharge_method),
            discharge=meaning,
            # Whether it starts an island by itself is not in the protocol.
            islanding=IslandingStart.BY_HAND if may_island else IslandingStart.NEVER,
            dead_time_s=max(self.learner.dead_time_s, self.device.link.patience_s),
            reports_soc=device.readable(profile.soc)
            or (device.readable(profile.stored) and device.readable(profile.capacity)),
            export=device.byte(profile.interconnection) == Interconnection.REVERSE_FLOW,
        )

    def reading(self) -> Reading:
        """Return what the station says now."""
        device, profile = self.device, self.profile
        now_s = asyncio.get_running_loop().time()
        told_s = device.told_s(profile.power) or device.told_s(profile.mode) or now_s
        connection = self.connection
        stranger = self.stranger
        fault = device.raw(FAULT_CODE)
        return Reading(
            time_s=dt_util.utcnow().timestamp() - (now_s - told_s),
            max_age_s=MAX_AGE_S,
            soc_percent=None if stranger else self.soc_percent,
            soh_percent=(
                device.number(profile.health) if profile.health is not None else None
            ),
            power_w=self.power_w,
            connected=_connected(connection),
            status=self._status(stranger=stranger),
            islanding=self.islanding,
            fault=(fault.hex() if fault else "unknown") if self.faulty else None,
            charged_kwh=device.first_number(profile.charged),
            discharged_kwh=device.first_number(profile.discharged),
            max_charge_w=self._highest_w(charging=True),
            max_discharge_w=self._highest_w(charging=False),
            changed_elsewhere=self.conduct.elsewhere,
            grid_w=self.house.grid_w(now_s),
            solar_w=self.house.solar_w(now_s),
            vehicle=self.vehicle,
        )

    def _status(self, *, stranger: bool) -> UnitStatus:
        if self.faulty:
            return UnitStatus.FAULT
        if self.islanding:
            return UnitStatus.ISLANDING
        if self.connection == Connection.NONE:
            return UnitStatus.DISCONNECTED
        if self.conduct.forced:
            return UnitStatus.FORCED_CHARGE
        if self.connection == Connection.NOT_READY or stranger:
            return UnitStatus.NOT_CONTROLLABLE
        power_w = self.power_w
        if power_w is not None and abs(power_w) > REST_W:
            return UnitStatus.DISCHARGING if power_w > 0.0 else UnitStatus.CHARGING
        mode = self.mode if self.actual is None else self.actual
        if power_w is None and mode in CHARGING_MODES:
            return UnitStatus.CHARGING
        if power_w is None and mode == Mode.DISCHARGE:
            return UnitStatus.DISCHARGING
        if Mode.PREPARATION in (mode, self.mode):
            return UnitStatus.STARTING
        return UnitStatus.IDLE

    def _highest_w(self, *, charging: bool) -> float | None:
        if allows(self.connection, charging=charging) is False:
            return 0.0
        return power_range(self.profile, self.device, charging=charging)[1]

    def _dischargeable(self) -> float | None:
        epcs = (self.profile.dischargeable, self.profile.dischargeable_percent)
        return self.device.first_number(epc for epc in epcs if epc is not None)

    def _witnessed(self) -> bool | None:
        """Return whether there is an island, None without fresh evidence."""
        device, profile = self.device, self.profile
        now_s = asyncio.get_running_loop().time()
        age_s = max(WITNESS_AGE_S, 5.0 * (device.link.latency_s or 0.0))
        tied = False
        for witness, epc in [
            (device, profile.interconnection),
            *self._all_witnesses(),
        ]:
            told, told_s = witness.byte(epc), witness.told_s(epc)
            if told == Interconnection.ISLAND:
                return True
            # An outage may have begun since an old one.
            if told in GRID_TIED and told_s is not None:
                tied = tied or now_s - told_s <= age_s
        if tied:
            return False
        permission = profile.island_permission
        if permission is not None and device.byte(permission) == PROHIBITED:
            return False
        return None

    def _all_witnesses(self) -> list[tuple[DeviceObject, int]]:
        meters = [
            (meter.device, METER_INTERCONNECTION[meter.device.code])
            for meter in self.house.meters
            if meter.device.code in METER_INTERCONNECTION
        ]
        return self._witnesses + meters

    async def _ask_witnesses(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._witnesses_silent_until_s:
            return
        for witness, epc in self._witnesses:
            try:
                await witness.refresh((epc,))
            except NoAnswer:
                # Their silence must not keep us from the battery itself.
                self._witnesses_silent_until_s = now_s + self._pace.silent_s
                return


def vehicle_key(edt: bytes | None) -> str | None:
    """Return a name for a car's identification that does not give it away."""
    if not edt or len(edt) != 1 + edt[0] or not any(edt[1:]):
        return None
    return sha256(edt[1:]).hexdigest()[:12]


def _connected(connection: int | None) -> bool | None:
    if connection is None or connection == Connection.UNDEFINED:
        return None
    return connection != Connection.NONE


def _interconnection(code: int) -> int | None:
    if code in BATTERIES:
        return BATTERIES[code].interconnection
    return METER_INTERCONNECTION.get(code)
