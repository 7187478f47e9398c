"""Audit messages on their way to rsyslog over TLS: taken as they are meant, kept while it is away."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from edge.audit.message import Writer
from edge.audit.syslog import SyslogConnection
from edge.audit_sender import AuditSender
from edge.audit_trail import AuditTrail
from edge.cli import main
from edge.clock import SystemClock
from edge.domain.audit import Indicator, InstancesTransferred
from edge.errors import FixConfiguration
from edge.settings_audit import AuditSettings
from edge.spool.audit_spool import AuditSpool
from edge.telemetry.degraded_events import AuditSendFailed
from edge.telemetry.events import ApplianceStarted, Happening
from tests.contract.repository import Rsyslog
from tests.contract.test_audit_message import SCHEMA, SOURCE, TRANSFER

pytestmark = [pytest.mark.peer("rsyslogd"), pytest.mark.timeout(120)]

CLOCK = SystemClock()


class Site:
    """A repository, and an appliance that tells it."""

    def __init__(self, folder: Path, port: int) -> None:
        certificates = folder / "certificates"
        made = ["tls", "init", "--out", str(certificates), "--broker", "127.0.0.1", "--peer", "auditor"]
        assert main(made) == 0
        (folder / "repository").mkdir()
        self.repository = Rsyslog(folder / "repository", certificates, port)
        self.settings = AuditSettings(
            host="127.0.0.1",
            port=port,
            ca_file=certificates / "ca.pem",
            certificate_file=certificates / "peer-auditor.pem",
            key_file=certificates / "peer-auditor.key",
            timeout_s=5,
        )
        self.happenings: list[Happening] = []
        self.spool = AuditSpool(folder / "state", 1000, CLOCK)
        writer = Writer(SOURCE, lambda kind, name: f"{kind}-token", identifiers=False)
        self.trail = AuditTrail(writer, self.spool, None, CLOCK, self.happenings.append)
        self.trail.start()
        self.sender = AuditSender(self.spool, SyslogConnection(self.settings), CLOCK, self.happenings.append)
        self._thread = threading.Thread(target=self.sender.run)
        self._thread.start()

    def close(self) -> None:
        self.trail.close()
        self.sender.stop()
        self._thread.join(30)
        self.repository.stop()

    def events(self) -> list[str]:
        found: list[str] = []
        for xml in self.repository.messages():
            root = etree.fromstring(xml)
            assert SCHEMA.validate(root), SCHEMA.error_log
            event = root.find("EventIdentification/EventID")
            assert event is not None
            found.append(event.get("originalText") or "")
        return found

    def until(self, met: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not met():
            assert time.monotonic() < deadline, f"{what}: {self.events()}, {self.happenings[-5:]}"
            time.sleep(0.05)


@pytest.fixture
def site(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Site]:
    made = Site(tmp_path, free_port())
    yield made
    made.close()


def transfer(number: int) -> InstancesTransferred:
    return replace(TRANSFER, description=f"number {number}", indicator=Indicator.MINOR)


def test_rsyslog_takes_each_message_as_it_is_meant(site: Site) -> None:
    site.repository.start()
    site.trail.emit(ApplianceStarted("agent", "0.2.0"))
    site.trail.record(lambda: [TRANSFER])
    site.until(lambda: len(site.events()) == 2, "two messages")
    assert site.events() == ["Application Activity", "DICOM Instances Transferred"]
    for host, program, msgid, priority, _ in site.repository.received():
        assert (host, program, msgid, priority) == (SOURCE.host, "edge", "DICOM+RFC3881", "85")
    site.until(lambda: site.spool.waiting() == [], "the spool is empty")


def test_while_it_is_away_messages_wait_and_come_in_order(site: Site) -> None:
    for number in range(20):
        site.trail.record(lambda n=number: [transfer(n)])
    site.until(lambda: any(isinstance(h, AuditSendFailed) for h in site.happenings), "a failed attempt")
    site.repository.start()
    site.until(lambda: len(site.events()) == 20, "all of them")
    numbers = [etree.fromstring(x).findtext(".//EventOutcomeDescription") for x in site.repository.messages()]
    assert numbers == [f"number {n}" for n in range(20)]


def test_a_repository_that_is_killed_gets_at_least_once_what_was_under_way(site: Site) -> None:
    site.repository.start()
    sent = 40
    for number in range(sent):
        site.trail.record(lambda n=number: [transfer(n)])
        if number == sent // 2:
            site.until(lambda: len(site.events()) > 0, "the first")
            site.repository.stop(signal.SIGKILL)
    site.repository.start()
    wanted = {f"number {n}" for n in range(sent)}

    def found() -> set[str | None]:
        return {
            etree.fromstring(x).findtext(".//EventOutcomeDescription") for x in site.repository.messages()
        }

    site.until(lambda: found() == wanted, "every message")


def test_without_a_certificate_the_repository_takes_nothing_and_all_is_kept(
    site: Site, tmp_path: Path
) -> None:
    site.repository.start()
    strangers = SyslogConnection(
        site.settings.model_copy(update={"certificate_file": None, "key_file": None})
    )
    spool = AuditSpool(tmp_path / "stranger", 100, CLOCK)
    spool.put(b"<85>1 - - edge 1 DICOM+RFC3881 - forged")
    sender = AuditSender(spool, strangers, CLOCK, site.happenings.append)
    for _ in range(4):
        sender.turn()
        time.sleep(1.0)
    assert len(spool.waiting()) == 1
    assert site.repository.received() == []
    strangers.close()


def test_a_key_that_others_can_read_is_refused(site: Site) -> None:
    assert site.settings.key_file is not None
    site.settings.key_file.chmod(0o640)
    with pytest.raises(FixConfiguration, match=r"audit\.key_file .* has mode 0640"):
        SyslogConnection(site.settings)
