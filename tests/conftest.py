"""Peers are real programs; where one is missing its tests are skipped with the line that installs it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable

import pytest

# Debian keeps servers in sbin, which a plain user does not search.
os.environ["PATH"] += os.pathsep + "/usr/sbin"

PACKAGE_OF_PEER = {
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
    "storescu": "dcmtk",
    "echoscu": "dcmtk",
    "storescp": "dcmtk",
    "dcmsend": "dcmtk",
    "gdcmscu": "libgdcm-tools",
    "Orthanc": "orthanc",
    "openssl": "openssl",
    "promtool": "prometheus",
    "rsyslogd": "rsyslog rsyslog-gnutls",
    "strace": "strace",
    "faketime": "faketime",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    required = os.environ.get("EDGE_REQUIRE_PEERS") == "1"
    for item in items:
        for mark in item.iter_markers("peer"):
            missing = [p for p in mark.args if shutil.which(p) is None]
            if missing and required:
                raise pytest.UsageError(f"EDGE_REQUIRE_PEERS=1 but {', '.join(missing)} is not installed")
            if missing:
                packages = " ".join(sorted({PACKAGE_OF_PEER[p] for p in missing}))
                item.add_marker(pytest.mark.skip(reason=f"apt-get install -y {packages}"))


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A TCP port on loopback that nobody listened on a moment ago."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find
