"""Settings of connections to DICOM peers: the table of peers, TLS, and what sections are made of."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.domain.identity import AETitle, CertificateName

Port = Annotated[int, Field(ge=1, le=65535)]
Title = Annotated[str, AfterValidator(lambda v: str(AETitle(v)))]
Network = Annotated[str, AfterValidator(lambda v: str(ipaddress.ip_network(v.strip())))]
ListedCertificate = Annotated[str, AfterValidator(lambda v: str(CertificateName(v)))]
Place = Annotated[Path, AfterValidator(Path.expanduser)]


class Section(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class PeerSettings(Section):
    """A `[[dicom.peers]]` table: one AE title, and what it must show to be believed."""

    ae_title: Title = Field(description="Calling AE title of this peer.")
    addresses: tuple[Network, ...] = Field(
        default=(), description="Addresses or networks (CIDR) it calls from; empty: any."
    )
    certificates: tuple[ListedCertificate, ...] = Field(
        default=(),
        description="Any of these over TLS: sha256:FINGERPRINT, subject:RFC 4514 name, dns:NAME "
        "(`edge tls show FILE` prints them).",
    )
    plain: bool = Field(
        default=False, description="May use the plain port although TLS is on or certificates are listed."
    )


class DicomTlsSettings(Section):
    """DICOM over TLS (PS3.15 B.12), beside the plain port; on as soon as certificate_file is set."""

    port: Port = Field(default=2762, description="TLS port (IANA dicom-tls: 2762), on dicom.host.")
    certificate_file: Place | None = Field(
        default=None, description="Our certificate with its chain, PEM; with it TLS is on."
    )
    key_file: Place | None = Field(
        default=None, description="Key of our certificate, PEM, unencrypted, mode 0600."
    )
    ca_file: Place | None = Field(
        default=None, description="Authorities that issue the peers' certificates, PEM."
    )
    warn_days: float = Field(
        default=30.0, ge=0, description="Warn when our certificate expires within these days."
    )

    @property
    def on(self) -> bool:
        """Whether there is a TLS port."""
        return self.certificate_file is not None
