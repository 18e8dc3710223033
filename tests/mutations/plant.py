"""Plants one typical mistake per trap in a copy of the package, and runs the trap's tests.

    python tests/mutations/plant.py
    python tests/mutations/plant.py --trap 2 --trap 7

A mistake that the tests named ``test_trap_NN_…`` do not notice is a hole in them. Each runs in a
process of its own; the last line is one JSON object. The exit code is 0 where every mistake was
noticed by a failing test, and 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.mutations.mistakes import MISTAKES, Mistake, spoil

ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("oreo_agent", "envs", "tui", "assets", "tests", "docs", "pyproject.toml")
_FAILED = 1
"""Exit code of pytest where tests ran and some failed."""
_CRASHED = 99


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trap", type=int, action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    # Loaded once, for all processes: they are forked.
    import pytest  # noqa: F401
    import torch
    import transformers  # noqa: F401

    torch.set_num_threads(1)
    chosen = [m for m in MISTAKES if not options.trap or m.trap in options.trap]
    traps = sorted({mistake.trap for mistake in chosen})
    code, output = _try(None, traps)
    if code != 0:
        raise SystemExit(f"without any mistake the tests end with {code}:\n{output[-3000:]}")
    unnoticed = []
    for mistake in chosen:
        start = time.monotonic()
        code, output = _try(mistake, [mistake.trap])
        seconds = time.monotonic() - start
        # A test must have failed: a copy that cannot be imported proves nothing.
        failed = re.search(r"^FAILED \S+::(test_trap_\S+)", output, re.MULTILINE)
        noticed = code == _FAILED and failed is not None
        by = failed[1] if failed else f"pytest ended with {code}"
        mark = "noticed" if noticed else "MISSED "
        print(f"{mistake.trap:02} {mark} {seconds:5.1f} s  {mistake.what}  ({by})", flush=True)
        if not noticed:
            unnoticed.append(mistake.trap)
            print(output[-3000:], file=sys.stderr)
    print(json.dumps({"mistakes": len(chosen), "traps": traps, "missed": unnoticed}))
    return 1 if unnoticed else 0


def _try(mistake: Mistake | None, traps: list[int]) -> tuple[int, str]:
    """Return how pytest ended on the tests of traps, in a copy with a mistake, and its output."""
    with tempfile.TemporaryDirectory(prefix="oreo-agent-mutation-") as folder:
        copy = Path(folder)
        for part in _PARTS:
            source = ROOT / part
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
                shutil.copytree(source, copy / part, symlinks=True, ignore=ignored)
            else:
                shutil.copy2(source, copy / part)
        if mistake is not None:
            file, text = spoil(copy, mistake)
            file.write_text(text, encoding="utf-8")
        output = copy / "output.txt"
        process = multiprocessing.get_context("fork").Process(
            target=_run_tests, args=(copy, traps, output)
        )
        process.start()
        process.join()
        said = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
        return process.exitcode or 0, said


def _run_tests(copy: Path, traps: list[int], output: Path) -> None:
    import pytest

    os.chdir(copy)
    sys.path[:] = [str(copy), *(entry for entry in sys.path if entry != str(ROOT))]
    for loaded in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[loaded]
    os.environ["PYTHONPATH"] = str(copy)  # for the processes that tests start
    names = [f"test_trap_{trap:02}_" for trap in traps]
    files = [
        str(file)
        for file in sorted((copy / "tests").rglob("test_*.py"))
        if any(name in file.read_text(encoding="utf-8") for name in names)
    ]
    options = ["-q", "-x", "-p", "no:cacheprovider", "-k", " or ".join(names)]
    # What was loaded before the fork is not rewritten, and need not be.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    code = _CRASHED
    try:
        with output.open("w") as file, contextlib.redirect_stdout(file):
            code = int(pytest.main([*options, *files]))
        import oreo_agent

        if not Path(oreo_agent.__file__).is_relative_to(copy):
            code = _CRASHED  # the tests saw another package
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
