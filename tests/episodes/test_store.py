from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oreo_agent.episodes import (
    Actor,
    Candidate,
    Episode,
    EpisodeFormatError,
    EpisodeStore,
    Executed,
    Outcome,
    Proposal,
    Turn,
    ValueEstimate,
    decode_episode,
    encode_episode,
    read_episodes,
)
from oreo_agent.errors import MissingError, RunFailedError, UsageError


def episode(name: str, *, turns: int = 2, outcome: Outcome = Outcome.SUCCESS) -> Episode:
    return Episode(
        id=name,
        env="scripted",
        task="kitchen/mug",
        goal="put a mug in the shelf",
        outcome=outcome,
        turns=tuple(
            Turn(
                observation=f"room {n} ✓\nwith a line",
                executed=Executed(
                    message="look", action="look", actor=Actor.HUMAN if n else Actor.POLICY
                ),
                value=ValueEstimate(value=n / 3, model="m"),
                reward=float(n == turns - 1),
            )
            for n in range(turns)
        ),
    )


def test_what_is_appended_is_read_back_equal_and_in_order(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path / "store")
    wanted = [episode(f"e{n}", turns=n) for n in range(5)]
    with store.writer("a") as writer:
        for one in wanted:
            writer.append(one)
    assert list(EpisodeStore(tmp_path / "store").read()) == wanted


def test_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path / "none")
    assert len(store) == 0
    assert list(store) == []
    assert not (tmp_path / "none").exists()


def test_get_returns_the_episode_of_that_id(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path)
    for n in range(3):
        store.append(episode(f"e{n}", turns=n), shard=f"s{n % 2}")
    assert store.get("e2") == episode("e2", turns=2)
    assert "e1" in store
    assert "e9" not in store
    with pytest.raises(MissingError, match="e9"):
        store.get("e9")


def test_summaries_say_what_a_list_shows(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path)
    store.append(episode("e0", turns=3))
    store.append(episode("e1", outcome=Outcome.UNFINISHED))
    first, second = store.summaries()
    assert (first.turns, first.ret, first.human_turns) == (3, 1.0, 2)
    assert first.values == (0.0, 0.33, 0.67)
    assert second.ret is None
    assert (second.line, second.shard) == (2, "episodes.jsonl")


