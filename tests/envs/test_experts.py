"""The rules of the partial-observation expert, on hand-written text."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oreo_agent.envs.alfworld.experts import Expert, Goal, Treatment, parse_goal

KITCHEN = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly "
    "around you, you see a cabinet 2, a cabinet 1, a countertop 2, a countertop 1, a fridge 1, "
    "a garbagecan 1, a microwave 1, a shelf 1, a sinkbasin 1, and a stoveburner 1.\n\n"
    "Your task is to: {goal}."
)
BEDROOM = (
    "You are in the middle of a room. Looking quickly around you, you see a bed 1, a desk 2, a "
    "desk 1, a drawer 2, a drawer 1, a shelf 1, and a sidetable 1.\n\nYour task is to: {goal}."
)
WRONG = "Nothing happens."


def after(goal: str, *steps: tuple[str, str], room: str = KITCHEN) -> str:
    """The expert's action after (action, observation) steps."""
    expert = Expert(goal)
    expert.observe(room.format(goal=goal))
    for action, text in steps:
        expert.observe(text, action)
    return expert.act()


def arrive(name: str, *things: str) -> tuple[str, str]:
    listed = ", and ".join(f"a {thing}" for thing in things) or "nothing"
    return f"go to {name}", f"You arrive at {name}. On the {name}, you see {listed}."


def take(name: str, place: str) -> tuple[str, str]:
    return f"take {name} from {place}", f"You pick up the {name} from the {place}."


def move(name: str, place: str) -> tuple[str, str]:
    return f"move {name} to {place}", f"You move the {name} to the {place}."


class TestGoals:
    @pytest.mark.parametrize("number", [0, 1])
    @pytest.mark.parametrize(
        ("task_type", "treatment", "count"),
        [
            ("pick_and_place_simple", None, 1),
            ("pick_clean_then_place_in_recep", Treatment.CLEAN, 1),
            ("pick_heat_then_place_in_recep", Treatment.HEAT, 1),
            ("pick_cool_then_place_in_recep", Treatment.COOL, 1),
            ("pick_two_obj_and_place", None, 2),
        ],
    )
    def test_every_template_of_a_place_task_is_read(
        self, task_type: str, number: int, treatment: Treatment | None, count: int
    ) -> None:
        assert parse_goal(self._sentence(task_type, number)) == Goal(
            object="mug", destination="sidetable", treatment=treatment, count=count
        )

    @pytest.mark.parametrize("number", [0, 1])
    def test_every_template_of_the_lamp_task_is_read(self, number: int) -> None:
        sentence = self._sentence("look_at_obj_in_light", number)
        assert parse_goal(sentence) == Goal(object="mug", lamp="desklamp")

    def test_capitals_a_full_stop_and_the_lead_in_do_not_matter(self) -> None:
        read = parse_goal("Your task is to: Put a  hot MUG in shelf.")
        assert read == Goal(object="mug", destination="shelf", treatment=Treatment.HEAT)

    @pytest.mark.parametrize("sentence", ["", "tidy up", "put two", "put a hot slice of x in y"])
    def test_another_sentence_is_no_goal(self, sentence: str) -> None:
        assert parse_goal(sentence) is None

    @staticmethod
    def _sentence(task_type: str, number: int) -> str:
        from alfworld.gen.goal_library import gdict

        template: str = gdict[task_type]["templates"][number]
        return template.format(obj="mug", recep="sidetable", toggle="desklamp", mrecep="")


