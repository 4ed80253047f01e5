"""The current limits that an emulator is lent for half a minute.

A limit that is set from outside does not add to the one in the emulator's settings: it
stands in its place. So nothing is ever sent that is not below it, which is why a person
has to say what it is. Without a new message the emulator's own limit is back when the
time is over: this takes load off a battery, and watches over nothing.
"""

import json
from math import floor
from typing import Final

from ...engine.battery import UnitSpec

LAPSE_S: Final = 30.0
# The emulator counts in tenths of an ampere.
DECI: Final = 10.0
# The grid may fail while a limit stands, and the house is to be carried then.
LEAST_DISCHARGE_SHARE: Final = 0.25


class CurrentCaps:
    """Works out what to send; a direction without a limit of its own is left alone."""

    def __init__(self, charge_a: float | None, discharge_a: float | None) -> None:
        self._charge_a = charge_a
        self._discharge_a = discharge_a

    @property
    def wanted(self) -> bool:
        """Return whether the emulator may be limited at all."""
        return self._charge_a is not None or self._discharge_a is not None

    def message(
        self,
        spec: UnitSpec,
        *,
        charge_w: float,
        discharge_w: float,
        voltage_v: float | None,
    ) -> str | None:
        """Return what keeps the battery within these AC powers.

        None where its own limits do so already, or where the voltage is not known.
        """
        if not voltage_v:
            return None
        caps: dict[str, int] = {}
        if self._charge_a is not None:
            cap_a = spec.stored_w(-charge_w) / voltage_v
            if cap_a < self._charge_a:
                caps["max_charge"] = floor(cap_a * DECI)
        if self._discharge_a is not None:
            cap_a = -spec.stored_w(discharge_w) / voltage_v
            cap_a = max(cap_a, LEAST_DISCHARGE_SHARE * self._discharge_a)
            if cap_a < self._discharge_a:
                caps["max_discharge"] = floor(cap_a * DECI)
        return json.dumps(caps | {"timeout": round(LAPSE_S)}) if caps else None
