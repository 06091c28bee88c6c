"""What is doubtful in a protocol file, and what is not."""

from pathlib import Path

import pytest

from sbrtcheck.protocol.lint import lint
from sbrtcheck.protocol.load import protocol_folders, shipped_protocols
from test_protocol import SHIPPED, edit_copy


def lint_edited(folder: Path, old: str, new: str) -> tuple[str, ...]:
    """Lint the shipped protocol after one edit, in itself or in its table of names."""
    edit_copy(folder, old, new)
    return lint(folder / SHIPPED.name)


@pytest.mark.parametrize("name", shipped_protocols())
def test_shipped_protocols_have_no_problem(name: str) -> None:
    assert lint(name) == ()


def test_protocols_are_shipped() -> None:
    assert protocol_folders()
    assert shipped_protocols() == ("hytec-tg101-5fx", "nct06756087")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"D0.035cc <= 27.2Gy"', '"D0.035cc <= 20.0Gy"', "is stricter than the goal"),
        (
            'aliases = ["Duodenum",',
            'aliases = ["Duodenum", "DUODENUM",',
            "Duodenum twice",
        ),
        (
            'aliases = ["Liver",',
            'aliases = ["Liver", "Heart",',
            "stands in Heart and Liver",
        ),
        ('aliases = ["Liver",', 'aliases = ["Liver", "zLiver",', "never_match has"),
        (
            'aliases = ["Liver",',
            'aliases = ["Liver", "Cord 2",',
            "of SpinalCord comes first",
        ),
        ('"V23.0Gy <= 66.6%"', '"V23.0Gy[cc] <= 66.6cc"', "% and cc mixed up"),
        ('"D5cc <= 18.6Gy"', '"D5% <= 18.6Gy"', "% and cc mixed up"),
        ('"V100% >= 90%"', '"CI >= 0.9"', "name the formula: CI.rtog or CI.paddick"),
        ('"D0.5cc <= 19.9Gy"', '"D0.5% <= 19.9Gy"', "% and cc mixed up"),
        ('source = "RTOG 0631', 'sorce = "RTOG 0631', "Field required"),
    ],
)
def test_a_doubt_is_said_with_its_place(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    problems = lint_edited(tmp_path, old, new)

    assert any(problem in row for row in problems), problems
