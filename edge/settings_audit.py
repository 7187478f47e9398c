"""[audit]: audit messages of DICOM PS3.15 A.5, to a repository or a file."""

from __future__ import annotations

from pydantic import Field

from edge.peer_settings import Place, Port, Section


class AuditSettings(Section):
    """Audit messages (PS3.15 A.5): starts and stops, instances received, security alerts; off by default."""

    host: str | None = Field(default=None, min_length=1, description="Audit repository; on with it.")
    port: Port = Field(default=6514, description="Its port for syslog over TLS (RFC 5425: 6514).")
    ca_file: Place | None = Field(default=None, description="CA certificates; default: the system's.")
    certificate_file: Place | None = Field(default=None, description="Client certificate, PEM.")
    key_file: Place | None = Field(
        default=None, description="Key of the client certificate, PEM, unencrypted, mode 0600."
    )
    file: Place | None = Field(
        default=None, description="File that gets one message a line, beside or instead of host."
    )
    site: str = Field(
        default="", max_length=64, description="AuditEnterpriseSiteID: the hospital, if it wants to be named."
    )
    identifiers: bool = Field(
        default=False,
        description="Study Instance UID, accession number and Patient ID instead of tokens; never a name.",
    )
    spool_messages: int = Field(
        default=10000,
        ge=10,
        le=1000000,
        description="Most messages kept while the repository is away; later ones are lost and counted.",
    )
    timeout_s: float = Field(default=10.0, gt=0, le=120, description="Longest wait for the repository.")

    @property
    def on(self) -> bool:
        """Whether anything is to be recorded at all."""
        return self.host is not None or self.file is not None
