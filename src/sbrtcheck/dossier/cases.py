"""`cases.csv`: what DICOM files cannot hold, a row for each patient."""

import csv
import difflib
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import zip_longest
from pathlib import Path

from sbrtcheck.dossier.facts import parse_facts
from sbrtcheck.errors import CaseError
from sbrtcheck.files import read_written, why_not_opened
from sbrtcheck.model import CaseFacts, Text, patient_key

__all__ = ["COLUMNS", "CaseRow", "load_cases", "merged"]

COLUMNS = (
    "patient_id",
    "centre",
    "trial_number",
    "surgery_date",
    "first_fraction",
    "last_fraction",
    "operated_levels",
    "prior_rt",
    "prior_rt_date",
    "prior_rt_levels",
    "prior_cord_eqd2_gy",
    "affected_levels",
    "arm",
    "conus_level",
)
DATES = ("surgery_date", "first_fraction", "last_fraction", "prior_rt_date")
DATE = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?( 0?0:00(:00)?)?"
)  # as ISO 8601 has it, or Excel rewrites it
NOT_STATED = ""
SEPARATORS = ",;\t"
LEVELS = re.compile(r"[^ \t,;、]+")  # what separates the levels of one cell is left out
SEPARATOR_LINE = re.compile(
    r'\s*"?sep=([,;\t])"?[,;\t ]*\r?\n', re.IGNORECASE
)  # Excel's own first line
GUARDED = re.compile(
    r"""="(.*)"|'([=+@-].*)"""
)  # text that Excel must not take for a number


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One row: its line in the file, whom it is about, and what is known of the case."""

    line: int
    patient_id: str
    trial_number: str | None
    facts: CaseFacts


def load_cases(path: Path) -> dict[str, CaseRow]:
    """Read case facts by `patient_key`.

    UTF-8, UTF-16 or GB18030; commas, semicolons or tabs; empty cells are not provided.

    Raises
    ------
    CaseError
        If the file cannot be read or is wrong anywhere; all problems are listed with their lines.
    """
    text = _text_of(path)
    rows: dict[str, CaseRow] = {}
    problems: list[str] = []
    for line, cells in _cells(text, problems):
        row, wrong = _row(line, cells)
        problems += [f"line {line}: {problem}" for problem in wrong]
        if row is None:
            continue
        key = patient_key(row.patient_id)
        if key in rows:
            problems.append(
                f"line {line}: the patient ID stands in line {rows[key].line} already"
            )
        rows[key] = row
    if problems:
        raise CaseError(_counted(problems), path=path, candidates=problems)
    return rows


def _counted(problems: list[str]) -> Text:
    plural = "s"
    if len(problems) == 1:
        plural = ""
    return Text("the cases have {count} problem{s}", count=len(problems), s=plural)


def merged(row: CaseFacts, beside: CaseFacts) -> tuple[CaseFacts, list[str]]:
    """Return the facts of a row and of the `case.toml` beside the plan, and what contradicts."""
    both: dict[str, object] = {}
    contradicting = []
    for name in CaseFacts.__dataclass_fields__:
        own, other = getattr(row, name), getattr(beside, name)
        both[name] = own or other
        if not other:
            continue
        if other != both[name]:
            contradicting.append(name)
    return replace(row, **both), contradicting  # type: ignore[arg-type]


def _text_of(path: Path) -> str:
    try:
        return _decoded(read_written(path))
    except OSError as error:
        raise CaseError(Text(why_not_opened(error)), path=path) from error
    except UnicodeDecodeError as error:
        raise CaseError(
            Text(
                "the cases are not in UTF-8, UTF-16 or GB18030; save them as 'CSV UTF-8'"
            ),
            path=path,
        ) from error


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030")  # what Excel writes on Chinese Windows


def _cells(text: str, problems: list[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the line and the filled cells of each row; note what is wrong with the table."""
    rows = _filled_rows(text, problems)
    head = next(rows, None)
    if head is None:
        problems.append(
            f"line 1: no columns; the first line names them: {', '.join(COLUMNS)}"
        )
        return
    head_line, columns = head
    names = [re.sub(r"[\s-]+", "_", _folded(cell).lower()) for cell in columns]
    problems += _wrong_names(names, head_line)
    for line, cells in rows:
        named = list(zip_longest(names, cells, fillvalue=""))
        filled = {name: cell for name, cell in named if cell}
        if "" in filled:
            number = _first_stray(named)
            problems.append(
                f"line {line}: cell {number} is filled, and its column has no name"
            )
            continue
        yield line, filled


