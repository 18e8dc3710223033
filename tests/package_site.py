"""A package of somebody else's, built and installed by pip, with environments as entry points."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"

[project.entry-points."oreo_agent.envs"]
{environments}

[tool.setuptools]
py-modules = {modules}
"""


def install(
    root: Path,
    name: str,
    version: str,
    *,
    environments: Mapping[str, str],
    modules: Mapping[str, str],
) -> Path:
    """Install a package made of modules and return the folder to add to Python's path.

    Args:
        root: An empty folder.
        name: The package's.
        version: The package's.
        environments: Name to ``module:attribute``.
        modules: Name to source.
    """
    source, site = root / "source", root / "site"
    source.mkdir()
    points = "\n".join(f'{key} = "{place}"' for key, place in environments.items())
    (source / "pyproject.toml").write_text(
        _PROJECT.format(name=name, version=version, environments=points, modules=list(modules))
    )
    for module, text in modules.items():
        (source / f"{module}.py").write_text(text)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(site)]
    command = [sys.executable, "-m", "pip", "install", *options, str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return site
