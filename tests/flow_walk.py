"""Walks through a flow and checks that each screen has all its texts."""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from typing import Any, Self

from homeassistant.data_entry_flow import FlowManager, FlowResultType, section
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import SelectSelector
import probatio as vol

from custom_components.leaf_to_home import config_flow

TRANSLATIONS = Path(config_flow.__file__).parent / "translations"
TEXTS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in TRANSLATIONS.glob("*.json")
}


class Walk:
    """One flow; `result` is the screen that it shows, or its end."""

    def __init__(self, manager: FlowManager[Any, Any, Any], *path: str) -> None:
        self._manager = manager
        self._path = path
        self.result: dict[str, Any] = {}

    async def start(self, handler: Any, **context: Any) -> Self:
        """Open the flow."""
        self._take(await self._manager.async_init(handler, context=context))
        return self

    async def submit(self, **user_input: Any) -> None:
        """Fill in the form that is shown."""
        assert self.result["type"] is FlowResultType.FORM, self.result
        self._take(
            await self._manager.async_configure(self.result["flow_id"], user_input)
        )

    async def choose(self, option: str) -> None:
        """Choose from the menu that is shown."""
        assert self.result["type"] is FlowResultType.MENU, self.result
        assert option in self.result["menu_options"]
        self._take(
            await self._manager.async_configure(
                self.result["flow_id"], {"next_step_id": option}
            )
        )

    @property
    def step(self) -> str:
        """Return the step that is shown."""
        step: str = self.result["step_id"]
        return step

    @property
    def errors(self) -> dict[str, str]:
        """Return the errors that are shown."""
        return dict(self.result["errors"] or {})

    @property
    def placeholders(self) -> Mapping[str, str]:
        """Return what is filled into the texts."""
        return self.result["description_placeholders"] or {}

    @property
    def fields(self) -> set[str]:
        """Return the names of the form's fields and sections."""
        return {str(key) for key in self.result["data_schema"].schema}

    def suggested(self, *, of: str | None = None) -> dict[str, Any]:
        """Return what the form, or one of its sections, is filled in with."""
        schema = self.result["data_schema"].schema
        if of is not None:
            schema = schema[of].schema.schema
        values: dict[str, Any] = {}
        for key, value in schema.items():
            if isinstance(value, section):
                continue
            if key.description and "suggested_value" in key.description:
                values[str(key)] = key.description["suggested_value"]
            elif callable(key.default):
                values[str(key)] = key.default()
        return values

    def _take(self, result: Any) -> None:
        self.result = dict(result)
        for texts in TEXTS.values():
            self._check(texts)

    def _check(self, texts: dict[str, Any]) -> None:
        result = self.result
        flow = texts
        for key in self._path:
            flow = flow[key]
        shown: list[str] = []
        if result["type"] is FlowResultType.ABORT:
            if result.get("translation_domain") is None:
                shown.append(flow["abort"][result["reason"]])
        elif result["type"] is FlowResultType.MENU:
            step = flow["step"][result["step_id"]]
            # Which of them are offered may go by what is known of the unit.
            assert step["menu_options"].keys() >= set(result["menu_options"])
            # The frontend fills nothing into a menu's title.
            assert not _names([step["title"]])
            shown += _leaves(step)
        elif result["type"] is FlowResultType.FORM:
            step = flow["step"][result["step_id"]]
            shown += _leaves(step)
            shown += [flow["error"][error] for error in self.errors.values()]
            _check_fields(step, result["data_schema"].schema, texts)
            # What the browser gets.
            json.dumps(
                vol.to_field_list(
                    result["data_schema"], custom_serializer=cv.custom_serializer
                )
            )
        missing = _names(shown) - self.placeholders.keys()
        assert not missing, missing


def _check_fields(
    step: dict[str, Any], schema: Mapping[Any, Any], texts: dict[str, Any]
) -> None:
    """Check label and description of each field and the words of its options."""
    for key, value in schema.items():
        if isinstance(value, section):
            part = step["sections"][key]
            assert part["name"]
            _check_fields(part, value.schema.schema, texts)
            continue
        assert step["data"][key]
        assert step["data_description"][key]
        if isinstance(value, SelectSelector) and "translation_key" in value.config:
            words = texts["selector"][value.config["translation_key"]]["options"]
            assert words.keys() == set(value.config["options"])


def _leaves(texts: Mapping[str, Any]) -> Iterator[str]:
    for value in texts.values():
        if isinstance(value, dict):
            yield from _leaves(value)
        else:
            yield value


def _names(texts: list[str]) -> set[str]:
    return {name for text in texts for name in re.findall(r"{(\w+)}", text)}
