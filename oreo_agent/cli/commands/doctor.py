"""``oreo-agent doctor``: check the installation."""

from __future__ import annotations

import typer

from oreo_agent.cli.common.options import JsonFlag, QuietFlag, examples
from oreo_agent.cli.common.output import Output
from oreo_agent.errors import CheckFailedError

_MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}


app = typer.Typer()


@app.command(
    rich_help_panel="Inspect",
    epilog=examples(
        "oreo-agent doctor",
        "oreo-agent doctor --json",
    ),
)
def doctor(quiet: QuietFlag = False, as_json: JsonFlag = False) -> None:
    """Check the installation; exit with 5 where something fails."""
    from oreo_agent.doctor import CHECKS, Status

    output = Output(as_json=as_json, quiet=quiet)
    found = []
    for function in CHECKS:
        output.note(f"checking {function.__name__.removeprefix('check_')} …")
        found.append(function())
    failed = [check.name for check in found if check.status is Status.FAIL]
    rows: list[tuple[str, str, str]] = []
    for check in found:
        rows.append((f"{_MARKS[check.status]} {check.status}", check.name, check.detail))
        if check.fix:
            rows.append(("", "", f"fix: {check.fix}"))
    output.result(
        {
            "ok": not failed,
            "checks": [
                {"name": c.name, "status": c.status.value, "detail": c.detail, "fix": c.fix}
                for c in found
            ],
        },
        output.table(["", "check", "found"], rows),
    )
    if failed:
        raise CheckFailedError(f"failed: {', '.join(failed)}.", "Do what the lines above say.")
