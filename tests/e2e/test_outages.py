"""Triton, broker and agent fail in the middle of a head with a bleed: one outcome, each page, none lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import pytest

from edge.clock import SystemClock
from edge.dicom.send_plan import PhantomSource, SendPlan
from edge.dicom.sender import run
from edge.domain.identity import AETitle
from edge.imaging.phantom import Acquisition, Bleed, BleedType
from edge.triton.libpython import Unavailable
from tests.e2e.appliance import Appliance

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.timeout(240)]

OUTAGE_S = 20.0
SLICES_PER_S = 5.0
BLED = PhantomSource(
    seed=7,
    bleeds=(Bleed(BleedType.INTRAPARENCHYMAL, volume_ml=30.0),),
    acquisition=Acquisition(rows=256, columns=256, pixel_spacing_mm=0.9),
)


def sending(scanner: Appliance) -> threading.Thread:
    dicom = scanner.settings.dicom
    plan = SendPlan(
        sources=(BLED,),
        host=dicom.host,
        port=dicom.port,
        called_ae_title=AETitle(dicom.ae_title),
        slices_per_s=SLICES_PER_S,
    )
    thread = threading.Thread(target=run, args=(plan,), kwargs={"clock": SystemClock()}, daemon=True)
    thread.start()
    return thread


def assert_one_outcome_and_every_page(
    scanner: Appliance, *, degraded: bool | None = False, early: bool = True
) -> None:
    scanner.pager.until_results(1, timeout_s=90)
    scanner.pager.until(lambda p: "confirmed" in p.statuses(), 30, "CONFIRMED page")
    scanner.pager.listen(3)
    (result,) = scanner.pager.results
    assert (result.outcome, result.instances, result.revision) == ("finding", 36, 1)
    if degraded is not None:
        assert result.degraded is degraded
    pages = ["confirmed", "preliminary"] if early else ["confirmed"]
    assert sorted(set(scanner.pager.statuses()) - ({"preliminary"} - set(pages))) == pages
    assert len(set(scanner.pager.statuses())) == len(scanner.pager.alerts)
    assert len({a.alert_id for a in scanner.pager.alerts}) == 1


def test_undisturbed_the_page_comes_before_the_last_slice(appliance: Callable[..., Appliance]) -> None:
    scanner = appliance()
    thread = sending(scanner)
    scanner.pager.until(lambda p: p.statuses() == ["preliminary"], 60, "PRELIMINARY page")
    assert thread.is_alive(), "the page came only after the last slice"
    assert_one_outcome_and_every_page(scanner)


def test_triton_frozen_for_20_s_without_a_fallback_only_delays(appliance: Callable[..., Appliance]) -> None:
    scanner = appliance(EDGE_TRITON__FALLBACK="false")
    sending(scanner)
    time.sleep(2)
    scanner.signal("triton", signal.SIGSTOP)
    scanner.pager.listen(OUTAGE_S)
    assert scanner.pager.results == []
    scanner.signal("triton", signal.SIGCONT)
    # The series was over before anything could be inferred: CONFIRMED may be its first page.
    assert_one_outcome_and_every_page(scanner, early=False)


def test_triton_frozen_with_the_fallback_pages_degraded(appliance: Callable[..., Appliance]) -> None:
    scanner = appliance()
    sending(scanner)
    time.sleep(2)
    scanner.signal("triton", signal.SIGSTOP)
    assert_one_outcome_and_every_page(scanner, degraded=True)
    scanner.signal("triton", signal.SIGCONT)


def test_triton_killed_is_started_again(appliance: Callable[..., Appliance]) -> None:
    scanner = appliance(EDGE_TRITON__FALLBACK="false")
    sending(scanner)
    time.sleep(2)
    scanner.signal("triton", signal.SIGKILL)
    assert_one_outcome_and_every_page(scanner)
    assert scanner.stubs() == 1, "the killed server's stub must not live on"


def test_where_triton_cannot_run_at_all_results_are_degraded_and_the_remedy_is_said(
    appliance: Callable[..., Appliance], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Unavailable("libpython3.11.so.1.0 is missing", "apt-get install libpython3.11")
    monkeypatch.setattr("edge.up.provision", lambda state_dir, say: missing)
    scanner = appliance()
    (line,) = [said for said in scanner.said if "degraded" in said]
    assert missing.reason in line
    assert missing.remedy in line
    sending(scanner)
    assert_one_outcome_and_every_page(scanner, degraded=True)


def test_broker_away_for_20_s_loses_no_page(appliance: Callable[..., Appliance]) -> None:
    scanner = appliance()
    sending(scanner)
    time.sleep(1)
    scanner.broker.stop()
    scanner.pager.listen(OUTAGE_S)
    assert scanner.pager.alerts == []
    scanner.broker.start()
    assert_one_outcome_and_every_page(scanner)


@pytest.mark.parametrize("after_s", [1.5, 4.5, 7.2])
def test_agent_killed_in_mid_series_starts_over_and_pages_once(
    appliance: Callable[..., Appliance], after_s: float
) -> None:
    scanner = appliance()
    sending(scanner)
    time.sleep(after_s)
    scanner.signal("agent", signal.SIGKILL)
    assert_one_outcome_and_every_page(scanner)


def test_receiver_killed_in_mid_series_loses_nothing_it_acknowledged(
    appliance: Callable[..., Appliance],
) -> None:
    scanner = appliance(EDGE_COMPLETENESS__DEADLINE_S="30")
    sending(scanner)
    time.sleep(3)
    scanner.signal("receiver", signal.SIGKILL)
    time.sleep(2)
    retry = sending(scanner)
    retry.join(60)
    assert_one_outcome_and_every_page(scanner)
