"""The ledger: what was paid, and what the same days would have cost in two other ways.

The two are charging to 80 % at full power on arrival, and charging in the cheapest
hours only; neither discharges. All three lines share the house's own draw, the trips
and the prices; stored energy that one line has more of counts at its worth.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .battery import UnitKind, UnitSpec
from .model import UnitInputs
from .rule import Outlook, cheapest_now
from .state import HomeState, LedgerState
from .tariff import PriceSlot

ARRIVAL_PERCENT = 80.0
# How often the imagined smart charging thinks again.
RETHINK_S = 900.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Savings:
    """Money saved, since the start and since local midnight."""

    against_arrival: float
    against_smart: float
    against_arrival_today: float
    against_smart_today: float


def settle(
    state: HomeState,
    units: Mapping[str, UnitInputs],
    slot: PriceSlot | None,
    draw_w: float | None,
    grid_w: float | None,
    discharged_kwh: Mapping[str, float],
    dt_s: float,
) -> None:
    """Book the `dt_s` seconds that have passed, at their mean powers.

    `draw_w` is the import that the home would have had without its units. Where the
    draw or a price is unknown nothing is booked on any line.
    """
    ledger = state.ledger
    _follow_trips(state, units)
    if (
        slot is None
        or slot.import_price is None
        or draw_w is None
        or grid_w is None
        or dt_s <= 0.0
    ):
        return
    export_price = slot.export_price or 0.0
    hours = dt_s / 3600.0

    def cost(power_w: float) -> float:
        price = slot.import_price if power_w > 0.0 else export_price
        return power_w / 1e3 * hours * (price or 0.0)

    wear = sum(
        kwh * units[key].spec.wear_per_kwh for key, kwh in discharged_kwh.items()
    )
    ledger.actual += cost(grid_w) + wear
    arrival_w = smart_w = draw_w
    for key, known in units.items():
        unit = state.units[key]
        if known.spec.kind is not UnitKind.VEHICLE or unit.stored_kwh is None:
            continue
        ledger.on_arrival_kwh.setdefault(key, unit.stored_kwh)
        ledger.smart_kwh.setdefault(key, unit.stored_kwh)
        if unit.connected is False:
            continue
        arrival_w += _charge(ledger.on_arrival_kwh, key, known.spec, dt_s)
        if ledger.smart_charging.get(key, False):
            smart_w += _charge(ledger.smart_kwh, key, known.spec, dt_s)
    ledger.on_arrival += cost(arrival_w)
    ledger.smart += cost(smart_w)


def _charge(stored: dict[str, float], key: str, spec: UnitSpec, dt_s: float) -> float:
    """Charge an imagined car at full power up to 80 %; return its mean AC power, W."""
    ceiling = min(ARRIVAL_PERCENT, spec.max_soc_percent) / 100.0 * spec.capacity_kwh
    room_kwh = ceiling - stored[key]
    if room_kwh <= 0.0:
        return 0.0
    fill_w = min(spec.stored_w(-spec.max_charge_w), room_kwh * 3.6e6 / dt_s)
    stored[key] += fill_w * dt_s / 3.6e6
    full = spec.stored_w(-spec.max_charge_w)
    return spec.max_charge_w * fill_w / full if full > 0.0 else 0.0


def _follow_trips(state: HomeState, units: Mapping[str, UnitInputs]) -> None:
    """Take what a trip used out of the imagined cars as well."""
    ledger = state.ledger
    for key in units:
        unit = state.units[key]
        if unit.stored_kwh is None:
            continue
        if unit.connected is False:
            ledger.left_kwh.setdefault(key, unit.stored_kwh)
        elif key in ledger.left_kwh and unit.anchor_soc_percent is not None:
            used_kwh = ledger.left_kwh.pop(key) - unit.stored_kwh
            unit.driven_kwh += max(0.0, used_kwh)
            for line in (ledger.on_arrival_kwh, ledger.smart_kwh):
                if key in line:
                    line[key] = max(0.0, line[key] - used_kwh)


def rethink(
    state: HomeState, key: str, now_s: float, outlook: Callable[[], Outlook]
) -> None:
    """Let the imagined smart charging look at the prices again, every 15 minutes."""
    ledger = state.ledger
    due_s = ledger.smart_until_s.get(key)
    # A clock that was set back ends the thought too.
    if due_s is not None and due_s - RETHINK_S <= now_s < due_s:
        return
    seen = outlook()
    stored_kwh = ledger.smart_kwh.get(key, seen.stored_kwh)
    ledger.smart_charging[key] = cheapest_now(seen, stored_kwh, ARRIVAL_PERCENT)
    slot_end_s = seen.slots[0].end_s if seen.slots else now_s + RETHINK_S
    ledger.smart_until_s[key] = min(slot_end_s, now_s + RETHINK_S)


def new_day(state: HomeState, day: str) -> None:
    """Remember the totals at local midnight."""
    ledger = state.ledger
    if ledger.day == day:
        return
    ledger.day = day
    ledger.against_arrival_day, ledger.against_smart_day = _totals(state)


def _totals(state: HomeState) -> tuple[float, float]:
    ledger = state.ledger
    return (
        ledger.on_arrival
        - ledger.actual
        + _ahead(state, ledger, ledger.on_arrival_kwh),
        ledger.smart - ledger.actual + _ahead(state, ledger, ledger.smart_kwh),
    )


def _ahead(state: HomeState, ledger: LedgerState, line: Mapping[str, float]) -> float:
    """Return what the real units store more than the imagined ones, as money."""
    ahead_kwh = 0.0
    for key, kwh in line.items():
        unit = state.units.get(key)
        if unit is not None and unit.stored_kwh is not None:
            # A car on the road has used the same energy on every line already.
            ahead_kwh += unit.stored_kwh - kwh
    return ahead_kwh * ledger.value_per_kwh


def savings(state: HomeState) -> Savings:
    """Return the savings that the ledger shows."""
    arrival, smart = _totals(state)
    return Savings(
        against_arrival=arrival,
        against_smart=smart,
        against_arrival_today=arrival - state.ledger.against_arrival_day,
        against_smart_today=smart - state.ledger.against_smart_day,
    )
