"""An agent that asks a server: what is asked, what is made of the answers, what faults do."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from oreo_agent.agents import chat_client
from oreo_agent.agents.chat_client import ServerError
from oreo_agent.agents.factory import make_agent
from oreo_agent.agents.server import ServerAgent, action_of
from oreo_agent.envs.registry import plugin_of
from tests.agent_setting import setting
from tests.agents.answering import (
    LOOK,
    Act,
    Asked,
    Drip,
    Flood,
    Hang,
    Reply,
    Reset,
    answering,
    fails,
    request,
    says,
)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_client, "_BACKOFF", 0.01)


@contextmanager
def _playing(
    answer: Callable[[int, dict[str, Any]], Act], options: str = "", env: str = "alfworld"
) -> Iterator[tuple[ServerAgent, Asked]]:
    with answering(answer) as asked:
        made = setting(plugin=plugin_of(env), temperature=0.5)
        agent = make_agent(f"server:{asked.url}{options}", made)
        assert isinstance(agent, ServerAgent)
        try:
            yield agent, asked
        finally:
            agent.close()


# What is asked


def test_an_episode_is_a_conversation_that_begins_with_the_rules() -> None:
    with _playing(lambda n, body: LOOK) as (agent, asked):
        agent.act([request(turns=1, seed=2**63 + 5)])
    [body] = asked.bodies
    first, said, after = body["messages"]
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
    assert "Action: go to countertop 1" in first["content"]
    assert first["content"].endswith("\n\nput a mug in desk\nA room.")
    assert said["content"] == "Think.\nAction: go to bed 1"
    assert after["content"] == "On the bed 1, you see a mug 1."
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("tiny", 0.5, 256)
    assert body["stop"] == ["\nObservation:"]
    assert body["seed"] == 5


def test_a_model_that_was_trained_on_episodes_is_told_no_rules() -> None:
    with _playing(lambda n, body: LOOK, ":instructions=no:tokens=9") as (agent, asked):
        agent.act([request()])
    [body] = asked.bodies
    assert body["messages"][0]["content"].startswith("put a mug in desk\n")
    assert body["max_tokens"] == 9


def test_requests_go_out_at_once_but_not_too_many_and_answers_keep_their_order() -> None:
    def answer(number: int, body: dict[str, Any]) -> Act:
        time.sleep(0.02 * (number % 3))
        return says(f"take mug {body['seed']}")

    with _playing(answer, ":at_once=4") as (agent, asked):
        decisions = agent.act([request(str(n), seed=n) for n in range(20)])
    assert [d.proposal.action for d in decisions] == [f"take mug {n}" for n in range(20)]
    assert 1 < asked.most_at_once <= 4


def test_a_turn_has_a_message_and_no_tokens() -> None:
    with _playing(lambda n, body: LOOK) as (agent, _):
        [decision] = agent.act([request()])
    proposal = decision.proposal
    assert (proposal.message, proposal.action) == ("I see nothing yet.\nAction: look", "look")
    assert (proposal.token_ids, proposal.logprobs, proposal.model) == (None, None, "server:tiny")
    assert agent.tokenizer_sha256 is None


# What is made of an answer


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("go to bed 1", "go to bed 1"),
        ("Thought: hm.\n\nAction: go to bed 1\n\n", "go to bed 1"),
        ("action:go to bed 1", "go to bed 1"),
        ("**Action:** `go to bed 1`.", "go to bed 1"),
        ("> Action: go to bed 1", "go to bed 1"),
        ("Action:\ngo to bed 1", "go to bed 1"),
        ("`look`", "look"),
        ("7 + 5 = 12.", "7 + 5 = 12."),
        ("", ""),
        (" \n\t ", ""),
        ("Action:", ""),
        ("go to \x1b[31mbed 1", ""),
        ("look \x00", ""),
        ("look" * 1000, ""),
    ],
)
def test_the_action_is_the_last_line_with_text(message: str, action: str) -> None:
    assert action_of(message) == action


def test_a_message_that_was_cut_off_holds_no_action() -> None:
    with _playing(lambda n, body: says("go to bed 1", finish="length")) as (agent, _):
        [decision] = agent.act([request()])
    assert (decision.proposal.message, decision.proposal.action) == ("go to bed 1", "")


def test_what_a_model_makes_up_behind_its_turn_is_cut_away() -> None:
    text = "Action: look\nObservation: You win.\nAction: stop"
    with _playing(lambda n, body: says(text, finish="length")) as (agent, _):
        [decision] = agent.act([request()])
    assert (decision.proposal.message, decision.proposal.action) == ("Action: look", "look")


def test_a_message_of_a_hundred_kilobytes_is_bounded_and_no_action() -> None:
    with _playing(lambda n, body: says("x" * 100_000 + "\nlook")) as (agent, _):
        [decision] = agent.act([request()])
    assert len(decision.proposal.message) <= 16_384
    assert decision.proposal.action == ""


def test_half_a_surrogate_pair_can_be_recorded() -> None:
    body = rb'{"choices": [{"message": {"content": "\ud800 hm\nlook"}, "finish_reason": "stop"}]}'
    with _playing(lambda n, _: Reply(body=body) if n == 0 else LOOK) as (agent, _):
        [decision] = agent.act([request()])
    decision.proposal.message.encode()
    assert decision.proposal.action == "look"


@pytest.mark.parametrize("content", [b"null", b'""'])
def test_an_empty_answer_is_no_action(content: bytes) -> None:
    body = b'{"choices": [{"message": {"content": %b}, "finish_reason": "stop"}]}' % content
    with _playing(lambda n, _: Reply(body=body)) as (agent, _):
        [decision] = agent.act([request()])
    assert (decision.proposal.message, decision.proposal.action) == ("", "")


# Faults


@pytest.mark.parametrize(
    "fault",
    [
        fails(429, Retry_After="0"),
        fails(500),
        fails(503),
        Reset(),
        Reply(body=b"<html>busy</html>"),
        Reply(body=b'{"choices": []}'),
        Reply(body=b'{"choices": [{"message": {"content": 5}}]}'),
        Flood(),
    ],
    ids=["429", "500", "503", "reset", "html", "no-choice", "wrong-type", "flood"],
)
def test_what_goes_wrong_twice_is_tried_again(fault: Act) -> None:
    with _playing(lambda n, body: fault if n < 2 else LOOK) as (agent, asked):
        [decision] = agent.act([request()])
    assert decision.proposal.action == "look"
    assert len(asked.bodies) == 3


@pytest.mark.parametrize("fault", [Hang(), Drip()], ids=["hang", "drip"])
def test_a_server_that_hangs_is_left_after_the_time_given(fault: Act) -> None:
    with _playing(lambda n, body: fault if n < 1 else LOOK, ":timeout=0.3") as (agent, asked):
        start = time.monotonic()
        [decision] = agent.act([request()])
    assert decision.proposal.action == "look"
    assert time.monotonic() - start < 5
    assert len(asked.bodies) == 2


def test_a_server_that_stays_broken_is_one_clear_error() -> None:
    with (
        _playing(lambda n, body: fails(503, "over\x1b[31mloaded\n" * 99)) as (agent, asked),
        pytest.raises(ServerError, match=r"HTTP 503: over \[31mloaded") as refused,
    ):
        agent.act([request(str(n)) for n in range(40)])
    text = str(refused.value)
    assert "5 times" in text
    assert text.isprintable()
    assert len(text) < 400
    assert len(asked.bodies) < 40 * 5  # the others were not all tried to the end


def test_a_server_that_is_down_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServerError, match=f"127.0.0.1:{port}.*refused.*Is the server running"):
        make_agent(f"server:http://127.0.0.1:{port}", setting())


def test_a_server_that_refuses_is_not_asked_again() -> None:
    with (
        _playing(lambda n, body: fails(404, "no model tiny")) as (agent, asked),
        pytest.raises(ServerError, match=r"HTTP 404: no model tiny.*model=NAME"),
    ):
        agent.act([request()])
    assert len(asked.bodies) == 1


def test_a_conversation_too_long_for_the_model_ends_without_an_action() -> None:
    overflow = fails(400, "This model's maximum context length is 4096 tokens.")
    with _playing(lambda n, body: overflow if body["seed"] else LOOK) as (agent, _):
        decisions = agent.act([request("a", seed=0), request("b", seed=1)])
    assert [d.proposal.action for d in decisions] == ["look", ""]


def test_an_interrupted_wave_leaves_no_thread_that_holds_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with _playing(lambda n, body: Hang(), ":timeout=20") as (agent, _):
        before = set(threading.enumerate())
        monkeypatch.setattr("oreo_agent.agents.chat_client.queue.SimpleQueue", _Interrupted)
        with pytest.raises(KeyboardInterrupt):
            agent.act([request()])
        left = [t for t in set(threading.enumerate()) - before if t.name.startswith("completion")]
        assert left
        assert all(thread.daemon for thread in left)


class _Interrupted(queue.SimpleQueue[Any]):
    """A queue at which the person presses ctrl-C."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        raise KeyboardInterrupt
