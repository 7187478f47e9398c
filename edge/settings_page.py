"""Settings for people: the effective ones as TOML, and SETTINGS.md (`python -m edge.settings_page`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel

from edge.peer_settings import PeerSettings
from edge.settings import Settings
from edge.settings_source import CONFIG_VARIABLE, USUAL_FILES, variable

_HEAD = f"""# Settings

Generated from `edge/settings.py`; write it again with
`python -m edge.settings_page > edge/SETTINGS.md`.

One TOML file, `--config` or `{CONFIG_VARIABLE}` or the first of {" and ".join(f"`{p}`" for p in USUAL_FILES)}
that exists; without one the defaults hold. An environment variable wins over the file; an empty one
counts as not set; lists and tables in it are JSON. Unknown keys and variables are refused. Relative
paths are relative to the working directory. `edge settings` prints what is in effect.
"""


def masked(settings: Settings) -> str:
    """The effective settings as TOML that loads again, secrets replaced by asterisks."""
    lines: list[str] = []
    for section, model in _sections(settings):
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        for key, value in model.model_dump(mode="json").items():
            lines.append(f"# {key} is not set" if value is None else f"{key} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def reference() -> str:
    """SETTINGS.md: every key with its type, default, environment variable and description."""
    text = _HEAD
    definitions: Mapping[str, Any] = Settings.model_json_schema()["$defs"]
    for section, model in _sections(Settings()):
        text += f"\n## [{section}]\n{(type(model).__doc__ or '').strip()}\n\n"
        text += _row("key", "type", "default", "environment", "meaning") + "|---|---|---|---|---|\n"
        for key, schema in definitions[type(model).__name__]["properties"].items():
            environment = f"`{variable(section, key)}`"
            text += _row(
                f"`{section}.{key}`", _type(schema), _default(schema), environment, schema["description"]
            )
    return text + _peers(definitions[PeerSettings.__name__])


def _peers(schema: Mapping[str, Any]) -> str:
    text = f"\n## [[dicom.peers]]\n{(PeerSettings.__doc__ or '').strip()}\n\n"
    text += _row("key", "type", "default", "meaning") + "|---|---|---|---|\n"
    for key, one in schema["properties"].items():
        default = "required" if key in schema["required"] else _default(one)
        text += _row(f"`{key}`", _type(one), default, one["description"])
    return text


def _row(*cells: str) -> str:
    return f"| {' | '.join(c.replace('|', '&#124;') for c in cells)} |\n"


def _sections(settings: Settings) -> Iterator[tuple[str, BaseModel]]:
    for section in Settings.model_fields:
        yield section, getattr(settings, section)


def _toml(value: Any) -> str:
    """One JSON value as TOML."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case dict():
            table = cast("dict[str, Any]", value)
            pairs = ", ".join(f"{_text(k)} = {_toml(v)}" for k, v in table.items() if v is not None)
            return f"{{ {pairs} }}" if pairs else "{}"
        case list():
            return f"[{', '.join(_toml(v) for v in cast('list[Any]', value))}]"
        case _:
            return repr(value)


def _text(value: str) -> str:
    # A JSON string is a TOML basic string, except that TOML wants DEL escaped too.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _type(schema: Mapping[str, Any]) -> str:
    """The type in words, with its limits."""
    options: list[Mapping[str, Any]] = [s for s in schema.get("anyOf", [schema]) if s.get("type") != "null"]
    (only,) = options
    if "$ref" in only.get("items", {}):
        return "list of tables, see below"
    if "enum" in only:
        return " or ".join(f"`{v}`" for v in only["enum"])
    words = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    words |= {"array": "list of texts", "object": "table of texts"}
    if "$ref" in only.get("items", {}):
        words["array"] = "list of tables"
    name = {"path": "path", "password": "secret"}.get(only.get("format", ""), words[only["type"]])
    limits = [
        f"{sign} {only[key]}"
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if key in only
    ]
    pattern = [f"matching `{only['pattern']}`"] if "pattern" in only else []
    return " ".join([name, *([", ".join(limits)] if limits else []), *pattern])


def _default(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return "none" if schema["type"] == "object" else "see there"
    default = schema["default"]
    return "not set" if default is None else f"`{_toml(default)}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
