"""Ways to get prices from what is in Home Assistant already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
)
from homeassistant.exceptions import ConfigEntryError, TemplateError
from homeassistant.helpers.event import (
    TrackTemplate,
    TrackTemplateResult,
    async_track_state_change_event,
    async_track_template_result,
)
from homeassistant.helpers.template import Template
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..engine.price_parsing import parse_minute
from ..site import SERIES_EXPORT
from .price_actions import (
    EasyEnergyReader,
    EnergyZeroReader,
    NordPoolReader,
    TibberReader,
)
from .price_book import Offer, Quotes
from .price_shapes.entities import read_states
from .price_shapes.records import PLAIN
from .price_shapes.values import PriceError

CONF_AREA: Final = "area"
CONF_ENTITIES: Final = "entities"
CONF_EXPORT_ENTITIES: Final = "export_entities"
CONF_EXPORT_TEMPLATE: Final = "export_template"
CONF_INCLUDES: Final = "includes"
CONF_MINUTES: Final = "minutes"
CONF_SOURCE: Final = "source"
CONF_SOURCE_KIND: Final = "kind"
CONF_TEMPLATE: Final = "template"
CONF_TIBBER_HOME: Final = "tibber_home"

KIND_EASYENERGY: Final = "easyenergy"
KIND_ENERGYZERO: Final = "energyzero"
KIND_ENTITY: Final = "entity"
KIND_NORD_POOL: Final = "nordpool"
KIND_TEMPLATE: Final = "template"
KIND_TIBBER: Final = "tibber"


class PriceReader(Protocol):
    """Somewhere to get prices from."""

    @property
    def zone(self) -> ZoneInfo:
        """Return whose days the prices come in."""

    @property
    def published_minute(self) -> int | None:
        """Return when, on that clock, tomorrow's prices come; None: at any time."""

    @property
    def goes_back(self) -> bool:
        """Return whether it can be asked for days that have passed."""

    async def async_read(self, days: Sequence[date]) -> Offer:
        """Return what can be had, of these days where it can be asked for days.

        Raises `PriceError`. A day that is not there yet is none; it is just missing.
        """

    @callback
    def async_listen(self, on_change: CALLBACK_TYPE) -> CALLBACK_TYPE | None:
        """Call back when there may be news; None for one that has to be asked."""


@dataclass(frozen=True, kw_only=True)
class EntityReader:
    """Reads the attributes of entities, whenever they change."""

    hass: HomeAssistant
    entities: tuple[str, ...]
    export_entities: tuple[str, ...]
    area: str | None
    zone: ZoneInfo
    published_minute: int | None
    goes_back: bool = False

    async def async_read(self, days: Sequence[date]) -> Offer:
        """Return what the entities say now."""
        imported, currency = self._read(self.entities)
        exported: Quotes = ()
        if self.export_entities:
            exported, other = self._read(self.export_entities)
            if currency in (None, self.hass.config.currency):
                # Of the two it is the strange one that has to be told.
                currency = other or currency
        return Offer(imported=imported, exported=exported, currency=currency)

    @callback
    def async_listen(self, on_change: CALLBACK_TYPE) -> CALLBACK_TYPE | None:
        """Call back when one of the entities changes."""

        @callback
        def changed(_event: Event[EventStateChangedData]) -> None:
            on_change()

        return async_track_state_change_event(
            self.hass, (*self.entities, *self.export_entities), changed
        )

    def _read(self, entities: Sequence[str]) -> tuple[Quotes, str | None]:
        states = []
        for entity_id in entities:
            state = self.hass.states.get(entity_id)
            if state is not None:
                states.append(state)
        if not states:
            raise PriceError("price_source_unavailable", source=", ".join(entities))
        return read_states(states, self.zone, self.area)