def test_the_index_is_rebuilt_when_it_is_lost_damaged_or_of_another_content(
    tmp_path: Path,
) -> None:
    store = EpisodeStore(tmp_path)
    with store.writer("a") as writer:
        writer.append(episode("e0"))
    index = tmp_path / "index.json"
    good = index.read_bytes()
    wanted = store.summaries()
    for damage in (
        b"",
        b"{",
        b"[]",
        good[: len(good) // 2],
        good.replace(b'"schema":1', b'"schema":9'),
    ):
        index.write_bytes(damage)
        assert EpisodeStore(tmp_path).summaries() == wanted
    (tmp_path / "a.jsonl").write_bytes(encode_episode(episode("x", turns=7)) * 2)
    assert [s.id for s in EpisodeStore(tmp_path).summaries()] == ["x", "x"]


def test_the_index_follows_a_shard_that_another_store_object_appends_to(tmp_path: Path) -> None:
    reader = EpisodeStore(tmp_path)
    EpisodeStore(tmp_path).append(episode("e0"))
    assert len(reader) == 1
    EpisodeStore(tmp_path).append(episode("e1"))
    assert [s.id for s in reader.summaries()] == ["e0", "e1"]
    assert reader.get("e1") == episode("e1")


def test_two_writers_never_share_a_shard(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path)
    with store.writer("a"), pytest.raises(RunFailedError, match=r"a\.jsonl is being written"):
        store.writer("a")
    with store.writer("a"), store.writer("b"):
        pass


def test_a_shard_name_that_is_a_path_is_refused(tmp_path: Path) -> None:
    for name in ("../x", "a/b", "", ".hidden"):
        with pytest.raises(UsageError):
            EpisodeStore(tmp_path).writer(name)


@settings(max_examples=60, deadline=None)
@given(whole=st.integers(0, 3), data=st.data())
def test_a_line_torn_at_any_byte_is_moved_aside_and_nothing_else_is_lost(
    tmp_path_factory: pytest.TempPathFactory, whole: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("store")
    line = encode_episode(episode("torn"))
    cut = data.draw(st.integers(0, len(line) - 1))
    body = b"".join(encode_episode(episode(f"e{n}")) for n in range(whole))
    (folder / "a.jsonl").write_bytes(body + line[:cut])

    said: list[str] = []
    store = EpisodeStore(folder, on_notice=said.append)
    with store.writer("a") as writer:
        writer.append(episode("new"))

    is_whole = cut == len(line) - 1  # Only the newline is missing.
    kept = [f"e{n}" for n in range(whole)] + (["torn"] if is_whole else []) + ["new"]
    assert [one.id for one in store.read()] == kept
    assert [s.id for s in store.summaries()] == kept
    torn = folder / "a.jsonl.torn"
    if cut == 0 or is_whole:
        assert not torn.exists()
        assert said == []
    else:
        assert torn.read_bytes() == line[:cut] + b"\n"
        assert "a.jsonl" in said[0]
        assert "torn" in said[0]


def test_a_last_line_of_broken_json_with_a_newline_is_moved_aside_too(tmp_path: Path) -> None:
    good = encode_episode(episode("e0"))
    (tmp_path / "a.jsonl").write_bytes(good + b"\0\0\0\0\n")
    with EpisodeStore(tmp_path).writer("a"):
        pass
    assert (tmp_path / "a.jsonl").read_bytes() == good


def test_reading_leaves_out_a_line_that_is_still_being_written(tmp_path: Path) -> None:
    body = encode_episode(episode("e0")) + b'{"schema":1,"id":"half'
    (tmp_path / "a.jsonl").write_bytes(body)
    said: list[str] = []
    store = EpisodeStore(tmp_path, on_notice=said.append)
    assert [one.id for one in store.read()] == ["e0"]
    assert [s.id for s in store.summaries()] == ["e0"]
    assert (tmp_path / "a.jsonl").read_bytes() == body
    assert "a.jsonl:2" in said[0]


FULL_DISK = """
import resource, sys
from pathlib import Path
from oreo_agent.episodes import EpisodeStore, read_episodes
from oreo_agent.errors import RunFailedError
source, folder, limit = sys.argv[1:]
(big,) = read_episodes([source])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
written = 0
try:
    with EpisodeStore(Path(folder)).writer("a") as writer:
        for _ in range(100):
            writer.append(big)
            written += 1
except RunFailedError as error:
    print(written, error)
"""


def test_a_disk_that_fills_in_the_middle_leaves_only_whole_lines(tmp_path: Path) -> None:
    source = tmp_path / "source.jsonl"
    line = encode_episode(episode("big", turns=40))
    source.write_bytes(line)
    limit = 3 * len(line) + len(line) // 2  # The fourth line does not fit.
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(source), str(tmp_path / "store"), str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith("3 ")
    assert "a.jsonl cannot be written" in result.stdout
    assert (tmp_path / "store" / "a.jsonl").read_bytes() == line * 3
    assert len(EpisodeStore(tmp_path / "store")) == 3


def test_a_folder_named_like_a_shard_is_no_shard(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").mkdir()
    store = EpisodeStore(tmp_path)
    with store.writer("a") as writer:
        writer.append(episode("e0"))
    assert (tmp_path / "index.json").exists()
    assert [one.id for one in store.read()] == ["e0"]
    assert [one.id for one in read_episodes([tmp_path])] == ["e0"]


def test_an_index_that_cannot_be_written_does_not_fail_the_writer(tmp_path: Path) -> None:
    (tmp_path / "index.json").mkdir()
    with EpisodeStore(tmp_path).writer("a") as writer:
        writer.append(episode("e0"))
    assert len(EpisodeStore(tmp_path)) == 1


def test_a_shard_that_is_gone_since_it_was_listed_is_said(tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path)
    store.append(episode("e0"))
    (summary,) = store.summaries()
    (tmp_path / "episodes.jsonl").unlink()
    with pytest.raises(MissingError, match=r"episodes\.jsonl"):
        store.load(summary)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_an_estimate_that_is_no_number_is_left_out(wrong: float) -> None:
    (turn,) = episode("e0", turns=1).turns
    turn = msgspec.structs.replace(
        turn,
        value=ValueEstimate(value=wrong, model="m"),
        candidates=(Candidate(action="look", probability=wrong, value=0.5),),
        proposed=Proposal(message="look", action="look", token_ids=(1,), logprobs=(wrong,)),
    )
    written = encode_episode(msgspec.structs.replace(episode("e0"), turns=(turn,)))
    (read,) = decode_episode(written, where="here").turns
    assert read.value is None
    assert read.candidates == (Candidate(action="look", value=0.5),)
    assert read.proposed == Proposal(message="look", action="look", token_ids=(1,))


def test_a_reward_that_is_no_number_and_half_a_surrogate_pair_are_refused(tmp_path: Path) -> None:
    good = episode("e0", turns=1)
    bad = msgspec.structs.replace(good.turns[0], reward=float("nan"))
    store = EpisodeStore(tmp_path)
    with pytest.raises(RunFailedError, match="reward of the action 'look' is nan"):
        store.append(msgspec.structs.replace(good, turns=(bad,)))
    with pytest.raises(RunFailedError, match="episode e0 cannot be written"):
        store.append(msgspec.structs.replace(good, goal="a \ud800 mug"))
    assert len(store) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunFailedError, match="cannot be written"):
        EpisodeStore(tmp_path).append(episode("e0"))


def test_read_episodes_takes_files_and_folders_in_order(tmp_path: Path) -> None:
    EpisodeStore(tmp_path / "folder").append(episode("e1"))
    single = tmp_path / "single.jsonl"
    single.write_bytes(encode_episode(episode("e0")) + encode_episode(episode("e2"))[:-1])
    assert [e.id for e in read_episodes([single, tmp_path / "folder"])] == ["e0", "e2", "e1"]


def test_read_episodes_finds_the_episodes_of_a_run_folder(tmp_path: Path) -> None:
    EpisodeStore(tmp_path / "run" / "episodes").append(episode("e1"))
    assert [e.id for e in read_episodes([tmp_path / "run"])] == ["e1"]


def foreign() -> dict[str, bytes]:
    good = encode_episode(episode("e0"))
    record = json.loads(good)
    return {
        "empty": b"",
        "torn": good + good[:100],
        "foreign": good + b'{"messages": []}\n',
        "array": good + b"[1, 2]\n",
        "text": good + b"hello\n",
        "binary": good + b"\x1f\x8b\x08\x00\xff\n",
        "version": good + json.dumps(record | {"schema": 2}).encode() + b"\n",
        "unknown": good + json.dumps(record | {"rewards": 1}).encode() + b"\n",
        "type": good + json.dumps(record | {"goal": 3}).encode() + b"\n",
        "missing": good
        + json.dumps({k: v for k, v in record.items() if k != "goal"}).encode()
        + b"\n",
    }


@pytest.mark.parametrize(
    ("kind", "place", "says"),
    [
        ("empty", "", "empty"),
        ("torn", ":2", "torn"),
        ("foreign", ":2", "schema"),
        ("array", ":2", "not an episode"),
        ("text", ":2", "not an episode"),
        ("binary", ":2", "not an episode"),
        ("version", ":2", "schema version 2"),
        ("unknown", ":2", "rewards"),
        ("type", ":2", "goal"),
        ("missing", ":2", "goal"),
    ],
)
def test_a_bad_file_is_one_line_naming_file_line_and_cure(
    tmp_path: Path, kind: str, place: str, says: str
) -> None:
    path = tmp_path / f"{kind}.jsonl"
    path.write_bytes(foreign()[kind])
    with pytest.raises(EpisodeFormatError) as caught:
        list(read_episodes([path]))
    assert f"{path}{place}" in caught.value.what
    assert says in caught.value.what
    assert caught.value.fix
    assert "\n" not in str(caught.value)


def test_the_index_of_a_damaged_store_names_file_and_line(tmp_path: Path) -> None:
    for kind in ("foreign", "text", "version", "missing"):
        path = tmp_path / kind / "a.jsonl"
        path.parent.mkdir()
        path.write_bytes(foreign()[kind])
        with pytest.raises(EpisodeFormatError, match=r"a\.jsonl:2"):
            EpisodeStore(path.parent).summaries()


def test_a_path_that_does_not_exist_and_a_folder_without_episodes_are_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        list(read_episodes([tmp_path / "none.jsonl"]))
    with pytest.raises(EpisodeFormatError, match=r"no \.jsonl file"):
        list(read_episodes([tmp_path]))


def test_records_are_immutable() -> None:
    one = episode("e0")
    with pytest.raises(AttributeError):
        one.goal = "other"  # type: ignore[misc]  # the point of the test
    assert msgspec.structs.replace(one, goal="other").goal == "other"
