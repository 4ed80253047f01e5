"""When the state is written, and when no more."""

import asyncio
from collections.abc import Mapping
from unittest.mock import Mock

from homeassistant.core import HomeAssistant

from custom_components.leaf_to_home.engine.outage_model import LoadAction, OutagePhase
from custom_components.leaf_to_home.engine.state import HomeState
from custom_components.leaf_to_home.saver import Saver, worth_saving
from custom_components.leaf_to_home.store import HomeStore
from tests.engine.outages import SITE, House


class SlowStore:
    """A store that keeps what was written, and takes its time."""

    def __init__(self) -> None:
        self.written: list[float] = []
        self.go_on = asyncio.Event()

    async def async_save(
        self, state: HomeState, intervals: Mapping[str, float]
    ) -> bool:
        await self.go_on.wait()
        self.written.append(state.import_kwh)
        return True


def saver(hass: HomeAssistant, store: SlowStore, state: HomeState) -> Saver:
    return Saver(
        hass,
        Mock(spec=HomeStore, async_save=store.async_save),
        state=state,
        snapshot=lambda: (state.copy(), {}),
        units=list,
    )


async def test_what_changes_during_a_write_is_written_after_it(
    hass: HomeAssistant,
) -> None:
    store, state = SlowStore(), HomeState(import_kwh=1.0)
    saves = saver(hass, store, state)
    saves.async_request()
    await asyncio.sleep(0)
    state.import_kwh = 2.0
    saves.async_request()
    store.go_on.set()
    await hass.async_block_till_done()
    assert store.written == [1.0, 2.0]
    assert saves.persisted.import_kwh == 2.0


async def test_nothing_is_written_after_the_end(hass: HomeAssistant) -> None:
    """A late write would bring back what a removal deletes."""
    store, state = SlowStore(), HomeState(import_kwh=1.0)
    saves = saver(hass, store, state)
    saves.async_request()
    await asyncio.sleep(0)
    state.import_kwh = 2.0
    saves.async_request()
    closing = hass.async_create_task(saves.async_close())
    await asyncio.sleep(0)
    saves.async_request()
    store.go_on.set()
    await closing
    assert store.written == [1.0, 2.0]
    assert saves.persisted.import_kwh == 2.0

    state.import_kwh = 3.0
    saves.async_request()
    await saves.async_save_now()
    await hass.async_block_till_done()
    assert store.written == [1.0, 2.0]


async def test_the_last_write_is_done_without_any_before(hass: HomeAssistant) -> None:
    store, state = SlowStore(), HomeState(import_kwh=1.0)
    store.go_on.set()
    await saver(hass, store, state).async_close()
    assert store.written == [1.0]


def test_each_turn_of_an_outage_and_each_shed_is_saved_at_once() -> None:
    """With the light, the machine may go at any moment."""
    house = House(soc_percent=50.0)
    house.run(3.0)
    saved: list[OutagePhase] = []

    def live(seconds: int) -> None:
        for _ in range(seconds):
            before, told = house.state, len(house.told)
            house.tick()
            phase = house.state.outage.phase
            worth = worth_saving(before, house.state, SITE.tariff, house.now_s)
            sheds = [
                command
                for _, command in house.told[told:]
                if command.action is not LoadAction.PUT_BACK
            ]
            if phase is not before.outage.phase or sheds:
                assert worth
                saved.append(phase)

    house.set_grid(there=False)
    live(20)
    house.set_grid(there=True)
    live(300)
    assert {OutagePhase.OUTAGE, OutagePhase.RESTORING, OutagePhase.NORMAL} <= set(saved)
