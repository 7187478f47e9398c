"""What telling a page elsewhere relies on: the fake, a real command, and a real mail server three ways."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from edge.cli import main
from edge.clock import SystemClock
from edge.domain.alert import AlertStatus
from edge.domain.canary import Part, Stage, Verdict
from edge.errors import FixConfiguration
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.notices import alarm_of, notice_of
from edge.notice_ports import AlarmNotice, Notice, NoticeChannel, NotTold
from edge.notify.hook import HookChannel
from edge.notify.mail import MailChannel
from edge.settings import Settings
from edge.settings_second_channel import HookSettings, MailSettings
from tests.contract.mail_server import PASSWORD, USER, MailServer
from tests.fakes.notice_channel import FakeNoticeChannel
from tests.statements import alert

RECIPIENTS = ("first@hospital.example", "second@hospital.example")


def notice(status: AlertStatus = AlertStatus.PRELIMINARY) -> Notice:
    return notice_of(AlertMessages(Settings()).alert(alert(status)).encode(7))


class Side(Protocol):
    """A channel with handles: what it told by alert id and status, and a way to make the next one fail."""

    channel: NoticeChannel

    def told(self) -> list[tuple[str, str]]: ...
    def break_down(self) -> None: ...
    def mend(self) -> None: ...


class FakeSide:
    def __init__(self) -> None:
        self.channel = FakeNoticeChannel()

    def told(self) -> list[tuple[str, str]]:
        return [(n.alert_id, n.status.value) for n in self.channel.told]

    def break_down(self) -> None:
        self.channel.failures.append("exit_1")

    def mend(self) -> None:
        """One failure is over when it has happened."""


class HookSide:
    def __init__(self, folder: Path) -> None:
        self._out, self._broken = folder / "told.jsonl", folder / "broken"
        self.program = script(folder / "hook", f'[ -e {self._broken} ] && exit 3\ncat >> "{self._out}"')
        self.channel = HookChannel(HookSettings(command=(str(self.program),)))

    def told(self) -> list[tuple[str, str]]:
        lines = self._out.read_text().splitlines() if self._out.exists() else []
        return [(json.loads(line)["alert_id"], json.loads(line)["status"]) for line in lines]

    def break_down(self) -> None:
        self._broken.touch()

    def mend(self) -> None:
        self._broken.unlink()


@dataclass
class MailSide:
    server: MailServer
    channel: MailChannel

    def told(self) -> list[tuple[str, str]]:
        return [(m["X-Edge-Alert-Id"], m["X-Edge-Status"]) for m in self.server.taken]

    def break_down(self) -> None:
        self.server.answers = "451 come back later"

    def mend(self) -> None:
        self.server.answers = "250 OK"


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def mail_settings(port: int, folder: Path, security: str, **changed: object) -> MailSettings:
    given: dict[str, object] = {"host": "127.0.0.1", "port": port, "security": security}
    given |= {"sender": "edge@hospital.example", "recipients": RECIPIENTS, "timeout_s": 5}
    if security != "none":
        secret = folder / "mail-password"
        secret.write_text(f"{PASSWORD}\n")
        secret.chmod(0o600)
        given |= {"ca_file": folder / "ca.pem", "username": USER, "password_file": secret}
    return MailSettings.model_validate({**given, **changed})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    assert main(["tls", "init", "--out", str(folder), "--broker", "127.0.0.1"]) == 0
    return folder


@pytest.fixture
def server(
    request: pytest.FixtureRequest, certificates: Path, free_port: Callable[[], int]
) -> Iterator[MailServer]:
    made = MailServer(free_port(), certificates, request.param)
    made.start()
    yield made
    made.stop()


@pytest.fixture(params=["fake", "hook", "mail none", "mail starttls", "mail tls"])
def side(
    request: pytest.FixtureRequest, tmp_path: Path, certificates: Path, free_port: Callable[[], int]
) -> Iterator[Side]:
    kind, _, security = request.param.partition(" ")
    if kind != "mail":
        yield FakeSide() if kind == "fake" else HookSide(tmp_path)
        return
    made = MailServer(free_port(), certificates, security)
    made.start()
    settings = mail_settings(made.port, certificates, security)
    yield MailSide(made, MailChannel(settings, "edge-1", SystemClock()))
    made.stop()


def test_what_is_told_arrives_under_its_alert_id_each_status_by_itself(side: Side) -> None:
    assert side.channel.tell(notice())
    assert side.channel.tell(notice(AlertStatus.CONFIRMED))
    assert side.told() == [("a1", "preliminary"), ("a1", "confirmed")]


AT = datetime(2024, 5, 1, 3, 0, tzinfo=UTC)


def alarm(part: Part | None) -> AlarmNotice:
    stage = Stage.PROVEN if part is None else Stage.QUEUED
    reason = "proven" if part is None else "not_published"
    verdict = Verdict(AT, part, stage, reason, 60.0, AT - timedelta(minutes=15))
    return alarm_of(verdict, AlertMessages(Settings()), "edge-1")


def test_the_command_gets_the_canary_of_the_wire_under_no_alert(tmp_path: Path) -> None:
    seen, said = tmp_path / "environment", tmp_path / "said"
    program = script(tmp_path / "hook", f"env > {seen}\ncat > {said}")
    channel = HookChannel(HookSettings(command=(str(program),)))
    assert channel.alarm(alarm(Part.BROKER)) == "exit_0"
    message = json.loads(said.read_text())
    assert (message["kind"], message["proven"], message["part"]) == ("canary", False, "broker")
    assert "EDGE_ALERT_ID=\n" in seen.read_text()
    program.unlink()
    with pytest.raises(NotTold, match="not_started"):
        channel.alarm(alarm(Part.BROKER))


@pytest.mark.parametrize("server", ["none", "starttls"], indirect=True)
def test_a_mail_says_that_no_page_gets_through_and_when_one_does_again(server: MailServer) -> None:
    settings = mail_settings(server.port, server.certificates, server.security)
    channel = MailChannel(settings, "edge-1", SystemClock())
    for part in (Part.BROKER, None):
        assert channel.alarm(alarm(part)) == "accepted"
    first, over = server.taken
    assert first["Subject"] == "[edge-1] NO PAGE GETS THROUGH: broker"
    assert "last page that came   2024-05-01 02:45:00 UTC" in first.get_content()
    assert over["Subject"] == "[edge-1] pages get through again"
    assert first["X-Edge-Alert-Id"] is None, "a reader may take it for a page of a patient"
    assert (first["To"], first["Importance"]) == (", ".join(RECIPIENTS), "high")
    server.answers = "451 come back later"
    with pytest.raises(NotTold, match="smtp_451"):
        channel.alarm(alarm(Part.PAGER))


def test_a_channel_that_fails_says_so_in_one_word_and_may_be_asked_again(side: Side) -> None:
    side.break_down()
    with pytest.raises(NotTold) as failed:
        side.channel.tell(notice())
    assert failed.value.reason in {"exit_1", "exit_3", "smtp_451"}
    assert side.told() == []
    side.mend()
    side.channel.tell(notice())
    assert side.told() == [("a1", "preliminary")]


def test_the_command_gets_the_page_of_the_wire_and_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MQTT__PASSWORD", "secret")
    seen, page = tmp_path / "environment", tmp_path / "page"
    program = script(tmp_path / "hook", f'env > {seen}\nprintf "%s|" "$@" >> {seen}\ncat > {page}')
    asked = HookSettings(command=(str(program), "two words", "$HOME; rm -rf /"))
    assert HookChannel(asked).tell(notice()) == "exit_0"
    assert json.loads(page.read_text()) == json.loads(notice().payload)
    told = seen.read_text()
    assert "EDGE_ALERT_ID=a1" in told
    assert "secret" not in told
    assert "two words|$HOME; rm -rf /|" in told, "an argument went through a shell"


@pytest.mark.parametrize(
    ("body", "reason"),
    [("exit 7", "exit_7"), ("kill -TERM $$", "signal_15"), ("sleep 60", "timed_out")],
)
def test_how_a_command_ended_is_told(tmp_path: Path, body: str, reason: str) -> None:
    channel = HookChannel(HookSettings(command=(str(script(tmp_path / "hook", body)),), timeout_s=0.5))
    with pytest.raises(NotTold) as failed:
        channel.tell(notice())
    assert failed.value.reason == reason


def test_a_command_that_is_late_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    body = f"sleep 60 &\necho $! > {child}\nwait"
    channel = HookChannel(HookSettings(command=(str(script(tmp_path / "hook", body)),), timeout_s=0.7))
    with pytest.raises(NotTold, match="timed_out"):
        channel.tell(notice())
    deadline = time.monotonic() + 10
    while _runs(int(child.read_text())):
        assert time.monotonic() < deadline, "a child of the command outlived it"
        time.sleep(0.02)


def test_a_command_that_does_not_read_its_page_is_fine_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    program = script(tmp_path / "hook", "exit 0")
    channel = HookChannel(HookSettings(command=(str(program),)))
    assert channel.tell(notice()) == "exit_0"
    program.unlink()
    with pytest.raises(NotTold, match="not_started"):
        channel.tell(notice())


@pytest.mark.parametrize("server", ["starttls"], indirect=True)
def test_a_mail_holds_no_patient_and_the_same_name_for_every_attempt(server: MailServer) -> None:
    channel = MailChannel(
        mail_settings(server.port, server.certificates, "starttls"), "edge-1", SystemClock()
    )
    channel.tell(notice())
    channel.tell(notice())
    first, again = server.taken
    assert first["Message-ID"] == again["Message-ID"]
    assert first["Subject"] == "[edge-1] CRITICAL PRELIMINARY: Intracranial hemorrhage, left"
    assert first["To"] == ", ".join(RECIPIENTS)
    assert first["Auto-Submitted"] == "auto-generated"
    text = first.get_content()
    assert "alert                 a1" in text
    assert "edge show 5e71e5" in text
    assert "1.2.3" not in text, "a UID went out"
    assert server.users == [USER, USER]


@pytest.mark.parametrize("server", ["starttls", "tls"], indirect=True)
def test_a_server_of_another_authority_or_a_wrong_password_gets_no_mail(
    server: MailServer, tmp_path: Path
) -> None:
    settings = mail_settings(server.port, server.certificates, server.security)
    assert main(["tls", "init", "--out", str(tmp_path / "other")]) == 0
    stranger = settings.model_copy(update={"ca_file": tmp_path / "other" / "ca.pem"})
    with pytest.raises(NotTold, match="tls_failed"):
        MailChannel(stranger, "edge-1", SystemClock()).tell(notice())
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    wrong.chmod(0o600)
    with pytest.raises(NotTold, match="smtp_535"):
        MailChannel(settings.model_copy(update={"password_file": wrong}), "edge-1", SystemClock()).tell(
            notice()
        )
    assert server.taken == []


@pytest.mark.parametrize("server", ["none"], indirect=True)
def test_a_server_that_offers_no_starttls_gets_no_mail_in_the_clear(server: MailServer) -> None:
    plain = mail_settings(server.port, server.certificates, "none")
    settings = plain.model_copy(update={"security": "starttls"})
    with pytest.raises(NotTold, match="not_supported"):
        MailChannel(settings, "edge-1", SystemClock()).tell(notice())
    assert server.taken == []


@pytest.mark.parametrize("server", ["none"], indirect=True)
def test_one_recipient_is_enough_and_none_is_a_failure(server: MailServer) -> None:
    channel = MailChannel(mail_settings(server.port, server.certificates, "none"), "edge-1", SystemClock())
    server.refuses = {RECIPIENTS[0]}
    assert channel.tell(notice()) == "refused_for_1"
    server.refuses = set(RECIPIENTS)
    with pytest.raises(NotTold, match="smtp_550"):
        channel.tell(notice())
    assert len(server.taken) == 1


def test_no_server_at_all_is_told_in_one_word(free_port: Callable[[], int], tmp_path: Path) -> None:
    settings = mail_settings(free_port(), tmp_path, "none")
    with pytest.raises(NotTold, match="not_connected"):
        MailChannel(settings, "edge-1", SystemClock()).tell(notice())


def test_a_password_that_others_can_read_is_refused(certificates: Path) -> None:
    settings = mail_settings(25, certificates, "starttls")
    assert settings.password_file is not None
    settings.password_file.chmod(stat.S_IRUSR | stat.S_IRGRP)
    with pytest.raises(FixConfiguration, match=r"mail\.password_file .* has mode 0440"):
        MailChannel(settings, "edge-1", SystemClock())


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
