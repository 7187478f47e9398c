"""One plausible happening of every type."""

from __future__ import annotations

from edge.telemetry.events import (
    AlertPublished,
    AlertRaised,
    ApplianceStarted,
    ApplianceStopping,
    AssociationAccepted,
    AssociationEnded,
    AssociationRejected,
    BrokerConnectionChanged,
    ConnectionAborted,
    Happening,
    HeartbeatSent,
    InferenceFailed,
    InstanceDecoded,
    InstanceReceived,
    InstanceRefused,
    InstanceUnusable,
    MessageExpired,
    MessagePublished,
    OutboxMeasured,
    ProgressMeasured,
    PublishFailed,
    RanAsRoot,
    SeriesOpened,
    SeriesSettled,
    SlabInferred,
    SpoolMeasured,
    TaskFailed,
    TritonHealthChanged,
)

TITLE = "CT_ER_SECRET"
ADDRESS = "192.0.2.17"
TOKEN = "c0ffee0123456789abcdef01"

ONE_OF_EACH: tuple[Happening, ...] = (
    ApplianceStarted("agent", "0.1.0"),
    ApplianceStopping("agent", "SIGTERM"),
    AssociationAccepted(TITLE, ADDRESS),
    AssociationRejected("calling_ae_title_not_recognized", ADDRESS),
    AssociationEnded("aborted", "peer", 12),
    ConnectionAborted("unrecognized_pdu", ADDRESS),
    RanAsRoot("receiver"),
    InstanceReceived("stored", 525_312, 0.004),
    InstanceRefused("0xA700", "less free space than dicom.min_free_gib"),
    InstanceDecoded(0.011),
    InstanceUnusable(TOKEN, "missing_pixel_data"),
    SlabInferred("ct_head_hyperdensity", 0.002, 0.03, "arriving", degraded=False),
    InferenceFailed("ct_head_hyperdensity", "unavailable", 1),
    TritonHealthChanged("serving", "the canary gave its known answer"),
    SeriesOpened(TOKEN, 0, "er-scanner"),
    SeriesSettled(TOKEN, 0, "finding", "released", 36, 0.2, 0.4, degraded=True),
    AlertRaised(TOKEN, "preliminary", "hyperdensity", "critical"),
    AlertPublished(TOKEN, "preliminary", False, 7.0, 1.5, None),
    MessagePublished("alert", 0.01, True),
    PublishFailed("puback_timeout", 2),
    MessageExpired("alert", 90_000.0),
    BrokerConnectionChanged(True, "CONNACK"),
    OutboxMeasured(3, 12.5),
    SpoolMeasured(80_000_000_000),
    HeartbeatSent(),
    ProgressMeasured(120),
    TaskFailed("publisher", "OSError at ledger.py:120"),
)
