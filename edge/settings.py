"""Every setting of the appliance: one frozen tree, one edge.toml; EDGE_MQTT__HOST=… overrides.

The descriptions are the reference that `edge settings --doc` prints.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from edge.peer_settings import DicomTlsSettings, PeerSettings, Place, Port, Title
from edge.peer_settings import Section as _Section
from edge.settings_alerting import AlertingSettings
from edge.settings_audit import AuditSettings
from edge.settings_canary import CanarySettings
from edge.settings_second_channel import HookSettings, MailSettings

ENVIRONMENT_PREFIX = "EDGE_"


def _default_state_dir() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "edge"


def _default_repository() -> Path:
    beside_package = Path(__file__).resolve().parent.parent / "model_repo"
    return beside_package if beside_package.is_dir() else Path("model_repo")


class ApplianceSettings(_Section):
    """Who this box is and where it keeps its state."""

    name: str = Field(
        default="edge-1", pattern=r"^[a-z0-9-]{1,40}$", description="Name in topics, metrics and messages."
    )
    state_dir: Place = Field(
        default_factory=_default_state_dir,
        description="Inbox, ledger, embedded servers. Default: $XDG_STATE_HOME/edge.",
    )
    scanners: dict[Title, str] = Field(
        default_factory=dict,
        description="Alias per calling AE title, used on pages instead of the title itself.",
    )
    test_scanners: tuple[Title, ...] = Field(default=(), description="AE titles that never page staff.")


class DicomSettings(_Section):
    """The receiver (`edge receive`)."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for a scanner network.")
    port: Port = Field(default=11112, description="DICOM port (IANA: 11112).")
    ae_title: Title = Field(default="EDGE", description="Called AE title; other titles are rejected.")
    calling_ae_titles: tuple[Title, ...] = Field(
        default=(), description="Allow-list of calling AE titles; empty admits any."
    )
    peers: tuple[PeerSettings, ...] = Field(
        default=(),
        description="Who may associate, bound to addresses and certificates; replaces calling_ae_titles.",
    )
    min_free_gib: float = Field(default=2.0, ge=0, description="Below this, C-STORE answers 0xA700.")
    max_associations: int = Field(default=32, ge=1, le=512, description="Associations at the same time.")
    max_associations_per_address: int = Field(
        default=24, ge=1, le=512, description="Of these, from one address."
    )
    max_associations_per_ae_title: int = Field(
        default=24, ge=1, le=512, description="Of these, with one calling AE title."
    )
    max_instance_mib: int = Field(
        default=1024, ge=1, le=65536, description="A larger object is answered with 0xA700."
    )
    max_pdu_bytes: int = Field(default=131072, ge=4096, le=1048576, description="Maximum PDU length offered.")
    idle_timeout_s: float = Field(
        default=60.0, gt=0, description="A silent association is aborted after this."
    )
    artim_timeout_s: float = Field(
        default=5.0, gt=0, description="Longest TLS handshake, and wait for A-ASSOCIATE-RQ after it (ARTIM)."
    )
    association_timeout_s: float = Field(
        default=86400.0, gt=0, description="An association is aborted after this, whatever it does."
    )
    min_bytes_per_s: int = Field(
        default=1024, ge=0, description="A sender that is slower within a message, for 10 s, is aborted."
    )
    workers: int = Field(
        default=1, ge=1, le=16, description="Receiving processes; limits on associations hold for each."
    )
    memory_ceiling_mib: int = Field(
        default=512, ge=0, description="Most memory of the receiver (RLIMIT_DATA); 0 for none."
    )
    deflated_calling_ae_titles: tuple[Title, ...] = Field(
        default=(), description="Calling AE titles that may send Deflated Explicit VR Little Endian."
    )


class ReadingSettings(_Section):
    """Stored instances and how they are decoded (`edge run`)."""

    decoders: int = Field(
        default=2, ge=1, le=16, description="Processes that decode compressed frames, one each at a time."
    )
    decoder_deadline_s: float = Field(
        default=5.0, ge=0.1, description="Longest decoding of one frame; then its process is killed."
    )
    decoder_memory_mib: int = Field(
        default=512, ge=64, description="Memory a decoder may take for one frame, on top of its idle 50 MiB."
    )
    frames_per_decoder: int = Field(
        default=2000, ge=1, description="A decoder that did so many frames is replaced by a fresh one."
    )
    quarantine_mib: int = Field(
        default=1024, ge=0, description="Unreadable instances kept for inspection; the oldest make room."
    )


class TritonSettings(_Section):
    """The inference server."""

    mode: Literal["embedded", "external"] = Field(
        default="embedded", description="embedded: `edge up` starts one on the CPU; external: use grpc_url."
    )
    grpc_url: str = Field(default="127.0.0.1:8001", description="host:port of Triton's gRPC endpoint.")
    http_port: Port = Field(default=8000, description="HTTP port of the embedded server.")
    metrics_port: Port = Field(default=8002, description="Metrics port of the embedded server.")
    shared_memory: bool = Field(
        default=True,
        description="System shared memory for slabs; needs the same host, uid and IPC namespace.",
    )
    in_flight: int = Field(default=2, ge=1, le=8, description="Requests given to Triton at the same time.")
    deadline_s: float = Field(default=5.0, gt=0, description="Longest wait for one request.")
    attempts: int = Field(
        default=6, ge=1, description="Tries per slab before the fallback or the next round."
    )
    overload_s: float = Field(
        default=15.0, gt=0, description="Estimated wait for the model from which on it is overloaded."
    )
    fallback: bool = Field(
        default=True,
        description="ONNX Runtime in a worker process when Triton fails; results say degraded.",
    )


