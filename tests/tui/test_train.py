from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from textual.widgets import Static

from oreo_agent.monitoring.run_status import RunCondition
from oreo_agent.training.progress_file import Phase
from oreo_agent.training.run_dir import PROGRESS
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.replay import RunEpisodesScreen
from oreo_agent.tui.screens.train import TrainScreen
from oreo_agent.tui.widgets.curve import Curve
from oreo_agent.tui.widgets.note_list import NoteList
from oreo_agent.tui.widgets.stage_list import clock as time_of
from oreo_agent.tui.widgets.tally_list import TallyList
from tests.tui.frozen_run import at_work, evaluated, frozen_run, tell
from tests.tui.train_screen import Watch, watch


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return frozen_run(tmp_path / "run")


def row(shown: Watch, name: str) -> str:
    """The line of the screen that begins with a stage's mark and name."""
    place = [stage.name for stage in shown.view.stages].index(name)
    return str(shown.stages.get_option_at_index(place).prompt)


def curve(shown: Watch, place: int) -> str:
    pane = shown.train.query_one(f"#curve-{place}", Curve)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def test_stages_show_their_state_time_and_success(run: Path) -> None:
    with at_work(run):
        async with watch(run, size=(120, 36)) as shown:
            names = ("demonstrations", "rejection", "oreo", "evaluate-oreo")
            assert [" ".join(row(shown, name).split()) for name in names] == [
                "✓ demonstrations 95% won 0:23",
                "✓ rejection 1h08",
                "▸ oreo █████▍···· 640/1200 3:40",
                "· evaluate-oreo",
            ]
            assert "running · oreo 640/1200 · 3:40 · about 3:46 to go" in shown.status


async def test_curves_have_fixed_scales_and_say_where_they_have_come_to(run: Path) -> None:
    async with watch(run, size=(120, 36)) as shown:
        titles = [str(c.border_title) for c in shown.train.query(Curve) if c.display]
        assert titles == ["loss  0.567", "V: mean and Brier", "KL, nats  0.0939", "log π/ref, mean"]
        loss, values, *_ = (curve(shown, place).splitlines() for place in range(4))
        assert loss[0].startswith("    1│")
        assert loss[-2].startswith("    0│")
        assert loss[-1].split() == ["0", "1200", "updates"]
        ends = [line.split() for line in values if line.split()[-2:-1] and "0." in line.split()[-1]]
        assert [line[-2:] for line in ends] == [
            ["won", "0.535"],
            ["lost", "0.273"],
            ["Brier", "0.194"],
        ]


async def test_success_so_far_has_its_interval_and_grows(run: Path) -> None:
    with at_work(run):
        async with watch(run, size=(120, 36)) as shown:
            tallies = shown.train.query_one(TallyList)
            assert "No method was measured yet." in str(tallies.get_option_at_index(0).prompt)
            evaluated(run, "sft", 164)
            shutil.copytree(run / "episodes" / "rollouts", run / "episodes" / "evaluate-rejection")
            await shown.wait(lambda: len(shown.view.methods) == 2)
            rows = [str(tallies.get_option_at_index(place).prompt) for place in range(2)]
            assert rows[0].endswith(" 51% [46, 57] 164/320")
            assert rows[1].startswith("▸rejection")
            assert rows[1].endswith(" 60% [23, 88]     3/5")
            assert "├──" in rows[1]
            assert "●" in rows[1]


async def test_the_curves_are_of_the_selected_stage_and_then_of_the_present_one(run: Path) -> None:
    async with watch(run) as shown:
        await shown.press("k", "k")
        await shown.wait(lambda: shown.view.looked_at == "rollouts")
        assert "success so far" in str(shown.train.query_one("#curve-0", Curve).border_title)
        assert curve(shown, 0).splitlines()[-1].split() == ["0", "10000", "episodes"]
        await shown.press("f")
        await shown.wait(lambda: shown.view.looked_at == "oreo")


async def test_a_look_that_began_before_a_key_does_not_take_the_cursor_back(run: Path) -> None:
    with at_work(run):
        async with watch(run) as shown:
            late = TrainScreen.Seen(shown.view, None)
            await shown.press("k")
            await shown.wait(lambda: shown.view.looked_at == "rejection")
            shown.train.on_train_screen_seen(late)
            assert shown.view.looked_at == "oreo"
            assert shown.stages.stage == "rejection"
            await shown.wait(lambda: shown.view.looked_at == "rejection")
            shown.stages.highlighted = 0
            shown.train.on_train_screen_seen(late)
            assert shown.stages.stage == "games"
            await shown.wait(lambda: shown.view.looked_at == "games")


