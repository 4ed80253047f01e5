"""The sources of a unit's state of charge beside its charger, and which one counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import CONF_CAR_SOURCES, DOMAIN
from .engine.model import Elsewhere, Sample
from .sources.car import ODOMETER, PLUGGED, SOC, SOH, CarSource
from .sources.car_entities import EntitySource
from .sources.leafspy import LeafSpySource
from .sources.ovms import OvmsSource

if TYPE_CHECKING:
    from .home import Home, LeafToHomeConfigEntry

CONF_KIND: Final = "kind"
CONF_VEHICLE: Final = "vehicle"
CONF_WEBHOOK_ID: Final = "webhook_id"
CONF_LOCAL_ONLY: Final = "local_only"
CONF_VIN: Final = "vin"
CONF_MILES: Final = "miles"
CONF_PREFIX: Final = "topic_prefix"
KIND_LEAFSPY: Final = "leafspy"
KIND_OVMS: Final = "ovms"
KIND_ENTITIES: Final = "entities"

ISSUE_SOURCES: Final = "car_sources_contradict"
ISSUE_CHARGER: Final = "car_source_contradicts_charger"
# The car's display and its battery management differ by several points.
CONTRADICT_PERCENT: Final = 15.0
# Reports this close speak of the same time.
SAME_TIME_S: Final = 600.0
# A contradiction is worth a repair when it stays.
STAYS_S: Final = 300.0
CHECK: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contradiction:
    """Two who say different states of charge; without `second` it is the charger."""

    first: str
    first_percent: float
    second: str | None
    second_percent: float

    @property
    def between(self) -> tuple[str, str | None]:
        """Return who they are."""
        return self.first, self.second


class CarSources:
    """All sources of one unit."""

    def __init__(self, home: Home, key: str, sources: list[CarSource]) -> None:
        self._home = home
        self._key = key
        self._sources = sources
        self._since: tuple[tuple[str, str | None], float] | None = None
        self._told: str | None = None

    async def async_start(self) -> None:
        """Listen to all."""
        for source in self._sources:
            await source.async_start(self._heard)

    async def async_stop(self) -> None:
        """Listen no more, and take back what was told."""
        for source in self._sources:
            await source.async_stop()
        self._tell(None)

    def elsewhere(self) -> dict[str, Elsewhere]:
        """Return the freshest of each value, by car."""
        return {
            vehicle: Elsewhere(
                soc_percent=self._freshest(vehicle, SOC),
                soh_percent=sample.value
                if (sample := self._freshest(vehicle, SOH)) is not None
                else None,
                odometer_km=self._freshest(vehicle, ODOMETER),
                plugged=self._freshest(vehicle, PLUGGED),
            )
            for vehicle in {source.vehicle for source in self._sources}
        }

    def latest(self) -> tuple[CarSource, Sample] | None:
        """Return who spoke of the state of charge last, of the unit's car or any."""
        vehicle = self._home.state.units[self._key].vehicle
        return max(
            (
                (source, source.values[SOC])
                for source in self._sources
                if SOC in source.values and source.vehicle in ("", vehicle)
            ),
            key=lambda told: told[1].time_s,
            default=None,
        )

    def diagnostics(self) -> list[dict[str, Any]]:
        """Return what each has said, without what names anybody."""
        return [
            {
                "kind": type(source).__name__,
                "values": {
                    name: {"value": sample.value, "time_s": sample.time_s}
                    for name, sample in source.values.items()
                },
            }
            for source in self._sources
        ]

    def _freshest(self, vehicle: str, name: str) -> Sample | None:
        return max(
            (
                source.values[name]
                for source in self._sources
                if source.vehicle == vehicle and name in source.values
            ),
            key=lambda sample: sample.time_s,
            default=None,
        )

    @callback
    def _heard(self) -> None:
        self.async_check()
        self._home.async_step()

    @callback
    def async_check(self) -> None:
        """Tell of sources that contradict each other, or the charger, for a while."""
        found = next(self._contradictions(), None)
        now_s = dt_util.utcnow().timestamp()
        if found is None:
            self._since = None
        elif self._since is None or self._since[0] != found.between:
            self._since = found.between, now_s
        if found is None or (
            self._since is not None and now_s - self._since[1] >= STAYS_S
        ):
            self._tell(found)

    def _contradictions(self) -> Iterator[Contradiction]:
        for one, other in combinations(self._sources, 2):
            first, second = one.values.get(SOC), other.values.get(SOC)
            if (
                one.vehicle == other.vehicle
                and first is not None
                and second is not None
                and abs(first.time_s - second.time_s) <= SAME_TIME_S
                and abs(first.value - second.value) > CONTRADICT_PERCENT
            ):
                yield Contradiction(
                    first=one.name,
                    first_percent=first.value,
                    second=other.name,
                    second_percent=second.value,
                )
        unit = self._home.state.units[self._key]
        runtime = self._home.units[self._key]
        spec = runtime.vehicle_specs.get(unit.vehicle or "", runtime.spec)
        latest = self.latest()
        if unit.other_kwh is None or unit.stored_kwh is None or latest is None:
            return
        said = unit.other_kwh / spec.capacity_kwh * 100.0
        charger = unit.stored_kwh / spec.capacity_kwh * 100.0
        if abs(said - charger) > CONTRADICT_PERCENT:
            yield Contradiction(
                first=latest[0].name,
                first_percent=said,
                second=None,
                second_percent=charger,
            )

    @callback
    def _tell(self, found: Contradiction | None) -> None:
        hass, issue_id = self._home.hass, f"{ISSUE_SOURCES}_{self._key}"
        key = None
        if found is not None:
            key = ISSUE_CHARGER if found.second is None else ISSUE_SOURCES
        if key == self._told:
            return
        self._told = key
        if found is None or key is None:
            ir.async_delete_issue(hass, DOMAIN, issue_id)
            return
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=key,
            translation_placeholders={
                "unit": self._home.units[self._key].name,
                "first": found.first,
                "first_percent": f"{found.first_percent:.0f}",
                "second": found.second or "",
                "second_percent": f"{found.second_percent:.0f}",
            },
        )


