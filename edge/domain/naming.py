"""Ids that a retry, a restart or a second reader computes again to the same value."""

from __future__ import annotations

from collections.abc import Iterable

from edge.domain.finding import FindingRule
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, token
from edge.domain.outcome import ModelIdentity, SeriesReference
from edge.domain.series import SliceHeader, UnusableInstance


def alert_id(key: bytes, series: SeriesInstanceUID, rule: FindingRule, model: ModelIdentity) -> str:
    """One id per series, finding and model, from PRELIMINARY to the end and through revisions."""
    return token(key, "alert", series, rule.key, model.name)


def outcome_id(key: bytes, instances: Iterable[SopInstanceUID], model: ModelIdentity, revision: int) -> str:
    """One id per ordered input instances, model version and revision."""
    return token(key, "outcome", model.name, model.version, str(revision), *instances)


def series_reference(
    key: bytes,
    first: SliceHeader | UnusableInstance,
    scanner: str,
    revision: int,
    predecessor: str | None,
) -> SeriesReference:
    """Tokens for the series, study and accession of its first instance; "" for no accession."""
    accession = first.accession_number if isinstance(first, SliceHeader) else ""
    return SeriesReference(
        series_instance_uid=first.series_instance_uid,
        series_token=token(key, "series", first.series_instance_uid),
        study_token=token(key, "study", first.study_instance_uid),
        accession_token=token(key, "accession", accession) if accession else "",
        scanner=scanner,
        revision=revision,
        predecessor=predecessor,
    )
