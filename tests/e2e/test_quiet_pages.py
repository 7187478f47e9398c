"""Maintenance and a spent budget on a real Mosquitto, asked for at the command line and heard by a pager."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.domain.acknowledgement import Answer
from edge.domain.lifecycle import Stage
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.message import AlertMessage, StatusMessage
from edge.mqtt.notice_message import NoticeMessage
from edge.mqtt.subscriber import AlertSubscriber, Received
from tests.e2e.test_alert_lifecycle import Box, Site
from tests.statements import alert

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.timeout(180)]


@pytest.fixture
def site(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, free_port(), stack)


def finds(box: Box, name: str) -> None:
    said = alert(alert_id=name, series=f"{name}.1")
    box.ledger.alert(said, AlertMessages(box.settings).alert(said))


def heard(pager: AlertSubscriber, kind: type, timeout_s: float = 40) -> Received:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        came = pager.receive(1.0)
        if came is not None and isinstance(came.message, kind):
            return came
    raise AssertionError(f"no {kind.__name__}")


def edge(box: Box, *words: str) -> subprocess.CompletedProcess[str]:
    state_dir = str(box.settings.appliance.state_dir)
    environment = {**os.environ, "EDGE_APPLIANCE__STATE_DIR": state_dir}
    command = [sys.executable, "-m", "edge", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_what_maintenance_held_back_rings_when_it_is_ended_unless_somebody_took_it(site: Site) -> None:
    pager, worklist = site.pager("alert/critical", "notice"), site.pager("worklist")
    status = site.pager("status")
    box = site.box()
    began = edge(box, "maintenance", "on", "--for", "30m", "--reason", "tube change")
    assert began.returncode == 0, began.stderr
    assert "maintenance until" in began.stdout
    assert "tube change" in began.stdout
    notice = heard(pager, NoticeMessage).message
    assert isinstance(notice, NoticeMessage)
    assert (notice.what, "tube" in notice.text) == ("quiet_began", False)
    while not (said := heard(status, StatusMessage).message).quiet:  # type: ignore[union-attr]
        pass
    assert isinstance(said, StatusMessage)
    for name in ("a1", "a2"):
        finds(box, name)
    held = [heard(worklist, AlertMessage) for _ in range(2)]
    assert [(p.message.demoted, p.message.rings) for p in held] == [("maintenance", False)] * 2  # type: ignore[union-attr]
    worklist.answer(held[0], Answer.ACKNOWLEDGED, "radiology", "dr-9", 10)
    box.until(Stage.ACKNOWLEDGED)
    assert "1 by maintenance" in edge(box, "maintenance", "status").stdout
    ended = edge(box, "maintenance", "off")
    assert ended.returncode == 0, ended.stderr
    page = heard(pager, AlertMessage).message
    assert isinstance(page, AlertMessage)
    assert (page.alert_id, page.held, page.rings) == ("a2", "maintenance", True)


def test_when_the_budget_is_spent_staff_are_told_and_the_rest_is_on_the_worklist(site: Site) -> None:
    pager, worklist = site.pager("alert/critical", "notice"), site.pager("worklist")
    box = site.box(budget=2)
    for name in ("a1", "a2", "a3"):
        finds(box, name)
    rang = [heard(pager, AlertMessage).message for _ in range(2)]
    assert {p.alert_id for p in rang if isinstance(p, AlertMessage)} == {"a1", "a2"}
    listed = heard(worklist, AlertMessage).message
    assert isinstance(listed, AlertMessage)
    assert (listed.alert_id, listed.demoted) == ("a3", "budget")
    notice = heard(pager, NoticeMessage).message
    assert isinstance(notice, NoticeMessage)
    assert (notice.what, notice.finding, notice.budget) == ("budget_spent", "bleed", 2)
