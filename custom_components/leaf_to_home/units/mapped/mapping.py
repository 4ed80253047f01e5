"""Which entities of another integration carry a set-point, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from homeassistant.const import Platform
from homeassistant.core import split_entity_id

# Where a unit's data have the mapping, and its keys; all of them may be missing.
CONF_SETPOINT: Final = "setpoint"
CONF_POWER: Final = "power"
CONF_POSITIVE: Final = "positive"  # what a positive value of `power` does
CONF_CHARGE_POWER: Final = "charge_power"
CONF_DISCHARGE_POWER: Final = "discharge_power"
CONF_UNIT: Final = "number_unit"  # of numbers that name none
CONF_VOLTAGE: Final = "voltage_v"  # what an ampere of the numbers is worth
CONF_VOLTAGE_ENTITY: Final = "voltage_entity"  # the same, measured
CONF_RATED: Final = "rated_w"  # what 100 % of the numbers is worth
CONF_MODE: Final = "mode"
CONF_MODE_OPTIONS: Final = "mode_options"  # {way: option}
CONF_ACTIONS: Final = "actions"  # {way: [switch, button or script, ...]}
CONF_ENABLE: Final = "enable"  # [switch, ...] on while the unit is led
CONF_KEEP_POWER: Final = "keep_power"  # idle leaves the numbers as they are
CONF_PARK: Final = "park"
CONF_FOLLOWS: Final = "follows"  # the automatic mode covers the house's load
CONF_DEAD_TIME: Final = "dead_time_s"
CONF_WATCHDOG: Final = "watchdog_s"
CONF_MIN_INTERVAL: Final = "min_interval_s"

DEFAULT_DEAD_TIME_S: Final = 10.0

NUMBERS: Final = (Platform.NUMBER, "input_number")
SELECTS: Final = (Platform.SELECT, "input_select")
SWITCHES: Final = (Platform.SWITCH, "input_boolean")
BUTTONS: Final = (Platform.BUTTON, "input_button")
SCRIPTS: Final = ("script",)


class Way(StrEnum):
    """What a unit is told: a direction, rest, or what it does by itself."""

    CHARGE = "charge"
    DISCHARGE = "discharge"
    IDLE = "idle"
    AUTO = "auto"


@dataclass(frozen=True, kw_only=True, slots=True)
class SetpointMap:
    """The entities that carry a set-point.

    `power` takes both directions, else `charge_power` and `discharge_power` take one
    each. With a `mode`, a way is open only where it has an option. The two-state
    entities among `actions` are on in the ways that name them and off in the others;
    buttons are pressed when a way begins, scripts run with each set-point. What is in
    `enable` is on in every way but the automatic one.
    """

    power: str | None = None
    charge_positive: bool = True
    charge_power: str | None = None
    discharge_power: str | None = None
    unit: str | None = None
    voltage_v: float | None = None
    voltage_entity: str | None = None
    rated_w: float | None = None
    mode: str | None = None
    options: Mapping[Way, str] = field(default_factory=dict)
    actions: Mapping[Way, tuple[str, ...]] = field(default_factory=dict)
    enable: tuple[str, ...] = ()
    keep_power: bool = False
    park: Way = Way.IDLE
    follows: bool = False
    dead_time_s: float = DEFAULT_DEAD_TIME_S
    watchdog_s: float | None = None
    min_interval_s: float = 0.0

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> SetpointMap:
        """Read it from a unit's data."""
        options = data.get(CONF_MODE_OPTIONS, {})
        actions = data.get(CONF_ACTIONS, {})
        return cls(
            power=data.get(CONF_POWER),
            charge_positive=data.get(CONF_POSITIVE, Way.CHARGE) == Way.CHARGE,
            charge_power=data.get(CONF_CHARGE_POWER),
            discharge_power=data.get(CONF_DISCHARGE_POWER),
            unit=data.get(CONF_UNIT),
            voltage_v=data.get(CONF_VOLTAGE),
            voltage_entity=data.get(CONF_VOLTAGE_ENTITY),
            rated_w=data.get(CONF_RATED),
            mode=data.get(CONF_MODE),
            options={way: options[way] for way in Way if way in options},
            actions={way: tuple(actions[way]) for way in Way if actions.get(way)},
            enable=tuple(data.get(CONF_ENABLE, ())),
            keep_power=data.get(CONF_KEEP_POWER, False),
            park=Way(data.get(CONF_PARK, Way.IDLE)),
            follows=data.get(CONF_FOLLOWS, False),
            dead_time_s=data.get(CONF_DEAD_TIME, DEFAULT_DEAD_TIME_S),
            watchdog_s=data.get(CONF_WATCHDOG),
            min_interval_s=data.get(CONF_MIN_INTERVAL, 0.0),
        )

    @property
    def entities(self) -> tuple[str, ...]:
        """Return every entity that is written to, once."""
        named = [self.power, self.charge_power, self.discharge_power, self.mode]
        found = [entity_id for entity_id in named if entity_id is not None]
        found += self.enable
        for actions in self.actions.values():
            found += actions
        return tuple(dict.fromkeys(found))

    @property
    def controllable(self) -> bool:
        """Return whether it can be led at all."""
        return self.able(Way.CHARGE) or self.able(Way.DISCHARGE)

    def number(self, way: Way) -> str | None:
        """Return the number that has the power of a direction."""
        if self.power is not None:
            return self.power
        return self.charge_power if way is Way.CHARGE else self.discharge_power

    def able(self, way: Way) -> bool:
        """Return whether there is a path to that way."""
        named = way in self.options or way in self.actions
        if way is Way.AUTO:
            return named or bool(self.enable)
        if way is Way.IDLE:
            return True
        if self.mode is not None and way not in self.options:
            return False
        return named or self.number(way) is not None

    def scripted(self, way: Way) -> bool:
        """Return whether a script is told the power."""
        return any(domain(each) in SCRIPTS for each in self.actions.get(way, ()))

    def rests_without_zero(self, way: Way) -> bool:
        """Return whether something else than a number ends a direction."""
        rest, running = self.actions.get(Way.IDLE, ()), self.actions.get(way, ())
        option = self.options.get(Way.IDLE)
        return (
            (option is not None and option != self.options.get(way))
            or any(domain(each) in SCRIPTS or each not in running for each in rest)
            or any(domain(each) in SWITCHES and each not in rest for each in running)
        )


def domain(entity_id: str) -> str:
    """Return what kind of entity it is."""
    return split_entity_id(entity_id)[0]
