"""Which device a model is loaded to. The GPU itself is not needed: the rule is what is tested."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig

from oreo_agent.errors import ConfigError
from oreo_agent.models.device import DEVICE_VARIABLE, device_for

SMALL = LlamaConfig(hidden_size=64, num_hidden_layers=2, intermediate_size=128, vocab_size=500)
LARGE = LlamaConfig()  # that of 7 billion parameters


@pytest.mark.parametrize(
    ("wished", "config", "found"),
    [
        ("", SMALL, "cpu"),
        ("", LARGE, "cuda"),
        ("auto", LARGE, "cuda"),
        ("cpu", LARGE, "cpu"),
        ("cuda", SMALL, "cuda"),
    ],
)
def test_with_a_gpu_large_models_go_there_unless_told_otherwise(
    wished: str, config: LlamaConfig, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEVICE_VARIABLE, wished)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_for(config).type == found


def test_without_a_gpu_everything_stays_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEVICE_VARIABLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_for(LARGE).type == "cpu"


@pytest.mark.parametrize(
    ("wished", "text"), [("cuda", "finds no GPU"), ("gpu", "Set it to auto, cpu or cuda")]
)
def test_what_cannot_be_had_is_said(
    wished: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEVICE_VARIABLE, wished)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=text):
        device_for(SMALL)
