"""Read a protocol from its TOML files; every problem of a file is told at once, with its place."""

import hashlib
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sbrtcheck.errors import ProtocolError
from sbrtcheck.files import is_file, read_toml, why_not_opened
from sbrtcheck.protocol.metric import ISODOSE_INDICES
from sbrtcheck.protocol.rules import NEAR_MAXIMUM, Coverage, Limit, Line, Protocol, Role

__all__ = ["load_protocol", "protocol_folders", "protocol_schema", "shipped_protocols"]

NEEDED_ROLES = (Role.CORD, Role.CORD_PRV, Role.CAUDA, Role.SAC, Role.CANAL, Role.PTV)
PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]+")


def protocol_folders() -> tuple[Path, ...]:
    """Return where shipped protocols lie: in the package, or beside the source of a checkout."""
    package = Path(__file__).parents[1]
    return package / "protocols", package.parents[1] / "protocols"


def shipped_protocols() -> tuple[str, ...]:
    """Return the names of the protocols that come with sbrtcheck."""
    names = {
        file.stem for folder in protocol_folders() for file in folder.glob("*.toml")
    }
    return tuple(sorted(names))


def protocol_schema() -> dict[str, object]:
    """Return the JSON Schema of a protocol file, its table of names included."""
    return TypeAdapter(Protocol).json_schema()


def load_protocol(name: str | Path) -> Protocol:
    """Read a protocol by the name of a shipped one or by the path of a TOML file.

    Raises
    ------
    ProtocolError
        If there is no such protocol or it is not valid; all problems are listed.

    Examples
    --------
    >>> from sbrtcheck import load_protocol
    >>> load_protocol("nct06756087").protocol.status
    'draft'
    """
    path = _find(name)
    content, table = _read_toml(path)
    if "names" in table:
        names_path = _names_path(table.pop("names"), path)
        names_content, names = _read_toml(names_path)
        content += names_content
        table = _with_names(table, names, names_path)
    try:
        protocol = TypeAdapter(Protocol).validate_python(table)
    except ValidationError as error:
        problems = [
            f"{_place(e['loc'])}: {e['msg']}" for e in error.errors(include_url=False)
        ]
        raise ProtocolError(problems, path=path) from None
    problems = _contradictions(protocol)
    if problems:
        raise ProtocolError(problems, path=path)
    return replace(protocol, sha256=hashlib.sha256(content).hexdigest())


def _find(name: str | Path) -> Path:
    path = Path(name)
    if is_file(path):
        return path
    if path.suffix == ".toml":
        raise ProtocolError(["there is no such file"], path=path)
    shipped = _shipped_file(str(name))
    if shipped is not None:
        return shipped
    known = ", ".join(shipped_protocols())
    raise ProtocolError([f"there is no protocol called '{name}'; shipped are: {known}"])


def _shipped_file(name: str) -> Path | None:
    """Return the file of a shipped protocol; a path would lead out of the folders."""
    if PLAIN_NAME.fullmatch(name) is None:
        return None
    return _first_file(protocol_folders(), f"{name}.toml")


def _first_file(folders: Iterable[Path], name: str) -> Path | None:
    """Return the file of this name in the first folder that has one."""
    for folder in folders:
        file = folder / name
        if is_file(file):
            return file
    return None


def _read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        return read_toml(path)
    except OSError as error:
        raise ProtocolError([why_not_opened(error)], path=path) from error
    except ValueError as error:
        raise ProtocolError([str(error)], path=path) from error


def _names_path(value: object, path: Path) -> Path:
    """Return where a table of names lies: beside the protocol, or among the shipped ones."""
    found = _first_file((path.parent, *protocol_folders()), str(value))
    if not isinstance(value, str) or found is None:
        raise ProtocolError(
            [f"names: there is no table of names called '{value}'"], path=path
        )
    return found


def _with_names(
    table: dict[str, Any], names: dict[str, Any], path: Path
) -> dict[str, Any]:
    """Return a protocol with a table of names; what the protocol itself says comes first."""
    unknown = sorted(names.keys() - {"never_match", "structures"})
    own = table.get("structures", {})
    shared = names.get("structures", {})
    if not isinstance(own, dict) or not isinstance(shared, dict):
        unknown.append("structures")
    if unknown:
        raise ProtocolError(
            [f"{unknown[0]}: does not belong in a table of names"], path=path
        )
    return {
        "never_match": names.get("never_match", ()),
        **table,
        "structures": {**shared, **own},
    }


