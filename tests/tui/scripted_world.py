"""A small scripted world and agent for the tests of the screen; run as a program it plays it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.envs.core import EnvError, EnvSpec, Observation, StepResult
from oreo_agent.episodes.record import (
    Actor,
    Candidate,
    Episode,
    Proposal,
    Sampling,
    ValueEstimate,
)
from oreo_agent.errors import MissingError
from oreo_agent.session import Session, SessionFactory
from oreo_agent.tui.services import AgentSelection, Say, ScreenServices

ROUTE = (
    ("go to countertop 2", "On the countertop 2, you see a mug 1, a knife 2, and a lettuce 1."),
    ("take mug 1 from countertop 2", "You pick up the mug 1 from the countertop 2."),
    ("go to sinkbasin 1", "On the sinkbasin 1, you see a fork 2."),
    ("clean mug 1 with sinkbasin 1", "You clean the mug 1 using the sinkbasin 1."),
    ("go to coffeemachine 1", "On the coffeemachine 1, you see nothing."),
    ("move mug 1 to coffeemachine 1", "You move the mug 1 to the coffeemachine 1."),
)
BANNER = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around"
    " you, you see a cabinet 2, a cabinet 1, a coffeemachine 1, a countertop 2, a countertop 1,"
    " a drawer 2, a drawer 1, a fridge 1, a garbagecan 1, a sinkbasin 1, and a stoveburner 1."
    "\n\nYour task is to: put a clean mug in coffeemachine."
)
OTHERS = ("look", "go to fridge 1", "open drawer 2", "inventory")


class ScriptedEnv:
    """A route of right actions; everything else changes nothing."""

    def __init__(
        self, *, goal: str = "put a clean mug in coffeemachine.", hostile: str = ""
    ) -> None:
        self.spec = EnvSpec(
            id="scripted", splits=("train",), horizon=20, action_help="Try: look, go to X, take X."
        )
        self.goal = goal
        self.hostile = hostile
        self.breaks_on: str | None = None
        self.is_closed = False
        self.resets = 0
        self._done = 0
        self._steps = 0
        self._said = ""

    def tasks(self, split: str) -> Sequence[str]:
        return ("kitchen/clean-mug",)

    def task_info(self, task: str) -> Mapping[str, str]:
        return {"type": "pick_clean_then_place_in_recep"}

    def reset(self, task: str | None = None, *, seed: int | None = None) -> Observation:
        self._done = self._steps = 0
        self.resets += 1
        return self._observe(BANNER)

    def step(self, action: str) -> StepResult:
        if action == self.breaks_on:
            raise EnvError("The game crashed.", "Try another task.")
        self._steps += 1
        text = "Nothing happens."
        if action == ROUTE[self._done][0]:
            text = ROUTE[self._done][1]
            self._done += 1
        elif action in OTHERS:
            text = f"You {action}. Nothing of interest is there."
        won = self._done == len(ROUTE)
        return StepResult(
            observation=self._observe(text) if not won else Observation(text=text, goal=self.goal),
            reward=float(won),
            terminated=won,
            truncated=not won and self._steps == self.spec.horizon,
            info={"won": won},
        )

    def close(self) -> None:
        self.is_closed = True

    def _observe(self, text: str, *, is_suffixed: bool = True) -> Observation:
        admissible = (ROUTE[self._done][0], *OTHERS)
        self._said = text + self.hostile if is_suffixed else text
        return Observation(text=self._said, goal=self.goal, admissible=admissible)


class ScriptedAgent:
    """Follows the route, except that it opens a drawer before the sink."""

    name = "scripted-1"
    actor = Actor.POLICY
    tokenizer_sha256: str | None = None

    def __init__(self, *, delay: float = 0.0) -> None:
        self.sampling: Sampling | None = Sampling(temperature=0.0)
        self.delay = delay
        self.bias = 0.0
        self.breaks_at: int | None = None
        self.is_mute = False
        self.has_candidates = True
        self.forgotten: list[str] = []
        self.requests: list[ActRequest] = []

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        time.sleep(self.delay)
        self.requests += requests
        return [self._decide(request) for request in requests]

    def forget(self, episode: str) -> None:
        self.forgotten.append(episode)

    def _decide(self, request: ActRequest) -> AgentDecision:
        turn = len(request.history)
        if turn == self.breaks_at:
            raise RuntimeError("the model ran out of memory")
        if self.is_mute:
            return AgentDecision(proposal=Proposal(message="I wonder.", action=""))
        done = 0
        for past in request.history:
            done += done < len(ROUTE) and past.action == ROUTE[done][0]
        best = ROUTE[done][0]
        strays = turn == 2 and done == 2
        value = self.bias + 0.18 + 0.12 * done - 0.05 * (turn - done)
        likely = (
            (("open drawer 2", 0.52), (best, 0.41)) if strays else ((best, 0.84), ("look", 0.1))
        )
        candidates = tuple(
            Candidate(action=action, probability=p, value=round(value + p / 10, 2))
            for action, p in (*likely, ("go to fridge 1", 0.02))
        )
        action = likely[0][0]
        return AgentDecision(
            proposal=Proposal(message=action, action=action, token_ids=(5, 6), model=self.name),
            candidates=candidates if self.has_candidates else (),
            value=ValueEstimate(value=value, model=self.name),
        )


def session_factory(
    env: ScriptedEnv, agent: ScriptedAgent, journals: Path | None
) -> Callable[[Callable[[str], None]], Session]:
    def make(progress: Callable[[str], None]) -> Session:
        progress("Loading scripted-1")
        return Session(env=env, agent=agent, task="kitchen/clean-mug", seed=1, journals=journals)

    return make


def scripted_services(folder: Path, *, env: ScriptedEnv | None = None) -> ScreenServices:
    """The screens' surroundings in the scripted world."""
    journals = folder / "journals"

    def load(selection: AgentSelection, say: Say) -> ScriptedAgent:
        if selection.checkpoint is not None:
            raise MissingError(f"{selection.checkpoint.name}: no model in it.", "Name another.")
        say("Loading another")
        agent = ScriptedAgent()
        agent.name = selection.kind if selection.temperature == 0 else f"{selection.kind}-sampled"
        agent.sampling = Sampling(temperature=selection.temperature)
        agent.bias = 0.1
        return agent

    def open_record(episode: Episode, say: Say) -> Session:
        say("Looking for the game")
        return Session(
            env=env or ScriptedEnv(goal=episode.goal),
            agent=ScriptedAgent(),
            task=episode.task,
            journals=journals,
        )

    return ScreenServices(
        store=folder / "episodes", journals=journals, load_agent=load, open_record=open_record
    )


def run_play(make_session: SessionFactory, services: ScreenServices) -> int:
    """Show the live screen on the terminal, as the command does."""
    from oreo_agent.tui.launcher import run_screen
    from oreo_agent.tui.screens.live import LiveScreen

    screen = LiveScreen(make_session, services)
    return run_screen(services, screen, offers_unsaved=True)


def main() -> None:
    """Play, or with ``replay`` as the second argument look at what was played."""
    from oreo_agent.tui.launcher import run_screen

    folder = Path(sys.argv[1])
    services = scripted_services(folder)
    if sys.argv[2:] == ["replay"]:
        raise SystemExit(int(run_screen(services, offers_unsaved=True)))
    make = session_factory(ScriptedEnv(), ScriptedAgent(delay=0.02), services.journals)
    raise SystemExit(int(run_play(make, services)))


if __name__ == "__main__":
    main()
