"""Episodes become the token ids that were sampled, with masks over what the agent wrote."""

from __future__ import annotations

import msgspec
import pytest

from oreo_agent.envs.registry import plugin_of
from oreo_agent.episodes.record import Actor, Episode, Executed, Outcome, PastTurn, Turn
from oreo_agent.models.prompt_text import PromptText
from oreo_agent.models.rendering import Renderer, RenderingError
from oreo_agent.models.tokenizer import train_tokenizer

FIRST = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around"
    " you, you see a bed 1, and a desk 1.\n\nYour task is to: put a mug in desk."
)
SECOND = "You arrive at bed 1. On the bed 1, you see a mug 1."
GOAL = "put a mug in desk"
ALFWORLD = PromptText(plugin_of("alfworld").prompt_cuts)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    seen = [ALFWORLD.observation(FIRST), ALFWORLD.observation(SECOND)]
    texts = [GOAL, *seen, "go to bed 1", "take mug 1 from bed 1"]
    return Renderer(train_tokenizer(texts * 2), ALFWORLD)


def _episode(
    renderer: Renderer, outcome: Outcome = Outcome.SUCCESS, tokenizer_sha256: str | None = None
) -> Episode:
    turns = (
        Turn(
            observation=FIRST,
            executed=Executed(message="go to bed 1", action="go to bed 1", actor=Actor.HUMAN),
        ),
        Turn(
            observation=SECOND,
            executed=Executed(
                message="take mug 1 from bed 1",
                action="take mug 1 from bed 1",
                actor=Actor.POLICY,
                token_ids=tuple(renderer.message("take mug 1 from bed 1")),
            ),
            reward=1.0,
        ),
    )
    return Episode(
        id="e",
        env="alfworld",
        task="t",
        goal=GOAL,
        outcome=outcome,
        turns=turns,
        tokenizer_sha256=tokenizer_sha256 or renderer.sha256,
    )


def test_of_alfworld_banner_goal_and_arrival_are_cut() -> None:
    assert ALFWORLD.observation(FIRST).startswith("You are in the middle")
    assert ALFWORLD.observation(FIRST).endswith("desk 1.")
    assert ALFWORLD.observation(SECOND) == "On the bed 1, you see a mug 1."


def test_the_words_of_other_environments_stay_as_they_are() -> None:
    for text in (FIRST, SECOND, "-= Kitchen =-\nA stove."):
        assert PromptText(plugin_of("math").prompt_cuts).observation(text) == text


def test_the_mask_covers_messages_and_their_end_and_nothing_else(renderer: Renderer) -> None:
    rendered = renderer.render(_episode(renderer))
    written = [i for i, m in zip(rendered.token_ids, rendered.action_mask, strict=True) if m]
    assert written == renderer.message("go to bed 1") + renderer.message("take mug 1 from bed 1")
    assert [rendered.token_ids[end] for end in rendered.turn_ends] == [renderer.end_id] * 2
    assert rendered.ret == 1.0


def test_the_prompt_of_a_turn_is_a_prefix_of_the_rendered_episode(renderer: Renderer) -> None:
    rendered = renderer.render(_episode(renderer))
    past = PastTurn(observation=FIRST, message="go to bed 1")
    prompt = renderer.prompt(GOAL, [past], SECOND)
    assert rendered.token_ids[: len(prompt)] == prompt
    assert rendered.action_mask[len(prompt)]


def test_trap_18_token_ids_that_say_other_than_the_text_are_refused(renderer: Renderer) -> None:
    with pytest.raises(RenderingError, match="decode to"):
        renderer.message("go to bed 1", renderer.message("take mug 1 from bed 1"))


def test_trap_18_sampled_ids_are_joined_as_they_were_sampled(renderer: Renderer) -> None:
    # "bed 1" spelled as bytes: other ids than the tokenizer would give, the same text.
    vocabulary = renderer.tokenizer.get_vocab()
    spelled = [vocabulary["Ġ" if letter == " " else letter] for letter in "go to bed 1"]
    ids = [*spelled, renderer.end_id]
    assert renderer.message("go to bed 1", ids) == ids


def test_ids_of_another_tokenizer_are_rendered_from_text(renderer: Renderer) -> None:
    episode = _episode(renderer, tokenizer_sha256="another")
    assert renderer.render(episode).token_ids == renderer.render(_episode(renderer)).token_ids


