"""What the system information page says of the integration."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .home import LeafToHomeConfigEntry


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is shown."""
    register.async_register_info(_async_info)


async def _async_info(hass: HomeAssistant) -> dict[str, Any]:
    integration = await async_get_integration(hass, DOMAIN)
    entries: list[LeafToHomeConfigEntry] = hass.config_entries.async_loaded_entries(
        DOMAIN
    )
    homes = [entry.runtime_data.home for entry in entries]
    steps = [home.state.time_s for home in homes if home.state.time_s is not None]
    plans = [home.plans.made_s for home in homes if home.plans.made_s is not None]
    now_s = dt_util.utcnow().timestamp()
    return {
        "version": str(integration.version),
        "homes": len(homes),
        "units": sum(len(entry.runtime_data.units) for entry in entries),
        "modes": ", ".join(home.state.settings.mode for home in homes),
        # The oldest says whether any home has stopped.
        "last_step_age": round(now_s - min(steps)) if steps else None,
        "last_plan_age": round(now_s - min(plans)) if plans else None,
    }
