"""What ``oreo-agent doctor`` looks at: one plain function a check, none of which raises."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata, resources
from pathlib import Path


class Status(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    status: Status
    detail: str
    fix: str = ""
    """What to do, where the status is not ok."""


def check_python() -> Check:
    """Is this Python one that the package supports?"""
    detail = f"{platform.python_version()} ({platform.system()} {platform.machine()})"
    if (3, 11) <= sys.version_info < (3, 13):
        return Check("python", Status.OK, detail)
    return Check("python", Status.FAIL, detail, "Use Python 3.11 or 3.12.")


def check_torch() -> Check:
    """Does torch load, and on what would it compute?"""
    try:
        import torch  # heavy: only when this check runs
    except Exception as error:  # a broken install raises more than ImportError
        return _broken("torch", error, "Install it: pip install torch")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    detail = f"{torch.__version__}, {device}, {torch.get_num_threads()} threads"
    return Check("torch", Status.OK, detail)


def check_libraries() -> Check:
    """Are the libraries there, in versions that the package was made for?"""
    from packaging.requirements import InvalidRequirement, Requirement

    wrong: list[str] = []
    found: list[str] = []
    for text in metadata.requires("oreo-agent") or []:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
        elif requirement.name in ("transformers", "peft", "textual", "textworld"):
            found.append(f"{requirement.name} {version}")
    if wrong:
        fix = "Install the package again: pip install oreo-agent"
        return Check("libraries", Status.FAIL, "; ".join(wrong), fix)
    return Check("libraries", Status.OK, ", ".join(found))


def check_alfworld() -> Check:
    """Is the alfworld package there, with the rules and scenes that houses are made from?"""
    # Found, not imported: importing alfworld creates a folder in the user's home.
    spec = importlib.util.find_spec("alfworld")
    if spec is None or not spec.submodule_search_locations:
        fix = "Install it: pip install 'alfworld>=0.4.2,<0.5'"
        return Check("alfworld", Status.FAIL, "not installed", fix)
    folder = Path(spec.submodule_search_locations[0])
    needed = ("data/alfred.pddl", "data/alfred.twl2", "gen/layouts")
    missing = [name for name in needed if not (folder / name).exists()]
    if missing:
        fix = "Install it again: pip install --force-reinstall alfworld"
        return Check("alfworld", Status.FAIL, f"lacks {', '.join(missing)}", fix)
    return Check("alfworld", Status.OK, metadata.version("alfworld"))


def check_games() -> Check:
    """Are the official games there? They are optional: houses can be generated."""
    from oreo_agent.envs.alfworld.games import SPLITS, count_games, official_root

    root = official_root()
    counts = count_games(root)
    detail = f"{root}: " + ", ".join(f"{split} {counts.get(split, 0)}" for split in SPLITS)
    if any(counts.get(split) for split in SPLITS):
        return Check("official games", Status.OK, detail)
    fix = "Only for --games official: oreo-agent data download alfworld"
    return Check("official games", Status.WARN, detail, fix)


def check_environment() -> Check:
    """Can a house be generated, reset and stepped in the real engine?"""
    try:
        with tempfile.TemporaryDirectory(prefix="oreo-agent-doctor-") as folder:
            return _play_one_step(Path(folder))
    except (Exception, SystemExit) as error:  # the planner leaves by SystemExit on bad games
        return _broken("environment", error, "Install textworld and alfworld again.")


def _play_one_step(folder: Path) -> Check:
    from oreo_agent import envs
    from oreo_agent.envs.alfworld.houses import ensure_houses

    began = time.monotonic()
    games = ensure_houses(size="small", counts={"train": 1}, seed=0, root=folder / "houses")
    env = envs.make("alfworld", games=str(games))
    try:
        observation = env.reset(env.tasks("train")[0])
        ready = time.monotonic()
        result = env.step((observation.admissible or ("look",))[0])
        stepped = time.monotonic()
    finally:
        env.close()
    if not result.observation.text:
        raise RuntimeError("the engine answered nothing")
    detail = (
        f"generated and reset in {ready - began:.1f} s, "
        f"step in {1000 * (stepped - ready):.1f} ms: {observation.goal}"
    )
    return Check("environment", Status.OK, detail)


def check_writable() -> Check:
    """Can runs, caches and journals be written?"""
    from oreo_agent.envs.alfworld.cache import cache_root
    from oreo_agent.episodes import default_journal_folder

    refused: list[str] = []
    for folder in (cache_root(), default_journal_folder(), Path.cwd()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"oreo-agent")
                file.flush()
        except OSError as error:
            refused.append(f"{folder}: {error.strerror or error}")
    if refused:
        fix = "Give yourself write access, or set OREO_AGENT_CACHE and XDG_STATE_HOME."
        return Check("write access", Status.FAIL, "; ".join(refused), fix)
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    detail = f"cache {cache_root()}, {free:.1f} GiB free here"
    if free < 1:
        return Check("write access", Status.WARN, detail, "A run of the demo needs about 1 GiB.")
    return Check("write access", Status.OK, detail)


def check_terminal() -> Check:
    """Can the screen be shown here?"""
    if not sys.stdout.isatty():
        return Check("terminal", Status.OK, "not a terminal; play and replay use the plain form")
    columns, lines = os.get_terminal_size(sys.stdout.fileno())
    colours = "24-bit" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "256 or fewer"
    if os.environ.get("NO_COLOR"):
        colours = "off by NO_COLOR"
    encoding = (sys.stdout.encoding or "unknown").lower()
    detail = f"{columns}x{lines}, colours {colours}, {encoding}"
    if "utf" not in encoding:
        fix = "Use a UTF-8 locale, e.g. export LC_ALL=C.UTF-8"
        return Check("terminal", Status.WARN, detail, fix)
    if columns < 80 or lines < 24:
        return Check("terminal", Status.WARN, detail, "The screen is made for 80x24 and more.")
    return Check("terminal", Status.OK, detail)


def check_checkpoint() -> Check:
    """Is the trained model there that ``play`` starts with?"""
    weights = sorted(_files(resources.files("oreo_agent.assets"), ".safetensors"))
    if weights:
        return Check("shipped model", Status.OK, ", ".join(weights))
    fix = "Train one: oreo-agent train alfworld; then play with --checkpoint."
    return Check("shipped model", Status.WARN, "none", fix)


CHECKS: tuple[Callable[[], Check], ...] = (
    check_python,
    check_torch,
    check_libraries,
    check_alfworld,
    check_games,
    check_environment,
    check_writable,
    check_terminal,
    check_checkpoint,
)


def _broken(name: str, error: BaseException, fix: str) -> Check:
    return Check(name, Status.FAIL, f"{type(error).__name__}: {error}", fix)


def _files(folder: resources.abc.Traversable, suffix: str, prefix: str = "") -> Iterator[str]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _files(item, suffix, f"{prefix}{item.name}/")
        elif item.name.endswith(suffix):
            yield prefix + item.name
