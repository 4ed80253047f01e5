"""The ledger: what was paid, and what the same days would have cost in two other ways.

The two are charging to 80 % at full power on arrival, and charging in the cheapest
hours only; neither discharges. All three lines share the house's own draw, the trips
and the prices; stored energy that one line has more of counts at its worth.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .battery import UnitKind, UnitSpec
from .model import UnitInputs
from .rule import Outlook, cheapest_now, decide
from .state import HomeState, LedgerState, book_of
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Money since the start in the three lines; their differences are the savings.

    `actual` is what was paid at the grid, and wear. What the real units store more than
    the imagined ones is part of what those cost.
    """

    on_arrival: float
    smart: float
    actual: float


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
    if ledger.since_s is None and not (ledger.actual or ledger.on_arrival):
        ledger.since_s = state.time_s
    export_price = slot.export_price or 0.0
    hours = dt_s / 3600.0

    def cost(power_w: float) -> float:
        price = slot.import_price if power_w > 0.0 else export_price
        return power_w / 1e3 * hours * (price or 0.0)

    wear = sum(
        kwh * units[key].spec.wear_per_kwh for key, kwh in discharged_kwh.items()
    )
    bill = cost(grid_w)
    ledger.paid += bill
    ledger.actual += bill + wear
    arrival_w = smart_w = draw_w
    for key, known in units.items():
        unit = state.units[key]
        if known.spec.kind is not UnitKind.VEHICLE or unit.stored_kwh is None:
            continue
        book = unit.book(key)
        ledger.on_arrival_kwh.setdefault(book, unit.stored_kwh)
        ledger.smart_kwh.setdefault(book, unit.stored_kwh)
        if unit.connected is False:
            continue
        arrival_w += _charge(ledger.on_arrival_kwh, book, known.spec, dt_s)
        if ledger.smart_charging.get(book, False):
            smart_w += _charge(ledger.smart_kwh, book, known.spec, dt_s)
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
        book = unit.book(key)
        if unit.connected is False:
            ledger.left_kwh.setdefault(book, unit.stored_kwh)
        elif book in ledger.left_kwh and unit.anchor_soc_percent is not None:
            used_kwh = ledger.left_kwh.pop(book) - unit.stored_kwh
            unit.driven_kwh += max(0.0, used_kwh)
            for line in (ledger.on_arrival_kwh, ledger.smart_kwh):
                if book in line:
                    line[book] = max(0.0, line[book] - used_kwh)


def rethink(
    state: HomeState,
    book: str,
    now_s: float,
    outlook: Callable[[], Outlook],
    *,
    valued: bool,
) -> None:
    """Let the imagined smart charging look at the prices again, every 15 minutes.

    Unless the rule, which is in charge, says at each step what a stored kWh is worth
    (`valued`), what refilling it costs is worked out on the occasion.
    """
    ledger = state.ledger
    due_s = ledger.smart_until_s.get(book)
    # A clock that was set back ends the thought too.
    if due_s is not None and due_s - RETHINK_S <= now_s < due_s:
        return
    seen = outlook()
    stored_kwh = ledger.smart_kwh.get(book, seen.stored_kwh)
    ledger.smart_charging[book] = cheapest_now(seen, stored_kwh, ARRIVAL_PERCENT)
    if not valued and (value := decide(seen)[0].stored_value) is not None:
        ledger.value_per_kwh = value
    slot_end_s = seen.slots[0].end_s if seen.slots else now_s + RETHINK_S
    ledger.smart_until_s[book] = min(slot_end_s, now_s + RETHINK_S)


def new_day(state: HomeState, day: str) -> None:
    """Remember the totals at local midnight."""
    ledger = state.ledger
    if ledger.day == day:
        return
    ledger.day = day
    ledger.paid_day = ledger.paid
    ledger.against_arrival_day, ledger.against_smart_day = _totals(state)


def costs(state: HomeState) -> Costs:
    """Return what the three lines have cost."""
    ledger, stored_kwh = state.ledger, _stored_kwh(state)
    return Costs(
        on_arrival=ledger.on_arrival
        + _ahead(stored_kwh, ledger, ledger.on_arrival_kwh),
        smart=ledger.smart + _ahead(stored_kwh, ledger, ledger.smart_kwh),
        actual=ledger.actual,
    )


def _totals(state: HomeState) -> tuple[float, float]:
    cost = costs(state)
    return cost.on_arrival - cost.actual, cost.smart - cost.actual


def _stored_kwh(state: HomeState) -> dict[str, float]:
    """Return what each real unit or car stores; one that is away, when it left."""
    stored: dict[str, float] = {}
    for key, unit in state.units.items():
        for vehicle, memory in unit.vehicles.items():
            if memory.stored_kwh is not None:
                stored[book_of(key, vehicle)] = memory.stored_kwh
        if unit.stored_kwh is not None:
            stored[unit.book(key)] = unit.stored_kwh
    return stored


def _ahead(
    stored_kwh: Mapping[str, float], ledger: LedgerState, line: Mapping[str, float]
) -> float:
    """Return what the real units store more than the imagined ones, as money."""
    # A car on the road has used the same energy on every line already.
    ahead_kwh = sum(
        stored_kwh[book] - kwh for book, kwh in line.items() if book in stored_kwh
    )
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
