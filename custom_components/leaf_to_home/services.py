"""Actions that charge, discharge or hold a unit for a while, and one that tells."""

from typing import Any

from homeassistant.components.select import DOMAIN as SELECT_DOMAIN
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.service import (
    async_get_config_entry,
    async_register_batched_platform_entity_service,
)
from homeassistant.helpers.typing import VolDictType
import voluptuous as vol

from .const import DOMAIN
from .engine.model import UnitMode
from .engine.policy import MANUAL_MODES
from .entity import LeafToHomeUnitEntity
from .home import LeafToHomeConfigEntry
from .manual import RELEASED, manual_changes
from .plan_view import plan_of

SERVICE_CHARGE = "charge"
SERVICE_DISCHARGE = "discharge"
SERVICE_GET_PLAN = "get_plan"
SERVICE_HOLD = "hold"
SERVICE_RELEASE = "release"

ATTR_CONFIG_ENTRY_ID = "config_entry_id"
ATTR_DURATION = "duration"
ATTR_ENERGY = "energy_kwh"
ATTR_POWER = "power_w"
ATTR_SOC = "soc_percent"
ATTR_UNTIL = "until"

POSITIVE = vol.All(vol.Coerce(float), vol.Range(min=0.0, min_included=False))

# One end in time is enough; a state of charge or an amount of energy may come first.
TIME_SCHEMA: VolDictType = {
    vol.Exclusive(ATTR_DURATION, "end"): vol.All(cv.time_period, cv.positive_timedelta),
    vol.Exclusive(ATTR_UNTIL, "end"): vol.Any(cv.time, cv.datetime),
}
POWER_SCHEMA: VolDictType = {
    **TIME_SCHEMA,
    vol.Optional(ATTR_SOC): vol.All(vol.Coerce(float), vol.Range(min=0, max=100)),
    vol.Optional(ATTR_ENERGY): POSITIVE,
    vol.Optional(ATTR_POWER): POSITIVE,
}

# Holding moves no energy, so that neither it nor a state of charge could end it.
SCHEMAS: dict[str, VolDictType] = {
    SERVICE_CHARGE: POWER_SCHEMA,
    SERVICE_DISCHARGE: POWER_SCHEMA,
    SERVICE_HOLD: TIME_SCHEMA,
    SERVICE_RELEASE: {},
}
MODES = {
    SERVICE_CHARGE: UnitMode.CHARGE,
    SERVICE_DISCHARGE: UnitMode.DISCHARGE,
    SERVICE_HOLD: UnitMode.HOLD,
}


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for service, schema in SCHEMAS.items():
        async_register_batched_platform_entity_service(
            hass,
            DOMAIN,
            service,
            entity_domain=SELECT_DOMAIN,
            func=_async_command,
            schema=schema,
        )
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_PLAN,
        _async_get_plan,
        schema=vol.Schema({vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string}),
        supports_response=SupportsResponse.ONLY,
    )


async def _async_get_plan(call: ServiceCall) -> ServiceResponse:
    """Return what is planned; without an id that of the only home."""
    entry: LeafToHomeConfigEntry = async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    return plan_of(entry)


async def _async_command(entities: list[Entity], call: ServiceCall) -> None:
    """Command all units, or none where one of them refuses."""
    units = units_of(entities)
    changes = [(unit, _changes(unit, call)) for unit in units]
    for unit, change in changes:
        unit.async_set_context(call.context)
        unit.async_change(**change)


def units_of(entities: list[Entity]) -> list[LeafToHomeUnitEntity]:
    """Return the units that are meant; raise where there is none."""
    units = [entity for entity in entities if isinstance(entity, LeafToHomeUnitEntity)]
    if not units:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="no_unit",
            translation_placeholders={
                "entities": ", ".join(entity.entity_id for entity in entities)
            },
        )
    return units


def _changes(unit: LeafToHomeUnitEntity, call: ServiceCall) -> dict[str, Any]:
    if call.service == SERVICE_RELEASE:
        # What was switched off is not taken up again.
        return RELEASED if unit.settings.mode in MANUAL_MODES else {}
    return manual_changes(unit, MODES[call.service], **call.data)
