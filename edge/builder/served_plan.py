"""The plan that Triton serves, and the one before it; a new one comes in one step or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge.builder.optimisation_profile import profile_of
from edge.errors import FixConfiguration, RefuseModel
from edge.models.contract import ClinicalModel

PLAN = "model.plan"
_RECORD = "model.plan.json"
_PREVIOUS = ".previous"
_NEW = ".new"


@dataclass(frozen=True, slots=True)
class PlanKey:
    """What a plan is good for; with any other value it must be built anew.

    `model_sha256` is of model.onnx, `onnx_sha256` of the graph that TensorRT was given, `profile` the
    words for the sizes it was told to expect.
    """

    model_sha256: str
    onnx_sha256: str
    profile: str
    tensorrt: str
    gpu: str
    power_mode: str


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """What is known of one plan; `plan_sha256` ties it to the file."""

    key: PlanKey
    precision: str
    plan_sha256: str
    built_at: str
    golden_cases: int

    def stale(self, model: ClinicalModel) -> str:
        """Why it does not fit the model as it is now; empty when it does."""
        if self.key.model_sha256 != model.model.onnx_sha256:
            return "of another model.onnx"
        if self.key.profile != profile_of(model):
            return f"of another profile ({self.key.profile}, not {profile_of(model)})"
        return ""

    @property
    def title(self) -> str:
        mode = f", {self.key.power_mode}" if self.key.power_mode else ""
        return f"{self.precision}, TensorRT {self.key.tensorrt}, {self.key.gpu}{mode}, {self.built_at}"


class ServedPlan:
    """Plan and record of a model folder's version 1."""

    def __init__(self, model_folder: Path) -> None:
        self.path = model_folder / "1" / PLAN
        self._record = self.path.with_name(_RECORD)

    @property
    def present(self) -> bool:
        return self.path.exists()

    @property
    def record(self) -> PlanRecord | None:
        """None when there is no plan, or when its record is not about these bytes."""
        return _read(self._record, self.path)

    @property
    def previous(self) -> PlanRecord | None:
        return _read(_beside(self._record, _PREVIOUS), _beside(self.path, _PREVIOUS))

    def stale(self, model: ClinicalModel) -> str:
        """Why the plan does not fit the model; empty when it does, or when there is none."""
        if not self.present:
            return ""
        record = self.record
        return record.stale(model) if record is not None else "of no build that is recorded beside it"

    def refuse_stale(self, model: ClinicalModel) -> None:
        """Raises RefuseModel for a plan of other weights, whose thresholds are not these, or other sizes."""
        why = self.stale(model)
        if why:
            raise RefuseModel(
                f"{self.path} is {why}", hint="Build it anew with `edge models build`, or remove it."
            )

    def promote(self, plan: Path, record: PlanRecord) -> None:
        """Serves `plan` from now on and keeps the present one for `rollback`.

        At every moment there is a whole plan or, before the first one, none.
        """
        _stored(_beside(self.path, _NEW), plan.read_bytes())
        _stored(_beside(self._record, _NEW), json.dumps(asdict(record), indent=1).encode() + b"\n")
        for path in (self.path, self._record):
            if path.exists():
                kept = _beside(path, _PREVIOUS)
                copy = _beside(path, _PREVIOUS + _NEW)
                copy.unlink(missing_ok=True)
                _stored(copy, path.read_bytes())
                copy.replace(kept)
        for path in (self._record, self.path):  # a record without its plan is ignored, never believed
            _beside(path, _NEW).replace(path)
        _sync_folder(self.path.parent)

    def rollback(self, model: ClinicalModel) -> PlanRecord:
        """Exchanges the plan with the one before it.

        Raises FixConfiguration when there is none, RefuseModel when it does not fit the model as it is now.
        """
        before = self.previous
        if before is None:
            raise FixConfiguration(
                f"{self.path.parent} keeps no earlier plan", hint="Only a second build leaves one."
            )
        if why := before.stale(model):
            raise RefuseModel(
                f"the plan before {self.path} is {why}; the served one is as before",
                hint="Put its model.onnx and clinical.toml back first, or build anew.",
            )
        candidate = _beside(self.path, ".rollback")
        shutil.copyfile(_beside(self.path, _PREVIOUS), candidate)
        try:
            self.promote(candidate, before)
        finally:
            candidate.unlink()
        return before


def sha256_of(path: Path) -> str:
    """Hex digits of a file's SHA-256."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read(record: Path, plan: Path) -> PlanRecord | None:
    try:
        said: dict[str, Any] = json.loads(record.read_text())
        key = PlanKey(**said.pop("key"))
        known = PlanRecord(key=key, **said)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if plan.exists() and sha256_of(plan) == known.plan_sha256 else None


def _stored(path: Path, data: bytes) -> None:
    with path.open("wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
