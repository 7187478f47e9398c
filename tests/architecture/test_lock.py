from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement

from tests.architecture.source import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PINS = re.findall(r"^([a-z0-9-]+)==(\S+)(?: ; .*?)? \\$", LOCK, flags=re.M)


def test_the_lock_answers_every_dependency_with_a_version_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [Requirement(r) for r in project["project"]["dependencies"] + project["dependency-groups"]["dev"]]
    unanswered = [
        str(r)
        for r in asked
        if not any(name == r.name.lower().replace("_", "-") and v in r.specifier for name, v in PINS)
    ]
    assert unanswered == []


def test_every_pin_has_hashes_and_the_lock_names_no_host_or_path() -> None:
    pinned = [line for line in LOCK.splitlines() if "==" in line and not line.startswith(("#", " "))]
    assert len(pinned) == len(PINS)
    assert all(line.endswith("\\") for line in pinned)
    assert not re.search(r"https?:|file:|--index|--find-links| @ |\S/\S", LOCK)
