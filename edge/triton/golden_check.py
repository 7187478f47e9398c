"""Golden cases through a server that is really there, and what it serves."""

from __future__ import annotations

from pathlib import Path

from edge.errors import RefuseModel
from edge.golden import load_golden_cases
from edge.triton.client import TritonServer


async def check_golden_cases(folder: Path, grpc_url: str, deadline_s: float) -> int:
    """How many cases of a model folder the server at `grpc_url` answered rightly: all of them.

    Raises RefuseModel for a wrong answer, AttemptFailed when none comes.
    """
    cases = load_golden_cases(folder)
    # Inline tensors: a second client must not sweep the agent's shared memory.
    server = TritonServer(grpc_url, shared_memory=False, in_flight=1)
    try:
        for case in cases:
            result = await server.infer(case.request(folder.name, deadline_s))
            mismatch = case.mismatch(result.outputs)
            if mismatch is not None:
                raise RefuseModel(
                    f"{folder.name} at {grpc_url}: golden case {case.name}: {mismatch}",
                    hint="Does it serve this very model? Compare `edge models list`.",
                )
    finally:
        await server.close()
    return len(cases)


async def ready_models(grpc_url: str) -> frozenset[str]:
    """What the server at `grpc_url` serves now; raises RetryPeer when it is not there."""
    server = TritonServer(grpc_url, shared_memory=False, in_flight=1)
    try:
        return await server.ready_models()
    finally:
        await server.close()
