"""Checkpoints: what is written is what is read, and damage is said in one line."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from oreo_agent.errors import ConfigError, MissingError, OreoAgentError, RunFailedError
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.checkpoints import CheckpointMeta, load_checkpoint, save_checkpoint
from oreo_agent.models.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(["go to desk 1", "You see a mug 1 and a mug 2."] * 3)


@pytest.fixture
def saved(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    path = tmp_path / "runs" / "oreo"
    save(path, tokenizer)
    return path


def save(path: Path, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    policy = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            tie_word_embeddings=True,
        )
    )
    value = ValueModel.from_policy(policy)
    torch.nn.init.normal_(value.head.weight)
    meta = CheckpointMeta(method="oreo", seed=seed, metrics={"valid_seen": {"success": 0.5}})
    save_checkpoint(path, policy=policy, value=value, tokenizer=tokenizer, meta=meta)
    return policy


def test_a_checkpoint_comes_back_whole(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    policy = save(tmp_path / "c", tokenizer)
    back = load_checkpoint(tmp_path / "c")
    state = back.policy.state_dict()
    assert all(torch.equal(state[k], v) for k, v in policy.state_dict().items())
    assert back.value is not None
    assert back.value.head.weight.abs().sum() > 0
    ids = torch.tensor([[1, 2, 3]])
    mask = torch.ones_like(ids)
    with torch.no_grad():
        assert back.value(ids, mask, torch.arange(3)[None]).shape == (1, 3)
    assert back.meta.metrics == {"valid_seen": {"success": 0.5}}
    assert back.tokenizer.encode("go to desk 1") == tokenizer.encode("go to desk 1")
    assert not back.policy.training


def test_a_checkpoint_may_have_no_value_model(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    policy = save(tmp_path / "c", tokenizer)
    meta = CheckpointMeta(method="sft")
    save_checkpoint(tmp_path / "d", policy=policy, value=None, tokenizer=tokenizer, meta=meta)
    assert load_checkpoint(tmp_path / "d").value is None


def test_saving_again_replaces_and_leaves_nothing_behind(
    saved: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    save(saved, tokenizer, seed=7)
    assert load_checkpoint(saved).meta.seed == 7
    assert [p.name for p in saved.parent.iterdir()] == ["oreo"]


def test_a_foreign_folder_is_never_overwritten(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="not a checkpoint"):
        save(tmp_path / "mine", tokenizer)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_full_disk_keeps_the_old_checkpoint(
    saved: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(RunFailedError, match="could not write the checkpoint"):
            save(saved, tokenizer, seed=7)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert load_checkpoint(saved).meta.seed == 0
    assert [p.name for p in saved.parent.iterdir()] == ["oreo"]


def test_no_checkpoint_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"no checkpoint at .*/nowhere"):
        load_checkpoint(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"has no oreo_agent\.json"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2"),
        ({"format": "other"}, "format 'other'"),
        ({"metod": "oreo"}, "metod"),
        ({"seed": "one"}, "seed"),
    ],
)
def test_settings_are_read_strictly(saved: Path, change: dict[str, object], message: str) -> None:
    file = saved / "oreo_agent.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ConfigError, match=message):
        load_checkpoint(saved)


def test_a_torn_settings_file_is_one_clear_line(saved: Path) -> None:
    file = saved / "oreo_agent.json"
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(ConfigError, match=r"oreo_agent\.json"):
        load_checkpoint(saved)


@pytest.mark.parametrize("file", ["policy/model.safetensors", "value/head.safetensors"])
@pytest.mark.parametrize("damage", ["torn", "gone"])
def test_damaged_weights_are_one_clear_line(saved: Path, file: str, damage: str) -> None:
    path = saved / file
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:50])
    else:
        path.unlink()
    with pytest.raises(RunFailedError) as caught:
        load_checkpoint(saved)
    assert str(saved) in caught.value.what
    assert "\n" not in str(caught.value)


def test_another_tokenizer_is_refused(saved: Path) -> None:
    train_tokenizer(["quite another corpus 3"] * 3).save_pretrained(saved / "policy")
    with pytest.raises(OreoAgentError, match="not the one the model was trained with"):
        load_checkpoint(saved)
