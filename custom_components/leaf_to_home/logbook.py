"""What happens in outages, in the logbook."""

from collections.abc import Callable

from homeassistant.components.logbook.const import (
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.translation import async_get_cached_translations

from .const import DOMAIN
from .outages import EVENT_OUTAGE

WORDS = f"component.{DOMAIN}.entity.event.outage_alert"


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event], dict[str, str]]], None],
) -> None:
    """Describe them in the words of the event entity."""

    @callback
    def describe(event: Event) -> dict[str, str]:
        kind = event.data["type"]
        texts = async_get_cached_translations(
            hass, hass.config.language, "entity", DOMAIN
        )
        words = texts.get(f"{WORDS}.state_attributes.event_type.state.{kind}", kind)
        tier = event.data.get("tier")
        return {
            LOGBOOK_ENTRY_NAME: event.data["home"],
            LOGBOOK_ENTRY_MESSAGE: f"{words}: {tier}" if tier else words,
        }

    async_describe_event(DOMAIN, EVENT_OUTAGE, describe)
