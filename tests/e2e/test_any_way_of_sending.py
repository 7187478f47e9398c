"""One head, real or with a bleed, sent in every way a scanner might: the same one outcome each time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid

from edge.dicom.phantom_series import phantom_instances
from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from edge.mqtt.message import ResultMessage
from tests.e2e.appliance import Appliance

pytestmark = [pytest.mark.peer("mosquitto", "storescu"), pytest.mark.timeout(240)]
SEED = 20240501

EXPECTED = {"instances": 28, "outcome": "no_finding", "degraded": False, "revision": 1}
BLEED = Bleed(BleedType.INTRAPARENCHYMAL, volume_ml=30.0)
NOW = datetime(2024, 5, 1, 3, 0, tzinfo=UTC)
SMALL = Acquisition(rows=256, columns=256, pixel_spacing_mm=0.9)


def said(result: ResultMessage) -> dict[str, object]:
    """All of a result but its names, times and the way it was closed."""
    return {key: getattr(result, key) for key in EXPECTED}


@pytest.fixture(scope="module")
def bled_head(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """36 slices of a synthetic head with a bleed, as files."""
    folder = tmp_path_factory.mktemp("bled")
    made: list[Path] = []
    for i, ds in enumerate(phantom_instances(head_phantom(7, bleeds=[BLEED], acquisition=SMALL), now=NOW)):
        made.append(folder / f"{i:03d}.dcm")
        ds.save_as(made[-1], enforce_file_format=True)
    return made


@pytest.fixture(scope="module")
def findings_seen() -> dict[str, object]:
    """What the first way of sending found; every other way must find the same."""
    return {}


def in_file_order(scanner: Appliance, files: list[Path], folder: Path) -> None:
    assert scanner.storescu(*files).returncode == 0


def in_reverse(scanner: Appliance, files: list[Path], folder: Path) -> None:
    assert scanner.storescu(*reversed(files)).returncode == 0


def shuffled(scanner: Appliance, files: list[Path], folder: Path) -> None:
    print(f"seed {SEED}")
    order = list(files)
    random.Random(SEED).shuffle(order)
    assert scanner.storescu(*order).returncode == 0


def one_association_per_file(scanner: Appliance, files: list[Path], folder: Path) -> None:
    for file in files:
        assert scanner.storescu(file).returncode == 0


def interleaved_with_another_series(scanner: Appliance, files: list[Path], folder: Path) -> None:
    other = another_series(files, folder)
    both = [file for pair in zip(files, other, strict=True) for file in pair]
    assert scanner.storescu(*both).returncode == 0


def another_series(files: list[Path], folder: Path, *, of_the_same_rays: bool = False) -> list[Path]:
    """A copy under new UIDs: another scan, or another reconstruction of this one."""
    folder.mkdir(parents=True, exist_ok=True)
    series, frame_of_reference = generate_uid(), generate_uid()
    made: list[Path] = []
    for i, file in enumerate(files):
        ds = pydicom.dcmread(file)
        ds.SeriesInstanceUID = series
        if not of_the_same_rays:
            ds.FrameOfReferenceUID = frame_of_reference
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.save_as(folder / f"{i:03d}.dcm")
        made.append(folder / f"{i:03d}.dcm")
    return made


WAYS = [in_file_order, in_reverse, shuffled, one_association_per_file, interleaved_with_another_series]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_same_one_outcome_and_the_same_findings(
    way: Callable[[Appliance, list[Path], Path], None],
    appliance: Callable[..., Appliance],
    ge_head: list[Path],
    tmp_path: Path,
) -> None:
    scanner = appliance()
    way(scanner, ge_head, tmp_path / "other")
    expected = 2 if way is interleaved_with_another_series else 1
    scanner.pager.until_results(expected)
    scanner.pager.listen(3)
    assert [said(r) for r in scanner.pager.results] == [EXPECTED] * expected, scanner.pager.heard()
    assert scanner.pager.alerts == []


def test_of_two_reconstructions_of_the_same_rays_one_says_the_negative(
    appliance: Callable[..., Appliance], ge_head: list[Path], tmp_path: Path
) -> None:
    scanner = appliance()
    other = another_series(ge_head, tmp_path / "other", of_the_same_rays=True)
    assert (
        scanner.storescu(*[file for pair in zip(ge_head, other, strict=True) for file in pair]).returncode
        == 0
    )
    scanner.pager.until_results(2)
    scanner.pager.listen(3)
    by_outcome = {r.outcome: r for r in scanner.pager.results}
    assert set(by_outcome) == {"no_finding", "not_eligible"}, scanner.pager.heard()
    chosen, gave_way = by_outcome["no_finding"], by_outcome["not_eligible"]
    assert gave_way.reason == "other_reconstruction"
    assert gave_way.reconstructions is not None
    assert gave_way.reconstructions.chosen == chosen.series_token


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_same_finding_of_a_head_with_a_bleed(
    way: Callable[[Appliance, list[Path], Path], None],
    appliance: Callable[..., Appliance],
    bled_head: list[Path],
    tmp_path: Path,
    findings_seen: dict[str, object],
) -> None:
    scanner = appliance()
    way(scanner, bled_head, tmp_path / "other")
    expected = 2 if way is interleaved_with_another_series else 1
    scanner.pager.until_results(expected)
    scanner.pager.listen(3)
    assert [r.outcome for r in scanner.pager.results] == ["finding"] * expected
    for result in scanner.pager.results:
        (finding,) = result.findings
        same = findings_seen.setdefault("finding", finding)
        assert finding == same, "another way of sending gave another finding"
        assert finding.run is not None
        assert finding.run.total == len(bled_head)
    assert scanner.pager.statuses().count("confirmed") == 1, "one alert of a study and a finding"
