"""A verdict as a page for the terminal, in the order in which a physicist reads a plan."""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text as Styled

from sbrtcheck import __version__
from sbrtcheck.checks.rule import Row, Section, State
from sbrtcheck.checks.verdict import Finding, JudgedROI, Outcome, Verdict, Where
from sbrtcheck.dossier import Case, tail
from sbrtcheck.model import (
    MASK,
    PriorRadiotherapy,
    Review,
    Value,
    approval_term,
)
from sbrtcheck.protocol.metric import Constraint, parse_metric
from sbrtcheck.protocol.names import looks_relevant
from sbrtcheck.protocol.rules import Role
from sbrtcheck.report.as_json import SUMMATION_TYPE, hash_of
from sbrtcheck.report.review import accepted_by, review_lines
from sbrtcheck.report.words import (
    DRAFT,
    Voice,
    agreeing_number,
    ascii_of,
    decimals_for,
    ends_about,
    joined,
    known_or,
    label_of,
    number_and_interval,
    text_of,
    told_of,
    words_of,
)

if TYPE_CHECKING:
    from sbrtcheck.crosscheck import CrossCheck

WIDTH = 110  # of a page that goes to a file or pipe
# Marks that a console of code page 936 can print, and a word always beside them.
MARKS = {
    Outcome.PASS: "√",
    Outcome.VARIATION: "△",
    Outcome.UNDECIDED: "?",
    Outcome.FAIL: "×",
}
ASCII_MARKS = {
    Outcome.PASS: "+",
    Outcome.VARIATION: "~",
    Outcome.UNDECIDED: "?",
    Outcome.FAIL: "x",
}
PAGE_MARKS = {False: MARKS, True: ASCII_MARKS}
STYLES = {
    Outcome.PASS: "green",
    Outcome.VARIATION: "yellow",
    Outcome.UNDECIDED: "magenta",
    Outcome.FAIL: "bold red",
}
ASCII_SIGNS = str.maketrans(
    {"…": "...", "≤": "<=", "≥": ">=", "×": "x", "±": "+/-", "–": "-"}
)
STRICTLY = {Outcome.VARIATION: Outcome.FAIL}
ROLE_WORDS: dict[Role | None, str] = {
    Role.CORD: "Cord",
    Role.CORD_PRV: "Cord PRV",
    Role.CAUDA: "Cauda equina",
    Role.SAC: "Thecal sac",
    Role.CANAL: "Spinal canal",
    Role.PTV: "Target",
}
ROLES = tuple(ROLE_WORDS)  # in the order of the page
NO_STATUS = "no approval status"
Cell = str | Styled
TableRow = tuple[Sequence[Cell], str]  # of a table, and what it says beyond its cells
COLOURS: dict[bool, Literal["standard"] | None] = {True: "standard", False: None}
SIDES: dict[str, Literal["left", "right"]] = {"l": "left", "r": "right"}
WHOLE_SUBJECTS = ("plan", "case", "dose")  # named by the rule alone
GAP = 2  # blanks between columns
HANG = 2  # blanks by which the further lines of a sentence are indented
LOW_HIGH = "(low-high)"
TARGET_COLUMNS = tuple(
    parse_metric(text) for text in ("V100%", "D95%", "D98%", "D2%", "Dmax")
)
TARGET_HEADINGS = tuple(f"{metric} [{metric.unit}]" for metric in TARGET_COLUMNS)
NOT_CHECKED = (
    "plans and doses that do not lie near these files; contour correctness; image registration;",
    "cement and artefact overrides; CT-to-density conversion; dose algorithm; set-up; delivery.",
    "Numbers follow one reading of contours and grid (slabs, half-slice end caps, trilinear dose),",
    "intervals hold the others.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """How a page is to look."""

    colour: bool = False
    ascii: bool = False
    quiet: bool = False
    verbose: bool = False
    strict: bool = False
    phi: bool = False
    width: int = WIDTH


def _is_check(finding: Finding) -> bool:
    """Tell whether a finding stands in the table of checks: it has no row of numbers elsewhere."""
    if finding.rule.row in (Row.REPORT, Row.FACT):
        return False
    return finding.rule.row is Row.CHECK or finding.value is None


def _says_more(finding: Finding) -> bool:
    """Tell whether a check is worth a line without being asked for."""
    if finding.state in (State.NOT_PROVIDED, State.NOT_ASKED):
        return False
    return finding.outcome is not Outcome.PASS and finding.held_by is None


def _is_not_passed(finding: Finding) -> bool:
    """Tell whether a limit is worth a row without being asked for."""
    return finding.outcome is not Outcome.PASS


def _counted(count: int, noun: str) -> str:
    """Return a count with its noun, which takes an s in the plural."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun}s"


def _padded(cell: Styled, side: str, width: int) -> Styled:
    blank = Styled(" " * (width - cell.cell_len))
    if side == "r":
        return blank + cell
    return cell + blank


def _end(end: float, line: Constraint | None, unit: str) -> str:
    """Return the end of what a value can be."""
    return agreeing_number(end, line, decimals_for(end, unit))


def _kept_by(value: Value, line: Constraint, unit: str) -> str:
    """Return the bound by which an unknown value keeps a limit."""
    sign, end = "≥", value.low
    if line.is_upper:
        sign, end = "≤", value.high
    # Where it is None, the ROI is smaller than the volume asked, and all of it keeps the limit.
    if end is None:
        return "all of it"
    return f"{sign} {_end(end, line, unit)}"


def _bounds(value: Value, line: Constraint | None, unit: str) -> tuple[str, str]:
    """Return what is known of an unknown value: its least, or its interval."""
    low, high = value.low, value.high
    if low is None:
        return "not known", ""
    least = _end(low, line, unit)
    if high is not None:
        return "not known", f"({least}-{_end(high, line, unit)})"
    if low == 0:  # at least nothing says nothing
        return "not known", ""
    return f"≥ {least}", ""


def _margin(value: float | None, margin: float, unit: str) -> str:
    """Return a margin with as many decimals as it takes to show that there is one."""
    for decimals in range(decimals_for(known_or(value, 0.0), unit), 7):
        text = f"{margin:+.{decimals}f}"
        if float(text) or not margin:
            return text
    return f"{margin:+.1e}"


def _unit_of(finding: Finding) -> str:
    """Return the unit of the numbers of a finding."""
    if finding.metric is None:
        return "Gy"
    return finding.metric.unit


def _roi_of(finding: Finding) -> str:
    """Return what a row of numbers is named after."""
    return finding.roi or finding.subject


def _place_of_role(row: JudgedROI) -> int:
    """Return where among the ROIs of a page one of this role stands."""
    return ROLES.index(row.match.role)


def _widest(cells: Iterable[Styled]) -> int:
    """Return the width that a column of cells needs."""
    return max(cell.cell_len for cell in cells)


def render_text(
    verdict: Verdict,
    page: Page,
    *,
    second: "CrossCheck | None" = None,
    review: Review | None = None,
) -> str:
    """Return a verdict as text, with a second opinion and a review where there is one."""
    writer = _Writer(verdict, page, review)
    if page.quiet:
        writer.verdict_lines()
        writer.reviewed()
        writer.reasons()
    else:
        writer.head()
        writer.verdict_lines()
        writer.reviewed()
        writer.neural()
        writer.targets()
        writer.organs()
        writer.legend()
        writer.delivery()
        writer.checks()
        if second is not None:
            writer.second_opinion(second)
        writer.notes()
        writer.reasons()
        writer.not_checked()
        writer.masks()
    return writer.text()


class _Writer:
    """Writes the sections of one page to a buffer."""

    def __init__(
        self, verdict: Verdict, page: Page, review: Review | None = None
    ) -> None:
        self.verdict = verdict
        self.review = review
        self.page = page
        self.voice = Voice(*verdict.case.patients, phi=page.phi)
        self.buffer = io.StringIO()
        self.console = Console(
            file=self.buffer,
            width=page.width,
            force_terminal=page.colour,
            no_color=not page.colour,
            color_system=COLOURS[page.colour],
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def text(self) -> str:
        """Return all that was written, without blanks at line ends."""
        lines = (line.rstrip() for line in self.buffer.getvalue().splitlines())
        return "\n".join(lines) + "\n"

    # --- small parts ---

    def line(self, text: str = "", style: str = "") -> None:
        self.console.print(Styled(self.plain(text), style=style))

    def columns(
        self, justify: str, head: Sequence[str], rows: Sequence[TableRow]
    ) -> None:
        """Print rows in columns, without those that stay empty; what else they say comes last.

        It stands behind its row where it fits there, and below it otherwise; so does a row below
        a name that leaves it no room.
        """
        heading = [Styled(cell, style="bold") for cell in head]
        told, said = zip(*rows, strict=True)
        table = [heading, *(self._cells(cells) for cells in told)]
        columns = zip(justify, zip(*table, strict=True), strict=True)
        used = [(side, cells) for side, cells in columns if _widest(cells[1:])]
        sides, shown = zip(*used, strict=True)
        needed = [_widest(cells) for cells in shown]
        gap = self._gap(needed)
        widths = self._fitted(needed, gap)
        lines = zip(*shown, strict=True)
        for line, words in zip(lines, ("", *said), strict=True):
            self._row(list(zip(line, sides, widths, strict=True)), gap, words)

    def _fitted(self, widths: Sequence[int], gap: int) -> list[int]:
        """Return widths of columns of which the first, of names, leaves room to the others."""
        name, *others = widths
        room = self.page.width - sum(others) - gap * len(others)
        return [max(min(name, room), HANG), *others]

    def _gap(self, widths: Sequence[int]) -> int:
        """Return the blanks between columns, fewer where they would not fit."""
        wide = sum(widths) + GAP * (len(widths) - 1)
        if wide <= self.page.width:
            return GAP
        return 1

    def _row(
        self, cells: Sequence[tuple[Styled, str, int]], gap: int, words: str
    ) -> None:
        """Print one row of cells, each with its side and width, and its words."""
        told = Styled(self.plain(words))
        line = Styled()
        for cell, side, width in cells:
            line += _padded(cell, side, width)
            if cell.cell_len > width:  # a name that leaves the row no room
                self.console.print(line)
                line = Styled(" " * width)
            line += Styled(" " * gap)
        fits = line.cell_len + told.cell_len <= self.page.width
        if fits:
            line += told
        line.rstrip()
        self.console.print(line)
        if words and not fits:
            self.item(words, indent=2 * HANG)

    def _cells(self, cells: Iterable[Cell]) -> list[Styled]:
        return [self._cell(cell) for cell in cells]

    def _cell(self, cell: Cell) -> Styled:
        if isinstance(cell, str):
            return Styled(self.plain(cell))
        return cell

    def item(self, text: str, style: str = "", *, indent: int = 2) -> None:
        """Print one indented sentence; where it needs more lines, they hang below it."""
        width = self.page.width - indent - HANG
        lines = Styled(self.plain(text), style=style).wrap(self.console, width)
        blanks = indent
        for line in lines:
            self.console.print(Styled(" " * blanks) + line)
            blanks = indent + HANG

    def listing(self, heading: str, sentences: Iterable[str], style: str = "") -> None:
        """Print sentences below a heading."""
        self.line(heading, "bold")
        self.items(sentences, style)

    def items(self, sentences: Iterable[str], style: str = "") -> None:
        """Print indented sentences."""
        for sentence in sentences:
            self.item(sentence, style)

    def plain(self, text: str) -> str:
        """Return text as this page can show it."""
        if not self.page.ascii:
            return text
        return ascii_of(text, ASCII_SIGNS)

    def mark(self, outcome: Outcome | None, ungraded: str = "") -> Styled:
        if outcome is None:
            return Styled(ungraded)
        mark = PAGE_MARKS[self.page.ascii][outcome]
        return Styled(f"{mark} {outcome.name}", style=STYLES[outcome])

    def grid(self, *justify: str) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        for side in justify:
            table.add_column(justify=SIDES[side], overflow="fold")
        return table

    def rows(self, row: Row, *sections: Section) -> list[Finding]:
        """Return the findings of one table, of some sections."""
        return [f for f in self.verdict.of(*sections) if f.rule.row is row]

    def shown(
        self, findings: list[Finding], is_telling: Callable[[Finding], bool]
    ) -> list[Finding]:
        """Return the findings that tell something; all of them with -v."""
        if self.page.verbose:
            return findings
        return [f for f in findings if is_telling(f)]

    def valued_limits(self, *sections: Section) -> list[Finding]:
        """Return the limits of some sections that a value was compared with."""
        return [f for f in self.rows(Row.LIMIT, *sections) if f.value is not None]

    # --- sections ---

    def head(self) -> None:
        verdict = self.verdict
        protocol = verdict.protocol.protocol
        self.line(
            f"sbrtcheck {__version__}   protocol {protocol.id} {protocol.version}"
        )
        if protocol.status == "draft":
            self.line(DRAFT, "bold yellow")
        self.line()
        table = self.grid("l", "l")
        for name, value in self._facts():
            table.add_row(Styled(name, style="bold"), Styled(self.plain(value)))
        self.console.print(table)
        self.line()

    def _facts(self) -> Iterable[tuple[str, str]]:
        verdict, voice = self.verdict, self.voice
        instance = verdict.case.plan.instance
        label = voice.name(label_of(instance))
        approval = voice.name(instance.approval_status or NO_STATUS)
        yield "Plan", f"{label}   patient {voice.patient_tail()}   {approval}"
        yield "Prescription", self._prescription()
        scheme = next(f for f in verdict.findings if f.place == "schemes")
        yield "Scheme", self._marked(scheme)
        treated = ", ".join(verdict.levels) or "not known"
        yield "Levels", f"{treated}   ({voice.say(verdict.levels_source)})"
        yield from self._structures()
        yield "Dose", self._dose()
        for part in verdict.parts:
            yield "Added plan", self._added(part)
        if self.page.phi:
            yield from self._others()

    def _prescription(self) -> str:
        prescription = self.verdict.prescription
        if prescription is None:
            problem = self.verdict.of(Section.PRESCRIPTION)[0]
            return f"not known: {self.voice.say(problem.message)}"
        told = f"{prescription.dose_gy:g} Gy in {prescription.fractions} fractions"
        if prescription.target:
            told += f" to {self.voice.name(prescription.target)}"
        return f"{told}   ({self.voice.say(prescription.source)})"

    def _structures(self) -> Iterable[tuple[str, str]]:
        """Give the ROIs of each role in turn, neural structures first."""
        rows = [row for row in self.verdict.structures if row.match.role in ROLES]
        for row in sorted(rows, key=_place_of_role):
            yield ROLE_WORDS[row.match.role], self._structure(row)

    def _others(self) -> Iterable[tuple[str, str]]:
        for other in self.verdict.case.siblings:
            label = self.voice.name(label_of(other.instance))
            yield "Other plan", f"{label}   {tail(other.instance.sop_instance_uid)}"

    def _added(self, part: Case) -> str:
        instance = part.plan.instance
        label = self.voice.name(label_of(instance))
        status = approval_term(instance.approval_status) or NO_STATUS
        day = text_of(instance.date) or "no date"
        return (
            f"{label}   {day}   {status}   dose maximum {part.dose.dose_gy.max():.2f} Gy;"
            " for serial organs only, on the same days (assumed)"
        )

    def _marked(self, finding: Finding) -> str:
        return f"{self.mark(finding.outcome).plain}: {self.voice.say(finding.message)}"

    def _structure(self, row: JudgedROI) -> str:
        known = told_of(row.volume_cc, "{:.2f} cc".format)
        volume = known_or(known, "no volume")
        told = f"{self.voice.name(row.match.roi.name)}   {volume}"
        if row.match.declared:
            told += "   declared"
        return told

    def _dose(self) -> str:
        dose = self.verdict.case.dose
        links = self.verdict.case.links_of("RT Dose")
        summation = text_of(told_of(dose.header, SUMMATION_TYPE))
        if len(links) > 1:
            summation = f"sum of {len(links)} {summation} doses"
        grid = " x ".join(f"{step:.4g}" for step in dose.spacing_mm)
        what = joined((summation, self.voice.say(links[0].how)), ", ")
        return f"{what}; grid {grid} mm; maximum {dose.dose_gy.max():.2f} Gy"

    def verdict_lines(self) -> None:
        verdict = self.verdict
        self.line(f"VERDICT: {self._banner()}", f"bold {STYLES[self._shown_outcome()]}")
        protocol = verdict.protocol.protocol
        for name, outcome in (
            (f"Trial rules ({protocol.trial or protocol.id})", verdict.trial_outcome),
            (f"Dosimetry ({protocol.dosimetry_set})", verdict.dosimetry_outcome),
        ):
            mark = self.mark(outcome, "none in this protocol")
            self.console.print(Styled(f"  {self.plain(name)}: ") + mark)
        self.line()

    def reviewed(self) -> None:
        """Show what a person said of the verdict, in a box of its own."""
        if self.review is None:
            return
        is_of_this = self.review.verdict == hash_of(self.verdict)
        self.line("Review (a person's answer; it changes no outcome)", "bold")
        self.items(review_lines(self.review, self.voice, is_of_this=is_of_this))
        self.line()

    def _shown_outcome(self) -> Outcome:
        outcome = self.verdict.outcome
        if self.page.strict:
            return STRICTLY.get(outcome, outcome)
        return outcome

    def _banner(self) -> str:
        shown = self._shown_outcome()
        words = self._banner_words()
        if shown in (Outcome.PASS, Outcome.VARIATION):
            words += self._assumption()
        return f"{self.mark(shown).plain.split()[0]} {words}"

    def _banner_words(self) -> str:
        outcome = self.verdict.outcome
        if outcome is not Outcome.VARIATION:
            return outcome.name
        count = self.verdict.count(Outcome.VARIATION)
        told = _counted(count, "variation")
        if self.page.strict:
            return f"FAIL (--strict: {told} counted as FAIL)"
        return f"PASS WITH {told.upper()}"

    def _assumption(self) -> str:
        """Say what a plan that passes rests on, where nobody has stated it."""
        prior = self.verdict.declared.facts.prior_radiotherapy
        if prior is PriorRadiotherapy.NONE:
            return ""
        stated = "declared unknown"
        if prior is None:
            stated = "not provided"
        return f", if no earlier irradiation at this level ({stated})"

    def neural(self) -> None:
        limits = self.valued_limits(Section.NEURAL)
        if not limits:
            return
        maxima = {f.subject: f for f in self.rows(Row.REPORT, Section.NEURAL)}
        head = ("Neural", "D0.035cc", LOW_HIGH, "Dmax", "limit", "", "margin", "")
        rows: list[TableRow] = []
        for finding in limits:
            name, maximum = f"  {finding.metric}", ""
            if words_of(finding.metric) in (None, "D0.035cc"):
                name = self.voice.name(_roi_of(finding))
                maximum = self._number_if(maxima.get(finding.subject))
            cells = (
                name,
                *self._numbers(finding),
                maximum,
                *self._limit_cells(finding),
            )
            rows.append((cells, self._words(finding)))
        self.columns("lrlrllrl", head, rows)
        self._sources(limits)
        self.line()

    def _number_if(self, finding: Finding | None) -> str:
        """Return the number of a finding; nothing where there is none."""
        return text_of(told_of(finding, self._number))

    def _limit_cells(self, finding: Finding) -> tuple[str | Styled, ...]:
        """Return limit, basis, margin and outcome of a finding, as cells of a row."""
        line, mark = finding.line, self.mark(finding.outcome)
        if line is None:
            return "", "", "", mark
        unit, margin = line.metric.unit, ""
        if finding.margin is not None:
            margin = f"{_margin(finding.number, finding.margin, unit)} {unit}"
        limit = f"{line.operator} {line.limit:g} {unit}"
        return limit, finding.basis.value, margin, mark

    def _words(self, finding: Finding) -> str:
        """Return what a finding says beyond its row; with -v, where the dose lies that decides."""
        words = ""
        if not finding.is_plain:
            words = self.voice.say(finding.message)
        if finding.where is None or not self.page.verbose:
            return words
        return joined((words, self._place(finding.where)), "; ")

    def _place(self, where: Where) -> str:
        x_mm, y_mm, z_mm = where.point_mm
        told = f"{where.volume_cc:.3g} cc about x {x_mm:.1f}, y {y_mm:.1f}, z {z_mm:.1f} mm"
        if where.target is None or where.distance_mm is None:
            return told
        side = text_of(self.voice.say_if(where.side))
        target = self.voice.name(where.target)
        if where.distance_mm == 0:
            return f"{told}, in {target}, {side}"
        return f"{told}, {where.distance_mm:.1f} mm from {target}, {side}"

    def _sources(self, limits: list[Finding]) -> None:
        if not self.page.verbose:
            return
        for source in dict.fromkeys(f.source for f in limits if f.line is not None):
            self.item(f"source: {source}")

    def organs(self) -> None:
        """Show organs that are not clear passes; all of them with -v."""
        limits = self.valued_limits(Section.ORGAN, Section.STRUCTURE, Section.TARGET)
        if not limits:
            return
        shown = self.shown(limits, _is_not_passed)
        self._organ_rows(shown)
        hidden = Counter(f.subject for f in limits if f not in shown)
        if hidden:
            limits_said = _counted(hidden.total(), "limit")
            organs_said = _counted(len(hidden), "organ")
            self.line(
                f"{self.mark(Outcome.PASS).plain}: {limits_said} of {organs_said}"
                " (-v lists them)"
            )
        self.line()

    def _organ_rows(self, limits: list[Finding]) -> None:
        if not limits:
            self.line("Organs", "bold")
            return
        rows: list[TableRow] = []
        for finding in limits:
            cells = (
                self.voice.name(_roi_of(finding)),
                str(finding.metric),
                *self._numbers(finding),
                *self._limit_cells(finding),
            )
            rows.append((cells, self._words(finding)))
        head = ("Organs", "", "", LOW_HIGH, "limit", "", "margin", "")
        self.columns("llrlllrl", head, rows)
        self._sources(limits)

    def legend(self) -> None:
        """Say once what the intervals above hold, and what not."""
        if LOW_HIGH in self.buffer.getvalue():
            self.line("± and low-high: reading of contours and grid only")
            self.line()

    def _number(self, finding: Finding) -> str:
        """Return the value of a finding where its interval is not shown."""
        value = finding.number
        if value is None:
            return self._numbers(finding)[0]
        return _end(value, finding.line, _unit_of(finding))

    def _numbers(self, finding: Finding) -> tuple[str, str]:
        """Return the value of a finding and its interval, where that says more."""
        line, unit = finding.line, _unit_of(finding)
        value = known_or(finding.value, Value(None))
        if value.value is not None:
            low, high = ends_about(value.value, value)
            decimals = decimals_for(value.value, unit)
            return number_and_interval(value.value, low, high, line, decimals)
        if finding.outcome is Outcome.PASS and line is not None:
            return _kept_by(value, line, unit), ""
        return _bounds(value, line, unit)

    def targets(self) -> None:
        rows = [
            f for f in self.rows(Row.COVERAGE, Section.TARGET) if f.metric is not None
        ]
        if not rows:
            return
        reported = {
            (f.subject, str(f.metric)): f for f in self.rows(Row.REPORT, Section.TARGET)
        }
        table: list[TableRow] = []
        for finding in rows:
            asked = [(finding.subject, str(metric)) for metric in TARGET_COLUMNS[1:]]
            cells: tuple[Cell, ...] = (
                self.voice.name(_roi_of(finding)),
                *self._numbers(finding),
                self._limit_cells(finding)[0],
                *(self._number_if(reported.get(key)) for key in asked),
                self.mark(finding.outcome),
            )
            table.append((cells, self._words(finding)))
        coverage, *rest = TARGET_HEADINGS
        head = ("Targets", coverage, LOW_HIGH, "limit", *rest, "")
        self.columns("lrllrrrrl", head, table)
        self._indices()
        self.line()

    def _indices(self) -> None:
        """Print conformity, gradient and homogeneity of each target, or why they are not known."""
        indices: dict[str, list[Finding]] = {}
        for finding in self.rows(Row.REPORT, Section.TARGET):
            if not _unit_of(finding):
                indices.setdefault(_roi_of(finding), []).append(finding)
        for name, findings in indices.items():
            self.item(f"{self.voice.name(name)}: {self._index_words(findings)}")

    def _index_words(self, indices: list[Finding]) -> str:
        """Return the indices of one target, those for one reason unknown together."""
        known: list[str] = []
        unknown: dict[str, list[str]] = {}
        for finding in indices:
            if finding.number is not None:
                known.append(f"{finding.metric} {finding.number:.2f}")
                continue
            why = text_of(self.voice.say_if(finding.reason))
            unknown.setdefault(why, []).append(str(finding.metric))
        gaps = [f"{', '.join(metrics)}: {why}" for why, metrics in unknown.items()]
        return "   ".join([*known, *gaps])

    def delivery(self) -> None:
        """Show what is told of beams and dose, whatever the answers."""
        facts = self.rows(Row.FACT, *Section)
        if not facts:
            return
        self.line("Beams and dose", "bold")
        table = self.grid("l", "l")
        for finding in facts:
            told = self.voice.say(finding.message)
            table.add_row(f"  {finding.rule.title}", self.plain(told))
        self.console.print(table)
        self.line()

    def checks(self) -> None:
        """Show the checks that are not clear passes; all of them with -v."""
        rows = [f for f in self.verdict.findings if _is_check(f)]
        self.line("Checks", "bold")
        table = self.grid("l", "l")
        for finding in self.shown(rows, _says_more):
            told = f"{finding.rule.title}: {self.voice.say(finding.message)}"
            if self.page.verbose:
                told += f"  [{finding.id}]"
            table.add_row(self.mark(finding.outcome, "  note"), self.plain(told))
        self.console.print(table)
        if not self.page.verbose:
            self._unlisted(rows)
        self.line()

    def _unlisted(self, rows: list[Finding]) -> None:
        """Say what of the checks is only counted or named."""
        absent = [f.rule.title for f in rows if f.state is State.NOT_PROVIDED]
        if absent:
            self.item(f"not provided (case.toml): {', '.join(absent)}")
        passed = sum(f.outcome is Outcome.PASS for f in rows)
        self.line(f"{self.mark(Outcome.PASS).plain}: {passed} more (-v lists them)")

    def second_opinion(self, second: "CrossCheck") -> None:
        """Show what others say of the graded ROIs."""
        # Loaded by those only who ask for it.
        from sbrtcheck.report.second import (
            HEAD,
            JUSTIFY,
            TITLE,
            remarks,
            second_rows,
            warnings,
        )

        verbose = self.page.verbose
        self.line(TITLE, "bold")
        rows = second_rows(second, self.voice, verbose=verbose)
        if rows:
            self.columns(JUSTIFY, HEAD, rows)
            self._explained(second)
        self.items(warnings(second, self.voice), STYLES[Outcome.VARIATION])
        self.items(remarks(second, self.voice, verbose=verbose))
        self.line()

    def _explained(self, second: "CrossCheck") -> None:
        if not second.unexplained:
            self.item(
                "every difference is explained by how contours and grid may be read"
            )

    def notes(self) -> None:
        """Say what reading had to assume, mend or leave unused."""
        case = self.verdict.case
        read = chain.from_iterable(link.instance.notes for link in case.links)
        notes = (
            *case.notes,
            *case.plan.notes,
            *case.structure_set.notes,
            *case.dose.notes,
            *self.verdict.notes,
            *read,
        )
        sentences = self.voice.say_all(notes)
        for row in self.verdict.structures:
            sentences += self._roi_notes(row)
        if sentences:
            self.listing("Notes", sentences)
            self.line()

    def _roi_notes(self, row: JudgedROI) -> list[str]:
        """Return what is to be said of an ROI; of one that is not used, little without -v."""
        name = self.voice.name(row.match.roi.name)
        notes = self.voice.say_about(name, row.notes)
        if row.match.structure is not None:
            return notes
        unused = f"not used: {name} ({self.voice.say(row.match.how)})"
        if self.page.verbose:
            return [*notes, unused]
        if looks_relevant(row.match):
            return [unused]
        return []

    def reasons(self) -> None:
        """Say each cause once, the worst outcome first; what settles an open question with it."""
        causes = [f for f in self.verdict.findings if f.held_by is None]
        for outcome in self._explained_outcomes():
            told = [self._cause(f) for f in causes if f.outcome is outcome]
            if told:
                self.listing(f"Why {outcome.name}", told, STYLES[outcome])
                self.line()

    def _explained_outcomes(self) -> tuple[Outcome, ...]:
        """Return the outcomes that are explained below the tables, the worst first."""
        is_worst = self.verdict.outcome is Outcome.VARIATION
        if is_worst or self.page.quiet:
            return Outcome.FAIL, Outcome.UNDECIDED, Outcome.VARIATION
        # Beside something worse the tables show variations, and there is nothing to do.
        return Outcome.FAIL, Outcome.UNDECIDED

    def _cause(self, finding: Finding) -> str:
        told = f"{self._about(finding)}{self._worst_value(finding)}"
        told += accepted_by(finding, self.review, self.voice)
        sentence = f"{told}: {self.voice.say(finding.message)}"
        return joined((sentence, self.voice.say_if(finding.cure)), "; ")

    def _about(self, finding: Finding) -> str:
        """Return what a finding is about: a limit is known by its structure."""
        if finding.subject in WHOLE_SUBJECTS:
            return finding.rule.title
        subject = self.voice.name(finding.subject)
        if finding.metric is not None:
            return subject
        return f"{finding.rule.title}, {subject}"

    def _worst_value(self, finding: Finding) -> str:
        if finding.metric is None:
            return ""
        if finding.number is None:
            return f" {finding.metric}"
        number, interval = self._numbers(finding)
        return f" {finding.metric} = {number} {finding.metric.unit} {interval}".rstrip()

    def not_checked(self) -> None:
        self.listing("Not checked: these files cannot tell", NOT_CHECKED)

    def masks(self) -> None:
        """Say what stars stand for: an ordinary word may be the patient's name."""
        if MASK in self.buffer.getvalue() and not self.page.phi:
            self.line()
            self.line(
                f"{MASK} stands for words of the patient's name or ID (--phi shows them)"
            )
