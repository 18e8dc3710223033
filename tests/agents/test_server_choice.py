"""Which server an agent asks, and what whole commands make of its answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oreo_agent.agents.agent_spec import AGENT_KINDS, AgentSpec
from oreo_agent.agents.chat_client import ServerError
from oreo_agent.agents.factory import make_agent
from oreo_agent.agents.server import ServerAgent
from oreo_agent.agents.server_settings import API_KEY_VARIABLE, ServerSettings
from oreo_agent.errors import UsageError
from tests.agent_setting import setting
from tests.agents.answering import LOOK, answering, fails, request, says


def test_the_key_goes_to_the_server_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    from oreo_agent.cli.app import main

    monkeypatch.setenv(API_KEY_VARIABLE, "s3cret-key")
    sets = [flag for setting in (*tiny_settings, "games.horizon=3") for flag in ("-s", setting)]
    out = tmp_path / "out"
    with answering(lambda n, body: LOOK) as asked:
        agent = ["--agent", f"server:{asked.url}"]
        command = ["collect", "alfworld", *agent, "--count", "4", "--out", str(out), *sets, "-q"]
        assert main(command) == 0
    assert {headers["Authorization"] for headers in asked.headers} == {"Bearer s3cret-key"}
    kept = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"s3cret" not in kept
    assert b"127.0.0.1" not in b"".join(p.read_bytes() for p in (out / "episodes").iterdir())


def test_collected_episodes_can_be_trained_on(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    from oreo_agent.config import resolve
    from oreo_agent.models.rendering import Renderer
    from oreo_agent.models.tokenizer import train_tokenizer
    from oreo_agent.training.collect import collect
    from oreo_agent.training.config import config_type

    config = resolve(
        config_type("alfworld"), env={}, sets=[*tiny_settings, "games.horizon=3"]
    ).value
    with answering(lambda n, body: says("look")) as asked:
        agent = make_agent(f"server:{asked.url}", setting(temperature=1.0))
        episodes = collect(config, agent, tmp_path / "out", split="train", count=3)
        assert isinstance(agent, ServerAgent)
        agent.close()
    texts = [turn.observation for e in episodes for turn in e.turns] + ["look"]
    renderer = Renderer(train_tokenizer(texts * 2))
    for episode in episodes:
        assert all(turn.executed.token_ids is None for turn in episode.turns)
        rendered = renderer.render(episode)
        own = [i for i, own in zip(rendered.token_ids, rendered.action_mask, strict=True) if own]
        assert own == renderer.message("look") * len(episode.turns)


def test_where_several_models_are_listed_one_is_to_be_named() -> None:
    with answering(lambda n, body: LOOK, models=("a", "b")) as asked:
        with pytest.raises(UsageError, match=r"lists 2 models: a, b.*model=NAME"):
            make_agent(f"server:{asked.url}", setting())
        agent = make_agent(f"server:{asked.url}:model=b", setting())
        assert agent.name == "server:b"
        assert isinstance(agent, ServerAgent)
        agent.close()


def test_a_model_served_from_a_folder_is_named_without_it() -> None:
    with answering(lambda n, body: LOOK) as asked:
        agent = make_agent(f"server:{asked.url}:model=/home/me/my-model", setting())
        agent.act([request()])
        assert agent.name == "server:my-model"
        assert isinstance(agent, ServerAgent)
        agent.close()
    assert asked.bodies[0]["model"] == "/home/me/my-model"


def test_decoding_cannot_be_restricted() -> None:
    with pytest.raises(UsageError, match="cannot be restricted"):
        make_agent("server:http://127.0.0.1:1/v1", setting(restricted=True))


def test_a_server_is_named_with_its_options() -> None:
    spec = AgentSpec.parse(
        "server:https://host:8000/api/v1/:model=llama3:8b:temperature=0.7:tokens=64:at_once=2"
    )
    assert spec.kind is AGENT_KINDS["server"]
    assert not spec.kind.needs_checkpoint
    assert spec.settings == ServerSettings(
        url="https://host:8000/api/v1", model="llama3:8b", temperature=0.7, tokens=64, at_once=2
    )
    assert ServerSettings.parse("http://localhost:8000").url == "http://localhost:8000/v1"


@pytest.mark.parametrize(
    "text",
    [
        "server",
        "server:",
        "server:localhost:8000",
        "server:ftp://host/v1",
        "server:http://host:port/v1",
        "server:http://me:word@host/v1",
        "server:http://host/v1?key=word",
        "server:http://host/v1:tokens=0",
        "server:http://host/v1:tokens=9999999999",
        "server:http://host/v1:temperature=-1",
        "server:http://host/v1:temperature=nan",
        "server:http://host/v1:timeout=0",
        "server:http://host/v1:at_once=x",
        "server:http://host/v1:instructions=maybe",
        "server:http://host/v1:tokens=1:tokens=2",
    ],
)
def test_what_names_no_server_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        AgentSpec.parse(text)
    assert "\n" not in str(refused.value)
    assert "word" not in str(refused.value)


def test_a_key_that_no_header_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, "naïve\n")
    with answering(lambda n, body: LOOK) as asked, pytest.raises(ServerError, match="API key"):
        make_agent(f"server:{asked.url}", setting())


def test_an_eval_that_loses_its_server_says_so(
    tmp_path: Path, tiny_settings: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from oreo_agent.cli.app import main

    sets = [flag for setting in tiny_settings for flag in ("-s", setting)]
    with answering(lambda n, body: LOOK if n < 6 else fails(500, "out of memory")) as asked:
        command = ["eval", "alfworld", "--agent", f"server:{asked.url}", *sets, "-q"]
        assert main(command) == 1
    error = capsys.readouterr().err
    assert "HTTP 500" in error
    assert "out of memory" in error
    assert "Traceback" not in error


def test_an_eval_counts_what_the_server_played(
    tiny_settings: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from oreo_agent.cli.app import main

    sets = [flag for setting in (*tiny_settings, "games.horizon=3") for flag in ("-s", setting)]
    with answering(lambda n, body: LOOK) as asked:
        command = ["eval", "alfworld", "--agent", f"server:{asked.url}", *sets, "--json"]
        assert main(command) == 0
    [method] = json.loads(capsys.readouterr().out)["methods"].values()
    assert method["all"]["all"]["games"] == 4
    assert len(asked.bodies) == 4 * 3
