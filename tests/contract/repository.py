"""Audit repositories for tests: rsyslog with GnuTLS as a hospital runs it, and a socket that misbehaves."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

_CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="64k"
       defaultNetstreamDriver="gtls"
       defaultNetstreamDriverCAFile="{certificates}/ca.pem"
       defaultNetstreamDriverCertFile="{certificates}/broker.pem"
       defaultNetstreamDriverKeyFile="{certificates}/broker.key")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="whole" type="string" string="%hostname%|%app-name%|%msgid%|%pri%|%msg%\\n")
ruleset(name="audit") {{ action(type="omfile" file="{folder}/received" template="whole" asyncWriting="off"
                               flushOnTXEnd="on") }}
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="audit")
"""


@dataclass
class Rsyslog:
    """Demands a certificate of its authority from every client."""

    folder: Path
    certificates: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        configuration = self.folder / "rsyslog.conf"
        configuration.write_text(
            _CONFIGURATION.format(folder=self.folder, certificates=self.certificates, port=self.port)
        )
        argv = ["rsyslogd", "-n", "-C", "-f", str(configuration), "-i", str(self.folder / "rsyslog.pid")]
        with (self.folder / "rsyslog.log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30
        listening = f"{0x7F000001:08X}"
        wanted = f"{bytes.fromhex(listening)[::-1].hex().upper()}:{self.port:04X}"
        while wanted not in Path("/proc/net/tcp").read_text():
            assert self._process.poll() is None, (self.folder / "rsyslog.log").read_text()
            assert time.monotonic() < deadline, "rsyslogd does not listen"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(20)

    def received(self) -> list[tuple[str, ...]]:
        """Hostname, app-name, MSGID, PRI and MSG of each message, as rsyslog understood them."""
        path = self.folder / "received"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [tuple(line.split("|", 4)) for line in lines]

    def messages(self) -> list[bytes]:
        """The XML of each."""
        return [re.sub("^\ufeff", "", fields[4].lstrip(" ")).encode() for fields in self.received()]
