"""What all tests share: one thread, no network, no file outside temporary folders."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

# Before anything imports torch or tokenizers: several test processes share few cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"

import hypothesis
import pytest
import pytest_textual_snapshot

# A busy machine may take seconds over one example.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Written as .svg, a snapshot can be looked at where the repository is browsed.
pytest_textual_snapshot.SVGImageExtension.file_extension = "svg"

ROOT = Path(__file__).resolve().parents[1]
# Read before the tests get a home of their own: the caller's official games are only read.
CALLERS_GAMES = os.environ.get("ALFWORLD_DATA")


@pytest.fixture(scope="session", autouse=True)
def tmp_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep every test, and every process it starts, out of the user's home."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OREO_AGENT_CACHE", str(home / "cache"))
        patch.setenv("ALFWORLD_DATA", str(home / "alfworld"))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.setenv("XDG_CACHE_HOME", str(home / "xdg-cache"))
        patch.setenv("MPLCONFIGDIR", str(home / "matplotlib"))
        patch.delenv("OREO_AGENT_DEBUG", raising=False)
        yield home / "cache"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared material; tests that need it are skipped where it is not there."""
    named = os.environ.get("OREO_AGENT_SHARED")
    folder = Path(named) if named else ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs shared/data (see OREO_AGENT_SHARED); official games: set ALFWORLD_DATA")
    return folder


@pytest.fixture(scope="session")
def official_games(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A data folder with the 140 official valid_seen games: the caller's ``ALFWORLD_DATA``."""
    if CALLERS_GAMES and (Path(CALLERS_GAMES) / "json_2.1.1" / "valid_seen").is_dir():
        return Path(CALLERS_GAMES)
    shared_dir: Path = request.getfixturevalue("shared_dir")
    archive = shared_dir / "data" / "alfworld-json_2.1.1-valid_seen.tar.xz"
    if not archive.is_file():
        pytest.skip(f"needs {archive.name}")
    folder = tmp_path_factory.mktemp("official")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def house_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small generated houses: 6 to train on, 6 valid_seen, 6 valid_unseen."""
    from oreo_agent.envs.alfworld.houses import ensure_houses

    counts = {"train": 6, "valid_seen": 6, "valid_unseen": 6}
    root = tmp_path_factory.mktemp("houses") / "small"
    return ensure_houses(size="small", counts=counts, seed=5, root=root)


@pytest.fixture(scope="session")
def tiny_settings() -> tuple[str, ...]:
    """Settings of a run that goes through every stage within seconds and learns next to nothing."""
    return (
        "model.preset=nano",
        "games.train=10",
        "games.validation=4",
        "games.valid_seen=4",
        "games.valid_unseen=4",
        "games.horizon=20",
        "demonstrations.games=6",
        "demonstrations.per_game=1",
        "sft.steps=6",
        "sft.batch=4",
        "rollouts.per_game=2",
        "rollouts.wave=12",
        "oreo.steps=4",
        "oreo.batch=4",
        "oreo.value_warmup=1",
        "save_every=2",
        "log_every=1",
        "workers=1",
        "threads=1",
    )


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, tiny_settings: tuple[str, ...]) -> Path:
    """The folder of a finished run with the tiny settings. Leave it as it is."""
    from oreo_agent.config import resolve
    from oreo_agent.training.config import config_type
    from oreo_agent.training.run import train

    out = tmp_path_factory.mktemp("runs") / "finished"
    train(resolve(config_type("alfworld"), env={}, sets=tiny_settings).value, out)
    return out


@pytest.fixture(scope="session")
def logged_episodes(
    tmp_path_factory: pytest.TempPathFactory, tiny_settings: tuple[str, ...]
) -> tuple[Path, Path]:
    """Two folders of logged episodes: the expert's on 12 games, and 6 that were lost."""
    from oreo_agent.agents.expert import load_expert
    from oreo_agent.agents.random import RandomAgent
    from oreo_agent.config import resolve
    from oreo_agent.envs.registry import plugin_of
    from oreo_agent.training.collect import collect
    from oreo_agent.training.config import config_type

    config = resolve(config_type("alfworld"), env={}, sets=tiny_settings).value
    root = tmp_path_factory.mktemp("logged")
    expert = load_expert(plugin_of("alfworld"), {})
    collect(config, expert, root / "expert", split="train", count=12)
    collect(config, RandomAgent(), root / "random", split="train", count=6)
    return root / "expert", root / "random"
