"""Names the packages. The code of three rooms lies at the top of the repository."""

from __future__ import annotations

from setuptools import find_packages, setup

ROOMS = {
    "oreo_agent": "oreo_agent",
    "oreo_agent.assets": "assets",
    "oreo_agent.envs": "envs",
    "oreo_agent.tui": "tui",
}
LINKS = ["assets*", "envs*", "tui*"]  # in oreo_agent/, for type checkers and editors alone

packages = [
    package
    for room, folder in ROOMS.items()
    for package in (
        room,
        *(f"{room}.{name}" for name in find_packages(folder, exclude=LINKS)),
    )
]
setup(packages=packages, package_dir=ROOMS)
