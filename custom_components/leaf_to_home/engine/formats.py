"""Units and contracts from loaded mappings; every wrong value is named."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from .battery import LossCurve, Table, UnitKind, UnitSpec
from .battery_health import wear_per_kwh
from .derating import within_rate
from .model import CapacityTariff, Site
from .tariff import PriceSeries, TariffError, parse_tariff

_TARIFF_KEYS = (
    "currency",
    "timezone",
    "import",
    "export",
    "published",
    "capacity",
    "import_limit_kw",
    "main_limit_w",
    "battery_export_limit_w",
)
_CAPACITY_KEYS = ("price_per_kw_month", "window_min", "free_kw", "peaks_averaged")
_WINDOWS_MIN = (15, 30, 60)
_MOST_PEAKS = 12

# The lowest and highest value of each number of a unit; the first three must be there.
_UNIT_NUMBERS: Mapping[str, tuple[float, float]] = {
    "usable_kwh": (0.01, 10_000.0),
    "max_charge_w": (1.0, 1e7),
    "max_discharge_w": (1.0, 1e7),
    "soh_percent": (1.0, 120.0),
    "min_soc_percent": (0.0, 100.0),
    "max_soc_percent": (0.0, 100.0),
    "reserve_percent": (0.0, 100.0),
    "initial_soc_percent": (0.0, 100.0),
    "soc_step_percent": (0.0, 25.0),
    "min_power_w": (0.0, 1e6),
    "min_import_w": (0.0, 1e5),
    "standby_w": (0.0, 1e4),
    "start_delay_s": (0.0, 3600.0),
    "ramp_w_per_s": (0.0, 1e6),
    "wear_per_kwh": (0.0, 1e6),
}
# What is said instead of a limit or a wear.
_UNIT_WORDS: Mapping[str, tuple[float, float]] = {
    "max_c_rate": (0.01, 10.0),
    "purchase_price": (0.0, 1e9),
    "remaining_cycles": (1.0, 1e5),
}
_TAPERS = ("charge_taper", "discharge_taper")
_UNIT_REQUIRED = ("usable_kwh", "max_charge_w", "max_discharge_w")
_UNIT_KEYS = (
    "kind",
    *_UNIT_NUMBERS,
    *_UNIT_WORDS,
    *_TAPERS,
    "efficiency",
    "loss",
    "phases",
)
_LOSS_NUMBERS: Mapping[str, tuple[float, float]] = {
    "constant_w": (0.0, 1e5),
    "linear": (0.0, 0.9),
    "quadratic_per_kw": (0.0, 1.0),
}


class FormatError(ValueError):
    """A file that cannot be read: which, where in it, and what was expected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """A home's tariff and limits as a file has them; `import_limit_w` is soft."""

    site: Site
    import_limit_w: float | None


