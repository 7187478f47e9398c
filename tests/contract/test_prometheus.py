from __future__ import annotations

import io
import re
import subprocess

import pytest
from prometheus_client import generate_latest

from edge.settings import Settings
from edge.telemetry.emit import Emitter
from edge.telemetry.metrics import CATALOGUE
from tests.architecture.source import ROOT
from tests.happenings import ONE_OF_EACH

SHIPPED = ROOT / "edge" / "telemetry" / "prometheus"
RULES = (SHIPPED / "alerts.yml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)


def promtool(*asked: str, said: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["promtool", *asked], cwd=SHIPPED, input=said, capture_output=True, check=False)


@pytest.mark.peer("promtool")
@pytest.mark.parametrize("role", ["receiver", "agent"])
@pytest.mark.parametrize("happenings", [(), ONE_OF_EACH], ids=["fresh", "one of each"])
def test_promtool_finds_nothing_wrong_with_our_metrics(role: str, happenings: tuple[object, ...]) -> None:
    emitter = Emitter(role, "json", "error", io.StringIO())
    for happening in happenings:
        emitter.emit(happening)  # type: ignore[arg-type]
    checked = promtool("check", "metrics", said=generate_latest(emitter.registry))
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@pytest.mark.peer("promtool")
@pytest.mark.parametrize(
    "asked",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "--lint-fatal", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=lambda a: " ".join(a),
)
def test_promtool_accepts_what_we_ship(asked: tuple[str, ...]) -> None:
    checked = promtool(*asked)
    assert checked.returncode == 0, (checked.stdout + checked.stderr).decode()


def test_every_rule_is_tested_where_it_fires_and_where_it_does_not() -> None:
    tests = (SHIPPED / "alerts_test.yml").read_text()
    assert ALERTS
    assert [a for a in ALERTS if f"name: {a} fires" not in tests] == []
    assert [a for a in ALERTS if f"name: {a} stays quiet" not in tests] == []


def test_rules_speak_of_metrics_that_exist_and_tell_what_to_do() -> None:
    exported = {m.name + end for m in CATALOGUE for end in ("", "_bucket")}
    mentioned = set(
        re.findall(r"\bedge_[a-z_]+", "".join(re.findall(r"expr: (?:\|\n(?: {10}.*\n)+|.*\n)", RULES)))
    )
    assert mentioned
    assert mentioned - exported == set()
    assert RULES.count("action:") == RULES.count("summary:") == len(ALERTS)


def test_the_scrape_configuration_fits_the_default_settings() -> None:
    telemetry = Settings().telemetry
    targets = re.findall(r'targets: \["(.*?)"\]', (SHIPPED / "prometheus.yml").read_text())
    assert targets == [f"{telemetry.host}:{p}" for p in (telemetry.receiver_port, telemetry.agent_port)]
