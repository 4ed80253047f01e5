"""When a unit will be away, as far as somebody said so: what the program goes by."""

from collections.abc import Sequence
from dataclasses import replace

from .announced import departures_ahead
from .battery import UnitSpec
from .model import UnitInputs
from .plan import Absence
from .presence import PresenceHistory
from .requirement import SOON_S
from .state import UnitState
from .tariff import Tariff


def absences_of(
    unit: UnitState,
    known: UnitInputs,
    presence: PresenceHistory | None,
    tariff: Tariff,
    now_s: float,
) -> tuple[Absence, ...]:
    """Return the announced trips, and one that goes on, with what such trips took."""
    spec = known.spec
    presence = presence or PresenceHistory()
    result: list[Absence] = []
    for departure in departures_ahead(unit, known, tariff, now_s):
        if departure.time_s > now_s + SOON_S:
            break
        energies: tuple[float, ...] = (0.0,)
        chances: tuple[float, ...] = (1.0,)
        if departure.back_s != departure.time_s:
            kwh, shares = presence.energies(tariff, departure.time_s, spec.capacity_kwh)
            energies, chances = tuple(kwh.tolist()), tuple(shares.tolist())
        result.append(
            Absence(
                departure_s=departure.time_s,
                back_s=departure.away_until_s,
                # The step that the safety rules want on top.
                soc_percent=min(100.0, departure.soc_percent + spec.soc_step_percent),
                energies_kwh=energies,
                chances=chances,
            )
        )
    result = _asked_before(result, now_s)
    if unit.connected is False:
        return _on_the_road(result, presence, spec, tariff, now_s)
    return tuple(result)


def _asked_before(told: Sequence[Absence], now_s: float) -> list[Absence]:
    """Return absences with what is asked while it is away asked before it leaves.

    Only there can it be charged for that; of a trip under way nothing can be asked.
    """

    def within(stay: Absence, trip: Absence) -> bool:
        stays = stay.back_s <= stay.departure_s
        return stays and trip.departure_s < stay.departure_s < trip.back_s

    result = []
    for each in told:
        if any(within(each, trip) for trip in told):
            continue
        asked = [stay.soc_percent for stay in told if within(stay, each)]
        if asked and each.departure_s > now_s:
            each = replace(each, soc_percent=max(each.soc_percent, *asked))
        result.append(each)
    return result


def _on_the_road(
    told: Sequence[Absence],
    presence: PresenceHistory,
    spec: UnitSpec,
    tariff: Tariff,
    now_s: float,
) -> tuple[Absence, ...]:
    """Return the trips of a unit that is away now, also where nobody said so.

    What is known to be stored is from before.
    """
    under_way = [trip for trip in told if trip.departure_s <= now_s < trip.back_s]
    if under_way:
        back_s = max(trip.back_s for trip in under_way)
        energies, chances = under_way[0].energies_kwh, under_way[0].chances
    else:
        back_s = presence.back_s(tariff, now_s)
        kwh, shares = presence.energies(tariff, now_s, spec.capacity_kwh)
        energies, chances = tuple(kwh.tolist()), tuple(shares.tolist())
    # What should begin meanwhile is a part of it, and asks for nothing now.
    meanwhile = [trip for trip in told if now_s < trip.departure_s < back_s]
    now = Absence(
        departure_s=now_s,
        back_s=max([back_s, *(trip.back_s for trip in meanwhile)]),
        soc_percent=0.0,
        energies_kwh=energies,
        chances=chances,
    )
    return (now, *(t for t in told if t not in under_way and t not in meanwhile))
