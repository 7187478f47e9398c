"""A patient whose every word is unique goes all the way; then all that the appliance said is searched."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from tests.contract.announcing import Teller, begun, ended
from tests.contract.receiving import changed, write
from tests.e2e.appliance import Appliance
from tests.ladder.heads import MODEL, bled

pytestmark = [pytest.mark.peer("mosquitto", "mosquitto_sub", "storescu"), pytest.mark.timeout(600)]

# Words that occur nowhere else, in every attribute that may name somebody.
HER = {
    "PatientName": "ZQNAME^ZQGIVEN",
    "PatientID": "ZQPID7731",
    "PatientBirthDate": "19310203",
    "PatientAddress": "ZQSTREET 5",
    "PatientComments": "ZQCOMMENT",
    "OtherPatientIDs": "ZQOTHERID",
    "AccessionNumber": "ZQACC4711",
    "StudyID": "ZQSTUDYID",
    "StudyDescription": "ZQSTUDYDESC",
    "SeriesDescription": "ZQSERIESDESC",
    "ProtocolName": "ZQPROTOCOL",
    "ReferringPhysicianName": "ZQREFERRER",
    "OperatorsName": "ZQOPERATOR",
    "InstitutionName": "ZQHOSPITAL",
    "StationName": "ZQSTATION",
    "ImageComments": "ZQIMAGE",
}
# What no one can read as the number, age or time it should be: libraries like to quote that.
MALFORMED = {
    "PatientAge": "ZQAGE",
    "StudyDate": "ZQDATE",
    "SeriesTime": "ZQTIME",
    "SliceThickness": "ZQTHICK",
    "GantryDetectorTilt": "ZQTILT",
    "InstanceNumber": "ZQNUMBER",
}
STUDY, SERIES, DAMAGED, UNREADABLE = (f"2.25.773100{n}00" for n in range(1, 5))
STEP = "2.25.773100900"
# The UIDs all begin alike; what is not a word of hers begins with ZQ.
TRACES = re.compile(rb"ZQ[A-Z]+|19310203|2\.25\.7731\d+")


def hers(slices: tuple[Dataset, ...], series: str, folder: Path, **more: str) -> list[Path]:
    folder.mkdir()
    found: list[Path] = []
    named = {**HER, "StudyInstanceUID": STUDY, "SeriesInstanceUID": series}
    for number, one in enumerate(slices):
        uid = f"{series}.{number + 1}"
        mine = changed(one, **named, SOPInstanceUID=uid)
        for keyword, value in more.items():
            tag = Tag(keyword)
            mine[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value.encode(), 0, False, True)
        mine.file_meta.MediaStorageSOPInstanceUID = uid
        found.append(write(mine, folder / f"{number:03d}.dcm"))
    return found


@contextmanager
def everything_published(scanner: Appliance, log: Path) -> Iterator[None]:
    """Topics, payloads and properties as Mosquitto's own client prints them."""
    listen = ["mosquitto_sub", "-V", "5", "-p", str(scanner.settings.mqtt.port), "-t", "#", "-F", "%j"]
    with log.open("wb") as out, subprocess.Popen(listen, stdout=out) as listener:
        try:
            yield
        finally:
            listener.terminate()


def edge(scanner: Appliance, *words: str) -> bytes:
    environment = {"EDGE_APPLIANCE__STATE_DIR": str(scanner.state_dir), "PATH": "/usr/bin"}
    said = subprocess.run(
        [sys.executable, "-m", "edge", *words], env=environment, capture_output=True, check=True
    )
    return said.stdout


def test_nothing_that_leaves_the_box_names_the_patient(
    appliance: Callable[..., Appliance], tmp_path: Path
) -> None:
    scanner = appliance(
        EDGE_MODELS__ACTIVE=MODEL, EDGE_COMPLETENESS__DEADLINE_S="6", EDGE_TELEMETRY__LOG_LEVEL="debug"
    )
    files = hers(bled(), SERIES, tmp_path / "head")
    damaged = hers((changed(bled()[0], Rows=7),), DAMAGED, tmp_path / "damaged")
    malformed = hers(bled()[:4], UNREADABLE, tmp_path / "malformed", **MALFORMED)
    other = changed(bled()[0], PixelData=bytes(len(bled()[0].PixelData)))
    conflicting = hers((other,), SERIES, tmp_path / "conflicting")
    heard = tmp_path / "heard"
    with everything_published(scanner, heard):
        with Teller(scanner.settings.dicom.port) as teller:
            teller.create(changed(begun(STUDY), **{k: HER[k] for k in ("PatientName", "PatientID")}), STEP)
            assert scanner.storescu(*files).returncode == 0
            teller.set(ended({SERIES: [f"{SERIES}.{n + 1}" for n in range(len(files))]}), STEP)
        scanner.pager.until_results(1)
        scanner.storescu(*damaged)
        assert scanner.storescu(*malformed).returncode == 0
        scanner.storescu(*conflicting)
        scanner.storescu(*files[:3], options=["-aec", "ELSEWHERE"])
        scanner.pager.until(
            lambda p: {r.outcome for r in p.results} >= {"finding", "incomplete"}, 90, "both ends"
        )
        scanner.pager.until(lambda p: "confirmed" in p.statuses(), 30, "CONFIRMED page")
        said = _all_it_said(scanner)
        time.sleep(1)
    said["mqtt"] = heard.read_bytes()
    assert all(TRACES.search(kept.read_bytes()) for kept in scanner.state_dir.glob("inbox/*/*.dcm"))
    assert b"alert_id" in said["mqtt"]
    assert b"instance_unusable" in said["agent.log"]
    assert any(name.startswith("quarantine") for name in said)
    traces = {name: sorted(set(TRACES.findall(text))) for name, text in said.items() if TRACES.search(text)}
    assert traces == {}


def _all_it_said(scanner: Appliance) -> dict[str, bytes]:
    """By where it was said: logs, metrics, health, quarantine, the ledger's trail and timeline."""
    telemetry = scanner.settings.telemetry
    said = {path.name: path.read_bytes() for path in (scanner.state_dir / "logs").iterdir()}
    for port in (telemetry.receiver_port, telemetry.agent_port):
        for page in ("metrics", "healthz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10) as answer:
                said[f"{page} at {port}"] = answer.read()
    for path in (scanner.state_dir / "quarantine").rglob("*.json"):
        said[f"quarantine {path.name}"] = path.name.encode() + path.read_bytes()
    said["ledger export"] = edge(scanner, "ledger", "export")
    said["show"] = edge(scanner, "show", STUDY)
    said["quarantine list"] = edge(scanner, "quarantine", "list")
    said["names of files"] = "\n".join(str(p) for p in scanner.state_dir.rglob("*")).encode()
    return said
