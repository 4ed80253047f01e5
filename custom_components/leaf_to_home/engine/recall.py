"""What a home does not remember of its draw, and how the recorder's past fills it."""

from dataclasses import dataclass
from datetime import date

from .forecast import KEPT_DAYS, DrawHistory
from .past_power import PastPower
from .quarters import QUARTER_S
from .tariff import Tariff

# The recorder's rows of a quarter-hour come some minutes after it.
LATE_S = QUARTER_S


@dataclass(kw_only=True, slots=True)
class Recalled:
    """Until when the recorder was asked, and what measured the home by then."""

    until_s: float = 0.0
    measured: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """The time to ask the recorder about; with `anew` it corrects what is known."""

    start_s: float
    end_s: float
    measured: str
    anew: bool


def question(
    recalled: Recalled, draw: DrawHistory, tariff: Tariff, measured: str, now_s: float
) -> Question | None:
    """Return what is to be asked, None where everything is known.

    A home that is measured by other sensors than before is asked about as a whole.
    """
    end_s = (now_s - LATE_S) // QUARTER_S * QUARTER_S
    start_s = end_s - (KEPT_DAYS - 1) * 86400.0
    anew = recalled.measured not in ("", measured)
    if not anew:
        # A clock may be set back.
        recalled.until_s = min(recalled.until_s, end_s)
        at_s = max(start_s, recalled.until_s)
        while at_s < end_s and draw.knows(*local_slot(tariff, at_s)):
            at_s += QUARTER_S
        start_s = at_s
    if start_s >= end_s:
        recalled.until_s = end_s
        return None
    return Question(start_s=start_s, end_s=end_s, measured=measured, anew=anew)


def fill(
    recalled: Recalled,
    draw: DrawHistory,
    tariff: Tariff,
    asked: Question,
    past: PastPower,
) -> int:
    """Take in what the recorder answered; return how many quarter-hours that were.

    What the home measured itself stands, unless the home is asked about anew.
    """
    filled = 0
    for start_s, load_w, solar_w in zip(
        past.span.starts_s[past.known].tolist(),
        past.load_w[past.known].tolist(),
        past.solar_w[past.known].tolist(),
        strict=True,
    ):
        day, slot = local_slot(tariff, start_s)
        if asked.anew or not draw.knows(day, slot):
            draw.add(day, slot, load_w, solar_w)
            filled += 1
    recalled.until_s, recalled.measured = asked.end_s, asked.measured
    return filled


def local_slot(tariff: Tariff, at_s: float) -> tuple[int, int]:
    """Return the local day's ordinal and its quarter-hour."""
    day, minute = tariff.day_minute(at_s)
    return date.fromisoformat(day).toordinal(), minute // 15
