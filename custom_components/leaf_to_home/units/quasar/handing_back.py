"""Leaves a charger whose home was removed to its own app."""

from typing import Any

from homeassistant.components.modbus import async_get_temporary_unit
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from ...const import LOGGER
from .commander import Commander, OutOfTime
from .driver import params_of
from .link import Link, Refused
from .notices import ISSUE_GIVEN_BACK, ISSUE_NOT_GIVEN_BACK, async_tell
from .pace import PACE, Pace
from .registers import MOST_W, UNIT_ID


async def async_give_back(
    hass: HomeAssistant,
    subentry_id: str,
    name: str,
    data: dict[str, Any],
    *,
    allowed: bool,
) -> None:
    """Give control back if it is ours, and tell; `allowed`: no outage is near."""
    pace = hass.data.get(PACE, Pace())
    try:
        async with async_get_temporary_unit(hass, params_of(data), UNIT_ID) as unit:
            link = Link(unit, pace)
            if not await link.is_ours(await link.orders()):
                return
            given = allowed and await _give_back(link, pace)
    except (HomeAssistantError, Refused, OutOfTime) as err:
        LOGGER.warning("%s could not be given back to its app: %s", name, err)
        given = False
    issue = ISSUE_GIVEN_BACK if given else ISSUE_NOT_GIVEN_BACK
    async_tell(hass, subentry_id, name, issue)


async def _give_back(link: Link, pace: Pace) -> bool:
    commander = Commander(link, pace, MOST_W)
    commander.begin(pace.apply_s)
    await commander.rest(stop=True)
    return await commander.give_back()