@dataclass(frozen=True, kw_only=True)
class TemplateReader:
    """Renders templates that give lists of {start, price}, whenever they change."""

    hass: HomeAssistant
    template: Template
    export_template: Template | None
    zone: ZoneInfo
    published_minute: int | None
    goes_back: bool = False

    async def async_read(self, days: Sequence[date]) -> Offer:
        """Return what the templates give now."""
        return Offer(
            imported=self._render(self.template),
            exported=self._render(self.export_template) if self.export_template else (),
        )

    @callback
    def async_listen(self, on_change: CALLBACK_TYPE) -> CALLBACK_TYPE | None:
        """Call back when a template gives something else."""

        @callback
        def changed(
            _event: Event[EventStateChangedData] | None,
            _updates: list[TrackTemplateResult],
        ) -> None:
            on_change()

        templates = [self.template]
        if self.export_template is not None:
            templates.append(self.export_template)
        return async_track_template_result(
            self.hass, [TrackTemplate(each, None) for each in templates], changed
        ).async_remove

    def _render(self, template: Template) -> Quotes:
        try:
            found = template.async_render(parse_result=True)
        except TemplateError as err:
            raise PriceError("price_template_failed", error=str(err)) from err
        return PLAIN.read({"prices": found if found is not None else ""}, self.zone)


async def async_create_reader(
    hass: HomeAssistant, tariff: Mapping[str, Any]
) -> PriceReader:
    """Return the reader of the source that a tariff's options describe.

    Raises `ConfigEntryError` where they describe none.
    """
    try:
        return await _async_create(hass, tariff)
    except (KeyError, TypeError) as err:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="tariff_invalid",
            translation_placeholders={"error": f"source: {err!r}"},
        ) from err


async def _async_create(hass: HomeAssistant, tariff: Mapping[str, Any]) -> PriceReader:
    conf = tariff[CONF_SOURCE]
    with_export = _uses_series(tariff.get("export"), SERIES_EXPORT)
    published = tariff.get("published")
    published_minute = (
        None if published is None else parse_minute(published["at"], "published.at")
    )
    local = await _async_zone(hass.config.time_zone)
    kind = conf[CONF_SOURCE_KIND]
    if kind == KIND_NORD_POOL:
        return NordPoolReader(
            hass=hass,
            domain=kind,
            title="Nord Pool",
            zone=await _async_zone("Europe/Oslo"),
            published_minute=12 * 60 + 45,
            area=conf[CONF_AREA],
            minutes=conf[CONF_MINUTES],
        )
    if kind == KIND_TIBBER:
        return TibberReader(
            hass=hass,
            domain=kind,
            title="Tibber",
            zone=local,
            published_minute=13 * 60,
            goes_back=False,
            home=conf[CONF_TIBBER_HOME],
        )
    if kind == KIND_EASYENERGY:
        return EasyEnergyReader(
            hass=hass,
            domain=kind,
            title="easyEnergy",
            zone=await _async_zone("Europe/Amsterdam"),
            published_minute=14 * 60,
            includes=conf[CONF_INCLUDES],
            minutes=conf[CONF_MINUTES],
            with_export=with_export,
        )
    if kind == KIND_ENERGYZERO:
        return EnergyZeroReader(
            hass=hass,
            domain=kind,
            title="EnergyZero",
            zone=local,
            published_minute=14 * 60,
            includes=conf[CONF_INCLUDES],
            minutes=conf[CONF_MINUTES],
            with_export=with_export,
        )
    if kind == KIND_ENTITY:
        return EntityReader(
            hass=hass,
            entities=tuple(conf[CONF_ENTITIES]),
            export_entities=tuple(conf.get(CONF_EXPORT_ENTITIES, ())),
            area=conf.get(CONF_AREA),
            zone=local,
            published_minute=published_minute,
        )
    if kind != KIND_TEMPLATE:
        raise KeyError(kind)
    return TemplateReader(
        hass=hass,
        template=Template(conf[CONF_TEMPLATE], hass),
        export_template=Template(conf[CONF_EXPORT_TEMPLATE], hass)
        if conf.get(CONF_EXPORT_TEMPLATE)
        else None,
        zone=local,
        published_minute=published_minute,
    )


def _uses_series(prices: object, name: str) -> bool:
    """Return whether prices are made of the series with that name."""
    if not isinstance(prices, Mapping):
        return False
    if prices.get("series") == name:
        return True
    return any(_uses_series(part, name) for part in prices.values())


async def _async_zone(name: str) -> ZoneInfo:
    """Return a zone, read without blocking."""
    zone = await dt_util.async_get_time_zone(name)
    assert isinstance(zone, ZoneInfo), "Home Assistant brings all zones"
    return zone
