"""Image, compose file and units refer to what is there, and start roles that exist with valid settings."""

from __future__ import annotations

import json
import re
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest

from edge.cli import main
from edge.settings_source import load_settings
from tests.architecture.source import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE_FOLDER = ROOT / "firmware" / "compose"
COMPOSE = (COMPOSE_FOLDER / "compose.yaml").read_text()
UNITS = ["edge-receive", "edge-run", "edge-canary"]
# The only files an operator has to make before `docker compose up`; firmware/README.md says how.
MADE_BY_THE_OPERATOR = {"./passwords", "./mqtt_password"}


def service(name: str) -> str:
    """The lines of one service, as text: this file is too plain to need a parser."""
    found = re.search(rf"^  {name}:\n((?:    .*\n|\n)+)", COMPOSE, flags=re.M)
    assert found is not None, f"no service {name}"
    return found[1]


def command_of(instruction: str) -> list[str]:
    found = re.search(rf"^{instruction} (\[.*\])$", DOCKERFILE, flags=re.M)
    assert found is not None
    return json.loads(found[1])


def accepted(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0, words


def unit(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """[Service] of a unit, and its Environment lines, of which there may be many."""
    text = (ROOT / "firmware" / "systemd" / f"{name}.service").read_text()
    environment = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, flags=re.M))
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return dict(parser["Service"]), environment


def test_the_image_copies_only_what_is_there_and_reaches_the_builder() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = [
        source
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, flags=re.M)
        for source in sources.split()
    ]
    assert copied
    assert set(copied) == allowed
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_the_image_runs_a_role_as_nobody_special_with_valid_settings() -> None:
    assert command_of("ENTRYPOINT") == ["edge"]
    accepted(command_of("CMD"))
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, flags=re.M)
    found = re.findall(r"\b(EDGE_\w+)=(\S+)", DOCKERFILE)
    settings = load_settings(COMPOSE_FOLDER / "edge.toml", dict(found))
    assert settings.appliance.state_dir == Path("/var/lib/edge")


def test_compose_mounts_only_what_is_there() -> None:
    mounted = re.findall(r"^      - (?:\$\{\w+:-)?(\.{1,2}/[^:}]+)\}?:", COMPOSE, flags=re.M)
    assert set(mounted) > MADE_BY_THE_OPERATOR
    missing = {m for m in mounted if not (COMPOSE_FOLDER / m).exists()}
    assert missing <= MADE_BY_THE_OPERATOR


def test_compose_starts_roles_that_exist_with_settings_that_hold(tmp_path: Path) -> None:
    secret = tmp_path / "mqtt_password"
    secret.touch(mode=0o600)
    for role in ("receiver", "agent", "canary"):
        command = re.search(r"command: \[(.+)\]", service(role))
        assert command is not None
        accepted(command[1].split(", "))
        environment = dict(re.findall(r"^      (EDGE_\w+): (.+)$", service(role), flags=re.M))
        if "EDGE_MQTT__PASSWORD_FILE" in environment:
            environment["EDGE_MQTT__PASSWORD_FILE"] = str(secret)
        settings = load_settings(COMPOSE_FOLDER / "edge.toml", environment)
        port = settings.telemetry.agent_port if role == "agent" else settings.telemetry.receiver_port
        assert f"HEALTHZ_URLS: http://127.0.0.1:{port}/healthz" in service(role)
        assert (settings.triton.mode, settings.mqtt.mode) == ("external", "external")
        assert (settings.mqtt.username is None) == (role == "receiver")


def test_agent_and_triton_share_memory_and_user_and_nobody_else_reaches_triton() -> None:
    assert "ipc: shareable" in service("triton")
    assert "ipc: service:triton" in service("agent")
    user = 'user: "10001:10001"'
    assert user in service("triton")
    assert user in COMPOSE.split("services:")[0]
    assert "networks: [inference]" in service("triton")
    assert "ports:" not in service("triton")
    on_inference = [s for s in ("receiver", "mosquitto", "prometheus") if "inference" in service(s)]
    assert on_inference == []
    assert re.search(r"^  inference:\n    internal: true$", COMPOSE, flags=re.M)


def test_every_published_port_is_on_loopback_unless_somebody_asks() -> None:
    published = re.findall(r'^      - "(.+:\d+:\d+)"$', COMPOSE, flags=re.M)
    assert len(published) == 3
    assert [p for p in published if not re.match(r"127\.0\.0\.1:|\$\{\w+:-127\.0\.0\.1\}:", p)] == []


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_role_that_exists_with_valid_settings(name: str) -> None:
    found, environment = unit(name)
    program, *words = found["ExecStart"].split()
    assert program == "/opt/edge/venv/bin/edge"
    accepted(words)
    state_dir = load_settings(None, environment).appliance.state_dir
    assert state_dir == Path("/var/lib") / found["StateDirectory"]


def test_all_units_are_one_user_and_as_hard() -> None:
    receive, *others = (unit(name)[0] for name in UNITS)
    for other in others:
        differ = {key for key in receive | other if receive.get(key) != other.get(key)}
        assert differ <= {"ExecStart", "MemoryMax", "TasksMax", "WatchdogSec"}
        assert (other["Type"], other["WatchdogSignal"], other["LimitCORE"]) == ("notify", "SIGKILL", "0")
    assert (receive["User"], receive["NoNewPrivileges"], receive["ProtectSystem"]) == (
        "edge",
        "yes",
        "strict",
    )
    assert receive["Restart"] == "always"


def test_the_example_of_the_readme_is_valid(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.+?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert example is not None
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    named = tomllib.loads(example[1])["mqtt"]["password_file"]
    config = tmp_path / "edge.toml"
    config.write_text(example[1].replace(named, str(secret)))
    assert load_settings(config, {}).dicom.calling_ae_titles == ("CT_ER_1",)
