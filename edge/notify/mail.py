"""E-mail as a NoticeChannel: SMTP (RFC 5321) over TLS, one message a notice, nothing of the patient in it."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from edge.domain.finding import Side
from edge.errors import FixConfiguration
from edge.notice_ports import AlarmNotice, Notice, NotTold
from edge.private_file import read_secret
from edge.settings_second_channel import MailSettings
from edge.tls.profile import client_context

if TYPE_CHECKING:
    from edge.ports import Clock

TOLD = "accepted"
_TEXT = """{urgency} alert, {status}: {finding}{side}

No pager has answered this page, so it comes to you by e-mail.

  highest probability   {probability:.2f}
  volume                {volume_ml:.1f} mL
  scanner               {scanner}
  first slice           {first:%Y-%m-%d %H:%M:%S} UTC
  detected              {detected:%Y-%m-%d %H:%M:%S} UTC
  alert                 {alert_id}
  appliance             {appliance}
{degraded}
Look at the latest head CT of that scanner; `edge show {token}` tells what became of the page.
Answering this mail does not acknowledge the alert.

Research use, not for clinical use.
"""

_ALARM = """A test page of {appliance} did not reach a pager: {part} ({reason}), after "{stage}".

While that is so a finding may reach nobody. Look at new head CTs as you would without this
system, and have it mended: `edge canary` on the appliance says what to look at.

  noticed               {at:%Y-%m-%d %H:%M:%S} UTC
  last page that came   {proven}

Another mail comes when a test page gets through again.

Research use, not for clinical use.
"""
_OVER = """A test page of {appliance} has reached a pager again, at {at:%Y-%m-%d %H:%M:%S} UTC.

Findings of the meantime are paged now, if they have not been.

Research use, not for clinical use.
"""


class MailChannel:
    """A connection for each notice; raises FixConfiguration for settings that can never send."""

    def __init__(self, settings: MailSettings, appliance: str, clock: Clock) -> None:
        self._settings, self._appliance, self._clock = settings, appliance, clock
        try:
            self._context = client_context(settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise FixConfiguration(f"mail.ca_file {settings.ca_file}: {error}") from error
        secret = settings.password_file
        self._password = "" if secret is None else read_secret("mail.password_file", secret)

    def tell(self, notice: Notice) -> str:
        """See the port; told when the server has taken it for at least one recipient."""
        return self._sent(self._message(notice))

    def alarm(self, notice: AlarmNotice) -> str:
        """See the port; the same."""
        what = "pages get through again" if notice.part is None else f"NO PAGE GETS THROUGH: {notice.part}"
        message = self._addressed(notice.key, f"[{notice.appliance}] {what}")
        message.set_content(_alarm_text(notice))
        return self._sent(message)

    def _sent(self, message: EmailMessage) -> str:
        try:
            with self._connected() as server:
                refused = server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted(code for code, _ in error.recipients.values())
            raise NotTold(f"smtp_{codes[0]}" if codes else "recipients_refused") from error
        except smtplib.SMTPResponseException as error:
            raise NotTold(f"smtp_{error.smtp_code}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise NotTold("not_supported") from error
        except ssl.SSLError as error:
            raise NotTold("tls_failed") from error
        except TimeoutError as error:
            raise NotTold("timed_out") from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotTold("not_connected") from error
        return f"refused_for_{len(refused)}" if refused else TOLD

    def _connected(self) -> smtplib.SMTP:
        """A session that has been authenticated; raises what smtplib raises."""
        chosen = self._settings
        assert chosen.host is not None, "without a host there is no channel"
        # Its own name, for smtplib would ask DNS for one.
        ours, timeout_s = self._appliance, chosen.timeout_s
        if chosen.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                chosen.host, chosen.port, ours, timeout=timeout_s, context=self._context
            )
        else:
            server = smtplib.SMTP(chosen.host, chosen.port, ours, timeout=timeout_s)
        try:
            if chosen.security == "starttls":
                server.starttls(context=self._context)
            if chosen.username is not None:
                server.login(chosen.username, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, notice: Notice) -> EmailMessage:
        side = "" if notice.side is Side.UNKNOWN else f", {notice.side}"
        head = f"{notice.urgency.upper()} {notice.status.upper()}: {notice.finding}{side}"
        message = self._addressed(notice.key, f"[{notice.appliance}] {head}")
        message["X-Edge-Alert-Id"] = notice.alert_id
        message["X-Edge-Status"] = str(notice.status)
        message.set_content(_text(notice, side))
        return message

    def _addressed(self, key: str, subject: str) -> EmailMessage:
        assert self._settings.sender is not None, "a sender is checked at the start"
        message = EmailMessage()
        message["Subject"] = subject
        message["From"] = self._settings.sender
        message["To"] = ", ".join(self._settings.recipients)
        message["Date"] = format_datetime(self._clock.utc())
        # The same for every attempt: a mail server or a reader may drop what it has seen (RFC 5322 3.6.4).
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{name}@{self._appliance}.edge.invalid>"
        message["Importance"] = "high"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notice in answer
        return message


def _text(notice: Notice, side: str) -> str:
    return _TEXT.format(
        urgency=notice.urgency.capitalize(),
        status=notice.status,
        finding=notice.finding,
        side=side,
        probability=notice.probability,
        volume_ml=notice.volume_ml,
        scanner=notice.scanner or "not named",
        first=notice.first_slice_received_at,
        detected=notice.detected_at,
        alert_id=notice.alert_id,
        appliance=notice.appliance,
        degraded="  degraded              the fallback spoke and not the inference server\n"
        if notice.degraded
        else "",
        token=notice.series_token,
    )


def _alarm_text(notice: AlarmNotice) -> str:
    proven = f"{notice.proven_at:%Y-%m-%d %H:%M:%S} UTC" if notice.proven_at else "none so far"
    words = {"part": notice.part, "reason": notice.reason, "stage": notice.stage, "proven": proven}
    text = _OVER if notice.part is None else _ALARM
    return text.format(appliance=notice.appliance, at=notice.at, **words)
