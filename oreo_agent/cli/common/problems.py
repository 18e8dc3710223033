"""What ``oreo-agent data generate math`` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oreo_agent.cli.common.output import Output

__all__ = ["write_problems"]


def write_problems(
    output: Output, counts: Mapping[str, int], *, levels: str, seed: int, out: Path | None
) -> None:
    """Write generated problems as JSON lines in GSM8K's form, one file a split.

    Raises:
        UsageError: No folder is named or it is not empty, or the counts or levels mean nothing.
    """
    import msgspec

    from oreo_agent.cli.common.output import plain
    from oreo_agent.envs.math.problems import open_source
    from oreo_agent.errors import UsageError
    from oreo_agent.files import write_whole

    if out is None:
        raise UsageError(
            "no folder is named for the problems.",
            "Add --out DIR; `train math` and `play math` make their own when they need them.",
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already.", "Name a new folder.")
    source = open_source("generated", levels=levels, counts=counts, seed=seed)
    for split in counts:
        problems = map(source.problem, source.tasks(split))
        rows = ({"question": p.question, "answer": p.solution} for p in problems)
        write_whole(
            out / f"{split}.jsonl", b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        )
    output.result(
        {"folder": str(out), "seed": seed, "counts": dict(counts)},
        lambda console: console.print(plain(out), soft_wrap=True, markup=False),
    )
