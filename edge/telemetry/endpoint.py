"""/metrics for Prometheus and /healthz for whoever restarts things, on a thread of their own."""

from __future__ import annotations

import json
import socket
import socketserver
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Thread
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import (
    CollectorRegistry,
    make_wsgi_app,  # pyright: ignore[reportUnknownVariableType] - returns an untyped WSGI application
)

from edge.errors import FixConfiguration

# Prometheus, one more scraper and a few probes; a stranger with many connections waits outside.
_MOST_CONNECTIONS = 16
_Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Health:
    """`facts` are shown as they are, so they hold no patient data."""

    ok: bool
    facts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict[str, Any])


class TelemetryEndpoint:
    """Serves from construction until `close`; `health` is called per request and may be called twice at once.

    Port 0 picks a free one. Raises FixConfiguration when the address cannot be had.
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, health: Callable[[], Health]
    ) -> None:
        try:
            self._server = _server(host, port)
        except OSError as trouble:
            raise FixConfiguration(
                f"cannot serve /metrics on {host} port {port}: {trouble.strerror or trouble}",
                hint="Set telemetry.host and the telemetry ports to an address of this machine that is free.",
            ) from trouble
        self._server.set_app(_application(registry, health))
        self.port: int = self._server.server_port
        self._thread = Thread(
            target=self._server.serve_forever, args=(0.2,), name="telemetry-endpoint", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """No request is answered afterwards and the port is free; safe to call twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5.0)


class _Handler(WSGIRequestHandler):
    # StreamRequestHandler closes a connection that says nothing for this long.
    timeout = 5.0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """A scrape is no happening."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, address: tuple[str, int]) -> None:
        self._places = BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer asks DNS for the name of the address, which may take minutes; nobody needs it.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in mid-answer is its own business, not standard error's."""


class _ServerOnIPv6(_Server):
    address_family = socket.AF_INET6


def _server(host: str, port: int) -> _Server:
    return _ServerOnIPv6((host, port)) if ":" in host else _Server((host, port))


def _application(registry: CollectorRegistry, health: Callable[[], Health]) -> _Application:
    metrics = cast("_Application", make_wsgi_app(registry))

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        if method not in {"GET", "HEAD"}:
            return _json(start_response, method, "405 Method Not Allowed", {"error": "only GET and HEAD"})
        if path == "/metrics":
            return metrics(environ, start_response)
        if path == "/healthz":
            found = _ask(health)
            status = "200 OK" if found.ok else "503 Service Unavailable"
            return _json(start_response, method, status, {"ok": found.ok, **found.facts})
        return _json(start_response, method, "404 Not Found", {"error": "try /metrics or /healthz"})

    return answer


def _ask(health: Callable[[], Health]) -> Health:
    try:
        return health()
    except Exception as trouble:  # noqa: BLE001 # boundary: a health check that breaks is ill health
        return Health(ok=False, facts={"error": type(trouble).__name__})


def _json(
    start_response: StartResponse, method: str, status: str, content: Mapping[str, object]
) -> Iterable[bytes]:
    body = json.dumps(content).encode() + b"\n"
    start_response(status, [("Content-Type", _JSON), ("Content-Length", str(len(body)))])
    return [] if method == "HEAD" else [body]
