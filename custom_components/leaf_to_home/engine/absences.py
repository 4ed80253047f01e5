"""When a unit will be away, as far as somebody said so: what the program goes by."""

from collections.abc import Sequence

from .announced import departures_ahead
from .battery import UnitSpec
from .model import UnitInputs
from .plan import Absence
from .presence import PresenceHistory
from .requirement import SOON_S, UNKNOWN_RETURN_S
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
    result = []
    for departure in departures_ahead(unit, known, tariff, now_s):
        if departure.time_s > now_s + SOON_S:
            break
        energies: tuple[float, ...] = (0.0,)
        chances: tuple[float, ...] = (1.0,)
        back_s = departure.back_s
        if back_s != departure.time_s:
            kwh, shares = presence.energies(tariff, departure.time_s, spec.capacity_kwh)
            energies, chances = tuple(kwh.tolist()), tuple(shares.tolist())
        if back_s is None:
            back_s = departure.time_s + UNKNOWN_RETURN_S
        result.append(
            Absence(
                departure_s=departure.time_s,
                back_s=back_s,
                # The step that the safety rules want on top.
                soc_percent=min(100.0, departure.soc_percent + spec.soc_step_percent),
                energies_kwh=energies,
                chances=chances,
            )
        )
    if unit.connected is False:
        return _on_the_road(result, presence, spec, tariff, now_s)
    # Nothing can be asked of it where it will be away; a watch goes on when it is back.
    return tuple(
        each
        for each in result
        if each.back_s > each.departure_s
        or not any(trip.departure_s < each.departure_s < trip.back_s for trip in result)
    )


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
