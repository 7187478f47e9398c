"""Where the figures come from: without it no figure means anything."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import edge

_CHECKOUT = Path(__file__).resolve().parents[2]


def describe(folder: Path) -> dict[str, str]:
    """Of this machine, the disk below `folder`, the load before the run and the peers' versions."""
    load = ", ".join(f"{load:.2f}" for load in os.getloadavg())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "edge": f"{edge.__version__} ({_commit()})",
        "cpu": f"{len(os.sched_getaffinity(0))} cores, {_cpu_model()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1024**3:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": _disk(folder),
        "load_before": f"{load} (1, 5, 15 minutes)",
        "python": platform.python_version(),
        "dcmtk": _first_match(["storescp", "--version"], r"storescp (v[\w.]+)"),
        "orthanc": _first_match(["Orthanc", "--version"], r"Orthanc ([\d.]+)"),
        "mosquitto": _first_match(["mosquitto", "-h"], r"version ([\w.]+)"),
        **{name: importlib.metadata.version(name) for name in ("pynetdicom", "pydicom", "numpy")},
    }


def _commit() -> str:
    def git(*arguments: str) -> str:
        asked = subprocess.run(
            ["git", "-C", str(_CHECKOUT), *arguments], capture_output=True, text=True, check=False
        )
        return asked.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "no commit known"
    return f"{commit}, changed" if git("status", "--porcelain", "--", "edge", "model_repo") else commit


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def _disk(folder: Path) -> str:
    """File system, device and what the kernel knows of it."""
    best, said = -1, "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        number, point = mount.split()[2], mount.split()[4]
        if len(point) > best and folder.resolve().is_relative_to(point):
            kind, device = source.split()[:2]
            best, said = len(point), f"{kind} on {Path(device).name}{_queue(number)}"
    return said


def _queue(number: str) -> str:
    block = Path("/sys/dev/block") / number
    for queue in (block / "queue", block.resolve().parent / "queue"):
        if (queue / "rotational").exists():
            rotates = (queue / "rotational").read_text().strip() == "1"
            cache = (queue / "write_cache").read_text().strip()
            return f" (reported as {'rotational' if rotates else 'not rotational'}, {cache} cache)"
    return ""


def _first_match(argv: list[str], pattern: str) -> str:
    if shutil.which(argv[0]) is None:
        return "not installed"
    said = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    found = re.search(pattern, said.stdout + said.stderr)
    return found.group(1) if found else "unknown"
