"""The embedded Triton's installation under the state folder: its own environment and backend folder."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.errors import FixConfiguration
from edge.triton.libpython import Interpreter, Unavailable, find_libpython, obtain_libpython

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# numpy 1.26 has no wheels beyond 3.12, pytriton none for other machines.
SUPPORTED_PYTHONS = ("3.11", "3.12")
SUPPORTED_MACHINES = ("x86_64", "aarch64")
# Grows when the folder layout below changes, so that older installations are made anew.
_LAYOUT = 1
_PIP_OPTIONS = (
    *("--no-deps", "--only-binary=:all:", "--no-input"),
    *("--disable-pip-version-check", "--progress-bar=off"),
)
_PIP_PROGRESS = ("Collecting", "Downloading", "Installing")
_ASK_INTERPRETER = (
    "import json, sys, sysconfig, ensurepip;"
    "print(json.dumps(['%d.%d' % sys.version_info[:2], sysconfig.get_config_var('LIBDIR') or '']))"
)


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything that `edge.triton.embedded` starts lies; absolute paths."""

    venv: Path
    backend_dir: Path
    server_dir: Path
    library_path: tuple[Path, ...]

    @property
    def server(self) -> Path:
        return self.server_dir / "bin" / "tritonserver"


def provision(state_dir: Path, progress: Callable[[str], None]) -> Installation | Unavailable:
    """Installs what is missing, once; minutes on a first run, milliseconds afterwards.

    Raises FixConfiguration when the packages cannot be installed. Returns Unavailable when this
    machine cannot run the server at all; the caller then infers with `edge.triton.fallback`.
    """
    python = _choose_interpreter()
    if isinstance(python, Unavailable):
        return python
    home = (state_dir / "triton").absolute()
    home.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(home, progress):
        key = _key(python)
        stamp = home / "installed.json"
        if not _fits(stamp, key):
            stamp.unlink(missing_ok=True)
            _build(home, python, progress)
            fresh = stamp.with_suffix(".new")
            fresh.write_text(json.dumps({"key": key}))
            fresh.replace(stamp)
        library = obtain_libpython(python, home / "libpython", progress)
        if isinstance(library, Unavailable):
            return library
    return _installation(home, python, library)


def _build(home: Path, python: Interpreter, progress: Callable[[str], None]) -> None:
    venv, backends = home / "venv", home / "backends"
    for leftover in (venv, backends):
        shutil.rmtree(leftover, ignore_errors=True)
    progress(f"creating Triton's own Python {python.version} environment")
    _run(
        [str(python.executable), "-m", "venv", str(venv)],
        hint="On Debian: apt-get install -y python3-venv",
        progress=None,
    )
    progress("installing Triton and ONNX Runtime into it, about 80 MB the first time")
    _run(
        [str(venv / "bin" / "python"), "-m", "pip", "install", *_PIP_OPTIONS, "-r", str(REQUIREMENTS)],
        hint="Check the network and pip's index settings, then start again; or set triton.mode to external.",
        progress=progress,
    )
    server_dir = _server_dir(venv, python)
    wheel = server_dir / "backends" / "python"
    folder = backends / "python"
    folder.mkdir(parents=True)
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        # Relative, for the state folder may be moved, or be known by another name when it is next used.
        (folder / name).symlink_to(os.path.relpath(wheel.resolve(), folder.resolve()) + f"/{name}")
    # Triton looks for the stub beside the library and must be able to execute it.
    stub = folder / "triton_python_backend_stub"
    shutil.copyfile(server_dir / "python_backend_stubs" / python.version / stub.name, stub)
    stub.chmod(0o755)
    (server_dir / "bin" / "tritonserver").chmod(0o755)


def _installation(home: Path, python: Interpreter, library: Path) -> Installation:
    venv = home / "venv"
    wheel_libraries = _site_packages(venv, python) / "nvidia_pytriton.libs"
    return Installation(
        venv=venv,
        backend_dir=home / "backends",
        server_dir=_server_dir(venv, python),
        library_path=(wheel_libraries, library),
    )


def _site_packages(venv: Path, python: Interpreter) -> Path:
    return venv / "lib" / f"python{python.version}" / "site-packages"


def _server_dir(venv: Path, python: Interpreter) -> Path:
    return _site_packages(venv, python) / "pytriton" / "tritonserver"


def _choose_interpreter() -> Interpreter | Unavailable:
    """Our own Python if it has a shared library, else Debian's, which apt can bring one for."""
    if platform.system() != "Linux" or platform.machine() not in SUPPORTED_MACHINES:
        return Unavailable(
            f"there is no Triton wheel for {platform.system()} on {platform.machine()}",
            "Use Triton on another machine: set triton.mode to external and triton.grpc_url.",
        )
    own = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [own, *(Path("/usr/bin") / f"python{v}" for v in SUPPORTED_PYTHONS)]
    usable = [p for c in candidates if (p := _ask(c)) is not None and p.version in SUPPORTED_PYTHONS]
    for python in usable:
        if find_libpython(python, ()) is not None:
            return python
    packaged = [p for p in usable if p.executable.parent == Path("/usr/bin")]
    for python in (*packaged, *usable):
        return python
    return Unavailable(
        f"Triton's python stub needs Python {' or '.join(SUPPORTED_PYTHONS)} with venv",
        "On Debian 12: apt-get install -y python3.11 python3.11-venv",
    )


def _ask(executable: Path) -> Interpreter | None:
    try:
        said = subprocess.run(
            [executable, "-I", "-c", _ASK_INTERPRETER], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version, library_dir = json.loads(said.stdout)
    return Interpreter(executable, version, Path(library_dir))


def _key(python: Interpreter) -> str:
    parts = (REQUIREMENTS.read_text(), str(python.executable), python.version, str(_LAYOUT))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _fits(stamp: Path, key: str) -> bool:
    try:
        return bool(json.loads(stamp.read_text())["key"] == key)
    except (FileNotFoundError, ValueError, KeyError):
        return False


@contextmanager
def _one_at_a_time(home: Path, progress: Callable[[str], None]) -> Generator[None]:
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that is installing Triton")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], *, hint: str, progress: Callable[[str], None] | None) -> None:
    tail: list[str] = []
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                tail = [*tail[-4:], line.strip()]
                if progress is not None and line.lstrip().startswith(_PIP_PROGRESS):
                    progress(line.strip())
    except OSError as error:
        raise FixConfiguration(f"{command[0]} cannot be started: {error.strerror}", hint=hint) from error
    if child.returncode != 0:
        said = next((t for t in reversed(tail) if "error" in t.lower()), tail[-1] if tail else "nothing")
        what = "pip" if "pip" in command else "python -m venv"
        raise FixConfiguration(f"{what} failed and said: {said}", hint=hint)
