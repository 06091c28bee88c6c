"""What is wrong or doubtful in a protocol file, beyond what makes it unreadable."""

from collections import defaultdict
from pathlib import Path

from sbrtcheck.errors import ProtocolError
from sbrtcheck.protocol.load import load_protocol
from sbrtcheck.protocol.metric import Constraint
from sbrtcheck.protocol.names import first_alias, normalise
from sbrtcheck.protocol.rules import Line, Protocol, Role

__all__ = ["lint"]

TARGETS = (Role.PTV, Role.CTV, Role.GTV)
THIRDS = (33.3, 33.33, 66.6, 66.66, 66.67, 66.7)
MOST_TARGET_CC = 50.0  # D95cc of a target means D95%
LEAST_PERCENT = 1.0  # D0.035% means D0.035cc


def lint(path: str | Path) -> tuple[str, ...]:
    """Return every problem of a protocol file, each with its place; none if it is sound.

    A file that cannot be used at all gives the problems that `load_protocol` lists: what is
    missing, metrics that do not parse or do not name their formula, second lines stricter than
    the first.
    """
    try:
        protocol = load_protocol(path)
    except ProtocolError as error:
        return error.problems
    return (
        *_double_aliases(protocol),
        *_unreachable(protocol),
        *_mixed_units(protocol),
    )


def _plain(protocol: Protocol) -> list[tuple[str, str]]:
    """Return every plain alias with its structure."""
    return [
        (structure, alias)
        for structure, row in protocol.structures.items()
        for alias in row.aliases
        if not alias.startswith("re:")
    ]


def _double_aliases(protocol: Protocol) -> list[str]:
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for structure, alias in _plain(protocol):
        owners[normalise(alias).replace("_", "")].append(structure)
    return [
        f"structures: alias '{alias}' stands in {' and '.join(dict.fromkeys(found))}"
        + (" twice" if len(set(found)) == 1 else "")
        for alias, found in owners.items()
        if len(found) > 1
    ]


def _unreachable(protocol: Protocol) -> list[str]:
    """Return the aliases whose own name never comes to their structure."""
    problems = []
    for structure, alias in _plain(protocol):
        name = normalise(alias)
        place = f"structures.{structure}: alias '{alias}' is never reached:"
        if hit := first_alias(name, protocol.never_match):
            problems.append(f"{place} never_match has '{hit}'")
            continue
        if hit := first_alias(name, protocol.structures[structure].exclude):
            problems.append(f"{place} its own exclude has '{_short(hit)}'")
        for other, row in protocol.structures.items():
            if other == structure:
                break
            hit = first_alias(name, [a for a in row.aliases if a.startswith("re:")])
            if hit:
                problems.append(f"{place} '{_short(hit)}' of {other} comes first")
                break
    return problems


def _short(pattern: str) -> str:
    if len(pattern) <= 40:
        return pattern
    return pattern[:37] + "..."


def _mixed_units(protocol: Protocol) -> list[str]:
    """Return constraints whose % and cc look exchanged."""
    problems = []
    rows: list[tuple[str, str, Line]] = [
        (f"limits[{index}].{which}", limit.structure, line)
        for index, limit in enumerate(protocol.limits)
        for which, line in (("goal", limit.goal), ("variation", limit.variation))
        if line is not None
    ]
    for which, line in (
        ("goal", protocol.coverage.goal),
        ("variation", protocol.coverage.variation),
    ):
        if line is not None:
            rows.append((f"coverage.{which}", protocol.structure_of(Role.PTV), line))
    units: defaultdict[tuple[str, str, float | None], set[str]] = defaultdict(set)
    for place, structure, line in rows:
        is_target = protocol.structures[structure].role in TARGETS
        doubt = _doubt(line.constraint, is_target=is_target)
        if doubt:
            problems.append(f"{place}.constraint: '{line.constraint}' {doubt}")
        metric = line.constraint.metric
        if metric.kind in ("D", "DC"):
            seen = units[structure, metric.kind, metric.argument]
            if seen and metric.argument_unit not in seen:
                problems.append(
                    f"{place}.constraint: {structure} has {metric} here and the same number with"
                    f" {seen.pop()} elsewhere: % and cc mixed up?"
                )
            seen.add(metric.argument_unit)
    return problems


def _doubt(constraint: Constraint, *, is_target: bool) -> str:
    metric, limit = constraint.metric, constraint.limit
    if metric.unit == "cc" and limit in THIRDS:
        return "has a third or two in cc: % and cc mixed up?"
    if metric.unit == "%" and metric.kind in ("V", "CV") and limit > 100:
        return "asks for more than 100 %: % and cc mixed up?"
    if metric.kind in ("D", "DC") and metric.argument is not None:
        if metric.argument_unit == "%" and metric.argument < LEAST_PERCENT:
            return "asks for less than 1 %: % and cc mixed up?"
        if (
            is_target
            and metric.argument_unit == "cc"
            and metric.argument >= MOST_TARGET_CC
        ):
            return "asks for most of a target in cc: % and cc mixed up?"
    return ""
