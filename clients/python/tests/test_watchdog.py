"""What becomes of a run in which a test hangs."""

import os
import subprocess
import sys
from pathlib import Path

HANGING = """
import threading

def test_that_hangs():
    threading.Event().wait()
"""


def test_a_run_that_hangs_ends_and_tells_where(tmp_path):
    (tmp_path / "conftest.py").write_bytes((Path(__file__).parent / "conftest.py").read_bytes())
    (tmp_path / "test_hanging.py").write_text(HANGING)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        env={**os.environ, "CORACLE_TEST_PATIENCE": "10", "PYTHONPATH": str(Path(__file__).parents[1] / "src")},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert "test_hanging.py" in ended.stderr and "in test_that_hangs" in ended.stderr, ended
