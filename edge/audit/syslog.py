"""Syslog as audit repositories take it: RFC 5424 messages, each counted in octets (RFC 5425), over TLS."""

from __future__ import annotations

import fcntl
import re
import select
import socket
import ssl
import sys
import termios
from datetime import UTC, datetime

from edge.errors import FixConfiguration, RetryPeer
from edge.private_file import refuse_public
from edge.settings_audit import AuditSettings
from edge.tls.profile import client_context, show_certificate

# Facility 10 (security/authorization), severity 5 (notice): PS3.15 A.6.
PRIORITY = 10 * 8 + 5
MSGID = "DICOM+RFC3881"
_UNFIT = re.compile(r"[^\x21-\x7e]")
# RFC 5424 6.4: what begins with it is UTF-8.
_BOM = b"\xef\xbb\xbf"
_LARGEST_HOST = 255


class RepositoryAway(RetryPeer):
    """The audit repository did not take a message."""


def syslog_message(xml: bytes, at: datetime, host: str, process: int) -> bytes:
    """A SYSLOG-MSG of RFC 5424 without structured data."""
    when = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = _UNFIT.sub("", host)[:_LARGEST_HOST] or "-"
    return f"<{PRIORITY}>1 {when} {name} edge {process} {MSGID} - ".encode("ascii") + _BOM + xml


def frame(message: bytes) -> bytes:
    """RFC 5425 4.3: MSG-LEN SP SYSLOG-MSG."""
    return f"{len(message)} ".encode("ascii") + message


class SyslogConnection:
    """One connection at a time; raises RepositoryAway for whatever goes wrong with it."""

    def __init__(self, settings: AuditSettings) -> None:
        """Raises FixConfiguration for settings that can never connect."""
        self._settings = settings
        try:
            self._context = client_context(settings.ca_file)
            if settings.certificate_file is not None:
                if settings.key_file is not None:
                    refuse_public("audit.key_file", settings.key_file)
                show_certificate(self._context, settings.certificate_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise FixConfiguration(f"audit.ca_file, certificate_file or key_file: {error}") from error
        self._socket: ssl.SSLSocket | None = None

    def send(self, message: bytes) -> None:
        """Connects if need be. Nothing comes back: what was sent may still be lost with the connection."""
        try:
            self._connected().sendall(frame(message))
        except OSError as error:
            self.close()
            raise RepositoryAway(str(error)) from error

    def alive(self) -> bool:
        """False without a connection, or when the other side has closed or broken it."""
        connection = self._socket
        if connection is None:
            return False
        try:
            while select.select([connection], [], [], 0)[0]:
                if not connection.recv(4096):
                    self.close()
                    return False
        except ssl.SSLWantReadError:
            return True
        except OSError:
            self.close()
            return False
        return True

    def acknowledged(self) -> bool:
        """Whether the other host's TCP has acknowledged every byte (Linux tcp(7), SIOCOUTQ)."""
        if self._socket is None:
            return False
        waiting = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(waiting, sys.byteorder) == 0

    def close(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _connected(self) -> ssl.SSLSocket:
        if self._socket is None:
            host, timeout_s = self._settings.host, self._settings.timeout_s
            assert host is not None, "without a host nothing is sent"
            plain = socket.create_connection((host, self._settings.port), timeout_s)
            try:
                self._socket = self._context.wrap_socket(plain, server_hostname=host)
            except BaseException:
                plain.close()
                raise
        return self._socket
