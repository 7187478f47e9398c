"""A compressed series is decoded ahead of the agent, several slices at a time, and comes in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from edge.dicom.decoder_pool import DecoderPool
from edge.dicom.decoder_process import DecoderLimits
from edge.dicom.frame_decoder import CompressedFrame
from edge.dicom.reader import DicomReader
from edge.domain.arrival import InstanceStored
from edge.domain.identity import AssociationId
from edge.imaging.volume import Slice
from edge.intake import take
from edge.surroundings import Reading, SliceRead
from tests.contract.reading import stored, write
from tests.contract.receiving import small_series
from tests.fakes.clock import FakeClock

# `edge.intake` reads four instances ahead of the one that is due.
UNDER_WAY = 5
SLICES = 3 * UNDER_WAY


def series(folder: Path) -> list[InstanceStored]:
    entries: list[InstanceStored] = []
    plain = small_series()[1]
    for number in range(1, SLICES + 1):
        data_set = dcmread(write(plain, folder / "plain.dcm"))
        data_set.ImagePositionPatient = ["0", "0", str(number)]
        data_set.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        instance = stored(write(data_set, folder / f"{number}.dcm"), folder, uid=f"1.2.{number}")
        entries.append(InstanceStored(number, float(number), AssociationId("a"), instance))
    return entries


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    with closing(DecoderPool(DecoderLimits(workers=2, deadline_s=20.0), lambda happening: None)) as pool:
        yield pool


def test_as_many_frames_as_are_read_ahead_are_under_way_at_once(tmp_path: Path, pool: DecoderPool) -> None:
    # A barrier for fewer could leave the one that is due waiting for one that only comes after it.
    entries, together = series(tmp_path), Barrier(UNDER_WAY)

    def decode(frame: CompressedFrame) -> NDArray[Any]:
        together.wait(30)  # raises where fewer than that decode meanwhile
        return pool.decode(frame)

    around: Any = SimpleNamespace(
        pixels=DicomReader(tmp_path, decode), clock=FakeClock(), emit=lambda h: None, reading=Reading()
    )
    journal: Any = SimpleNamespace(
        after=lambda sequence, limit: [e for e in entries if e.sequence > sequence]
    )

    async def taken() -> list[float]:
        found: list[float] = []
        async for item in take(journal, around, asyncio.sleep, lambda entry: False, lambda: None):
            assert isinstance(item, SliceRead)
            assert isinstance(item.content, Slice), item.content
            found.append(item.content.header.offset_mm)
            if len(found) == SLICES:
                break
        return found

    assert asyncio.run(taken()) == [float(number) for number in range(1, SLICES + 1)]
