"""What somebody could have carried through an outage who knew all of it beforehand.

Of each interval the load lies in bands, the most needed first; a part of a band can be
carried, and any band can be left out. What a kWh of it takes out of the battery is as
the loss curve says. Then the best is to carry the bands with the most weight for what
they take, until the battery is at its floor: a fractional knapsack, which greed solves
exactly. Real shedding has whole loads and a house that always takes something, so this
is an upper bound for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .battery import UnitSpec

# Bands are cut into pieces of this, since losses grow with the power.
PIECE_W = 500.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A part of an outage at one load: W of each band, the most needed first.

    A unit that was away until then was gone for a trip that took `trip_kwh`.
    """

    hours: float
    bands_w: tuple[float, ...]
    connected: bool = True
    trip_kwh: float = 0.0


@dataclass(frozen=True, slots=True)
class _Piece:
    drain_kwh: float
    weighted_kwh: float

    @property
    def worth(self) -> float:
        return self.weighted_kwh / self.drain_kwh


def best_weighted_kwh(
    intervals: Sequence[Interval],
    weights: Sequence[float],
    spec: UnitSpec,
    usable_kwh: float,
    limit_w: float,
) -> float:
    """Return the most weight times kWh that `usable_kwh` above the floor can carry.

    A car that drives off in between may have given all before, and then there is
    nothing left when it is back, or has kept what the trip takes; both are tried.
    """
    best = 0.0
    pieces: list[_Piece] = []
    left_kwh = usable_kwh
    for interval in intervals:
        if interval.trip_kwh > 0.0:
            # Either all is used before this trip, or there is enough for it too.
            best = max(best, _fill(pieces, left_kwh))
            left_kwh -= interval.trip_kwh
            if left_kwh <= 0.0:
                return best
        if interval.connected:
            pieces += _pieces(interval, weights, spec, limit_w)
    return max(best, _fill(pieces, left_kwh))


def _fill(pieces: Sequence[_Piece], left_kwh: float) -> float:
    total = 0.0
    for piece in sorted(pieces, key=lambda piece: -piece.worth):
        share = min(1.0, left_kwh / piece.drain_kwh)
        total += share * piece.weighted_kwh
        left_kwh -= share * piece.drain_kwh
        if left_kwh <= 0.0:
            break
    return total


def _pieces(
    interval: Interval, weights: Sequence[float], spec: UnitSpec, limit_w: float
) -> list[_Piece]:
    """Return the pieces of an interval with falling worth.

    The first bears what the station itself takes; where that makes the next one worth
    more, both are one.
    """
    pieces: list[_Piece] = []
    at_w, drained_w = 0.0, 0.0
    for band_w, weight in zip(interval.bands_w, weights, strict=True):
        top_w = min(at_w + band_w, limit_w)
        while top_w - at_w > 1e-9:
            next_w = min(at_w + PIECE_W, top_w)
            drain_w = -spec.stored_w(next_w)
            piece = _Piece(
                (drain_w - drained_w) * interval.hours / 1000.0,
                weight * (next_w - at_w) * interval.hours / 1000.0,
            )
            while pieces and pieces[-1].worth <= piece.worth:
                last = pieces.pop()
                piece = _Piece(
                    last.drain_kwh + piece.drain_kwh,
                    last.weighted_kwh + piece.weighted_kwh,
                )
            pieces.append(piece)
            at_w, drained_w = next_w, drain_w
    return pieces
