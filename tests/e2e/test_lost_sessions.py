"""What a broker forgot with its sessions reaches whoever comes back, also if the agent restarted too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.domain.acknowledgement import Answer
from edge.domain.alert import AlertStatus
from edge.domain.lifecycle import Stage
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.subscriber import AlertSubscriber, Received
from edge.telemetry.events import AlertOfferedAgain
from tests.e2e.test_alert_lifecycle import Box, Site, page_of
from tests.statements import alert

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.timeout(120)]


@pytest.fixture
def site(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, free_port(), stack)


def listed(site: Site) -> tuple[Box, AlertSubscriber, Received]:
    """An agent, and the worklist that has heard of the finding that was one more than may ring."""
    worklist = site.pager("worklist")
    box = site.box(budget=1)
    for name in ("a0", "a1"):
        said = alert(alert_id=name, series=f"{name}.1")
        box.ledger.alert(said, AlertMessages(box.settings).alert(said))
    came = page_of(worklist)
    box.until(Stage.PUBLISHED)
    return box, worklist, came


def offered_to_nobody(box: Box) -> None:
    """The broker is there again and took the message, but had no client for it."""
    offered = box.told(AlertOfferedAgain)
    assert isinstance(offered, AlertOfferedAgain)
    assert not offered.subscribers


def test_a_worklist_that_comes_back_after_the_broker_lost_its_sessions_hears_what_it_missed(
    site: Site,
) -> None:
    box, worklist, came = listed(site)
    assert not [h for h in box.happenings if isinstance(h, AlertOfferedAgain)]
    worklist.close()
    site.loses_its_state()
    offered_to_nobody(box)
    assert page_of(site.pager("worklist")).key == came.key


def test_a_worklist_hears_what_it_missed_when_agent_and_broker_restart_together(site: Site) -> None:
    box, worklist, came = listed(site)
    worklist.close()
    box.stop()
    site.loses_its_state()
    box.start()
    offered_to_nobody(box)
    back = site.pager("worklist")
    assert page_of(back).key == came.key
    deadline = time.monotonic() + 20
    while box.ledger.alerts.to_offer(9):
        assert time.monotonic() < deadline, "somebody has it"
        time.sleep(0.05)
    box.stop()
    box.start()
    assert back.receive(3) is None, "a broker that forgot nothing is offered nothing"


def test_the_word_that_took_back_an_acknowledged_page_survives_such_a_restart(site: Site) -> None:
    pager = site.pager("alert/critical")
    box = site.box()
    box.pages()
    pager.answer(page_of(pager), Answer.ACKNOWLEDGED, "stroke", "dr-7", 10)
    box.until(Stage.ACKNOWLEDGED)
    taken_back = alert(AlertStatus.RETRACTED)
    box.ledger.alert(taken_back, AlertMessages(box.settings).alert(taken_back))
    said = page_of(pager)
    box.until(Stage.RETRACTED)
    pager.close()
    box.stop()
    site.loses_its_state()
    box.start()
    offered_to_nobody(box)
    assert page_of(site.pager("alert/critical")).key == said.key
