"""Publishing is not controlling: what is shown changes more slowly."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from homeassistant.core import CALLBACK_TYPE, callback

from .const import PUBLISH_INTERVAL

if TYPE_CHECKING:
    from .home import Home


class Publisher:
    """Calls listeners at most every 10 s, or at once when something urgent changed."""

    def __init__(self) -> None:
        self._listeners: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._urgent: object = None
        self._published_s = 0.0

    @callback
    def async_subscribe(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call `listener` from now on; return what ends that."""
        self._next += 1
        self._listeners[self._next] = listener
        return partial(self._unsubscribe, self._next)

    @callback
    def async_offer(self, urgent: object, now_s: float) -> None:
        """Publish if `urgent` is not what it was, or the last time is long ago."""
        if (
            urgent == self._urgent
            and 0.0 <= now_s - self._published_s < PUBLISH_INTERVAL.total_seconds()
        ):
            return
        self._urgent = urgent
        self._published_s = now_s
        self.async_publish()

    @callback
    def async_publish(self) -> None:
        """Call every listener."""
        for listener in list(self._listeners.values()):
            listener()

    @callback
    def _unsubscribe(self, key: int) -> None:
        self._listeners.pop(key, None)


def urgent(home: Home) -> object:
    """Return what is shown without delay when it changes."""
    decided = home.decision.units if home.decision else {}
    return (
        home.failing,
        home.plans.made_s,
        home.plans.problems.worst,
        home.state.guard,
        home.state.settings,
        home.outages.urgent(),
        [
            (
                unit.status,
                home.state.units[key].settings,
                home.state.units[key].requirements,
                home.state.units[key].vehicle_here,
                home.units[key].coordinator.last_update_success,
                outcome.kind if (outcome := home.units[key].worker.outcome) else None,
            )
            for key, unit in decided.items()
        ],
    )
