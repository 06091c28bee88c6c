"""What is wrong or doubtful in a protocol file, beyond what makes it unreadable."""

from collections import defaultdict
from itertools import takewhile
from math import inf
from pathlib import Path

from sbrtcheck.errors import ProtocolError
from sbrtcheck.protocol.load import load_protocol
from sbrtcheck.protocol.metric import Constraint
from sbrtcheck.protocol.names import PATTERN, first_alias, letters_of, normalise
from sbrtcheck.protocol.rules import Coverage, Limit, Line, Protocol, Role

__all__ = ["lint"]

# By unit of the answer: a third or two of the whole.
THIRDS = {"cc": (33.3, 33.33, 66.6, 66.66, 66.67, 66.7)}
# By metric and unit of the answer: more than the whole.
WHOLE = {("V", "%"): 100.0, ("CV", "%"): 100.0}
# These ask for the dose of a volume, which is given in % or cc.
DOSE_AT_VOLUME = ("D", "DC")
LEAST_ASKED = {"%": 1.0}  # D0.035% means D0.035cc
MOST_ASKED = {  # D95cc of a target means D95%
    (Role.PTV, "cc"): 50.0,
    (Role.CTV, "cc"): 50.0,
    (Role.GTV, "cc"): 50.0,
}


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
        if not alias.startswith(PATTERN)
    ]


def _double_aliases(protocol: Protocol) -> list[str]:
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for structure, alias in _plain(protocol):
        owners[letters_of(alias)].append(structure)
    return [
        f"structures: alias '{alias}' stands in {_told(found)}"
        for alias, found in owners.items()
        if len(found) > 1
    ]


def _told(owners: list[str]) -> str:
    """Name the structures that share an alias, or the one that has it twice."""
    different = tuple(dict.fromkeys(owners))
    if len(different) == 1:
        return f"{different[0]} twice"
    return " and ".join(different)


def _unreachable(protocol: Protocol) -> list[str]:
    """Return the aliases whose own name never comes to their structure."""
    return [
        f"structures.{structure}: alias '{alias}' is never reached: {reason}"
        for structure, alias in _plain(protocol)
        for reason in _why_unreached(structure, normalise(alias), protocol)
    ]


def _why_unreached(structure: str, name: str, protocol: Protocol) -> list[str]:
    """Return what keeps a name from its structure: its own exclusion, or what comes first."""
    helper = first_alias(name, protocol.never_match)
    if helper:
        return [f"never_match has '{helper}'"]
    reasons = []
    excluded = first_alias(name, protocol.structures[structure].exclude)
    if excluded:
        reasons.append(f"its own exclude has '{_short(excluded)}'")
    return reasons + _taken_before(structure, name, protocol)


def _taken_before(structure: str, name: str, protocol: Protocol) -> list[str]:
    """Return the pattern of an earlier structure that takes a name, if there is one."""
    for other in takewhile(structure.__ne__, protocol.structures):
        aliases = protocol.structures[other].aliases
        patterns = [alias for alias in aliases if alias.startswith(PATTERN)]
        pattern = first_alias(name, patterns)
        if pattern:
            return [f"'{_short(pattern)}' of {other} comes first"]
    return []


def _short(pattern: str) -> str:
    if len(pattern) <= 40:
        return pattern
    return pattern[:37] + "..."


def _mixed_units(protocol: Protocol) -> list[str]:
    """Return constraints whose % and cc look exchanged."""
    problems = []
    last_unit: dict[tuple[str, str, float], str] = {}
    for place, structure, line in _lines(protocol):
        metric = line.constraint.metric
        role = protocol.structures[structure].role
        doubt = _doubt(line.constraint, role)
        if doubt:
            problems.append(f"{place}.constraint: '{line.constraint}' {doubt}")
        if metric.kind not in DOSE_AT_VOLUME:
            continue
        number = structure, metric.kind, metric.asked
        unit = metric.argument_unit
        before = last_unit.get(number, unit)
        last_unit[number] = unit
        if unit != before:
            problems.append(
                f"{place}.constraint: {structure} has {metric} here and the same number with"
                f" {before} elsewhere: % and cc mixed up?"
            )
    return problems


def _lines(protocol: Protocol) -> list[tuple[str, str, Line]]:
    """Return every line with its place and structure: the limits', then the coverage's."""
    owners: list[tuple[str, str, Limit | Coverage]] = [
        (f"limits[{index}]", limit.structure, limit)
        for index, limit in enumerate(protocol.limits)
    ]
    target = protocol.structure_of(Role.PTV)
    owners.append(("coverage", target, protocol.coverage))
    lines = []
    for place, structure, owner in owners:
        lines.append((f"{place}.goal", structure, owner.goal))
        if owner.variation is not None:
            lines.append((f"{place}.variation", structure, owner.variation))
    return lines


def _doubt(constraint: Constraint, role: Role) -> str:
    """Say which number of a constraint looks as if its unit were the other, or nothing."""
    metric, limit = constraint.metric, constraint.limit
    if limit in THIRDS.get(metric.unit, ()):
        return "has a third or two in cc: % and cc mixed up?"
    whole = WHOLE.get((metric.kind, metric.unit), inf)
    if limit > whole:
        return "asks for more than 100 %: % and cc mixed up?"
    if metric.kind not in DOSE_AT_VOLUME:
        return ""
    least = LEAST_ASKED.get(metric.argument_unit, 0.0)
    most = MOST_ASKED.get((role, metric.argument_unit), inf)
    if metric.asked < least:
        return "asks for less than 1 %: % and cc mixed up?"
    if metric.asked >= most:
        return "asks for most of a target in cc: % and cc mixed up?"
    return ""
