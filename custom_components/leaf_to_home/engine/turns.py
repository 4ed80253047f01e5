"""The units' turns in one decision: who is driven, in which order, to which power."""

from dataclasses import dataclass, replace
from math import inf

from . import native
from .announced import announced
from .bounds import Room, above_allowed, bound, ceiling_percent, fits, floor_percent
from .control import Moment, Wish, begin_afresh, commanded, forget, steady, wish
from .guard import METER_LOST_S
from .limits import allowed_import_w, worst_draw_w
from .meter import Picture
from .model import (
    HomeMode,
    Inputs,
    Intent,
    IntentKind,
    NativeMode,
    Reason,
    ReasonCode,
    Setpoint,
    UnitDecision,
    UnitInputs,
)
from .outage_figures import charging_share
from .policy import Choice, choose, rule_decides
from .report import above_reserve_kwh, status_of
from .rule import Outlook
from .savings import rethink
from .soc import soc_percent
from .state import HomeState, UnitState
from .switched import decide_switch
from .undriven import leave

# The unit that carries the house keeps doing so until another is this much fuller.
RUNNING_PERCENT = 5.0
# What these mean does not depend on the meter.
FIXED = {IntentKind.CHARGE, IntentKind.HOLD}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """A unit whose turn it is; `may_follow`: its own meter can do what is meant."""

    unit: UnitState
    known: UnitInputs
    choice: Choice
    room: Room
    may_follow: bool


