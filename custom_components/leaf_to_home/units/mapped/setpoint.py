"""Carries a signed power to mapped entities: the acting half of a unit."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util

from ...engine.battery import UnitSpec
from ...engine.model import (
    Capabilities,
    IslandingStart,
    NativeMode,
    Outcome,
    OutcomeKind,
    Reading,
    ReasonCode,
    Setpoint,
    UnitStatus,
)
from .conduct import MappedConduct
from .mapping import SetpointMap, Way
from .orders import (
    DEVICE_LIMIT,
    ENTITY_UNAVAILABLE,
    Order,
    Unusable,
    enabling,
    make,
    reach_w,
    rest,
)
from .writer import ISLANDING, RESTING, Writer, outcome

# A device that wears is not written to this soon again.
PACED: Final = "paced"
# It has to be switched to being led before it can be told anything.
ENABLING: Final = "enabling"

# These do not wait for a device that wears.
URGENT: Final = frozenset(
    {
        ReasonCode.MAIN_LIMIT,
        ReasonCode.IMPORT_LIMIT,
        ReasonCode.RESERVE,
        ReasonCode.USER_CHARGE,
        ReasonCode.USER_DISCHARGE,
        ReasonCode.USER_HOLD,
    }
)
# What a reader is sure of outranks what the set-point's side knows.
OUTRANKS: Final = frozenset(
    {UnitStatus.FAULT, UnitStatus.DISCONNECTED, UnitStatus.ISLANDING}
)


class MappedSetpoint:
    """What acts on a unit; whatever reads its battery is the other half.

    `islanding` tells what the unit itself says of an outage, `measured_w` its power as
    far as it is known: they are asked again right before and after each write. A unit
    made of both halves calls `async_listen` when it connects, passes its readings
    through `complete`, and hands on `apply` and `park`.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        data: Mapping[str, Any],
        *,
        spec: UnitSpec,
        islanding: Callable[[], bool | None],
        measured_w: Callable[[], float | None],
    ) -> None:
        self.map = SetpointMap.from_data(data)
        self.conduct = MappedConduct(self.map.dead_time_s)
        self.restarts = 0
        self._hass = hass
        self._spec = spec
        self._islanding = islanding
        self._writer = Writer(
            hass,
            islanding=islanding,
            measured_w=measured_w,
            see_s=2.0 * self.map.dead_time_s,
        )
        self._parked = False

    @property
    def writes(self) -> int:
        """Return how often an entity was written to."""
        return self._writer.writes

    @property
    def refusal(self) -> tuple[str, str] | None:
        """Return the entity that refused, and what its integration said of it."""
        return self._writer.refusal

    @property
    def unavailable(self) -> str | None:
        """Return an entity that should be there and is not, None where all are."""
        sleeping = enabling(self.map, self._look) is not None
        for entity_id in self.map.enable if sleeping else self.map.entities:
            state = self._look(entity_id)
            if state is None or state.state == STATE_UNAVAILABLE:
                return entity_id
        return None

    def capabilities(self, islanding: IslandingStart, *, soc: bool) -> Capabilities:
        """Return what a unit with this set-point can do."""
        return Capabilities(
            set_power=self.map.controllable,
            charges=self.map.able(Way.CHARGE),
            discharges=self.map.able(Way.DISCHARGE),
            native_follow=self.map.follows and self.map.able(Way.AUTO),
            islanding=islanding,
            watchdog_s=self.map.watchdog_s,
            # The loop corrects no faster than the device may be written to.
            dead_time_s=max(self.map.dead_time_s, self.map.min_interval_s),
            reports_soc=soc,
            export=self._spec.min_import_w <= 0.0,
        )

    @callback
    def async_listen(self, on_change: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Watch the entities and call back when one changes; return the way to stop."""

        @callback
        def changed(event: Event[EventStateChangedData]) -> None:
            if _gone(event.data["old_state"]) and not _gone(event.data["new_state"]):
                # It may have started anew, and lost what it was told.
                self._forget()
                self.restarts += 1
            self._writer.hear()
            on_change()

        return async_track_state_change_event(self._hass, self.map.entities, changed)

    @callback
    def complete(self, reading: Reading, *, power_s: float | None = None) -> Reading:
        """Return the reading with what is known on this side.

        `power_s` is when its power was measured, where that is not the reading's time.
        """
        known = self.conduct.fault is not None
        now_s = dt_util.utcnow().timestamp()
        measured_s = reading.time_s if power_s is None else power_s
        self.conduct.see(reading.power_w, measured_s, now_s)
        if self.conduct.fault is not None and not known:
            # The worker says its order once more, which has become a stop.
            self.restarts += 1
        reading = replace(
            reading,
            restarts=reading.restarts + self.restarts,
            changed_elsewhere=(
                reading.changed_elsewhere
                or self.conduct.elsewhere
                or self._writer.elsewhere(now_s)
            ),
        )
        if self.map.controllable:
            # What is only looked at has its own limits, and none of ours.
            reading = replace(
                reading,
                max_charge_w=_least(
                    reading.max_charge_w, reach_w(self.map, Way.CHARGE, self._look)
                ),
                max_discharge_w=_least(
                    reading.max_discharge_w,
                    reach_w(self.map, Way.DISCHARGE, self._look),
                ),
            )
        if reading.status in OUTRANKS or reading.islanding:
            return reading
        if not self.map.controllable or self.unavailable is not None:
            return replace(reading, status=UnitStatus.NOT_CONTROLLABLE)
        if self.conduct.fault is not None and self._rests():
            return replace(reading, status=UnitStatus.FAULT, fault=self.conduct.fault)
        if self.conduct.forced:
            return replace(reading, status=UnitStatus.FORCED_CHARGE)
        return reading

    async def apply(self, setpoint: Setpoint) -> Outcome:
        """Write a set-point and read it back."""
        if self._islanding():
            return outcome(OutcomeKind.REFUSED, detail=ISLANDING)
        fault = self.conduct.fault
        try:
            order = self._order(setpoint)
        except Unusable as err:
            first = enabling(self.map, self._look)
            if first is None or err.detail != ENTITY_UNAVAILABLE:
                return _unusable(err)
            result = await self._writer.carry_out(first, feed=False)
            # Nothing of what is meant stands yet.
            self._forget()
            if result.kind is OutcomeKind.REFUSED:
                return result
            return outcome(OutcomeKind.PENDING, detail=ENABLING)
        if self._too_soon(order, setpoint):
            standing = self._writer.standing
            return outcome(
                OutcomeKind.PENDING,
                power_w=standing.power_w if standing else None,
                detail=PACED,
            )
        feed = self.map.watchdog_s is not None
        result = await self._carry_out(order, feed=feed)
        if fault is not None and result.kind is OutcomeKind.APPLIED:
            return replace(result, kind=OutcomeKind.REFUSED, detail=fault)
        return result

    async def park(self) -> Outcome:
        """Leave the unit as the user wants it left: idle, or to itself."""
        if self._islanding():
            return outcome(OutcomeKind.REFUSED, detail=ISLANDING)
        if not self.map.controllable:
            return outcome(OutcomeKind.APPLIED, power_w=0.0)
        try:
            order = rest(self.map, self._look, self.map.park)
        except Unusable as err:
            if enabling(self.map, self._look) is not None:
                # It is not led, and so left to itself already.
                return outcome(OutcomeKind.APPLIED)
            return _unusable(err)
        result = await self._carry_out(order, feed=False)
        if self._writer.standing is not None:
            # From here on it is nobody's business what it does.
            self._forget()
            self._parked = True
        return result

    def diagnostics(self) -> dict[str, Any]:
        """Return what was written, and what the entities say of it."""
        return {
            **self._writer.diagnostics(),
            **self.conduct.diagnostics(),
            "restarts": self.restarts,
            "unavailable": self.unavailable,
            "entities": {
                entity_id: state.state if (state := self._look(entity_id)) else None
                for entity_id in self.map.entities
            },
        }

    async def _carry_out(self, order: Order, *, feed: bool) -> Outcome:
        self._parked = False
        result = await self._writer.carry_out(order, feed=feed)
        standing = self._writer.standing
        if standing is None:
            self.conduct.forget()
        else:
            self.conduct.command(
                standing.way, standing.power_w, dt_util.utcnow().timestamp()
            )
        return result

    def _order(self, setpoint: Setpoint) -> Order:
        """Return what has to be written; raise Unusable."""
        native, power_w = setpoint.native, setpoint.power_w
        if self.conduct.fault is not None or native is NativeMode.STANDBY:
            return rest(self.map, self._look)
        if native is NativeMode.FOLLOW:
            return make(self.map, Way.AUTO, power_w, self._look, fixed_w=0.0)
        charging = power_w < 0.0 or native is NativeMode.CHARGE
        way = Way.CHARGE if charging else Way.DISCHARGE
        most_w = self._spec.max_charge_w if charging else self._spec.max_discharge_w
        asked_w = abs(power_w) if power_w or native is None else most_w
        order = make(self.map, way, min(asked_w, most_w), self._look, fixed_w=most_w)
        if asked_w > most_w and order.limit is None:
            order = replace(order, limit=DEVICE_LIMIT)
        return order

    def _too_soon(self, order: Order, setpoint: Setpoint) -> bool:
        """Return whether a device that wears is spared this set-point.

        A stop, less of the same, and what keeps a limit are never put off.
        """
        written_s, standing = self._writer.power_s, self._writer.standing
        if (
            written_s is None
            or order.way in RESTING
            or setpoint.reason.code in URGENT
            or not self._writer.writes_power(order)
        ):
            return False
        since_s = dt_util.utcnow().timestamp() - written_s
        if not 0.0 <= since_s < self.map.min_interval_s:
            return False
        less = (
            standing is not None
            and standing.way is order.way
            and abs(order.power_w or 0.0) < abs(standing.power_w or 0.0)
        )
        return not less

    def _rests(self) -> bool:
        standing = self._writer.standing
        return self._parked or (standing is not None and standing.way is Way.IDLE)

    @callback
    def _forget(self) -> None:
        self._writer.forget()
        self.conduct.forget()

    def _look(self, entity_id: str) -> State | None:
        return self._hass.states.get(entity_id)


def _gone(state: State | None) -> bool:
    return state is None or state.state == STATE_UNAVAILABLE


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _unusable(err: Unusable) -> Outcome:
    kind = (
        OutcomeKind.UNREACHABLE
        if err.detail == ENTITY_UNAVAILABLE
        else OutcomeKind.REFUSED
    )
    return outcome(kind, detail=err.detail)
