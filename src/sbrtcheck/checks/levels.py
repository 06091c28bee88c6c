"""Which vertebrae are treated, and may they be?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sbrtcheck.checks.verdict import Finding, Outcome
from sbrtcheck.errors import CaseError
from sbrtcheck.model import Declared, Text
from sbrtcheck.protocol.names import LEVELS, MatchedROI, read_levels
from sbrtcheck.protocol.rules import Role

if TYPE_CHECKING:
    from sbrtcheck.checks.evidence import Evidence

CURE = "add --levels, for example --levels T8"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatedLevels:
    """The treated levels, head to foot, and where they were read.

    `problem` says why they are not known for certain; `levels` are then those that some name
    states. `by_roi` are the levels that each target's own name states.
    """

    levels: tuple[str, ...]
    source: Text
    problem: Text | None
    by_roi: dict[str, tuple[str, ...]]

    @property
    def known(self) -> bool:
        """Tell whether the levels are known for certain."""
        return self.problem is None

    def of_target(self, roi_name: str) -> tuple[str, ...]:
        """Return the levels of one target: its own where named, else all; none where unknown."""
        if not self.known:
            return ()
        return self.by_roi.get(roi_name) or self.levels


def treated_levels(matches: tuple[MatchedROI, ...], declared: Declared) -> TreatedLevels:
    """Read the treated levels from target, CTV, GTV and vertebra names, or as declared.

    Never from z: transitional vertebrae and unlabelled images would make it a guess.

    Raises
    ------
    CaseError
        If declared levels are no levels, or leave out one that a target's name states.
    """
    by_role = {
        role: _named(matches, role) for role in (Role.PTV, Role.CTV, Role.GTV, Role.VERTEBRA)
    }
    targets = by_role[Role.PTV]
    stated = _union(targets.values())
    if declared.levels:
        return TreatedLevels(
            levels=_declared(declared.levels, stated),
            source=Text("declared"),
            problem=None,
            by_roi=targets,
        )
    unnamed = [name for name, levels in targets.items() if not levels]
    extra = [level for level in _union(by_role[Role.CTV].values()) if level not in stated]
    problem = None
    source = Text("from target names")
    if stated and unnamed:
        problem = Text("target '{name}' states no level; " + CURE, name=unnamed[0])
    elif stated and extra:
        problem = Text(
            "CTV names state {extra}, which no PTV names; " + CURE, extra=", ".join(extra)
        )
    elif not stated:
        for role in (Role.CTV, Role.GTV, Role.VERTEBRA):
            stated = _union(by_role[role].values())
            source = Text("from {role} names", role=role.value.upper())
            if stated:
                break
        else:
            problem = _unknown(matches)
        if role is Role.VERTEBRA and len(by_role[role]) > 2:
            problem = Text(
                "{count} vertebrae are drawn, and no target names its level; " + CURE,
                count=len(by_role[Role.VERTEBRA]),
            )
            stated = ()
    return TreatedLevels(levels=stated, source=source, problem=problem, by_roi=targets)


def _named(matches: tuple[MatchedROI, ...], role: Role) -> dict[str, tuple[str, ...]]:
    return {m.roi.name: read_levels(m.roi.name, role).stated for m in matches if m.role is role}


def _union(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    found = {level for group in groups for level in group}
    return tuple(sorted(found, key=LEVELS.index))


def _declared(levels: tuple[str, ...], stated: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [level for level in levels if level not in LEVELS]
    if unknown:
        raise CaseError(
            Text("--levels: '{level}' is no vertebral level; write T8 or L2", level=unknown[0])
        )
    missing = [level for level in stated if level not in levels]
    if missing:
        raise CaseError(
            Text(
                "--levels says {declared}, a target's name says {stated}; a declaration fills a"
                " gap, it does not overrule the files",
                declared=", ".join(levels),
                stated=", ".join(missing),
            )
        )
    return _union([levels])


def _unknown(matches: tuple[MatchedROI, ...]) -> Text:
    unclear = [m.roi.name for m in matches if m.role and read_levels(m.roi.name, m.role).unclear]
    if unclear:
        return Text(
            "'{name}' may mean an MR sequence, and no other name states a level; " + CURE,
            name=unclear[0],
        )
    return Text("level not in any name; " + CURE)


def check_levels(evidence: "Evidence") -> Iterator[Finding]:
    """Yield whether the treated levels are allowed, and not too many."""
    rules = evidence.protocol.levels
    if rules is None:
        return
    treated = evidence.treated
    named = ", ".join(treated.levels) or "unknown"
    outside = [level for level in treated.levels if level not in rules.allowed]
    unknown = treated.problem or Text("unknown")
    span = f"{rules.allowed[0]}-{rules.allowed[-1]}"
    if outside:
        outcome = Outcome.FAIL
        message = Text("{levels} is outside {span}", levels=", ".join(outside), span=span)
    elif not treated.known:
        outcome, message = Outcome.UNDECIDED, unknown
    else:
        outcome, message = Outcome.PASS, Text("{levels} within {span}", levels=named, span=span)
    yield Finding(
        id="trial.levels",
        subject="plan",
        outcome=outcome,
        message=message,
        basis=rules.basis,
        source=rules.source,
        reason=treated.problem,
    )
    parts = evidence.treated_with
    count = len(_union([treated.levels, *(part.levels for part in parts)]))
    unclear = next((part.problem for part in (treated, *parts) if part.problem is not None), None)
    if count > rules.most:
        outcome = Outcome.FAIL
    else:
        outcome = Outcome.PASS if unclear is None else Outcome.UNDECIDED
    yield Finding(
        id="trial.vertebrae",
        subject="plan",
        outcome=outcome,
        message=(
            Text("{why}", why=unclear or unknown)
            if outcome is Outcome.UNDECIDED
            else Text("{count} treated, at most {most} allowed", count=count, most=rules.most)
        ),
        basis=rules.basis,
        source=rules.source,
        reason=treated.problem,
    )