class Turns:
    """The units around one table: what one takes is no longer there for the next."""

    def __init__(
        self, state: HomeState, inputs: Inputs, picture: Picture, now_s: float
    ) -> None:
        self.state = state
        self.inputs = inputs
        self.picture = picture
        self.now_s = now_s
        self.slot = inputs.site.tariff.at(now_s)
        self.observing = state.settings.mode is HomeMode.OBSERVE
        # What the house draws, less what units before in the order cover of it.
        self.draw_w = picture.draw_w
        self.assumed_draw_w = picture.assumed_draw_w
        self.charging_w = 0.0
        # What units before will draw more than they do now.
        self.more_w = 0.0
        self.export_w = _export_w(inputs, picture)
        self.allowed_w = allowed_import_w(state, inputs.site, now_s)
        self.driven: list[str] = []
        self.choices: dict[str, Choice] = {}

    def decide(self) -> dict[str, UnitDecision]:
        """Decide on each unit; those that are not driven take their place first."""
        decisions: dict[str, UnitDecision] = {}
        driven = self.driven
        for key, known in self.inputs.units.items():
            unit = self.state.units[key]
            left = self._leave(unit, known, key)
            if left is None:
                driven.append(key)
            else:
                # What it does by itself goes on; others count with it as it is.
                self._take(unit, unit.power_w or 0.0)
                decisions[key] = left
        if len(driven) > 1:
            driven.sort(key=self._rank)
        for key in driven:
            unit = self.state.units[key]
            unit.parked = False
            decisions[key] = self._drive(unit, self.inputs.units[key], key)
        return decisions

    def _rank(self, key: str) -> float:
        """Return the unit's place: the fullest first, so that it covers most.

        What carries only what is plugged into it leaves the rest to the others.
        """
        if self.inputs.units[key].capabilities.switched:
            return -inf
        unit = self.state.units[key]
        soc = soc_percent(unit, self.inputs.units[key].spec) or 0.0
        return -soc - (RUNNING_PERCENT if (unit.command_w or 0.0) > 0.0 else 0.0)

    def _leave(
        self, unit: UnitState, known: UnitInputs, key: str
    ) -> UnitDecision | None:
        """Return the decision on a unit that is not driven, None for one that is."""
        left = leave(
            self.state,
            unit,
            known,
            self.now_s,
            intent=lambda: self._choose(key).intent.kind,
        )
        if left is None:
            return None
        return self._decision(
            unit, known, left.setpoint, left.reason, IntentKind.HOLD, park=left.park
        )

    def _choose(self, key: str) -> Choice:
        choice = self.choices.get(key)
        if choice is None:
            choice = self.choices[key] = choose(
                self.state,
                self.state.units[key],
                self.inputs.units[key],
                self.inputs,
                self.picture.draw_w or 0.0,
                self.now_s,
            )
        return choice

    def _drive(self, unit: UnitState, known: UnitInputs, key: str) -> UnitDecision:
        now_s = self.now_s
        if unit.command_w is not None and unit.told is self.observing:
            # Nobody has carried out what was only shown.
            forget(unit)
            begin_afresh(unit)
        choice = self._choose(key)
        rethink(
            self.state,
            unit.book(key),
            now_s,
            lambda: self._outlook(unit, known),
            valued=rule_decides(self.state, known),
        )
        case = _Case(
            unit=unit,
            known=known,
            choice=choice,
            room=self._room(),
            may_follow=native.may_follow(
                choice.intent, choice, unit, known, self.inputs, now_s
            )
            and self._alone(key),
        )
        intent = choice.intent
        if known.capabilities.switched:
            follows = False
            bounded = decide_switch(
                choice, unit, known, self.inputs, self._moment(), case.room
            )
        elif self.picture.grid_w is None and intent.kind not in FIXED:
            bounded, follows = self._blindly(case)
            if follows is unit.native and (
                follows or bounded.power_w == (unit.command_w or 0.0)
            ):
                self._take(unit, bounded.power_w)
                return self._decision(
                    unit, known, None, bounded.reason, intent.kind, choice
                )
        else:
            bounded, follows = self._by_sight(case)
        unit.intent = intent.kind
        unit.helps = (
            bounded.power_w > 0.0 and bounded.reason.code is ReasonCode.MAIN_LIMIT
        )
        commanded(unit, known, bounded.power_w, now_s, told=not self.observing)
        native.remember(unit, native=follows, now_s=now_s)
        self._take(unit, bounded.power_w)
        return self._decision(
            unit,
            known,
            self._setpoint(unit, known, choice, bounded),
            bounded.reason,
            intent.kind,
            choice,
            missed=above_allowed(bounded.power_w, case.room),
        )

    def _blindly(self, case: _Case) -> tuple[Wish, bool]:
        """Return what goes on without a meter, and whether the unit follows its own."""
        bounded = self._bound(
            case, self._blind(case.unit, case.known, case.choice.intent)
        )
        stopped = bounded.firm and bounded.power_w <= 0.0
        return bounded, case.unit.native and case.may_follow and not stopped

    def _by_sight(self, case: _Case) -> tuple[Wish, bool]:
        """Return the power that the meter asks for, and whether the unit follows."""
        unit, known, choice = case.unit, case.known, case.choice
        moment = self._moment()
        wanted = self._bound(case, wish(choice.intent, unit, known.spec, moment))
        able_w = native.ceiling_w(choice.intent, unit, known)
        if (
            unit.native
            and case.may_follow
            and native.goes_on(unit, wanted, able_w, known, self.inputs, moment)
        ):
            standing_w = unit.command_w or 0.0
            return Wish(power_w=standing_w, reason=choice.intent.reason), True
        bounded = steady(
            replace(
                wanted,
                urgent=choice.by_user or choice.for_departure or _keeps_window(wanted),
            ),
            unit,
            known.capabilities,
            moment,
            lambda power_w: fits(power_w, choice, unit, known, self.inputs, case.room),
        )
        begins = case.may_follow and not unit.native
        return bounded, begins and native.begins(unit, bounded, known, self.now_s)

    def _bound(self, case: _Case, wanted: Wish) -> Wish:
        choice, known = case.choice, case.known
        share = charging_share(self.state.outage, self.now_s)
        if (
            share < 1.0
            and wanted.power_w < 0.0
            and not (choice.by_user or choice.for_departure)
        ):
            least_w = known.spec.min_power_w if share > 0.0 else 0.0
            most_w = max(share * known.spec.max_charge_w, least_w)
            if -wanted.power_w > most_w:
                reason = Reason(code=ReasonCode.AFTER_OUTAGE)
                wanted = replace(wanted, power_w=-most_w, reason=reason)
        return bound(wanted, case.choice, case.unit, case.known, self.inputs, case.room)

    def _alone(self, key: str) -> bool:
        """Return whether all other units rest, and will go on to.

        One that follows would feed those that charge, and fight with those that cover.
        """
        for other, unit in self.state.units.items():
            if other == key or other not in self.inputs.units:
                continue
            if self.inputs.units[other].capabilities.switched:
                # Its charger takes no more than a lamp, and what it carries is its own.
                continue
            if not native.at_rest(unit):
                return False
            driven = other in self.driven
            if driven and self._choose(other).intent.kind is not IntentKind.HOLD:
                return False
        return True

    def _moment(self) -> Moment:
        return Moment(
            now_s=self.now_s,
            means=self.inputs.means,
            draw_w=self.draw_w,
            assumed_draw_w=self.assumed_draw_w,
            grid_w=self.picture.grid_w,
            charging_w=self.charging_w,
            export_w=self.export_w,
            import_price=self.slot.import_price if self.slot else None,
        )

    def _setpoint(
        self, unit: UnitState, known: UnitInputs, choice: Choice, bounded: Wish
    ) -> Setpoint:
        power_w = bounded.power_w
        if unit.native:
            power_w = native.ceiling_w(choice.intent, unit, known)
        until = None
        if power_w != 0.0:
            until = (
                ceiling_percent(unit, known, choice)
                if power_w < 0.0
                else floor_percent(unit, known)
            )
        return Setpoint(
            power_w=power_w,
            reason=bounded.reason,
            native=NativeMode.FOLLOW if unit.native else None,
            until_soc_percent=until,
            # Whatever it was before a long silence.
            ask_soc=unit.anchor_soc_percent is None,
        )

    def _outlook(self, unit: UnitState, known: UnitInputs) -> Outlook:
        """Return what the ledger's smart car sees of the prices."""
        spec = known.spec
        return Outlook(
            now_s=self.now_s,
            slots=self.inputs.site.tariff.known(self.now_s),
            spec=spec,
            stored_kwh=unit.stored_kwh or 0.0,
            reserve_percent=unit.settings.reserve_percent,
            max_soc_percent=unit.settings.max_soc_percent,
            charge_w=spec.max_charge_w,
            discharge_w=spec.max_discharge_w,
            draw_w=0.0,
            surplus_kwh=self.state.surplus_kwh,
            driven_kwh=unit.driven_kwh,
            departures=announced(unit, known, self.inputs.site.tariff, self.now_s),
        )

    def _blind(self, unit: UnitState, known: UnitInputs, intent: Intent) -> Wish:
        """Return what goes on without a meter: what stands, as long as it is meant so.

        Lost data means no new command; but what was begun for another intent ends with
        it. So does, after a while, a power that nobody watches: a station that always
        imports a little has a meter of its own, others would export for hours.
        """
        standing_w = unit.command_w or 0.0
        since_s = self.state.blind_since_s
        watched = unit.native or (standing_w >= 0.0 and known.spec.min_import_w > 0.0)
        left_s = self.now_s - (since_s or self.now_s)
        alone = not watched and left_s >= METER_LOST_S
        if alone or unit.intent is not intent.kind:
            standing_w = 0.0
        # Less than before can be meant without a meter, too.
        standing_w = min(standing_w, intent.power_w)
        return Wish(power_w=standing_w, reason=Reason(code=ReasonCode.METER_STALE))

    def _room(self) -> Room:
        return Room(
            now_s=self.now_s,
            draw_w=self.assumed_draw_w,
            worst_draw_w=worst_draw_w(self.state, self.now_s),
            charging_w=self.charging_w,
            more_w=self.more_w,
            allowed_w=self.allowed_w,
        )

    def _take(self, unit: UnitState, power_w: float) -> None:
        """Count a unit's power for the units after it."""
        self.more_w += max(0.0, unit.assumed_w - power_w)
        if power_w <= 0.0:
            self.charging_w -= power_w
            return
        if self.draw_w is not None:
            self.export_w -= max(0.0, power_w - max(0.0, self.draw_w))
            self.draw_w -= power_w
        if self.assumed_draw_w is not None:
            self.assumed_draw_w -= power_w

    def _decision(
        self,
        unit: UnitState,
        known: UnitInputs,
        setpoint: Setpoint | None,
        reason: Reason,
        intent: IntentKind,
        choice: Choice | None = None,
        *,
        park: bool = False,
        missed: bool = False,
    ) -> UnitDecision:
        flags: tuple[ReasonCode, ...] = ()
        if choice is not None and choice.unreachable_departure:
            flags += (ReasonCode.DEPARTURE,)
        if missed:
            flags += (ReasonCode.IMPORT_LIMIT,)
        return UnitDecision(
            setpoint=setpoint,
            send=park or (setpoint is not None and not self.observing),
            park=park,
            reason=reason,
            intent=intent,
            status=status_of(known, self.now_s),
            soc_percent=soc_percent(unit, known.spec),
            stored_kwh=unit.stored_kwh,
            above_reserve_kwh=above_reserve_kwh(unit, known.spec),
            next_action=choice.next_action if choice else None,
            flags=flags,
        )


def _keeps_window(wanted: Wish) -> bool:
    """Return whether the demand window would be missed without this discharge."""
    return wanted.power_w > 0.0 and wanted.reason.code is ReasonCode.IMPORT_LIMIT


def _export_w(inputs: Inputs, picture: Picture) -> float:
    """Return what batteries may export now, W."""
    site = inputs.site
    if site.export_only_without_solar and (picture.solar_w or 0.0) > 0.0:
        return 0.0
    return site.battery_export_limit_w
