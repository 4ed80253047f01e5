"""CSV files in: houses, prices, trips, and what each wrong value is told."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from custom_components.leaf_to_home.engine.formats import FormatError, parse_contract
from custom_components.leaf_to_home.engine.tables import (
    HouseTable,
    parse_house,
    parse_series,
    parse_trips,
)

MADRID = ZoneInfo("Europe/Madrid")
UTC = ZoneInfo("UTC")

# --- HOUSE.csv ----------------------------------------------------------------------

START = datetime.fromisoformat("2026-11-23T00:00:00+00:00")


def house_lines(
    count: int, step_s: int = 1800, *, values: Mapping[int, str] | None = None
) -> list[str]:
    """Return a house of 100, 101 … W; `values` stand in for rows, "" drops one."""
    lines = ["time,load_w,solar_w\n"]
    for k in range(count):
        at = (START + timedelta(seconds=k * step_s)).isoformat()
        value = (values or {}).get(k, f"{100 + k},{k}")
        if value:
            lines.append(f"{at},{value}\n")
    return lines


def parse(lines: list[str]) -> HouseTable:
    return parse_house(lines, "house.csv")


def test_a_house_without_gaps() -> None:
    table = parse(house_lines(96))
    assert table.step_s == 1800.0
    assert table.times_s[0] == START.timestamp()
    assert table.load_w == [100.0 + k for k in range(96)]
    assert table.solar_w == [float(k) for k in range(96)]
    assert table.solar_forecast_w is None
    assert table.gaps == []
    run = table.run(UTC)
    assert run.days == ("2026-11-23", "2026-11-24")
    assert run.days_left_out == ()
    assert run.load_w == table.load_w


def test_columns_in_any_order_with_a_forecast() -> None:
    table = parse(
        [
            "solar_w, solar_forecast_w ,load_w,time\r\n",
            "1,,100,2026-11-23T00:00:00+00:00\r\n",
            "\r\n",
            "-49,5,200,2026-11-23T00:00:01+00:00\r\n",
        ]
    )
    assert table.step_s == 1.0
    assert table.load_w == [100.0, 200.0]
    # What an inverter draws at night is no solar power.
    assert table.solar_w == [1.0, 0.0]
    assert table.solar_forecast_w == [None, 5.0]


def test_short_gaps_are_interpolated_column_by_column() -> None:
    # Half an hour a row: two hours are four rows, missing or empty or both.
    table = parse(house_lines(48, values={5: "", 6: ",", 7: "", 8: ",99", 20: ",7"}))
    assert table.gaps == []
    assert len(table.times_s) == 48
    assert table.load_w == pytest.approx([100.0 + k for k in range(48)])
    assert table.solar_w[8] == 99.0
    assert table.solar_w[6] == pytest.approx(4.0 + 2.0 * 95.0 / 4.0)
    assert table.solar_w[20] == 7.0
    assert table.run(UTC).days == ("2026-11-23",)


def test_a_day_with_a_longer_gap_is_left_out_whole() -> None:
    # Five rows are 2.5 h.
    table = parse(house_lines(4 * 48, values={48 + k: "," for k in range(10, 15)}))
    run = table.run(UTC)
    assert run.days == ("2026-11-23", "2026-11-25", "2026-11-26")
    assert run.days_left_out == ("2026-11-24",)
    assert len(run.times_s) == 3 * 48
    assert run.times_s[48] - run.times_s[47] == 25 * 1800.0 + 24 * 1800.0
    # In Madrid the gap lies in the same local day, which begins an hour earlier.
    assert table.run(MADRID).days_left_out == ("2026-11-24",)


def test_missing_days_and_the_torn_days_beside_them() -> None:
    values = dict.fromkeys(range(40, 3 * 48 + 5), "")
    table = parse(house_lines(6 * 48, values=values))
    run = table.run(UTC)
    assert run.days_left_out == ("2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26")
    assert run.days == ("2026-11-27", "2026-11-28")
    # A whole missing day between whole days is left out, and nothing else.
    run = parse(house_lines(144, values=dict.fromkeys(range(48, 96), ""))).run(UTC)
    assert run.days_left_out == ("2026-11-24",)
    assert len(run.days) == 2


def test_empty_values_at_the_ends_just_make_the_file_shorter() -> None:
    values = {0: ",", 1: "5,", 46: ",", 47: ",3"}
    table = parse(house_lines(48, values=values))
    assert len(table.times_s) == 44
    assert table.load_w[0] == 102.0
    assert len(table.run(UTC).times_s) == 44


def test_local_days_from_a_start() -> None:
    table = parse(house_lines(5 * 48))
    run = table.run(MADRID, start=date(2026, 11, 25), days=2)
    assert run.days == ("2026-11-25", "2026-11-26")
    assert len(run.times_s) == 96
    first = datetime.fromtimestamp(run.times_s[0], MADRID)
    assert (first.hour, first.minute) == (0, 0)
    # The file's own first and last local day may be incomplete.
    assert len(table.run(MADRID).times_s) == 5 * 48
    assert len(table.run(MADRID, days=1).times_s) == 46
    for start in (date(2026, 11, 22), date(2026, 11, 30)):
        with pytest.raises(
            FormatError, match="2026-11-23 to 2026-11-28, found a start"
        ):
            table.run(MADRID, start=start)


def test_days_of_92_and_100_quarter_hours_are_run_whole() -> None:
    for start, quarters in (("2026-03-29", 92), ("2026-10-25", 100)):
        begin = datetime.fromisoformat(start).replace(tzinfo=MADRID).timestamp()
        lines = ["time,load_w,solar_w"]
        for k in range(-96, 200):
            at = datetime.fromtimestamp(begin + 900.0 * k, MADRID).isoformat()
            lines.append(f"{at},100,0")
        run = parse(lines).run(MADRID, start=date.fromisoformat(start), days=1)
        assert len(run.times_s) == quarters


def row(text: str) -> list[str]:
    return [*house_lines(4), text]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"^house.csv: expected the columns time, load_w, solar_w; found nothing$"),
        (["\n", "\n"], "expected the columns"),
        (["time,load_w\n"], "house.csv, line 1: solar_w: the column is missing"),
        (["time,load_w,solar_w,load_w"], "line 1: load_w: the column is there twice"),
        (["time,load_w,solar_w,foo"], "line 1: header: expected the columns .* 'foo'"),
        (["\x00\x01\x02\xff" * 50], "line 1: header: expected the columns"),
        (house_lines(0), "house.csv: expected at least two rows, found 0"),
        (house_lines(1), "house.csv: expected at least two rows, found 1"),
        (row("2026-11-23T02:00:00+00:00,abc,0"), "line 6: load_w: expected a number"),
        (row("2026-11-23T02:00:00+00:00,1,nan"), "line 6: solar_w: expected a finite"),
        (row("2026-11-23T02:00:00+00:00,inf,1"), "line 6: load_w: expected a finite"),
        (
            row("2026-11-23T02:00:00+00:00,-1,1"),
            "load_w: expected at least 0, found '-1'",
        ),
        (row("2026-11-23T02:00:00+00:00,1,-51"), "solar_w: expected at least -50"),
        (row("2026-11-23T02:00:00+00:00,1e30,1"), "load_w: expected at most 1e\\+06"),
        (row("2026-11-23T02:00:00+00:00,1,1e7"), "solar_w: expected at most 1e\\+06"),
        (row("2026-11-23T02:00:00+00:00,1"), "line 6: expected 3 values, found 2"),
        (
            row("2026-11-23T02:00:00,1,1"),
            "line 6: time: expected ISO 8601 with an offset",
        ),
        (row("yesterday,1,1"), "line 6: time: expected ISO 8601 .* found 'yesterday'"),
        (row("2026-11-23T01:30:00+00:00,1,1"), "line 6: time: expected a time after"),
        (row("2026-11-23T01:00:00+00:00,1,1"), "line 6: time: expected a time after"),
        (row("2026-11-23T02:10:00+00:00,1,1"), "line 6: time: expected a regular step"),
        (house_lines(4, 7200), "expected a step from 1 s to 60 min, found 7200 s"),
        (
            house_lines(3, values={0: ",1", 1: ",1", 2: ",1"}),
            "load_w: expected numbers",
        ),
        (
            house_lines(4, values={0: "1,", 1: ",1", 2: ",2", 3: ",1"}),
            "expected rows with",
        ),
        (row('"' + "x" * 140_000), "line 6: expected CSV text, found: field larger"),
    ],
)
def test_a_wrong_house_is_told_where(lines: list[str], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse(lines)


def test_nothing_left_to_run() -> None:
    table = parse(house_lines(48, values=dict.fromkeys(range(10, 20), "")))
    with pytest.raises(FormatError, match="from 2026-11-23 to 2026-11-23, found none"):
        table.run(UTC)


# --- series and trips ---------------------------------------------------------------


def test_series() -> None:
    series = parse_series(
        [
            "time,price",
            "2026-11-23T00:00:00+01:00,0.21",
            "2026-11-23T01:00:00+01:00,-0.02",
        ],
        "prices.csv",
    )
    contract = parse_contract(
        {"currency": "EUR", "timezone": "Europe/Madrid", "import": {"series": "p"}},
        "tariff.yaml",
        {"p": series},
    )
    slot = contract.site.tariff.at(
        datetime.fromisoformat("2026-11-23T01:30:00+01:00").timestamp()
    )
    assert slot is not None
    assert slot.import_price == -0.02


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["time,price"], "prices.csv: expected at least two rows, found 0"),
        (["time,price", "2026-11-23T00:00:00Z,"], "line 2: price: expected a number"),
        (
            ["time,price", "2026-11-23T00:00:00Z,1e9"],
            r"line 2: price: expected at most 1e\+06, found '1e9'",
        ),
        (
            ["time,price", "2026-11-23T00:00:00Z,-1e9"],
            r"line 2: price: expected at least -1e\+06",
        ),
        (["time,cost"], "prices.csv, line 1: header: expected the columns time, price"),
    ],
)
def test_a_wrong_series_is_told_where(lines: list[str], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_series(lines, "prices.csv")


TRIPS = "departure,return,energy_kwh,required_soc_percent,known_hours_before"
OUT, BACK = "2026-11-23T08:00:00+01:00", "2026-11-23T17:00:00+01:00"


def test_trips() -> None:
    trips = parse_trips(
        [TRIPS, f"{OUT},{BACK},7.5,60,24", f"{BACK},2026-11-23T18:00:00+01:00,2,,"],
        "trips.csv",
    )
    assert [trip.return_s - trip.departure_s for trip in trips] == [9 * 3600.0, 3600.0]
    assert (trips[0].energy_kwh, trips[0].required_soc_percent) == (7.5, 60.0)
    assert trips[0].known_hours_before == 24.0
    assert trips[1].known_hours_before is None
    assert trips[1].required_soc_percent == 0.0
    assert parse_trips([TRIPS], "trips.csv") == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [f"{OUT},{OUT},7,60,24"],
            "line 2: return: expected a time after the departure",
        ),
        (
            [f"{OUT},{BACK},7,60,24", f"2026-11-23T16:00:00+01:00,{BACK},7,60,24"],
            "line 3: departure: expected a time after the return before",
        ),
        ([f"{OUT},{BACK},-7,60,24"], "line 2: energy_kwh: expected at least 0"),
        ([f"{OUT},{BACK},1e5,60,24"], "line 2: energy_kwh: expected at most 10000"),
        ([f"{OUT},{BACK},7,60,1e6"], "known_hours_before: expected at most 100000"),
        ([f"{OUT},{BACK},,60,24"], "line 2: energy_kwh: expected a number, found ''"),
        ([f"{OUT},{BACK},7,101,24"], "required_soc_percent: expected at most 100"),
        ([f"{OUT},{BACK},7,60,-1"], "known_hours_before: expected at least 0"),
        ([f"8:00,{BACK},7,60,1"], "line 2: departure: expected ISO 8601"),
    ],
)
def test_wrong_trips_are_told_where(lines: list[str], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_trips([TRIPS, *lines], "trips.csv")
