"""Becomes tritonserver: sweeps what a killed one left behind, opens the log, then execs.

Standard library only: it runs as a script on every (re)start, so it must start fast. The server gets
SIGTERM when the thread that started it ends, so an `edge up` that was killed leaves no server behind.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - POSIX shared memory lives here, not a temp file of ours
LOG_LIMIT_BYTES = 5_000_000
_PR_SET_PDEATHSIG = 1


def end_orphans(prefix: str) -> None:
    """Kills python stubs of an earlier server: after a SIGKILL of it they wait for it for ever."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            argv = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if argv[0].endswith("/triton_python_backend_stub") and any(a.startswith(prefix) for a in argv):
                os.kill(int(process.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or belongs to somebody else


def main() -> None:
    """See the module; everything after `--` is the server's command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sweep", required=True, help="prefix of the python backend's regions")
    parser.add_argument("--log", required=True, type=Path)
    parser.add_argument("--pid-file", required=True, type=Path)
    parser.add_argument("--library-path", required=True)
    parser.add_argument("--bin-path", required=True)
    parser.add_argument("server", nargs="+")
    given = parser.parse_args()
    end_orphans(given.sweep)
    for leftover in SHARED_MEMORY.glob(f"{given.sweep}*"):
        leftover.unlink(missing_ok=True)
    if given.log.exists() and given.log.stat().st_size > LOG_LIMIT_BYTES:
        given.log.replace(given.log.with_suffix(".log.1"))
    log = os.open(given.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    given.pid_file.write_text(str(os.getpid()))
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        sys.exit("prctl(PR_SET_PDEATHSIG) failed")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("EDGE_", "PYTHON"))}
    # See edge/__init__.py: the stub's ONNX Runtime must not phone home either.
    environment["ORT_DISABLE_TELEMETRY"] = "1"
    environment["LD_LIBRARY_PATH"] = given.library_path
    # The stub finds its environment as the shell would: by the first python3 on PATH.
    environment["PATH"] = f"{given.bin_path}:{environment.get('PATH', '/usr/bin:/bin')}"
    os.execve(given.server[0], given.server, environment)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
