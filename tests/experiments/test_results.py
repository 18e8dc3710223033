"""The page of results is what the files of the experiments say."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from experiments import (
    ablations,
    critic,
    houses,
    logs,
    mathematics,
    official,
    results,
    rounds,
    runs,
    tables,
)
from experiments.results import PAGE, draw
from experiments.tables import difference, each_seed, rate
from oreo_agent.episodes import EpisodeStore, read_episodes
from oreo_agent.episodes.record import Outcome
from oreo_agent.errors import MissingError
from oreo_agent.evaluation import mcnemar_exact
from tests.episodes.test_store import episode

LOST = dict.fromkeys("abcdefgh", False)
WON = dict.fromkeys("abcdefgh", True)
GROUPS = {"held-out": list("abcd"), "valid_seen": list("ab"), "valid_unseen": list("cd")}
HALF = {task: task in "abcd" for task in "abcdefgh"}


def test_the_page_is_drawn_from_the_files() -> None:
    assert PAGE.read_text() == draw()


def test_a_rate_counts_a_game_once_for_its_interval() -> None:
    one, three = rate([HALF]), rate([HALF] * 3)
    assert one.replace("(4/8)", "") == three.replace("(12/24)", "")
    assert one.startswith("50.0% [")
    assert each_seed([LOST, HALF, WON]) == "0.0%, 50.0%, 100.0%"


def test_a_difference_of_one_seed_is_tested_by_mcnemar() -> None:
    assert difference([WON], [LOST]) == f"+100.0, p = {mcnemar_exact(WON, LOST):.2g}"


def test_a_difference_of_several_seeds_is_clustered_by_game() -> None:
    # Were every pair a game of its own, three seeds would make it more certain than one.
    assert difference([WON] * 3, [HALF] * 3) == "+50.0 (+50.0 +50.0 +50.0), p = 0.12"
    assert difference([WON, HALF], [HALF, WON]) == "+0.0 (+50.0 -50.0), p = 1"


def test_a_p_value_is_no_smaller_than_the_test_can_tell() -> None:
    many = dict.fromkeys(map(str, range(40)), True)
    assert difference([many] * 2, [dict.fromkeys(many, False)] * 2).endswith(", p < 0.0001")


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    monkeypatch.setattr(critic, "RESULTS", tmp_path)
    return tmp_path


def test_what_is_kept_names_no_folder_of_a_machine() -> None:
    kept = [runs._short(name) for name in ("oreo", "/a/b/agent", "value:5 of /a/b/agent")]
    assert kept == ["oreo", "agent", "value:5 of agent"]
    assert runs._short("value:5 of runs/x/oreo") == "value:5 of runs/x/oreo"
    assert not [file for file in runs.RESULTS.rglob("*.json") if '"/' in file.read_text()]
    assert not [file for file in runs.RESULTS.rglob("*.json") if " of /" in file.read_text()]


def test_without_runs_the_page_has_no_table(measured: Path) -> None:
    assert "|" not in results.draw()


def test_a_method_that_was_not_tuned_has_no_setting(measured: Path) -> None:
    with pytest.raises(MissingError, match="kto has not been tuned"):
        houses.chosen("kto")


def test_the_setting_with_most_wins_is_chosen(measured: Path) -> None:
    for number, won in enumerate(("0110", "0111", "1110")):
        keep(measured / f"houses/tune/rejection-{number}.json", won)
    assert houses.chosen("rejection") == houses.TRIED["rejection"][1]


def test_a_policy_has_played_when_it_has_played_every_split(measured: Path) -> None:
    games = {"valid_seen-800": ["a", "e"], "valid_unseen-800": ["c", "f"]}
    keep_games(measured / "houses", GROUPS | games)
    name = houses.name_of("oreo", "plenty", 0)
    keep(measured / f"houses/play/{name}-valid_seen.json", "01", "valid_seen-800", method="RUN")
    assert houses.played(name) == {}
    keep(measured / f"houses/play/{name}-valid_unseen.json", "11", "valid_unseen-800", method="RUN")
    assert houses.played(name) == {"e": True, "f": True}  # the others are of the first table


def test_a_search_is_compared_with_its_policy_and_with_as_many_candidates_without_v(
    measured: Path,
) -> None:
    keep_games(measured / "houses", GROUPS)
    train = measured / f"houses/{houses.guiding_name(0)}.json"
    keep(train, "0000", "held-out", method="sft", oreo="0001")
    for agent, won in (("model", "00"), ("value:5:by=logprob", "01"), ("value:5:prior=0.05", "11")):
        for split in houses.SPLITS:
            name = houses.searched_name("guided", agent, split, 0)
            keep(measured / f"houses/{name}.json", won, split, method="RUN")
    assert points(results.draw(), "| `value:5:p")[-3:] == ["+75.0", "+100.0", "+50.0"]


@pytest.mark.parametrize(
    ("part", "heading"), [("further", "in 2 others"), ("usual", "The same 2 houses")]
)
def test_the_search_that_was_chosen_is_judged_in_houses_that_did_not_choose_it(
    measured: Path, part: str, heading: str
) -> None:
    more = {"valid_seen-480": list("abe"), "valid_unseen-480": list("cdf")}
    keep_games(measured / "houses", GROUPS | more)
    train = measured / f"houses/{houses.guiding_name(0)}.json"
    keep(train, "0000", "held-out", method="sft", oreo="1111")
    won = {"greedy": "110", "model": "110", "value:2:by=value": "001", "value:2:by=logprob": "000"}
    for agent, marks in won.items():
        assert houses.further(part, agent, 0) == {}
        for split in houses.SPLITS:
            keep(
                measured / f"houses/{houses.searched_name('guided', agent, split, 0)}.json",
                "11",
                split,
            )
            name = f"houses/{part}/{agent.replace(':', '-')}-{split}-0.json"
            keep(measured / name, marks, f"{split}-480")
    assert houses.further(part, "value:2:by=value", 0) == {"e": True, "f": True}
    page = results.draw()
    later = page[page.index(heading) :]
    assert points(later, "| `value:2:by=value`")[3:] == ["+100.0", "+100.0", "+100.0"]


def test_forks_of_several_seeds_are_judged_together(measured: Path) -> None:
    def tried(value: float, logprob: float, wins: int) -> critic.Tried:
        ends = [n < wins for n in range(4)]
        return critic.Tried(
            action=f"go {value}",
            value=value,
            logprob=logprob,
            probability=0.5,
            answered=1 - value,
            ends=ends,
        )

    for seed, wins in enumerate((4, 2)):  # V prefers the better action twice, the likelier is worse
        fork = critic.Fork(task=f"t{seed}", turn=1, tried=[tried(0.9, -2, wins), tried(0.1, -1, 0)])
        kept = critic.Kept(latest=8, candidates=4, finishes=4, forks=[fork])
        path = measured / f"critic/valid_seen/8-{seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(kept))
    lines = "\n".join(critic.draw()).splitlines()
    assert "All 2 states together: V behind the action 1.000 (p = " in "".join(lines)
    rows = [line for line in lines if line.startswith("|")]
    assert rows[2].startswith("| V behind the action | 1.000, p = ")
    assert rows[2].endswith("| 1.000, 1.000 | 75.0% |")
    assert rows[3].startswith("| V behind the environment's answer | 0.000, p = ")
    assert rows[4].endswith("| 0.000, 0.000 | 0.0% |")
    assert rows[5].endswith("| 37.5% |")
    assert rows[6].endswith("| 75.0% to 75.0% |")


def test_a_perfect_critic_gains_at_least_what_half_of_the_trials_foresee() -> None:
    def fork(*ends: str) -> critic.Fork:
        tried = [
            critic.Tried(
                action=e,
                value=0,
                logprob=0,
                probability=0.5,
                answered=0,
                ends=[c == "1" for c in e],
            )
            for e in ends
        ]
        return critic.Fork(task="t", turn=1, tried=tried)

    # Every other trial prefers one of the two, the rest the other one: both choices are worth 0.
    worth = critic.report([fork("0001", "1000")])["worth"]
    assert (worth["foreseen"], worth["hindsight"]) == (0.0, 0.25)
    # Equally good by the first half: worth 0 and 0.5 by the second. There the last is the best.
    worth = critic.report([fork("0000", "1000", "1100")])["worth"]
    assert (worth["foreseen"], worth["hindsight"]) == ((0.25 + 0.5) / 2, 0.5)


def test_mathematics_compares_the_beams_with_the_policy(measured: Path) -> None:
    keep_games(measured / "mathematics", {"default": list("abcd")})
    place = measured / "mathematics" / "default"
    for seed in (0, 1):
        keep(place / f"{seed}.json", "0001", "default", method="sft", oreo="0011")
        keep(place / f"beam-5-{seed}.json", "1111", "default", method="beam of RUN")
    page = "\n".join(mathematics.draw())
    assert "| OREO | 50.0% [15.0%, 85.0%] (4/8) | 50.0%, 50.0% | +25.0" in page
    beam = next(line for line in page.splitlines() if "`beam:5`" in line)
    assert "(8/8)" in beam
    assert "+50.0" in beam
    assert "logprob" not in page


def test_logs_have_both_ways_of_decoding(measured: Path) -> None:
    keep_games(measured / "logs", {"valid_seen": list("abcd")})
    train = measured / "logs/renamed/train/0.json"
    keep(train, "0001", "valid_seen", method="sft", rejection="0001", oreo="0011")
    for method, won in (("sft", "0011"), ("oreo", "1111")):
        name = f"logs/renamed/restricted/{method}-0.json"
        keep(measured / name, won, "valid_seen", method="RUN")
    page = "\n".join(logs.draw())
    assert "The logs as they are" not in page
    cells = points(page, "| OREO")
    assert [cells[place] for place in (1, 3, 4, 6, 7)] == [
        *("50.0% [15.0%", "+25.0", "+25.0", "100.0%", "+50.0")
    ]
    assert "| SFT, longer | 25.0%" in page
    assert "| OREO after" not in page
    after = measured / "logs/renamed/after/0.json"
    keep(after, "0001", "valid_seen", method="sft", oreo="0111")
    assert points("\n".join(logs.draw()), "| OREO after")[3] == "+50.0"


def test_in_official_games_the_shipped_agent_searches_and_brief_clones_learn(
    measured: Path,
) -> None:
    keep_games(measured / "official", {"valid_seen": list("abcd")})
    place = measured / "official"
    assert list(official.draw()) == []
    played = {"shipped-free": "0111", "shipped-restricted": "1111"}
    played |= {"shipped-value-5-by=logprob": "0011", "shipped-value-5-by=value": "1111"}
    methods = {"sft": "0011", "rejection": "0111", "oreo": "1111"}
    played |= {f"brief-0-{method}-restricted": won for method, won in methods.items()}
    for name, won in played.items():
        keep(place / f"play/{name}.json", won, "valid_seen", method="RUN")
    keep(place / "brief/0.json", "0001", "valid_seen", method="sft", rejection="0011", oreo="0111")
    page = "\n".join(official.draw())
    assert "(3/4) freely and 100.0%" in page
    assert points(page, "| `value:5:by=value`")[3:] == ["+25.0", "", "+50.0"]
    cells = points(page, "| OREO")
    assert cells[3:6] + cells[8:] == ["+50.0", "+25.0", "", "+50.0", "+25.0", ""]
    keep(place / "after/0.json", "0011", "valid_seen", method="sft", rejection="0001", oreo="1111")
    page = "\n".join(official.draw())
    assert points(page, "| OREO after")[3:6] == ["+75.0", "+50.0", "+75.0"]


def points(page: str, start: str) -> list[str]:
    """Return the cells of the row that begins so, each up to its first comma."""
    row = next(line for line in page.splitlines() if line.startswith(start))
    return [cell.strip().split(",")[0] for cell in row.split("|")[1:-1]]


def test_an_ablation_is_compared_over_the_seeds_that_it_has(measured: Path) -> None:
    keep_games(measured / "ablations", {"held-out": list("abcd")})
    whole, other = list(ablations.CHANGES)[:2]
    for seed in (0, 1):
        name = ablations.name_of(whole, seed)
        keep(measured / f"ablations/{name}.json", "0000", "held-out", method="sft", oreo="0011")
    name = ablations.name_of(other, 1)
    keep(measured / f"ablations/{name}.json", "0001", "held-out", method="oreo")
    page = "\n".join(ablations.draw())
    assert "| as it is | 0, 1 | 50.0% [15.0%, 85.0%] (4/8)" in page
    assert f"| {other} | 1 | 25.0%" in page
    assert "(1/4) | 25.0% | -25.0" in page
    assert "on another machine" not in page


def test_runs_that_start_from_other_policies_than_the_default_runs_say_so(measured: Path) -> None:
    for table in ("ablations", "houses"):
        keep_games(measured / table, {"held-out": list("abcd")})
    name = ablations.name_of("as it is", 0)
    keep(measured / f"ablations/{name}.json", "0111", "held-out", method="sft", oreo="0011")
    keep(measured / "houses/base/0.json", "0111", "held-out", method="sft")
    assert "on another machine" not in "\n".join(ablations.draw())
    keep(measured / "houses/base/0.json", "1110", "held-out", method="sft")
    assert "on another machine" in "\n".join(ablations.draw())
    assert "win 3 of the first table's 320" in "\n".join(ablations.draw())


def test_a_default_run_that_was_measured_elsewhere_is_asked_for(
    measured: Path, tmp_path: Path
) -> None:
    keep(measured / "houses/base/0.json", "0111", "held-out", method="sft")
    with pytest.raises(MissingError, match="no such run") as caught:
        houses.make_bases(tmp_path / "runs", [0])
    assert caught.value.fix is not None
    assert "oreo-agent train alfworld --seed 0 --threads 1 --out" in caught.value.fix
    (tmp_path / "runs/houses/base/0/checkpoints/sft").mkdir(parents=True)
    houses.make_bases(tmp_path / "runs", [0])


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.25, 2), (0.5, 4)])
def test_failures_are_left_out_evenly(tmp_path: Path, share: float, expected: int) -> None:
    folder = houses.episodes_of(tmp_path, 0)
    with EpisodeStore(folder / "scarce").writer("episodes") as writer:
        for number in range(12):
            outcome = Outcome.SUCCESS if number % 3 == 0 else Outcome.HORIZON
            writer.append(episode(f"e-{number}", outcome=outcome))
    ablations.leave_out(tmp_path, 0, "part", share)
    kept = list(read_episodes([folder / "part"]))
    lost = [each for each in kept if each.outcome is not Outcome.SUCCESS]
    assert (len(kept) - len(lost), len(lost)) == (4, expected)


def test_rounds_are_compared_with_the_first(measured: Path) -> None:
    keep_games(measured / "rounds", {"held-out": list("abcd")})
    won = {"oreo": "0011", "rejection-round2": "0001", "oreo-round2": "0111"}
    won |= {"rejection-round3": "0001", "oreo-round3": "1111"}
    won |= {"rejection": "0001"}
    keep(measured / "rounds/0.json", "0000", "held-out", method="sft", **won)
    line = next(each for each in rounds.draw() if "|" in each).splitlines()[-1]
    assert line.startswith("| OREO | 3 | 100.0%")
    assert "| +50.0, p = 0.5 | +75.0, p = 0.25 |" in line


def keep_games(folder: Path, groups: dict[str, list[str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "games.json").write_text(json.dumps(groups))


def keep(path: Path, won: str, games: str = "", *, method: str = "rejection", **more: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {"command": "", "facts": {"games": games}, "core_seconds": 1, "seconds": {}}
    path.write_text(json.dumps({**found, "turns": {}, "won": {method: won, **more}}))
