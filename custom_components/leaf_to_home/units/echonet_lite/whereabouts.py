"""Where the nodes of a unit were found last; Home Assistant may restart meanwhile."""

from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from ...const import LOGGER
from ...store import NewerStore, echonet_lite_store
from .finding import async_find
from .hub import Lan

_NODES: Final = "nodes"
_TOLD: Final = "told"
_FOUND: Final = "found"


class Whereabouts:
    """Finds nodes by their names, first of all where they were the last time.

    Both the address that was told in the set-up and the one that was found since are
    only hints: it is the node's own name that counts.
    """

    def __init__(self, hass: HomeAssistant, subentry_id: str) -> None:
        self._store = echonet_lite_store(hass, subentry_id)
        self._writable = True
        self._nodes: dict[str, dict[str, str]] | None = None

    async def async_load(self) -> None:
        """Read what is known, once; what cannot be read is found anew."""
        if self._nodes is not None:
            return
        self._nodes = {}
        try:
            stored = await self._store.async_load() or {}
            self._nodes = {
                str(node): {key: str(known[key]) for key in (_TOLD, _FOUND)}
                for node, known in stored.get(_NODES, {}).items()
            }
        except NewerStore:
            self._writable = False
        except (AttributeError, HomeAssistantError, KeyError, TypeError) as err:
            LOGGER.warning("Where nodes were last cannot be read: %r", err)

    def last(self, node: str, told: str) -> str:
        """Return where a node was last.

        Whoever told another address since knows better.
        """
        known = (self._nodes or {}).get(node)
        return known[_FOUND] if known is not None and known[_TOLD] == told else told

    async def async_find(
        self,
        lan: Lan,
        node: str,
        eoj: int,
        told: str,
        *,
        call: bool = True,
        patience_s: float | None = None,
    ) -> str:
        """Return where a node is now, and remember it; raise NoAnswer.

        It is given `patience_s` where it was before somebody else is taken for it.
        """
        hints = dict.fromkeys((self.last(node, told), told))
        found = await async_find(
            lan, node, eoj, hints, call=call, patience_s=patience_s
        )
        await self.async_remember(node, told, found)
        return found

    async def async_remember(self, node: str, told: str, found: str) -> None:
        """Remember where a node is now."""
        assert self._nodes is not None
        if found == self.last(node, told):
            return
        LOGGER.info("The node of %s is at %s now", told, found)
        self._nodes[node] = {_TOLD: told, _FOUND: found}
        if self._writable:
            await self._store.async_write({_NODES: self._nodes})
