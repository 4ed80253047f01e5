"""Finds out which shape the attributes of an entity have, and reads them."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import State

from ..price_book import Quotes, merged
from . import jepx
from .number_lists import TODAY_TOMORROW, NumberLists
from .records import (
    AMBER_FORECAST,
    AMBER_NOW,
    ENTSO_E,
    EPEX_SPOT,
    NORD_POOL,
    OCTOPUS_ENERGY,
    PLAIN,
    RecordShape,
)
from .values import PriceError, currency_of, describe, unit_factor

# In this order: records tell more than bare numbers, which Nord Pool's have as well.
SHAPES: Final[tuple[RecordShape | NumberLists, ...]] = (
    NORD_POOL,
    EPEX_SPOT,
    OCTOPUS_ENERGY,
    ENTSO_E,
    AMBER_FORECAST,
    AMBER_NOW,
    PLAIN,
    TODAY_TOMORROW,
)
# What is wrong with an entity that may be right a little later.
PASSING: Final = frozenset({"price_source_empty", "price_source_unavailable"})
EXPECTED: Final = "; ".join((*(shape.expected for shape in SHAPES), jepx.EXPECTED))


def shape_of(attributes: Mapping[Any, Any]) -> str | None:
    """Return the name of the shape that attributes have, None for an unknown one."""
    for shape in SHAPES:
        if shape.found_in(attributes):
            return shape.name
    return jepx.NAME if jepx.lines_in(attributes) else None


def read_state(
    state: State, zone: tzinfo, area: str | None
) -> tuple[Quotes, str | None]:
    """Return the quotes of an entity and their currency.

    Raises `PriceError`; for an unknown shape it shows what is there and what should be.
    """
    if (
        state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN)
        and shape_of(state.attributes) is None
    ):
        raise PriceError("price_source_unavailable", source=state.entity_id)
    attributes: Mapping[Any, Any] = state.attributes
    unit = attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    for shape in SHAPES:
        if not shape.found_in(attributes):
            continue
        if isinstance(shape, RecordShape) and not shape.scaled:
            return shape.read(attributes, zone), currency_of(unit)
        factor, currency = unit_factor(unit)
        if isinstance(shape, NumberLists):
            today = state.last_updated.astimezone(zone).date()
            return shape.read(attributes, zone, factor, today=today), currency
        return shape.read(attributes, zone, factor), currency
    if (lines := jepx.lines_in(attributes)) is not None:
        factor, currency = unit_factor(unit)
        return jepx.read(*lines, area or jepx.AREAS[2], factor), currency
    if any(shape.empty_in(attributes) for shape in SHAPES):
        raise PriceError("price_source_empty", source=state.entity_id)
    raise PriceError(
        "price_shape_unknown",
        source=state.entity_id,
        found=describe(attributes),
        expected=EXPECTED,
    )


def read_states(
    states: Sequence[State], zone: tzinfo, area: str | None = None
) -> tuple[Quotes, str | None]:
    """Return what several entities say together.

    One may be silent while another one speaks: tomorrow's comes later in the day.
    """
    quotes: Quotes = ()
    currency: str | None = None
    problems: list[PriceError] = []
    for state in states:
        try:
            found, money = read_state(state, zone, area)
        except PriceError as err:
            if err.translation_key not in PASSING:
                raise
            problems.append(err)
            continue
        quotes = merged(quotes, found)
        currency = currency or money
    if not quotes and problems:
        raise problems[0]
    return quotes, currency
