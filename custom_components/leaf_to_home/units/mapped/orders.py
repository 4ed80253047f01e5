"""What has to be written for a set-point, as the entities are now; pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import floor, isfinite
from typing import Final

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    PERCENTAGE,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    UnitOfElectricCurrent,
    UnitOfPower,
)
from homeassistant.core import State
from homeassistant.util.unit_conversion import PowerConverter

from .mapping import SWITCHES, SetpointMap, Way, domain

# Why less stands than was asked for, or nothing; details of an outcome.
BELOW_MINIMUM: Final = "below_minimum"
DEVICE_LIMIT: Final = "device_limit"
ENTITY_UNAVAILABLE: Final = "entity_unavailable"
FIXED_POWER: Final = "fixed_power"
NO_PATH: Final = "no_path"
NO_STOP: Final = "no_way_to_stop"
NO_UNIT: Final = "unit_unknown"
NO_OPTION: Final = "option_unknown"
STEP: Final = "step"

# Rounding by less than this is none, W.
EXACT_W: Final = 1.0
# A device without a number is started where at least this share of its power is wanted.
FIXED_SHARE: Final = 0.95
DIGITS: Final = 6

type Look = Callable[[str], State | None]


class Unusable(Exception):
    """An entity cannot be written to now; `detail` says why."""

    def __init__(self, entity_id: str, detail: str) -> None:
        super().__init__(f"{entity_id}: {detail}")
        self.entity_id = entity_id
        self.detail = detail


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """One entity to write to.

    `target` is what its state is to become; buttons and scripts have none that could be
    read back. `tolerance` is how far a number may lie from it.
    """

    entity_id: str
    target: float | str | None = None
    tolerance: float = 0.0

    def stands(self, state: State | None) -> bool:
        """Return whether the entity says already what is to be written."""
        if state is None or self.target is None:
            return False
        if isinstance(self.target, str):
            return state.state == self.target
        value = number(state)
        return value is not None and abs(value - self.target) <= self.tolerance


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is to be written, in its order, and the power that will stand then.

    `power_w` is positive into the home, None where the device finds it by itself.
    """

    way: Way
    power_w: float | None
    limit: str | None = None
    writes: tuple[Write, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Dial:
    """A number entity as it is now; `per_w` of its units make a watt."""

    entity_id: str
    low: float
    high: float
    step: float
    per_w: float

    def reach(self, sign: float) -> tuple[float, float]:
        """Return the least and the highest value in the direction of `sign`."""
        low, high = (self.low, self.high) if sign > 0.0 else (-self.high, -self.low)
        return max(0.0, low), max(0.0, high)

    def most_w(self, sign: float) -> float:
        """Return the highest power in the direction of `sign`, W."""
        return self.reach(sign)[1] / self.per_w

    def take(self, power_w: float, sign: float) -> tuple[float | None, str | None]:
        """Return the value for a power, and why it is another one; None: too little.

        It is rounded towards zero: more than was asked for could break a limit that
        only the asker knows.
        """
        low, high = self.reach(sign)
        asked = power_w * self.per_w
        value = min(asked, high)
        if value < low - 10**-DIGITS or high <= 0.0:
            return None, BELOW_MINIMUM
        if self.step > 0.0:
            steps = floor((value - low) / self.step + 10**-DIGITS)
            value = low + max(0, steps) * self.step
        if value <= 0.0:
            return None, BELOW_MINIMUM
        limit = None
        if (asked - value) / self.per_w >= EXACT_W:
            limit = DEVICE_LIMIT if asked > high else STEP
        return sign * round(value, DIGITS), limit

    @property
    def zero(self) -> bool:
        """Return whether it can be told to do nothing."""
        return self.low <= 0.0 <= self.high

    def write(self, value: float) -> Write:
        """Return the write of a value."""
        return Write(
            entity_id=self.entity_id,
            target=value,
            # Nothing is nothing, however coarse the steps are.
            tolerance=max(self.step / 2.0 if value else 0.0, EXACT_W * self.per_w),
        )


def number(state: State) -> float | None:
    """Return a state as a number, None for what is none."""
    try:
        value = float(state.state)
    except ValueError:
        return None
    return value if isfinite(value) else None


def usable(entity_id: str, look: Look) -> State:
    """Return the state of an entity that can be written to; raise Unusable."""
    state = look(entity_id)
    if state is None or state.state == STATE_UNAVAILABLE:
        raise Unusable(entity_id, ENTITY_UNAVAILABLE)
    return state


def dial(map_: SetpointMap, entity_id: str, look: Look) -> Dial:
    """Return a number with its range as it is now; raise Unusable."""
    state = usable(entity_id, look)
    attributes = state.attributes
    unit = attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    try:
        low, high = float(attributes["min"]), float(attributes["max"])
        step = float(attributes.get("step", 0.0))
    except (KeyError, TypeError, ValueError) as err:
        raise Unusable(entity_id, ENTITY_UNAVAILABLE) from err
    return Dial(
        entity_id=entity_id,
        low=low,
        high=high,
        step=step,
        per_w=_per_w(map_, entity_id, unit, look),
    )


def make(
    map_: SetpointMap,
    way: Way,
    power_w: float,
    look: Look,
    *,
    fixed_w: float,
) -> Order:
    """Return what has to be written for a way at a power (positive); raise Unusable.

    `fixed_w` is what the device does in that direction where it cannot be told a power.
    """
    if way is Way.IDLE or (power_w <= 0.0 and way is not Way.AUTO):
        return rest(map_, look)
    if not map_.able(way):
        return _rest_instead(map_, look, NO_PATH)
    if way is Way.AUTO:
        return Order(
            way=way,
            power_w=None,
            writes=(*_zeros(map_, look, signed_only=True), *_lead(map_, way, look)),
        )
    entity_id = map_.number(way)
    into_home = 1.0 if way is Way.DISCHARGE else -1.0
    if entity_id is None:
        limit = None
        if not map_.scripted(way):
            if power_w < FIXED_SHARE * fixed_w:
                return _rest_instead(map_, look, FIXED_POWER)
            limit = FIXED_POWER if abs(power_w - fixed_w) >= EXACT_W else None
            power_w = fixed_w
        lead = tuple(_lead(map_, way, look))
        return Order(way=way, power_w=into_home * power_w, limit=limit, writes=lead)
    found = dial(map_, entity_id, look)
    value, limit = found.take(power_w, _sign(map_, way))
    if value is None:
        return _rest_instead(map_, look, limit or BELOW_MINIMUM)
    if limit is not None:
        power_w = abs(value) / found.per_w
    return Order(
        way=way,
        power_w=into_home * power_w,
        limit=limit,
        writes=(
            *_enable(map_, STATE_ON, look),
            *_other_zero(map_, way, look),
            found.write(value),
            *_begin(map_, way, look),
        ),
    )


def rest(map_: SetpointMap, look: Look, way: Way = Way.IDLE) -> Order:
    """Return what ends everything; raise Unusable where nothing does."""
    if way is Way.AUTO and map_.able(way):
        return make(map_, way, 0.0, look, fixed_w=0.0)
    zeros = tuple(_zeros(map_, look))
    told = {write.entity_id for write in zeros}
    for running in (Way.CHARGE, Way.DISCHARGE):
        if not map_.able(running) or map_.rests_without_zero(running):
            continue
        entity_id = map_.number(running)
        if entity_id is None:
            raise Unusable(map_.entities[0], NO_STOP)
        if entity_id not in told:
            # It says itself where it is only not there now.
            dial(map_, entity_id, look)
            raise Unusable(entity_id, NO_STOP)
    return Order(
        way=Way.IDLE, power_w=0.0, writes=(*zeros, *_lead(map_, Way.IDLE, look))
    )


def enabling(map_: SetpointMap, look: Look) -> Order | None:
    """Return what makes the other entities available; None: it is on, or not there.

    Some integrations offer nothing to write to before a device is led at all.
    """
    writes = tuple(
        Write(entity_id=entity_id, target=STATE_ON)
        for entity_id in map_.enable
        if (state := look(entity_id)) is not None and state.state == STATE_OFF
    )
    return Order(way=Way.IDLE, power_w=None, writes=writes) if writes else None


def reach_w(map_: SetpointMap, way: Way, look: Look) -> float | None:
    """Return the highest power of a direction, W; 0: none, None: not known."""
    if not map_.able(way):
        return 0.0
    entity_id = map_.number(way)
    if entity_id is None:
        return None
    try:
        return dial(map_, entity_id, look).most_w(_sign(map_, way))
    except Unusable:
        return None


def _rest_instead(map_: SetpointMap, look: Look, why: str) -> Order:
    order = rest(map_, look)
    return Order(way=order.way, power_w=0.0, limit=why, writes=order.writes)


def _sign(map_: SetpointMap, way: Way) -> float:
    """Return the sign that a number has in a direction."""
    if map_.power is None:
        return 1.0
    return 1.0 if (way is Way.CHARGE) is map_.charge_positive else -1.0


def _per_w(map_: SetpointMap, entity_id: str, unit: str | None, look: Look) -> float:
    # Helpers and many devices name none: watts are the usual.
    unit = unit or map_.unit or UnitOfPower.WATT
    if unit in PowerConverter.VALID_UNITS:
        return PowerConverter.convert(1.0, UnitOfPower.WATT, unit)
    if unit == UnitOfElectricCurrent.AMPERE:
        return 1.0 / _volts(map_, entity_id, look)
    if unit == PERCENTAGE and map_.rated_w:
        return 100.0 / map_.rated_w
    raise Unusable(entity_id, NO_UNIT)


def _volts(map_: SetpointMap, entity_id: str, look: Look) -> float:
    if map_.voltage_entity is not None:
        state = look(map_.voltage_entity)
        volts = None if state is None else number(state)
        if volts is None or volts <= 0.0:
            raise Unusable(map_.voltage_entity, ENTITY_UNAVAILABLE)
        return volts
    if not map_.voltage_v:
        raise Unusable(entity_id, NO_UNIT)
    return map_.voltage_v


def _zeros(
    map_: SetpointMap, look: Look, *, signed_only: bool = False
) -> Iterator[Write]:
    """Yield the zeros of the numbers that may be told one."""
    if map_.keep_power:
        return
    numbers = [map_.power]
    if not signed_only:
        numbers += [map_.charge_power, map_.discharge_power]
    for entity_id in numbers:
        if entity_id is None:
            continue
        try:
            found = dial(map_, entity_id, look)
        except Unusable:
            # Whatever else there is ends it all the same.
            continue
        if found.zero:
            yield found.write(0.0)


def _other_zero(map_: SetpointMap, way: Way, look: Look) -> Iterator[Write]:
    """Yield the zero of the other direction, of which both could act."""
    other = map_.discharge_power if way is Way.CHARGE else map_.charge_power
    if map_.power is not None or other is None or map_.keep_power:
        return
    found = dial(map_, other, look)
    if found.zero:
        yield found.write(0.0)


def _lead(map_: SetpointMap, way: Way, look: Look) -> Iterator[Write]:
    """Yield everything but numbers, for a way."""
    if way is not Way.AUTO:
        yield from _enable(map_, STATE_ON, look)
    yield from _begin(map_, way, look)
    if way is Way.AUTO:
        yield from _enable(map_, STATE_OFF, look)


def _enable(map_: SetpointMap, state: str, look: Look) -> Iterator[Write]:
    for entity_id in map_.enable:
        usable(entity_id, look)
        yield Write(entity_id=entity_id, target=state)


def _begin(map_: SetpointMap, way: Way, look: Look) -> Iterator[Write]:
    """Yield what goes off, the mode, and what begins the way: it comes last."""
    mine = map_.actions.get(way, ())
    others = dict.fromkeys(
        each
        for other, actions in map_.actions.items()
        if other is not way
        for each in actions
    )
    for entity_id in others:
        if domain(entity_id) in SWITCHES and entity_id not in mine:
            usable(entity_id, look)
            yield Write(entity_id=entity_id, target=STATE_OFF)
    option = map_.options.get(way)
    if way is Way.AUTO and option is None:
        # Whoever is not led any more must not go on where he was when he is again.
        option = map_.options.get(Way.IDLE)
    if map_.mode is not None and option is not None:
        state = usable(map_.mode, look)
        if option not in state.attributes.get("options", (option,)):
            raise Unusable(map_.mode, NO_OPTION)
        yield Write(entity_id=map_.mode, target=option)
    for entity_id in mine:
        usable(entity_id, look)
        two_state = domain(entity_id) in SWITCHES
        yield Write(entity_id=entity_id, target=STATE_ON if two_state else None)