class TestSearch:
    goal = "put some mug on shelf"

    def test_open_surfaces_are_searched_in_the_order_of_the_room(self) -> None:
        assert after(self.goal) == "go to countertop 2"
        assert after(self.goal, arrive("countertop 2")) == "go to countertop 1"

    def test_a_kind_of_place_that_never_holds_the_object_comes_last(self) -> None:
        seen = [arrive(f"countertop {number}") for number in (2, 1)]
        assert after(self.goal, *seen) == "go to sinkbasin 1"

    def test_a_closed_place_is_opened_when_it_is_searched(self) -> None:
        closed = ("go to cabinet 2", "You arrive at cabinet 2. The cabinet 2 is closed.")
        assert after(self.goal, closed) == "open cabinet 2"

    def test_what_was_searched_by_somebody_else_is_skipped(self) -> None:
        seen = [arrive("countertop 1"), arrive("garbagecan 1")]
        assert after(self.goal, *seen) == "go to countertop 2"

    def test_the_object_is_taken_as_soon_as_it_is_seen(self) -> None:
        assert after(self.goal, arrive("countertop 2", "egg 1", "mug 3")) == (
            "take mug 3 from countertop 2"
        )

    def test_a_name_that_only_begins_alike_is_not_the_object(self) -> None:
        assert after("put a pen in shelf", arrive("countertop 2", "pencil 1")) == (
            "go to countertop 1"
        )

    def test_a_place_at_the_same_spot_is_examined_after_the_refused_walk(self) -> None:
        steps = [arrive("countertop 2"), ("go to countertop 1", WRONG)]
        assert after(self.goal, *steps) == "examine countertop 1"

    def test_a_closed_place_at_the_same_spot_is_opened_without_a_walk(self) -> None:
        room = "Looking quickly around you, you see a drawer 2, and a drawer 1."
        steps = [
            ("go to drawer 2", "You arrive at drawer 2. The drawer 2 is closed."),
            (
                "open drawer 2",
                "You open the drawer 2. The drawer 2 is open. In it, you see nothing.",
            ),
            ("go to drawer 1", WRONG),
        ]
        assert after("put a pen in shelf", *steps, room=room) == "open drawer 1"

    def test_a_goal_that_cannot_be_read_is_answered_by_exploring(self) -> None:
        assert after("tidy up", arrive("countertop 2")) == "go to countertop 1"

    def test_with_everything_seen_it_looks(self) -> None:
        room = "Looking quickly around you, you see a desk 1."
        assert after("put a pen in shelf", arrive("desk 1"), room=room) == "look"

    def test_without_a_room_it_looks(self) -> None:
        assert after("put a pen in shelf", room="what?") == "look"