def shown(value: object) -> str:
    """Return `value` as it may stand in an error message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def parse_unit(data: object, name: str) -> UnitSpec:
    """Read a unit from the mapping of a preset or unit file called `name`.

    Raises `FormatError`.
    """
    fields = _mapping(data, name, _UNIT_KEYS)
    kind = fields.get("kind")
    if kind not in tuple(UnitKind):
        raise FormatError(
            f"{name}: kind: expected {', '.join(UnitKind)}, found {shown(kind)}"
        )
    numbers = {
        key: _number(fields[key], f"{name}: {key}", *bounds)
        for key, bounds in _UNIT_NUMBERS.items()
        if key in fields
    }
    for key in _UNIT_REQUIRED:
        if key not in numbers:
            raise FormatError(f"{name}: {key}: expected a number, found nothing")
    phases = fields.get("phases", 1)
    if type(phases) is not int or phases not in (1, 2, 3):
        raise FormatError(f"{name}: phases: expected 1, 2 or 3, found {shown(phases)}")
    charge_loss, discharge_loss = _losses(fields, name)
    spec = UnitSpec(
        kind=UnitKind(str(kind)),
        phases=phases,
        charge_loss=charge_loss,
        discharge_loss=discharge_loss,
        charge_taper=_taper(fields, "charge_taper", name),
        discharge_taper=_taper(fields, "discharge_taper", name),
        **numbers,
    )
    spec = _in_other_words(spec, fields, name)
    _check_unit(spec, name)
    return spec


def _in_other_words(
    spec: UnitSpec, fields: Mapping[str, object], name: str
) -> UnitSpec:
    """Return the unit with what its battery bears, and with what its price means."""
    words = {
        key: _number(fields[key], f"{name}: {key}", *bounds)
        for key, bounds in _UNIT_WORDS.items()
        if key in fields
    }
    if "max_c_rate" in words:
        spec = within_rate(spec, words["max_c_rate"])
    if ("purchase_price" in words) != ("remaining_cycles" in words):
        raise FormatError(
            f"{name}: remaining_cycles: expected together with purchase_price"
        )
    if "purchase_price" in words:
        wear = wear_per_kwh(spec, words["purchase_price"], words["remaining_cycles"])
        spec = replace(spec, wear_per_kwh=wear)
    return spec


def _taper(fields: Mapping[str, object], key: str, name: str) -> Table:
    """Return pairs of a state of charge in percent and a share of the power."""
    if key not in fields:
        return ()
    value, path = fields[key], f"{name}: {key}"
    expected = f"{path}: expected pairs [percent, share] with rising percent"
    if not isinstance(value, list | tuple) or not value:
        raise FormatError(f"{expected}, found {shown(value)}")
    table: list[tuple[float, float]] = []
    for pair in value:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise FormatError(f"{expected}, found {shown(pair)}")
        at = _number(pair[0], path, 0.0, 100.0)
        if table and at <= table[-1][0]:
            raise FormatError(f"{expected}, found {shown(pair)}")
        # Nothing at all would never end; a unit that stops there has a limit instead.
        table.append((at, _number(pair[1], path, 0.01, 1.0)))
    return tuple(table)


def _check_unit(spec: UnitSpec, name: str) -> None:
    if not spec.min_soc_percent < spec.max_soc_percent:
        raise FormatError(
            f"{name}: max_soc_percent: expected more than min_soc_percent "
            f"({spec.min_soc_percent:g}), found {spec.max_soc_percent:g}"
        )
    if not spec.min_soc_percent <= spec.reserve_percent <= spec.max_soc_percent:
        raise FormatError(
            f"{name}: reserve_percent: expected {spec.min_soc_percent:g} to "
            f"{spec.max_soc_percent:g}, found {spec.reserve_percent:g}"
        )
    highest_w = min(spec.max_charge_w, spec.max_discharge_w)
    if spec.min_power_w > highest_w:
        raise FormatError(
            f"{name}: min_power_w: expected at most {highest_w:g}, "
            f"found {spec.min_power_w:g}"
        )
    if spec.stored_w(-spec.max_charge_w) <= 0.0:
        raise FormatError(
            f"{name}: loss: expected less than max_charge_w, to store something"
        )


def _losses(fields: Mapping[str, object], name: str) -> tuple[LossCurve, LossCurve]:
    """Return the loss of charging and of discharging."""
    if ("efficiency" in fields) == ("loss" in fields):
        raise FormatError(
            f"{name}: expected either efficiency: {{charge, discharge}} or "
            f"loss: {{{', '.join(_LOSS_NUMBERS)}}}"
        )
    if "loss" in fields:
        path = f"{name}: loss"
        loss = _mapping(fields["loss"], path, tuple(_LOSS_NUMBERS))
        curve = LossCurve(
            **{
                key: _number(loss[key], f"{path}.{key}", *bounds)
                for key, bounds in _LOSS_NUMBERS.items()
                if key in loss
            }
        )
        return curve, curve
    path = f"{name}: efficiency"
    ways = _mapping(fields["efficiency"], path, ("charge", "discharge"))
    charge = _number(ways.get("charge"), f"{path}.charge", 0.1, 1.0)
    discharge = _number(ways.get("discharge"), f"{path}.discharge", 0.1, 1.0)
    return LossCurve(linear=1.0 - charge), LossCurve(linear=1.0 / discharge - 1.0)


def series_names(data: object) -> list[str]:
    """Return the series files that the mapping of a tariff file refers to."""
    names = []
    if isinstance(data, Mapping):
        for key in ("import", "export"):
            source = data.get(key)
            if isinstance(source, Mapping) and isinstance(
                formula := source.get("formula"), Mapping
            ):
                source = formula.get("spot")
            if isinstance(source, Mapping) and isinstance(source.get("series"), str):
                names.append(source["series"])
    return names


def parse_contract(
    data: object, name: str, series: Mapping[str, PriceSeries] | None = None
) -> Contract:
    """Read tariff and limits from the mapping of a tariff file called `name`.

    `series` holds the price series that it refers to. Raises `FormatError`.
    """
    fields = _mapping(data, name, _TARIFF_KEYS)
    try:
        tariff = parse_tariff(fields, series=series)
    except TariffError as err:
        raise FormatError(f"{name}: {err}") from err
    limit_kw = _optional(fields, "import_limit_kw", name, 0.001, 1e4)
    site = Site(
        tariff=tariff,
        main_limit_w=_optional(fields, "main_limit_w", name, 1.0, 1e7),
        capacity=_capacity(fields.get("capacity"), f"{name}: capacity"),
        battery_export_limit_w=(
            _optional(fields, "battery_export_limit_w", name, 0.0, 1e7) or 0.0
        ),
    )
    return Contract(
        site=site, import_limit_w=None if limit_kw is None else 1000.0 * limit_kw
    )


def _capacity(value: object, path: str) -> CapacityTariff | None:
    if value is None:
        return None
    fields = _mapping(value, path, _CAPACITY_KEYS)
    window_min = _whole(
        fields.get("window_min", 15), f"{path}.window_min", _WINDOWS_MIN
    )
    return CapacityTariff(
        price_per_kw_month=_number(
            fields.get("price_per_kw_month"), f"{path}.price_per_kw_month", 0.0, 1e6
        ),
        window_min=window_min,
        free_kw=_number(fields.get("free_kw", 0.0), f"{path}.free_kw", 0.0, 1e4),
        peaks_averaged=_whole(
            fields.get("peaks_averaged", 1),
            f"{path}.peaks_averaged",
            range(1, _MOST_PEAKS + 1),
        ),
    )


def _mapping(value: object, path: str, keys: Iterable[str]) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise FormatError(
            f"{path}: expected fields such as {', '.join(keys)}; found {shown(value)}"
        )
    for key in value:
        if key not in keys:
            raise FormatError(
                f"{path}: {key}: no such field; expected one of {', '.join(keys)}"
            )
    return value


def _optional(
    fields: Mapping[str, object], key: str, name: str, low: float, high: float
) -> float | None:
    if fields.get(key) is None:
        return None
    return _number(fields[key], f"{name}: {key}", low, high)


def _number(value: object, path: str, low: float, high: float) -> float:
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
        and low <= value <= high
    ):
        return float(value)
    raise FormatError(
        f"{path}: expected a number from {low:g} to {high:g}, found {shown(value)}"
    )


def _whole(value: object, path: str, allowed: Iterable[int]) -> int:
    if type(value) is int and value in allowed:
        return value
    raise FormatError(
        f"{path}: expected one of {', '.join(map(str, allowed))}, found {shown(value)}"
    )
