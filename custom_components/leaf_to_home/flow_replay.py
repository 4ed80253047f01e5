"""The steps that tell what a LEAF would have saved in this home."""

import asyncio
from collections.abc import Mapping
from typing import Any, override

from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult, OptionsFlow
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from .const import CONF_PRESET, CONF_SOH, CONF_TRIPS, TRIPS_COMMUTER, TRIPS_NONE
from .presets import async_load_presets
from .replaying import LEAST_DAYS, MOST_DAYS, Ask, async_replay

CONF_DAYS = "days"
LINES = ("on_arrival", "smart_charging", "with_discharge")


class ReplaySteps(OptionsFlow):
    """Asks for days and a unit, works with a progress bar, and shows the answer."""

    _ask: Ask | None = None
    _task: asyncio.Task[dict[str, Any]] | None = None
    _answer: Mapping[str, Any]
    _failure: HomeAssistantError | None = None

    @override
    def async_remove(self) -> None:
        """Work no longer for a dialog that was closed."""
        if self._task is not None:
            self._task.cancel()

    async def async_step_replay(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which days and which unit."""
        if self.config_entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        failure, self._failure = self._failure, None
        if user_input is not None:
            self._ask = Ask(
                days=int(user_input[CONF_DAYS]),
                preset=user_input[CONF_PRESET],
                soh_percent=user_input[CONF_SOH],
                trips=user_input[CONF_TRIPS],
            )
            return await self.async_step_replay_run()
        asked = self._ask or Ask()
        presets = list(await async_load_presets(self.hass))
        return self.async_show_form(
            step_id="replay",
            data_schema=vol.Schema(
                {
                    vol.Required(CONF_PRESET, default=asked.preset): _choice(
                        presets, "preset"
                    ),
                    vol.Required(CONF_SOH, default=asked.soh_percent): _number(
                        1, 120, "%"
                    ),
                    vol.Required(CONF_TRIPS, default=asked.trips): _choice(
                        [TRIPS_NONE, TRIPS_COMMUTER], "trips"
                    ),
                    vol.Required(CONF_DAYS, default=asked.days): _number(
                        LEAST_DAYS, MOST_DAYS, None
                    ),
                }
            ),
            errors={"base": failure.translation_key or ""} if failure else {},
            description_placeholders=(
                (failure.translation_placeholders or {}) if failure else {}
            ),
            last_step=False,
        )

    async def async_step_replay_run(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show how far the work is."""
        assert self._ask is not None, "the form comes before"
        if self._task is None:
            self._task = self.hass.async_create_task(
                async_replay(
                    self.hass, self.config_entry, self._ask, self.async_update_progress
                ),
                "leaf_to_home replay",
            )
        if not self._task.done():
            return self.async_show_progress(
                step_id="replay_run",
                progress_action="replay",
                progress_task=self._task,
            )
        task, self._task = self._task, None
        try:
            self._answer = task.result()
        except HomeAssistantError as err:
            self._failure = err
            return self.async_show_progress_done(next_step_id="replay")
        return self.async_show_progress_done(next_step_id="replay_result")

    async def async_step_replay_result(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show the three lines; the dialog may be closed here."""
        answer = self._answer
        currency = answer["currency"]

        def money(amount: float) -> str:
            return f"{amount:,.2f} {currency}"

        return self.async_show_menu(
            step_id="replay_result",
            menu_options=["replay", "init"],
            description_placeholders={
                "first_day": answer["first_day"],
                "last_day": answer["last_day"],
                "days": str(answer["days"]),
                "left_out": str(len(answer["days_left_out"])),
                **{line: money(answer["cost"][line]) for line in LINES},
                "saved_on_arrival": money(answer["saved"]["on_arrival"]),
                "saved_smart": money(answer["saved"]["smart_charging"]),
                "backup_hours": f"{answer['backup_hours']['median']:.1f}",
                "months": "\n".join(
                    " | ".join(
                        (
                            f"| {month['month']} ({month['days']})",
                            *(f"{month[line]:,.2f}" for line in LINES),
                        )
                    )
                    + " |"
                    for month in answer["months"]
                ),
            },
        )


def _choice(options: list[str], words: str) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(
            options=options, mode=SelectSelectorMode.DROPDOWN, translation_key=words
        )
    )


def _number(least: int, most: int, unit: str | None) -> NumberSelector:
    config = NumberSelectorConfig(
        min=least, max=most, step=1, mode=NumberSelectorMode.BOX
    )
    if unit is not None:
        config["unit_of_measurement"] = unit
    return NumberSelector(config)
