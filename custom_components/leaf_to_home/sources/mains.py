"""Sensors that know whether the grid is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
import math
import re
from typing import Any, Final

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers.event import async_track_state_change_event

from ..const import CONF_AGREEING, CONF_MAINS, CONF_MAINS_SENSORS
from ..engine.outage_model import agreed


class MainsKind(StrEnum):
    """What a mains sensor says, and how."""

    PRESENT = "present"
    ABSENT = "absent"
    UPS = "ups"
    RANGE = "range"


# What UPSes and their integrations write: NUT its letters or words for them, APC its
# own. A self-test or a calibration runs on the battery with the grid there.
ON_BATTERY: Final = frozenset({"OB", "ONBATT", "ON BATTERY"})
ON_GRID: Final = frozenset({"OL", "ONLINE"})
SAYS_NOTHING: Final = frozenset(
    {
        "BATTERY TESTING",
        "CAL",
        "COMMLOST",
        "RUNTIME CALIBRATION",
        "SELFTEST",
        "TEST",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MainsSpec:
    """One sensor as it was set up; `low` to `high` is what a grid that is there has.

    What was outside has to come inside by `hysteresis`. The numbers are in `unit`.
    """

    entity: str
    kind: MainsKind
    low: float | None = None
    high: float | None = None
    hysteresis: float = 0.0
    unit: str | None = None

    @classmethod
    def create(cls, conf: Mapping[str, Any]) -> MainsSpec:
        """Return it from the entry's data."""
        return cls(
            entity=conf["entity"],
            kind=MainsKind(conf["kind"]),
            low=conf.get("low"),
            high=conf.get("high"),
            hysteresis=conf.get("hysteresis", 0.0),
            unit=conf.get("unit"),
        )

    def sign(self, state: State | None, before: bool | None = None) -> bool | None:
        """Return whether the grid is there, None where the state does not say.

        `before` is what the sensor said last.
        """
        if state is None or state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN):
            return None
        if self.kind is MainsKind.UPS:
            return _of_ups(state.state)
        if self.kind is MainsKind.RANGE:
            return self._within(state, before)
        on_is = self.kind is MainsKind.PRESENT
        return {STATE_ON: on_is, STATE_OFF: not on_is}.get(state.state)

    def _within(self, state: State, before: bool | None) -> bool | None:
        unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        if self.unit is not None and unit != self.unit:
            # The thresholds mean nothing in another unit.
            return None
        try:
            value = float(state.state)
        except ValueError:
            return None
        if not math.isfinite(value):
            return None
        inside = self.hysteresis if before is False else 0.0
        return (self.low is None or value >= self.low + inside) and (
            self.high is None or value <= self.high - inside
        )


def _of_ups(text: str) -> bool | None:
    """Return what the words of a UPS say of the grid."""
    upper = text.upper().replace("_", " ")
    words = {part.strip() for part in re.split(r"[,;/|]", upper)} | set(upper.split())
    if words & SAYS_NOTHING:
        return None
    if words & ON_BATTERY:
        return False
    return True if words & ON_GRID else None


class MainsSensor:
    """One sensor; anything that it does not clearly say is not said."""

    def __init__(self, hass: HomeAssistant, spec: MainsSpec) -> None:
        self._hass = hass
        self.spec = spec
        self._said: bool | None = None

    @property
    def entity_id(self) -> str:
        """Return which entity it is."""
        return self.spec.entity

    @property
    def present(self) -> bool | None:
        """Return whether the grid is there, None where the sensor does not say."""
        state = self._hass.states.get(self.spec.entity)
        sign = self.spec.sign(state, self._said)
        if sign is not None:
            self._said = sign
        return sign


class Mains:
    """All mains sensors of a home."""

    def __init__(
        self, hass: HomeAssistant, specs: Sequence[MainsSpec], agreeing: int = 1
    ) -> None:
        """Hear `specs`, of which `agreeing` have to say that the grid is gone."""
        self._hass = hass
        self.sensors = tuple(MainsSensor(hass, spec) for spec in specs)
        self.agreeing = agreeing

    @classmethod
    def create(cls, hass: HomeAssistant, data: Mapping[str, Any]) -> Mains | None:
        """Return the sensors that the entry names, None where it names none."""
        specs = mains_specs(data)
        if not specs:
            return None
        return cls(hass, specs, int(data.get(CONF_AGREEING, 1)))

    @property
    def signs(self) -> tuple[bool | None, ...]:
        """Return what each of them says."""
        return tuple(sensor.present for sensor in self.sensors)

    @property
    def present(self) -> bool | None:
        """Return whether the grid is there, as far as enough of them agree."""
        return agreed(self.signs, self.agreeing)

    @callback
    def async_start(self, on_update: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call back when one of them says something else."""
        before = self.signs

        @callback
        def changed(event: Event[EventStateChangedData]) -> None:
            nonlocal before
            if (signs := self.signs) != before:
                before = signs
                on_update()

        return async_track_state_change_event(
            self._hass,
            [sensor.entity_id for sensor in self.sensors],
            changed,
        )


def mains_specs(data: Mapping[str, Any]) -> list[MainsSpec]:
    """Return the mains sensors of an entry, with the one that has no kind."""
    specs = [MainsSpec.create(conf) for conf in data.get(CONF_MAINS_SENSORS, ())]
    if (single := data.get(CONF_MAINS)) and single not in {
        spec.entity for spec in specs
    }:
        specs.insert(0, MainsSpec(entity=single, kind=MainsKind.PRESENT))
    return specs
