"""What the want of something is answered: the peer shall send again later, not give up."""

from __future__ import annotations

import errno

import pytest

from edge.dicom.status import (
    NoticeAnswer,
    NoticeStatus,
    StoreStatus,
    answer_to_error,
    notice_answer_to_error,
)


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "")])
def test_no_memory_is_out_of_resources(error: Exception) -> None:
    answer = answer_to_error(error)
    assert (answer.status, answer.reason) == (StoreStatus.OUT_OF_RESOURCES, "enomem")
    assert notice_answer_to_error(error) == NoticeAnswer(
        NoticeStatus.RESOURCE_LIMITATION, answer.reason, answer.comment
    )
