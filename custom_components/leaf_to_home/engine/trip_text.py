"""What a calendar event says of its trip: a number and its unit in one of its texts."""

from collections.abc import Iterable
import re
from typing import Final
import unicodedata

from .requirement import KM_PER_MILE, Ask

# Figures with a decimal point or comma, or in groups of three.
_NUMBER: Final = r"(?<![\w.,])(?P<number>\d{1,3}(?:[,.]\d{3})+|\d+(?:[.,]\d{1,2})?)\s*"
# A unit stands alone: "5 km/h" is no distance and "20 min" are no miles. Only Latin
# letters count, since other scripts write words without a space before them.
_END: Final = r"(?![\w/])"
_PERCENT: Final = re.compile(_NUMBER + "%", re.ASCII)
_KWH: Final = re.compile(rf"{_NUMBER}kWh{_END}", re.ASCII | re.IGNORECASE)
_DISTANCE: Final = re.compile(
    rf"{_NUMBER}(?P<unit>km|mi|miles?){_END}", re.ASCII | re.IGNORECASE
)
_GROUPED: Final = re.compile(r"\d{1,3}(?:[,.]\d{3})+", re.ASCII)

MOST_KWH: Final = 1000.0
MOST_KM: Final = 10_000.0
# What is longer is no note of a trip.
LONGEST_TEXT: Final = 4000


def ask_of(texts: Iterable[str | None]) -> Ask | None:
    """Return what the first text with a number asks for, None where none has one.

    In one text a state of charge counts before an energy, and that before a distance.
    """
    for text in texts:
        if text:
            ask = _ask(unicodedata.normalize("NFKC", text[:LONGEST_TEXT]))
            if ask is not None:
                return ask
    return None


def _ask(text: str) -> Ask | None:
    for found in _PERCENT.finditer(text):
        percent = _number(found["number"])
        if 0.0 < percent <= 100.0:
            return Ask(soc_percent=percent)
    for found in _KWH.finditer(text):
        kwh = _number(found["number"])
        if 0.0 < kwh <= MOST_KWH:
            return Ask(energy_kwh=kwh)
    for found in _DISTANCE.finditer(text):
        km = _number(found["number"])
        if found["unit"].lower().startswith("m"):
            km *= KM_PER_MILE
        if 0.0 < km <= MOST_KM:
            return Ask(distance_km=km)
    return None


def _number(text: str) -> float:
    if _GROUPED.fullmatch(text):
        return float(re.sub("[,.]", "", text))
    return float(text.replace(",", "."))
