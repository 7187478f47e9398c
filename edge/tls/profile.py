"""Contexts of the profile: TLS 1.2 or newer, forward secrecy, authenticated encryption, both sides known.

RFC 9325: 3.1.1 versions, 3.3 no compression, 3.5 no renegotiation, 4.2 suites of TLS 1.2. Suites of
TLS 1.3 are all fit. Tickets are off, so a connection proves its certificate anew; but for one of TLS 1.2
that resumes, by id, the session of another that is still open (Python's ssl cannot turn that off): it stays
bound to the certificate which that one proved.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from edge.errors import FixConfiguration

# ECDHE with AEAD; level 2 asks for 112 bits of strength, RSA of 2048 bits for one.
SUITES_OF_TLS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:@SECLEVEL=2"
_FIRM = (
    ssl.OP_NO_COMPRESSION
    | ssl.OP_NO_RENEGOTIATION
    | ssl.OP_NO_TICKET
    | ssl.OP_CIPHER_SERVER_PREFERENCE
    | ssl.OP_SINGLE_ECDH_USE
)


def server_context(certificate_file: Path, key_file: Path, ca_file: Path) -> ssl.SSLContext:
    """Asks every client for a certificate of `ca_file`; raises OSError or ssl.SSLError for unfit files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _profile(context)
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ca_file)
    show_certificate(context, certificate_file, key_file)
    return context


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Checks the server's chain and name; without `ca_file` the system's authorities are trusted.

    Raises OSError or ssl.SSLError for an unfit file.
    """
    context = ssl.create_default_context(cafile=ca_file)
    _profile(context)
    return context


def show_certificate(context: ssl.SSLContext, certificate_file: Path, key_file: Path | None) -> None:
    """From now on handshakes prove who we are; raises OSError or ssl.SSLError for unfit files."""
    context.load_cert_chain(certificate_file, key_file, password=_no_password)


def _profile(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES_OF_TLS_1_2)
    context.options |= _FIRM


def _no_password() -> str:
    """A server must start without a person, so OpenSSL must not ask one at the terminal."""
    raise FixConfiguration(
        "the private key is encrypted",
        hint="Store it unencrypted with mode 0600: openssl pkey -in KEY -out NEW",
    )
