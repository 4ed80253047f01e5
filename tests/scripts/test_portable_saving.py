"""The figures of the page about portable units."""

import pytest

from scripts.tools.portable_saving import main, run


def test_shifting_saves_against_always_on_and_keeps_the_reserve(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = run(40.0, 2)
    assert result.lowest_percent >= 30.0
    assert result.shifted < result.always_on
    assert result.at_the_wall < result.always_on
    assert result.given_kwh > 10.0
    assert main(["--days", "1", "--load", "20"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
