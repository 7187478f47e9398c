"""Who answers while a model is evaluated: a Triton started for it, one that is there, or ONNX Runtime."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.builder.served_plan import PLAN, ServedPlan
from edge.errors import FixConfiguration, RetryPeer
from edge.evaluation.command import EMBEDDED, ONNX
from edge.evaluation.report import Answered
from edge.ports import Clock, InferenceServer
from edge.settings import Settings
from edge.supervisor import Supervisor
from edge.telemetry.events import Happening
from edge.triton.canary import Canary, load_canary
from edge.triton.client import TritonServer
from edge.triton.dispatch import InferenceDispatcher, Policy
from edge.triton.embedded import launch_spec
from edge.triton.fallback import OnnxWorker
from edge.triton.grpc_channel import ModelMetadata
from edge.triton.libpython import Unavailable
from edge.triton.provision import provision

# A request is measured here and not hurried: a busy machine must not turn slow into wrong.
DEADLINE_S = 60.0
_READY_S = 45.0
_GRAPH = "model.onnx"
_TENSORRT = "tensorrt_plan"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answering:
    """`server` is embedded, onnx or host:port; `grpc_url` is empty for onnx."""

    server: str
    grpc_url: str
    folder: Path
    shared_memory: bool
    in_flight: int


@contextmanager
def answering(server: str, folder: Path, settings: Settings, clock: Clock, say: Say) -> Generator[Answering]:
    """The server, started and stopped where it is ours.

    A Triton of ours shares the appliance's installation but neither its ports nor its files. Raises
    FixConfiguration when it cannot run here, RetryPeer when it does not get ready.
    """
    chosen = settings.triton
    if server == ONNX:
        yield Answering(server, "", folder, shared_memory=False, in_flight=1)
    elif server != EMBEDDED:
        yield Answering(server, server, folder, chosen.shared_memory, chosen.in_flight)
    else:
        installation = provision(settings.appliance.state_dir, say)
        if isinstance(installation, Unavailable):
            raise FixConfiguration(
                f"Triton cannot run here: {installation.reason}",
                hint=f"{installation.remedy} Or evaluate with --server onnx.",
            )
        with TemporaryDirectory(prefix="edge-triton-") as scratch:
            own = _own(settings, folder, Path(scratch))
            supervisor = Supervisor(Path(scratch) / "logs", clock, say)
            try:
                supervisor.start([launch_spec(own, Path(scratch), installation)], _READY_S)
                yield Answering(server, own.triton.grpc_url, folder, chosen.shared_memory, chosen.in_flight)
            finally:
                supervisor.stop()


@asynccontextmanager
async def dispatching(
    answers: Answering, clock: Clock, emit: Callable[[Happening], None]
) -> AsyncGenerator[tuple[InferenceDispatcher, Answered]]:
    """The agent's own queue in front of the server, and what that is.

    Raises RetryPeer when the canary does not pass now.
    """
    model = answers.folder.name
    server: OnnxWorker | TritonServer
    if answers.server == ONNX:
        server = OnnxWorker(model, answers.folder / "1" / _GRAPH)
    else:
        server = TritonServer(
            answers.grpc_url, shared_memory=answers.shared_memory, in_flight=answers.in_flight
        )
    canary = load_canary(answers.folder, DEADLINE_S)
    try:
        # The queue would wait for as long as it takes; somebody at a terminal wants to know.
        await _answers(canary, server)
        described = await server.metadata(model) if isinstance(server, TritonServer) else None
        dispatcher = InferenceDispatcher(server, canary, Policy(answers.in_flight, attempts=3), clock, emit)
        running = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher, answered(answers, described)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
    finally:
        await server.close()


def answered(answers: Answering, described: ModelMetadata | None) -> Answered:
    """`described` is None for ONNX Runtime alone."""
    if described is None:
        return Answered("onnxruntime", (), {}, _GRAPH)
    weights = _GRAPH if answers.server == EMBEDDED else ""
    if described.platform == _TENSORRT:
        record = ServedPlan(answers.folder).record
        known = "of which nothing is recorded here" if record is None else f"recorded here as {record.title}"
        weights = f"{PLAN}, {known}"
    return Answered(described.platform, described.versions, described.inputs, weights)


async def _answers(canary: Canary, server: InferenceServer) -> None:
    try:
        await canary.check(server)
    except RetryPeer as error:
        raise RetryPeer(
            f"the server does not answer the canary of {canary.model}: {error}",
            hint="Start it with this model loaded, or use --server embedded.",
        ) from error


def _own(settings: Settings, folder: Path, state_dir: Path) -> Settings:
    grpc, http, metrics = _free_ports(3)
    triton = settings.triton.model_copy(
        update={"grpc_url": f"127.0.0.1:{grpc}", "http_port": http, "metrics_port": metrics}
    )
    models = settings.models.model_copy(update={"repository": folder.parent, "active": folder.name})
    appliance = settings.appliance.model_copy(update={"state_dir": state_dir})
    return settings.model_copy(update={"triton": triton, "models": models, "appliance": appliance})


def _free_ports(count: int) -> list[int]:
    """Free now; somebody else may take one before Triton does, which then does not get ready."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
