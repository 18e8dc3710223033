from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import msgspec
import pytest

from oreo_agent.errors import MissingError, UsageError
from oreo_agent.learning.methods.oreo import OREOSettings
from oreo_agent.learning.methods.sft import SFTSettings
from oreo_agent.monitoring.run_monitor import RunMonitor, check_run
from oreo_agent.monitoring.run_status import RunCondition, StageState, Tally
from oreo_agent.monitoring.tail import MetricsReader, WaveReader
from oreo_agent.training.config import EvaluationConfig, RoundsConfig, config_type
from oreo_agent.training.progress_file import Phase
from oreo_agent.training.results import load_results
from oreo_agent.training.run_dir import PROGRESS, RunDir, write_json
from oreo_agent.training.stage_plan import Stage, StageKind, Unit, build_stages
from tests.tui.frozen_run import NOW, at_work, clock, evaluated, frozen_run, tell


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return frozen_run(tmp_path / "run")


def test_a_finished_run_is_seen_whole(finished_run: Path) -> None:
    view = RunMonitor(finished_run).look()
    assert view.condition is RunCondition.DONE
    assert {stage.state for stage in view.stages} == {StageState.DONE}
    assert view.problems == ()
    assert view.looked_at == "oreo"
    assert [row["step"] for row in view.rows if "kl" in row] == [1, 2, 3, 4]
    rollouts = view.stage("rollouts")
    assert rollouts is not None
    assert rollouts.tally is not None
    played = RunMonitor(finished_run).look("rollouts").rows
    assert rollouts.tally.played == played[-1]["step"]


def test_its_stages_are_those_that_a_run_leaves_marks_of(finished_run: Path) -> None:
    view = RunMonitor(finished_run).look()
    marks = {path.stem for path in (finished_run / "stages").glob("*.json")}
    assert {stage.name for stage in view.stages} - {"report"} == marks
    seconds = load_results(finished_run).seconds
    assert [s.name for s in view.stages if s.name in seconds] == list(seconds)


def test_success_is_that_of_the_results(finished_run: Path) -> None:
    view = RunMonitor(finished_run).look()
    tallies = {m.name: (m.splits["all"].won, m.splits["all"].played) for m in view.methods}
    assert tallies == {
        method.method: (sum(game.won for game in method.games), len(method.games))
        for method in load_results(finished_run).methods
    }


def _plan(
    methods: list[str], *, logged: bool = False, start: bool = False, sampled: bool = True
) -> tuple[Stage, ...]:
    config = config_type("alfworld")(
        methods=tuple(methods),
        sft=SFTSettings(steps=9),
        oreo=OREOSettings(steps=7),
        rounds=RoundsConfig(count=2),
        evaluation=EvaluationConfig(sampled=sampled),
    )
    return build_stages(config, logged=logged, start=start)


@pytest.mark.parametrize("is_sampled", [False, True])
@pytest.mark.parametrize(
    ("logged", "start", "first"),
    [
        (False, False, ["games", "demonstrations", "validation", "sft", "rollouts"]),
        (False, True, ["games", "sft", "rollouts"]),
        (True, False, ["games", "sft", "oreo"]),
    ],
)
def test_the_stages_follow_from_what_a_run_is_given(
    logged: bool, start: bool, first: list[str], is_sampled: bool
) -> None:
    names = [s.name for s in _plan(["oreo"], logged=logged, start=start, sampled=is_sampled)]
    assert list(names[: len(first)]) == first
    assert names[-1] == "report"
    assert names.index("rollouts-round2") < names.index("oreo-round2")
    assert ("evaluate-oreo-round2@T=1" in names) == is_sampled
    assert "evaluate-sft-round2" not in names


def test_a_run_under_way_is_seen_in_its_middle(run: Path) -> None:
    evaluated(run, "sft", 164)
    with at_work(run):
        view = RunMonitor(run, clock=clock).look()
    assert view.condition is RunCondition.RUNNING
    assert view.present == view.looked_at == "oreo"
    oreo, ahead = view.stage("oreo"), view.stage("evaluate-oreo")
    assert oreo is not None
    assert (oreo.state, oreo.done, oreo.total, oreo.seconds) == (StageState.NOW, 640, 1200, 220.0)
    assert ahead is not None
    assert ahead.state is StageState.AHEAD
    assert view.per_second == pytest.approx(540 / 218)
    assert view.updated == NOW - 2
    assert view.methods[0].splits["all"] == Tally(won=164, played=320)
    assert list(view.methods[0].splits) == ["all", "valid_seen", "valid_unseen"]


@pytest.mark.parametrize(
    ("phase", "condition"),
    [
        (None, RunCondition.KILLED),
        (Phase.STOPPED, RunCondition.STOPPED),
        (Phase.FAILED, RunCondition.FAILED),
    ],
)
def test_a_run_that_broke_off_is_told_by_how(
    run: Path, phase: Phase | None, condition: RunCondition
) -> None:
    tell(run, phase, "The disk is full." if phase is Phase.FAILED else "")
    view = RunMonitor(run, clock=clock).look()
    assert view.condition is condition
    assert view.condition.can_go_on
    assert view.error == ("The disk is full." if phase is Phase.FAILED else "")
    oreo = view.stage("oreo")
    assert oreo is not None
    assert oreo.state is StageState.BROKEN


def test_a_run_that_goes_on_is_noticed(run: Path) -> None:
    watcher = RunMonitor(run, clock=clock)
    assert watcher.look().condition is RunCondition.KILLED
    with at_work(run):
        tell(run)
        assert watcher.look().condition is RunCondition.RUNNING


