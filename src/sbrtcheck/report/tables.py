"""Plain tables: the ROIs of a structure set, the files around a plan, a protocol."""

import io
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from sbrtcheck.contours import Region, build_region
from sbrtcheck.dossier import Seen
from sbrtcheck.model import StructureSet
from sbrtcheck.protocol.names import MatchedROI, read_levels, suggest
from sbrtcheck.protocol.rules import Line, Protocol
from sbrtcheck.report.words import Voice, printable

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
    notes: list[str] = [voice.say(note) for note in structures.notes]
    for match in matches:
        region = build_region(match.roi)
        name = voice.name(match.roi.name)
        why = voice.say(match.how)
        near = suggest(match.roi.name, protocol) if match.structure is None else None
        rows.append(
            (
                name,
                match.structure or "-",
                why if near is None else f"{why}; did you mean {near}?",
                " ".join(read_levels(match.roi.name, match.role).stated),
                "-" if region.volume_cc is None else f"{region.volume_cc:.2f}",
                str(match.roi.z_mm.size),
                str(_holes(region)),
                str(len(region.gaps)),
            )
        )
        notes += [f"{name}: {voice.say(note)}" for note in region.notes]
    text = table(rows, width, right=(4, 5, 6, 7))
    if notes:
        text += "\nNotes\n" + "".join(f"  {note}\n" for note in notes)
    return as_ascii(text) if ascii_only else text


def _holes(region: Region) -> int:
    """Count the holes of all planes: rings that run clockwise."""
    return sum(_is_hole(ring) for slab in region.slabs for ring in slab.rings)


def _is_hole(ring: object) -> bool:
    from sbrtcheck.contours.rings import signed_area_mm2

    return signed_area_mm2(ring) < 0  # type: ignore[arg-type]


def render_survey(rows: Iterable[Seen], *, phi: bool, width: int, ascii_only: bool = False) -> str:
    """Return every file seen, what it is to the plan, and why."""
    seen = [("", "file", "UID", "label", "date", "where", "why")]
    for row in rows:
        instance = row.instance
        label = "" if instance is None else instance.label or ""
        if instance is not None and not phi:
            # What is not of this plan may name a patient whom no mask knows.
            label = instance.patient.masked(label) if row.linked else ""
        uid = "" if instance is None else instance.sop_instance_uid[-10:]
        kind = row.kind if row.count == 1 else f"{row.count} x {row.kind}"
        where = str(row.path) if phi and row.path is not None else row.where
        seen.append(
            (
                "*" if row.linked else "",
                kind,
                uid,
                printable(label),
                "" if instance is None else printable(instance.date or ""),
                where,
                printable(str(row.relation)),
            )
        )
    text = table(seen, width) + "\n* belongs to the plan\n"
    return as_ascii(text) if ascii_only else text


def render_protocol(protocol: Protocol, *, width: int) -> str:
    """Return a protocol as a page: what it allows, every limit, its basis and source."""
    title = protocol.protocol
    lines = [
        f"{title.id} {title.version} ({title.status}): {title.title}",
        f"sha256 {protocol.sha256}",
        "",
        "Schemes: "
        + ", ".join(
            f"{'any dose' if row.dose_gy is None else f'{row.dose_gy:g} Gy'} in {row.fractions}"
            for row in protocol.schemes.allowed
        )
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
        *((row.structure, str(row.fractions), row.goal, row.variation) for row in protocol.limits),
    ):
        rows.append((name, fractions, *_line_cells(goal, variation)))
    return "\n".join(lines) + "\n\n" + table(rows, width)


def _line_cells(goal: Line, variation: Line | None) -> tuple[str, str, str, str]:
    basis, source = goal.basis.value, goal.source
    if variation is not None:
        basis, source = f"{basis} / {variation.basis.value}", f"{source} / {variation.source}"
    last = "" if variation is None else str(variation.constraint)
    return str(goal.constraint), last, basis, source


def table(rows: Sequence[tuple[str, ...]], width: int, right: tuple[int, ...] = ()) -> str:
    """Lay rows out under a first row of headings, blanks at line ends cut."""
    page = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
    for column, heading in enumerate(rows[0]):
        justify = "right" if column in right else "left"
        page.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows[1:]:
        page.add_row(*row)
    buffer = io.StringIO()
    Console(file=buffer, width=width, highlight=False, markup=False, emoji=False).print(page)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def wrapped(text: str, width: int, indent: int) -> Iterator[str]:
    """Yield lines no wider than the page; further lines hang below the first."""
    line = " " * indent
    for word in text.split():
        if cell_len(f"{line} {word}") > width and line.strip():
            yield line
            line = " " * (indent + 2)
        line += word if not line.strip() else f" {word}"
    yield line


def as_ascii(text: str) -> str:
    """Return a page in ASCII characters."""
    return text.translate(UNSIGNED).encode("ascii", "backslashreplace").decode("ascii")
