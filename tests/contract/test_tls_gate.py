"""The TLS port's handshake against OpenSSL's client: who comes in, who does not, and what is told."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from edge.clock import SystemClock
from edge.dicom.peers import Peer
from edge.dicom.tls_gate import TlsGate
from edge.errors import FixConfiguration
from edge.telemetry.tls_events import (
    CertificateExpiring,
    CertificateMeasured,
    CertificatesRefused,
    CertificatesReplaced,
    TlsHandshakeFailed,
    TlsHappening,
)
from edge.tls.lab import Authority
from edge.tls.profile import client_context, show_certificate
from tests.contract.certificates import OTHER, OWN, SCANNER, Lab, s_client

pytestmark = pytest.mark.peer("openssl")

HANDSHAKE_S = 1.0


class Door:
    """A TlsGate behind a port; every connection gets its handshake in a thread of its own."""

    def __init__(self, lab: Lab) -> None:
        self.events: list[TlsHappening] = []
        self.peers: list[Peer] = []
        self.entered = threading.Semaphore(0)
        self.gate = TlsGate(lab.settings(), SystemClock(), self.events.append)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def outcome(self) -> str:
        """of the next handshake that is over: a reason, or empty."""
        assert self.entered.acquire(timeout=10)
        last = self.events[-1] if self.events else None
        return last.reason if isinstance(last, TlsHandshakeFailed) else ""

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, (address, _) = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._enter, args=(connection, address), daemon=True).start()

    def _enter(self, connection: socket.socket, address: str) -> None:
        try:
            encrypted = self.gate.wrap(connection)
            peer = self.gate.enter(encrypted, address, HANDSHAKE_S)
        except ConnectionAbortedError:
            self.entered.release()
            return
        self.peers.append(peer)
        self.entered.release()
        encrypted.close()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.make(tmp_path / "tls")


@pytest.fixture
def door(lab: Lab) -> Iterator[Door]:
    opened = Door(lab)
    yield opened
    opened.close()


def shown(lab: Lab, name: str) -> list[object]:
    pair = lab.pair(name)
    return ["-CAfile", lab.ca, "-cert", pair.certificate_file, "-key", pair.key_file]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_listed_certificate_comes_in_and_is_known(lab: Lab, door: Door, version: str) -> None:
    said = s_client(door.port, version, "-verify_return_error", *shown(lab, SCANNER)).stdout
    assert door.outcome() == ""
    (peer,) = door.peers
    assert peer.address == "127.0.0.1"
    assert peer.certificate is not None
    assert {lab.fingerprint(SCANNER), "subject:CN=CT_1"} <= peer.certificate
    assert "Verify return code: 0 (ok)" in said
    assert "Compression: NONE" in said
    if version == "-tls1_2":
        assert "Secure Renegotiation IS supported" in said
        assert "ECDHE" in said


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_what_rfc_8996_deprecates_is_refused(lab: Lab, door: Door, version: str) -> None:
    # Level 0: Debian's own default would not even let the client try.
    said = s_client(door.port, version, "-cipher", "ALL:@SECLEVEL=0", *shown(lab, SCANNER))
    assert said.returncode != 0
    assert door.outcome() == "version_too_low"


@pytest.mark.parametrize(
    "suite", ["AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384", "DHE-RSA-AES256-GCM-SHA384"]
)
def test_suites_without_forward_secrecy_or_aead_are_refused(lab: Lab, door: Door, suite: str) -> None:
    s_client(door.port, "-tls1_2", "-cipher", suite, *shown(lab, SCANNER))
    assert door.outcome() == "no_shared_suite"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_nobody_comes_in_without_a_certificate(lab: Lab, door: Door, version: str) -> None:
    s_client(door.port, version, "-CAfile", lab.ca)
    assert door.outcome() == "no_certificate"


def test_certificates_of_another_authority_expired_or_for_servers_are_told_apart(
    lab: Lab, door: Door, tmp_path: Path
) -> None:
    stranger = Lab.make(tmp_path / "stranger")
    s_client(door.port, *shown(stranger, SCANNER))
    assert door.outcome() == "unknown_ca"
    lab.issue("peer-OLD", days=1, ago_days=3)
    s_client(door.port, *shown(lab, "peer-OLD"))
    assert door.outcome() == "expired"


@pytest.mark.parametrize(
    "words", [b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\x00\x00\x00\xcd\x00\x01\x00\x00EDGE", b"\xff" * 64]
)
def test_what_is_no_tls_is_told_as_such(door: Door, words: bytes) -> None:
    with socket.create_connection(("127.0.0.1", door.port)) as plain:
        plain.sendall(words)
        assert door.outcome() == "not_tls"


@pytest.mark.parametrize("drip", [b"", b"\x16"], ids=["silent", "dripping"])
def test_a_slow_client_is_let_go_and_holds_up_nobody(lab: Lab, door: Door, drip: bytes) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", door.port)) as slow:
        slow.sendall(drip)
        s_client(door.port, *shown(lab, SCANNER))
        assert door.outcome() == ""
        assert door.outcome() == "timeout"
        assert time.monotonic() - began < 8
    assert len(door.peers) == 1


def test_a_client_that_hangs_up_is_told(door: Door) -> None:
    socket.create_connection(("127.0.0.1", door.port)).close()
    assert door.outcome() == "connection_lost"


def test_no_session_is_resumed_so_every_connection_proves_its_certificate(lab: Lab, door: Door) -> None:
    pair = lab.pair(SCANNER)
    context = client_context(lab.ca)
    show_certificate(context, pair.certificate_file, pair.key_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session: ssl.SSLSession | None = None
    for _ in range(2):
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", door.port)), server_hostname="127.0.0.1", session=session
        ) as encrypted:
            assert not encrypted.session_reused
            session = encrypted.session
        assert door.outcome() == ""
    assert len(door.peers) == 2


def served(lab: Lab, door: Door) -> str:
    """Fingerprint of the certificate the door shows now."""
    pair = lab.pair(SCANNER)
    context = client_context(lab.ca)
    show_certificate(context, pair.certificate_file, pair.key_file)
    plain = socket.create_connection(("127.0.0.1", door.port))
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
        encoded = encrypted.getpeercert(binary_form=True)
    assert encoded is not None
    assert door.outcome() == ""
    names = [lab.fingerprint(name) for name in (OWN,)]
    return names[0] if ssl.DER_cert_to_PEM_cert(encoded).split() == _pem(lab) else "another"


def _pem(lab: Lab) -> list[str]:
    return lab.pair(OWN).certificate_file.read_text().split()


def test_new_files_are_used_from_the_next_handshake_on(lab: Lab, door: Door) -> None:
    first = served(lab, door)
    lab.issue(OWN, days=5, serves=True)
    assert served(lab, door) == "another", "nobody has looked yet"
    door.gate.look()
    assert served(lab, door) == "another", "the files may still be changing"
    door.gate.look()
    assert served(lab, door) == lab.fingerprint(OWN) != first
    kinds = [type(e) for e in door.events]
    assert kinds == [CertificatesReplaced, CertificateMeasured, CertificateExpiring]
    door.gate.look()
    assert len(door.events) == 3


def test_a_broken_new_file_keeps_the_old_one_loudly(lab: Lab, door: Door) -> None:
    lab.pair(OWN).key_file.write_text("half a key")
    for _ in range(4):
        door.gate.look()
    s_client(door.port, *shown(lab, OTHER))
    assert door.entered.acquire(timeout=10)
    assert len(door.peers) == 1
    (told,) = door.events
    assert isinstance(told, CertificatesRefused)
    assert "the old one stays in use" in told.detail
    lab.issue(OWN, days=300, serves=True)
    door.gate.look()
    door.gate.look()
    assert isinstance(door.events[1], CertificatesReplaced)


def unreadable(lab: Lab, name: str) -> None:
    """Signed by the lab, with an alternative name of a kind (x400Address) x509 cannot read."""
    certificate = x509.load_pem_x509_certificate(lab.pair(name).certificate_file.read_bytes())
    authority = Authority.load(lab.pair("ca"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(certificate.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(certificate.not_valid_before_utc)
        .not_valid_after(certificate.not_valid_after_utc)
    )
    for extension in certificate.extensions:
        if not isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, extension.critical)
    name_of_x400 = x509.UnrecognizedExtension(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3004a3020500")
    )
    made = builder.add_extension(name_of_x400, critical=False).sign(authority.key, SHA256())
    lab.pair(name).certificate_file.write_bytes(made.public_bytes(Encoding.PEM))


def test_a_certificate_with_a_strange_name_is_told_of_and_replaces_nothing(lab: Lab, door: Door) -> None:
    unreadable(lab, SCANNER)
    s_client(door.port, *shown(lab, SCANNER))
    assert door.outcome() == "certificate_unreadable"
    unreadable(lab, OWN)
    door.gate.look()
    door.gate.look()
    assert isinstance(door.events[-1], CertificatesRefused)
    s_client(door.port, *shown(lab, OTHER))
    assert door.entered.acquire(timeout=10)
    assert len(door.peers) == 1


def test_the_time_left_is_measured_and_warned_of_once_a_day(lab: Lab) -> None:
    lab.issue(OWN, days=20, serves=True)
    door = Door(lab)
    door.gate.measure()
    door.gate.measure()
    door.close()
    measured, expiring, again = door.events
    assert isinstance(measured, CertificateMeasured)
    assert measured.expires_in_s == pytest.approx(20 * 86400, abs=60)
    assert expiring == CertificateExpiring("dicom", 20.0)
    assert isinstance(again, CertificateMeasured)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda lab: lab.issue(OWN, days=1, ago_days=3, serves=True), "expired"),
        (lambda lab: lab.pair(OWN).certificate_file.write_text("no PEM"), "no PEM certificate"),
        (lambda lab: lab.ca.unlink(), "cannot read"),
        (
            lambda lab: lab.pair(OWN).key_file.write_bytes(lab.pair(OTHER).key_file.read_bytes()),
            "cannot be used together",
        ),
    ],
)
def test_files_that_cannot_serve_are_refused_at_start(lab: Lab, spoil: object, told: str) -> None:
    assert callable(spoil)
    spoil(lab)
    with pytest.raises(FixConfiguration, match=told):
        TlsGate(lab.settings(), SystemClock(), lambda _: None)


def test_an_encrypted_key_asks_nobody_at_a_terminal(lab: Lab) -> None:
    key = lab.pair(OWN).key_file
    locked = key.with_suffix(".locked")
    subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x", "-out", str(locked)], check=True
    )
    with pytest.raises(FixConfiguration, match="encrypted"):
        TlsGate(lab.settings(key_file=locked), SystemClock(), lambda _: None)
