"""The servers behind Home Assistant's price integrations, at the HTTP layer.

The integrations and their libraries are the real ones; only the servers are played,
since the real ones cannot be reached from tests.
"""

from datetime import date, timedelta
import re
from typing import Any
from urllib.parse import parse_qs

from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.test_util.aiohttp import (
    AiohttpClientMocker,
    AiohttpClientMockResponse,
)
from yarl import URL

from tests.prices import payloads
from tests.prices.payloads import AMSTERDAM, OSLO

TIBBER_HOME_ID = "96a14971-525a-4420-aae9-e5aedaa129ff"
TIBBER_HOME = "Fjord"


class Answer(AiohttpClientMockResponse):
    """An answer whose connection stays open, which Tibber's library asks for."""

    closed = False


class Servers:
    """Answers for all markets.

    `first` and `last` are the days that are published. `down` refuses everything.
    `asked` are the days that were asked for, `queries` the questions.
    """

    def __init__(self, mocker: AiohttpClientMocker) -> None:
        self.last = payloads.PLAIN_DAY
        self.first = payloads.SPRING_DAY - timedelta(days=60)
        self.zone = OSLO
        self.down = False
        self.asked: list[str] = []
        self.queries: list[dict[str, str]] = []
        for method, pattern, answer in (
            ("get", r"dataportal-api\.nordpoolgroup\.com", self._nord_pool),
            ("get", r"price-graph\.mijn\.easyenergy\.com", self._easy_energy),
            ("get", r"public\.api\.energyzero\.nl", self._energy_zero),
            ("post", r"api\.tibber\.com", self._tibber),
            ("get", r"data-api\.tibber\.com", self._tibber_devices),
        ):
            mocker.request(method, re.compile(pattern), side_effect=answer)

    def _has(self, day: date) -> bool:
        self.asked.append(day.isoformat())
        return self.first <= day <= self.last

    def _answer(
        self, method: str, url: URL, json: Any = None, status: int = 200
    ) -> AiohttpClientMockResponse:
        if self.down:
            json, status = {"error": "maintenance"}, 503
        return Answer(
            method,
            url,
            status=status,
            json=json,
            headers={"content-type": "application/json"},
        )

    async def _nord_pool(
        self, method: str, url: URL, data: Any
    ) -> AiohttpClientMockResponse:
        query = dict(url.query)
        self.queries.append(query)
        day = date.fromisoformat(query["date"])
        if not self._has(day):
            return self._answer(method, url, status=204)
        if url.path.endswith("/DayAheadPriceIndices"):
            areas = query["indexNames"].split(",")
            minutes = int(query["resolutionInMinutes"])
            found = payloads.nord_pool_indices(day, areas, query["currency"], minutes)
        else:
            areas = query["deliveryArea"].split(",")
            found = payloads.nord_pool_day(day, areas, query["currency"])
        return self._answer(method, url, found)

    async def _easy_energy(
        self, method: str, url: URL, data: Any
    ) -> AiohttpClientMockResponse:
        query = dict(url.query)
        self.queries.append(query)
        day = date.fromisoformat(query["start"])
        end = date.fromisoformat(query["end"])
        if query["type"] == "gas":
            return self._answer(method, url, {"prices": []})
        self._has(day)
        end = min(end, self.last + timedelta(days=1))
        minutes = 15 if query["granularity"] == "quarter" else 60
        return self._answer(
            method, url, payloads.easy_energy(max(day, self.first), end, minutes)
        )

    async def _energy_zero(
        self, method: str, url: URL, data: Any
    ) -> AiohttpClientMockResponse:
        query = dict(url.query)
        self.queries.append(query)
        day = date.strptime(query["date"], "%d-%m-%Y")
        if "GAS" in query.get("energyType", "").upper() or not self._has(day):
            return self._answer(method, url, {"error": "no data"}, status=404)
        minutes = 15 if query["interval"] == "INTERVAL_QUARTER" else 60
        return self._answer(method, url, payloads.energy_zero(day, AMSTERDAM, minutes))

    async def _tibber(
        self, method: str, url: URL, data: Any
    ) -> AiohttpClientMockResponse:
        query = data["query"] if isinstance(data, dict) else parse_qs(data)["query"][0]
        if "priceInfo" in query:
            self.asked.append("tibber")
            found = self._tibber_home()
        elif "nodes" in query:
            key = "production" if "production(" in query else "consumption"
            page = {"pageInfo": {"hasPreviousPage": False, "startCursor": None}}
            found = {"home": {key: {**page, "nodes": []}}}
        else:
            found = {
                "name": "Kari",
                "userId": "user",
                "homes": [
                    {"id": TIBBER_HOME_ID, "subscriptions": [{"status": "running"}]}
                ],
                "websocketSubscriptionUrl": "wss://localhost/",
            }
        return self._answer(method, url, {"data": {"viewer": found}})

    def _tibber_home(self) -> dict[str, Any]:
        today = payloads.tibber_day(self.last - timedelta(days=1), self.zone)
        tomorrow = payloads.tibber_day(self.last, self.zone)
        return {
            "home": {
                "currentSubscription": {
                    "status": "running",
                    "priceInfo": {
                        "current": {**today[0], "currency": "NOK"},
                        "today": today,
                        "tomorrow": tomorrow,
                    },
                },
                "appNickname": TIBBER_HOME,
                "features": {"realTimeConsumptionEnabled": False},
                "address": {"address1": "Fjordgata 1", "country": "NO"},
                "meteringPointData": {
                    "gridCompany": "Nett",
                    "estimatedAnnualConsumption": 12000,
                    "productionEan": None,
                },
            }
        }

    async def _tibber_devices(
        self, method: str, url: URL, data: Any
    ) -> AiohttpClientMockResponse:
        return self._answer(method, url, {"homes": []})


def nord_pool_entry(*areas: str, currency: str = "NOK") -> MockConfigEntry:
    """Return the entry of the core integration of Nord Pool."""
    return MockConfigEntry(
        domain="nordpool",
        title="Nord Pool",
        data={"areas": list(areas), "currency": currency},
    )
