"""Every text that can be shown exists in every language, and says the same."""

import ast
from collections.abc import Iterator
from enum import StrEnum
import json
from pathlib import Path
import re
from typing import Any

from homeassistant.helpers.entity import EntityDescription
import pytest
import yaml

from custom_components.leaf_to_home import (
    binary_sensor,
    button,
    car_sources,
    event,
    health,
    number,
    outage_notices,
    select,
    sensor,
    sensor_outage,
    switch,
    time,
)
from custom_components.leaf_to_home.engine.model import (
    HomeMode,
    IntentKind,
    OutcomeKind,
    ReasonCode,
    UnitMode,
    UnitStatus,
)
from custom_components.leaf_to_home.engine.outage_model import NoticeCode
from custom_components.leaf_to_home.engine.problems import Problem
from custom_components.leaf_to_home.plan_problems import NO_PROBLEM, SOLVED
from custom_components.leaf_to_home.units import base, metered
from custom_components.leaf_to_home.units.battery_emulator import (
    notices as emulator_notices,
)
from custom_components.leaf_to_home.units.echonet_lite import notices
from custom_components.leaf_to_home.units.mapped import notices as mapped_notices
from custom_components.leaf_to_home.units.quasar import notices as quasar_notices

PACKAGE = Path(sensor.__file__).parent
LANGUAGES = sorted(path.stem for path in (PACKAGE / "translations").glob("*.json"))
PLATFORMS: dict[str, tuple[EntityDescription, ...]] = {
    "binary_sensor": (*binary_sensor.HOME_DESCRIPTIONS, *binary_sensor.DESCRIPTIONS),
    "button": button.DESCRIPTIONS,
    "event": event.DESCRIPTIONS,
    "number": (*number.HOME_DESCRIPTIONS, *number.UNIT_DESCRIPTIONS),
    "select": (*select.HOME_DESCRIPTIONS, *select.UNIT_DESCRIPTIONS),
    "sensor": (
        *sensor.HOME_DESCRIPTIONS,
        *sensor.UNIT_DESCRIPTIONS,
        *sensor_outage.DESCRIPTIONS,
        *sensor_outage.TIER_DESCRIPTIONS,
    ),
    "switch": switch.DESCRIPTIONS,
    "time": time.DESCRIPTIONS,
}


def _texts(language: str) -> dict[str, Any]:
    texts: dict[str, Any] = json.loads(
        (PACKAGE / "translations" / f"{language}.json").read_text()
    )
    return texts


def _leaves(texts: dict[str, Any], path: str = "") -> dict[str, str]:
    leaves: dict[str, str] = {}
    for key, value in texts.items():
        if isinstance(value, dict):
            leaves |= _leaves(value, f"{path}{key}.")
        else:
            leaves[f"{path}{key}"] = value
    return leaves


