"""DICOM over TLS beside the plain port, with foreign senders: who is believed, and what stays alive."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLSession, SSLSocket, TLSVersion

import pytest
from pynetdicom import AE

from edge.cli import main
from edge.dicom.upper_layer import events as told
from edge.dicom.upper_layer.associate import AssociateRequest
from edge.dicom.upper_layer.layer import UpperLayer
from edge.dicom.upper_layer.user_information import UserInformation
from edge.domain.arrival import AssociationReleased, InstanceStored
from edge.telemetry.events import AssociationRejected
from edge.telemetry.tls_events import CertificatesReplaced, TlsHandshakeFailed
from edge.tls.profile import client_context, show_certificate
from tests.contract.certificates import OTHER, OWN, SCANNER, Lab, s_client
from tests.contract.receiving import CT, Running, dcmtk, receiving, small_series, write

NOT_RECOGNIZED = "calling_ae_title_not_recognized"


@dataclass(frozen=True)
class Both:
    """A receiver with both ports."""

    running: Running
    tls_port: int
    lab: Lab

    def echo(self, title: str, certificate: str | None, *options: str) -> int:
        """Exit code of DCMTK's echoscu; without a certificate on the plain port."""
        tls = [*self.lab.dcmtk(certificate)] if certificate is not None else []
        port = self.tls_port if certificate is not None else self.running.port
        return dcmtk("echoscu", *tls, *options, "-aet", title, "-aec", "EDGE", "127.0.0.1", port).returncode


@pytest.fixture
def both(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Both]:
    lab, tls_port = Lab.make(tmp_path / "tls"), free_port()
    peers = [*lab.peers(), {"ae_title": "OLD_CR", "addresses": ["127.0.0.0/8"], "plain": True}]
    with ExitStack() as stack:
        running = stack.enter_context(
            receiving(tmp_path / "state", free_port(), tls=lab.settings(tls_port), peers=peers)
        )
        yield Both(running, tls_port, lab)


@pytest.mark.peer("storescu")
def test_a_series_over_tls_is_kept_as_it_came(both: Both, tmp_path: Path) -> None:
    files = [write(d, tmp_path / f"{i}.dcm") for i, d in enumerate(small_series())]
    sent = dcmtk(
        *("storescu", *both.lab.dcmtk(SCANNER), "-aet", "CT_1", "-aec", "EDGE"),
        *("127.0.0.1", both.tls_port, *files),
    )
    assert sent.returncode == 0, sent.stderr
    both.running.wait_for(AssociationReleased)
    assert len(both.running.wait_for(InstanceStored, 4)) == 4


@pytest.mark.peer("echoscu")
@pytest.mark.parametrize(
    ("title", "certificate", "mismatch"),
    [
        ("CT_1", SCANNER, ""),
        ("CT_2", SCANNER, "other_certificate"),
        ("OLD_CR", SCANNER, "other_certificate"),
        ("CT_9", SCANNER, "unlisted_title"),
        ("OLD_CR", None, ""),
        ("CT_1", None, "plain_not_allowed"),
        ("CT_9", None, "unlisted_title"),
    ],
)
def test_a_title_needs_its_own_certificate_and_plain_its_own_row(
    both: Both, title: str, certificate: str | None, mismatch: str
) -> None:
    accepted = both.echo(title, certificate) == 0
    assert accepted == (mismatch == "")
    rejected = AssociationRejected(NOT_RECOGNIZED, "127.0.0.1", mismatch)
    assert (rejected in both.running.events) == (not accepted)


@pytest.mark.peer("echoscu")
@pytest.mark.parametrize("profile", ["--profile-bcp195-nd", "--profile-bcp195", "--profile-bcp195-ex"])
def test_the_profiles_of_dcmtk_fit(both: Both, profile: str) -> None:
    assert both.echo("CT_1", SCANNER, profile) == 0