def test_a_run_that_says_nothing_of_itself_is_seen_by_what_it_left(run: Path) -> None:
    (run / PROGRESS).unlink()
    view = RunMonitor(run, clock=clock).look()
    assert view.condition is RunCondition.STOPPED
    oreo = view.stage("oreo")
    assert oreo is not None
    assert (oreo.state, oreo.done, oreo.total) == (StageState.BROKEN, 640, 1200)


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    watcher = RunMonitor(tmp_path / "run", clock=clock)
    assert watcher.look().condition is RunCondition.WAITING
    frozen_run(tmp_path / "run")
    assert watcher.look().present == "oreo"
    shutil.rmtree(tmp_path / "run")
    assert watcher.look().condition is RunCondition.WAITING


def test_a_damaged_mark_is_a_line_and_the_stage_counts_as_done(run: Path) -> None:
    (run / "stages" / "sft.json").write_text('{"seco')
    watcher = RunMonitor(run, clock=clock)
    for _ in range(2):
        view = watcher.look()
        (problem,) = view.problems
        assert "sft.json" in problem
        assert view.present == "oreo"


def test_damaged_episodes_are_a_line(run: Path) -> None:
    (run / "episodes" / "rollouts" / "wave-00001.jsonl").write_text('{"id": 3}\n')
    view = RunMonitor(run, clock=clock).look("rollouts")
    (problem,) = view.problems
    assert "wave-00001.jsonl:1" in problem


def test_success_so_far_of_a_stage_that_plays_is_read_wave_by_wave(run: Path) -> None:
    view = RunMonitor(run, clock=clock).look("rollouts")
    assert view.looked_at == "rollouts"
    assert [(row["step"], row["success"]) for row in view.rows] == [(3, 2 / 3), (5, 3 / 5)]
    assert all(row["low"] < row["success"] < row["high"] for row in view.rows)
    assert view.rows[0]["turns"] == pytest.approx(17 / 3)


def test_a_running_evaluation_counts_what_is_played_so_far(run: Path) -> None:
    played = run / "episodes" / "evaluate-sft"
    shutil.copytree(run / "episodes" / "rollouts", played)
    (method,) = RunMonitor(run, clock=clock).look().methods
    assert (method.name, method.is_whole) == ("sft", False)
    assert method.splits["all"] == Tally(won=3, played=5)


def test_a_new_wave_is_read_and_the_old_ones_are_not_read_again(run: Path) -> None:
    folder = run / "episodes" / "rollouts"
    reader = WaveReader(folder)
    assert reader.rows()[-1]["step"] == 5
    first = folder / "wave-00000.jsonl"
    stamp, size = first.stat(), first.stat().st_size
    first.write_bytes(b"x" * size)  # damaged, but as old and as large as before: not looked at
    os.utime(first, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    shutil.copy(folder / "wave-00001.jsonl", folder / "wave-00002.jsonl")
    assert reader.rows()[-1]["step"] == 7


def lines(*rows: dict[str, object]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def replaced(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".tmp")
    draft.write_bytes(data)
    draft.replace(path)


def test_metrics_grow_and_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "oreo.jsonl"
    reader = MetricsReader(path)
    assert reader.rows() == ()
    replaced(path, lines({"step": 1, "loss": 2.0}) + b'{"step": 2, "lo')
    assert reader.rows() == ({"step": 1, "loss": 2.0},)
    replaced(path, lines({"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5, "kl": None}))
    assert reader.rows() == ({"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5})


def test_metrics_that_were_written_anew_are_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "oreo.jsonl"
    reader = MetricsReader(path)
    replaced(path, lines({"step": 1}, {"step": 2}, {"step": 3}))
    assert len(reader.rows()) == 3
    replaced(path, lines({"step": 1}))
    assert reader.rows() == ({"step": 1},)
    path.unlink()
    assert reader.rows() == ()


def test_a_folder_that_is_not_there_or_holds_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such folder"):
        check_run(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="does not hold a run"):
        check_run(tmp_path)
    # What collect leaves has a configuration too, but no stages.
    identity = {"config": {"seed": 0, "games": {"train": 3}}, "agent": "expert"}
    with RunDir(tmp_path / "collected").claim(identity, resume=True, force=False):
        write_json(tmp_path / "collected" / "results.json", {})
    with pytest.raises(UsageError, match="does not hold a run"):
        check_run(tmp_path / "collected")


def test_a_run_is_accepted(run: Path) -> None:
    check_run(run)


@pytest.mark.parametrize(
    ("name", "kind", "unit", "updates"),
    [
        ("games", StageKind.GAMES, "", 0),
        ("report", StageKind.REPORT, "", 0),
        ("rollouts-round2", StageKind.ROLLOUTS, "episodes", 0),
        ("evaluate-oreo@T=1", StageKind.EVALUATE, "episodes", 0),
        ("sft", StageKind.SFT, "updates", 9),
        ("dpo-nll-round2", StageKind.LEARN, "updates", 7),
    ],
)
def test_a_stage_says_what_it_does_and_how_much(
    name: str, kind: StageKind, unit: Unit, updates: int
) -> None:
    (stage,) = [stage for stage in _plan(["oreo", "dpo-nll"]) if stage.name == name]
    assert (stage.kind, stage.unit, stage.updates) == (kind, unit, updates)


def test_a_method_of_another_version_leaves_the_other_stages_as_they_are() -> None:
    assert _plan(["oreo", "of-another-version"]) == _plan(["oreo"])


def test_a_look_at_a_run_with_nothing_new_is_cheap(run: Path) -> None:
    watcher = RunMonitor(run, clock=clock)
    watcher.look()
    began = time.process_time()
    for _ in range(20):
        watcher.look()
    assert (time.process_time() - began) / 20 < 0.02
