"""What is kept of a home's plans: the latest ones, and the past they are made from.

The plans are written with each quarter-hour, as far as they could matter after a
restart; the past, which is larger and grows by one number in that time, more rarely.
Both are one long text: Home Assistant's store would write each number on its own line,
three times as much for the card or disk to bear.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.json import json_bytes
from homeassistant.util.json import JSON_DECODE_EXCEPTIONS, json_loads

from .const import DOMAIN, LOGGER
from .engine.basis import Basis
from .engine.following import Following
from .engine.plan import Plan
from .engine.problems import ProblemLog
from .engine.stored import from_dict, to_dict
from .store import NewerStore, SafeStore

TEXT: Final = "text"


@dataclass(kw_only=True, slots=True)
class Kept:
    """What was found on disk."""

    following: Following | None = None
    problems: ProblemLog = field(default_factory=ProblemLog)
    past: Mapping[str, Any] = field(default_factory=dict)


class PlanStore:
    """Two files of one home."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        self._plan = SafeStore(hass, f"{DOMAIN}.plan.{entry_id}")
        self._past = SafeStore(hass, f"{DOMAIN}.past.{entry_id}")

    async def async_load(self) -> Kept:
        """Read what there is; what cannot be read is made and learnt anew."""
        stored = await _async_read(self._plan)
        try:
            return Kept(
                following=_following(stored),
                problems=from_dict(ProblemLog, stored.get("problems", {})),
                past=await _async_read(self._past),
            )
        except ValueError as err:
            LOGGER.warning("The stored plan cannot be read and is made anew: %s", err)
            return Kept(past=await _async_read(self._past))

    async def async_write_plan(
        self, plans: Mapping[str, Any], made_for: Basis | None, problems: ProblemLog
    ) -> None:
        """Write the plans as plain data, what they were made for, and the problems."""
        await _async_write(
            self._plan,
            {
                "plans": dict(plans),
                "made_for": to_dict(made_for),
                "problems": to_dict(problems),
            },
        )

    async def async_write_past(self, past: dict[str, Any]) -> None:
        """Write what plans are made from."""
        await _async_write(self._past, past)

    async def async_remove(self) -> None:
        """Delete both."""
        await self._plan.async_remove()
        await self._past.async_remove()


def _following(stored: Mapping[str, Any]) -> Following | None:
    plans = stored.get("plans")
    if not plans or not isinstance(plans, dict):
        return None
    made_for = from_dict(Basis, stored.get("made_for"), "made_for")
    if plans.keys() - made_for.units.keys():
        raise ValueError("a plan that was made for no unit")
    return Following(
        {key: Plan.from_dict(plan) for key, plan in plans.items()}, made_for
    )


async def _async_read(store: SafeStore) -> dict[str, Any]:
    """Return what a store holds, {} where that is nothing that can be read."""
    try:
        stored = await store.async_load()
        data = json_loads(stored[TEXT]) if stored else {}
    except (
        AttributeError,
        KeyError,
        NewerStore,
        TypeError,
        *JSON_DECODE_EXCEPTIONS,
    ) as err:
        aside = await store.async_put_aside()
        LOGGER.warning(
            "%s cannot be read (%r) and is kept as %s", store.key, err, aside
        )
        return {}
    return data if isinstance(data, dict) else {}


async def _async_write(store: SafeStore, data: dict[str, Any]) -> None:
    await store.async_write({TEXT: json_bytes(data).decode()})
