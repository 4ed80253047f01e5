"""Home Assistant starts in the middle of an outage, with next to nothing there."""

import sys
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, ServiceCall
import pytest

from custom_components.leaf_to_home.engine.model import Guard, HomeMode
from custom_components.leaf_to_home.engine.outage_model import OutagePhase
from tests import recording
from tests.conftest import EVENING, GRID, UNIT_ID, Advance, make_entry, setup, unit_data
from tests.living import run
from tests.outages.houses import HEATER, MAINS, PUMP, phase, with_tier

HOME_ID = "01JHOME0000000000000000002"
DRIVER = f"custom_components.leaf_to_home.units.{recording.DRIVER}"


def islanding_from_the_start(patch: pytest.MonkeyPatch) -> None:
    """Let the unit say with its first word that it carries the house."""
    original = recording.async_create

    async def create(*args: Any) -> recording.RecordingUnit:
        unit = await original(*args)
        unit.values |= {"islanding": True, "power_w": 900.0}
        return unit

    patch.setattr(sys.modules[DRIVER], "async_create", create)


async def live(advance: Advance, unit: recording.RecordingUnit, seconds: int) -> None:
    """Let time pass while only the unit speaks."""
    for _ in range(seconds):
        unit.push()
        await advance(1)


@pytest.mark.parametrize("known", [True, False], ids=["known before", "new"])
@pytest.mark.parametrize("told_by", ["unit", "mains"])
@pytest.mark.usefixtures("recording_driver")
async def test_the_outage_is_known_at_once_and_nothing_is_idled(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    advance: Advance,
    monkeypatch: pytest.MonkeyPatch,
    hass_storage: dict[str, Any],
    known: bool,
    told_by: str,
) -> None:
    freezer.move_to(EVENING)
    entry = with_tier(
        make_entry(
            unit_data(recording.DRIVER),
            data={"grid": {"kind": "sensor", "entity": GRID}, "mains": MAINS},
            options={"outage": {"put_back": [PUMP]}},
            entry_id=HOME_ID,
        ),
        (HEATER,),
        soc_percent=99,
    )
    if known:
        hass.states.async_set(MAINS, "on")
        home = await setup(hass, entry)
        home.async_change_home(mode=HomeMode.AUTOMATIC)
        await run(hass, advance, 60)
        # Killed: what is stored is all that is left.
        await home.async_save_now()
        assert await hass.config_entries.async_unload(entry.entry_id)
        recording.UNITS.clear()
    # The power went, and with it all that Home Assistant knew.
    for entity_id in (GRID, HEATER, PUMP):
        hass.states.async_set(entity_id, "unavailable")
    hass.states.async_set(MAINS, "off" if told_by == "mains" else "unavailable")
    freezer.tick(600)
    if told_by == "unit":
        islanding_from_the_start(monkeypatch)
    home = await setup(hass, entry)
    unit = recording.UNITS[UNIT_ID]
    assert home.state.guard is not Guard.CLEAR
    await live(advance, unit, 10)
    assert phase(home) is not OutagePhase.NORMAL
    assert unit.writes == []
    # What cannot be seen is not told anything.
    decision = home.outages.decision
    assert decision is not None
    assert not decision.commands
    assert not home.failing
    if told_by == "unit" and known:
        # The heater is seen at last, and shed; a new home would only observe.
        calls: list[ServiceCall] = []

        async def take(call: ServiceCall) -> None:
            calls.append(call)
            hass.states.async_set(HEATER, "off", {"temperature": 21.5})

        hass.services.async_register("climate", "set_hvac_mode", take)
        hass.states.async_set(HEATER, "heat", {"temperature": 21.5})
        await live(advance, unit, 90)
        assert [call.data["hvac_mode"] for call in calls] == ["off"]
        # Killed now, it still knows what to go back to.
        assert home.persisted.outage.loads[HEATER].state == "heat"
        stored = hass_storage[f"leaf_to_home.outage.{HOME_ID}"]["data"]
        assert stored["loads"][HEATER] == {"temperature": 21.5}
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert unit.writes == [], "left as it is"
