"""A grid meter that counts the wrong way round shows in the data."""

from collections.abc import Iterable

import pytest

from custom_components.leaf_to_home.engine.signs import Sight, SignDetector


class Watch:
    """Shows a detector a house second by second."""

    def __init__(self, sign: float = 1.0) -> None:
        self.detector = SignDetector()
        self.time_s = 0.0
        self.sign = sign
        self.command_s: float | None = None

    def run(
        self,
        seconds: int,
        *,
        units_w: float,
        draw_w: float = 1000.0,
        dark: bool = False,
        known: bool = True,
    ) -> bool | None:
        """Let a house that draws `draw_w` be seen for some seconds."""
        for _ in range(seconds):
            self.time_s += 1.0
            grid_w = self.sign * (draw_w - units_w)
            self.detector.see(
                Sight(
                    time_s=self.time_s,
                    grid_w=grid_w,
                    units_w=units_w,
                    load_w=grid_w + units_w if known else None,
                    command_s=self.command_s,
                    dark=dark,
                )
            )
        return self.detector.wrong

    def command(self) -> None:
        """Note that a unit was just told something else."""
        self.command_s = self.time_s

    def swing(self, powers_w: Iterable[float]) -> bool | None:
        """Command one power after the other."""
        for power_w in powers_w:
            self.command()
            self.run(3, units_w=power_w / 2.0)
            self.run(30, units_w=power_w)
        return self.detector.wrong


def test_three_changes_the_wrong_way() -> None:
    watch = Watch(sign=-1.0)
    watch.run(30, units_w=0.0)
    assert watch.swing([2000.0, 0.0]) is None
    assert watch.swing([-3000.0]) is True


def test_one_change_the_right_way_is_enough() -> None:
    watch = Watch()
    watch.run(30, units_w=0.0)
    assert watch.swing([2000.0]) is False
    watch.sign = -1.0
    watch.run(5, units_w=2000.0)
    assert watch.swing([0.0, 2000.0]) is False, "one right one is among the last three"
    assert watch.swing([0.0]) is True
    watch.sign = 1.0
    watch.run(5, units_w=0.0)
    assert watch.swing([2000.0, 0.0]) is False


def test_small_changes_say_nothing() -> None:
    watch = Watch(sign=-1.0)
    watch.run(30, units_w=0.0)
    assert watch.swing([400.0, 0.0, 400.0, 0.0]) is None


def test_changes_that_we_did_not_ask_for_say_nothing() -> None:
    watch = Watch(sign=-1.0)
    for power_w in (0.0, 2000.0, 0.0, 2000.0):
        watch.run(30, units_w=power_w)
    assert watch.detector.wrong is None


def test_a_load_that_moves_along_does_not_deceive() -> None:
    """Kettles of 3 kW, of which the unit can carry only 2."""
    watch = Watch()
    for _ in range(4):
        watch.run(30, units_w=0.0, draw_w=200.0)
        watch.command()
        watch.run(30, units_w=2000.0, draw_w=3200.0)
        watch.command()
        watch.run(2, units_w=2000.0, draw_w=200.0)
        assert watch.detector.wrong is not True


def test_what_never_comes_to_rest_says_nothing() -> None:
    watch = Watch(sign=-1.0)
    watch.run(30, units_w=0.0)
    watch.command()
    for step in range(100):
        watch.run(2, units_w=150.0 * (step + 1))
    assert watch.detector.wrong is None


@pytest.mark.parametrize(
    ("dark", "known", "expected"),
    [(True, True, True), (False, True, None), (True, False, None)],
)
def test_a_house_that_delivers_at_night(
    dark: bool, known: bool, expected: bool | None
) -> None:
    watch = Watch(sign=-1.0)
    assert watch.run(600, units_w=0.0, dark=dark, known=known) is None
    assert watch.run(2, units_w=0.0, dark=dark, known=known) is expected


def test_ten_minutes_without_a_break() -> None:
    watch = Watch(sign=-1.0)
    for _ in range(5):
        watch.run(400, units_w=0.0, dark=True)
        watch.run(1, units_w=0.0, draw_w=0.0, dark=True)
    assert watch.detector.wrong is None
