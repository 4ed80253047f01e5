"""Writes an order to the entities, one after the other, and reads each back."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.util import dt as dt_util

from ...engine.model import Outcome, OutcomeKind
from .calls import WriteRefused, async_write
from .mapping import NUMBERS, SCRIPTS, SELECTS, Way, domain
from .orders import DEVICE_LIMIT, Order, Write, number

# Everything has to be done with within the worker's patience.
APPLY_S: Final = 24.0
# How long an entity may take to show what was written to it.
CONFIRM_S: Final = 8.0
# How often the power is looked at where nothing else can be read back.
LOOK_S: Final = 1.0
# What was written and is not shown yet is written again after this.
AGAIN_S: Final = 60.0
# A device may round what it was told for this long; then it is somebody else.
ROUNDING_S: Final = 30.0
# A change that is over by then is none.
ELSEWHERE_S: Final = 5.0
# So much of the power has to be seen, and so little of it when it has ended.
SEEN_SHARE: Final = 0.3
SEEN_W: Final = 100.0

# Details of an outcome, beside those of `orders`.
ISLANDING: Final = "islanding"
NOT_CONFIRMED: Final = "not_confirmed"
NOT_SEEN: Final = "not_seen"
WRITE_REFUSED: Final = "write_refused"

RESTING: Final = (Way.IDLE, Way.AUTO)


class Writer:
    """Remembers what was written, so that nothing is written without need.

    `standing` is the order that the entities have shown to have taken, with what the
    device made of it; None where that is not known.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        islanding: Callable[[], bool | None],
        measured_w: Callable[[], float | None],
        see_s: float,
    ) -> None:
        self.writes = 0
        self.standing: Order | None = None
        self.standing_s = 0.0
        # When the power was written the last time.
        self.power_s: float | None = None
        # What the other integration said when it refused, by its entity.
        self.refusal: tuple[str, str] | None = None
        self._hass = hass
        self._islanding = islanding
        self._measured_w = measured_w
        self._see_s = see_s
        self._sent: dict[str, tuple[float | str | None, float]] = {}
        self._before: dict[str, str] = {}
        # The way of which buttons were pressed, and what scripts were told.
        self._pressed: Way | None = None
        self._told: tuple[Way, float | None] | None = None
        self._strange_s: float | None = None
        self._changed = asyncio.Event()

    @callback
    def hear(self) -> None:
        """Look again: an entity has changed."""
        self._changed.set()

    @callback
    def forget(self) -> None:
        """Take nothing for told: an entity was away, or somebody has let go."""
        self.standing = None
        self._pressed = self._told = self._strange_s = None
        self._sent.clear()

    async def carry_out(self, order: Order, *, feed: bool) -> Outcome:
        """Write what is not so yet; with `feed` also what is, for a watchdog."""
        deadline_s = self._now_s() + APPLY_S
        self.standing = None
        refused = False
        for write in order.writes:
            if self._islanding():
                return outcome(OutcomeKind.REFUSED, detail=ISLANDING)
            try:
                await self._write(order, write, feed=feed)
                if order.way not in RESTING and not await self._confirmed(
                    write, deadline_s
                ):
                    return outcome(OutcomeKind.PENDING, detail=NOT_CONFIRMED)
            except WriteRefused as err:
                self.refusal = (err.entity_id, err.reason)
                # What ends a power is written whatever else is refused.
                if order.way not in RESTING:
                    return outcome(OutcomeKind.REFUSED, detail=WRITE_REFUSED)
                refused = True
        if refused:
            return outcome(OutcomeKind.REFUSED, detail=WRITE_REFUSED)
        for write in order.writes:
            if not await self._confirmed(write, deadline_s):
                return outcome(OutcomeKind.PENDING, detail=NOT_CONFIRMED)
        self.refusal = None
        self.standing = order = self._as_taken(order)
        self.standing_s = _utc_s()
        self._strange_s = None
        if not any(write.target is not None for write in order.writes):
            return await self._seen(order, deadline_s)
        return _stands(order)

    def writes_power(self, order: Order) -> bool:
        """Return whether an order would write another power than was written."""
        return any(
            domain(write.entity_id) in (*NUMBERS, *SCRIPTS)
            and self._due(order, write, feed=False)
            for write in order.writes
        )

    def elsewhere(self, now_s: float) -> bool:
        """Return whether somebody else has written to an entity since."""
        standing = self.standing
        if standing is None:
            return False
        for write in standing.writes:
            state = self._hass.states.get(write.entity_id)
            if (
                write.target is None
                or state is None
                or state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN)
                or write.stands(state)
            ):
                continue
            if now_s - self.standing_s < ROUNDING_S and _rounded(write, state):
                self.standing = self._as_taken(standing)
                continue
            self._strange_s = self._strange_s or now_s
            return now_s - self._strange_s >= ELSEWHERE_S
        self._strange_s = None
        return False

    def diagnostics(self) -> dict[str, Any]:
        """Return what was written and what stands."""
        standing = self.standing
        return {
            "writes": self.writes,
            # What the other integration said of it may name a place.
            "refused": self.refusal and self.refusal[0],
            "standing": standing and standing.way,
            "standing_w": standing and standing.power_w,
            "standing_limit": standing and standing.limit,
            "standing_s": self.standing_s,
        }

    async def _write(self, order: Order, write: Write, *, feed: bool) -> None:
        if not self._due(order, write, feed=feed):
            return
        entity_id = write.entity_id
        state = self._hass.states.get(entity_id)
        self._before[entity_id] = "" if state is None else state.state
        self._sent[entity_id] = (write.target, _utc_s())
        self.writes += 1
        if domain(entity_id) in NUMBERS or domain(entity_id) in SCRIPTS:
            self.power_s = _utc_s()
        try:
            await async_write(self._hass, order, write)
        except WriteRefused:
            # Refused is not written: the next attempt is made anew.
            del self._sent[entity_id]
            raise
        except TimeoutError as err:
            if write.target is None:
                del self._sent[entity_id]
                raise WriteRefused(entity_id, "no answer") from err
        if write.target is not None:
            return
        if domain(entity_id) in SCRIPTS:
            self._told = (order.way, order.power_w)
        else:
            self._pressed = order.way

    def _due(self, order: Order, write: Write, *, feed: bool) -> bool:
        """Return whether an entity has to be written to now."""
        kind = domain(write.entity_id)
        if write.target is None:
            if kind in SCRIPTS:
                return feed or self._told != (order.way, order.power_w)
            return feed or self._pressed is not order.way
        if write.stands(self._hass.states.get(write.entity_id)):
            return feed and kind in (*NUMBERS, *SELECTS)
        target, sent_s = self._sent.get(write.entity_id, (None, 0.0))
        return target != write.target or not 0.0 <= _utc_s() - sent_s < AGAIN_S

    async def _confirmed(self, write: Write, deadline_s: float) -> bool:
        """Return whether an entity shows what was written to it, or its rounding."""
        if write.target is None:
            return True
        until_s = min(deadline_s, self._now_s() + CONFIRM_S)
        while True:
            self._changed.clear()
            state = self._hass.states.get(write.entity_id)
            if write.stands(state):
                self._sent.pop(write.entity_id, None)
                return True
            if not await self._wait(until_s):
                return (
                    state is not None
                    and state.state != self._before.get(write.entity_id)
                    and _rounded(write, state)
                )

    async def _seen(self, order: Order, deadline_s: float) -> Outcome:
        """Say what became of what cannot be read back, by the measured power."""
        until_s = min(deadline_s, self._now_s() + self._see_s)
        while True:
            measured_w = self._measured_w()
            if measured_w is None or order.power_w is None:
                return _stands(order)
            if order.power_w == 0.0:
                agrees = abs(measured_w) <= SEEN_W
            else:
                agrees = measured_w / order.power_w >= SEEN_SHARE
            if agrees:
                return _stands(order)
            self._changed.clear()
            if not await self._wait(until_s):
                return outcome(OutcomeKind.LIMITED, power_w=measured_w, detail=NOT_SEEN)

    async def _wait(self, until_s: float) -> bool:
        """Wait for a change, a moment at most; return whether there is time left."""
        left_s = until_s - self._now_s()
        if left_s <= 0.0:
            return False
        try:
            async with asyncio.timeout(min(LOOK_S, left_s)):
                await self._changed.wait()
        except TimeoutError:
            pass
        return True

    def _as_taken(self, order: Order) -> Order:
        """Return the order with what the device made of its numbers."""
        writes: list[Write] = []
        for write in order.writes:
            state = self._hass.states.get(write.entity_id)
            if state is None or write.stands(state) or not _rounded(write, state):
                writes.append(write)
                continue
            value = number(state)
            assert value is not None
            assert isinstance(write.target, float)
            writes.append(replace(write, target=value))
            if order.power_w is not None:
                order = replace(
                    order,
                    power_w=order.power_w * value / write.target,
                    limit=DEVICE_LIMIT,
                )
        return replace(order, writes=tuple(writes))

    def _now_s(self) -> float:
        return self._hass.loop.time()


def outcome(
    kind: OutcomeKind, *, power_w: float | None = None, detail: str | None = None
) -> Outcome:
    """Return an outcome of now."""
    return Outcome(kind=kind, time_s=_utc_s(), power_w=power_w, detail=detail)


def _stands(order: Order) -> Outcome:
    kind = OutcomeKind.APPLIED if order.limit is None else OutcomeKind.LIMITED
    return outcome(kind, power_w=order.power_w, detail=order.limit)


def _rounded(write: Write, state: State) -> bool:
    """Return whether a number shows less than was written, in the same direction."""
    if not isinstance(write.target, float) or write.target == 0.0:
        return False
    value = number(state)
    return value is not None and 0.0 < value / write.target < 1.0


def _utc_s() -> float:
    return dt_util.utcnow().timestamp()
