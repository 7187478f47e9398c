"""[hook] and [mail]: how a page is told that no pager answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge.peer_settings import Place, Port, Section

Address = Annotated[str, Field(pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$", max_length=254)]


class HookSettings(Section):
    """A command of the site's own, given the page as JSON on standard input; off without `command`.

    Also given what the canary says (`kind` canary) when no page gets through, and when one does again.
    """

    command: tuple[str, ...] = Field(
        default=(),
        description="Program, by its absolute path, and arguments; never a shell. Exit code 0 means told.",
    )
    after_s: float = Field(
        default=60.0, ge=0, description="A page that no pager answers is told after this long."
    )
    timeout_s: float = Field(default=20.0, gt=0, le=300, description="Longest run; then it is killed.")
    per_minute: int = Field(default=12, ge=1, le=600, description="Most runs in a minute; the rest wait.")


class MailSettings(Section):
    """E-mail over SMTP as the last channel, for the same; off without `host`."""

    host: str | None = Field(default=None, min_length=1, description="Mail server.")
    port: Port = Field(default=587, description="Its port (587 STARTTLS, 465 TLS).")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="none sends in the clear: for a relay on this machine only."
    )
    ca_file: Place | None = Field(default=None, description="CA certificates; default: the system's.")
    username: str | None = Field(default=None, description="SMTP user name.")
    password_file: Place | None = Field(default=None, description="File with the password, mode 0600.")
    sender: Address | None = Field(default=None, description="Address that mails come from.")
    recipients: tuple[Address, ...] = Field(default=(), max_length=50, description="Who is told.")
    after_s: float = Field(
        default=120.0, ge=0, description="A page that no pager answers is told after this long."
    )
    timeout_s: float = Field(default=20.0, gt=0, le=300, description="Longest wait for the server.")
    per_minute: int = Field(default=12, ge=1, le=600, description="Most mails in a minute; the rest wait.")
