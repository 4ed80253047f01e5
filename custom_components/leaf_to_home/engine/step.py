"""One decision: outage, limits, departure, the plan's intent, the closed loop."""

from dataclasses import replace

from .bounds import Room, above_allowed, bound, ceiling_percent, fits, floor_percent
from .control import (
    Moment,
    Wish,
    begin_afresh,
    commanded,
    forget,
    settled,
    steady,
    wish,
)
from .limits import allowed_import_w, month_peak_w, window_figures, worst_draw_w
from .meter import Picture, account, look
from .model import (
    Decision,
    Guard,
    HomeMode,
    Inputs,
    Intent,
    IntentKind,
    Reason,
    ReasonCode,
    Setpoint,
    UnitDecision,
    UnitInputs,
    UnitMode,
    UnitStatus,
)
from .outage import METER_LOST_S, may_island_unseen, may_park, watch
from .policy import MANUAL_MODES, Choice, charge_ceiling_w, choose, end_manual
from .rule import Outlook
from .savings import new_day, rethink
from .soc import anchor, soc_percent
from .state import HomeState, UnitState, first_settings

# A mode set on the station itself is left alone this long.
ELSEWHERE_S = 1800.0
# The unit that carries the house keeps doing so until another is this much fuller.
RUNNING_PERCENT = 5.0
# Above this state of charge a battery takes less for its own sake.
TAPER_PERCENT = 80.0
GUARD_REASONS = {
    Guard.METER_LOST: ReasonCode.GUARD_METER_LOST,
    Guard.OUTAGE_SUSPECTED: ReasonCode.GUARD_OUTAGE_SUSPECTED,
    Guard.ISLANDING: ReasonCode.GUARD_ISLANDING,
}
SILENT_STATUS = {
    UnitStatus.NOT_CONTROLLABLE: ReasonCode.NOT_CONTROLLABLE,
    UnitStatus.FAULT: ReasonCode.FAULT,
    UnitStatus.FORCED_CHARGE: ReasonCode.FORCED_CHARGE,
    UnitStatus.DISCONNECTED: ReasonCode.DISCONNECTED,
}
# What a unit does by itself then has nothing to do with our last command.
DOES_OTHERWISE = {
    *SILENT_STATUS.values(),
    ReasonCode.CHANGED_ELSEWHERE,
    ReasonCode.GUARD_ISLANDING,
}


def step(state: HomeState, inputs: Inputs, now_s: float) -> tuple[HomeState, Decision]:
    """Return the state after `now_s` and what each unit is to do; changes nothing else.

    `inputs.units` names every unit of the home; a unit that `state` does not know yet
    begins with the first settings of its hardware.
    """
    state = state.copy()
    if state.time_s is not None and now_s < state.time_s:
        state.set_back(now_s)
    for key, known in inputs.units.items():
        if key not in state.units:
            state.units[key] = UnitState(settings=first_settings(known.spec))
    account(state, inputs, now_s)
    watch(state, inputs, now_s)
    picture = look(state, inputs, now_s)
    for key, known in inputs.units.items():
        unit = state.units[key]
        reading = known.reading
        if reading is not None and reading.fresh(now_s):
            anchor(unit, known.spec, reading, now_s)
        _learn_charging(unit, known, now_s)
        end_manual(unit, known.spec, now_s)
        _hear_user(unit, now_s)
    new_day(state, inputs.site.tariff.day_minute(now_s)[0])
    state.time_s = now_s

    table = _Table(state, inputs, picture, now_s)
    decisions = table.decide()
    slot = table.slot
    average_w, left_w = window_figures(state, inputs.site, now_s)
    return state, Decision(
        units=decisions,
        guard=state.guard,
        grid_w=picture.grid_w,
        solar_w=picture.solar_w,
        load_w=picture.load_w,
        import_price=slot.import_price if slot else None,
        export_price=slot.export_price if slot else None,
        window_average_w=average_w,
        window_left_w=left_w,
        month_peak_w=month_peak_w(state, inputs.site, now_s),
    )


