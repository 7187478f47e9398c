"""Installing the embedded server for real: interrupted, repeated, refused, and without root or libpython."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import FixConfiguration
from edge.triton import provision as module
from edge.triton.libpython import Interpreter, Unavailable, download, find_libpython, obtain_libpython
from edge.triton.provision import Installation, provision
from tests.triton_fixtures import shared_state_dir


def test_a_second_run_installs_nothing(installation: Installation) -> None:
    said: list[str] = []
    assert provision(shared_state_dir(), said.append) == installation
    assert said == []


def test_everything_the_server_needs_is_there(installation: Installation) -> None:
    backend = installation.backend_dir / "python"
    assert os.access(installation.server, os.X_OK)
    assert os.access(backend / "triton_python_backend_stub", os.X_OK)
    assert (backend / "libtriton_python.so").resolve().is_file()
    assert not (backend / "libtriton_python.so").readlink().is_absolute()
    ask = "import numpy, onnxruntime; print(numpy.__version__)"
    said = subprocess.run(
        [installation.venv / "bin" / "python", "-c", ask], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("1.")


def test_an_interrupted_installation_starts_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "triton" / "venv" / "half").mkdir(parents=True)
    asked: list[list[str]] = []

    def pretend(command: list[str], **_: object) -> None:
        asked.append(command)
        raise FixConfiguration("stopped here")

    monkeypatch.setattr(module, "_run", pretend)
    with pytest.raises(FixConfiguration):
        provision(tmp_path, print)
    assert not (tmp_path / "triton" / "venv" / "half").exists()
    assert asked[0][1:3] == ["-m", "venv"]
    assert not (tmp_path / "triton" / "installed.json").exists()


def test_other_pins_make_a_new_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "triton").mkdir()
    (tmp_path / "triton" / "installed.json").write_text(json.dumps({"key": "of older pins"}))

    def pretend(command: list[str], **_: object) -> None:
        raise FixConfiguration("would install")

    monkeypatch.setattr(module, "_run", pretend)
    with pytest.raises(FixConfiguration, match="would install"):
        provision(tmp_path, print)


def test_pip_without_an_index_says_so_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(FixConfiguration, match="pip failed and said: ERROR") as refused:
        provision(tmp_path, print)
    assert "triton.mode" in refused.value.advice
    assert not (tmp_path / "triton" / "installed.json").exists()


def test_a_python_without_wheels_is_unavailable_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUPPORTED_PYTHONS", ("2.7",))
    found = provision(tmp_path, print)
    assert isinstance(found, Unavailable)
    assert "2.7" in found.reason
    assert "apt-get install" in found.remedy


def test_without_apt_and_library_the_caller_hears_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    stranger = Interpreter(Path(sys.executable), "3.99", tmp_path)
    found = obtain_libpython(stranger, tmp_path / "unpacked", print)
    assert isinstance(found, Unavailable)
    assert "libpython3.99.so.1.0" in found.reason


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="only Debian has apt-get")
@pytest.mark.parametrize("lists", ["the system's", "its own"])
def test_debian_gives_the_library_to_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lists: str
) -> None:
    if lists == "its own":
        # What an apt without package lists says: nothing to download.
        empty = tmp_path / "empty"
        empty.mkdir()
        config = tmp_path / "apt.conf"
        config.write_text(f'Dir::State::lists "{empty}";\n')
        monkeypatch.setenv("APT_CONFIG", str(config))
    python = Interpreter(Path("/usr/bin/python3.11"), "3.11", tmp_path / "nowhere")
    failure = download("libpython3.11", tmp_path / "unpacked")
    assert failure is None
    found = [p for p in (tmp_path / "unpacked" / "root").glob("usr/lib/*") if find_libpython(python, [p])]
    assert len(found) == 1
    assert (found[0] / python.soname).resolve().stat().st_size > 1_000_000
