"""Plain tables: the ROIs of a structure set, the files around a plan, a protocol."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from sbrtcheck.contours import Region, build_region
from sbrtcheck.dossier import Seen
from sbrtcheck.model import Patient, StructureSet
from sbrtcheck.protocol.names import MatchedROI, read_levels, suggest
from sbrtcheck.protocol.rules import Line, Protocol, Scheme
from sbrtcheck.report.words import (
    Voice,
    ascii_of,
    known_or,
    printable,
    text_of,
    told_of,
    words_of,
)

JUSTIFY: dict[bool, Literal["left", "right"]] = {False: "left", True: "right"}
LINKED = {True: "*", False: ""}
UNSIGNED = str.maketrans({"…": "..."})


def render_structures(
    structures: StructureSet,
    matches: Sequence[MatchedROI],
    protocol: Protocol,
    *,
    phi: bool,
    width: int,
    ascii_only: bool = False,
) -> str:
    """Return every ROI with its match and why, volume, planes, holes, gaps and notes."""
    voice = Voice(structures.instance.patient, phi=phi)
    rows = [("ROI", "taken for", "why", "levels", "cc", "planes", "holes", "gaps")]
    notes: list[str] = voice.say_all(structures.notes)
    for match in matches:
        region = build_region(match.roi)
        name = voice.name(match.roi.name)
        rows.append(
            (
                name,
                _structure(match),
                _why(match, protocol, voice),
                " ".join(read_levels(match.roi.name, match.role).stated),
                _volume(region),
                str(match.roi.z_mm.size),
                str(_holes(region)),
                str(len(region.gaps)),
            )
        )
        notes += voice.say_about(name, region.notes)
    text = table(rows, width, right=(4, 5, 6, 7)) + notes_below(notes)
    return for_console(text, ascii_only=ascii_only)


def _structure(match: MatchedROI) -> str:
    return known_or(match.structure, "-")


def _why(match: MatchedROI, protocol: Protocol, voice: Voice) -> str:
    """Return why an ROI was taken for a structure, or what its name may have meant."""
    why = voice.say(match.how)
    if match.structure is not None:
        return why
    near = suggest(match.roi.name, protocol)
    if near is None:
        return why
    return f"{why}; did you mean {near}?"


def _volume(region: Region) -> str:
    return known_or(told_of(region.volume_cc, "{:.2f}".format), "-")


def _holes(region: Region) -> int:
    """Count the holes of all planes: rings that run clockwise."""
    return sum(_is_hole(ring) for slab in region.slabs for ring in slab.rings)


def _is_hole(ring: object) -> bool:
    from sbrtcheck.contours.rings import signed_area_mm2

    return signed_area_mm2(ring) < 0  # type: ignore[arg-type]


def render_survey(
    rows: Iterable[Seen], *, phi: bool, width: int, ascii_only: bool = False
) -> str:
    """Return every file seen, what it is to the plan, and why."""
    seen = [("", "file", "UID", "label", "date", "where", "why")]
    for row in rows:
        where = row.where
        if phi:
            where = known_or(words_of(row.path), row.where)
        seen.append((*_seen_cells(row, phi=phi), where, printable(str(row.relation))))
    text = table(seen, width) + "\n* belongs to the plan\n"
    return for_console(text, ascii_only=ascii_only)


def _seen_cells(row: Seen, *, phi: bool) -> tuple[str, str, str, str, str]:
    """Return what a file is: whether it is of the plan, kind, end of its UID, label and date."""
    mark, kind = LINKED[row.linked], row.kind
    if row.count != 1:
        kind = f"{row.count} x {row.kind}"
    instance = row.instance
    if instance is None:
        return mark, kind, "", "", ""
    label = text_of(instance.label)
    if not phi:
        label = _masked(label, instance.patient, linked=row.linked)
    uid = instance.sop_instance_uid[-10:]
    return mark, kind, uid, printable(label), printable(text_of(instance.date))


def _masked(label: str, patient: Patient, *, linked: bool) -> str:
    """Return a label masked; what is not of this plan may name a patient whom no mask knows."""
    if not linked:
        return ""
    return patient.masked(label)


def render_protocol(protocol: Protocol, *, width: int) -> str:
    """Return a protocol as a page: what it allows, every limit, its basis and source."""
    title = protocol.protocol
    lines = [
        f"{title.id} {title.version} ({title.status}): {title.title}",
        f"sha256 {protocol.sha256}",
        "",
        "Schemes: "
        + ", ".join(_scheme(row) for row in protocol.schemes.allowed)
        + f"   [{protocol.schemes.basis.value}: {protocol.schemes.source}]",
    ]
    if protocol.levels is not None:
        lines.append(
            f"Levels: {', '.join(protocol.levels.allowed)}; at most {protocol.levels.most}"
            f"   [{protocol.levels.basis.value}: {protocol.levels.source}]"
        )
    rows = [("structure", "fx", "goal", "last line", "basis", "source")]
    for name, fractions, goal, variation in (
        ("targets", "", protocol.coverage.goal, protocol.coverage.variation),
        *(
            (row.structure, str(row.fractions), row.goal, row.variation)
            for row in protocol.limits
        ),
    ):
        rows.append((name, fractions, *_line_cells(goal, variation)))
    return "\n".join(lines) + "\n\n" + table(rows, width)


def _scheme(row: Scheme) -> str:
    if row.dose_gy is None:
        return f"any dose in {row.fractions}"
    return f"{row.dose_gy:g} Gy in {row.fractions}"


def _line_cells(goal: Line, variation: Line | None) -> tuple[str, str, str, str]:
    basis, source = goal.basis.value, goal.source
    if variation is None:
        return str(goal.constraint), "", basis, source
    both_bases, both_sources = (
        f"{basis} / {variation.basis.value}",
        f"{source} / {variation.source}",
    )
    return str(goal.constraint), str(variation.constraint), both_bases, both_sources


def table(
    rows: Sequence[tuple[str, ...]], width: int, right: tuple[int, ...] = ()
) -> str:
    """Lay rows out under a first row of headings, blanks at line ends cut."""
    page = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
    for column, heading in enumerate(rows[0]):
        page.add_column(heading, justify=JUSTIFY[column in right], overflow="fold")
    for row in rows[1:]:
        page.add_row(*row)
    buffer = io.StringIO()
    Console(file=buffer, width=width, highlight=False, markup=False, emoji=False).print(
        page
    )
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def notes_below(notes: Sequence[str]) -> str:
    """Return notes as they stand below a table, nothing where there are none."""
    if not notes:
        return ""
    return "\nNotes\n" + "".join(f"  {note}\n" for note in notes)


def wrapped(text: str, width: int, indent: int) -> Iterator[str]:
    """Yield lines no wider than the page; further lines hang below the first."""
    words = text.split()
    line = " " * indent + "".join(words[:1])
    for word in words[1:]:
        longer = f"{line} {word}"
        if cell_len(longer) > width:
            yield line
            longer = " " * (indent + 2) + word
        line = longer
    yield line


def for_console(text: str, *, ascii_only: bool) -> str:
    """Return a page as its console can show it."""
    if not ascii_only:
        return text
    return ascii_of(text, UNSIGNED)
