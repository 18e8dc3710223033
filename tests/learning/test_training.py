"""Trainers through the library's loop (traps 10, 20, 25, 26; resuming)."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback

from oreo_agent.errors import ConfigError, MissingError, RunFailedError
from oreo_agent.learning.batch import EpisodeDataset, UpdateSampler
from oreo_agent.learning.config import OREOConfig, SFTConfig
from oreo_agent.learning.episode_trainer import EpisodeTrainer
from oreo_agent.learning.resuming import last_complete_checkpoint
from oreo_agent.learning.sft import SFTTrainer
from oreo_agent.learning.trainer import OREOTrainer
from oreo_agent.models.rendered import RenderedEpisode
from oreo_agent.models.roles import ActorCritic

VOCABULARY = 17


def tiny_policy(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=128,
            tie_word_embeddings=True,
        )
    )


def episodes(count: int, *, seed: int = 0) -> list[RenderedEpisode]:
    """Return episodes of 1 to 5 turns; they are won where the first token is 2, else it is 3."""
    draw = torch.Generator().manual_seed(seed)
    made = []
    for number in range(count):
        turns = int(torch.randint(1, 6, (), generator=draw))
        ids: list[int] = []
        mask: list[bool] = []
        for _ in range(turns):
            ids += torch.randint(2, VOCABULARY, (5,), generator=draw).tolist()
            mask += [False, False, False, True, True]
        won = ids[3] % 2 == 0
        ids[0] = 2 if won else 3
        made.append(
            RenderedEpisode(
                token_ids=ids,
                action_mask=mask,
                turn_ends=[5 * turn + 4 for turn in range(turns)],
                ret=float(won),
                won=won,
                id=str(number),
            )
        )
    return made


def trainer(
    kind: str,
    folder: Path,
    data: list[RenderedEpisode],
    *,
    held_out: list[RenderedEpisode] | None = None,
    callbacks: list[TrainerCallback] | None = None,
    **options: Any,
) -> EpisodeTrainer:
    settings = {
        "output_dir": str(folder),
        "use_cpu": True,
        "per_device_train_batch_size": 4,
        "learning_rate": 3e-3,
        "num_train_epochs": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        **options,
    }
    if kind == "sft":
        config = SFTConfig(**settings)
        return SFTTrainer(
            tiny_policy(), config, data, held_out, pad_token_id=0, callbacks=callbacks
        )
    roles = ActorCritic(tiny_policy())
    return OREOTrainer(
        roles, OREOConfig(**settings), data, held_out, pad_token_id=0, callbacks=callbacks
    )


def weights(trained: EpisodeTrainer) -> dict[str, torch.Tensor]:
    policy, value = trained.roles()
    state = {f"policy.{k}": v.clone() for k, v in policy.state_dict().items()}
    if value is not None:
        state |= {f"value.{k}": v.clone() for k, v in value.state_dict().items()}
    return state


class StopAt(TrainerCallback):
    """Ends training after an update, as a crash would; the checkpoint is an earlier one."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop = state.global_step >= self.step


class Gradients(TrainerCallback):
    """Keeps the gradients of the first update."""

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self.kept:
            found = [p.grad for p in kwargs["model"].parameters()]
            self.kept = [gradient.clone() for gradient in found if gradient is not None]


@pytest.mark.parametrize("kind", ["oreo", "sft"])
@pytest.mark.parametrize("count", [8, 7])
def test_trap_10_one_batch_of_eight_equals_eight_of_one(
    kind: str, count: int, tmp_path: Path
) -> None:
    data = episodes(count)
    gradients, losses = [], []
    for micro, accumulate in ((8, 1), (1, 8), (4, 2)):
        spy = Gradients()
        run = trainer(
            kind,
            tmp_path,
            data,
            callbacks=[spy],
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=accumulate,
            max_grad_norm=1e9,
            max_steps=1,
            warmup_steps=0,
        )
        run.train()
        gradients.append(spy.kept)
        losses.append(run.state.log_history[0]["loss"])
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-5)
    for other in gradients[1:]:
        for a, b in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["oreo", "sft"])
