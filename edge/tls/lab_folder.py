"""A folder with a private authority and its certificates, and what to put into the settings for it."""

from __future__ import annotations

import ipaddress
import json
import shlex
import socket
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from edge.clock import SystemClock
from edge.domain.identity import AETitle
from edge.errors import FixConfiguration
from edge.tls.certificate import certificates_in
from edge.tls.lab import Authority, Pair, refuse_to_overwrite, store

_AUTHORITY, _APPLIANCE, _BROKER = "ca", "edge", "broker"
_AUTHORITY_DAYS = 3650
_ANY_NAME = 64  # of a common name (RFC 5280 A.1)
_LOCAL = ("localhost", "127.0.0.1", "::1")
_DAY_S = 86400

# Title, and the address or network it calls from, or nothing.
LabPeer = tuple[AETitle, str]
Say = Callable[[str], None]


def create(
    folder: Path, names: Iterable[str], brokers: Sequence[str], peers: Sequence[LabPeer], days: int, say: Say
) -> None:
    """`names` are what peers reach this appliance by, `brokers` what everybody reaches the MQTT broker by.

    Raises FixConfiguration rather than overwrite.
    """
    authority_files, own_files, broker_files = (Pair.at(folder, n) for n in (_AUTHORITY, _APPLIANCE, _BROKER))
    planned = [authority_files, own_files, *([broker_files] if brokers else [])]
    refuse_to_overwrite([*planned, *(_files(folder, title) for title, _ in peers)])
    here, now = socket.gethostname(), SystemClock().utc()
    hosts = list(dict.fromkeys([*_LOCAL, here, *names]))
    authority = Authority.create(f"edge lab of {here}"[:_ANY_NAME], now=now, days=_AUTHORITY_DAYS)
    own = authority.issue(_APPLIANCE, hosts, serves=True, now=now, days=days)
    store(authority_files, authority.certificate, authority.key)
    store(own_files, *own)
    say(f"# for edge.toml; peers reach this appliance as {', '.join(hosts)}")
    say("[dicom_tls]\nport = 2762")
    say(f"certificate_file = {_toml(own_files.certificate_file)}\nkey_file = {_toml(own_files.key_file)}")
    say(f"ca_file = {_toml(authority_files.certificate_file)}")
    if brokers:
        store(broker_files, *authority.issue(_BROKER, brokers, serves=True, now=now, days=days))
        say(f'\n[mqtt]\nmode = "external"\nhost = {_toml(brokers[0])}\nport = 8883\ntls = true')
        say(f"ca_file = {_toml(authority_files.certificate_file)}")
        say(f"certificate_file = {_toml(own_files.certificate_file)}\nkey_file = {_toml(own_files.key_file)}")
        say(f"# the broker: {broker_files.certificate_file} and {broker_files.key_file}")
    _issue(authority, folder, peers, days, say)
    if not peers:
        say(f"# nobody may send yet: edge tls peer --out {folder} --peer AE_TITLE@ADDRESS")


def add_peers(folder: Path, peers: Sequence[LabPeer], days: int, say: Say) -> None:
    """Raises FixConfiguration without an authority in the folder, or rather than overwrite."""
    refuse_to_overwrite([_files(folder, title) for title, _ in peers])
    _issue(Authority.load(Pair.at(folder, _AUTHORITY)), folder, peers, days, say)


def show(path: Path, say: Say) -> None:
    """Subject, issuer, expiry and names of every certificate in a PEM file; raises FixConfiguration."""
    try:
        found = certificates_in(path)
    except (OSError, ValueError) as error:
        raise FixConfiguration(f"{path}: {error}", hint="Name a PEM file with certificates.") from error
    for certificate in found:
        days = (certificate.not_after - SystemClock().utc()).total_seconds() / _DAY_S
        left = f"{days:.0f} days left" if days >= 0 else f"EXPIRED {-days:.0f} days ago"
        say(f"{path}\n  subject  {certificate.subject}\n  issuer   {certificate.issuer}")
        say(f"  expires  {certificate.not_after:%Y-%m-%d %H:%M} UTC, {left}")
        say("  names    " + "\n           ".join(sorted(certificate.names)))


def _issue(authority: Authority, folder: Path, peers: Sequence[LabPeer], days: int, say: Say) -> None:
    now, known = SystemClock().utc(), Pair.at(folder, _AUTHORITY).certificate_file
    for title, network in peers:
        files = _files(folder, title)
        store(files, *authority.issue(title, _hosts(network), serves=False, now=now, days=days))
        (certificate,) = certificates_in(files.certificate_file)
        say(f"\n[[dicom.peers]]\nae_title = {_toml(title)}")
        if network:
            say(f"addresses = [{_toml(network)}]")
        say(f"certificates = [{_toml(certificate.fingerprint)}]")
        say("# try it with DCMTK:")
        say(f"#   storescu --enable-tls {files.key_file} {files.certificate_file} --add-cert-file {known} \\")
        say(f"#     -aet {shlex.quote(title)} -aec EDGE 127.0.0.1 2762 FILE...")


def _files(folder: Path, title: AETitle) -> Pair:
    return Pair.at(folder, f"peer-{''.join(c if c.isalnum() or c in '_-' else '_' for c in title)}")


def _hosts(network: str) -> list[str]:
    """A single address goes into the certificate too; a network cannot."""
    if not network:
        return []
    found = ipaddress.ip_network(network)
    return [str(found.network_address)] if found.num_addresses == 1 else []


def _toml(value: object) -> str:
    return json.dumps(str(value))
