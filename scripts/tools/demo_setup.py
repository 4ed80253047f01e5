"""Sets a house up in the demo's Home Assistant, by its own flows."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
import time
from typing import Any

from .demo_dashboard import dashboard, energy_preferences
from .demo_emulator import connect
from .demo_home import (
    DASHBOARD,
    DOMAIN,
    HOME,
    SUBENTRY_TIER,
    SUBENTRY_UNIT,
    TIERS,
    Entities,
    outage_answers,
    setup_answers,
    tier_answers,
    tiers_of,
)
from .running_home_assistant import DemoError, RunningHomeAssistant

METER_TIMEOUT_S = 60.0
RELOAD_TIMEOUT_S = 120.0


async def set_up(
    running: RunningHomeAssistant,
    now: datetime,
    answers: dict[str, Any] | None = None,
    more: Sequence[dict[str, Any]] = (),
    *,
    broker_port: int = 0,
) -> Entities:
    """Onboard, set the home up by its own flow, switch it on, lay the dashboard.

    `more` are the answers by which other units are added. With a broker, what is on it
    is found first.
    """
    await running.onboard(name=HOME, country="DE", currency="EUR", zone=zone_of(now))
    # A changed port is taken back after five minutes unless it is confirmed.
    if (await running.call("http/config"))["pending"]:
        await running.call("http/config/promote")
    for issue in (await running.call("repairs/list_issues"))["issues"]:
        if issue["domain"] == "http":
            # That the port is in the file is not the visitor's business.
            await running.call(
                "repairs/ignore_issue",
                domain="http",
                issue_id=issue["issue_id"],
                ignore=True,
            )
    # What the first run adds by itself would only ask the internet in vain.
    for entry in await running.call("config_entries/get"):
        if entry["domain"] in ("google_translate", "met", "radio_browser"):
            await running.delete(
                f"/api/config/config_entries/entry/{entry['entry_id']}"
            )
    if broker_port:
        await connect(running, broker_port)
    answers = answers or setup_answers(now)
    meter = answers.get("grid", {}).get("entity")
    if meter is not None:
        await _meter_speaks(running, meter)
    created = await running.flow("/api/config/config_entries/flow", DOMAIN, answers)
    found = Entities(await running.call("config/entity_registry/list"))
    # The step from observing to acting is the owner's one choice.
    await running.action(
        "select",
        "select_option",
        entity_id=found.home("select", "mode"),
        option="automatic",
    )
    found = await _complete(running, created["result"]["entry_id"], more)
    await running.call(
        "lovelace/dashboards/create",
        url_path=DASHBOARD,
        title=HOME,
        icon="mdi:home-lightning-bolt",
        show_in_sidebar=True,
        require_admin=False,
    )
    await running.call(
        "lovelace/config/save", url_path=DASHBOARD, config=dashboard(found)
    )
    await running.call(
        "frontend/set_system_data", key="core", value={"default_panel": DASHBOARD}
    )
    await running.call("energy/save_prefs", **energy_preferences(found))
    return found


async def _complete(
    running: RunningHomeAssistant, entry_id: str, more: Sequence[dict[str, Any]]
) -> Entities:
    """Say how outages go, add units, and wait for the home to be loaded with it."""
    await running.flow(
        "/api/config/config_entries/options/flow", entry_id, outage_answers()
    )
    for unit in more:
        await running.flow(
            "/api/config/config_entries/subentries/flow",
            [entry_id, SUBENTRY_UNIT],
            unit,
        )
    listed = await running.call("config_entries/subentries/list", entry_id=entry_id)
    units = {unit["title"]: unit["subentry_id"] for unit in listed}
    for number in range(len(TIERS)):
        await running.flow(
            "/api/config/config_entries/subentries/flow",
            [entry_id, SUBENTRY_TIER],
            tier_answers(number),
        )
    end_s = time.monotonic() + RELOAD_TIMEOUT_S
    while time.monotonic() < end_s:
        registry = await running.call("config/entity_registry/list")
        found, tiers = Entities(registry, units), tiers_of(registry)
        states = await running.states()
        awaited = [found.home("select", "mode"), *tiers]
        complete = len(tiers) == len(TIERS) and all(
            unit.has_unit("select", "mode") for unit in found.more.values()
        )
        if complete and all(
            states.get(entity, {"state": "unavailable"})["state"] != "unavailable"
            for entity in awaited
        ):
            return found
        await asyncio.sleep(0.2)
    raise DemoError(f"the home was not loaded again:\n{running.log_tail()}")


def zone_of(now: datetime) -> str:
    """Return the machine's time zone, so that clocks on page and machine agree."""
    with suppress(OSError):
        link = Path("/etc/localtime").resolve()
        if "zoneinfo" in link.parts:
            return "/".join(link.parts[link.parts.index("zoneinfo") + 1 :])
    hours = round((now.utcoffset() or timedelta()).total_seconds() / 3600)
    # The names of these zones count the other way round.
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


async def _meter_speaks(running: RunningHomeAssistant, meter: str) -> None:
    """Wait until the house's meter is there: the set-up wants to see its value."""
    end_s = time.monotonic() + METER_TIMEOUT_S
    while True:
        state = (await running.states()).get(meter, {"state": "missing"})
        if as_number(str(state["state"])) is not None:
            return
        if time.monotonic() > end_s:
            raise DemoError(f"the meter is silent:\n{running.log_tail()}")
        await asyncio.sleep(0.5)


def as_number(text: str) -> float | None:
    """Return what a state says as a number, None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None
