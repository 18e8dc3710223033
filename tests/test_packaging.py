from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import setuptools

import oreo_agent

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "oreo_agent": ROOT / "oreo_agent",
    "oreo_agent.assets": ROOT / "assets",
    "oreo_agent.envs": ROOT / "envs",
    "oreo_agent.tui": ROOT / "tui",
}
LINKS = ("assets", "envs", "tui")


def _packages_on_disk() -> set[str]:
    found: set[str] = set()
    for name, folder in FOLDERS.items():
        for init in folder.rglob("__init__.py"):
            parts = init.parent.relative_to(folder).parts
            if name == "oreo_agent" and parts and parts[0] in LINKS:
                continue
            found.add(".".join((name, *parts)))
    return found


def test_every_package_on_disk_is_named_for_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    named: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: named.update(arguments))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    assert set(named["packages"]) == _packages_on_disk()


def test_every_python_file_lies_in_a_package() -> None:
    orphans = [
        path
        for folder in FOLDERS.values()
        for path in folder.rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    ]
    assert orphans == []


def test_links_lead_to_the_real_folders() -> None:
    for name in LINKS:
        assert (ROOT / "oreo_agent" / name).resolve() == ROOT / name


def test_the_version_is_the_installed_one() -> None:
    assert metadata.version("oreo-agent") == oreo_agent.__version__


def test_constraints_pin_every_declared_dependency() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = {
        canonicalize_name(name): version
        for name, _, version in (line.partition("==") for line in lines if "==" in line)
    }
    for text in metadata.requires("oreo-agent") or []:
        requirement = Requirement(text)
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, text


_FAKE_PYTHON = """#!/bin/sh
case "$1" in
-c) exec {python} "$@" ;;
-m) mkdir -p "$3/bin" && : > "$3/bin/python" && exit 1 ;;  # as without ensurepip
esac
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#!/bin/sh\nexit 1\n", "not Python 3.11 or 3.12"),
        (_FAKE_PYTHON.format(python=sys.executable), "Error 1"),
    ],
    ids=["another version", "no ensurepip"],
)
def test_make_leaves_no_half_made_environment(tmp_path: Path, text: str, says: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    python = tmp_path / "python"
    python.write_text(text)
    python.chmod(0o755)
    home = tmp_path / "venv"
    command = ["make", "-C", str(ROOT), f"PYTHON={python}", f"VENV={home}", f"{home}/bin/python"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert says in done.stderr
    assert not (home / "bin" / "python").exists()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist as a publisher would."""
    out = tmp_path_factory.mktemp("dist")
    # No isolation: the build must work without a network.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_has_one_top_level_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert tops == {"oreo_agent", f"oreo_agent-{oreo_agent.__version__}.dist-info"}


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    wanted = {"oreo_agent/py.typed"}
    for name, folder in FOLDERS.items():
        for suffix in ("*.py", "*.tcss", "*.safetensors", "*.json", "*.jsonl", "*.toml", "*.md"):
            for path in folder.rglob(suffix):
                parts = path.relative_to(folder).parts
                if name != "oreo_agent" or parts[0] not in LINKS:
                    wanted.add("/".join((*name.split("."), *parts)))
    assert wanted - shipped == set()


@pytest.mark.slow
def test_the_sdist_holds_the_licence_and_no_local_files(wheel: Path) -> None:
    (sdist,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= names
    assert not [name for name in names if name.startswith((".venv", "runs", ".git/"))]


@pytest.mark.slow
def test_the_installed_wheel_runs_away_from_the_repository(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, *install, str(wheel)], check=True, capture_output=True)
    # The dependencies come from this interpreter: installing them again would take gigabytes.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    environment = {**os.environ, "OREO_AGENT_CACHE": str(tmp_path / "cache")}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [home / "bin" / "oreo-agent", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    assert run("--version") == f"oreo-agent {oreo_agent.__version__}\n"
    assert json.loads(run("doctor", "--json"))["ok"] is True
    where = "import oreo_agent.envs, oreo_agent.tui; print(oreo_agent.envs.__file__)"
    done = subprocess.run(
        [python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(site))
