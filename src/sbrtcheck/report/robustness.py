"""What shifts and rotations make of a plan, as a page for the terminal and as JSON."""

import json
from collections.abc import Iterable
from importlib.resources import files
from itertools import chain

from sbrtcheck import __version__
from sbrtcheck.model import Value
from sbrtcheck.protocol.metric import Constraint
from sbrtcheck.report.as_json import declared_record, plan_record, protocol_record
from sbrtcheck.report.tables import table, wrapped
from sbrtcheck.report.text import ASCII_SIGNS, MARKS
from sbrtcheck.report.words import (
    DRAFT,
    Voice,
    ascii_of,
    decided_number,
    joined,
    label_of,
    limit_of,
    told_of,
    words_of,
)
from sbrtcheck.robustness import Break, Pose, Robustness, Rotation, Row, Shift, Worst
from sbrtcheck.robustness.assessment import LEFT_OUT
from sbrtcheck.robustness.cloud import POINTS
from sbrtcheck.robustness.moved import FINER
from sbrtcheck.robustness.poses import ROTATIONS_DEG, SHIFTS_MM
from sbrtcheck.robustness.search import BRACKET_MM, MOST_MM, SCAN_MM

SCHEMA = 1
UNKNOWN = " ?"
NOT_SEARCHED = {
    None: "? cannot be known: the planned value is not known",
    True: "× broken as planned",
}
SIZES = (
    *(f"{size:g} mm" for size in SHIFTS_MM),
    *(f"{size:g} deg" for size in ROTATIONS_DEG),
)
LETTERS = {
    "left": "L",
    "right": "R",
    "anterior": "A",
    "posterior": "P",
    "head": "H",
    "foot": "F",
}
LEGEND = (
    "Worst case of each size. Letters: where the patient lies further to than planned, in the"
    " patient's own terms (Left, Right, Anterior, Posterior, Head, Foot); 2 mm LAH are 2 mm in length"
    " along that diagonal. roll L>A: turned about the head-foot axis, the left side to anterior;"
    " pitch and yaw turn the head end about the left-right and the front-back axis."
)
UNKNOWN_LEGEND = (
    "?: some poses of this size leave the dose grid; what they are is not known."
)


def exit_code(found: Robustness) -> int:
    """Return 0 where everything was answered, 3 where something was not; never a verdict."""
    if found.unanswered:
        return 3
    return 0


# --- Text ---------------------------------------------------------------------------------------


def render_robustness(
    found: Robustness, *, phi: bool, width: int, ascii_only: bool = False
) -> str:
    """Return a page: worst cases, the smallest shift that breaks each limit, what is left out."""
    voice = Voice(*found.verdict.case.patients, phi=phi)
    parts = [
        _head(found, voice),
        _worst_cases(found, voice, width),
        _breaks(found, voice, width),
        _section("Not answered", _said(found, voice), width),
        _section("What this is, and is not", voice.say_all(LEFT_OUT), width),
    ]
    text = joined(parts, "\n")
    if ascii_only:
        return ascii_of(text, ASCII_SIGNS)
    return text


def _head(found: Robustness, voice: Voice) -> str:
    verdict = found.verdict
    title, instance = verdict.protocol.protocol, verdict.case.plan.instance
    lines = [
        f"sbrtcheck {__version__}   robustness   protocol {title.id} {title.version}"
    ]
    if title.status == "draft":
        lines.append(DRAFT)
    mark = MARKS[verdict.outcome]
    lines += [
        "",
        f"Plan        {voice.name(label_of(instance))}   patient {voice.patient_tail()}",
        f"As planned  {mark} {verdict.outcome.name} (sbrtcheck check says why; this page is no verdict)",
    ]
    if verdict.parts:
        lines.append(
            "Doses       of all added plans for neural structures, moved together"
        )
    if found.about_mm is not None:
        point = ", ".join(f"{part:g}" for part in found.about_mm)
        lines.append(f"Rotations   about ({point}) mm: {voice.say(found.about)}")
    return "\n".join(lines) + "\n"