@pytest.mark.peer("echoscu", "openssl")
def test_failed_handshakes_are_told_and_hold_up_nobody(both: Both) -> None:
    assert both.echo("CT_1", SCANNER, "--profile-null") != 0
    assert s_client(both.tls_port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0").returncode != 0
    plain = dcmtk("echoscu", "-aet", "OLD_CR", "-aec", "EDGE", "127.0.0.1", both.tls_port)
    assert plain.returncode != 0
    assert both.echo("CT_1", SCANNER) == 0
    reasons = {e.reason for e in both.running.events if isinstance(e, TlsHandshakeFailed)}
    assert {"version_too_low", "not_tls"} <= reasons


def test_our_own_scanner_speaks_tls_too(both: Both, capsys: pytest.CaptureFixture[str]) -> None:
    def send(title: str, authority: Path, certificate: str) -> int:
        files = (authority, both.lab.pair(certificate).certificate_file, both.lab.pair(certificate).key_file)
        options = ["--matrix", "64", "--slices", "2", "--spacing", "32", "--port", str(both.tls_port)]
        return main(["send", "--calling", title, *options, "--tls", *map(str, files)])

    assert send("CT_1", both.lab.ca, SCANNER) == 0
    both.running.wait_for(InstanceStored, 2)
    assert send("CT_2", both.lab.ca, SCANNER) == 78
    assert "calling ae title not recognized" in capsys.readouterr().err
    stranger = both.lab.pair(OTHER).certificate_file
    assert send("CT_1", stranger, SCANNER) == 69, "a receiver of another authority is not trusted"
    assert send("CT_1", both.lab.folder / "none.pem", SCANNER) == 78


@pytest.mark.parametrize("version", [TLSVersion.TLSv1_2, TLSVersion.TLSv1_3])
def test_who_resumes_a_session_is_bound_to_the_certificate_that_made_it(
    both: Both, version: TLSVersion
) -> None:
    """By session id, while its first connection is open: Python's ssl has nothing to forbid that."""
    context = client_context(both.lab.ca)
    context.minimum_version = context.maximum_version = version
    pair = both.lab.pair(SCANNER)
    show_certificate(context, pair.certificate_file, pair.key_file)

    def connected(session: SSLSession | None = None) -> SSLSocket:
        plain = socket.create_connection(("127.0.0.1", both.tls_port), timeout=10)
        return context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)

    def asked(encrypted: SSLSocket, title: str) -> told.Indication:
        layer = UpperLayer(max_pdu_bytes=16384)
        user = UserInformation(max_pdu_bytes=16384)
        layer.connect(AssociateRequest("EDGE", title, ((1, CT, ("1.2.840.10008.1.2",)),), user))
        layer.connected()
        encrypted.sendall(layer.bytes_to_send())
        (answer,) = layer.receive(encrypted.recv(65536))
        return answer

    with connected() as first:
        assert isinstance(asked(first, "CT_1"), told.AssociationConfirmed)
        session = first.session
        with connected(session) as one, connected(session) as other:
            assert {one.session_reused, other.session_reused} == {version is TLSVersion.TLSv1_2}
            assert isinstance(asked(one, "CT_2"), told.AssociationRejected)
            assert isinstance(asked(other, "CT_1"), told.AssociationConfirmed)
    assert AssociationRejected(NOT_RECOGNIZED, "127.0.0.1", "other_certificate") in both.running.events
    deadline = time.monotonic() + 10
    while True:
        with connected(session) as late:
            if not late.session_reused:
                return
        assert time.monotonic() < deadline, "its first connection is closed"
        time.sleep(0.05)


def test_certificates_are_replaced_without_dropping_an_association(both: Both) -> None:
    pair = both.lab.pair(SCANNER)
    context = client_context(both.lab.ca)
    show_certificate(context, pair.certificate_file, pair.key_file)
    scu = AE("CT_1")
    scu.add_requested_context(CT, small_series()[0].file_meta.TransferSyntaxUID)
    where = {"ae_title": "EDGE", "tls_args": (context, "127.0.0.1")}
    first = scu.associate("127.0.0.1", both.tls_port, **where)
    assert first.send_c_store(small_series()[0]).Status == 0x0000
    both.lab.issue(OWN, days=200, serves=True)
    deadline = time.monotonic() + 15
    while not any(isinstance(e, CertificatesReplaced) for e in both.running.events):
        assert time.monotonic() < deadline, "the new files were never taken"
        time.sleep(0.05)
    assert first.send_c_store(small_series()[1]).Status == 0x0000
    second = scu.associate("127.0.0.1", both.tls_port, **where)
    assert second.send_c_store(small_series()[2]).Status == 0x0000
    for association in (first, second):
        association.release()
    assert len(both.running.wait_for(AssociationReleased, 2)) == 2


@pytest.mark.parametrize("name", [SCANNER, OTHER])
def test_an_idle_association_over_tls_is_aborted_in_good_order(
    tmp_path: Path, free_port: Callable[[], int], name: str
) -> None:
    lab, tls_port = Lab.make(tmp_path / "tls"), free_port()
    tls = lab.settings(tls_port)
    with receiving(tmp_path / "state", free_port(), tls=tls, peers=lab.peers(), idle_timeout_s=0.5):
        context = client_context(lab.ca)
        show_certificate(context, lab.pair(name).certificate_file, lab.pair(name).key_file)
        scu = AE("CT_1" if name == SCANNER else "CT_2")
        scu.add_requested_context(CT)
        association = scu.associate("127.0.0.1", tls_port, ae_title="EDGE", tls_args=(context, "127.0.0.1"))
        assert association.is_established
        association.join(10)
        assert association.is_aborted
