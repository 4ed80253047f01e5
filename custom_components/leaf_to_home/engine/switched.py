"""What a switch at a unit's input makes of an intent: on or off, and nothing between.

On, the unit charges at its own power, and what is plugged into it runs from the mains
where it feeds that through. Off, that runs from the battery. No switch can hold such a
unit, nor charge it slowly or to a part: it stands on wherever off is not worth it, so
that it is full when it is needed. One that feeds nothing through stands off instead.
"""

from dataclasses import replace
from typing import Final

from .bounds import RESUME_PERCENT, Room, ceiling_percent, floor_percent
from .control import REVERSALS_AN_HOUR, Moment, Wish, pays
from .limits import main_room_w
from .model import Inputs, IntentKind, Reason, ReasonCode, UnitInputs
from .policy import Choice, charge_ceiling_w, discharge_ceiling_w
from .soc import EXACT_PERCENT, soc_percent
from .state import UnitSettings, UnitState

# A plug is not switched for a wish that is shorter than this.
SWITCH_GAP_S: Final = 600.0
# Who was switched on at the reserve is as good as new from here on, percent.
REFILLED_PERCENT: Final = 95.0
# Less than that is not worth a switch, W.
LEAST_CARRIED_W: Final = 1.0


def decide_switch(
    choice: Choice,
    unit: UnitState,
    known: UnitInputs,
    inputs: Inputs,
    moment: Moment,
    room: Room,
) -> Wish:
    """Return what the input is to be: below 0 W on, else off.

    Off is what the appliances draw, where they run on from the battery. A power that
    means what stands already is left as it is, since nothing is to be written for it.
    """
    case = _Case(choice, unit, known, inputs, moment, room)
    wanted = case.within_limits(case.meant())
    standing_w = unit.command_w
    if standing_w is None:
        return wanted
    if (standing_w < 0.0) is (wanted.power_w < 0.0):
        return replace(wanted, power_w=standing_w)
    if wanted.firm or choice.by_user or not case.too_soon():
        return wanted
    return Wish(power_w=standing_w, reason=Reason(code=ReasonCode.DWELL))


