"""What the thread that follows alerts tells the service manager of itself."""

from __future__ import annotations

from typing import cast

import pytest

from edge import alert_watch
from edge.alert_ports import AlertRegister
from edge.alert_watch import AlertWatch
from edge.mqtt.drafts import AlertMessages
from edge.settings import Settings
from edge.telemetry.events import Happening, TaskFailed
from tests.fakes.clock import FakeClock


@pytest.mark.parametrize("fails", [False, True])
def test_only_a_turn_that_succeeded_counts_as_one(monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
    monkeypatch.setattr(alert_watch, "LOOK_EVERY_S", 0.0)
    turns: list[str] = []
    happenings: list[Happening] = []
    settings = Settings()

    class Watch(AlertWatch):
        def turn(self) -> None:
            if fails:
                raise OSError("the ledger cannot be read")

    def afterwards() -> None:
        watch.stop()

    watch = Watch(
        cast("AlertRegister", _Register()),
        AlertMessages(settings),
        settings.alerting,
        FakeClock(),
        happenings.append,
        afterwards=afterwards,
        turned=lambda: turns.append("turned"),
    )
    watch.run()
    assert turns == ([] if fails else ["turned"])
    assert len([h for h in happenings if isinstance(h, TaskFailed)]) == fails


class _Register:
    """Nothing is asked of it here."""

    def on_acknowledged(self, wake: object) -> None:
        pass
