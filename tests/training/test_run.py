from __future__ import annotations

import dataclasses
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from oreo_agent.agents.factory import make_agent
from oreo_agent.agents.language_model import load_agent
from oreo_agent.config import resolve
from oreo_agent.episodes import EpisodeStore, read_episodes
from oreo_agent.errors import ConfigError, RunFailedError, UsageError
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.collect import collect
from oreo_agent.training.config import RunConfig, config_type
from oreo_agent.training.report import markdown
from oreo_agent.training.results import RunResults, load_results
from oreo_agent.training.run import train
from tests.agent_setting import setting

METHODS = ["sft", "rejection", "oreo"]
PNG = b"\x89PNG\r\n\x1a\n"


class Recorder(ProgressCallback):
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []

    def stage(self, name: str, total: int) -> None:
        self.stages.append(name)

    def advance(self, done: int, metrics: dict[str, float]) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def config(tiny_settings: tuple[str, ...]) -> RunConfig:
    return resolve(config_type("alfworld"), env={}, sets=tiny_settings).value


@pytest.fixture(scope="module")
def results(finished_run: Path) -> RunResults:
    return load_results(finished_run)


@pytest.fixture(scope="module")
def logged_run(
    config: RunConfig,
    logged_episodes: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A finished run that learnt from logged episodes alone."""
    out = tmp_path_factory.mktemp("logged-run") / "run"
    train(config, out, episodes=logged_episodes)
    return out


def test_every_held_out_game_is_played_once_by_every_method(results: RunResults) -> None:
    assert [method.method for method in results.methods] == METHODS
    tasks = [sorted(game.task for game in method.games) for method in results.methods]
    assert tasks[0] == tasks[1] == tasks[2]
    assert len(set(tasks[0])) == 8
    assert {game.split for game in results.methods[0].games} == {"valid_seen", "valid_unseen"}


def test_held_out_games_are_never_trained_on(finished_run: Path) -> None:
    games = json.loads((finished_run / "stages/games.json").read_text())
    held_out = {task for tasks in games["held_out"].values() for task in tasks}
    assert (len(games["train"]), len(games["validation"])) == (10, 4)
    assert not held_out & {*games["train"], *games["validation"]}
    assert not set(games["train"]) & set(games["validation"])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_a_checkpoint_that_loads(method: str, finished_run: Path) -> None:
    checkpoint = load_checkpoint(finished_run / "checkpoints" / method)
    assert checkpoint.meta.method == method
    assert (checkpoint.value is not None) == (method == "oreo")


@pytest.mark.parametrize(
    ("stage", "count"),
    [("demonstrations", 6), ("validation", 4), ("rollouts", 8), ("evaluate-oreo", 8)],
)
def test_every_stage_that_plays_keeps_its_episodes(
    stage: str, count: int, finished_run: Path
) -> None:
    episodes = list(EpisodeStore(finished_run / "episodes" / stage))
    assert len(episodes) == count
    assert all(episode.outcome.is_scored for episode in episodes)


def test_an_evaluation_that_is_gone_on_with_finds_what_an_unbroken_one_found(
    config: RunConfig, finished_run: Path, results: RunResults, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(finished_run, copy)
    (copy / "stages/evaluate-oreo.json").unlink()  # its episodes are there
    assert train(config, copy, resume=True).methods == results.methods


def test_rollouts_are_of_games_that_were_not_demonstrated(finished_run: Path) -> None:
    shown = {e.task for e in EpisodeStore(finished_run / "episodes/demonstrations")}
    played = {e.task for e in EpisodeStore(finished_run / "episodes/rollouts")}
    assert (len(shown), len(played), shown & played) == (6, 4, set())


def test_rollouts_record_the_tokens_and_the_policy_that_wrote_them(finished_run: Path) -> None:
    agent = load_agent(finished_run / "checkpoints/sft")
    for episode in EpisodeStore(finished_run / "episodes/rollouts"):
        assert episode.tokenizer_sha256 == agent.renderer.sha256
        assert episode.model == agent.name
        assert all(turn.executed.token_ids for turn in episode.turns)


@pytest.mark.parametrize("stage", ["sft", "oreo"])
def test_metrics_are_a_json_object_a_line_without_the_clock(stage: str, finished_run: Path) -> None:
    lines = (finished_run / "metrics" / f"{stage}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert {row["step"] for row in rows} == set(range(1, 7 if stage == "sft" else 5))
    assert not [key for row in rows for key in row if "runtime" in key or "per_second" in key]


def test_plots_are_pictures(finished_run: Path) -> None:
    for name in ("success.png", "training.png"):
        assert (finished_run / "plots" / name).read_bytes().startswith(PNG)


def test_the_configuration_is_written_resolved_with_seed_and_versions(finished_run: Path) -> None:
    written = json.loads((finished_run / "config.json").read_text())
    assert written["config"]["seed"] == 0
    assert written["config"]["games"]["train"] == 10
    assert written["versions"]["torch"]


def test_the_report_shows_the_counts_of_the_results(
    finished_run: Path, results: RunResults
) -> None:
    report = (finished_run / "report.md").read_text()
    for method, name in zip(results.methods, ("SFT", "rejection sampling", "OREO"), strict=True):
        row = next(line for line in report.splitlines() if line.startswith(f"| {name} |"))
        for split in ("valid_seen", "valid_unseen", "all"):
            games = [g for g in method.games if split in (g.split, "all")]
            won = sum(game.won for game in games)
            assert f"({won}/{len(games)})" in row


def test_where_no_rollout_was_won_the_report_says_what_rejection_sampling_is(
    finished_run: Path, results: RunResults
) -> None:
    won = [e for e in read_episodes([finished_run / "episodes/rollouts"]) if e.ret > 0]
    assert bool(won) != bool(results.notes)
    for note in results.notes:
        assert note in (finished_run / "report.md").read_text()


def test_a_finished_run_that_is_resumed_does_nothing_new(
    finished_run: Path, config: RunConfig, results: RunResults
) -> None:
    before = _files(finished_run)
    display = Recorder()
    assert train(config, finished_run, resume=True, display=display) == results
    assert _files(finished_run) == before
    assert not {"sft", "rejection", "oreo"} & set(display.stages)


def test_a_full_folder_is_left_alone(finished_run: Path, config: RunConfig) -> None:
    with pytest.raises(UsageError, match="not empty"):
        train(config, finished_run)


def test_resuming_with_another_setting_names_it(finished_run: Path, config: RunConfig) -> None:
    before = _files(finished_run)
    with pytest.raises(ConfigError, match=r"config\.seed was 0, now 7"):
        train(replace(config, seed=7), finished_run, resume=True)
    assert _files(finished_run) == before


def test_threads_and_workers_may_change_when_resuming(
    finished_run: Path, config: RunConfig, results: RunResults
) -> None:
    again = train(replace(config, workers=2), finished_run, resume=True)
    assert again.methods == results.methods


def test_resume_and_force_exclude_each_other(tmp_path: Path, config: RunConfig) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        train(config, tmp_path, resume=True, force=True)


def test_logged_episodes_take_the_place_of_collecting(logged_run: Path) -> None:
    played = {path.name for path in (logged_run / "episodes").iterdir()}
    assert played == {f"evaluate-{method}" for method in METHODS}


def test_logged_episodes_train_every_method(logged_run: Path) -> None:
    for method, updates in (("sft", 6), ("rejection", 4), ("oreo", 4)):
        lines = (logged_run / "metrics" / f"{method}.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["step"] == updates
    weights = [
        (logged_run / "checkpoints" / method / "policy/model.safetensors").read_bytes()
        for method in METHODS
    ]
    assert len(set(weights)) == 3


def test_episodes_that_are_all_too_long_say_how_long_they_are(
    finished_run: Path, config: RunConfig, tmp_path: Path
) -> None:
    short = replace(config, model=replace(config.model, max_length=9))
    logs = [finished_run / "episodes" / "demonstrations"]
    with pytest.raises(ConfigError, match=r"longer than model\.max_length = 9") as caught:
        train(short, tmp_path / "run", episodes=logs)
    assert re.search(r"the shortest has \d\d+", caught.value.fix)


def test_a_warm_up_as_long_as_the_training_is_refused_before_any_work(
    config: RunConfig, tmp_path: Path
) -> None:
    oreo = dataclasses.replace(config.oreo, value_warmup=config.oreo.steps)
    with pytest.raises(ConfigError, match="would never move"):
        train(dataclasses.replace(config, oreo=oreo), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_takes_the_place_of_sft_and_belongs_to_the_run(
    config: RunConfig, logged_run: Path, logged_episodes: tuple[Path, Path], tmp_path: Path
) -> None:
    start = shutil.copytree(logged_run / "checkpoints/oreo", tmp_path / "start")
    results = train(config, tmp_path / "run", episodes=[logged_episodes[1]], checkpoint=start)
    assert "SFT stands for the checkpoint that it started from, trained by oreo" in results.notes
    weights = "policy/model.safetensors"
    kept = tmp_path / "run/checkpoints/sft" / weights
    assert kept.read_bytes() == (start / weights).read_bytes()
    assert not (tmp_path / "run/metrics/sft.jsonl").exists()
    shutil.copytree(logged_run / "checkpoints/sft", start, dirs_exist_ok=True)
    with pytest.raises(ConfigError, match="checkpoint was"):
        train(
            config,
            tmp_path / "run",
            episodes=[logged_episodes[1]],
            checkpoint=start,
            resume=True,
        )


def test_lost_episodes_alone_need_a_checkpoint_and_leave_nothing_behind(
    config: RunConfig, logged_episodes: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(RunFailedError, match="no successful episode"):
        train(config, tmp_path / "run", episodes=[logged_episodes[1]])
    assert not (tmp_path / "run").exists()


def test_resuming_with_changed_logs_is_refused(
    config: RunConfig, logged_run: Path, logged_episodes: tuple[Path, Path]
) -> None:
    with pytest.raises(ConfigError, match="episodes was"):
        train(config, logged_run, episodes=logged_episodes[:1], resume=True)


def test_the_same_seed_gives_the_same_run(
    config: RunConfig, logged_run: Path, logged_episodes: tuple[Path, Path], tmp_path: Path
) -> None:
    again = train(config, tmp_path / "run", episodes=logged_episodes)
    assert again.methods == load_results(logged_run).methods
    assert _files(tmp_path / "run/metrics") == _files(logged_run / "metrics")


def test_the_markdown_of_two_runs_counts_every_run(results: RunResults) -> None:
    import msgspec

    other = msgspec.structs.replace(results, seed=1)
    text = markdown([results, other], command="oreo-agent report a b")
    assert "Seeds: 0, 1." in text
    assert "sign-flip" in text
    assert "/16)" in text


def test_collecting_again_goes_on_with_what_is_there(
    config: RunConfig, logged_episodes: tuple[Path, Path]
) -> None:
    before = _files(logged_episodes[1])
    collect(config, make_agent("random", setting()), logged_episodes[1], split="train", count=6)
    assert _files(logged_episodes[1]) == before


def test_collecting_something_else_into_the_same_folder_is_refused(
    config: RunConfig, logged_episodes: tuple[Path, Path]
) -> None:
    with pytest.raises(ConfigError, match="agent was 'random', now 'expert'"):
        collect(config, make_agent("expert", setting()), logged_episodes[1], split="train", count=6)