def test_trap_19_the_end_of_a_turn_is_an_action(renderer: Renderer) -> None:
    rendered = renderer.render(_episode(renderer))
    assert all(rendered.action_mask[end] for end in rendered.turn_ends)


def test_trap_20_an_episode_that_does_not_fit_is_marked(renderer: Renderer) -> None:
    rendered = renderer.render(_episode(renderer), max_length=20)
    assert rendered.truncated
    assert len(rendered.token_ids) == 20


def _cut_off(renderer: Renderer, message: str, token_ids: list[int] | None = None) -> Episode:
    """Return an episode whose last message holds no action."""
    said = Executed(
        message=message,
        action="",
        actor=Actor.POLICY,
        token_ids=None if token_ids is None else tuple(token_ids),
    )
    episode = _episode(renderer, Outcome.INVALID)
    turns = (episode.turns[0], Turn(observation=SECOND, executed=said))
    return msgspec.structs.replace(episode, turns=turns)


def test_a_message_that_was_cut_off_is_given_no_end(renderer: Renderer) -> None:
    rendered = renderer.render(_cut_off(renderer, "take mug 1"))
    written = [i for i, m in zip(rendered.token_ids, rendered.action_mask, strict=True) if m]
    assert written == renderer.message("go to bed 1") + renderer.message("take mug 1")[:-1]
    assert rendered.turn_ends[-1] == len(rendered.token_ids) - 1
    assert rendered.ret == 0.0


def test_a_turn_without_a_token_is_left_out(renderer: Renderer) -> None:
    rendered = renderer.render(_cut_off(renderer, ""))
    assert len(rendered.turn_ends) == 1
    assert rendered.token_ids[-1] == renderer.end_id
    assert rendered.action_mask[-1]


@pytest.mark.parametrize("ended", [True, False])
def test_tokens_say_themselves_whether_a_message_without_action_ended(
    renderer: Renderer, ended: bool
) -> None:
    ids = [*renderer.encode("take mug 1"), *([renderer.end_id] if ended else [])]
    assert renderer.render(_cut_off(renderer, "take mug 1", ids)).token_ids[-len(ids) :] == ids


def test_trap_21_an_unfinished_episode_has_no_return(renderer: Renderer) -> None:
    for outcome in (Outcome.UNFINISHED, Outcome.ERROR):
        with pytest.raises(ValueError, match="no return"):
            renderer.render(_episode(renderer, outcome))


def test_random_turns_are_context_and_not_imitated(renderer: Renderer) -> None:
    episode = _episode(renderer)
    stray = Turn(
        observation=FIRST,
        executed=Executed(message="go to bed 1", action="go to bed 1", actor=Actor.RANDOM),
    )
    noisy = msgspec.structs.replace(episode, turns=(stray, episode.turns[1]))
    rendered = renderer.render(noisy, imitate=True)
    written = [i for i, m in zip(rendered.token_ids, rendered.action_mask, strict=True) if m]
    assert written == renderer.message("take mug 1 from bed 1")
    assert len(rendered.turn_ends) == 1
    assert sum(renderer.render(noisy).action_mask) > len(written)


@pytest.mark.parametrize(("actor", "imitated"), [(Actor.POLICY, 1), (Actor.HUMAN, 2)])
def test_of_what_comes_before_a_fork_only_a_persons_turns_are_imitated(
    renderer: Renderer, actor: Actor, imitated: int
) -> None:
    episode = _episode(renderer)
    first, second = episode.turns
    first = msgspec.structs.replace(
        first, executed=msgspec.structs.replace(first.executed, actor=actor)
    )
    branch = msgspec.structs.replace(episode, turns=(first, second), parent="failed", fork_turn=1)
    rendered = renderer.render(branch, imitate=True)
    assert len(rendered.turn_ends) == imitated
    own = [i for i, m in zip(rendered.token_ids, rendered.action_mask, strict=True) if m]
    last = renderer.message(second.executed.message, second.executed.token_ids)
    assert own[-len(last) :] == last
    assert (len(own) > len(last)) is (imitated == 2)
    assert renderer.render(branch).action_mask == renderer.render(episode).action_mask
