"""What every message is made of: times, rounded numbers, and words that outlive an addition."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, SupportsFloat

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from edge.domain.finding import Finding
from edge.domain.reconstruction import Choice, Reason

SCHEMA_VERSION = "1.0"


def _milliseconds(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utc(at: datetime) -> datetime:
    """A time that has no name in UTC (0001-01-01T00:00+01:00, a clock never set) is no time."""
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999 in UTC") from error


def _rounded(digits: int) -> BeforeValidator:
    """Rounds before the limits are checked: a float32 a hair above 1 is 1, not a message lost."""

    def to_digits(value: object) -> object:
        return round(float(value), digits) if isinstance(value, SupportsFloat) else value

    return BeforeValidator(to_digits)


UtcTime = Annotated[
    AwareDatetime,
    AfterValidator(_utc),
    PlainSerializer(_milliseconds, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), _rounded(3)]
Millilitres = Annotated[float, Field(ge=0, allow_inf_nan=False), _rounded(1)]
SquareMillimetres = Annotated[float, Field(ge=0, allow_inf_nan=False), _rounded(1)]
Place = Annotated[int, Field(ge=1)]


class Words(BaseModel):
    """Unknown fields are passed over, so that a consumer outlives an addition to version 1."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")


class Message(Words):
    """What every message of the appliance begins with."""

    schema_version: Literal["1.0"] = Field(default=SCHEMA_VERSION, description="Version of this schema.")
    appliance: str = Field(description="Name of the appliance that speaks.")


class RunWords(Words):
    """Which slices to look at: counted in space, 1 nearest to the feet, whatever their Instance Number is."""

    first: Place = Field(description="The lowest slice of the run.")
    last: Place = Field(description="The highest; every slice between the two is of the run.")
    largest: Place = Field(description="The slice with the largest area of the finding, to be opened first.")
    largest_area_mm2: SquareMillimetres = Field(description="That area, in square millimetres.")
    total: Place = Field(description="Slices of the series when this was said: preliminary, those so far.")

    @classmethod
    def of(cls, finding: Finding) -> RunWords | None:
        places = finding.places
        if places is None:
            return None
        return cls(
            first=places.first,
            last=places.last,
            largest=places.largest,
            largest_area_mm2=finding.area_mm2,
            total=places.total,
        )


class ReconstructionWords(Words):
    """Which of several reconstructions of one acquisition speaks for it; any finding is said all the same."""

    chosen: str = Field(description="series_token of the one whose negative counts.")
    because: Reason = Field(description="only: none of the others counts, at least not yet.")
    others: tuple[str, ...] = Field(description="series_token of every other one known by now.")

    @classmethod
    def of(cls, choice: Choice) -> ReconstructionWords:
        return cls(chosen=choice.series_token, because=choice.reason, others=choice.others)
