from __future__ import annotations

import errno
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from oreo_agent.cli import main
from oreo_agent.envs.alfworld import download
from oreo_agent.envs.alfworld.download import Archive, download_alfworld
from oreo_agent.envs.alfworld.games import count_games
from oreo_agent.episodes.record import Actor, Episode, Executed, Outcome, Turn, encode_episode
from oreo_agent.errors import ExitCode, MissingError, RunFailedError

GAME = "json_2.1.1/train/pick-Mug-None-Desk-301/trial_1/game.tw-pddl"


def _episode(name: str, outcome: Outcome, turns: int, actor: Actor) -> bytes:
    turn = Turn(
        observation="You see a desk 1.",
        executed=Executed(message="look", action="look", actor=actor),
    )
    return encode_episode(
        Episode(
            id=name,
            env="alfworld",
            task=f"train/{name}",
            goal="look",
            outcome=outcome,
            turns=(turn,) * turns,
            dialect="move",
        )
    )


def test_info_counts_outcomes_actors_lengths_and_dialects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        _episode("a", Outcome.SUCCESS, 2, Actor.EXPERT)
        + _episode("b", Outcome.HORIZON, 5, Actor.POLICY)
        + _episode("c", Outcome.HORIZON, 3, Actor.POLICY)
    )
    assert main(["data", "info", str(tmp_path), "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert found["episodes"] == 3
    assert found["tasks"] == 3
    assert found["outcomes"] == {"horizon": 2, "success": 1}
    assert found["turns_by_actor"] == {"policy": 8, "expert": 2}
    turns = {"total": 10, "min": 2, "q1": 2.5, "median": 3, "q3": 4, "max": 5}
    assert found["turns"] == turns
    assert found["dialects"] == {"move": 3}


def test_info_draws_the_same_counts_as_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(_episode("a", Outcome.SUCCESS, 2, Actor.EXPERT))
    assert main(["data", "info", str(path)]) == ExitCode.OK
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["outcomes", "success", "1"] in rows


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"", 1, "empty"),
        (b'{"schema": 99}\n', 1, "schema version 99"),
        (b"not json\n", 1, "bad.jsonl:1"),
        (b'{"schema": 1, "id"', 1, "torn"),
    ],
)
def test_info_refuses_a_damaged_file_in_two_lines(
    tmp_path: Path, data: bytes, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(data)
    assert main(["data", "info", str(path)]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 2


def test_info_of_a_missing_path_exits_4(tmp_path: Path) -> None:
    assert main(["data", "info", str(tmp_path / "none")]) == ExitCode.MISSING


def test_generate_writes_playable_houses_and_prints_their_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "houses"
    arguments = ["data", "generate", "houses", "--count", "2", "--seed", "3", "--out", str(out)]
    assert main([*arguments, "--split", "train", "--split", "valid_unseen"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert captured.out == f"{out}\n"
    assert len(list(out.rglob("game.tw-pddl"))) == 4
    assert "4 of 4 houses" in captured.err


def test_generating_something_else_is_wrong_usage() -> None:
    assert main(["data", "generate", "castles"]) == ExitCode.USAGE


def test_downloading_something_else_is_wrong_usage(tmp_path: Path) -> None:
    assert main(["data", "download", "atari", "--out", str(tmp_path)]) == ExitCode.USAGE


def _zip(names: list[str], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name in names:
            archive.writestr(name, f"content of {name}")
    return buffer.getvalue()


@dataclass
class Server:
    """A local server with one file, that may hang up in the middle of it."""

    body: bytes = b""
    hang_up_after: int | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if start and start >= len(state.body):
                self.send_error(416)
                return
            rest = state.body[start:]
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: state.hang_up_after])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_address[1]}/games.zip"
        yield state
        http.shutdown()
        thread.join()


def _download(server: Server, folder: Path) -> None:
    archive = Archive(url=server.url, member="game.tw-pddl")
    download_alfworld(folder, archives=(archive,), note=lambda text: None)


def test_a_download_brings_the_games_and_leaves_no_archive(server: Server, tmp_path: Path) -> None:
    server.body = _zip([GAME, "json_2.1.1/train/readme.txt"])
    _download(server, tmp_path)
    assert (tmp_path / GAME).read_text("utf-8") == f"content of {GAME}"
    assert count_games(tmp_path) == {"train": 1}
    assert list(tmp_path.glob("games.zip*")) == []


def test_a_broken_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.body = _zip([GAME])
    server.hang_up_after = 40
    with pytest.raises(MissingError, match="cannot download"):
        _download(server, tmp_path)
    assert not (tmp_path / GAME).exists()
    server.hang_up_after = None
    _download(server, tmp_path)
    assert server.ranges == [None, "bytes=40-"]
    assert (tmp_path / GAME).exists()


def test_a_second_download_fetches_nothing(server: Server, tmp_path: Path) -> None:
    server.body = _zip([GAME])
    _download(server, tmp_path)
    _download(server, tmp_path)
    assert len(server.ranges) == 1


@pytest.mark.parametrize("body", [b"<html>sign in</html>", _zip(["readme.txt"])])
def test_what_is_no_archive_of_games_is_refused(
    server: Server, tmp_path: Path, body: bytes
) -> None:
    server.body = body
    with pytest.raises(RunFailedError, match=r"games\.zip: not a whole archive"):
        _download(server, tmp_path)
    assert count_games(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_cannot_be_decompressed_is_fetched_anew(
    server: Server, tmp_path: Path
) -> None:
    good = _zip([GAME], compression=zipfile.ZIP_DEFLATED)
    start = 30 + len(GAME)  # bytes of the first entry's header
    server.body = good[:start] + b"\xff" * 8 + good[start + 8 :]
    with pytest.raises(RunFailedError, match=r"games\.zip: not a whole archive"):
        _download(server, tmp_path)
    server.body = good
    _download(server, tmp_path)
    assert count_games(tmp_path) == {"train": 1}


def test_a_full_disk_is_said_with_what_to_do(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    server.body = _zip([GAME])
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(RunFailedError, match=r"disk is full\. Make room and give the same"):
        _download(server, tmp_path)


def test_an_archive_that_points_outside_writes_nothing_there(
    server: Server, tmp_path: Path
) -> None:
    server.body = _zip(["../escaped/game.tw-pddl"])
    with pytest.raises(RunFailedError, match="points outside"):
        _download(server, tmp_path / "data")
    assert not (tmp_path / "escaped").exists()


def test_a_download_without_a_network_exits_4_with_a_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens on this port: the connection is refused as it is without a network.
    nowhere = Archive(url="http://127.0.0.1:9/games.zip", member="game.tw-pddl")
    monkeypatch.setattr(download, "ARCHIVES", (nowhere,))
    assert main(["data", "download", "alfworld", "--out", str(tmp_path)]) == ExitCode.MISSING
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("fix: ")
    assert "generated houses" in captured.err
