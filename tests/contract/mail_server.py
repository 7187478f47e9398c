"""A real SMTP server (aiosmtpd) that keeps what it takes, with or without TLS, users and bad days."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "edge", "of edge"


@dataclass
class MailServer:
    """`refuses` are recipients it does not know; `answers` is what it says to DATA."""

    port: int
    certificates: Path
    security: str = "none"
    answers: str = "250 OK"
    refuses: set[str] = field(default_factory=set)
    taken: list[EmailMessage] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    def start(self) -> None:
        context = None
        if self.security != "none":
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.certificates / "broker.pem", self.certificates / "broker.key")
        starttls = context if self.security == "starttls" else None
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=context if self.security == "tls" else None,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=self._authenticate if context is not None else None,
            auth_required=context is not None,
            auth_require_tls=starttls is not None,
        )
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if self.answers.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.taken.append(BytesParser(policy=default).parsebytes(envelope.content))
        return self.answers

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        known = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        if known:
            self.users.append(data.login.decode())
        return AuthResult(success=known, handled=False)
