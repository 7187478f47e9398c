"""Ids that a retry, a restart or a second reader computes again to the same value."""

from __future__ import annotations

from collections.abc import Iterable

from edge.domain.canary import is_canary
from edge.domain.finding import FindingRule
from edge.domain.identity import SopInstanceUID, StudyInstanceUID, token
from edge.domain.outcome import ModelIdentity, SeriesReference
from edge.domain.scanner import Scanner
from edge.domain.series import SliceHeader, UnusableInstance


def alert_id(
    key: bytes, study: StudyInstanceUID, rule: FindingRule, model: ModelIdentity, *, test: bool
) -> str:
    """One id per study, finding and model, from PRELIMINARY to the end and through all of its series.

    The finding goes by the model's own key: two of one model may share a code (PS3.3 8.8) that says less.
    A test of a study never speaks of what a patient's scanner sent of it.
    """
    return token(key, "test alert" if test else "alert", "study", study, rule.key, model.name)


def outcome_id(key: bytes, instances: Iterable[SopInstanceUID], model: ModelIdentity, revision: int) -> str:
    """One id per ordered input instances, model version and revision."""
    return token(key, "outcome", model.name, model.version, str(revision), *instances)


def series_reference(
    key: bytes,
    first: SliceHeader | UnusableInstance,
    scanner: Scanner,
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
        scanner=scanner.alias,
        revision=revision,
        predecessor=predecessor,
        test=scanner.test or is_canary(key, first.series_instance_uid),
        ae_title=scanner.ae_title,
    )
