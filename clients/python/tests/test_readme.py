"""Runs what README.md shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
EXAMPLES = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example, client, image, tmp_path):
    test = tmp_path / "test_example.py"
    test.write_text(example)
    command = [sys.executable, str(test)]
    if "def test_" in example:
        options = ["-q", "-p", "no:cacheprovider", "-p", "coracle.pytest_plugin", "--rootdir", str(tmp_path)]
        command = [sys.executable, "-m", "pytest", *options, str(test)]
    done = subprocess.run(command, cwd=PROJECT, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert client.containers(all=True) == []


def test_there_are_examples():
    assert len(EXAMPLES) >= 6 and "def test_" in EXAMPLES[-1]
