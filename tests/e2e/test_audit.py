"""The whole appliance tells a real rsyslog what an auditor asks about, and nothing of the patient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from edge.cli import main
from edge.clock import SystemClock
from edge.dicom.send_plan import PhantomSource, SendPlan
from edge.dicom.sender import run
from edge.domain.identity import AETitle
from edge.errors import EdgeError
from edge.imaging.phantom import Acquisition
from tests.contract.repository import Rsyslog
from tests.contract.test_audit_message import SCHEMA
from tests.e2e.appliance import Appliance

pytestmark = [pytest.mark.peer("mosquitto", "rsyslogd"), pytest.mark.timeout(240)]


def test_starts_transfers_strangers_and_stops_are_told_once_without_identifiers(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    certificates = tmp_path / "certificates"
    made = ["tls", "init", "--out", str(certificates), "--broker", "127.0.0.1", "--peer", "auditor"]
    assert main(made) == 0
    (tmp_path / "repository").mkdir()
    repository = Rsyslog(tmp_path / "repository", certificates, free_port())
    repository.start()
    given = {
        "HOST": "127.0.0.1",
        "PORT": str(repository.port),
        "CA_FILE": str(certificates / "ca.pem"),
        "CERTIFICATE_FILE": str(certificates / "peer-auditor.pem"),
        "KEY_FILE": str(certificates / "peer-auditor.key"),
    }
    scanner = Appliance(tmp_path, **{f"EDGE_AUDIT__{name}": value for name, value in given.items()})
    with scanner:
        dicom = scanner.settings.dicom
        phantom = PhantomSource(seed=3, acquisition=Acquisition(rows=128, columns=128, pixel_spacing_mm=1.8))
        plan = SendPlan(
            sources=(phantom,),
            host=dicom.host,
            port=dicom.port,
            called_ae_title=AETitle(dicom.ae_title),
            slices_per_s=100.0,
        )
        sent = run(plan, clock=SystemClock(), on_progress=lambda _: None)
        stranger = SendPlan(
            sources=(phantom,), host=dicom.host, port=dicom.port, called_ae_title=AETitle("NOT_US")
        )
        with pytest.raises(EdgeError):
            run(stranger, clock=SystemClock(), on_progress=lambda _: None)
        scanner.pager.until_results(1, timeout_s=120)
    repository.stop()
    # The receiver stops after the agent, which sends: its last word waits in the spool for the next start.
    spooled = [p.read_bytes().partition(b"\xef\xbb\xbf")[2] for p in (scanner.state_dir / "audit").iterdir()]
    sent_or_spooled = {*repository.messages(), *spooled}
    roots = [etree.fromstring(xml) for xml in sent_or_spooled]
    assert all(SCHEMA.validate(root) for root in roots)
    events = [_event(root) for root in roots]
    name = scanner.settings.appliance.name
    assert sorted(e for e in events if e[0] == "Application Activity") == [
        ("Application Activity", "Application Start", f"{name}:agent"),
        ("Application Activity", "Application Start", f"{name}:receiver"),
        ("Application Activity", "Application Stop", f"{name}:agent"),
        ("Application Activity", "Application Stop", f"{name}:receiver"),
    ]
    assert ("Security Alert", "Node Authentication", f"{name}:security") in events
    (transfer,) = (root for root in roots if _event(root)[0] == "DICOM Instances Transferred")
    counts = [int(e.get("NumberOfInstances", "0")) for e in transfer.iter("SOPClass")]
    assert sum(counts) == len(sent.instances)
    assert b"Application Start" in b"".join(repository.messages()), "nothing was sent while it ran"
    text = b"".join(sent_or_spooled).decode()
    assert not [i for i in sent.instances if i.sop_instance_uid in text], "a SOP Instance UID went out"
    assert "PHANTOM" not in text


def _event(root: etree._Element) -> tuple[str, str, str]:
    event, participants = root.find("EventIdentification"), root.findall("ActiveParticipant")
    assert event is not None
    kind = event.find("EventTypeCode")
    said = event.find("EventID")
    assert said is not None
    type_code = "" if kind is None else kind.get("originalText", "")
    return said.get("originalText", ""), type_code, participants[0].get("UserID", "")