class _Case:
    """One unit at one moment; `on_w` and `off_w` are what its switch can do."""

    def __init__(
        self,
        choice: Choice,
        unit: UnitState,
        known: UnitInputs,
        inputs: Inputs,
        moment: Moment,
        room: Room,
    ) -> None:
        self.choice = choice
        self.unit = unit
        self.known = known
        self.inputs = inputs
        self.moment = moment
        self.room = room
        self.feeds = known.capabilities.feeds_through
        # A limit of the user does not make a charger or load smaller: it forbids it.
        settings, unlimited = unit.settings, _unlimited(unit.settings)
        self.on_w = -charge_ceiling_w(known, unlimited)
        self.may_charge = charge_ceiling_w(known, settings) >= -self.on_w
        carried_w = discharge_ceiling_w(known, unlimited) if self.feeds else 0.0
        may_carry = discharge_ceiling_w(known, settings) >= carried_w
        self.off_w = carried_w if may_carry else 0.0
        self.stands_off = (
            self.feeds and unit.command_w is not None and unit.command_w >= 0.0
        )

    def meant(self) -> Wish:
        """Return what the intent means, before any limit."""
        intent = self.choice.intent
        if intent.kind is IntentKind.CHARGE:
            return self._on(intent.reason)
        if intent.kind in (IntentKind.COVER, IntentKind.EXPORT):
            return self._cover()
        if intent.kind is IntentKind.ABSORB and not self.feeds:
            return self._absorb()
        if self.stands_off and self._off_costs_less():
            return self._off(intent.reason)
        return self._idle(intent.reason)

    def within_limits(self, wanted: Wish) -> Wish:
        """Return the wish within every limit, the hard ones last."""
        self._see_refill()
        held = self.choice.by_user and self.choice.intent.kind is IntentKind.HOLD
        if self._soc_lost() and not held:
            wanted = self._on(Reason(code=ReasonCode.SOC_UNKNOWN))
        elif self.feeds and wanted.power_w >= 0.0:
            wanted = self._above_reserve(wanted)
        if wanted.power_w >= 0.0:
            return wanted
        if wanted.reason.code is not ReasonCode.RESERVE:
            wanted = self._softly(wanted)
        if wanted.power_w >= 0.0:
            return wanted
        return self._hardly(wanted)

    def too_soon(self) -> bool:
        """Return whether the plug was switched just now, or often enough."""
        unit, now_s = self.unit, self.moment.now_s
        recent = [at_s for at_s in unit.reversals_s if now_s - at_s < 3600.0]
        # What it was told first is mostly what its plug did already.
        last_s = max(recent, default=None) if self.feeds else unit.command_s
        return len(recent) >= REVERSALS_AN_HOUR or (
            last_s is not None and now_s - last_s < SWITCH_GAP_S
        )

    def _on(self, reason: Reason, *, firm: bool = False) -> Wish:
        return Wish(power_w=self.on_w, reason=reason, firm=firm)

    def _off(self, reason: Reason, *, firm: bool = False) -> Wish:
        return Wish(power_w=self.off_w, reason=reason, firm=firm)

    def _idle(self, reason: Reason) -> Wish:
        """Return what comes nearest to nothing."""
        return self._on(reason) if self.feeds else self._off(reason)

    def _cover(self) -> Wish:
        intent, draw_w = self.choice.intent, self.moment.draw_w
        if self.off_w < LEAST_CARRIED_W:
            values = {"wanted_w": self.off_w}
            reason = Reason(code=ReasonCode.BELOW_MIN_POWER, values=values)
            return self._idle(reason)
        if draw_w is None:
            # Whether the sun carries them now is not known: it stays as it is.
            return self._off(intent.reason) if self.stands_off else self._idle(_STALE)
        if draw_w < (-self.off_w if self.stands_off else 0.0):
            values = {"surplus_w": -draw_w}
            return self._idle(Reason(code=ReasonCode.SOLAR_SURPLUS, values=values))
        price = self.moment.import_price
        running = self.stands_off
        if not pays(intent, self.known.spec, price, self.off_w, running=running) and (
            # Buying is not all that comes of going back: it recharges at this price.
            not running or not self._off_costs_less()
        ):
            values = {"wanted_w": self.off_w}
            return self._idle(Reason(code=ReasonCode.NO_PROFIT, values=values))
        return self._off(intent.reason)

    def _absorb(self) -> Wish:
        """Charge while the sun leaves enough for it, half of it when it runs."""
        draw_w = self.moment.draw_w
        charging = (self.unit.command_w or 0.0) < 0.0
        if draw_w is None:
            return self._on(_STALE) if charging else self._off(_STALE)
        surplus_w = -draw_w - self.moment.charging_w
        if surplus_w < -self.on_w * (0.5 if charging else 1.0):
            return self._off(self.choice.intent.reason)
        values = {"surplus_w": surplus_w}
        return self._on(Reason(code=ReasonCode.SOLAR_SURPLUS, values=values))

    def _off_costs_less(self) -> bool:
        """Return whether running on from the battery beats buying, and recharging now.

        Only who says what a stored kWh is worth can be asked.
        """
        value, price = self.choice.intent.stored_value, self.moment.import_price
        if value is None or price is None or self.choice.by_user:
            return False
        spec = self.known.spec
        off = -spec.stored_w(self.off_w) * value + spec.wear_per_kwh * self.off_w
        filled = spec.stored_w(self.on_w) * value
        return off < (self.off_w - self.on_w) * price - filled

    def _soc_lost(self) -> bool:
        reading = self.known.reading
        return (
            self.unit.stored_kwh is None
            or reading is None
            or reading.soc_percent is None
        )

    def _see_refill(self) -> None:
        unit, choice = self.unit, self.choice
        soc = soc_percent(unit, self.known.spec) or 0.0
        wanted = choice.by_user or choice.intent.kind is IntentKind.CHARGE
        least = floor_percent(unit, self.known) if wanted else REFILLED_PERCENT
        if soc >= min(least, REFILLED_PERCENT) + RESUME_PERCENT:
            unit.below_reserve = False

    def _above_reserve(self, wanted: Wish) -> Wish:
        """Switch on again at the reserve, until it was refilled on purpose.

        On, it refills itself at whatever price: to use that at once is only wear.
        """
        unit, spec = self.unit, self.known.spec
        soc = soc_percent(unit, spec) or 0.0
        floor = floor_percent(unit, self.known)
        left_kwh = (unit.stored_kwh or 0.0) - spec.capacity_kwh * floor / 100.0
        standing_s = self.inputs.interval_s + self.known.capabilities.dead_time_s
        drain_kwh = -spec.stored_w(wanted.power_w) * standing_s / 3.6e6
        if unit.below_reserve or drain_kwh > left_kwh:
            unit.below_reserve = True
            values = {"reserve_percent": floor, "soc_percent": soc}
            reason = Reason(code=ReasonCode.RESERVE, values=values)
            return self._on(reason, firm=True)
        if unit.suspect_since_s is not None and not self.stands_off:
            return self._on(Reason(code=ReasonCode.SOC_UNKNOWN))
        return wanted

    def _softly(self, wanted: Wish) -> Wish:
        """Keep the demand window and the highest state of charge, where that can be."""
        room, by_user = self.room, self.choice.by_user
        if room.allowed_w is not None and room.draw_w is not None and not by_user:
            room_w = room.allowed_w - room.draw_w - room.charging_w
            if room_w < -self.on_w and not self._soc_lost():
                reason = Reason(code=ReasonCode.IMPORT_LIMIT, values={"room_w": room_w})
                off = self._off(reason)
                return self._above_reserve(off) if self.feeds else off
        if self.feeds or self._soc_lost():
            # It stops by itself when it is full, and no switch can stop it before.
            return wanted
        soc = soc_percent(self.unit, self.known.spec) or 0.0
        ceiling = ceiling_percent(self.unit, self.known, self.choice)
        charging = (self.unit.command_w or 0.0) < 0.0
        slack = EXACT_PERCENT if charging or by_user else RESUME_PERCENT
        if soc >= ceiling - slack:
            values = {"max_soc_percent": ceiling, "soc_percent": soc}
            return self._off(Reason(code=ReasonCode.FULL, values=values))
        return wanted

    def _hardly(self, wanted: Wish) -> Wish:
        """Keep the breaker and what the user forbids, before the reserve."""
        room = self.room
        if not self.may_charge:
            reason = Reason(
                code=ReasonCode.BELOW_MIN_POWER, values={"wanted_w": self.on_w}
            )
            return self._off(reason, firm=True)
        draw_w = room.worst_draw_w if room.draw_w is None else room.draw_w
        if draw_w is None and (self.unit.command_w or 0.0) < 0.0:
            return wanted
        if draw_w is not None:
            draw_w += room.charging_w
        assumed_w = self.unit.assumed_w + room.more_w
        room_w = main_room_w(self.inputs, draw_w, assumed_w, room.now_s)
        if room_w is None or room_w >= -self.on_w:
            return wanted
        reason = Reason(code=ReasonCode.MAIN_LIMIT, values={"room_w": room_w})
        return self._off(reason, firm=True)


_STALE: Final = Reason(code=ReasonCode.METER_STALE)


def _unlimited(settings: UnitSettings) -> UnitSettings:
    """Return the settings without the user's limits on power."""
    return replace(settings, charge_limit_w=None, discharge_limit_w=None)
