"""The expert behind the agent contract."""

from __future__ import annotations

import pytest

from oreo_agent.agents.expert import ExpertAgent, load_expert
from oreo_agent.agents.protocol import ActRequest, Agent
from oreo_agent.envs.registry import plugin_of
from oreo_agent.episodes.record import Actor, PastTurn

GOAL = "put some mug on shelf"
ROOM = (
    "Looking quickly around you, you see a countertop 2, a countertop 1, a garbagecan 1, and a "
    f"shelf 1.\n\nYour task is to: {GOAL}."
)
SEEN = "You arrive at countertop 2. On the countertop 2, you see a mug 1."
EMPTY = "You arrive at countertop 2. On the countertop 2, you see nothing."


def expert_of_alfworld(*, noise: float = 0.0, per_episode: bool = False) -> ExpertAgent:
    return load_expert(plugin_of("alfworld"), {}, noise=noise, per_episode=per_episode)


def request(
    *texts: str,
    actions: tuple[str, ...] = ("go to countertop 2",),
    episode: str = "a",
    seed: int = 0,
    admissible: tuple[str, ...] | None = None,
) -> ActRequest:
    """A request after ``actions``, which brought the texts behind the first one."""
    *past, last = (ROOM, *texts)
    history = tuple(
        PastTurn(observation=text, message=action)
        for text, action in zip(past, actions, strict=False)
    )
    return ActRequest(
        episode=episode,
        goal=GOAL,
        history=history,
        observation=last,
        admissible=admissible,
        seed=seed,
    )


def answer(agent: Agent, asked: ActRequest) -> str:
    [decision] = agent.act([asked])
    assert decision.proposal.message == decision.proposal.action
    return decision.proposal.action


def test_it_is_an_agent_that_records_itself_as_the_expert() -> None:
    agent: Agent = expert_of_alfworld()
    [decision] = agent.act([request()])
    assert agent.actor is Actor.EXPERT
    assert decision.proposal.model == agent.name == "expert"


def test_requests_are_answered_in_order() -> None:
    decisions = expert_of_alfworld().act([request(episode="a"), request(SEEN, episode="b")])
    assert [one.proposal.action for one in decisions] == [
        "go to countertop 2",
        "take mug 1 from countertop 2",
    ]


def test_it_goes_on_where_the_episode_stands() -> None:
    agent = expert_of_alfworld()
    assert answer(agent, request()) == "go to countertop 2"
    assert answer(agent, request(SEEN)) == "take mug 1 from countertop 2"


def test_after_an_undo_it_forgets_what_was_undone() -> None:
    agent = expert_of_alfworld()
    answer(agent, request(SEEN))
    assert answer(agent, request()) == "go to countertop 2"


def test_a_history_rewritten_at_the_same_length_is_read_again() -> None:
    agent = expert_of_alfworld()
    answer(agent, request(SEEN))
    assert answer(agent, request(EMPTY)) == "go to countertop 1"


def test_what_was_sent_counts_rather_than_the_message_around_it() -> None:
    turn = PastTurn(observation=ROOM, message="I shall go.", action="go to countertop 2")
    asked = ActRequest(
        episode="a", goal=GOAL, history=(turn,), observation=SEEN, admissible=None, seed=0
    )
    assert answer(expert_of_alfworld(), asked) == "take mug 1 from countertop 2"


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_list_of_admissible_actions_changes_nothing(noise: float) -> None:
    lists = (None, (), ("look",), ("go to shelf 1", "go to countertop 1"))
    for seed in range(20):
        answers = {
            answer(expert_of_alfworld(noise=noise), request(SEEN, seed=seed, admissible=admissible))
            for admissible in lists
        }
        assert len(answers) == 1


def test_a_forgotten_episode_is_rebuilt_from_its_history() -> None:
    agent = expert_of_alfworld()
    before = answer(agent, request(SEEN))
    agent.forget("a")
    agent.forget("never seen")
    assert answer(agent, request(SEEN)) == before


def test_noise_follows_the_seed_of_the_request_alone() -> None:
    def actions(agent: ExpertAgent) -> list[str]:
        return [answer(agent, request(SEEN, seed=seed)) for seed in range(40)]

    agent = expert_of_alfworld(noise=0.5)
    first = actions(agent)
    assert actions(agent) == first == actions(expert_of_alfworld(noise=0.5))
    assert len(set(first)) > 3


def test_a_distraction_is_recorded_as_one() -> None:
    agent = expert_of_alfworld(noise=0.5)
    decisions = [agent.act([request(SEEN, seed=seed)])[0] for seed in range(40)]
    own = {one.proposal.action for one in decisions if one.actor is Actor.EXPERT}
    others = {one.proposal.action for one in decisions if one.actor is Actor.RANDOM}
    assert own == {"take mug 1 from countertop 2"}
    assert others
    assert not own & others


def test_noise_per_episode_is_a_matter_of_the_episodes_name() -> None:
    agent = expert_of_alfworld(noise=1.0, per_episode=True)

    def distracted(episode: str) -> int:
        asked = [request(SEEN, episode=episode, seed=seed) for seed in range(100)]
        return sum(one.actor is Actor.RANDOM for one in agent.act(asked))

    counts = [distracted(f"episode {number}") for number in range(5)]
    assert counts == [distracted(f"episode {number}") for number in range(5)]
    assert max(counts) - min(counts) > 20


def test_noise_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        expert_of_alfworld(noise=2.0)
