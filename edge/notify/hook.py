"""A command of the site's own as a NoticeChannel: a child process that gets the page on standard input."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from edge.notice_ports import AlarmNotice, Notice, NotTold
from edge.settings_second_channel import HookSettings

TOLD = "exit_0"
# What a program needs to find its way; nothing of ours, least of all EDGE_* with passwords in it.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")


class HookChannel:
    """Each notice is one run, in a session of its own, that is killed with all its children when late."""

    def __init__(self, settings: HookSettings) -> None:
        self._settings = settings

    def tell(self, notice: Notice) -> str:
        """See the port; what the command prints is thrown away."""
        return self._run(
            notice.payload, {"EDGE_ALERT_ID": notice.alert_id, "EDGE_ALERT_STATUS": notice.status}
        )

    def alarm(self, notice: AlarmNotice) -> str:
        """See the port; the environment names no alert, for it is about all of them."""
        return self._run(notice.payload, {"EDGE_ALERT_ID": "", "EDGE_ALERT_STATUS": ""})

    def _run(self, payload: bytes, words: Mapping[str, str]) -> str:
        process = self._started(words)
        try:
            process.communicate(payload + b"\n", self._settings.timeout_s)
        except subprocess.TimeoutExpired:
            raise NotTold("timed_out") from None
        finally:
            _end(process)
        if process.returncode < 0:
            raise NotTold(f"signal_{-process.returncode}")
        if process.returncode:
            raise NotTold(f"exit_{process.returncode}")
        return TOLD

    def _started(self, words: Mapping[str, str]) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {**words}
        try:
            return subprocess.Popen(
                self._settings.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise NotTold("not_started") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever of its session is still there, also children that it left behind."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
