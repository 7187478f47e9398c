"""libpython3.X.so.1.0, which Triton's python stub links against and Debian's python3 does not bring."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

APT_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why the embedded server cannot run on this machine, and what a person can do about it."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython: `version` is major.minor, `library_dir` its sysconfig LIBDIR."""

    executable: Path
    version: str
    library_dir: Path

    @property
    def soname(self) -> str:
        return f"libpython{self.version}.so.1.0"


def system_library_dirs() -> tuple[Path, ...]:
    """Where Debian and the usual shared builds of Python keep their libraries."""
    multiarch = f"{platform.machine()}-linux-gnu"
    return (
        Path("/usr/lib") / multiarch,
        Path("/lib") / multiarch,
        Path("/usr/local/lib"),
        Path("/usr/lib64"),
    )


def find_libpython(python: Interpreter, library_dirs: Iterable[Path]) -> Path | None:
    """The folder holding `python`'s shared library: its own LIBDIR first, then `library_dirs`."""
    for folder in (python.library_dir, *library_dirs):
        if (folder / python.soname).exists():
            return folder
    return None


def obtain_libpython(
    python: Interpreter, unpack_dir: Path, progress: Callable[[str], None]
) -> Path | Unavailable:
    """The folder holding the library; installs (root) or downloads and unpacks (others) Debian's package."""
    found = find_libpython(python, (*system_library_dirs(), *_unpacked(unpack_dir)))
    if found is not None:
        return found
    package = f"libpython{python.version}"
    remedy = f"As root: apt-get install -y {package}"
    if shutil.which("apt-get") is None:
        return Unavailable(
            f"{python.soname} is missing and there is no apt-get",
            f"Install {python.soname} from your distribution, or set triton.mode to external.",
        )
    if os.geteuid() == 0:
        progress(f"installing {package}, which Triton's python stub needs")
        failure = install(package)
        if failure is None:
            found = find_libpython(python, system_library_dirs())
            if found is not None:
                return found
    progress(f"downloading {package}, which Triton's python stub needs")
    failure = download(package, unpack_dir)
    found = find_libpython(python, _unpacked(unpack_dir))
    if found is not None:
        return found
    return Unavailable(f"{python.soname} is missing: {failure or 'the package does not hold it'}", remedy)


def install(package: str) -> str | None:
    """Installs a Debian package as root, refreshing the lists when needed; returns what went wrong."""
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=60", "install", "-y", "--no-install-recommends", package]
    failure = _run(command)
    if failure is None:
        return None
    return _run(["apt-get", "update"]) or _run(command)


def download(package: str, unpack_dir: Path) -> str | None:
    """Unpacks a Debian package under `unpack_dir` without root; returns what went wrong.

    Without usable package lists it fetches its own into `unpack_dir`, by the system's sources.
    """
    fresh = unpack_dir / "download"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    failure = _run(["apt-get", "download", package], cwd=fresh)
    if failure is not None:
        private = _private_apt(fresh)
        failure = _run(["apt-get", *private, "update"]) or _run(
            ["apt-get", *private, "download", package], cwd=fresh
        )
    archives = sorted(fresh.glob("*.deb"))
    if failure is not None or not archives:
        return failure or f"apt-get download {package} brought nothing"
    failure = _run(["dpkg-deb", "-x", str(archives[0]), str(unpack_dir / "root")])
    shutil.rmtree(fresh, ignore_errors=True)
    return failure


def _private_apt(folder: Path) -> list[str]:
    """Options that keep all of apt's writing inside `folder`, so that it needs no root."""
    options: list[str] = []
    for name in ("State", "State::lists", "Cache", "Cache::archives", "Log"):
        target = folder / "apt" / name.replace("::", "-").lower()
        (target / "partial").mkdir(parents=True)
        options += ["-o", f"Dir::{name}={target}"]
    return [*options, "-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "Debug::NoLocking=true"]


def _unpacked(unpack_dir: Path) -> tuple[Path, ...]:
    root = unpack_dir / "root"
    return tuple(sorted(p for p in root.glob("usr/lib/*") if p.is_dir()))


def _run(command: Sequence[str], cwd: Path | None = None) -> str | None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=APT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{' '.join(command[:2])} took longer than {APT_TIMEOUT_S:.0f} s"
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    if done.returncode == 0:
        return None
    lines = (done.stderr or done.stdout).strip().splitlines()
    return f"{command[0]} said: {lines[-1] if lines else f'exit code {done.returncode}'}"
