"""A private certificate authority for a lab: its key, our certificate, and one for each scanner."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.errors import FixConfiguration

# Clocks of scanners are not always right.
_BACKDATED = timedelta(hours=1)
_PRIVATE_FOLDER, _PRIVATE_FILE, _PUBLIC_FILE = 0o700, 0o600, 0o644

PrivateKey = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM files."""

    certificate_file: Path
    key_file: Path

    @classmethod
    def at(cls, folder: Path, name: str) -> Pair:
        return cls(folder / f"{name}.pem", folder / f"{name}.key")


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs; its key stays in the folder and is only needed to make another certificate."""

    certificate: x509.Certificate
    key: PrivateKey

    @classmethod
    def create(cls, name: str, *, now: datetime, days: int) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = (
            _builder(subject, subject, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(builder.sign(key, SHA256()), key)

    @classmethod
    def load(cls, files: Pair) -> Authority:
        """Raises FixConfiguration when they are none that `create` made."""
        try:
            certificate = x509.load_pem_x509_certificate(files.certificate_file.read_bytes())
            key = serialization.load_pem_private_key(files.key_file.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise FixConfiguration(
                f"no certificate authority in {files.key_file.parent}: {error}",
                hint="edge tls init makes one.",
            ) from error
        if not isinstance(key, PrivateKey):
            raise FixConfiguration(f"{files.key_file} is not of a kind that edge tls makes")
        return cls(certificate, key)

    def issue(
        self, name: str, hosts: Iterable[str], *, serves: bool, now: datetime, days: int
    ) -> tuple[x509.Certificate, PrivateKey]:
        """A certificate for clients, and with `serves` for a server too; `hosts` are names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if serves:
            purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            _builder(_name(name), self.certificate.subject, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        names = [_general_name(host) for host in hosts]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, SHA256()), key


def refuse_to_overwrite(pairs: Sequence[Pair]) -> None:
    """Raises FixConfiguration when any of the files exists: certificates in use must not vanish."""
    paths = [path for pair in pairs for path in (pair.certificate_file, pair.key_file)]
    there = [str(path) for path in paths if path.exists() or path.is_symlink()]
    if there:
        raise FixConfiguration(
            f"would overwrite {', '.join(there)}", hint="Name another folder with --out, or move them away."
        )
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise FixConfiguration(f"two AE titles would share {', '.join(sorted(map(str, twice)))}")


def store(pair: Pair, certificate: x509.Certificate, key: PrivateKey) -> None:
    """The key is never readable by others, not even for a moment; raises FixConfiguration when it cannot."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        pair.key_file.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        _write_new(pair.key_file, private, _PRIVATE_FILE)
        _write_new(pair.certificate_file, certificate.public_bytes(serialization.Encoding.PEM), _PUBLIC_FILE)
    except OSError as error:
        raise FixConfiguration(f"cannot write {error.filename}: {error.strerror}") from error


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
