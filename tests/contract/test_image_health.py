"""The HEALTHCHECK of the Dockerfile, run against the endpoint it asks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from edge.telemetry.endpoint import Health, TelemetryEndpoint

DOCKERFILE = (Path(__file__).parents[2] / "Dockerfile").read_text().replace("\\\n", " ")


def check(*urls: str) -> int:
    found = re.search(r"^HEALTHCHECK .*?CMD (\[.*\])$", DOCKERFILE, flags=re.M)
    assert found is not None
    _, *program = json.loads(found[1])
    # A proxy that answers nobody: the check must not ask it.
    environment = os.environ | {"HEALTHZ_URLS": " ".join(urls), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, *program], env=environment, capture_output=True, check=False
    ).returncode


@contextmanager
def role(ok: bool) -> Iterator[str]:
    with closing(TelemetryEndpoint("127.0.0.1", 0, CollectorRegistry(), lambda: Health(ok))) as endpoint:
        yield f"http://127.0.0.1:{endpoint.port}/healthz"


def test_all_roles_well_is_healthy() -> None:
    with role(ok=True) as receiver, role(ok=True) as agent:
        assert check(receiver, agent) == 0


def test_one_role_ill_or_absent_is_not(free_port: Callable[[], int]) -> None:
    with role(ok=True) as receiver, role(ok=False) as agent:
        assert check(receiver, agent) == 1
        assert check(receiver, f"http://127.0.0.1:{free_port()}/healthz") == 1
