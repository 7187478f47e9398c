"""Certificates made by `edge tls` for one test, and sides of a handshake that are not ours."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.cli import main
from edge.peer_settings import DicomTlsSettings
from edge.tls.certificate import certificates_in
from edge.tls.lab import Authority, Pair, store

OWN, SCANNER, OTHER = "edge", "peer-CT_1", "peer-CT_2"


@dataclass(frozen=True)
class Lab:
    """The folder of `edge tls init` with two scanners, CT_1 and CT_2."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Lab:
        assert main(["tls", "init", "--out", str(folder), "--peer", "CT_1@127.0.0.1", "--peer", "CT_2"]) == 0
        return cls(folder)

    def pair(self, name: str) -> Pair:
        return Pair.at(self.folder, name)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def fingerprint(self, name: str) -> str:
        return certificates_in(self.pair(name).certificate_file)[0].fingerprint

    def settings(self, port: int = 2762, **changed: object) -> DicomTlsSettings:
        own = self.pair(OWN)
        files = {"certificate_file": own.certificate_file, "key_file": own.key_file, "ca_file": self.ca}
        return DicomTlsSettings.model_validate({"port": port, **files, **changed})

    def peers(self) -> list[dict[str, object]]:
        return [
            {"ae_title": "CT_1", "addresses": ["127.0.0.1"], "certificates": [self.fingerprint(SCANNER)]},
            {"ae_title": "CT_2", "certificates": [self.fingerprint(OTHER)]},
        ]

    def issue(self, name: str, *, days: int, ago_days: int = 0, serves: bool = False) -> Pair:
        """One more pair, replacing files of that name; `ago_days` makes certificates that have expired."""
        pair = self.pair(name)
        for old in (pair.certificate_file, pair.key_file):
            old.unlink(missing_ok=True)
        then = datetime.now(UTC) - timedelta(days=ago_days)
        made = Authority.load(self.pair("ca")).issue(name, ["127.0.0.1"], serves=serves, now=then, days=days)
        store(pair, *made)
        return pair

    def dcmtk(self, name: str) -> list[str]:
        """Options of storescu and echoscu."""
        pair = self.pair(name)
        return [
            "--enable-tls",
            str(pair.key_file),
            str(pair.certificate_file),
            "--add-cert-file",
            str(self.ca),
        ]


def s_client(port: int, *options: object) -> subprocess.CompletedProcess[str]:
    """OpenSSL's own client, ended by the end of its input."""
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, options)],
        input="",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
