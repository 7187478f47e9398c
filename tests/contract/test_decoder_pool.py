"""Frames decoded in processes that crash, hang and eat: each costs its frame, and the pool goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import HTJ2KLossless, JPEG2000Lossless, RLELossless

from edge.dicom.decoder_pool import WORKER_MODULE, DecoderPool
from edge.dicom.decoder_process import DecoderLimits
from edge.dicom.frame_decoder import CompressedFrame, Decode, decode_frame
from edge.errors import DecoderUnavailable, RejectInput
from edge.telemetry.events import DecoderWorkerEnded, Happening
from tests.contract.htj2k import CODESTREAM, STORED_YX
from tests.contract.reading import read_slice, write
from tests.contract.receiving import small_series

SHIM = "tests.contract.decoder_shim"
# Long enough for a machine with better things to do.
PATIENT = DecoderLimits(workers=1, deadline_s=20.0, memory_bytes=256 << 20)
HASTY = DecoderLimits(workers=1, deadline_s=1.0, memory_bytes=256 << 20)


def frame(
    codestream: bytes, rows: int = 32, syntax: str = HTJ2KLossless, bits_allocated: int = 16
) -> CompressedFrame:
    return CompressedFrame(syntax, rows, 32, bits_allocated, 12, 0, codestream)


@contextmanager
def running(
    limits: DecoderLimits = PATIENT, module: str = SHIM
) -> Iterator[tuple[DecoderPool, list[DecoderWorkerEnded]]]:
    ended: list[DecoderWorkerEnded] = []

    def heard(happening: Happening) -> None:
        assert isinstance(happening, DecoderWorkerEnded)
        ended.append(happening)

    with closing(DecoderPool(limits, heard, module=module)) as pool:
        yield pool, ended


def worker_of(pool: DecoderPool) -> int:
    """The process that answers just now."""
    return int(pool.decode(frame(b"ok", bits_allocated=32))[0, 0])


@pytest.fixture(scope="module")
def real_pool() -> Iterator[DecoderPool]:
    with running(module=WORKER_MODULE) as (pool, _):
        yield pool


@pytest.fixture(params=["here", "in_a_worker"])
def decode(request: pytest.FixtureRequest) -> Decode:
    if request.param == "here":
        return decode_frame
    pool: DecoderPool = request.getfixturevalue("real_pool")
    return pool.decode


def test_stored_values_are_those_of_the_codestream(decode: Decode) -> None:
    values = decode(frame(CODESTREAM))
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values, STORED_YX)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, RLELossless])
@pytest.mark.parametrize("signed", [0, 1])
def test_a_slice_is_the_same_wherever_it_is_decoded(
    tmp_path: Path, decode: Decode, syntax: str, signed: int
) -> None:
    data_set = dcmread(write(small_series()[1], tmp_path / "plain.dcm"))
    if signed:
        data_set.PixelData = read_slice(tmp_path / "plain.dcm").hu_yx.tobytes()
        data_set.PixelRepresentation, data_set.RescaleIntercept = 1, "0"
        data_set.BitsStored, data_set.HighBit = 12, 11
    expected = read_slice(write(data_set, tmp_path / "native.dcm")).hu_yx
    data_set.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    found = read_slice(write(data_set, tmp_path / "encoded.dcm"), decode).hu_yx
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (frame(CODESTREAM[:60] + b"\0" * 400), "undecodable"),
        (frame(CODESTREAM, rows=16), "undecodable"),
        (frame(CODESTREAM, syntax="1.2.840.10008.1.2.4.100"), "undecodable"),
        (frame(b"\0" * 64, syntax=RLELossless), "undecodable"),
    ],
    ids=["damaged", "other_size", "video", "empty_rle"],
)
def test_a_frame_the_codec_refuses_is_named(decode: Decode, broken: CompressedFrame, reason: str) -> None:
    with pytest.raises(RejectInput) as refused:
        decode(broken)
    assert refused.value.reason == reason
    np.testing.assert_array_equal(decode(frame(CODESTREAM)), STORED_YX)


@pytest.mark.parametrize(
    ("marker", "limits", "reason", "ended"),
    [
        (b"S", PATIENT, "decoder_crashed", ["crashed", "crashed"]),
        (b"K", PATIENT, "decoder_crashed", ["crashed", "crashed"]),
        (b"L", PATIENT, "decoder_crashed", ["crashed", "crashed"]),
        (b"l", PATIENT, "decoder_crashed", ["crashed", "crashed"]),
        (b"U", PATIENT, "decoder_crashed", ["crashed", "crashed"]),
        (b"s", HASTY, "decoder_timed_out", ["timed_out"]),
        (b"Z", HASTY, "decoder_timed_out", ["timed_out"]),
        (b"B", HASTY, "decoder_timed_out", ["timed_out"]),
        (b"H", PATIENT, "decoder_out_of_memory", ["out_of_memory"]),
        (b"D", PATIENT, "undecodable", []),
    ],
    ids=[
        *("segmentation_fault", "killed", "claims_4_gib", "endless_reason", "speaks_free_text"),
        *("stops_in_mid_answer", "asleep", "busy", "hungry", "denied_the_system"),
    ],
)
def test_a_fault_costs_its_frame_and_the_pool_goes_on(
    marker: bytes, limits: DecoderLimits, reason: str, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MQTT__PASSWORD", "not for codecs")
    with running(limits) as (pool, happened):
        before = worker_of(pool)
        with pytest.raises(RejectInput) as refused:
            pool.decode(frame(marker))
        assert refused.value.reason == reason
        assert [h.reason for h in happened] == ended
        assert (worker_of(pool) == before) == (not ended)


def test_processor_time_is_limited_where_the_clock_is_not() -> None:
    lenient = DecoderLimits(workers=1, deadline_s=1.0, memory_bytes=256 << 20)
    with running(lenient) as (pool, ended):
        worker = pool._borrowed()
        worker._deadline_s = 60.0  # with its clock turned off only the limit of the kernel is left
        pool._put(worker)
        with pytest.raises(RejectInput, match="decoder_timed_out"):
            pool.decode(frame(b"B"))
        assert [h.reason for h in ended] == ["timed_out"]


def test_a_worker_killed_for_no_fault_of_the_frame_costs_nothing() -> None:
    with running() as (pool, ended):
        before = worker_of(pool)
        os.kill(before, signal.SIGKILL)
        assert worker_of(pool) != before
        assert [h.reason for h in ended] == ["crashed"]


def test_a_hanging_frame_does_not_hold_up_the_other_worker() -> None:
    limits = DecoderLimits(workers=2, deadline_s=6.0, memory_bytes=256 << 20)
    with running(limits) as (pool, ended), ThreadPoolExecutor(1) as thread:
        hanging = thread.submit(pool.decode, frame(b"Z"))
        assert len({worker_of(pool) for _ in range(20)}) == 1
        assert not hanging.done()
        with pytest.raises(RejectInput, match="decoder_timed_out"):
            hanging.result()
        assert [h.reason for h in ended] == ["timed_out"]


def test_a_worker_that_did_its_share_is_relieved_without_a_pause() -> None:
    limits = DecoderLimits(workers=1, deadline_s=20.0, memory_bytes=256 << 20, frames_per_worker=3)
    with running(limits) as (pool, ended):
        first = worker_of(pool)
        until = time.monotonic() + 30
        while worker_of(pool) == first and time.monotonic() < until:
            pass
        assert worker_of(pool) != first
        assert ended[0].reason == "recycled"
        assert ended[0].frames >= 3
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)


def test_a_worker_that_never_starts_is_the_callers_to_wait_out() -> None:
    with running(module="tests.contract.no_such_module") as (pool, ended):
        for _ in range(2):
            with pytest.raises(DecoderUnavailable, match=r"^not_started$"):
                pool.decode(frame(b"ok"))
        assert [h.reason for h in ended] == ["not_started"] * 2


def test_a_machine_without_room_for_a_process_is_the_callers_to_wait_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running() as (pool, _):
        with monkeypatch.context() as patched:
            patched.setattr("edge.dicom.decoder_process.subprocess.Popen", _no_room)
            pool.start()
            with pytest.raises(DecoderUnavailable, match=r"^eagain$"):
                pool.decode(frame(b"ok"))
        assert worker_of(pool) > 1


def test_closing_leaves_no_process_behind() -> None:
    limits = DecoderLimits(workers=2, deadline_s=20.0, memory_bytes=256 << 20)
    with running(limits) as (pool, _):
        pool.start()
        pids = {worker_of(pool)}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(DecoderUnavailable, match=r"^closed$"):
        pool.decode(frame(b"ok"))


def _no_room(*args: object, **kwargs: object) -> None:
    raise BlockingIOError(11, "Resource temporarily unavailable")
