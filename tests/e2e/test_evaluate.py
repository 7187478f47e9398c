"""`edge models evaluate` from the command line to its two files."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.cli import main
from edge.dicom.part10_folder import file_phantom
from edge.evaluation.phantoms import SyntheticHead
from edge.evaluation.pictures import HEAT, PALETTE
from tests.fakes.small_heads import heads
from tests.unit.test_evaluation_pictures import decoded

MODEL = "ct_head_hyperdensity"
GENERATOR = "tests.fakes.small_heads:heads"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith("EDGE_") and n != "EDGE_TEST_STATE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EDGE_MODELS__REPOSITORY", str(ROOT / "model_repo"))
    monkeypatch.setenv("EDGE_APPLIANCE__STATE_DIR", str(tmp_path / "state"))


def evaluated(out: Path, *options: str) -> tuple[dict[str, Any], str]:
    assert main(["models", "evaluate", MODEL, "--out", str(out), "--server", "onnx", *options]) == 0
    return json.loads((out / "report.json").read_text()), (out / "report.html").read_text()


def test_two_phantoms_give_the_whole_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, page = evaluated(tmp_path, "--phantoms", "2", "--seed", "401", "--generator", GENERATOR)
    assert said["cases"]["with_blood"] == said["cases"]["without_blood"] == 1
    assert said["cases"]["outcomes"] == {"finding": 1, "no_finding": 1}
    paged = said["series"]["sensitivity"]["intraparenchymal"]["anything"]["page"]
    assert (paged["hits"], paged["of"]) == (1, 1)
    assert paged["interval"][0] == pytest.approx(0.2065, abs=1e-4)
    assert said["series"]["specificity"]["no blood"]["anything"]["page"]["hits"] == 1
    assert said["series"]["roc"]["auc"] == 1.0
    assert said["slices"]["roc"]["positives"] + said["slices"]["roc"]["negatives"] == 52
    assert said["seconds_per_slice"]["slices"] == 52
    assert 0 < said["volume"]["reported"]["at least 5 mL"]["median_absolute"] < 0.6
    assert said["model"]["digest"] == (said["model"]["digest"]).lower()
    assert "--phantoms 2 --seed 401" in said["ran"]["command"]
    assert said["ran"]["broken_off"] is None
    assert "Broken off" not in page
    onnx = {"platform": "onnxruntime", "versions": [], "inputs": {}, "weights": "model.onnx"}
    assert said["ran"]["answered_by"] == onnx
    assert "<td class=dim>answered by<td><code>onnxruntime; model.onnx</code>" in page
    drawn = [head.phantom for head in heads(2, 401)]
    pixels = b"".join(h.voxels_zyx_hu.tobytes() + h.labels_zyx.tobytes() for h in drawn)
    assert said["ran"]["phantoms_sha256"] == hashlib.sha256(pixels).hexdigest()
    (picture,) = re.findall(r"data:image/png;base64,([^\"' ]+)", page)
    outlined, masked, hot = np.array_split(decoded(base64.b64decode(picture))[0], 3, axis=1)
    first_heat = len(PALETTE) - len(HEAT)
    assert (hot >= first_heat).any(), "the heat map is shown"
    assert not (outlined >= first_heat).any()
    assert not (masked >= first_heat).any()
    assert page.count("Research use, not for clinical use") == 1
    assert "src=http" not in page
    assert "2/2" in capsys.readouterr().out


def test_files_need_labels_and_stay_unnamed(tmp_path: Path) -> None:
    folder = tmp_path / "DOE^JANE"
    for number, head in enumerate(heads(2, 401)):
        (folder / f"head{number}").mkdir(parents=True)
        file_phantom(head.phantom, folder / f"head{number}")
    (alone,) = heads(1, 402)
    (folder / "single").mkdir()
    filed = file_phantom(alone.phantom, folder / "single")
    middle = max(filed, key=lambda f: int((alone.phantom.labels_zyx[filed.index(f)] > 0).sum()))
    for one in filed:
        if one is not middle:
            (folder / "single" / one.instance.path).unlink()
    labels = tmp_path / "labels.csv"
    with labels.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["id", "findings", "volume_ml"])
        rows.writerow(["head0", "intraparenchymal", "30"])
        rows.writerow([f"single/{middle.instance.path}", "any", ""])
    said, page = evaluated(tmp_path / "out", "--cases", str(folder), "--labels", str(labels))
    cases = said["each_case"]
    assert [c["case"] for c in cases] == ["case-0001", "case-0002", "case-0003"]
    assert [c["truth"] for c in cases] == [["intraparenchymal"], None, ["any"]]
    assert (said["cases"]["unlabelled"], said["cases"]["with_blood"]) == (1, 2)
    assert said["series"]["sensitivity"]["all"]["anything"]["page"] == {
        "hits": 1,
        "of": 1,
        "value": 1.0,
        "interval": [pytest.approx(0.2065, abs=1e-4), 1.0],
    }
    single = cases[2]
    assert (single["slices"], single["outcome"], single["reason"]) == (1, "incomplete", "coverage")
    assert said["single_slices"]["sensitivity"]["any"]["anything"]["page"]["of"] == 1
    uids = [f.instance.sop_instance_uid for f in filed]
    for written in (json.dumps(said), page):
        assert not [word for word in ("DOE", "head0", str(tmp_path), *uids) if word in written]
    # Real images stay out of the page unless somebody asks for them.
    assert "data:image/png" not in page


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ([], 78, "nothing to evaluate"),
        (["--labels", "x.csv"], 78, "nothing to evaluate"),
        (["--cases", "/nowhere"], 78, "no folder"),
        (["--phantoms", "1", "--generator", "no.such:thing"], 78, "no.such"),
        (["--phantoms", "1", "--server", "elsewhere"], 78, "elsewhere"),
        (["--phantoms", "1", "--server", "8001"], 78, "8001"),
    ],
)
def test_bad_options_are_refused_with_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, named: str
) -> None:
    assert main(["models", "evaluate", MODEL, "--out", str(tmp_path / "out"), *options]) == code
    said = capsys.readouterr().err
    assert named in said
    assert "Hint:" in said
    assert not (tmp_path / "out").exists()


def test_a_label_that_fits_nothing_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (head,) = heads(1, 401)
    (tmp_path / "cases").mkdir()
    file_phantom(head.phantom, tmp_path / "cases")
    (tmp_path / "labels.csv").write_text("id,findings\n1.2.3,any\n")
    options = ["--cases", str(tmp_path / "cases"), "--labels", str(tmp_path / "labels.csv")]
    assert main(["models", "evaluate", MODEL, "--out", str(tmp_path / "out"), *options]) == 65
    assert "label 1 fits no series" in capsys.readouterr().err


def test_a_server_that_is_away_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        options = ["--phantoms", "1", "--server", f"127.0.0.1:{nobody.getsockname()[1]}"]
        assert main(["models", "evaluate", MODEL, "--out", str(tmp_path), *options]) == 69
    assert "does not answer the canary" in capsys.readouterr().err


def onnx_worker() -> int:
    """The one child of ours that answers slabs."""
    children = {c for tasks in Path("/proc/self/task").glob("*/children") for c in tasks.read_text().split()}
    worker = b"edge.triton.onnx_worker"
    (pid,) = [int(c) for c in children if worker in Path(f"/proc/{c}/cmdline").read_bytes()]
    return pid


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell ignores SIGINT for what it starts in the background, and Python goes by that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("happens", "code", "reason"),
    [
        (lambda: os.kill(onnx_worker(), signal.SIGSTOP), 69, "the server did not answer in time"),
        (lambda: os.kill(os.getpid(), signal.SIGINT), 130, "interrupted"),
    ],
    ids=["mute", "interrupted"],
)
def test_what_ends_it_early_leaves_a_report_of_the_cases_before(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    happens: Callable[[], None],
    code: int,
    reason: str,
) -> None:
    def troubled(count: int, seed: int) -> Iterator[SyntheticHead]:
        first, *others = heads(count, seed)
        yield first
        happens()
        monkeypatch.setattr("edge.evaluation.judge._PATIENCE_S", 1.0)
        monkeypatch.setattr("edge.evaluation.judge._PATIENCE_PER_SLICE_S", 0.0)
        yield from others

    monkeypatch.setattr("tests.fakes.small_heads.heads", troubled)
    options = ["--phantoms", "3", "--seed", "401", "--generator", GENERATOR, "--server", "onnx"]
    assert main(["models", "evaluate", MODEL, "--out", str(tmp_path / "out"), *options]) == code
    said = json.loads((tmp_path / "out" / "report.json").read_text())
    assert said["ran"]["broken_off"] == {"reason": reason, "cases_left": 2}
    assert [c["outcome"] for c in said["each_case"]] == ["finding"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"Broken off: {reason}." in page
    assert "Cases judged: 1; not judged: 2." in page
    told = capsys.readouterr()
    assert "broken off after 1 of 3 cases" in told.out
    assert "report.json and report.html are in" not in told.out


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_place_that_cannot_be_written_to_is_told_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    (tmp_path / "file").write_text("")
    asked = ["--out", str(tmp_path / out), "--phantoms", "1", "--generator", GENERATOR, "--server", "onnx"]
    assert main(["models", "evaluate", MODEL, *asked]) == 78
    told = capsys.readouterr()
    assert "Name another folder with --out." in told.err
    assert "1/1" not in told.out


def test_an_unknown_model_names_the_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "evaluate", "nope", "--out", str(tmp_path), "--phantoms", "1"]) == 78
    assert MODEL in capsys.readouterr().err