class TestPlace:
    def test_the_object_is_brought_to_number_one_of_its_destination(self) -> None:
        steps = [arrive("garbagecan 1", "mug 1"), take("mug 1", "garbagecan 1")]
        assert after("put some mug on countertop", *steps) == "go to countertop 1"

    def test_a_closed_destination_is_opened(self) -> None:
        steps = [
            arrive("countertop 1", "mug 1"),
            take("mug 1", "countertop 1"),
            ("go to cabinet 1", "You arrive at cabinet 1. The cabinet 1 is closed."),
        ]
        assert after("put a mug in cabinet", *steps) == "open cabinet 1"

    def test_an_object_is_heated_before_it_is_put_down_and_the_microwave_stays_closed(self) -> None:
        goal = "heat some mug and put it in shelf"
        steps = [arrive("countertop 1", "mug 1"), take("mug 1", "countertop 1")]
        assert after(goal, *steps) == "go to microwave 1"
        steps += [("go to microwave 1", "You arrive at microwave 1. The microwave 1 is closed.")]
        assert after(goal, *steps) == "heat mug 1 with microwave 1"
        steps += [("heat mug 1 with microwave 1", "You heat the mug 1 using the microwave 1.")]
        assert after(goal, *steps) == "go to shelf 1"

    def test_an_object_that_was_cooled_after_being_heated_is_heated_again(self) -> None:
        steps = [
            arrive("countertop 1", "mug 1"),
            take("mug 1", "countertop 1"),
            ("go to microwave 1", "You arrive at microwave 1. The microwave 1 is closed."),
            ("heat mug 1 with microwave 1", "You heat the mug 1 using the microwave 1."),
            ("go to fridge 1", "You arrive at fridge 1. The fridge 1 is closed."),
            ("cool mug 1 with fridge 1", "You cool the mug 1 using the fridge 1."),
        ]
        assert after("put a hot mug in shelf", *steps) == "go to microwave 1"

    def test_an_untreated_object_in_the_destination_is_taken_from_there(self) -> None:
        assert after("put a clean mug in shelf", arrive("shelf 1", "mug 1")) == (
            "take mug 1 from shelf 1"
        )

    def test_the_second_object_goes_where_the_first_one_lies(self) -> None:
        steps = [
            arrive("shelf 1", "mug 1", "mug 2"),
            take("mug 1", "shelf 1"),
            arrive("countertop 2"),
            move("mug 1", "countertop 2"),
        ]
        goal = "put two mug in countertop"
        assert after(goal, *steps) == "go to shelf 1"
        steps += [arrive("shelf 1", "mug 2"), take("mug 2", "shelf 1")]
        assert after(goal, *steps) == "go to countertop 2"

    def test_of_two_objects_one_that_lies_in_the_destination_at_the_start_stays(self) -> None:
        steps = [arrive("countertop 2", "mug 1"), arrive("countertop 1")]
        assert after("put two mug in countertop", *steps) == "go to sinkbasin 1"

    def test_an_object_in_another_receptacle_of_the_destinations_kind_is_brought_over(self) -> None:
        steps = [arrive("countertop 2", "mug 1"), arrive("countertop 1", "mug 2")]
        assert after("put two mug in countertop", *steps) == "go to countertop 2"

    def test_old_games_are_told_put_in_on(self) -> None:
        steps = [
            ("go to countertop 1", "You arrive at loc 3. On the countertop 1, you see a mug 1."),
            take("mug 1", "countertop 1"),
            ("go to shelf 1", "You arrive at loc 4. On the shelf 1, you see nothing."),
        ]
        assert after("put some mug on shelf", *steps) == "put mug 1 in/on shelf 1"

    def test_what_old_games_say_of_a_put_is_understood(self) -> None:
        steps = [
            ("go to countertop 1", "On the countertop 1, you see a mug 1, and a mug 2."),
            take("mug 1", "countertop 1"),
            ("go to shelf 1", "On the shelf 1, you see nothing."),
            ("put mug 1 in/on shelf 1", "You put the mug 1 in/on the shelf 1."),
        ]
        assert after("put two mug in shelf", *steps) == "go to countertop 1"


class TestLamp:
    goal = "look at book under the desklamp"

    def test_a_lamp_seen_on_the_way_is_remembered(self) -> None:
        steps = [arrive("desk 2", "desklamp 1"), arrive("bed 1", "book 1"), take("book 1", "bed 1")]
        assert after(self.goal, *steps, room=BEDROOM) == "go to desk 2"
        assert after(self.goal, *steps, arrive("desk 2", "desklamp 1"), room=BEDROOM) == (
            "use desklamp 1"
        )

    def test_a_lamp_not_yet_seen_is_searched_with_the_object_in_hand(self) -> None:
        steps = [arrive("bed 1", "book 1"), take("book 1", "bed 1")]
        assert after(self.goal, *steps, room=BEDROOM) == "go to desk 2"


