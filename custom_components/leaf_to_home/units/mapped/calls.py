"""Writes to an entity of another integration, and says why where that fails."""

import asyncio
from typing import Any, Final

from homeassistant.const import ATTR_ENTITY_ID, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
import voluptuous as vol

from .mapping import BUTTONS, NUMBERS, SCRIPTS, SELECTS, Way, domain
from .orders import Order, Write

# An action that takes longer is taken for one that does not answer.
CALL_S: Final = 10.0
# As much as anybody reads of an error.
LONGEST: Final = 200


class WriteRefused(Exception):
    """The other integration does not do what it was asked."""

    def __init__(self, entity_id: str, reason: str) -> None:
        super().__init__(f"{entity_id}: {reason}")
        self.entity_id = entity_id
        self.reason = reason[:LONGEST]


async def async_write(hass: HomeAssistant, order: Order, write: Write) -> None:
    """Call the entity's own action; raise WriteRefused or TimeoutError."""
    kind, action, data = _call(hass, order, write)
    try:
        async with asyncio.timeout(CALL_S):
            await hass.services.async_call(kind, action, data, blocking=True)
    except TimeoutError:
        raise
    except (HomeAssistantError, vol.Invalid) as err:
        raise WriteRefused(write.entity_id, str(err) or type(err).__name__) from err
    except Exception as err:
        # Whatever goes wrong over there must not look like a fault of ours.
        raise WriteRefused(write.entity_id, f"{type(err).__name__}: {err}") from err


def _call(
    hass: HomeAssistant, order: Order, write: Write
) -> tuple[str, str, dict[str, Any]]:
    """Return domain, action and data of the call."""
    entity_id, target = write.entity_id, write.target
    kind = domain(entity_id)
    named = {ATTR_ENTITY_ID: entity_id}
    if kind in NUMBERS:
        return kind, "set_value", {**named, "value": target}
    if kind in SELECTS:
        return kind, "select_option", {**named, "option": target}
    if kind in BUTTONS:
        return kind, "press", named
    if kind in SCRIPTS:
        return kind, _script(hass, entity_id), _variables(order)
    return kind, "turn_on" if target == STATE_ON else "turn_off", named


def _script(hass: HomeAssistant, entity_id: str) -> str:
    """Return the action of a script: only that one waits until it has run."""
    entry = er.async_get(hass).async_get(entity_id)
    # An entity can be renamed, the action keeps its name.
    return entry.unique_id if entry is not None else entity_id.partition(".")[2]


def _variables(order: Order) -> dict[str, Any]:
    """Return what a script is told: the power positive into the home, and the way."""
    power_w = 0.0 if order.way is Way.IDLE else order.power_w
    return {"way": order.way.value, "power_w": power_w}
