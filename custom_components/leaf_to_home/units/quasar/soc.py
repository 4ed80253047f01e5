"""What the charger says of the car's state of charge, less what it makes up."""

from typing import Final

from .registers import FULL_PERCENT, Sight

# The charger says 1 now and then when it is far more, and more than the highest when
# the car came home so full.
LEAST: Final = 2
MOST: Final = 100


class StateOfCharge:
    """Keeps the last one that was told: at rest the register reads 0."""

    def __init__(self, stable_s: float) -> None:
        self.percent: float | None = None
        self._stable_s = stable_s
        self._doubtful: int | None = None
        self._since_s = 0.0

    def forget(self) -> None:
        """Know nothing: another car may be there by now."""
        self.percent = None
        self._doubtful = None

    def see(self, sight: Sight, now_s: float) -> None:
        """Take in what the register says now."""
        if sight.connected is False:
            self.forget()
            return
        raw = sight.raw_soc
        if LEAST <= raw <= FULL_PERCENT:
            self.percent = float(raw)
            self._doubtful = None
        elif raw == 0 or raw > MOST:
            self._doubtful = None
        elif raw != self._doubtful:
            self._doubtful = raw
            self._since_s = now_s
        elif now_s - self._since_s >= self._stable_s:
            self.percent = float(raw)