class ModelSettings(_Section):
    """Which model looks at the series."""

    repository: Place = Field(
        default_factory=_default_repository,
        description="Triton model repository, one folder per model. Default: model_repo of the checkout.",
    )
    active: str = Field(default="ct_head_hemorrhage", description="Folder of the model in use.")


class MqttSettings(_Section):
    """The broker that pagers subscribe to."""

    mode: Literal["embedded", "external"] = Field(
        default="embedded", description="embedded: `edge up` starts one; external: the hospital's."
    )
    host: str = Field(default="127.0.0.1", description="Broker address.")
    port: Port = Field(default=1883, description="Broker port (1883 plain, 8883 TLS).")
    tls: bool = Field(default=False, description="TLS 1.2 or newer towards the broker.")
    ca_file: Place | None = Field(default=None, description="CA certificates; default: the system's.")
    certificate_file: Place | None = Field(default=None, description="Client certificate, PEM.")
    key_file: Place | None = Field(default=None, description="Key of the client certificate, PEM.")
    username: str | None = Field(default=None, description="MQTT user name.")
    password_file: Place | None = Field(default=None, description="File with the password, mode 0600.")
    password: SecretStr | None = Field(default=None, description="Password; prefer password_file.")
    topic_prefix: str = Field(
        default="edge/v1", pattern=r"^[^+#\x00$][^+#\x00]*$", description="First levels of every topic."
    )
    keepalive_s: int = Field(default=15, ge=2, le=600, description="MQTT keep alive.")
    puback_timeout_s: float = Field(default=5.0, gt=0, description="Longest wait for a PUBACK.")
    heartbeat_s: float = Field(default=10.0, gt=0, description="Heartbeat with pipeline progress.")
    alert_expiry_s: int = Field(default=86400, ge=60, description="Message expiry of alerts and results.")


class CompletenessSettings(_Section):
    """When a series is over; timers are the last resort."""

    quiet_s: float = Field(
        default=4.0, gt=0, description="Quiet that closes a gapless series sent in several associations."
    )
    quiet_factor: float = Field(
        default=10.0, ge=1, description="Quiet is at least this many times the longest pause so far."
    )
    deadline_s: float = Field(
        default=180.0, gt=0, description="After this much silence a series that is not whole is INCOMPLETE."
    )
    images_in_acquisition: bool = Field(
        default=True,
        description="Fewer slices than Images in Acquisition (0020,1002) says are INCOMPLETE; false where "
        "a scanner writes nonsense there.",
    )


class RetentionSettings(_Section):
    """How long images stay; outcomes, alerts, messages and the trail are kept for good."""

    days: float = Field(default=30.0, gt=0, description="Images of a finished series go after this.")
    free_gib: float = Field(
        default=10.0,
        ge=0,
        description="With less than this free the oldest finished series go early; 0: never.",
    )
    least_hours: float = Field(
        default=2.0,
        ge=0,
        description="Images stay this long after their series' outcome, whatever the disk.",
    )


class TelemetrySettings(_Section):
    """What ops see."""

    host: str = Field(default="127.0.0.1", description="Address of /metrics and /healthz.")
    receiver_port: Port = Field(default=9108, description="/metrics of the receiver.")
    agent_port: Port = Field(default=9109, description="/metrics of the agent.")
    log_format: Literal["auto", "text", "json"] = Field(
        default="auto", description="auto: text on a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least.")


class Settings(_Section):
    """The whole tree."""

    appliance: ApplianceSettings = Field(default_factory=lambda: ApplianceSettings())
    dicom: DicomSettings = Field(default_factory=lambda: DicomSettings())
    reading: ReadingSettings = Field(default_factory=lambda: ReadingSettings())
    dicom_tls: DicomTlsSettings = Field(default_factory=lambda: DicomTlsSettings())
    triton: TritonSettings = Field(default_factory=lambda: TritonSettings())
    models: ModelSettings = Field(default_factory=lambda: ModelSettings())
    mqtt: MqttSettings = Field(default_factory=lambda: MqttSettings())
    alerting: AlertingSettings = Field(default_factory=lambda: AlertingSettings())
    hook: HookSettings = Field(default_factory=lambda: HookSettings())
    mail: MailSettings = Field(default_factory=lambda: MailSettings())
    canary: CanarySettings = Field(default_factory=lambda: CanarySettings())
    completeness: CompletenessSettings = Field(default_factory=lambda: CompletenessSettings())
    retention: RetentionSettings = Field(default_factory=lambda: RetentionSettings())
    audit: AuditSettings = Field(default_factory=lambda: AuditSettings())
    telemetry: TelemetrySettings = Field(default_factory=lambda: TelemetrySettings())

    @model_validator(mode="after")
    def _one_password(self) -> Settings:
        if self.mqtt.password is not None and self.mqtt.password_file is not None:
            raise ValueError("mqtt.password and mqtt.password_file exclude each other")
        return self
