"""The script on the library page runs as it stands, and learns."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def test_the_librarys_script_runs_as_it_stands_and_learns(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    [script] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.M)
    file = tmp_path / "script.py"
    file.write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    metrics = ast.literal_eval(done.stdout.strip().splitlines()[-1])
    assert metrics["eval_log_ratio_won"] > metrics["eval_log_ratio_lost"] + 1
    # At the turn's beginning nothing tells the outcome; behind it, the value model knows.
    assert metrics["eval_value_auc_turn_1"] == pytest.approx(0.5)
    assert metrics["eval_loss_after_state"] < 0.2  # 0.25 knows nothing
    assert (tmp_path / "oreo-run" / "policy" / "tokenizer.json").is_file()
    assert (tmp_path / "oreo-run" / "value" / "head.safetensors").is_file()
