"""Where a node is now, by its name; anybody may claim to be it."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, Final

from homeassistant.core import callback

from .discovery import announced_instances, async_node_name, async_search
from .frames import Message
from .hub import Lan
from .link import Link, NoAnswer

# So many who say to have such an object are asked for their name.
MOST_OTHERS: Final = 16


async def async_find(
    lan: Lan,
    node: str,
    eoj: int,
    hints: Collection[str],
    *,
    call: bool = True,
    patience_s: float | None = None,
) -> str:
    """Return where a node is now; raise NoAnswer.

    It is looked for at all hinted addresses and, unless told not to, by a call to all,
    at the same time. Who answers there is asked for its name, and only for that. A name
    can be copied: who answers the call, or announces itself meanwhile, is asked only
    when nothing was heard from where it should be for as long as a node may take.
    """
    if node in hints:
        # Its address is its name.
        return node
    loop = asyncio.get_running_loop()
    until_s = loop.time() + (lan.pace.answer_s if patience_s is None else patience_s)
    search = _Search(lan, node, eoj, hints)
    stop = lan.endpoint.listen(search.heard)
    if call:
        # Who answers is heard.
        search.start(async_search(lan))
    try:
        while search.found is None:
            left_s = until_s - loop.time()
            if search.unanswered or left_s <= 0.0:
                search.ask_others()
            if not search.tasks:
                raise NoAnswer
            await search.async_news(left_s if left_s > 0.0 else None)
        return search.found
    finally:
        stop()
        search.close()


async def async_is_at(lan: Lan, node: str, eoj: int, address: str) -> bool:
    """Return whether the node answers at an address."""
    try:
        async with lan.async_link(address) as link:
            return await async_node_name(link, eoj) == node
    except NoAnswer:
        return False


async def async_is_still_at(link: Link, node: str, eoj: int) -> bool:
    """Return whether the node answers where it was, in a time that is long for it."""
    try:
        async with asyncio.timeout(link.long_s):
            return await async_node_name(link, eoj) == node
    except NoAnswer, TimeoutError:
        return False


class _Search:
    """Asks addresses for their name, and knows what came of it so far."""

    def __init__(self, lan: Lan, node: str, eoj: int, hints: Collection[str]) -> None:
        self.tasks: set[asyncio.Task[object]] = set()
        # Where the node answered.
        self.found: str | None = None
        self._lan = lan
        self._node = node
        self._eoj = eoj
        self._hints = hints
        # Others who say to have the object, and whether they are asked.
        self._others: set[str] = set()
        self._asks_others = False
        self._hints_left = len(hints)
        self._news = asyncio.Event()
        for address in hints:
            self.start(self._async_ask(address))

    @property
    def unanswered(self) -> bool:
        """Return whether the node is at none of the hinted addresses."""
        return self._hints_left == 0

    @callback
    def heard(self, address: str, message: Message) -> None:
        """Note who says to have the object."""
        if (
            address not in self._hints
            and address not in self._others
            and len(self._others) < MOST_OTHERS
            and self._eoj in (announced_instances(message) or ())
        ):
            self._others.add(address)
            if self._asks_others:
                self.start(self._async_ask(address))

    @callback
    def ask_others(self) -> None:
        """Ask others too, from now on."""
        if not self._asks_others:
            self._asks_others = True
            for address in self._others:
                self.start(self._async_ask(address))

    async def async_news(self, timeout_s: float | None) -> None:
        """Wait until anything has come of it, or for some seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    @callback
    def close(self) -> None:
        """Ask no more."""
        for task in self.tasks:
            task.cancel()

    @callback
    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something beside, which is news when it is done."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    @callback
    def _done(self, task: asyncio.Task[object]) -> None:
        self.tasks.discard(task)
        self._news.set()

    async def _async_ask(self, address: str) -> None:
        found = await async_is_at(self._lan, self._node, self._eoj, address)
        if address in self._hints:
            self._hints_left -= 1
        if found and self.found is None:
            self.found = address