class TestRecovery:
    goal = "put some mug on shelf"

    def test_a_wrong_object_in_hand_is_put_back_where_it_fits(self) -> None:
        steps = [arrive("countertop 1", "egg 1", "mug 1"), take("egg 1", "countertop 1")]
        assert after(self.goal, *steps) == "move egg 1 to countertop 1"

    def test_a_wrong_object_is_carried_to_where_it_fits(self) -> None:
        steps = [
            arrive("countertop 1", "egg 1", "mug 1"),
            take("egg 1", "countertop 1"),
            arrive("shelf 1"),
        ]
        assert after(self.goal, *steps) == "go to countertop 2"

    def test_a_refused_place_for_a_wrong_object_is_not_tried_twice(self) -> None:
        steps = [
            arrive("countertop 1", "egg 1", "mug 1"),
            take("egg 1", "countertop 1"),
            ("move egg 1 to countertop 1", WRONG),
        ]
        assert after(self.goal, *steps) == "go to countertop 2"

    def test_an_object_that_somebody_moved_is_fetched_from_its_new_place(self) -> None:
        steps = [
            arrive("countertop 1", "mug 1"),
            take("mug 1", "countertop 1"),
            arrive("garbagecan 1"),
            move("mug 1", "garbagecan 1"),
            arrive("sinkbasin 1"),
        ]
        assert after(self.goal, *steps) == "go to garbagecan 1"

    def test_a_destination_that_somebody_closed_is_opened_again(self) -> None:
        opened = "You open the cabinet 1. The cabinet 1 is open. In it, you see nothing."
        steps = [
            arrive("countertop 1", "mug 1"),
            take("mug 1", "countertop 1"),
            ("go to cabinet 1", "You arrive at cabinet 1. The cabinet 1 is closed."),
            ("open cabinet 1", opened),
            ("close cabinet 1", "You close the cabinet 1."),
        ]
        assert after("put a mug in cabinet", *steps) == "open cabinet 1"

    def test_an_object_that_cannot_be_taken_is_given_up(self) -> None:
        steps = [arrive("countertop 2", "mug 1"), ("take mug 1 from countertop 2", WRONG)]
        assert after(self.goal, *steps) == "go to countertop 1"

    def test_a_take_refused_elsewhere_says_nothing_about_the_object(self) -> None:
        steps = [
            arrive("countertop 2", "mug 1"),
            arrive("sinkbasin 1"),
            ("take mug 1 from countertop 2", WRONG),
        ]
        assert after(self.goal, *steps) == "go to countertop 2"

    def test_what_is_carried_is_learnt_from_the_inventory(self) -> None:
        steps = [("inventory", "You are carrying: a mug 1.")]
        assert after(self.goal, *steps) == "go to shelf 1"


_NAMES = st.sampled_from(["mug 1", "mug 2", "desk 1", "cabinet 1", "shelf 7", "desklamp 1", "x"])
_SENTENCES = st.one_of(
    st.text(max_size=60),
    st.just(WRONG),
    st.builds("You arrive at {}. On the {}, you see a {}, and a {}.".format, *[_NAMES] * 4),
    st.builds("The {} is closed.".format, _NAMES),
    st.builds("You open the {}. The {} is open. In it, you see a {}.".format, *[_NAMES] * 3),
    st.builds("You pick up the {} from the {}.".format, _NAMES, _NAMES),
    st.builds("You move the {} to the {}.".format, _NAMES, _NAMES),
    st.builds("You heat the {} using the {}.".format, _NAMES, _NAMES),
    st.builds("You are facing the {}, and {}.".format, _NAMES, _NAMES),
    st.builds("Looking quickly around you, you see a {}, and a {}.".format, _NAMES, _NAMES),
)
_ACTIONS = st.one_of(
    st.text(max_size=30),
    st.just("its own"),
    st.builds("go to {}".format, _NAMES),
    st.builds("open {}".format, _NAMES),
    st.builds("examine {}".format, _NAMES),
    st.builds("use {}".format, _NAMES),
    st.builds("take {} from {}".format, _NAMES, _NAMES),
    st.builds("move {} to {}".format, _NAMES, _NAMES),
    st.builds("heat {} with {}".format, _NAMES, _NAMES),
)
_GOALS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "put a mug in desk",
            "put two mug in cabinet",
            "heat some mug and put it in shelf",
            "examine the mug with the desklamp",
        ]
    ),
)


@settings(max_examples=200, deadline=None)
@given(
    goal=_GOALS,
    first=_SENTENCES,
    steps=st.lists(st.tuples(_ACTIONS, _SENTENCES), max_size=15),
    seed=st.integers(0, 9),
)
def test_it_never_raises_and_always_has_an_action(
    goal: str, first: str, steps: Sequence[tuple[str, str]], seed: int
) -> None:
    for noise in (0.0, 0.5):
        expert, rng = Expert(goal), random.Random(seed)
        expert.observe(first)
        for foreign, text in (*steps, ("look", "")):
            action = expert.act()
            if rng.random() < noise:
                action = expert.distract(rng, avoid=action)
            assert action.strip()
            expert.observe(text, action if foreign == "its own" else foreign)
