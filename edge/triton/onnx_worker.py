"""The fallback's process: answers requests on stdin with ONNX Runtime until stdin ends.

A message is two little-endian uint32 (bytes of JSON, bytes of tensors), the JSON, the tensors one
after the other. It ends with its parent, because stdin does.
"""

# onnxruntime has no stubs and half its annotations; nothing unknown leaves this file.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

LENGTHS = struct.Struct("<II")


def encoded(header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """One message; `header` gets the tensors' names, dtypes and shapes."""
    described = [[name, a.dtype.name, list(a.shape)] for name, a in tensors.items()]
    head = json.dumps({**header, "tensors": described}).encode()
    body = b"".join(np.ascontiguousarray(a).tobytes() for a in tensors.values())
    return LENGTHS.pack(len(head), len(body)) + head + body


def decoded(head: bytes, body: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and tensors of one message."""
    header: dict[str, Any] = json.loads(head)
    tensors: dict[str, NDArray[Any]] = {}
    start = 0
    for name, dtype, shape in header.pop("tensors"):
        count = int(np.prod(shape))
        array = np.frombuffer(body, np.dtype(dtype), count, start)
        tensors[name] = array.reshape(shape)
        start += array.nbytes
    return header, tensors


def main(model_path: str, threads: str) -> None:
    """Serves one model; the first message, without tensors, says that it is loaded."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever a library prints must not land between two messages.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    options = ort.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(model_path, options, providers=["CPUExecutionProvider"])
    _say(answers, {"status": "ok"}, {})
    requests = sys.stdin.buffer
    while len(lengths := requests.read(LENGTHS.size)) == LENGTHS.size:
        head, body = (requests.read(n) for n in LENGTHS.unpack(lengths))
        header, inputs = decoded(head, body)
        wanted: list[str] = header["outputs"]
        try:
            found = session.run(wanted, inputs)
        except (InvalidArgument, ValueError) as error:
            _say(answers, {"status": "invalid_argument", "message": str(error)[:400]}, {})
        except (Fail, RuntimeException) as error:
            _say(answers, {"status": "internal", "message": str(error)[:400]}, {})
        else:
            outputs = {n: np.asarray(a) for n, a in zip(wanted, found, strict=True)}
            _say(answers, {"status": "ok"}, outputs)


def _say(answers: BinaryIO, header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    answers.write(encoded(header, tensors))
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
