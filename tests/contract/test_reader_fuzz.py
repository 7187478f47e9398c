"""Good codestreams damaged at random, read through real codecs in real workers, for a bounded time.

EDGE_FUZZ_SEED repeats a run, EDGE_FUZZ_S makes it longer. A file that killed a worker is printed in
base64, and belongs into test_decoder_pool.py once it is known.
"""

from __future__ import annotations

import base64
import os
import random
import subprocess
import time
from collections import Counter
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2KLossless, JPEG2000Lossless, RLELossless

from edge.dicom.decoder_pool import DecoderPool
from edge.dicom.decoder_process import DecoderLimits
from edge.domain.unusable import UnusableReason
from edge.imaging.volume import Slice
from edge.telemetry.events import DecoderWorkerEnded, Happening
from tests.contract.htj2k import CODESTREAM
from tests.contract.reading import read, write
from tests.contract.receiving import changed, small_series

LIMITS = DecoderLimits(workers=2, deadline_s=10.0, memory_bytes=256 << 20)
DCMTK = {
    "jpeg_ls": ["dcmcjpls", "+el"],
    "jpeg_lossless": ["dcmcjpeg", "+e1"],
    "jpeg_extended": ["dcmcjpeg", "+ee", "+bt"],
}
# Seed words of the mutator: markers and numbers that codecs trip over.
WORDS = (
    b"\xff\xd9",
    b"\xff\xda",
    b"\xff\x93",
    b"\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff",
    b"\x80",
)


@cache
def good(folder: Path) -> dict[str, bytes]:
    """Part 10 files of one small slice in every compressed syntax that can be made here."""
    plain = write(small_series()[1], folder / "plain.dcm")
    found: dict[str, bytes] = {}
    for name, syntax in (("jpeg_2000", JPEG2000Lossless), ("rle", RLELossless)):
        data_set = dcmread(plain)
        data_set.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        found[name] = write(data_set, folder / "made.dcm").read_bytes()
    found["htj2k"] = write(encoded(HTJ2KLossless, CODESTREAM), folder / "made.dcm").read_bytes()
    for name, command in DCMTK.items():
        made = folder / f"{name}.dcm"
        subprocess.run([*command, str(plain), str(made)], check=True, capture_output=True, timeout=60)
        found[name] = made.read_bytes()
    return found


def encoded(syntax: str, codestream: bytes) -> Dataset:
    data_set = changed(small_series()[1], Rows=32, Columns=32, PixelData=encapsulate([codestream]))
    data_set.file_meta.TransferSyntaxUID = syntax
    data_set["PixelData"].is_undefined_length = True
    return data_set


def damaged(chance: random.Random, file: bytes) -> bytes:
    """One to four changes to the frame; now and then to the header of the file instead."""
    at = file.index(b"\xe0\x7f\x10\x00")
    low, high = (at, len(file)) if chance.random() < 0.9 else (128, at)
    # Main headers are short, and where the trouble is.
    high = min(high, low + 160) if chance.random() < 0.6 else high
    content = bytearray(file)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(low, min(high, len(content)))
        match chance.randrange(5):
            case 0:
                content[place] ^= 1 << chance.randrange(8)
            case 1:
                word = chance.choice(WORDS)
                content[place : place + len(word)] = word
            case 2:
                content[place] = chance.randrange(256)
            case 3:
                size = chance.randint(1, 64)
                content[place : place + size] = bytes(size)
            case _:
                source = chance.randrange(low, min(high, len(content)))
                size = chance.randint(1, 64)
                content[place : place + size] = content[source : source + size]
    return bytes(content)


@pytest.mark.peer("storescu")
def test_damaged_frames_cost_themselves_and_nothing_else(tmp_path: Path) -> None:
    seed = int(os.environ.get("EDGE_FUZZ_SEED", time.time_ns() % 1_000_000))
    seconds = float(os.environ.get("EDGE_FUZZ_S", "8"))
    print(f"EDGE_FUZZ_SEED={seed}")
    chance, files, lost = random.Random(seed), good(tmp_path), list[Happening]()
    ends: Counter[str] = Counter()
    path = tmp_path / "damaged.dcm"
    until = time.monotonic() + seconds
    with closing(DecoderPool(LIMITS, lost.append)) as pool:
        while time.monotonic() < until:
            name = chance.choice(sorted(files))
            content, before = damaged(chance, files[name]), len(lost)
            path.write_bytes(content)
            found = read(path, decode=pool.decode)
            if isinstance(found, Slice):
                assert found.hu_yx.shape == (found.header.rows, found.header.columns)
                ends["slice"] += 1
            else:
                assert found.reason in UnusableReason
                ends[found.reason.value] += 1
            if len(lost) > before:
                print(
                    name, lost[-1], base64.b64encode(content[content.index(b"\xe0\x7f\x10\x00") :]).decode()
                )
        for name, content in files.items():
            path.write_bytes(content)
            found = read(path, decode=pool.decode)
            assert isinstance(found, Slice), (name, found)
    print(sum(ends.values()), dict(ends.most_common()), f"{len(lost)} workers lost")
    assert all(isinstance(h, DecoderWorkerEnded) for h in lost)
    assert sum(ends.values()) >= 20