def _learn_charging(unit: UnitState, known: UnitInputs, now_s: float) -> None:
    """Remember what charging at full command really gives."""
    if (
        unit.power_w is not None
        and unit.power_w < 0.0
        and unit.command_w is not None
        and unit.command_w <= -0.9 * charge_ceiling_w(known, unit.settings)
        and unit.least_w == unit.most_w
        and settled(unit, known.capabilities, now_s, factor=4.0)
        and known.reading is not None
        and known.reading.time_s >= (unit.settled_s or 0.0)
        and known.reading.status is UnitStatus.CHARGING
        and (soc_percent(unit, known.spec) or 0.0) < TAPER_PERCENT
    ):
        before = unit.charging_w if unit.charging_w is not None else -unit.power_w
        unit.charging_w = 0.95 * before - 0.05 * unit.power_w


def _hear_user(unit: UnitState, now_s: float) -> None:
    """Let a mode that the user has just chosen act at once."""
    if unit.settings.mode is unit.mode:
        return
    unit.mode = unit.settings.mode
    if unit.mode in MANUAL_MODES:
        begin_afresh(unit)
    if unit.elsewhere_since_s is not None:
        unit.elsewhere_since_s = now_s - ELSEWHERE_S


class _Table:
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
        self.choices: dict[str, Choice] = {}

    def decide(self) -> dict[str, UnitDecision]:
        """Decide on each unit; those that are not driven take their place first."""
        decisions: dict[str, UnitDecision] = {}
        driven: list[str] = []
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
        """Return the unit's place: the fullest first, so that it covers most."""
        unit = self.state.units[key]
        soc = soc_percent(unit, self.inputs.units[key].spec) or 0.0
        return -soc - (RUNNING_PERCENT if (unit.command_w or 0.0) > 0.0 else 0.0)

    def _leave(
        self, unit: UnitState, known: UnitInputs, key: str
    ) -> UnitDecision | None:
        """Return the decision on a unit that is not driven, None for one that is."""
        silence = self._silence(unit, known, key)
        if silence is not None:
            if silence.code in DOES_OTHERWISE:
                forget(unit)
            return self._decision(unit, known, None, silence, IntentKind.HOLD)
        off = self._off(unit)
        # What was told stays told: whoever only looks on has to take it back.
        if not off and not (self.observing and unit.told):
            return None
        due = unit.told if self.observing else not unit.parked
        park = due and may_park(self.state, self.now_s)
        if park:
            commanded(unit, known, 0.0, self.now_s, told=True)
            forget(unit)
            unit.parked = True
        reason = Reason(code=ReasonCode.OFF)
        return self._decision(unit, known, None, reason, IntentKind.HOLD, park=park)

    def _off(self, unit: UnitState) -> bool:
        return (
            self.state.settings.mode is HomeMode.OFF
            or unit.settings.mode is UnitMode.OFF
        )

    def _silence(self, unit: UnitState, known: UnitInputs, key: str) -> Reason | None:
        """Return why nothing may be said to the unit, if so."""
        reading = known.reading
        if reading is None or not reading.fresh(self.now_s):
            return Reason(code=ReasonCode.NO_READING)
        if self.state.guard is not Guard.CLEAR:
            return Reason(code=GUARD_REASONS[self.state.guard])
        if self.state.lost_s is not None and may_island_unseen(known):
            return Reason(code=ReasonCode.GUARD_METER_LOST)
        if reading.status in SILENT_STATUS:
            return Reason(code=SILENT_STATUS[reading.status])
        if reading.connected is False:
            return Reason(code=ReasonCode.DISCONNECTED)
        if not reading.changed_elsewhere:
            unit.elsewhere_since_s = None
        elif self._respected(unit, key):
            return Reason(code=ReasonCode.CHANGED_ELSEWHERE)
        if unit.stored_kwh is None and not self._off(unit):
            return Reason(code=ReasonCode.SOC_UNKNOWN)
        return None

    def _respected(self, unit: UnitState, key: str) -> bool:
        """Return whether what was set on the station itself is left alone still."""
        if self._off(unit):
            return False
        kind = None if unit.stored_kwh is None else self._choose(key).intent.kind
        if unit.elsewhere_since_s is None:
            unit.elsewhere_since_s = self.now_s
            unit.intent = kind
        if self.now_s - unit.elsewhere_since_s >= ELSEWHERE_S:
            return False
        if kind is None or kind is unit.intent:
            return True
        # The plan wants something new: said once, it is not taken back.
        unit.elsewhere_since_s = self.now_s - ELSEWHERE_S
        return False

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
        rethink(self.state, key, now_s, lambda: self._outlook(unit, known))
        intent = choice.intent
        room = self._room()
        fixed = intent.kind in (IntentKind.CHARGE, IntentKind.HOLD)
        if self.picture.grid_w is None and not fixed:
            bounded = bound(
                self._blind(unit, known, intent),
                choice,
                unit,
                known,
                self.inputs,
                room,
            )
            if bounded.power_w == (unit.command_w or 0.0):
                self._take(unit, bounded.power_w)
                return self._decision(
                    unit, known, None, bounded.reason, intent.kind, choice
                )
        else:
            moment = Moment(
                now_s=now_s,
                means=self.inputs.means,
                draw_w=self.draw_w,
                assumed_draw_w=self.assumed_draw_w,
                grid_w=self.picture.grid_w,
                charging_w=self.charging_w,
                export_w=self.export_w,
                import_price=self.slot.import_price if self.slot else None,
            )
            wanted = wish(intent, unit, known.spec, moment)
            wanted = bound(wanted, choice, unit, known, self.inputs, room)
            bounded = steady(
                replace(wanted, urgent=choice.by_user or choice.for_departure),
                unit,
                known.capabilities,
                moment,
                lambda power_w: fits(power_w, choice, unit, known, self.inputs, room),
            )
        unit.intent = intent.kind
        unit.helps = (
            bounded.power_w > 0.0 and bounded.reason.code is ReasonCode.MAIN_LIMIT
        )
        commanded(unit, known, bounded.power_w, now_s, told=not self.observing)
        self._take(unit, bounded.power_w)
        setpoint = Setpoint(
            power_w=bounded.power_w,
            reason=bounded.reason,
            until_soc_percent=(
                ceiling_percent(unit, known, choice)
                if bounded.power_w < 0.0
                else floor_percent(unit, known)
                if bounded.power_w > 0.0
                else None
            ),
        )
        return self._decision(
            unit,
            known,
            setpoint,
            bounded.reason,
            intent.kind,
            choice,
            missed=above_allowed(bounded.power_w, room),
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
            departures=known.departures,
        )

    def _blind(self, unit: UnitState, known: UnitInputs, intent: Intent) -> Wish:
        """Return what goes on without a meter: what stands, as long as it is meant so.

        Lost data means no new command; but what was begun for another intent ends with
        it. So does, after a while, a power that nobody watches: a station that always
        imports a little has a meter of its own, others would export for hours.
        """
        standing_w = unit.command_w or 0.0
        since_s = self.state.blind_since_s
        alone = (standing_w < 0.0 or known.spec.min_import_w <= 0.0) and self.now_s - (
            since_s or self.now_s
        ) >= METER_LOST_S
        if alone or unit.intent is not intent.kind:
            standing_w = 0.0
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
        spec = known.spec
        soc = soc_percent(unit, spec)
        above_kwh = None
        if unit.stored_kwh is not None:
            reserve_kwh = spec.capacity_kwh * unit.settings.reserve_percent / 100.0
            above_kwh = max(0.0, unit.stored_kwh - reserve_kwh)
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
            status=_status(known, self.now_s),
            soc_percent=soc,
            stored_kwh=unit.stored_kwh,
            above_reserve_kwh=above_kwh,
            next_action=choice.next_action if choice else None,
            flags=flags,
        )


def _export_w(inputs: Inputs, picture: Picture) -> float:
    """Return what batteries may export now, W."""
    site = inputs.site
    if site.export_only_without_solar and (picture.solar_w or 0.0) > 0.0:
        return 0.0
    return site.battery_export_limit_w


def _status(known: UnitInputs, now_s: float) -> UnitStatus:
    reading = known.reading
    if reading is None or not reading.fresh(now_s):
        return UnitStatus.UNREACHABLE
    if reading.islanding:
        return UnitStatus.ISLANDING
    if reading.status is not None:
        return reading.status
    if reading.connected is False:
        return UnitStatus.DISCONNECTED
    if reading.power_w:
        return UnitStatus.DISCHARGING if reading.power_w > 0.0 else UnitStatus.CHARGING
    return UnitStatus.IDLE
