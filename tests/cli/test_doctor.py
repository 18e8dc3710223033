from __future__ import annotations

import json
from pathlib import Path

import pytest

from oreo_agent import doctor
from oreo_agent.cli import main
from oreo_agent.doctor import Check, Status
from oreo_agent.errors import ExitCode


def test_doctor_prints_one_document_with_every_check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    assert found["ok"] is True
    assert len(found["checks"]) == len(doctor.CHECKS)
    for check in found["checks"]:
        assert set(check) == {"name", "status", "detail", "fix"}
        assert check["status"] in ("ok", "warn")
        assert bool(check["fix"]) == (check["status"] != "ok")


def test_a_failed_check_exits_5_and_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_engine() -> Check:
        return Check(name="engine", status=Status.FAIL, detail="dead", fix="Bury it.")

    monkeypatch.setattr(doctor, "CHECKS", (doctor.check_python, check_engine))
    assert main(["doctor"]) == ExitCode.CHECK_FAILED
    captured = capsys.readouterr()
    assert "fix: Bury it." in captured.out
    assert "error: failed: engine." in captured.err


def test_games_are_counted_by_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = tmp_path / "json_2.1.1" / "valid_seen" / "look_at-Mug-None-Lamp-301" / "trial_1"
    trial.mkdir(parents=True)
    (trial / "game.tw-pddl").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    check = doctor.check_games()
    assert check.status is Status.OK
    assert check.detail == f"{tmp_path}: train 0, valid_seen 1, valid_unseen 0"


def test_without_official_games_doctor_warns_and_tells_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    check = doctor.check_games()
    assert check.status is Status.WARN
    assert "oreo-agent data download alfworld" in check.fix


def test_a_folder_that_cannot_be_written_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    monkeypatch.setenv("OREO_AGENT_CACHE", str(in_the_way))
    check = doctor.check_writable()
    assert check.status is Status.FAIL
    assert str(in_the_way) in check.detail


def test_an_engine_that_breaks_is_a_finding_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    from oreo_agent.envs.alfworld import houses

    def fail(**_: object) -> Path:
        raise SystemExit("the planner left")

    monkeypatch.setattr(houses, "ensure_houses", fail)
    check = doctor.check_environment()
    assert check.status is Status.FAIL
    assert "the planner left" in check.detail
