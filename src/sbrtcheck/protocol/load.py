"""Read a protocol from its TOML files; every problem of a file is told at once, with its place."""

import hashlib
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sbrtcheck.errors import ProtocolError
from sbrtcheck.protocol.metric import ISODOSE_INDICES
from sbrtcheck.protocol.rules import NEAR_MAXIMUM, Limit, Line, Protocol, Role

__all__ = ["load_protocol", "protocol_folders", "protocol_schema", "shipped_protocols"]

NEEDED_ROLES = (Role.CORD, Role.CORD_PRV, Role.CAUDA, Role.SAC, Role.CANAL, Role.PTV)


def protocol_folders() -> tuple[Path, ...]:
    """Return where shipped protocols lie: in the package, or beside the source of a checkout."""
    package = Path(__file__).parents[1]
    return package / "protocols", package.parents[1] / "protocols"


def shipped_protocols() -> tuple[str, ...]:
    """Return the names of the protocols that come with sbrtcheck."""
    files = (file for folder in protocol_folders() for file in folder.glob("*.toml"))
    return tuple(sorted({file.stem for file in files}))


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
    if path.suffix == ".toml" or path.is_file():
        if not path.is_file():
            raise ProtocolError(["there is no such file"], path=path)
        return path
    for folder in protocol_folders():
        shipped = folder / f"{name}.toml"
        if re.fullmatch(r"[A-Za-z0-9._-]+", str(name)) and shipped.is_file():
            return shipped
    known = ", ".join(shipped_protocols())
    raise ProtocolError([f"there is no protocol called '{name}'; shipped are: {known}"])


def _read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        content = path.read_bytes()
        return content, tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise ProtocolError(
            [error.strerror or "cannot be opened"], path=path
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProtocolError([f"not valid TOML: {error}"], path=path) from error


def _names_path(value: object, path: Path) -> Path:
    """Return where a table of names lies: beside the protocol, or among the shipped ones."""
    folders = (path.parent, *protocol_folders())
    found = [
        folder / str(value) for folder in folders if (folder / str(value)).is_file()
    ]
    if not isinstance(value, str) or not found:
        raise ProtocolError(
            [f"names: there is no table of names called '{value}'"], path=path
        )
    return found[0]


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
        elif text:
            text += f".{step}"
        else:
            text = step
    return text


def _contradictions(protocol: Protocol) -> list[str]:
    """Return what is well-formed and yet cannot be right."""
    problems = _bad_limits(protocol)
    problems += _bad_references(protocol)
    if protocol.coverage.variation is not None:
        problems += _looser(
            "coverage", protocol.coverage.goal, protocol.coverage.variation
        )
    present = {row.role for row in protocol.structures.values()}
    problems += [
        f"structures: none has the role '{r}'" for r in NEEDED_ROLES if r not in present
    ]
    for role in (Role.CORD, Role.CAUDA):
        if role in present:
            problems += _without_line(protocol, protocol.structure_of(role))
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
        if limit.variation is not None:
            problems += _looser(place, limit.goal, limit.variation)
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


def _without_line(protocol: Protocol, structure: str) -> list[str]:
    return [
        f"limits: {structure} has no line for {NEAR_MAXIMUM} at {scheme.fractions} fractions"
        for scheme in protocol.schemes.allowed
        if protocol.near_maximum(structure, scheme.fractions) is None
    ]


def _bad_references(protocol: Protocol) -> list[str]:
    """Return names of structures that lead nowhere."""
    known = protocol.structures
    problems = [
        f"structures.{name}.parts: '{part}' is not under [structures]"
        for name, row in known.items()
        for part in row.parts
        if part not in known
    ]
    problems += [
        f"organs.{name}: is not a structure of the role 'organ'"
        for name in protocol.organs
        if name not in known or known[name].role is not Role.ORGAN
    ]
    problems += [
        f"organs: '{name}' has limits and no rules"
        for name in dict.fromkeys(row.structure for row in protocol.limits)
        if name in known
        and known[name].role is Role.ORGAN
        and name not in protocol.organs
    ]
    return problems + _bad_expectations(protocol)


def _bad_expectations(protocol: Protocol) -> list[str]:
    """Return organs that are expected, or stand in for one, and are none."""
    wanted = [
        (f"organs.{name}.continued_by", other)
        for name, row in protocol.organs.items()
        for others in row.continued_by.values()
        for other in others
    ]
    wanted += [
        (f"expected[{index}].any_of", organ)
        for index, row in enumerate(protocol.expected)
        for organ in row.any_of
    ]
    return [
        f"{place}: '{organ}' has no row under [organs]"
        for place, organ in wanted
        if organ not in protocol.organs
    ]


def _looser(place: str, goal: Line, variation: Line) -> list[str]:
    first, second = goal.constraint, variation.constraint
    if first.metric != second.metric or first.is_upper != second.is_upper:
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
