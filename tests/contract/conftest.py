from __future__ import annotations

from tests.triton_fixtures import installation, triton

__all__ = ["installation", "triton"]
