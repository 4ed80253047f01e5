"""Takes the pictures of README and docs, after some seconds of evening (300)."""

import asyncio
from datetime import datetime
from pathlib import Path
import shutil
import sys
import tempfile

from playwright.async_api import Page, async_playwright

from .demo import ROOT, prepare
from .demo_home import DASHBOARD, DOMAIN, HOME, Entities
from .demo_setup import set_up
from .running_home_assistant import (
    PASSWORD,
    USERNAME,
    DemoError,
    RunningHomeAssistant,
    free_port,
)

IMAGES = ROOT / "docs" / "images"
FIRST_PORT = 8250
# The peak begins within a minute; then the picture shows it carried for a while.
EVENING_S = 300.0
SETTLE_MS = 2500
# The charger takes half a minute to start; a machine may be busy.
CARRIES_MS = 120_000


async def main(evening_s: float) -> None:
    """Start the demo, walk through it as its owner, and take the pictures."""
    browser_path = shutil.which("chromium")
    if browser_path is None:
        raise DemoError("chromium is not installed")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="leaf-to-home-pictures-") as name:
        port = free_port(FIRST_PORT)
        prepare(Path(name), port)
        async with RunningHomeAssistant(Path(name), port) as running:
            found = await set_up(running, datetime.now().astimezone())
            await running.post(
                "/api/states/sensor.grid_meter",
                {
                    "state": "1234",
                    "attributes": {
                        "device_class": "power",
                        "friendly_name": "Grid meter",
                        "state_class": "measurement",
                        "unit_of_measurement": "W",
                    },
                },
            )
            await asyncio.sleep(evening_s)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=browser_path,
                    args=[
                        "--no-sandbox",
                        "--disable-background-networking",
                        "--disable-component-update",
                        "--disable-sync",
                    ],
                )
                page = await browser.new_page(
                    viewport={"width": 1280, "height": 900}, device_scale_factor=1.5
                )
                await log_in(page, running.url)
                await _dashboard(page, running.url)
                await _flow(page, running.url)
                await _energy(page, running.url)
                await outage(page, running, found)
                await browser.close()


async def log_in(page: Page, url: str) -> None:
    """Log in as the owner of the demo."""
    await page.goto(url)
    await page.locator("input[name=username]").fill(USERNAME)
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/{DASHBOARD}/**")


async def _dashboard(page: Page, url: str) -> None:
    await page.goto(f"{url}/{DASHBOARD}")
    await page.get_by_text("What you can change").wait_for()
    await page.wait_for_timeout(SETTLE_MS)
    await page.screenshot(path=IMAGES / "dashboard.png")


async def _flow(page: Page, url: str) -> None:
    await page.goto(f"{url}/config/integrations/dashboard/add?domain={DOMAIN}")
    await page.get_by_role("button", name="OK").click()
    await page.wait_for_timeout(SETTLE_MS)
    await page.locator("step-flow-form input").first.click()
    await page.keyboard.press("Control+A")
    await page.keyboard.type("Our house")
    await _next(page)
    await page.locator("ha-entity-picker").first.click()
    await page.wait_for_timeout(SETTLE_MS)
    await page.keyboard.type("Grid meter")
    await page.wait_for_timeout(SETTLE_MS)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await _next(page)
    await page.screenshot(path=IMAGES / "flow.png")


async def _next(page: Page) -> None:
    await page.wait_for_timeout(SETTLE_MS)
    await page.get_by_role("button", name="Next").click()
    await page.wait_for_timeout(SETTLE_MS)


async def _energy(page: Page, url: str) -> None:
    await page.goto(f"{url}/energy")
    await page.wait_for_timeout(2 * SETTLE_MS)
    await page.screenshot(path=IMAGES / "energy.png")


async def outage(page: Page, running: RunningHomeAssistant, found: Entities) -> None:
    """Take the grid away and picture what the dashboard says then."""
    # The websocket has fallen asleep by now.
    await running.post(
        "/api/services/switch/turn_off", {"entity_id": found.unit("switch", "grid")}
    )
    await page.set_viewport_size({"width": 1280, "height": 1020})
    await page.goto(f"{running.url}/{DASHBOARD}")
    await page.get_by_text("Carrying the house").first.wait_for(timeout=CARRIES_MS)
    await page.wait_for_timeout(4 * SETTLE_MS)
    # The page says only once a minute anew how far away a moment is.
    await page.reload()
    await page.get_by_text("When the grid is gone").wait_for()
    await page.wait_for_timeout(2 * SETTLE_MS)
    await page.screenshot(path=IMAGES / "outage.png")


if __name__ == "__main__":
    print(f"==> Taking pictures of {HOME}")
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else EVENING_S))