def _said(found: Robustness, voice: Voice) -> list[str]:
    """Return what could not be answered, each sentence once."""
    return list(dict.fromkeys(voice.say_all(found.unanswered)))


def _worst_cases(found: Robustness, voice: Voice, width: int) -> str:
    if not found.rows:
        return ""
    cells = [("Worst case", "metric", "", "planned", *SIZES)]
    for row in found.rows:
        worst = [_worst_words(row, worst) for worst in _worsts(row)]
        # Without a point to turn about, or without a planned value, nothing is there to show.
        worst += ["not known"] * (len(SIZES) - len(worst))
        cells.append(
            (voice.name(row.roi), _metric(row), row.metric.unit, _planned(row), *worst)
        )
    return table(cells, width, right=(3,)) + _hung(_legend(found), width)


def _worsts(row: Row) -> tuple[Worst, ...]:
    return (*row.shifts, *row.rotations)


def _legend(found: Robustness) -> list[str]:
    worsts = chain.from_iterable(_worsts(row) for row in found.rows)
    if any(worst.unknown for worst in worsts):
        return [LEGEND, UNKNOWN_LEGEND]
    return [LEGEND]


def _hung(sentences: Iterable[str], width: int) -> str:
    """Return sentences as lines of a page; further lines of each hang below its first."""
    hung = chain.from_iterable(wrapped(text, width, 2) for text in sentences)
    return "\n".join([*hung, ""])


def _metric(row: Row) -> str:
    if row.instead_of is None:
        return str(row.metric)
    return f"{row.metric} for {row.instead_of}"


def _planned(row: Row) -> str:
    value = row.planned.value
    if value is None:
        return "not known"
    return decided_number(value, _first_line(row))


def _first_line(row: Row) -> Constraint | None:
    if not row.limits:
        return None
    return row.limits[0].line.constraint


def _worst_words(row: Row, worst: Worst) -> str:
    if worst.value is None or worst.pose is None:
        return "not known"
    words = f"{decided_number(worst.value, _first_line(row))} {_letters(worst.pose)}"
    if worst.unknown:
        words += UNKNOWN
    return words


def _letters(pose: Pose) -> str:
    """Return a direction in few letters: "LAH", "roll L>A"."""
    if isinstance(pose, Shift):
        return "".join(LETTERS[word] for word in pose.direction.split("+"))
    name, _, words = pose.direction.partition(", ")
    first, _, second = words.partition(" to ")
    return f"{name} {LETTERS[first]}>{LETTERS[second]}"


def _breaks(found: Robustness, voice: Voice, width: int) -> str:
    cells = [("Smallest shift that breaks a limit", "limit", "", "")]
    for row in found.rows:
        for limit in row.limits:
            line = limit.line
            name = f"{voice.name(row.roi)} {_metric(row)}"
            bound = f"{line.constraint.operator} {line.constraint.limit:g} {row.metric.unit}"
            cells.append((name, bound, line.basis.value, break_words(limit)))
    if len(cells) == 1:
        return ""
    return table(cells, width)


def break_words(limit: Break) -> str:
    """Return in words how far a limit holds."""
    if limit.is_broken_as_planned is not False:
        return NOT_SEARCHED[limit.is_broken_as_planned]
    grid = f"; beyond {limit.known_to_mm:.1f} mm some directions leave the dose grid"
    if limit.breaks_at_mm is None or limit.shift is None:
        if limit.known_to_mm >= MOST_MM:
            return f"> {MOST_MM:g} mm: holds in every direction searched"
        return f"? holds to {limit.holds_to_mm:.1f} mm where known{grid}"
    where = (
        f"{limit.holds_to_mm:.1f}-{limit.breaks_at_mm:.1f} mm {limit.shift.direction}"
    )
    if limit.breaks_at_mm <= limit.known_to_mm:
        return where
    return f"{where} where known{grid}"


def _section(heading: str, sentences: list[str], width: int) -> str:
    if not sentences:
        return ""
    return f"{heading}\n{_hung(sentences, width)}"


