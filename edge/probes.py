"""What `edge check` asks of the real peers, one line of answer each."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import datetime

from edge.clock import SystemClock
from edge.diagnosis import Probes
from edge.dicom.echo import echo
from edge.dicom.tls_gate import credentials
from edge.errors import RetryPeer
from edge.mqtt.subscriber import AlertSubscriber
from edge.settings import Settings
from edge.spool.verdict_file import latest_verdict
from edge.triton.canary import load_canary
from edge.triton.client import TritonServer
from edge.triton.model_check import check_model

_BROKER_S = 5.0


def probes(settings: Settings) -> Probes:
    """Each probe opens and closes its own connection."""
    return Probes(
        echo=echo,
        triton=lambda: asyncio.run(_triton(settings)),
        broker=lambda: _broker(settings),
        models=lambda: _models(settings),
        certificate=lambda now: _certificate(settings, now),
        verdict=lambda: latest_verdict(settings.appliance.state_dir),
    )


async def _triton(settings: Settings) -> str:
    folder = settings.models.repository / settings.models.active
    # Inline tensors: a second client must not sweep the agent's shared memory.
    server = TritonServer(settings.triton.grpc_url, shared_memory=False, in_flight=1)
    try:
        await load_canary(folder, settings.triton.deadline_s).check(server)
    finally:
        await server.close()
    return f"{settings.triton.grpc_url} answers the canary of {settings.models.active}"


def _broker(settings: Settings) -> str:
    topic = f"{settings.mqtt.topic_prefix}/{settings.appliance.name}/status"
    with closing(AlertSubscriber(settings.mqtt, "edge-check", [topic], SystemClock())) as subscriber:
        subscriber.start()
        if not subscriber.wait_subscribed(_BROKER_S):
            raise RetryPeer(
                f"no MQTT 5 session at {settings.mqtt.host}:{settings.mqtt.port}",
                hint="Is the broker running, and do mqtt.* settings match it?",
            )
    return f"{settings.mqtt.host}:{settings.mqtt.port} grants a subscription"


def _models(settings: Settings) -> str:
    folder = settings.models.repository / settings.models.active
    check_model(folder)
    return f"{settings.models.active}: tensors, digest and scope agree"


def _certificate(settings: Settings, now: datetime) -> float:
    _, own = credentials(settings.dicom_tls).load(now)
    return (own.not_after - now).total_seconds()
