"""What a calendar event says of its trip."""

from hypothesis import given, strategies as st
import pytest

from custom_components.leaf_to_home.engine.requirement import Ask
from custom_components.leaf_to_home.engine.trip_text import (
    LONGEST_TEXT,
    MOST_KM,
    MOST_KWH,
    ask_of,
)
from tests.engine.parts import thorough


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        ("80 %", Ask(soc_percent=80.0)),
        ("Skiing, 80%", Ask(soc_percent=80.0)),
        ("スキー８０％", Ask(soc_percent=80.0)),
        ("100% please", Ask(soc_percent=100.0)),
        ("60-80 %", Ask(soc_percent=80.0)),
        ("12 kWh", Ask(energy_kwh=12.0)),
        ("12,5kwh", Ask(energy_kwh=12.5)),
        ("12.5 KWH", Ask(energy_kwh=12.5)),
        ("１２ｋＷｈ", Ask(energy_kwh=12.0)),
        ("60 km", Ask(distance_km=60.0)),
        ("往復60kmドライブ", Ask(distance_km=60.0)),
        ("60㎞", Ask(distance_km=60.0)),
        ("1,200 km", Ask(distance_km=1200.0)),
        ("1.200 km", Ask(distance_km=1200.0)),
        # What is not there, or is something else.
        ("", None),
        ("Dentist", None),
        ("Dentist at 8", None),
        ("150 %", None),
        ("0 %", None),
        ("35 min", None),
        ("80 km/h", None),
        ("3 kWhs", None),
        ("v2.80 %", None),
        ("Room B12 km", None),
        ("2000 kWh", None),
        ("50000 km", None),
        # The charge counts before energy, and that before the way.
        ("60 km, 12 kWh, 80 %", Ask(soc_percent=80.0)),
        ("60 km, 12 kWh", Ask(energy_kwh=12.0)),
        # What cannot be is passed over.
        ("150 %, 70 %", Ask(soc_percent=70.0)),
    ],
)
def test_a_text(text: str, ask: Ask | None) -> None:
    assert ask_of([text]) == ask


@pytest.mark.parametrize("text", ["35 mi", "35mi", "35 miles", "35 Mile"])
def test_miles(text: str) -> None:
    found = ask_of([text])
    assert found is not None
    assert found.distance_km == pytest.approx(56.33, abs=0.01)


def test_the_first_text_with_a_number_counts() -> None:
    assert ask_of([None, "", "Dentist", "70 %", "80 %"]) == Ask(soc_percent=70.0)
    assert ask_of(["60 km", "80 %"]) == Ask(distance_km=60.0)
    assert ask_of([]) is None


@thorough(300)
@given(st.text(max_size=80) | st.text("0123456789.,% kmWhi/", max_size=80))
def test_whatever_a_text_says_it_asks_for_what_can_be(text: str) -> None:
    ask = ask_of([text])
    if ask is None:
        return
    given_ = [ask.soc_percent, ask.energy_kwh, ask.distance_km]
    assert sum(value is not None for value in given_) == 1
    assert 0.0 < (ask.soc_percent or 1.0) <= 100.0
    assert 0.0 < (ask.energy_kwh or 1.0) <= MOST_KWH
    assert 0.0 < (ask.distance_km or 1.0) <= MOST_KM


def test_a_text_without_end_is_read_to_a_point() -> None:
    assert ask_of(["x" * LONGEST_TEXT + " 80 %"]) is None
    assert ask_of(["1,111" * 100_000]) is None