async def async_start_car_sources(
    hass: HomeAssistant, entry: LeafToHomeConfigEntry
) -> None:
    """Listen to the sources of all units until the home is unloaded."""
    home = entry.runtime_data.home
    started = []
    for key, unit in home.units.items():
        confs = entry.subentries[key].data.get(CONF_CAR_SOURCES, ())
        if not confs:
            continue
        sources = CarSources(home, key, [build_source(hass, conf) for conf in confs])
        await sources.async_start()
        unit.car_sources = sources
        started.append(sources)
        entry.async_on_unload(_every_minute(hass, sources))
    for sources in started:
        entry.async_on_unload(sources.async_stop)


def _every_minute(hass: HomeAssistant, sources: CarSources) -> CALLBACK_TYPE:
    @callback
    def check(_now: datetime) -> None:
        sources.async_check()

    return async_track_time_interval(hass, check, CHECK, cancel_on_shutdown=True)


def build_source(hass: HomeAssistant, conf: Mapping[str, Any]) -> CarSource:
    """Return the source that was set up."""
    vehicle = conf.get(CONF_VEHICLE, "")
    if conf[CONF_KIND] == KIND_LEAFSPY:
        return LeafSpySource(
            hass,
            vehicle=vehicle,
            webhook_id=conf[CONF_WEBHOOK_ID],
            local_only=conf[CONF_LOCAL_ONLY],
            vin=conf.get(CONF_VIN),
            miles=conf[CONF_MILES],
        )
    if conf[CONF_KIND] == KIND_OVMS:
        return OvmsSource(hass, vehicle=vehicle, prefix=conf[CONF_PREFIX])
    entities = {
        name: conf[name] for name in (SOC, SOH, ODOMETER, PLUGGED) if name in conf
    }
    return EntitySource(hass, vehicle=vehicle, entities=entities)
