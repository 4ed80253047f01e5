"""One decision: outage, limits, departure, the plan's intent, the closed loop."""

from dataclasses import replace

from .bounds import Room, bound, ceiling_percent, fits, floor_percent
from .control import Moment, Wish, commanded, settled, steady, wish
from .limits import allowed_import_w, month_peak_w, window_figures, worst_draw_w
from .meter import Picture, account, look
from .model import (
    Decision,
    Guard,
    HomeMode,
    Inputs,
    IntentKind,
    Reason,
    ReasonCode,
    Setpoint,
    UnitDecision,
    UnitInputs,
    UnitMode,
    UnitStatus,
)
from .outage import may_park, watch
from .policy import MANUAL_MODES, Choice, charge_ceiling_w, choose, end_manual
from .rule import Outlook
from .savings import new_day, rethink
from .soc import anchor, soc_percent
from .state import HomeState, UnitState, first_settings

# A mode set on the station itself is left alone this long.
ELSEWHERE_S = 1800.0
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


def step(state: HomeState, inputs: Inputs, now_s: float) -> tuple[HomeState, Decision]:
    """Return the state after `now_s` and what each unit is to do; changes nothing else.

    `inputs.units` names every unit of the home; a unit that `state` does not know yet
    begins with the first settings of its hardware.
    """
    state = state.copy()
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
    new_day(state, inputs.site.tariff.day_minute(now_s)[0])
    state.time_s = now_s

    table = _Table(state, inputs, picture, now_s)
    decisions = {key: table.decide(key) for key in table.order()}
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
        and settled(unit, known.capabilities, now_s, factor=4.0)
        and known.reading is not None
        and known.reading.status is UnitStatus.CHARGING
    ):
        before = unit.charging_w if unit.charging_w is not None else -unit.power_w
        unit.charging_w = 0.95 * before - 0.05 * unit.power_w


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
        # What the house draws, less what units before in the order cover of it.
        self.draw_w = picture.draw_w
        self.charging_w = 0.0
        self.allowed_w = allowed_import_w(state, inputs.site, now_s)
        self.choices: dict[str, Choice] = {}

    def order(self) -> list[str]:
        """Return the units, fullest first, so that the emptiest covers least."""
        units = self.inputs.units
        if len(units) < 2:
            return list(units)
        return sorted(
            units,
            key=lambda key: (
                -(soc_percent(self.state.units[key], units[key].spec) or 0.0)
            ),
        )

    def decide(self, key: str) -> UnitDecision:
        """Decide what one unit is to do."""
        unit = self.state.units[key]
        known = self.inputs.units[key]
        silence = self._silence(unit, known)
        if silence is not None:
            # What it does by itself goes on; others count with it as it is.
            self._take(unit.power_w or 0.0)
            return self._decision(unit, known, None, silence, IntentKind.HOLD)
        if self._off(unit):
            park = not unit.parked and may_park(self.state, self.now_s)
            unit.parked = unit.parked or park
            if park:
                commanded(unit, 0.0, self.now_s)
            reason = Reason(code=ReasonCode.OFF)
            return self._decision(unit, known, None, reason, IntentKind.HOLD, park=park)
        unit.parked = False
        return self._drive(unit, known, key)

    def _off(self, unit: UnitState) -> bool:
        return (
            self.state.settings.mode is HomeMode.OFF
            or unit.settings.mode is UnitMode.OFF
        )

    def _silence(self, unit: UnitState, known: UnitInputs) -> Reason | None:
        """Return why nothing may be said to the unit, if so."""
        reading = known.reading
        if reading is None or not reading.fresh(self.now_s):
            return Reason(code=ReasonCode.NO_READING)
        if self.state.guard is not Guard.CLEAR:
            return Reason(code=GUARD_REASONS[self.state.guard])
        if reading.status in SILENT_STATUS:
            return Reason(code=SILENT_STATUS[reading.status])
        if reading.connected is False:
            return Reason(code=ReasonCode.DISCONNECTED)
        if not reading.changed_elsewhere:
            unit.elsewhere_since_s = None
            return None
        if unit.elsewhere_since_s is None:
            unit.elsewhere_since_s = self.now_s
        if (
            self.now_s - unit.elsewhere_since_s < ELSEWHERE_S
            and unit.settings.mode not in MANUAL_MODES
            and not self._off(unit)
        ):
            return Reason(code=ReasonCode.CHANGED_ELSEWHERE)
        return None

    def _drive(self, unit: UnitState, known: UnitInputs, key: str) -> UnitDecision:
        now_s = self.now_s
        if unit.stored_kwh is None:
            return self._decision(
                unit, known, None, Reason(code=ReasonCode.SOC_UNKNOWN), IntentKind.HOLD
            )
        choice = choose(
            self.state, unit, known, self.inputs, self.picture.draw_w or 0.0, now_s
        )
        self._imagine(unit, known, key)
        intent = choice.intent
        room = self._room()
        fixed = intent.kind in (IntentKind.CHARGE, IntentKind.HOLD)
        if self.picture.grid_w is None and not fixed:
            # Lost data means no new command: what stands goes on, down to the reserve.
            standing_w = unit.command_w or 0.0
            wanted = Wish(
                power_w=standing_w, reason=Reason(code=ReasonCode.METER_STALE)
            )
            bounded = bound(wanted, choice, unit, known, self.inputs, room)
            if bounded.power_w == standing_w:
                return self._decision(
                    unit, known, None, bounded.reason, intent.kind, choice
                )
        else:
            moment = Moment(
                now_s=now_s,
                interval_s=self.inputs.interval_s,
                draw_w=self.draw_w,
                grid_w=self.picture.grid_w,
                export_w=self._export_w(),
                import_price=self.slot.import_price if self.slot else None,
            )
            wanted = wish(intent, unit, known.spec, moment)
            if choice.by_user:
                wanted = replace(wanted, firm=True)
            wanted = bound(wanted, choice, unit, known, self.inputs, room)
            bounded = steady(
                wanted,
                unit,
                known.capabilities,
                moment,
                lambda power_w: fits(power_w, choice, unit, known, self.inputs, room),
            )
        unit.intent = intent.kind
        commanded(unit, bounded.power_w, now_s)
        self._take(bounded.power_w)
        setpoint = Setpoint(
            power_w=bounded.power_w,
            reason=bounded.reason,
            until_soc_percent=(
                ceiling_percent(unit, choice)
                if bounded.power_w < 0.0
                else floor_percent(unit, known)
                if bounded.power_w > 0.0
                else None
            ),
        )
        return self._decision(
            unit, known, setpoint, bounded.reason, intent.kind, choice
        )

    def _imagine(self, unit: UnitState, known: UnitInputs, key: str) -> None:
        """Let the ledger's smart car look at the prices."""
        rethink(
            self.state,
            key,
            Outlook(
                now_s=self.now_s,
                slots=self.inputs.site.tariff.known(self.now_s),
                spec=known.spec,
                stored_kwh=unit.stored_kwh or 0.0,
                reserve_percent=unit.settings.reserve_percent,
                max_soc_percent=unit.settings.max_soc_percent,
                charge_w=known.spec.max_charge_w,
                discharge_w=known.spec.max_discharge_w,
                draw_w=0.0,
                departures=known.departures,
            ),
        )

    def _room(self) -> Room:
        draw_w = self.draw_w
        if draw_w is None and self.picture.grid_w is not None:
            # Not measured together: close enough for a limit, not for the loop.
            draw_w = self.picture.grid_w + self.picture.units_w
        return Room(
            now_s=self.now_s,
            draw_w=draw_w,
            worst_draw_w=worst_draw_w(self.state),
            charging_w=self.charging_w,
            allowed_w=self.allowed_w,
        )

    def _export_w(self) -> float:
        site = self.inputs.site
        if site.export_only_without_solar and (self.picture.solar_w or 0.0) > 0.0:
            return 0.0
        return site.battery_export_limit_w

    def _take(self, power_w: float) -> None:
        """Count a unit's power for the units after it."""
        if power_w < 0.0:
            self.charging_w -= power_w
        elif self.draw_w is not None:
            self.draw_w -= power_w

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
    ) -> UnitDecision:
        spec = known.spec
        soc = soc_percent(unit, spec)
        above_kwh = None
        if unit.stored_kwh is not None:
            reserve_kwh = spec.capacity_kwh * unit.settings.reserve_percent / 100.0
            above_kwh = max(0.0, unit.stored_kwh - reserve_kwh)
        observing = self.state.settings.mode is HomeMode.OBSERVE
        flags: tuple[ReasonCode, ...] = ()
        if choice is not None and choice.unreachable_departure:
            flags = (ReasonCode.DEPARTURE,)
        return UnitDecision(
            setpoint=setpoint,
            send=setpoint is not None and not observing,
            park=park and not observing,
            reason=reason,
            intent=intent,
            status=_status(known, self.now_s),
            soc_percent=soc,
            stored_kwh=unit.stored_kwh,
            above_reserve_kwh=above_kwh,
            next_action=choice.next_action if choice else None,
            flags=flags,
        )


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
