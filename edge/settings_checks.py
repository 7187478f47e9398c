"""What no single setting can tell: values that are wrong together, and files that are not there."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from edge.domain.canary import CANARY_ROLE
from edge.settings import Settings

_OTHERS_MAY_READ = 0o077


def contradictions(settings: Settings) -> list[str]:
    """One line per fault, each starting with the path of a key; empty when all is well."""
    return [
        *_ports(settings),
        *_dicom_tls(settings),
        *_peers(settings),
        *_tls(settings),
        *_password(settings),
        *_timers(settings),
        *_retention(settings),
        *_hook(settings),
        *_mail(settings),
        *_audit(settings),
        *_canary(settings),
    ]


def is_host_port(text: str) -> bool:
    """Whether a text is host:port, with a port that there can be."""
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 1 <= int(port) <= 65535


def _ports(settings: Settings) -> Iterator[str]:
    users: dict[int, list[str]] = defaultdict(list)
    users[settings.dicom.port].append("dicom.port")
    if settings.dicom_tls.on:
        users[settings.dicom_tls.port].append("dicom_tls.port")
    users[settings.telemetry.receiver_port].append("telemetry.receiver_port")
    users[settings.telemetry.agent_port].append("telemetry.agent_port")
    if not is_host_port(settings.triton.grpc_url):
        yield f"triton.grpc_url: host:port is meant, not {settings.triton.grpc_url!r}"
    elif settings.triton.mode == "embedded":
        users[int(settings.triton.grpc_url.rpartition(":")[2])].append("triton.grpc_url")
    if settings.triton.mode == "embedded":
        users[settings.triton.http_port].append("triton.http_port")
        users[settings.triton.metrics_port].append("triton.metrics_port")
    if settings.mqtt.mode == "embedded":
        users[settings.mqtt.port].append("mqtt.port")
    for port, names in users.items():
        if len(names) > 1:
            yield f"{names[0]}: port {port} is also {' and '.join(names[1:])}"


def _dicom_tls(settings: Settings) -> Iterator[str]:
    tls = settings.dicom_tls
    files = {"certificate_file": tls.certificate_file, "key_file": tls.key_file, "ca_file": tls.ca_file}
    for name, path in files.items():
        if path is not None:
            yield from _file_is_there(f"dicom_tls.{name}", path)
        elif any(files.values()):
            yield f"dicom_tls.{name}: needed beside the other files of dicom_tls"
    if tls.key_file is not None:
        yield from _only_ours("dicom_tls.key_file", tls.key_file)
    if tls.on and not settings.dicom.peers:
        yield "dicom.peers: needed with dicom_tls; it says which certificate belongs to which AE title"


def _peers(settings: Settings) -> Iterator[str]:
    if settings.dicom.peers and settings.dicom.calling_ae_titles:
        yield "dicom.calling_ae_titles: has no effect beside dicom.peers; list the titles there"
    for place, peer in enumerate(settings.dicom.peers):
        if settings.dicom_tls.on and not (peer.certificates or peer.plain):
            yield f"dicom.peers.{place}: {peer.ae_title} needs certificates, or plain = true"


def _tls(settings: Settings) -> Iterator[str]:
    mqtt = settings.mqtt
    if (mqtt.certificate_file is None) != (mqtt.key_file is None):
        given, lacking = ("certificate_file", "key_file")
        if mqtt.certificate_file is None:
            given, lacking = lacking, given
        yield f"mqtt.{lacking}: needed beside mqtt.{given}"
    if mqtt.tls and mqtt.mode == "embedded":
        yield 'mqtt.tls: the embedded broker speaks plain MQTT on loopback; set mqtt.mode = "external"'
    for name in ("ca_file", "certificate_file", "key_file"):
        path: Path | None = getattr(mqtt, name)
        if path is None:
            continue
        if not mqtt.tls:
            yield f"mqtt.{name}: has no effect without mqtt.tls = true"
        yield from _file_is_there(f"mqtt.{name}", path)
    if mqtt.key_file is not None:
        yield from _only_ours("mqtt.key_file", mqtt.key_file)


def _password(settings: Settings) -> Iterator[str]:
    mqtt = settings.mqtt
    if (mqtt.password is not None or mqtt.password_file is not None) and mqtt.username is None:
        yield "mqtt.username: needed beside a password"
    if mqtt.password_file is not None:
        yield from _file_is_there("mqtt.password_file", mqtt.password_file)
        yield from _only_ours("mqtt.password_file", mqtt.password_file)


def _timers(settings: Settings) -> Iterator[str]:
    if settings.completeness.quiet_s >= settings.completeness.deadline_s:
        yield "completeness.quiet_s: must be shorter than completeness.deadline_s"


def _retention(settings: Settings) -> Iterator[str]:
    retention = settings.retention
    if 0 < retention.free_gib <= settings.dicom.min_free_gib:
        yield "retention.free_gib: must be above dicom.min_free_gib, or 0 to remove by age alone"
    if retention.least_hours > retention.days * 24:
        yield "retention.least_hours: must not be longer than retention.days"


def _hook(settings: Settings) -> Iterator[str]:
    command = settings.hook.command
    if command and not command[0].startswith("/"):
        yield f"hook.command: the program needs its absolute path, not {command[0]!r}"
    elif command and not os.access(command[0], os.X_OK):
        yield f"hook.command: {command[0]} is not there, or may not be executed"


def _mail(settings: Settings) -> Iterator[str]:
    mail = settings.mail
    if mail.host is None:
        return
    if mail.sender is None:
        yield "mail.sender: needed beside mail.host"
    if not mail.recipients:
        yield "mail.recipients: needed beside mail.host"
    if (mail.username is None) != (mail.password_file is None):
        yield f"mail.{'username' if mail.username is None else 'password_file'}: needed beside the other"
    if mail.username is not None and mail.security == "none":
        yield "mail.security: a password is not sent in the clear; use starttls or tls"
    for name in ("ca_file", "password_file"):
        path: Path | None = getattr(mail, name)
        if path is not None:
            yield from _file_is_there(f"mail.{name}", path)
    if mail.password_file is not None:
        yield from _only_ours("mail.password_file", mail.password_file)


def _audit(settings: Settings) -> Iterator[str]:
    audit = settings.audit
    if (audit.certificate_file is None) != (audit.key_file is None):
        lacking = "certificate_file" if audit.certificate_file is None else "key_file"
        yield f"audit.{lacking}: needed beside the other"
    for name in ("ca_file", "certificate_file", "key_file"):
        path: Path | None = getattr(audit, name)
        if path is None:
            continue
        if audit.host is None:
            yield f"audit.{name}: has no effect without audit.host"
        yield from _file_is_there(f"audit.{name}", path)
    if audit.key_file is not None:
        yield from _only_ours("audit.key_file", audit.key_file)


def _canary(settings: Settings) -> Iterator[str]:
    if settings.canary.on and settings.canary.timeout_s >= settings.canary.period_s:
        yield "canary.timeout_s: must be shorter than canary.period_s"
    if CANARY_ROLE in settings.alerting.roles:
        yield f"alerting: the role {CANARY_ROLE!r} is the test pager's; no plan can ring it"


def _file_is_there(key: str, path: Path) -> Iterator[str]:
    if not path.is_file():
        yield f"{key}: there is no file {path}"


def _only_ours(key: str, path: Path) -> Iterator[str]:
    if path.is_file() and path.stat().st_mode & _OTHERS_MAY_READ:
        yield f"{key}: others may read {path}; chmod 600"