@pytest.mark.parametrize("stop", [3, 7, 8])
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(
    kind: str, stop: int, tmp_path: Path
) -> None:
    data = episodes(18)  # 5 updates an epoch, the last one short
    options: dict[str, Any] = {
        "save_strategy": "steps",
        "save_steps": 2,
        "logging_steps": 3,  # a checkpoint falls in the middle of a log line
        "max_steps": 8,  # and the last update in the middle of an epoch
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
    }
    whole = trainer(kind, tmp_path / "whole", data, **options)
    whole.train()
    torn = trainer(kind, tmp_path / "torn", data, callbacks=[StopAt(stop)], **options)
    torn.train()
    resumed = trainer(kind, tmp_path / "torn", data, **options)
    resumed.train(resume_from_checkpoint=True)
    assert resumed.state.global_step == whole.state.global_step == 8
    expected = weights(whole)
    assert all(torch.equal(expected[k], v) for k, v in weights(resumed).items())
    clock = {"train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos"}
    assert [
        {key: value for key, value in entry.items() if key not in clock}
        for entry in resumed.state.log_history
    ] == [
        {key: value for key, value in entry.items() if key not in clock}
        for entry in whole.state.log_history
    ]


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    data = episodes(16)
    run = trainer("oreo", tmp_path, data, save_strategy="steps", save_steps=3)
    run.train()
    newest = last_complete_checkpoint(tmp_path)
    assert newest == str(tmp_path / "checkpoint-8")
    state = Path(newest) / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:40])
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-6")


def test_checkpoints_hold_no_pickled_settings_and_no_reference(tmp_path: Path) -> None:
    trainer("oreo", tmp_path, episodes(4), save_strategy="steps", save_steps=1).train()
    folder = tmp_path / "checkpoint-1"
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {"policy/model.safetensors", "value/head.safetensors", "reference.sha256"} <= names
    assert "training_args.bin" not in names
    assert not any(name.startswith("reference/") for name in names)
    assert json.loads((folder / "training_args.json").read_text())["beta"] == 0.03


def test_resuming_against_another_reference_is_refused(tmp_path: Path) -> None:
    data = episodes(4)
    trainer("oreo", tmp_path, data, save_strategy="steps", save_steps=1).train()
    other = OREOTrainer(
        ActorCritic(tiny_policy(seed=5)),
        OREOConfig(output_dir=str(tmp_path), use_cpu=True),
        data,
        pad_token_id=0,
    )
    with pytest.raises(ConfigError, match="another reference"):
        other.train(resume_from_checkpoint=True)


def test_resuming_from_nothing_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no complete training checkpoint"):
        trainer("sft", tmp_path, episodes(4)).train(resume_from_checkpoint=str(tmp_path / "none"))


def test_trap_20_truncated_episodes_are_left_out_and_counted() -> None:
    whole = episodes(6)
    cut = RenderedEpisode(
        token_ids=[2, 3, 4],
        action_mask=[False, True, True],
        turn_ends=[],
        ret=1.0,
        won=True,
        id="cut",
        truncated=True,
    )
    long = [e for e in whole if len(e.token_ids) > 10]
    assert long
    dataset = EpisodeDataset([*whole, cut], max_length=10)
    assert dataset.dropped == {"truncated": 1, "too long": len(long)}
    assert len(dataset) == len(whole) - len(long)
    with pytest.raises(ConfigError, match="1 truncated"):
        EpisodeDataset([cut], max_length=10)


def test_trap_25_the_log_shows_where_value_and_policy_drift(tmp_path: Path) -> None:
    run = trainer("oreo", tmp_path, episodes(32), max_steps=8, logging_steps=4)
    run.train()
    first, last = [entry for entry in run.state.log_history if "kl" in entry]
    assert {"loss_policy", "loss_value", "loss_after_state", "kl", "unseen_mass"} <= last.keys()
    assert {"log_ratio_won", "log_ratio_lost", "value_won", "value_lost"} <= last.keys()
    assert {"value_brier", "grad_norm_policy", "grad_norm_value"} <= last.keys()
    assert last["beta_effective"] == pytest.approx(0.03 + 0.01 / 0.06)
    assert last["kl"] > first["kl"] >= 0
    assert 0 < last["unseen_mass"] < 1


def test_trap_26_the_learning_rate_ends_at_zero_after_several_epochs(tmp_path: Path) -> None:
    run = trainer("oreo", tmp_path, episodes(10), num_train_epochs=3, value_learning_rate=1e-2)
    run.train()
    assert run.lr_scheduler is not None
    assert run.lr_scheduler.get_last_lr() == pytest.approx([0.0, 0.0], abs=1e-12)
    assert run.optimizer is not None
    assert [group["initial_lr"] for group in run.optimizer.param_groups] == [3e-3, 1e-2]


