"""The table of faults that no mode names speaks of rules, metrics and times that exist."""

from __future__ import annotations

import re

import pytest

from edge.domain.degraded import Consequences
from edge.domain.unnamed_faults import UNNAMED_FAULTS
from edge.modes_page import page
from edge.settings import MqttSettings
from edge.settings_canary import CanarySettings
from edge.supervisor import _FIRST_PAUSE_S, _LONGEST_PAUSE_S  # pyright: ignore[reportPrivateUsage]
from edge.telemetry.metrics import CATALOGUE
from edge.up import READY_S
from tests.architecture.source import ROOT

RULES = re.findall(r"alert: (\w+)", (ROOT / "edge/telemetry/prometheus/alerts.yml").read_text())
UNITS = [u.read_text() for u in (ROOT / "firmware/systemd").glob("*.service")]


def words(row: Consequences) -> str:
    return " ".join((row.fault, row.staff, row.ops, row.lost, row.lasts))


def test_every_fault_that_a_living_agent_cannot_name_has_its_row() -> None:
    parts = {name.rsplit(" ", 1)[0] for name in UNNAMED_FAULTS}
    assert parts >= {"agent", "receiver", "canary", "ledger", "pager cut", "clock", "power"}
    assert all(f"| {name} | {row.fault} |" in page() for name, row in UNNAMED_FAULTS.items())


@pytest.mark.parametrize("name", UNNAMED_FAULTS)
def test_it_speaks_of_rules_and_metrics_that_exist(name: str) -> None:
    said = words(UNNAMED_FAULTS[name])
    assert set(re.findall(r"\bEdge[A-Z]\w+", said)) <= set(RULES)
    assert set(re.findall(r"\bedge_[a-z_]+", said)) <= {m.name for m in CATALOGUE}
    assert "|" not in said


def test_its_times_are_those_of_units_supervisor_and_settings() -> None:
    assert all("Restart=always\nRestartSec=1\n" in unit for unit in UNITS)
    assert sorted(re.findall(r"^WatchdogSec=(\d+)", "\n".join(UNITS), re.MULTILINE)) == ["3600", "60", "60"]
    assert (_FIRST_PAUSE_S, _LONGEST_PAUSE_S, READY_S) == (0.5, 15.0, 45.0)
    # MQTT 5, 3.1.2.10: the broker gives a silent client one and a half times its keep alive.
    assert round(1.5 * MqttSettings().keepalive_s + 0.1) == 23
    assert 2 * CanarySettings().period_s == 30 * 60