async def test_enter_lists_the_episodes_of_the_selected_stage_and_one_can_be_opened(
    run: Path,
) -> None:
    other = run / "episodes" / "evaluate-sft"
    shutil.copytree(run / "episodes" / "rollouts", other)
    (other / "wave-00001.jsonl").unlink()
    async with watch(run) as shown:
        await shown.press("k", "k", "enter")
        await shown.wait(lambda: isinstance(shown.app.screen, RunEpisodesScreen))
        await shown.wait(lambda: "5 of 5 episodes" in shown.status)
        await shown.press("enter")
        await shown.wait(lambda: isinstance(shown.app.screen, EpisodeScreen))
        await shown.press("escape")
        await shown.wait(lambda: isinstance(shown.app.screen, RunEpisodesScreen))
        await shown.press("escape", "e")
        await shown.wait(lambda: "8 of 8 episodes" in shown.status)
        await shown.press("slash", *"in:evaluate")
        await shown.wait(lambda: "3 of 8 episodes" in shown.status)


async def test_without_episodes_it_says_so(run: Path) -> None:
    shutil.rmtree(run / "episodes")
    async with watch(run) as shown:
        await shown.press("e")
        assert "no episode is written yet" in shown.status


async def test_a_run_that_is_killed_stopped_or_fails_is_a_card_and_one_that_goes_on_takes_it_away(
    run: Path,
) -> None:
    async with watch(run) as shown:
        card = shown.train.query_one("#run-error", Static)
        await shown.wait(lambda: shown.view.condition is RunCondition.KILLED)
        assert "it was killed, or the machine went down" in str(card.render())
        with at_work(run):
            tell(run)
            await shown.wait(lambda: shown.view.condition is RunCondition.RUNNING)
            assert not card.display
        tell(run, Phase.FAILED, "The disk\x1b[31m is full. Make room.")
        await shown.wait(lambda: shown.view.condition is RunCondition.FAILED)
        assert "! The disk is full. Make room." in str(card.render())
        tell(run, Phase.STOPPED)
        await shown.wait(lambda: shown.view.condition is RunCondition.STOPPED)
        assert "--resume goes on with it" in str(card.render())


async def test_a_run_that_begins_later_is_waited_for(tmp_path: Path) -> None:
    async with watch(tmp_path / "run") as shown:
        assert "nothing is written yet" in shown.status
        frozen_run(tmp_path / "run")
        await shown.wait(lambda: shown.view.present == "oreo")
        assert shown.stages.stage == "oreo"


async def test_half_written_and_damaged_files_are_lines_and_no_crash(run: Path) -> None:
    with at_work(run):
        async with watch(run) as shown:
            (run / PROGRESS).write_text('{"sch')
            (run / "metrics" / "oreo.jsonl").write_text('{"step": 20, "loss": 0.5}\n{"ste')
            (run / "stages" / "sft.json").write_text("")
            await shown.wait(lambda: shown.view.problems)
            assert len(shown.view.rows) == 1
            assert shown.view.present == "oreo"
            notes = shown.train.query_one(NoteList)
            assert "sft.json" in str(notes.get_option_at_index(0).prompt).replace("\n   ", "")


async def test_text_of_the_run_is_shown_as_it_is_and_obeyed_by_nobody(run: Path) -> None:
    with at_work(run):
        async with watch(run, size=(120, 36)) as shown:
            text = shown.text()
            assert "valid/[red]kitchen[/red]/mug" in text
            assert "\x1b" not in text


async def test_a_run_that_is_not_ours_cannot_be_stopped(run: Path) -> None:
    with at_work(run):
        async with watch(run, is_ours=False) as shown:
            await shown.press("ctrl+c")
            assert shown.app.screen is shown.train
            assert "Stop the run" not in shown.text()


async def test_a_run_that_is_over_cannot_be_stopped(run: Path) -> None:
    async with watch(run) as shown:
        await shown.press("ctrl+c")
        assert shown.app.screen is shown.train


@pytest.mark.parametrize("size", [(20, 6), (40, 12), (60, 20), (200, 60)])
async def test_it_stands_at_any_size(run: Path, size: tuple[int, int]) -> None:
    evaluated(run, "sft", 164)
    async with watch(run, size=size) as shown:
        await shown.press("tab", "tab", "z", "z")
        await shown.pilot.resize_terminal(80, 24)
        assert "killed" in shown.status


def test_times_are_short() -> None:
    assert [time_of(s) for s in (0.4, 59.9, 61, 3599, 3600, 90000)] == [
        *("0:00", "0:59", "1:01", "59:59", "1h00", "25h00"),
    ]
