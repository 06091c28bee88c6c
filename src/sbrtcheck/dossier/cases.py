"""`cases.csv`: what DICOM files cannot hold, a row for each patient."""

import csv
import difflib
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from sbrtcheck.dossier.facts import parse_facts
from sbrtcheck.errors import CaseError
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
    "conus_level",
)
DATES = ("surgery_date", "first_fraction", "last_fraction")
DATE = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?( 0?0:00(:00)?)?"
)  # as ISO 8601 has it, or Excel rewrites it
SEPARATORS = ",;\t"
LISTED = " \t,;、"  # between the levels of one cell
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
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise CaseError(
            Text(error.strerror or "cannot be opened"), path=path
        ) from error
    except UnicodeDecodeError as error:
        raise CaseError(
            Text(
                "the cases are not in UTF-8, UTF-16 or GB18030; save them as 'CSV UTF-8'"
            ),
            path=path,
        ) from error
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
        sentence = Text(
            "the cases have {count} problem{s}",
            count=len(problems),
            s="" if len(problems) == 1 else "s",
        )
        raise CaseError(sentence, path=path, candidates=problems)
    return rows


def merged(row: CaseFacts, beside: CaseFacts) -> tuple[CaseFacts, list[str]]:
    """Return the facts of a row and of the `case.toml` beside the plan, and what contradicts."""
    both: dict[str, object] = {}
    contradicting = []
    for name in CaseFacts.__dataclass_fields__:
        own, other = getattr(row, name), getattr(beside, name)
        if own and other and own != other:
            contradicting.append(name)
        both[name] = own or other
    return replace(row, **both), contradicting  # type: ignore[arg-type]


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030")  # what Excel writes on Chinese Windows


def _cells(text: str, problems: list[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the line and the filled cells of each row; note what is wrong with the table."""
    told = SEPARATOR_LINE.match(text)
    if told is not None:
        text = (
            "\n" * told[0].count("\n") + text[told.end() :]
        )  # lines keep their numbers
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = told[1] if told else max(SEPARATORS, key=head.count)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        strict=True,
        skipinitialspace=True,
    )
    names: list[str] | None = None
    try:
        for cells in reader:
            line = reader.line_num
            filled = [_plain(cell) for cell in cells]
            if not any(filled):
                continue
            if names is None:
                names = [
                    re.sub(r"[\s-]+", "_", _folded(cell).lower()) for cell in filled
                ]
                problems += _wrong_names(names, line)
                continue
            stray = [
                n
                for n, cell in enumerate(filled)
                if cell and not "".join(names[n : n + 1])
            ]
            if stray:
                problems.append(
                    f"line {line}: cell {stray[0] + 1} is filled, and its column has no name"
                )
                continue
            yield (
                line,
                {name: cell for name, cell in zip(names, filled, strict=False) if cell},
            )
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    if names is None:
        problems.append(
            f"line 1: no columns; the first line names them: {', '.join(COLUMNS)}"
        )


def _folded(cell: str) -> str:
    """Return text typed in full width, such as ２０２６-０１-０９, as ASCII has it."""
    return unicodedata.normalize("NFKC", cell)


def _plain(cell: str) -> str:
    """Return the text of a cell without what cannot be seen, or guards it from Excel."""
    text = "".join(c for c in cell if unicodedata.category(c) != "Cf").strip()
    guarded = GUARDED.fullmatch(text)
    if guarded is None:
        return text
    quoted, marked = guarded.groups("")
    return (quoted or marked).strip()


def _wrong_names(names: list[str], line: int) -> list[str]:
    problems = []
    for name in names:
        if name and name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"; known are {', '.join(COLUMNS)}"
            if near:
                hint = f"; did you mean {near[0]}?"
            problems.append(f"line {line}: unknown column '{name}'{hint}")
    problems += [
        f"line {line}: column {name} stands twice"
        for name in COLUMNS
        if names.count(name) > 1
    ]
    if COLUMNS[0] not in names:
        problems.append(f"line {line}: there is no column {COLUMNS[0]}")
    return problems


def _day(cell: str) -> date | None:
    found = DATE.fullmatch(cell)
    if found is None:
        return None
    try:
        return date(*map(int, found.groups()[:3]))
    except ValueError:  # 30 February
        return None


def _row(line: int, cells: Mapping[str, str]) -> tuple[CaseRow | None, list[str]]:
    table: dict[str, object] = {
        name: cell if name == "centre" else _folded(cell)
        for name, cell in cells.items()
        if name in COLUMNS and name not in ("patient_id", "trial_number")
    }
    problems = []
    for name in DATES:
        if name in table:
            table[name] = found = _day(str(table[name]))
            if found is None:
                problems.append(
                    f"{name}: '{cells[name]}' is not a date; write 2026-01-31"
                )
    if "operated_levels" in table:
        levels = str(table["operated_levels"]).upper().strip(LISTED)
        table["operated_levels"] = [
            level for level in re.split(f"[{LISTED}]+", levels) if level
        ]
    if "conus_level" in table:
        table["conus_level"] = str(table["conus_level"]).upper()
    if "prior_rt" in table:
        table["prior_rt"] = str(table["prior_rt"]).lower()
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
