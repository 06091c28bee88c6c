"""Every sentence that the code can say, found in its source, and which of them the tests reach.

    python -m tests.sentences          writes docs/errors.md

A sentence is a literal template: of a `Text`, or of an error that is raised.
"""

import ast
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "sbrtcheck"
PAGE = ROOT / "docs" / "errors.md"
ROOMS = {
    "dicom": "Reading DICOM files",
    "dossier": "Which files belong together, and case facts",
    "protocol": "Protocols, names and metrics",
    "contours": "Contours",
    "dvh": "DVHs",
    "model": "Sums of doses",
    "checks": "Answers and cures",
    "crosscheck": "Second opinion",
    "robustness": "Robustness",
    "batch": "Batch",
    "report": "Pages",
    "phantoms": "Synthetic plans",
    "selftest": "Self-test",
    "cli": "The command line",
}
HEAD = """\
# What sbrtcheck says

Written by `python -m tests.sentences` from the code; not edited by hand.

A refusal stands on standard error, begins with `sbrtcheck:`, and ends with exit code 2: it says what is
wrong, where, and what to do. What a plan is asked stands on the page, with its cure below the
verdict. `{gaps}` are filled in: names and strings of files are shown with escapes for characters that a
console would obey, and words of the patient's name or ID as stars unless `--phi` is given.
`sbrtcheck: internal error` with exit code 4 is a bug; please report it.

## Bounds

What is larger is refused in a sentence, before memory is taken for it.

| what | at most |
| --- | --- |
"""
MADE = (
    "Text",
    "ReadError",
    "UnsupportedError",
    "CaseError",
    "ProtocolError",
    "MetricError",
)
PASSED_ON = ("fail", "usage")  # to what makes the error, or ends the command


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A literal template and where it stands.

    Parameters
    ----------
    file, first, last
        Path below the source, first and last line of the call.
    kind
        "Text", or the name of the error.
    is_constant
        Whether it is made when its module is imported.
    """

    file: str
    first: int
    last: int
    kind: str
    template: str
    is_constant: bool

    @property
    def room(self) -> str:
        """Return the room it is said in."""
        return self.file.partition("/")[0].removesuffix(".py")


@cache
def sentences() -> tuple[Sentence, ...]:
    """Return all sentences, by file and line."""
    found: list[Sentence] = []
    for path in sorted(SOURCE.rglob("*.py")):
        file = path.relative_to(SOURCE).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += _said(tree, file, is_constant=True, named={})
    return tuple(found)


def _said(
    node: ast.AST, file: str, *, is_constant: bool, named: Mapping[str, ast.expr]
) -> Iterator[Sentence]:
    """Yield the sentences below a node; `named` are the words that a function has named."""
    if isinstance(node, ast.FunctionDef):
        named = dict(_assigned(node))
    for child in ast.iter_child_nodes(node):
        inner = is_constant and not isinstance(child, ast.FunctionDef | ast.Lambda)
        if isinstance(child, ast.Call):
            template = _template(child, named)
            if template is not None:
                yield Sentence(
                    file=file,
                    first=child.lineno,
                    last=child.end_lineno or child.lineno,
                    kind=_name(child.func),
                    template=template,
                    is_constant=is_constant,
                )
        yield from _said(child, file, is_constant=inner, named=named)


def _assigned(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _template(call: ast.Call, named: Mapping[str, ast.expr]) -> str | None:
    """Return the words of a sentence with its gaps in braces; None of another call."""
    if _name(call.func) not in (*MADE, *PASSED_ON) or not call.args:
        return None
    words = call.args[0]
    if isinstance(words, ast.Name):
        words = named.get(words.id, words)
    if isinstance(words, ast.List) and len(words.elts) == 1:
        (words,) = words.elts
    if isinstance(words, ast.Constant) and isinstance(words.value, str):
        return words.value
    if isinstance(words, ast.JoinedStr):
        return "".join(map(_part, words.values))
    return None


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    if isinstance(part, ast.FormattedValue):
        return f"{{{ast.unparse(part.value)}}}"
    return ""


# --- The page -----------------------------------------------------------------------------------


def page() -> str:
    """Return the page of all sentences, room by room, in the order of the code."""
    lines = [f"{HEAD.rstrip()}", *(f"| {what} | {most} |" for what, most in bounds())]
    for room, heading in ROOMS.items():
        told = dict.fromkeys(
            " ".join(sentence.template.split())
            for sentence in sentences()
            if sentence.room == room and " " in sentence.template.strip()
        )
        if told:
            lines += ["", f"## {heading}", "", *(f"- {_quoted(line)}" for line in told)]
    return "\n".join(lines) + "\n"


def _quoted(line: str) -> str:
    """Return a template as Markdown shows it, as it is."""
    ticks = "``" if "`" in line else "`"
    pad = " " if "`" in line else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def bounds() -> list[tuple[str, str]]:
    """Return what is bounded, and by how much."""
    from sbrtcheck.checks.judge import MOST_OF_STRUCTURE
    from sbrtcheck.contours.drawn import (
        MOST_CROSSINGS,
        MOST_MEETING,
        MOST_PLANES,
        MOST_RINGS,
    )
    from sbrtcheck.dicom.structures import MOST_ROIS
    from sbrtcheck.dossier.link import MOST_FILES
    from sbrtcheck.dossier.places import FILES_UNPACKED
    from sbrtcheck.files import MOST_READ_BYTES, MOST_WRITTEN_BYTES
    from sbrtcheck.model import MOST_CORNERS

    megabyte = 1024**2
    return [
        (
            "a DICOM file, once inflated (`--max-size`)",
            f"{MOST_READ_BYTES // megabyte:,} MB",
        ),
        (
            "RT files of one archive, unpacked",
            f"{FILES_UNPACKED} times as much",
        ),
        (
            "a protocol, case facts, a table of cases, a recorded verdict",
            f"{MOST_WRITTEN_BYTES // megabyte} MB",
        ),
        ("RT files of one patient", f"{MOST_FILES:,}"),
        ("ROIs of a structure set", f"{MOST_ROIS:,}"),
        ("ROIs that are taken for one structure", f"{MOST_OF_STRUCTURE:,}"),
        ("corners of an ROI", f"{MOST_CORNERS:,}"),
        ("planes of an ROI", f"{MOST_PLANES:,}"),
        ("contours of an ROI on one plane", f"{MOST_RINGS:,}"),
        ("of these, where any two cross", f"{MOST_MEETING:,}"),
        ("crossings of an ROI's contours", f"{MOST_CROSSINGS:,}"),
    ]


# --- Which are reached --------------------------------------------------------------------------

reached: set[str] = set()  # "file:line" where a sentence was made
said: set[str] = set()  # templates that were put into words


@cache
def watch() -> None:
    """Note from now on where sentences are made, and which are put into words."""
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.model import Text
    from sbrtcheck.report.words import Voice

    make_text, make_error = Text.__init__, SbrtCheckError.__init__
    put, speak = Text.__str__, Voice.say

    def text(self: Text, *args: object, **values: object) -> None:
        _note(sys._getframe(1))
        make_text(self, *args, **values)  # type: ignore[arg-type]

    def error(self: SbrtCheckError, *args: object, **options: object) -> None:
        _note(sys._getframe(1))
        make_error(self, *args, **options)  # type: ignore[arg-type]

    def as_words(self: Text) -> str:
        said.add(self.template)
        return put(self)

    def say(self: Voice, sentence: Text) -> str:
        said.add(sentence.template)
        return speak(self, sentence)

    Text.__init__ = text  # type: ignore[method-assign, assignment]
    SbrtCheckError.__init__ = error  # type: ignore[method-assign]
    Text.__str__ = as_words  # type: ignore[method-assign]
    Voice.say = say  # type: ignore[method-assign]


def _note(frame: FrameType | None) -> None:
    """Note the line of a call, in whatever function of an error it was passed on."""
    while frame is not None and frame.f_code.co_filename.endswith("errors.py"):
        frame = frame.f_back
    if frame is not None:
        reached.add(f"{frame.f_code.co_filename}:{frame.f_lineno}")


def keep() -> None:
    """Write what this process noted where the run collects it, whole or not at all."""
    place = Path(os.environ["SENTENCES"]) / f"{os.getpid()}.json"
    partial = place.with_suffix(".partial")
    found = {"reached": sorted(reached), "said": sorted(said)}
    partial.write_text(json.dumps(found), encoding="utf-8")
    partial.replace(place)


def unreached(lines: set[str], words: set[str]) -> list[Sentence]:
    """Return the sentences that no test made, or, of constants, put into words."""
    made: dict[str, set[int]] = {}
    for line in lines:
        file, _, number = line.rpartition(":")
        made.setdefault(file, set()).add(int(number))
    return [
        sentence
        for sentence in sentences()
        if sentence.kind in MADE
        and not _is_reached(
            sentence, made.get(str(SOURCE / sentence.file), set()), words
        )
    ]


def _is_reached(sentence: Sentence, made: set[int], words: set[str]) -> bool:
    if sentence.is_constant:
        return sentence.template in words
    return any(sentence.first <= line <= sentence.last for line in made)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
