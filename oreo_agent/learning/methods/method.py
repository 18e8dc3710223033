"""What a method consists of: title, section of the configuration, and how it fits. No torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from oreo_agent.learning.fitting import TrainingJob, TrainingResult


class MethodSettings:
    """Base of the dataclasses that are a method's section of the configuration.

    These are not frozen: a method's ``TrainingArguments`` inherit some of the fields, are not
    frozen themselves, and Python does not let the two kinds mix.
    """

    @property
    def starts_from(self) -> str:
        """The method whose policy this one starts from in the first round."""
        return "sft"

    def in_round(self, number: int, lr_factor: float) -> Self:
        """Return the settings of a round: learning rates times ``lr_factor`` a round before it."""
        section: Any = self  # the sections are dataclasses; their base is none
        rates = [f.name for f in fields(section) if f.name == "lr" or f.name.endswith("_lr")]
        factor = lr_factor ** (number - 1)
        changed = {name: factor * getattr(self, name) for name in rates}
        scaled: Self = replace(section, **changed)
        return scaled

    def check(self, methods: Collection[str]) -> None:
        """Check the settings against each other.

        Args:
            methods: All methods of the run.

        Raises:
            ConfigError: They do not fit together.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way to learn a policy from episodes."""

    title: str
    """Its name in reports."""
    section: str
    """Name of its section in the configuration; variants of a method may share one."""
    settings: MethodSettings
    """The section's defaults."""
    fit: Callable[[TrainingJob, Any], TrainingResult]
    """Trains a policy; takes the job and the section."""
    trains_value: bool = False
    """Whether it trains a value model besides."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Count in the stage's mark that must not be 0, and what to say where it is: then there was
    nothing to learn from, and the policy is unchanged."""

    def idle_reason(self, counts: Mapping[str, int]) -> str | None:
        """Return why a finished stage of this method learnt nothing, or None."""
        return next(
            (reason for count, reason in self.needs.items() if counts.get(count) == 0), None
        )


def shared_settings(settings: object, shared: type[DataclassInstance]) -> dict[str, Any]:
    """Return the settings that a section and a method's ``TrainingArguments`` both inherit.

    Args:
        settings: The section.
        shared: The dataclass that both inherit.
    """
    return {field.name: getattr(settings, field.name) for field in fields(shared)}