def test_value_learns_to_tell_what_is_won(tmp_path: Path) -> None:
    data = episodes(64)
    run = trainer("oreo", tmp_path, data, held_out=episodes(40, seed=1), num_train_epochs=4)
    before = run.evaluate()
    run.train()
    after = run.evaluate()
    assert before["eval_value_won"] == before["eval_value_lost"] == 0
    assert after["eval_value_won"] > after["eval_value_lost"] + 0.2
    assert after["eval_value_brier"] < 0.2


def test_the_reference_never_moves(tmp_path: Path) -> None:
    run = trainer("oreo", tmp_path, episodes(8))
    assert isinstance(run, OREOTrainer)
    start = {k: v.clone() for k, v in run.actor_critic.reference.state_dict().items()}
    run.train()
    now = run.actor_critic.reference.state_dict()
    assert all(torch.equal(start[k], now[k]) for k in start)
    moved = run.actor_critic.policy.state_dict()
    assert any(not torch.equal(start[k], moved[k]) for k in start)


def test_each_role_is_clipped_on_its_own(tmp_path: Path) -> None:
    spy = Gradients()
    run = trainer("oreo", tmp_path, episodes(8), callbacks=[spy], max_grad_norm=1e-3, max_steps=1)
    assert isinstance(run, OREOTrainer)
    run.train()
    sizes = [sum(1 for _ in role.parameters()) for role in (run.roles()[0], run.roles()[1]) if role]
    norms = [
        torch.linalg.vector_norm(torch.stack([g.norm() for g in part])).item()
        for part in (spy.kept[: sizes[0]], spy.kept[sizes[0] :])
    ]
    assert norms == pytest.approx([1e-3, 1e-3], rel=1e-2)


def test_imitation_keeps_its_best_held_out_point(tmp_path: Path) -> None:
    # Random tokens cannot be learnt: held-out loss is best early, and training on makes it worse.
    run = trainer(
        "sft",
        tmp_path,
        episodes(8),
        held_out=episodes(40, seed=1),
        num_train_epochs=30,
        eval_strategy="steps",
        eval_steps=10,
        save_strategy="steps",
        save_steps=10,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        save_total_limit=1,
    )
    run.train()
    losses = [entry["eval_loss"] for entry in run.state.log_history if "eval_loss" in entry]
    assert min(losses) < losses[-1]
    metrics = run.evaluate()
    assert metrics["eval_loss"] == pytest.approx(min(losses), rel=1e-6)
    assert 0 <= metrics["eval_accuracy"] <= 1


def test_an_ended_run_that_is_resumed_keeps_its_best_point(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "held_out": episodes(40, seed=1),
        "num_train_epochs": 30,
        "eval_strategy": "steps",
        "eval_steps": 10,
        "save_strategy": "steps",
        "save_steps": 10,
        "load_best_model_at_end": True,
        "metric_for_best_model": "loss",
    }
    run = trainer("sft", tmp_path, episodes(8), **options)
    run.train()
    assert run.state.best_global_step != run.state.global_step
    again = trainer("sft", tmp_path, episodes(8), **options)
    again.train(resume_from_checkpoint=True)
    expected = weights(run)
    assert all(torch.equal(expected[k], v) for k, v in weights(again).items())


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    lengths = list(range(20))
    sampler = UpdateSampler(lengths, update_size=8, seed=3)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert set(first) == set(second) == set(lengths)
    assert first != second
    assert first[:8] == sorted(first[:8])  # by length within an update
    fresh = UpdateSampler(lengths, update_size=8, seed=3)
    fresh.set_epoch(1)
    assert list(fresh) == second