# --- JSON ---------------------------------------------------------------------------------------


def robustness_schema() -> dict[str, object]:
    """Return the JSON Schema of what `render_robustness_json` writes."""
    text = (
        files("sbrtcheck.report")
        .joinpath("robustness.schema.json")
        .read_text(encoding="utf-8")
    )
    schema: dict[str, object] = json.loads(text)
    return schema


def render_robustness_json(found: Robustness, *, phi: bool = False) -> str:
    """Return the same as JSON text, ASCII only."""
    verdict = found.verdict
    case = verdict.case
    voice = Voice(*case.patients, phi=phi)
    document = {
        "schema": SCHEMA,
        "sbrtcheck": __version__,
        "question": "robustness",
        "exit_code": exit_code(found),
        "outcome_as_planned": verdict.outcome.name,
        "protocol": protocol_record(verdict.protocol),
        "plans": [
            plan_record(case, verdict.prescription, voice),
            *(plan_record(part, None, voice) for part in verdict.parts),
        ],
        "declared": declared_record(verdict, voice),
        "rotations_about": {
            "point_mm": told_of(found.about_mm, list),
            "source": voice.say(found.about),
        },
        "axes": "DICOM patient coordinates: x to the left, y to posterior, z to the head",
        "sampling": {
            "interval": "none: nominal values",
            "directions": 26,
            "scan_step_mm": SCAN_MM,
            "bracket_mm": BRACKET_MM,
            "searched_to_mm": MOST_MM,
            "values": "whole DVHs by the nominal convention",
            "screening_sub_cells": POINTS,
            "turned_grid_points_per_step": FINER,
        },
        "rows": [_row(row, voice) for row in found.rows],
        "unanswered": _said(found, voice),
        "left_out": voice.say_all(LEFT_OUT),
    }
    return json.dumps(document, ensure_ascii=True, indent=1, allow_nan=False)


def _row(row: Row, voice: Voice) -> dict[str, object]:
    planned = row.planned
    return {
        "subject": voice.name(row.subject),
        "roi": voice.name(row.roi),
        "how": voice.say(row.how),
        "metric": str(row.metric),
        "instead_of": words_of(row.instead_of),
        "unit": row.metric.unit,
        "planned": {
            "value": planned.value,
            "low": planned.low,
            "high": planned.high,
            "reason": voice.say_if(planned.reason),
        },
        "shifts": [_worst(worst, planned, "size_mm") for worst in row.shifts],
        "rotations": [_worst(worst, planned, "size_deg") for worst in row.rotations],
        "limits": [_break(limit) for limit in row.limits],
    }


def _worst(worst: Worst, planned: Value, size: str) -> dict[str, object]:
    return {
        size: worst.size,
        "value": worst.value,
        "change": _change(worst, planned),
        "pose": _pose_if(worst.pose),
        "poses": worst.poses,
        "unknown": [_pose(pose) for pose in worst.unknown],
    }


def _change(worst: Worst, planned: Value) -> float | None:
    if worst.value is None or planned.value is None:
        return None
    return worst.value - planned.value


def _pose_if(pose: Pose | None) -> dict[str, object] | None:
    if pose is None:
        return None
    return _pose(pose)


def _pose(pose: Pose) -> dict[str, object]:
    if isinstance(pose, Rotation):
        return {
            "direction": pose.direction,
            "axis": pose.axis,
            "angle_deg": pose.angle_deg,
        }
    return {"direction": pose.direction, "vector_mm": list(pose.vector_mm)}


def _break(limit: Break) -> dict[str, object]:
    return {
        "limit": limit_of(limit.line.constraint),
        "basis": limit.line.basis.value,
        "source": limit.line.source,
        "is_broken_as_planned": limit.is_broken_as_planned,
        "holds_to_mm": limit.holds_to_mm,
        "breaks_at_mm": limit.breaks_at_mm,
        "shift": _pose_if(limit.shift),
        "known_to_mm": limit.known_to_mm,
        "words": break_words(limit),
    }