def _strings(*, named: str | None = None) -> Iterator[str]:
    """Yield all string constants of the code, or those of one keyword argument."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if named is None and isinstance(node, ast.Constant):
                if isinstance(node.value, str):
                    yield node.value
            elif (
                isinstance(node, ast.keyword)
                and node.arg == named
                and isinstance(node.value, ast.Constant)
            ):
                yield str(node.value.value)


def test_languages() -> None:
    assert {"en", "ja"} <= set(LANGUAGES)


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_same_keys_and_placeholders(language: str) -> None:
    english, other = _leaves(_texts("en")), _leaves(_texts(language))
    assert english.keys() - other.keys() == set()
    assert other.keys() - english.keys() == set()
    for key, text in english.items():
        assert set(re.findall(r"{(\w+)}", text)) == set(
            re.findall(r"{(\w+)}", other[key])
        ), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_empty_texts(language: str) -> None:
    assert not [key for key, text in _leaves(_texts(language)).items() if not text]


@pytest.mark.parametrize("language", LANGUAGES)
def test_entities(language: str) -> None:
    entity = _texts(language)["entity"]
    for platform, descriptions in PLATFORMS.items():
        keys = {description.translation_key for description in descriptions}
        assert keys == entity[platform].keys(), platform
        for description in descriptions:
            options = getattr(description, "options", None) or ()
            texts = entity[platform][description.translation_key]
            assert set(options) == texts.get("state", {}).keys(), description.key


@pytest.mark.parametrize(
    ("platform", "key", "members"),
    [
        ("select", "home_mode", HomeMode),
        ("select", "unit_mode", UnitMode),
        ("sensor", "next_action", IntentKind),
        ("sensor", "outcome", OutcomeKind),
        ("sensor", "reason", ReasonCode),
        ("sensor", "status", UnitStatus),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_member_has_a_text(
    language: str, platform: str, key: str, members: type[StrEnum]
) -> None:
    assert set(members) == _texts(language)["entity"][platform][key]["state"].keys()


def test_entities_of_one_device_have_different_names() -> None:
    for language in LANGUAGES:
        entity = _texts(language)["entity"]
        for platform, descriptions in PLATFORMS.items():
            keys = {item.translation_key for item in descriptions}
            # Home and unit are two devices.
            keys -= {"home_mode"}
            names = [entity[platform][key]["name"] for key in keys]
            assert len(names) == len(set(names)), (language, platform)


def test_exceptions() -> None:
    texts = _texts("en")
    known = texts["exceptions"].keys()
    raised = set(_strings(named="translation_key"))
    not_exceptions = {
        key for platform in texts["entity"].values() for key in platform
    } | texts["issues"].keys()
    assert raised - not_exceptions - known - _selectors(texts) == set()
    assert known - set(_strings()) == set(), "nobody raises these"


def _selectors(texts: dict[str, Any]) -> set[str]:
    return set(texts.get("selector", {}))


@pytest.mark.parametrize("language", LANGUAGES)
def test_actions(language: str) -> None:
    texts = _texts(language)["services"]
    actions = yaml.safe_load((PACKAGE / "services.yaml").read_text())
    assert actions.keys() == texts.keys()
    for action, schema in actions.items():
        assert schema.get("fields", {}).keys() == texts[action].get("fields", {}).keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_problem_of_a_plan_has_its_texts(language: str) -> None:
    entity = _texts(language)["entity"]
    states = entity["sensor"]["plan_problem"]["state"]
    events = entity["event"]["plan_alert"]["state_attributes"]["event_type"]["state"]
    assert states.keys() == {NO_PROBLEM, *Problem}
    assert events.keys() == {SOLVED, *Problem}
    assert {states[problem] for problem in Problem} <= set(events.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_issues(language: str) -> None:
    assert _texts(language)["issues"].keys() == {
        *(f"{health.ISSUE_BACKUP}_{reason}" for reason in outage_notices.REPAIRED),
        *(f"outage_{code}" for code in NoticeCode),
        outage_notices.LOADS_LEFT,
        outage_notices.SUMMARY,
        outage_notices.SUMMARY_TEST,
        health.ISSUE_GRID_SIGN,
        health.ISSUE_GRID_SIGN_UNIT,
        health.ISSUE_LOAD_MISSING,
        health.ISSUE_NO_DECISION,
        *(f"{health.ISSUE_PLAN}_{problem}" for problem in Problem),
        health.ISSUE_PRICES_MISSING,
        health.ISSUE_SOURCE_STALE,
        health.ISSUE_STORE_UNREADABLE,
        notices.ISSUE_PORT,
        emulator_notices.ISSUE_NO_BROKER,
        emulator_notices.ISSUE_SILENT,
        base.ISSUE_VEHICLE,
        *mapped_notices.ISSUES,
        *quasar_notices.STATES,
        *quasar_notices.NEWS,
        metered.ISSUE_RESERVE,
        car_sources.ISSUE_CHARGER,
        car_sources.ISSUE_SOURCES,
    }


def test_flows() -> None:
    texts = _texts("en")
    flows = [texts["config"], texts["options"], *texts["config_subentries"].values()]
    flows += [
        issue["fix_flow"] for issue in texts["issues"].values() if "fix_flow" in issue
    ]
    steps = {step for flow in flows for step in flow["step"]}
    assert set(_strings(named="step_id")) - steps == set()
    aborts = {reason for flow in flows for reason in flow.get("abort", {})}
    assert set(_strings(named="reason")) - aborts - set(ReasonCode) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_is_described(language: str) -> None:
    texts = _texts(language)
    flows = [texts["config"], texts["options"], *texts["config_subentries"].values()]
    for flow in flows:
        for name, step in flow["step"].items():
            for part in (step, *step.get("sections", {}).values()):
                fields = part.get("data", {}).keys()
                assert fields == part.get("data_description", {}).keys(), name
