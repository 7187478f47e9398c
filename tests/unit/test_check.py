from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge import check, life_check
from edge.check import diagnose, exit_code, line
from edge.diagnosis import Diagnosis, Probes
from edge.domain.canary import Stage, Verdict
from edge.errors import RetryPeer
from edge.settings import Settings
from tests.fakes.clock import FakeClock

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WELL = Probes(
    echo=lambda host, port, title: f"{title} answers",
    triton=lambda: "ready",
    broker=lambda: "connected",
    models=lambda: "one model",
    certificate=lambda now: 40 * 86400.0,
    verdict=lambda: None,
)


def in_folder(folder: Path, **dicom: float) -> Settings:
    return Settings.model_validate({"appliance": {"state_dir": folder}, "dicom": dicom})


def away_without_a_word() -> str:
    raise RetryPeer("nobody answers")


def away() -> str:
    raise RetryPeer("nobody answers", hint="Start it.")


def broken() -> str:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("diagnosis", "shown"),
    [
        (Diagnosis("disk", True, "81.2 GiB free"), "ok  disk     81.2 GiB free"),
        (Diagnosis("broker", False, "away", "Start it."), "!!  broker   away  hint: Start it."),
        (Diagnosis("clock", None, "not\nknown"), "??  clock    not known"),
    ],
)
def test_a_diagnosis_is_one_line(diagnosis: Diagnosis, shown: str) -> None:
    assert line(diagnosis) == shown


def test_only_a_failure_fails_the_whole() -> None:
    fine, odd, bad = (Diagnosis("x", ok, "") for ok in (True, None, False))
    assert exit_code([fine, odd]) == 0
    assert exit_code([fine, bad, odd]) == 1


@pytest.mark.parametrize(
    ("trouble", "detail", "hint"),
    [
        (away, "nobody answers", "Start it."),
        (
            away_without_a_word,
            "nobody answers",
            "Is it running? `edge up` starts one, or set mqtt.host and mqtt.port to yours.",
        ),
        (broken, "the check itself failed: ZeroDivisionError()", "Please report this line."),
    ],
)
def test_a_probe_that_raises_is_a_diagnosis_and_the_others_still_run(
    trouble: Callable[[], str], detail: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        check, "CHECKS", {"triton": check.triton, "broker": check.broker, "models": check.models}
    )
    found = list(diagnose(Settings(), replace(WELL, broker=trouble), FakeClock()))
    assert found == [
        Diagnosis("triton", True, "ready"),
        Diagnosis("broker", False, detail, hint),
        Diagnosis("models", True, "one model"),
    ]


@pytest.mark.parametrize(
    ("given", "ok", "detail"),
    [
        ({}, True, "off, DICOM is plain"),
        ({"certificate_file": "c"}, True, "port 2762, the certificate has 40 days left"),
        ({"certificate_file": "c", "warn_days": 60}, None, "port 2762, the certificate has 40 days left"),
    ],
)
def test_a_certificate_is_worth_a_look_before_it_expires(
    given: dict[str, object], ok: bool | None, detail: str
) -> None:
    settings = Settings.model_validate({"dicom_tls": given})
    found = check.tls(settings, WELL, FakeClock())
    assert (found.ok, found.detail) == (ok, detail)


def test_the_disk_is_measured_where_the_inbox_will_be(tmp_path: Path) -> None:
    settings = in_folder(tmp_path / "not" / "yet", min_free_gib=0)
    found = check.disk(settings, WELL, FakeClock())
    assert found.ok is not False
    assert f"in {tmp_path}, fsync" in found.detail
    assert list(tmp_path.iterdir()) == []


def test_a_disk_below_its_floor_fails(tmp_path: Path) -> None:
    found = check.disk(in_folder(tmp_path, min_free_gib=1e9), WELL, FakeClock())
    assert found.ok is False
    assert "the floor is 1e+09 GiB" in found.detail


def test_a_folder_nobody_may_write_fails_with_its_name() -> None:
    found = check.disk(in_folder(Path("/proc/self/edge")), WELL, FakeClock())
    assert found.ok is False
    assert "cannot write in /proc/self" in found.detail


@pytest.mark.parametrize(
    ("said", "ok", "told"),
    [
        (True, True, ", synchronised"),
        (False, None, ", not synchronised"),
        (None, True, "not known here"),
    ],
)
def test_the_clock_passes_on_what_systemd_knows(
    said: bool | None, ok: bool | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life_check, "_synchronised", lambda: said)
    found = check.clock_agrees(Settings(), WELL, FakeClock(NOW))
    assert found.ok is ok
    assert told in found.detail


def test_a_year_before_this_software_fails() -> None:
    found = check.clock_agrees(Settings(), WELL, FakeClock(datetime(1970, 1, 1, tzinfo=UTC)))
    assert found.ok is False
    assert "1970-01-01" in found.detail


def test_a_clock_that_steps_while_we_look_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stepping(FakeClock):
        def monotonic(self) -> float:
            return 0.0

    clock = Stepping(NOW)
    monkeypatch.setattr(life_check, "_synchronised", lambda: clock.advance(90))
    found = check.clock_agrees(Settings(), WELL, clock)
    assert found.ok is False
    assert "stepped by +90.0 s" in found.detail


@pytest.mark.parametrize(("said", "known"), [("yes\n", True), ("no\n", False), ("", None)])
def test_timedatectl_is_believed_when_it_says_something(
    said: str, known: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "timedatectl"
    program.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(life_check, "synchronised", lambda: None)
    assert life_check._synchronised() is known


def test_a_verdict_from_before_the_clock_was_set_back_proves_nothing_today() -> None:
    ahead = Verdict(NOW + timedelta(days=1), None, Stage.PROVEN, "proven", 1.0, NOW + timedelta(days=1))
    found = life_check.canary(Settings(), replace(WELL, verdict=lambda: ahead), FakeClock(NOW))
    assert found.ok is None
    assert "before the clock was set back" in found.detail
