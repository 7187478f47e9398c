"""clinical.toml: what a model is for, what its tensors mean and when it speaks up."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.domain.eligibility import Scope
from edge.domain.finding import FindingCode, FindingRule, OperatingPoint, Urgency
from edge.domain.kernel import Sharpness
from edge.domain.outcome import ModelIdentity
from edge.errors import RefuseModel

Probability = Annotated[float, Field(gt=0, lt=1)]
KernelName = Annotated[str, Field(pattern=r"^[^a-z]+$")]


class _Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class ModelTable(_Table):
    """Who the model is; `onnx_sha256` binds everything here to one set of weights."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    version: str
    title: str
    licence: str
    kind: Literal["slab_segmentation"]
    onnx_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    intended_use: str
    training_data: str
    limits: tuple[str, ...]


class ScopeTable(_Table):
    """See edge.domain.eligibility.Scope."""

    modalities: frozenset[str]
    body_parts: frozenset[str]
    orientation: Literal["axial", "coronal", "sagittal"]
    contrast: bool
    max_tilt_deg: float
    slice_thickness_mm: tuple[float, float]
    min_age_years: float
    min_coverage_mm: float
    max_top_area_ratio: float
    head_area_mm2: tuple[float, float] = (8000.0, 60000.0)
    min_cranial_ml: float = Field(default=300.0, ge=0)
    max_base_area_ratio: float = Field(default=0.5, ge=0)
    kernels: frozenset[Sharpness] = frozenset(Sharpness)
    kernel_names: dict[KernelName, Sharpness] = {}
    preferred_thickness_mm: tuple[float, float] = (0.0, float("inf"))


class TensorTable(_Table):
    """`slab_depth` neighbouring slices go in, odd so that there is a centre; batches up to `max_batch`."""

    slab_depth: int = Field(ge=1, le=15)
    max_batch: int = Field(ge=1, le=64)
    mask_threshold: Probability


class OperatingPointTable(_Table):
    """See edge.domain.finding.OperatingPoint."""

    probability: Probability
    min_contiguous_slices: int = Field(ge=1)
    min_volume_ml: float = Field(ge=0, allow_inf_nan=False)
    min_extent_mm: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class FindingTable(_Table):
    """One output channel, in the order of the tensor's channel axis."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    code: str
    scheme: str
    meaning: str
    urgency: Urgency
    page: OperatingPointTable
    worklist: OperatingPointTable


class MeasuredPoint(_Table):
    """Shares of series that an operating point was right about, with their 95 % intervals."""

    sensitivity: float = Field(ge=0, le=1)
    sensitivity_interval: tuple[float, float]
    specificity: float = Field(ge=0, le=1)
    specificity_interval: tuple[float, float]


class MeasuredTable(_Table):
    """What was measured `on` which series; all findings together, for one page is a page."""

    on: str
    page: MeasuredPoint
    worklist: MeasuredPoint


class ClinicalModel(_Table):
    """A whole clinical.toml, valid in itself; tensors and digests are checked by triton/."""

    model: ModelTable
    scope: ScopeTable
    tensors: TensorTable
    findings: tuple[FindingTable, ...] = Field(min_length=1)
    measured: MeasuredTable | None = None

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.model.name, self.model.version, self.model.onnx_sha256)

    @property
    def rules(self) -> tuple[FindingRule, ...]:
        return tuple(
            FindingRule(
                key=f.key,
                code=FindingCode(f.code, f.scheme, f.meaning),
                urgency=f.urgency,
                page=OperatingPoint(**f.page.model_dump()),
                worklist=OperatingPoint(**f.worklist.model_dump()),
            )
            for f in self.findings
        )

    @property
    def clinical_scope(self) -> Scope:
        return Scope(**self.scope.model_dump())


def load_clinical_model(folder: Path) -> ClinicalModel:
    """The contract in `folder`/clinical.toml; raises RefuseModel naming the bad key."""
    path = folder / "clinical.toml"
    try:
        return ClinicalModel.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError as error:
        raise RefuseModel(f"{path} does not exist", hint="Every model folder needs one.") from error
    except tomllib.TOMLDecodeError as error:
        raise RefuseModel(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RefuseModel(f"{path}: {key}: {first['msg']}") from error
