"""How much a home has imported in the billing month, for tiers of prices."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.util import dt as dt_util

from ..engine.price_formula import MonthUse, billing_begin

# So many days the usual month weighs against what this month has shown.
USUAL_DAYS: Final = 10.0
MONTH_DAYS: Final = 30.0
RENEW_S: Final = 3600.0


class MonthMeter:
    """Follows the home's import counter; the part of a month it missed is as usual."""

    def __init__(
        self,
        *,
        month_kwh: float,
        month_day: int,
        edges_kwh: Sequence[float],
        stored: Any = None,
    ) -> None:
        self.use: MonthUse | None = None
        self._usual_kwh = month_kwh / MONTH_DAYS
        self._month_day = month_day
        self._edges_kwh = edges_kwh
        self._begin = ""
        self._kwh = 0.0
        self._counter_kwh: float | None = None
        self._used_s = 0.0
        if isinstance(stored, Mapping):
            self._restore(stored)

    def _restore(self, stored: Mapping[str, Any]) -> None:
        try:
            begin, kwh = str(stored["begin"]), float(stored["kwh"])
            counter_kwh = float(stored["counter_kwh"])
        except KeyError, TypeError, ValueError:
            return
        self._begin, self._kwh, self._counter_kwh = begin, kwh, counter_kwh

    def to_dict(self) -> dict[str, Any] | None:
        """Return what is to be stored, None before anything was heard."""
        if self._counter_kwh is None:
            return None
        return {
            "begin": self._begin,
            "kwh": self._kwh,
            "counter_kwh": self._counter_kwh,
        }

    def hear(self, counter_kwh: float, now: datetime) -> bool:
        """Take the import counter in; return whether `use` tells something new."""
        before_kwh = self._kwh
        begin, days = self._since_begin(now)
        if begin != self._begin:
            self._kwh = before_kwh = self._usual_kwh * days
            self._begin = begin
            self._used_s = 0.0
        elif self._counter_kwh is not None:
            # A counter that begins anew has counted nothing in between.
            self._kwh += max(0.0, counter_kwh - self._counter_kwh)
        self._counter_kwh = counter_kwh
        now_s = now.timestamp()
        passed = any(before_kwh < edge <= self._kwh for edge in self._edges_kwh)
        if not passed and 0.0 <= now_s - self._used_s < RENEW_S:
            return False
        self._used_s = now_s
        self.use = MonthUse(
            begin=begin,
            days=days,
            kwh=self._kwh,
            kwh_per_day=(USUAL_DAYS * self._usual_kwh + self._kwh)
            / (USUAL_DAYS + days),
        )
        return True

    def _since_begin(self, now: datetime) -> tuple[str, float]:
        """Return when the billing month began, and how many days ago."""
        today = dt_util.as_local(now).date()
        begin = billing_begin(today, self._month_day)
        midnight_s, next_s = (
            dt_util.start_of_local_day(day).timestamp()
            for day in (today, today + timedelta(days=1))
        )
        share = (now.timestamp() - midnight_s) / (next_s - midnight_s)
        return begin.isoformat(), (today - begin).days + share