def _place(location: tuple[str | int, ...]) -> str:
    """Print a place in the file the way TOML writes it: limits[3].goal.source."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}"
    return text.removeprefix(".")


def _contradictions(protocol: Protocol) -> list[str]:
    """Return what is well-formed and yet cannot be right."""
    problems = _bad_limits(protocol)
    problems += _bad_references(protocol)
    problems += _looser("coverage", protocol.coverage)
    problems += [
        f"structures: none has the role '{role}'"
        for role in NEEDED_ROLES
        if not protocol.structures_of(role)
    ]
    problems += _without_line(protocol, Role.CORD)
    problems += _without_line(protocol, Role.CAUDA)
    problems += _bad_patterns(protocol)
    return problems


def _bad_limits(protocol: Protocol) -> list[str]:
    problems = []
    first_seen: dict[tuple[object, ...], int] = {}
    for row, limit in enumerate(protocol.limits):
        place = f"limits[{row}]"
        if limit.structure not in protocol.structures:
            problems.append(
                f"{place}.structure: '{limit.structure}' is not under [structures]"
            )
        elif not _can_be_asked(limit.goal, protocol.structures[limit.structure].role):
            problems.append(
                f"{place}.goal: '{limit.goal.constraint}' can be asked of a PTV only: no isodose"
                " belongs to another structure"
            )
        problems += _looser(place, limit)
        same = first_seen.setdefault(_asked_by(limit), row)
        if same != row:
            problems.append(f"{place}: asks the same as limits[{same}]")
    return problems


def _asked_by(limit: Limit) -> tuple[object, ...]:
    """Return what two limits share that are one."""
    last = limit.last_line.constraint
    return limit.structure, limit.fractions, limit.goal.constraint, last


def _can_be_asked(line: Line, role: Role) -> bool:
    return line.constraint.metric.kind not in ISODOSE_INDICES or role is Role.PTV


def _without_line(protocol: Protocol, role: Role) -> list[str]:
    """Return the schemes at which the first structure of a role has no line, if there is one."""
    return [
        f"limits: {structure} has no line for {NEAR_MAXIMUM} at {scheme.fractions} fractions"
        for structure in protocol.structures_of(role)[:1]
        for scheme in protocol.schemes.allowed
        if protocol.near_maximum(structure, scheme.fractions) is None
    ]


def _bad_references(protocol: Protocol) -> list[str]:
    """Return names of structures that lead nowhere."""
    parts = {
        f"structures.{name}.parts": row.parts
        for name, row in protocol.structures.items()
    }
    problems = _unknown(parts, protocol.structures, "is not under [structures]")
    organs = protocol.structures_of(Role.ORGAN)
    problems += [
        f"organs.{name}: is not a structure of the role 'organ'"
        for name in protocol.organs
        if name not in organs
    ]
    without_rules = set(organs) - protocol.organs.keys()
    limited = dict.fromkeys(row.structure for row in protocol.limits)
    problems += [
        f"organs: '{name}' has limits and no rules"
        for name in limited
        if name in without_rules
    ]
    return problems + _bad_expectations(protocol)


def _bad_expectations(protocol: Protocol) -> list[str]:
    """Return organs that are expected, or stand in for one, and are none."""
    continuing = {
        f"organs.{name}.continued_by": chain.from_iterable(row.continued_by.values())
        for name, row in protocol.organs.items()
    }
    expected = {
        f"expected[{index}].any_of": row.any_of
        for index, row in enumerate(protocol.expected)
    }
    wanted = {**continuing, **expected}
    return _unknown(wanted, protocol.organs, "has no row under [organs]")


def _unknown(
    named: Mapping[str, Iterable[str]], known: Container[str], problem: str
) -> list[str]:
    """Return a problem for each name that is not known, by the place that names it."""
    return [
        f"{place}: '{name}' {problem}"
        for place, names in named.items()
        for name in names
        if name not in known
    ]


def _looser(place: str, lines: Coverage | Limit) -> list[str]:
    """Return what is wrong with a second line, where there is one: it must be the looser."""
    if lines.variation is None:
        return []
    first, second = lines.goal.constraint, lines.variation.constraint
    asked = first.metric, first.is_upper
    if asked != (second.metric, second.is_upper):
        return [
            f"{place}.variation: '{second}' does not ask the same as the goal '{first}'"
        ]
    if first.margin(second.limit) > 0:
        return [f"{place}.variation: '{second}' is stricter than the goal '{first}'"]
    return []


def _bad_patterns(protocol: Protocol) -> list[str]:
    problems = []
    rows = [("never_match", protocol.never_match)]
    for name, structure in protocol.structures.items():
        rows.append((f"structures.{name}.aliases", structure.aliases))
        rows.append((f"structures.{name}.exclude", structure.exclude))
    for place, patterns in rows:
        for index, pattern in enumerate(patterns):
            if not pattern.startswith("re:"):
                continue
            try:
                re.compile(pattern.removeprefix("re:"))
            except re.error as error:
                problems.append(f"{place}[{index}]: not a regular expression ({error})")
    return problems
