"""Whom the receiver admits, and what it records of how an association ends."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    XRayRadiationDoseSRStorage,
    generate_uid,
)
from pynetdicom import AE
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from edge.dicom.receiver import Receiver
from edge.domain.arrival import (
    AssociationAborted,
    AssociationOpened,
    AssociationReleased,
    InstanceStored,
)
from edge.errors import FixConfiguration
from edge.settings import DicomSettings
from edge.spool.inbox import Inbox
from edge.telemetry.events import AssociationRejected
from tests.contract.receiving import (
    CT,
    RealClock,
    Running,
    associate,
    changed,
    dcmtk,
    receiving,
    send,
    small_series,
)

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(**options: object) -> Running:
            return stack.enter_context(receiving(tmp_path / "state", free_port(), **options))

        yield begin


@pytest.fixture
def series() -> tuple[Dataset, ...]:
    return small_series()


@pytest.mark.peer("echoscu")
def test_an_echo_is_answered(start: Start) -> None:
    running = start()
    echoed = dcmtk("echoscu", "-aec", "EDGE", "127.0.0.1", running.port)
    assert echoed.returncode == 0, echoed.stderr
    running.wait_for(AssociationReleased)


@pytest.mark.peer("echoscu")
@pytest.mark.parametrize(
    ("titles", "words", "label"),
    [
        (("CT_1", "PACS"), "Called AE Title Not Recognized", "called_ae_title_not_recognized"),
        (("CT_2", "EDGE"), "Calling AE Title Not Recognized", "calling_ae_title_not_recognized"),
    ],
)
def test_strangers_are_rejected_for_good(
    start: Start, titles: tuple[str, str], words: str, label: str
) -> None:
    running = start(calling_ae_titles=("CT_1",))
    refused = dcmtk("echoscu", "-aet", titles[0], "-aec", titles[1], "127.0.0.1", running.port)
    assert refused.returncode != 0
    assert "Rejected Permanent, Source: Service User" in refused.stderr
    assert words in refused.stderr
    assert AssociationRejected(label, "127.0.0.1") in running.events
    assert running.journal() == []


@pytest.mark.peer("echoscu")
def test_one_association_too_many_is_rejected_for_now(start: Start) -> None:
    running = start(max_associations=1)
    first = associate(running)
    assert first.is_established
    # DCMTK, for pynetdicom may lose a rejection to its own closing of the connection.
    refused = dcmtk("echoscu", "-aec", "EDGE", "127.0.0.1", running.port)
    assert refused.returncode != 0
    assert "Rejected Transient, Source: Service Provider (Presentation" in refused.stderr, refused.stderr
    assert "Local Limit Exceeded" in refused.stderr
    first.release()
    running.wait_for(AssociationReleased)
    third = associate(running)
    assert third.is_established
    third.release()


def test_release_and_abort_are_recorded_in_order(start: Start, series: tuple[Dataset, ...]) -> None:
    running = start()
    send(running, series[0])
    running.wait_for(AssociationReleased)
    association = associate(running)
    assert association.send_c_store(series[1]).Status == 0x0000
    association.abort()
    (aborted,) = running.wait_for(AssociationAborted)
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason == "peer_aborted"
    kinds = [type(e) for e in running.journal()]
    assert kinds == [
        *(AssociationOpened, InstanceStored, AssociationReleased),
        *(AssociationOpened, InstanceStored, AssociationAborted),
    ]


def test_a_lost_connection_is_an_abort(start: Start) -> None:
    running = start()
    association = associate(running)
    association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    (aborted,) = running.wait_for(AssociationAborted)
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason == "connection_lost"


def test_a_broken_protocol_is_an_abort(start: Start) -> None:
    running = start()
    association = associate(running)
    association.dul.socket.socket.sendall(b"\x63\x00\x00\x00\x00\x04evil")
    (aborted,) = running.wait_for(AssociationAborted)
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason == "protocol_error"


@pytest.mark.parametrize("tail", [b"", b"\x04\x00\x00\x01\x00\x00half"], ids=["silent", "within_a_pdu"])
def test_a_silent_peer_is_aborted(start: Start, tail: bytes) -> None:
    running = start(idle_timeout_s=0.5)
    association = associate(running)
    association.dul.socket.socket.sendall(tail)
    (aborted,) = running.wait_for(AssociationAborted)
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason in {"idle_timeout", "connection_lost"}
    if not tail:
        assert aborted.reason == "idle_timeout"


@pytest.mark.parametrize("kind", [b"\x01", b"\x04"], ids=["associate_rq", "p_data_tf"])
def test_a_first_pdu_that_claims_too_much_is_aborted_unread(start: Start, kind: bytes) -> None:
    running = start()
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as stranger:
        stranger.sendall(kind + b"\0" + (65537).to_bytes(4, "big"))
        answer = stranger.recv(100)
        assert (answer[:1], len(answer)) == (b"\x07", 10)
        assert stranger.recv(100) == b""
    assert running.journal() == []


def test_a_first_pdu_of_the_longest_size_is_read(start: Start) -> None:
    running = start(idle_timeout_s=0.5)
    with socket.create_connection(("127.0.0.1", running.port), timeout=0.2) as stranger:
        stranger.sendall(b"\x01\0" + (65536).to_bytes(4, "big"))
        with pytest.raises(TimeoutError):
            stranger.recv(100)


def test_a_pdu_longer_than_was_offered_aborts_the_association(start: Start) -> None:
    running = start(max_pdu_bytes=65536)
    association = associate(running)
    association.dul.socket.socket.sendall(b"\x04\0" + (2 * 65536 + 1).to_bytes(4, "big"))
    (aborted,) = running.wait_for(AssociationAborted)
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason == "protocol_error"


def test_stopping_aborts_who_does_not_finish(start: Start) -> None:
    running = start()
    association = associate(running)
    assert association.is_established
    running.receiver.stop(grace_s=0.1)
    (aborted,) = running.wait_for(AssociationAborted)
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason == "receiver_stopped"


def test_a_port_in_use_is_a_matter_of_configuration(start: Start) -> None:
    running = start()
    settings = DicomSettings(port=running.port)
    inbox = Inbox(running.state_dir.with_name("other"), min_free_bytes=0, clock=RealClock())
    with pytest.raises(FixConfiguration, match="cannot listen") as refused:
        Receiver(settings, inbox, RealClock(), running.events.append).start()
    assert "dicom.port" in refused.value.advice
    inbox.close()


def test_storage_commitment_is_refused_and_the_images_are_taken(
    start: Start, series: tuple[Dataset, ...]
) -> None:
    running = start()
    scanner = AE("CT_1")
    scanner.add_requested_context(CT, ExplicitVRLittleEndian)
    scanner.add_requested_context(StorageCommitmentPushModel)
    association = scanner.associate("127.0.0.1", running.port, ae_title="EDGE")
    assert association.is_established
    assert [c.abstract_syntax for c in association.accepted_contexts] == [CT]
    (refused,) = association.rejected_contexts
    assert (refused.abstract_syntax, refused.result) == (StorageCommitmentPushModel, 3)
    with pytest.raises(ValueError, match="No presentation context"):
        association.send_n_action(
            Dataset(), 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
    assert [association.send_c_store(d).Status for d in series] == [0x0000] * len(series)
    association.release()
    running.wait_for(AssociationReleased)
    assert len(running.kept()) == len(series)


def test_a_peer_that_only_asks_for_commitment_can_do_nothing(start: Start) -> None:
    running = start()
    scanner = AE("CT_1")
    scanner.add_requested_context(StorageCommitmentPushModel)
    association = scanner.associate("127.0.0.1", running.port, ae_title="EDGE")
    assert [c.result for c in association.rejected_contexts] == [3]
    assert association.accepted_contexts == []
    # pynetdicom as the SCU aborts an association that came to nothing.
    running.wait_for(AssociationAborted)
    assert running.kept() == []


def test_a_dose_report_and_a_presentation_state_are_taken_beside_the_images(
    start: Start, series: tuple[Dataset, ...]
) -> None:
    running = start()
    dose, state = (
        changed(series[0], SOPClassUID=uid, SOPInstanceUID=generate_uid())
        for uid in (XRayRadiationDoseSRStorage, GrayscaleSoftcopyPresentationStateStorage)
    )
    scanner = AE("CT_1")
    for uid in (CT, dose.SOPClassUID, state.SOPClassUID):
        scanner.add_requested_context(uid, ExplicitVRLittleEndian)
    association = scanner.associate("127.0.0.1", running.port, ae_title="EDGE")
    assert [association.send_c_store(d).Status for d in (series[0], dose, state)] == [0x0000] * 3
    association.release()
    kinds = [e.instance.sop_class_uid for e in running.wait_for(InstanceStored, 3)]
    assert kinds == [CT, dose.SOPClassUID, state.SOPClassUID]
