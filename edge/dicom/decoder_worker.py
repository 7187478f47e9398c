"""The process that decodes compressed frames, one after the other, until its parent hangs up.

It speaks over standard input, a socket: REQUEST and the codestream come in, ANSWER and stored values go
out. Nothing of what it says is trusted to be more than so many bytes. By the time the first frame
arrives it has no right left to open a file or a socket, to start a process, or to write a core dump
(which would hold pixels).
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from edge.dicom.frame_decoder import CompressedFrame, Decode, decode_frame
from edge.errors import RejectInput

# Transfer syntax; Rows, Columns; BitsAllocated, BitsStored, PixelRepresentation; bytes of the codestream.
REQUEST = struct.Struct("<64sHHBBBL")
# Whether it is decoded; bytes of what follows: the stored values, or the reason in ASCII.
ANSWER = struct.Struct("<?L")
READY = b"\x06"


def main(memory_bytes: int, cpu_s: int, decode: Decode = decode_frame) -> None:
    """Serves until end of file; `cpu_s` is for each frame, `memory_bytes` on top of an idle worker's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    with socket.socket(fileno=os.dup(0)) as parent, parent.makefile("rb") as requests:
        _limit(memory_bytes)
        parent.sendall(READY)
        while len(head := requests.read(REQUEST.size)) == REQUEST.size:
            syntax, rows, columns, allocated, stored, representation, length = REQUEST.unpack(head)
            uid = syntax.rstrip(b"\0").decode("ascii")
            frame = CompressedFrame(
                uid, rows, columns, allocated, stored, representation, requests.read(length)
            )
            _limit_cpu(cpu_s)
            try:
                values = decode(frame).data
            except RejectInput as refused:
                reason = refused.reason.encode("ascii")
                parent.sendall(ANSWER.pack(False, len(reason)) + reason)
            else:
                parent.sendall(ANSWER.pack(True, values.nbytes))
                parent.sendall(values)


def _limit(memory_bytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    # When the machine runs out of memory, this is the process to end; a container may have no say in it.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    # Codecs print what they think of a frame; the reason it failed for is told over the socket.
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    address_space = pages * resource.getpagesize() + memory_bytes
    for limit, value in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _limit_cpu(seconds: int) -> None:
    """Kills this process by SIGXCPU when the next frame takes longer; the hard limit stays where it was."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