def test_every_update_is_full() -> None:
    for count in (3, 8, 20):
        sampler = UpdateSampler(list(range(count)), update_size=8, seed=3)
        assert len(list(sampler)) == len(sampler) == -(-count // 8) * 8


def test_trap_09_an_update_is_the_mean_of_its_episodes_whatever_their_length(
    tmp_path: Path,
) -> None:
    by_length = sorted(episodes(30), key=lambda episode: len(episode.token_ids))
    # V starts at 0, so an episode's loss is its squared return: a token mean would lean to the won.
    pair = [
        next(episode for episode in by_length if not episode.won),
        next(episode for episode in reversed(by_length) if episode.won),
    ]

    def loss(data: list[RenderedEpisode], name: str) -> float:
        run = trainer(
            "oreo", tmp_path / name, data, max_steps=1, per_device_train_batch_size=len(data)
        )
        run.train()
        return float(run.state.log_history[0]["loss"])

    singles = [loss([one], str(number)) for number, one in enumerate(pair)]
    assert abs(singles[0] - singles[1]) > 0.1
    assert loss(pair, "both") == pytest.approx(sum(singles) / 2, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    run = trainer("oreo", tmp_path, episodes(8), max_steps=3)
    value = run.roles()[1]
    assert value is not None
    with torch.no_grad():
        value.head.weight.fill_(float("nan"))
    with pytest.raises(RunFailedError, match="loss is nan"):
        run.train()


@pytest.mark.parametrize("kind", ["oreo", "sft"])
def test_a_disk_that_fills_while_saving_is_said_and_leaves_no_part(
    kind: str, tmp_path: Path
) -> None:
    run = trainer(kind, tmp_path, episodes(8), save_strategy="steps", save_steps=1, max_steps=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(RunFailedError, match=r"could not write .*checkpoint-1"):
            run.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "checkpoint-1").exists()


def test_silent_data_parallel_is_refused(tmp_path: Path) -> None:
    config = OREOConfig(output_dir=str(tmp_path), use_cpu=True)
    config._n_gpu = 2
    with pytest.raises(ConfigError, match="2 GPUs"):
        OREOTrainer(ActorCritic(tiny_policy()), config, episodes(4), pad_token_id=0)


@pytest.mark.parametrize(
    "wrong", [{"beta": 0.0}, {"alpha": -1.0}, {"max_length": 1}, {"padding_side": "up"}]
)
def test_settings_without_meaning_are_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        OREOConfig(output_dir=str(tmp_path), use_cpu=True, **wrong)


_CHILD = """
import sys
from pathlib import Path
import torch
from importlib.util import module_from_spec, spec_from_file_location
torch.set_num_threads(1)
spec = spec_from_file_location("training", sys.argv[1])
training = module_from_spec(spec)
sys.modules["training"] = training
spec.loader.exec_module(training)
run = training.trainer(
    "oreo", Path(sys.argv[2]), training.episodes(18), save_strategy="steps", save_steps=1,
    max_steps=60, save_total_limit=2,
)
run.train(resume_from_checkpoint=True)
torch.save(training.weights(run), Path(sys.argv[2]) / "weights.pt")
"""


@pytest.mark.slow
def test_killed_training_ends_as_unbroken_training_bit_for_bit(tmp_path: Path) -> None:
    def start(folder: Path) -> subprocess.Popen[bytes]:
        folder.mkdir(exist_ok=True)
        return subprocess.Popen([sys.executable, "-c", _CHILD, __file__, str(folder)])

    assert start(tmp_path / "whole").wait(120) == 0
    for steps in (5, 22, 41):
        child = start(tmp_path / "killed")
        while child.poll() is None and not (tmp_path / "killed" / f"checkpoint-{steps}").exists():
            time.sleep(0.01)
        child.kill()
        assert child.wait(30) == -9
    assert start(tmp_path / "killed").wait(120) == 0
    whole = torch.load(tmp_path / "whole" / "weights.pt", weights_only=True)
    killed = torch.load(tmp_path / "killed" / "weights.pt", weights_only=True)
    assert all(torch.equal(whole[name], tensor) for name, tensor in killed.items())


def test_the_policy_waits_while_the_value_model_warms_up(tmp_path: Path) -> None:
    before = {k: v.clone() for k, v in tiny_policy().state_dict().items()}
    run = trainer("oreo", tmp_path, episodes(16), max_steps=6, value_warmup_steps=3)
    seen: list[tuple[bool, float, float]] = []

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            policy = run.roles()[0].state_dict()
            same = all(torch.equal(before[k], v) for k, v in policy.items())
            assert run.lr_scheduler is not None
            rates = run.lr_scheduler.get_last_lr()  # of the next update
            seen.append((same, float(rates[0]), float(rates[1])))

    run.add_callback(Watch())
    run.train()
    # Three updates of waiting, and one whose rate is that of the first step of a warm-up: zero.
    assert [same for same, _, _ in seen] == [True, True, True, True, False, False]
    assert [policy > 0 for _, policy, _ in seen] == [False, False, False, True, True, False]
    assert all(value > 0 for _, _, value in seen[:-1])
    assert seen[-1][2] == 0
