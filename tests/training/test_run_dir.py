from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from oreo_agent.config import resolve
from oreo_agent.errors import ConfigError, RunFailedError, UsageError
from oreo_agent.monitoring.run_manifest import read_manifest
from oreo_agent.training.config import config_type
from oreo_agent.training.run_dir import (
    SCHEMA_VERSION,
    Finished,
    RunDir,
    read_result,
    write_json,
    write_result,
)

SECTIONS: dict[str, Any] = {"sft": {}, "rollouts": {}, "oreo": {}}
IDENTITY: dict[str, Any] = {"config": {**SECTIONS, "seed": 0, "games": {"train": 3}, "threads": 1}}


def _begin(folder: RunDir, *, resume: bool = False, force: bool = False) -> bool:
    with folder.claim(IDENTITY, resume=resume, force=force) as resumed:
        write_json(folder.path / "stages/games.json", {})
        return resumed


@pytest.fixture
def folder(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "run")


def test_a_new_folder_is_begun_and_the_same_run_resumed(folder: RunDir) -> None:
    assert _begin(folder) is False
    assert _begin(folder, resume=True) is True


def test_a_run_that_fails_before_it_has_done_anything_leaves_nothing(folder: RunDir) -> None:
    with (
        pytest.raises(RunFailedError),
        folder.claim(IDENTITY, resume=False, force=False),
    ):
        raise RunFailedError("no games.")
    assert not folder.path.exists()


def test_a_run_that_fails_later_keeps_what_it_has(folder: RunDir) -> None:
    def run() -> None:
        with folder.claim(IDENTITY, resume=False, force=False):
            folder.finish("games", {})
            raise RunFailedError("no model.")

    with pytest.raises(RunFailedError):
        run()
    assert _begin(folder, resume=True) is True


def test_a_folder_claimed_in_vain_stays_if_it_was_there(folder: RunDir) -> None:
    folder.path.mkdir()
    (folder.path / "mine").write_text("dear")
    for flag in ({"resume": True}, {"force": True}):
        with pytest.raises(UsageError, match="left as it is"):
            _begin(folder, **flag)
    assert [path.name for path in folder.path.iterdir()] == ["mine"]


def test_what_a_process_killed_at_its_start_leaves_is_no_hindrance(folder: RunDir) -> None:
    folder.path.mkdir()
    (folder.path / ".lock").touch()
    (folder.path / ".config.json.1a2b.tmp").write_text('{"conf')
    assert _begin(folder) is False


def test_a_killed_deletion_can_be_finished(folder: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    _begin(folder)
    (folder.path / "report.md").write_text("old")
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name == "report.md":
            raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            _begin(folder, force=True)
    assert (folder.path / "config.json").exists()
    assert not (folder.path / "stages").exists()
    assert _begin(folder, force=True) is False
    assert not (folder.path / "report.md").exists()


def test_a_write_that_was_killed_is_cleared_away(folder: RunDir) -> None:
    _begin(folder)
    checkpoint = folder.path / "checkpoints/.sft.x1y2"
    checkpoint.mkdir(parents=True)
    draft = folder.path / "stages/.sft.json.1a2b.tmp"
    draft.write_text('{"seco')
    _begin(folder, resume=True)
    assert not checkpoint.exists()
    assert not draft.exists()


def test_a_damaged_mark_is_named_with_its_cure(folder: RunDir) -> None:
    _begin(folder)
    folder.finish("sft", Finished(seconds=1.0))
    (folder.path / "stages/sft.json").write_text('{"seco')
    with pytest.raises(RunFailedError, match=r"sft\.json.*Delete this file"):
        folder.is_done("sft")


@pytest.mark.parametrize("version", [None, 0, 2, "1", True])
def test_a_mark_of_another_version_is_refused(folder: RunDir, version: object) -> None:
    _begin(folder)
    folder.finish("sft", Finished(seconds=1.0))
    mark = folder.path / "stages/sft.json"
    written = json.loads(mark.read_text())
    assert written.pop("schema") == SCHEMA_VERSION
    mark.write_text(json.dumps(written if version is None else {"schema": version, **written}))
    with pytest.raises(RunFailedError, match=rf"sft\.json: schema version {version!r}, .* reads 1"):
        folder.done("sft", Finished)


def test_a_mark_with_an_unknown_key_is_refused(folder: RunDir) -> None:
    _begin(folder)
    write_result(folder.path / "stages/sft.json", {"seconds": 1.0, "secnods": 2.0})
    with pytest.raises(RunFailedError, match=r"sft\.json: .*secnods.* Delete this file"):
        folder.done("sft", Finished)


def test_what_was_found_is_read_back(tmp_path: Path) -> None:
    found = Finished(seconds=1.5, counts={"episodes": 3})
    write_result(tmp_path / "found.json", found)
    assert read_result(tmp_path / "found.json", Finished, fix="") == found


def test_time_adds_up_over_interruptions_and_then_stands_still(folder: RunDir) -> None:
    _begin(folder)
    write_json(folder.path / "seconds.json", {"sft": 40.0})
    with pytest.raises(KeyboardInterrupt), folder.timed("sft"):
        raise KeyboardInterrupt
    assert not folder.is_done("sft")
    with folder.timed("sft", counts={"episodes": 3}):
        pass
    assert folder.seconds()["sft"] >= 40.0
    found = folder.done("sft", Finished)
    assert found is not None
    assert found.counts == {"episodes": 3}
    write_json(folder.path / "seconds.json", {"sft": 40.0})
    with folder.timed("sft"):
        pass
    assert folder.seconds() == {"sft": 40.0}


def test_a_setting_that_differs_is_named_and_the_others_counted(folder: RunDir) -> None:
    _begin(folder)
    other = {"config": {**SECTIONS, "seed": 1, "games": {"train": 4}, "threads": 2}}
    with (
        pytest.raises(ConfigError, match=r"games\.train was 3, now 4 \(1 more differ\)"),
        folder.claim(other, resume=True, force=False),
    ):
        pass


def test_a_setting_that_a_run_lacks_is_what_the_program_did_before_there_was_one(
    folder: RunDir,
) -> None:
    _begin(folder)
    config = config_type("alfworld")()
    before = config.earlier()
    for section, name in (("oreo", "normalizer"), ("oreo", "nll_weight"), ("rounds", "data")):
        del before[section][name]
    write_json(folder.path / "config.json", {"config": before})

    def resume(*settings: str) -> bool:
        flags = {key: value for key, _, value in (each.partition("=") for each in settings)}
        found = resolve(config_type("alfworld"), env={}, flags=flags).value
        identity = {"config": asdict(found)}
        with folder.claim(identity, resume=True, force=False, earlier=found.earlier()) as resumed:
            return resumed

    with pytest.raises(ConfigError) as caught:
        resume("oreo.normalizer=constant")
    assert "config.oreo.normalizer was 'trajectory', now 'constant'" in str(caught.value)
    assert "-s oreo.normalizer=trajectory" in str(caught.value)
    assert resume() is True
    with pytest.raises(ConfigError, match=r"nll_weight was 0\.0, now 0\.5"):
        resume("oreo.nll_weight=0.5")


def test_a_run_of_before_a_setting_is_still_watched(folder: RunDir) -> None:
    config = config_type("alfworld")().earlier()
    del config["oreo"]["normalizer"]
    write_json(folder.path / "config.json", {"config": config, "versions": {}})
    manifest = read_manifest(folder.path / "config.json")
    assert manifest is not None
    assert manifest.about().startswith("alfworld")
