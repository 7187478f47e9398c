"""Where settings come from: one TOML file, EDGE_SECTION__KEY variables on top; anything odd is refused."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

from edge.errors import FixConfiguration
from edge.peer_settings import PeerSettings
from edge.settings import ENVIRONMENT_PREFIX, Settings
from edge.settings_checks import contradictions

CONFIG_VARIABLE = "EDGE_CONFIG"
USUAL_FILES = (Path("edge.toml"), Path("/etc/edge/edge.toml"))
_HINT = "Correct it there; `edge settings --doc` lists every key, its type and its default."


def load_settings(config: Path | None, environment: Mapping[str, str]) -> Settings:
    """The effective settings; raises FixConfiguration that names every fault with its source at once.

    The file is `config`, else $EDGE_CONFIG, else ./edge.toml, else /etc/edge/edge.toml, else none. An
    empty variable counts as not set, lists and tables in variables are JSON.
    """
    path = _file(config, environment)
    from_file = _read(path) if path is not None else {}
    variables = {k: v for k, v in environment.items() if k.startswith(ENVIRONMENT_PREFIX) and v}
    faults = list(_unknown_variables(variables))
    from_variables = _parse(variables) if not faults else {}
    try:
        settings = Settings.model_validate(_merged(from_file, from_variables))
    except ValidationError as trouble:
        faults += [_say(e, path, from_variables) for e in trouble.errors()]
        raise FixConfiguration(_joined(faults), hint=_HINT) from None
    faults += contradictions(settings)
    if faults:
        raise FixConfiguration(_joined(faults), hint=_HINT)
    return settings


def keys() -> Iterator[tuple[str, str]]:
    """Every (section, key) of the tree."""
    for section, field in Settings.model_fields.items():
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields:
            yield section, key


def variable(section: str, key: str) -> str:
    """The environment name of a key."""
    return f"{ENVIRONMENT_PREFIX}{section}__{key}".upper()


def _file(config: Path | None, environment: Mapping[str, str]) -> Path | None:
    if config is None and environment.get(CONFIG_VARIABLE):
        config = Path(environment[CONFIG_VARIABLE])
    if config is not None:
        return config
    return next((p for p in USUAL_FILES if p.is_file()), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as trouble:
        raise FixConfiguration(
            f"cannot read {path}: {trouble.strerror}",
            hint=f"Name a readable file with --config or {CONFIG_VARIABLE}.",
        ) from trouble
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as trouble:
        raise FixConfiguration(f"{path} is not TOML: {trouble}", hint="Correct that line.") from trouble


class _Names(BaseSettings, Settings):  # pyright: ignore[reportIncompatibleVariableOverride] - both configs agree
    """The tree once more, as pydantic-settings wants it; only its field names and types are used."""


class _Variables(EnvSettingsSource):
    """pydantic-settings' own parsing, but of the mapping we were given and not of os.environ."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._given = variables
        super().__init__(_Names, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__")

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._given.items()}


def _parse(variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    known = {variable(section, key) for section, key in keys()}
    for name, value in variables.items():
        if name in known:
            try:
                found = _merged(found, _Variables({name: value})())
            except (SettingsError, ValueError) as trouble:
                raise FixConfiguration(
                    f"{name} is not JSON", hint='Lists are written as ["A","B"].'
                ) from trouble
    return found


def _unknown_variables(variables: Mapping[str, str]) -> Iterator[str]:
    """EDGE_MQTT__HOSTT and EDGE_MQTT_HOST are typos of settings; EDGE_CONFIG is none of our business."""
    known = [variable(section, key) for section, key in keys()]
    sections = tuple(f"{ENVIRONMENT_PREFIX}{s.upper()}" for s in Settings.model_fields)
    for name in variables:
        section = next((s for s in sections if name == s or name.startswith(s + "_")), None)
        if name not in known and ("__" in name or section is not None):
            yield f"environment variable {name}: unknown setting{_nearest(name, known)}"


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Section by section; a key of `above` wins as a whole."""
    both = dict(below)
    for section, content in above.items():
        old = both.get(section, {})
        both[section] = {**old, **content} if isinstance(old, dict) else old
    return both


def _say(error: ErrorDetails, path: Path | None, from_variables: Mapping[str, Any]) -> str:
    place = [str(p) for p in error["loc"]]
    key = ".".join(place)
    if len(place) >= 2 and place[1] in from_variables.get(place[0], {}):
        source = f"environment variable {variable(*place[:2])}"
    else:
        source = str(path) if path is not None else "settings"
    if error["type"] == "extra_forbidden":
        return f"{source}: {key}: unknown key{_nearest(key, _known_beside(place))}"
    message = error["msg"].removeprefix("Value error, ")
    given = f", not {error['input']!r}" if _showable(place) and _short(error["input"]) else ""
    return f"{source}: {key + ': ' if key else ''}{message}{given}"


def _known_beside(place: list[str]) -> list[str]:
    if len(place) == 1:
        return list(Settings.model_fields)
    if place[:2] == ["dicom", "peers"]:
        return [".".join([*place[:-1], name]) for name in PeerSettings.model_fields]
    return [".".join(k) for k in keys()]


def _short(value: object) -> bool:
    return isinstance(value, str | int | float | bool) and len(repr(value)) <= 80


def _showable(place: list[str]) -> bool:
    return not any("password" in p for p in place)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _joined(faults: list[str]) -> str:
    return "\n".join(faults)
