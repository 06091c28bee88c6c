"""The examples in docstrings run."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import sbrtcheck

SOURCE = Path(sbrtcheck.__file__).parent
MODULES = [
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])  # examples name the samples from there

    result = doctest.testmod(import_module(name))

    assert result.attempted > 0
    assert result.failed == 0