def _first_stray(named: list[tuple[str, str]]) -> int:
    """Return the number of the first cell that is filled and whose column has no name."""
    numbered = enumerate(named, start=1)
    return next(number for number, (name, cell) in numbered if cell and not name)


def _filled_rows(text: str, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row that holds anything; note where it cannot be read."""
    table, separator = _separated(text)
    reader = csv.reader(
        io.StringIO(table, newline=""),
        delimiter=separator,
        strict=True,
        skipinitialspace=True,
    )
    try:
        for row in reader:
            cells = [_plain(cell) for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")


def _separated(text: str) -> tuple[str, str]:
    """Return the table without Excel's own first line, and what separates its cells."""
    told = SEPARATOR_LINE.match(text)
    if told is not None:
        blank = "\n" * told[0].count("\n")  # lines keep their numbers
        return blank + text[told.end() :], told[1]
    head = next((line for line in text.splitlines() if line.strip()), "")
    return text, max(SEPARATORS, key=head.count)


def _folded(cell: str) -> str:
    """Return text typed in full width, such as ２０２６-０１-０９, as ASCII has it."""
    return unicodedata.normalize("NFKC", cell)


def _plain(cell: str) -> str:
    """Return the text of a cell without what cannot be seen, or guards it from Excel."""
    text = "".join(c for c in cell if unicodedata.category(c) != "Cf").strip()
    guarded = GUARDED.fullmatch(text)
    if guarded is None:
        return text
    return "".join(guarded.groups("")).strip()  # one of the two is there


def _wrong_names(names: list[str], line: int) -> list[str]:
    known = ("", *COLUMNS)
    problems = [
        f"line {line}: {_unknown_column(name)}" for name in names if name not in known
    ]
    problems += [
        f"line {line}: column {name} stands twice"
        for name in COLUMNS
        if names.count(name) > 1
    ]
    if COLUMNS[0] not in names:
        problems.append(f"line {line}: there is no column {COLUMNS[0]}")
    return problems


def _unknown_column(name: str) -> str:
    near = difflib.get_close_matches(name, COLUMNS, n=1)
    if near:
        return f"unknown column '{name}'; did you mean {near[0]}?"
    return f"unknown column '{name}'; known are {', '.join(COLUMNS)}"


def _day(cell: str) -> date | None:
    found = DATE.fullmatch(_folded(cell))
    if found is None:
        return None
    year, month, day = found.groups()[:3]
    try:
        return date(int(year), int(month), int(day))
    except ValueError:  # 30 February
        return None


def _levels(cell: str) -> list[str]:
    return LEVELS.findall(_folded(cell).upper())


def _number(cell: str) -> object:
    """Return a number with a point or a comma; what is none is left for the facts to refuse."""
    text = _folded(cell).replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return text


def _lowered(cell: str) -> str:
    return _folded(cell).lower()


def _raised(cell: str) -> str:
    return _folded(cell).upper()


READ_CELL: Mapping[str, Callable[[str], object]] = {
    "centre": str,
    "surgery_date": _day,
    "first_fraction": _day,
    "last_fraction": _day,
    "operated_levels": _levels,
    "prior_rt": _lowered,
    "prior_rt_date": _day,
    "prior_rt_levels": _levels,
    "prior_cord_eqd2_gy": _number,
    "affected_levels": _levels,
    "arm": _lowered,
    "conus_level": _raised,
}


def _row(line: int, cells: Mapping[str, str]) -> tuple[CaseRow | None, list[str]]:
    table = {
        name: READ_CELL[name](cell) for name, cell in cells.items() if name in READ_CELL
    }
    problems = [
        f"{name}: '{cells[name]}' is not a date; write 2026-01-31"
        for name in DATES
        if table.get(name, NOT_STATED) is None
    ]
    facts, wrong = parse_facts(table)
    problems += wrong
    patient_id = cells.get("patient_id")
    if patient_id is None:
        return None, [*problems, "patient_id is empty"]
    row = CaseRow(
        line=line,
        patient_id=patient_id,
        trial_number=cells.get("trial_number"),
        facts=facts or CaseFacts(),
    )
    return row, problems
