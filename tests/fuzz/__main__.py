"""`python -m tests.fuzz TARGET FOLDER [libFuzzer options]`: atheris, from our seeds, until it is told to end.

What breaks a target is left in FOLDER/crashes; once understood it belongs into tests/fuzz/regressions/TARGET.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edge.dicom"]):
    from tests.fuzz.seeds import seeds
    from tests.fuzz.targets import TARGETS


def main() -> None:
    target, folder = sys.argv[1], Path(sys.argv[2])
    corpus, crashes = folder / "corpus", folder / "crashes"
    for made in (corpus, crashes):
        made.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number:02d}").write_bytes(seed)
    # A first run instruments nothing more: what it decodes lazily is loaded by then.
    options = [f"-artifact_prefix={crashes}/", "-rss_limit_mb=1024", "-timeout=10", *sys.argv[3:]]
    atheris.Setup([sys.argv[0], str(corpus), *options], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
