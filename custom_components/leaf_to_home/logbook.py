"""What happens in outages, in the logbook."""

from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.components.logbook.const import (
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import PERCENTAGE, UnitOfEnergy, UnitOfTime
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.translation import async_get_cached_translations

from .const import DOMAIN
from .outages import EVENT_OUTAGE

# Of an outage that is over.
FIGURES = (
    ("minutes", 0, UnitOfTime.MINUTES),
    ("carried_kwh", 1, UnitOfEnergy.KILO_WATT_HOUR),
    ("lowest_soc_percent", 0, PERCENTAGE),
)
PLAYED = f"component.{DOMAIN}.entity.button.outage_test.name"
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
        details = _details(hass, event.data)
        if details:
            words = f"{words}: {details}"
        if event.data.get("test"):
            words = f"{words} ({texts.get(PLAYED, 'test')})"
        return {
            LOGBOOK_ENTRY_NAME: event.data["home"],
            LOGBOOK_ENTRY_MESSAGE: words,
        }

    async_describe_event(DOMAIN, EVENT_OUTAGE, describe)


def _details(hass: HomeAssistant, data: Mapping[str, Any]) -> str:
    """Return what goes with the words: names, and figures in units that all know."""
    parts = [str(data[key]) for key in ("tier", "unit") if key in data]
    parts += [
        f"{data[key]:.{digits}f} {unit}"
        for key, digits, unit in FIGURES
        if key in data and not (data.get("test") and key == "carried_kwh")
    ]
    for load in data.get("shed", ()):
        state = hass.states.get(load)
        parts.append(load if state is None else state.name)
    return " · ".join(parts)
