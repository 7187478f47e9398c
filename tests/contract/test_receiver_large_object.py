"""An object far larger than the receiver may be is stored while it comes; 2 GiB are in tests/bench."""

from __future__ import annotations

from pathlib import Path

from tests.contract.large_object import is_whole, send_large_object
from tests.contract.receive_process import receive_process

SIZE_BYTES = 160 << 20
RSS_CEILING_MIB = 120


def test_an_object_larger_than_the_receiver_may_be_is_kept_whole(tmp_path: Path) -> None:
    with receive_process(tmp_path) as receiver:
        seconds = send_large_object(receiver.port, SIZE_BYTES)
        (kept,) = receiver.stored()
        assert is_whole(receiver.state_dir / kept.path, SIZE_BYTES)
        rss_mib = receiver.peak_rss_mib()
    print(f"{SIZE_BYTES >> 20} MiB in {seconds:.1f} s, peak RSS {rss_mib:.0f} MiB")
    assert rss_mib < RSS_CEILING_MIB
