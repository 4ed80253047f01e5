"""The command line of scripts/replay: files in, summary, JSON, trace and plot out."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
import gzip
import json
from pathlib import Path
import sys
import time
from typing import Any, TextIO, cast
import zlib
from zoneinfo import ZoneInfo

from tqdm import tqdm
import yaml

from custom_components.leaf_to_home.engine.battery import UnitKind, UnitSpec
from custom_components.leaf_to_home.engine.formats import (
    FormatError,
    parse_contract,
    parse_unit,
    series_names,
)
from custom_components.leaf_to_home.engine.outage_house import OutageHabits
from custom_components.leaf_to_home.engine.outages import (
    RANDOM,
    Outage,
    RandomOutages,
    parse_outages,
)
from custom_components.leaf_to_home.engine.records import trace_lines
from custom_components.leaf_to_home.engine.replay import Replay, run_replay
from custom_components.leaf_to_home.engine.replay_planner import (
    ForecastName,
    PriceKnowledge,
)
from custom_components.leaf_to_home.engine.replay_run import PolicyName, ReplayRun
from custom_components.leaf_to_home.engine.tables import (
    HouseRun,
    parse_house,
    parse_series,
    parse_trips,
)
from custom_components.leaf_to_home.engine.trips import Commuter, Trip

from .light import FOLDER

PRESETS = FOLDER / "presets"
_BAD_INPUT = 2
# Runs shorter than this need no progress bar.
_PROGRESS_AFTER_S = 1.0
# How often the bar is drawn: for eyes, and into a log.
_SCREEN_S = 0.2
_LOG_S = 10.0

# What the summary shows: label, field of the books, unit (None = money), decimals.
_LINES: Sequence[tuple[str, str, str | None, int]] = (
    ("total cost", "total_cost", None, 2),
    ("  energy", "energy_cost", None, 2),
    ("  capacity tariff", "capacity_cost", None, 2),
    ("  wear", "wear_cost", None, 2),
    ("  stored at the end", "end_value", None, 2),
    ("import", "import_kwh", "kWh", 1),
    ("export", "export_kwh", "kWh", 1),
    ("charged", "charged_kwh", "kWh", 1),
    ("discharged", "discharged_kwh", "kWh", 1),
    ("driven", "trip_kwh", "kWh", 1),
    ("stored more", "stored_change_kwh", "kWh", 1),
    ("lost", "losses_kwh", "kWh", 1),
    ("highest import", "peak_w", "W", 0),
    ("highest window", "peak_window_w", "W", 0),
    ("windows above limit", "limit_violations", "", 0),
    ("steps above main limit", "main_limit_violations", "", 0),
    ("steps below reserve", "reserve_violations", "", 0),
    ("starts", "starts", "", 0),
    ("reversals", "reversals", "", 0),
    ("departures", "departures", "", 0),
    ("  short", "departures_short", "", 0),
    ("  short by", "short_kwh", "kWh", 1),
    ("backup, median", "backup_hours_median", "h", 1),
    ("backup, worst 5 %", "backup_hours_p5", "h", 1),
)
# The same of outages; None is a share that nothing could be a part of.
_OUTAGE_LINES: Sequence[tuple[str, str, str, int]] = (
    ("outages", "outages", "", 0),
    ("  car away", "outages_away", "", 0),
    ("hours without grid", "outage_hours", "h", 1),
    ("  with light", "outage_lit_hours", "h", 1),
    ("load in them", "outage_load_kwh", "kWh", 1),
    ("  carried", "outage_served_kwh", "kWh", 1),
    ("  carried, weighted", "outage_weighted_share", "%", 1),
    ("of what foresight could", "outage_priority_share", "%", 1),
    ("overloads", "outage_trips", "", 0),
    ("restarts", "outage_restarts", "", 0),
    ("loads left off", "outage_loads_left_off", "", 0),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 2 after one line on what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        _replay(options)
    except FormatError as err:
        print(f"replay: error: {err}", file=sys.stderr)
        return _BAD_INPUT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/replay",
        description="Judge the engine on the recorded data of a house.",
        epilog="Every file may be gzipped, with a name that ends in .gz.",
    )
    parser.add_argument(
        "house",
        type=Path,
        metavar="HOUSE.csv",
        help="time (ISO 8601 with offset), load_w, solar_w[, solar_forecast_w]",
    )
    parser.add_argument(
        "--tariff",
        type=Path,
        required=True,
        metavar="TARIFF.yaml",
        help="prices, limits",
    )
    parser.add_argument(
        "--unit",
        default="leaf-40",
        metavar="PRESET|FILE.yaml",
        help=f"{', '.join(_preset_names())}, or a file (default: %(default)s)",
    )
    parser.add_argument(
        "--trips",
        default="none",
        metavar="commuter|none|FILE.csv",
        help="when the car is away (default: %(default)s)",
    )
    parser.add_argument(
        "--start",
        type=_date,
        metavar="DATE",
        help="first local day (default: the file's)",
    )
    parser.add_argument(
        "--days", type=_count, metavar="N", help="local days to run (default: all)"
    )
    parser.add_argument(
        "--policy",
        choices=list(PolicyName),
        default=PolicyName.AUTOMATIC,
        help="who decides (default: %(default)s)",
    )
    parser.add_argument(
        "--forecast",
        type=ForecastName,
        choices=list(ForecastName),
        default=ForecastName.OWN,
        help="what a plan knows of load and sun (default: %(default)s)",
    )
    parser.add_argument(
        "--price-knowledge",
        type=PriceKnowledge,
        choices=list(PriceKnowledge),
        default=PriceKnowledge.PUBLISHED,
        help="which prices a plan knows (default: %(default)s)",
    )
    parser.add_argument(
        "--dead-time",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="from a command to its effect (default: 0)",
    )
    parser.add_argument(
        "--execute-step",
        type=_seconds,
        metavar="S",
        help="decide and measure every S seconds inside each row (default: once a row)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the commuter (default: 0)"
    )
    parser.add_argument(
        "--outages",
        metavar="FILE.csv|random:SAIFI,CAIDI,SEED",
        help="when the grid is away: start,end, or how often a year and for how many "
        "hours in the mean",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE.csv", help="write every step"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the run")
    return parser


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a date like 2024-03-10, found {text!r}"
        ) from None


def _count(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if 0.0 <= seconds <= 3600.0:
        return seconds
    raise argparse.ArgumentTypeError(f"expected seconds from 0 to 3600, found {text!r}")


def _preset_names() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def _replay(options: argparse.Namespace) -> None:
    for path in (options.json, options.trace, options.plot):
        if path is not None:
            _check_target(path)
    data = _yaml(options.tariff)
    series = {
        name: _read(options.tariff.parent / name, parse_series)
        for name in series_names(data)
    }
    contract = parse_contract(data, options.tariff.name, series)
    tariff = contract.site.tariff
    spec = _unit(options.unit)
    house = _read(options.house, parse_house).run(
        tariff.zone, start=options.start, days=options.days
    )
    run = ReplayRun(
        house=house,
        contract=contract,
        spec=spec,
        trips=_trips(options, spec, house, tariff.zone),
        policy=PolicyName(options.policy),
        forecast=options.forecast,
        price_knowledge=options.price_knowledge,
        dead_time_s=options.dead_time,
        execute_step_s=options.execute_step,
        outages=_outages(options, house),
        habits=OutageHabits() if options.outages else None,
    )
    baseline = _timed(replace(run, policy=PolicyName.NONE))
    result = baseline if run.policy is PolicyName.NONE else _timed(run)
    print(_summary(options, run, result, baseline))
    if options.json:
        with _writing(options.json) as file:
            json.dump(_figures(run, result, baseline), file, indent=2)
            file.write("\n")
    if options.trace:
        with _writing(options.trace) as file:
            file.writelines(trace_lines(result.records, tariff.zone, spec.capacity_kwh))
    if options.plot:
        from .replay_plot import draw

        with _failing(options.plot, "written"):
            draw(options.plot, run, result, baseline)


def _check_target(path: Path) -> None:
    """Find out now whether `path` can be written, better than after a long run."""
    if not path.parent.is_dir():
        raise FormatError(f"{path}: no such file or folder")
    there = path.exists()
    if there and not (path.is_file() or path.is_dir()):
        # Opening a pipe would end it for whoever reads.
        return
    with _failing(path, "written"):
        path.open("ab").close()
        if not there:
            path.unlink()


def _timed(run: ReplayRun) -> Replay:
    """Run with a progress bar that shows on long runs."""
    tqdm.monitor_interval = 0  # its thread only matters to bars that forget to move
    with tqdm(
        desc=run.policy,
        unit="step",
        delay=_PROGRESS_AFTER_S,
        leave=False,
        file=sys.stderr,
        mininterval=_SCREEN_S if sys.stderr.isatty() else _LOG_S,
    ) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return run_replay(run, timer=time.perf_counter, progress=progress)


def _unit(choice: str) -> UnitSpec:
    names = _preset_names()
    if choice in names:
        path = PRESETS / f"{choice}.yaml"
    else:
        path = Path(choice)
        if not path.exists():
            raise FormatError(
                f"--unit: expected {', '.join(names)} or a file, found {choice!r}"
            )
    return parse_unit(_yaml(path), path.name)


def _trips(
    options: argparse.Namespace, spec: UnitSpec, house: HouseRun, zone: ZoneInfo
) -> list[Trip]:
    if options.trips == "none":
        return []
    if options.trips != "commuter":
        return _read(Path(options.trips), parse_trips)
    if spec.kind is not UnitKind.VEHICLE:
        raise FormatError(
            f"--trips: expected a vehicle for the commuter, found a {spec.kind} unit"
        )
    commuter = Commuter(options.seed, zone, capacity_kwh=spec.capacity_kwh)
    return commuter.between(house.times_s[0], house.times_s[-1] + house.step_s)


def _outages(options: argparse.Namespace, house: HouseRun) -> list[Outage]:
    wanted: str | None = options.outages
    if wanted is None:
        return []
    if wanted.startswith(RANDOM):
        end_s = house.times_s[-1] + house.step_s
        return RandomOutages.parse(wanted).between(house.times_s[0], end_s)
    return _read(Path(wanted), parse_outages)


@contextmanager
def _failing(path: Path, done: str) -> Iterator[None]:
    """Turn what a file can do wrong into one clear line."""
    try:
        yield
    except FileNotFoundError as err:
        if done == "read":
            raise FormatError(f"{path}: no such file or folder") from err
        raise FormatError(f"{path}: cannot be {done}: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise FormatError(f"{path.name}: expected text in UTF-8, found {err}") from err
    except (gzip.BadGzipFile, EOFError, zlib.error) as err:
        raise FormatError(f"{path.name}: expected a gzip file, found: {err}") from err
    except OSError as err:
        raise FormatError(f"{path}: cannot be {done}: {err.strerror or err}") from err


@contextmanager
def _reading(path: Path) -> Iterator[TextIO]:
    with _failing(path, "read"):
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
                yield cast("TextIO", file)
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield file


@contextmanager
def _writing(path: Path) -> Iterator[TextIO]:
    with _failing(path, "written"):
        if path.suffix == ".gz":
            with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
                yield cast("TextIO", file)
        else:
            with path.open("w", encoding="utf-8", newline="") as file:
                yield file


def _read[T](path: Path, parse: Callable[[Iterable[str], str], T]) -> T:
    with _reading(path) as file:
        return parse(file, path.name)


def _yaml(path: Path) -> object:
    with _reading(path) as file:
        try:
            data: object = yaml.safe_load(file)
        except yaml.YAMLError as err:
            at = ""
            if isinstance(err, yaml.MarkedYAMLError) and err.problem_mark:
                at = f", line {err.problem_mark.line + 1}"
            problem = getattr(err, "problem", None) or "no text"
            raise FormatError(
                f"{path.name}{at}: expected YAML, found: {problem}"
            ) from err
    return data


def _figures(run: ReplayRun, result: Replay, baseline: Replay) -> dict[str, Any]:
    figures = {
        "policy": run.policy,
        "currency": run.contract.site.tariff.currency,
        **asdict(result.books),
        **(asdict(result.outage_books) if result.outage_books else {}),
        "baseline_total_cost": baseline.books.total_cost,
        "saving": baseline.books.total_cost - result.books.total_cost,
    }
    return {
        key: round(value, 6) if isinstance(value, float) else value
        for key, value in figures.items()
    }


def _summary(
    options: argparse.Namespace, run: ReplayRun, result: Replay, baseline: Replay
) -> str:
    house, currency = run.house, run.contract.site.tariff.currency
    columns = [("none", baseline)]
    if result is not baseline:
        columns.append((run.policy, result))
    span = f"{len(house.days)} days from {house.days[0]} to {house.days[-1]}"
    lines = [
        f"{options.house.name}: {span}, steps of {result.records.step_s:g} s",
        f"unit {options.unit}, trips {options.trips}",
    ]
    if house.days_left_out:
        lines.append(f"left out for long gaps: {', '.join(house.days_left_out)}")
    lines += ["", f"{'':28}" + "".join(f"{name:>14}" for name, _ in columns)]
    for label, field, unit, decimals in _LINES:
        values = [getattr(replay.books, field) for _, replay in columns]
        head = f"{label} {'' if unit == '' else f'({unit or currency})'}"
        cells = "".join(f"{value:14,.{decimals}f}" for value in values)
        lines.append(f"{head:28}{cells}")
    if run.habits is not None:
        lines += ["", *_outage_lines([replay for _, replay in columns])]
    saving = baseline.books.total_cost - result.books.total_cost
    paid = abs(baseline.books.total_cost)
    share = f", {saving / paid:.1%}" if paid > 0.0 else ""
    daily = f"{saving / len(house.days):,.2f} {currency} a day"
    lines += ["", f"saving over none: {saving:,.2f} {currency}{share}, {daily}"]
    if result.books.decision_us_median is not None:
        lines.append(f"one decision: {result.books.decision_us_median:.0f} µs (median)")
    if result.books.plan_ms_median is not None:
        lines.append(f"one plan: {result.books.plan_ms_median:.0f} ms (median)")
    return "\n".join(lines)


def _outage_lines(replays: Sequence[Replay]) -> Iterator[str]:
    for label, field, unit, decimals in _OUTAGE_LINES:
        head = f"{label} {f'({unit})' if unit else ''}"
        cells = ""
        for replay in replays:
            value = getattr(replay.outage_books, field)
            factor = 100.0 if unit == "%" else 1.0
            cell = "–" if value is None else f"{factor * value:,.{decimals}f}"
            cells += f"{cell:>14}"
        yield f"{head:28}{cells}"
