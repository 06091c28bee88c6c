"""Which vertebrae are treated, read from names where they lie, or declared."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from sbrtcheck.checks.rule import State
from sbrtcheck.contours import build_region, overlap_cc
from sbrtcheck.errors import CaseError
from sbrtcheck.model import ROI, Declared, Plan, Text
from sbrtcheck.protocol.names import LEVELS, MatchedROI, read_levels
from sbrtcheck.protocol.rules import Role

__all__ = [
    "TreatedLevels",
    "hold_in_common",
    "level_order",
    "refuse_unknown_levels",
    "treated_levels",
]

HALF = 0.5  # of the target in a vertebra, or of a vertebra in the target
CURE = Text("add --levels, for example --levels T8")
BESIDE_TARGETS = (Role.CTV, Role.GTV, Role.VERTEBRA)  # whose names may state levels too


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
    state: State = State.DECLARE
    cure: Text = CURE

    @property
    def certain(self) -> tuple[str, ...]:
        """Return the levels where they are known for certain; none otherwise."""
        if self.problem is not None:
            return ()
        return self.levels

    def of_target(self, roi_name: str) -> tuple[str, ...]:
        """Return the levels of one target: its own where named, else all; none where unknown."""
        if self.problem is not None:
            return ()
        own = self.by_roi.get(roi_name, ())
        return own or self.levels


def level_order(levels: Iterable[str]) -> tuple[str, ...]:
    """Return levels from head to foot, each once."""
    return tuple(sorted(set(levels), key=LEVELS.index))


class _Stated(NamedTuple):
    """What the names of the ROIs of one role state."""

    by_roi: dict[str, tuple[str, ...]]
    unclear: tuple[str, ...]
    impossible: tuple[str, ...]

    @property
    def levels(self) -> tuple[str, ...]:
        return level_order(chain.from_iterable(self.by_roi.values()))


def treated_levels(
    targets: Sequence[MatchedROI],
    matches: Sequence[MatchedROI],
    plan: Plan,
    declared: Declared,
) -> TreatedLevels:
    """Read the treated levels from target, CTV, GTV and vertebra names, or as declared.

    Never from z: transitional vertebrae and unlabelled images would make it a guess. A vertebra
    names the level only where it holds half of the target, or the target half of it.

    Parameters
    ----------
    targets
        The PTVs that count as this plan's.

    Raises
    ------
    CaseError
        If declared levels leave out one that a target's name states.
    """
    ptvs = _stated(_of_role(targets, Role.PTV), Role.PTV)
    if declared.levels:
        _refuse_contradiction(declared.levels, ptvs.levels)
        return _known(level_order(declared.levels), Text("declared"), ptvs)
    operated = declared.facts.operated_levels
    read = _from_names(ptvs, targets, matches)
    if read.problem is None:
        return _against_label(read, plan, operated)
    if _settles(operated, ptvs):
        return _known(level_order(operated), Text("declared: operated levels"), ptvs)
    return read


def _settles(operated: tuple[str, ...], ptvs: _Stated) -> bool:
    """Tell whether the operated levels answer what names leave open, and contradict none."""
    if not operated:
        return False
    if ptvs.impossible:
        return False
    return set(ptvs.levels) <= set(operated)


def _known(levels: tuple[str, ...], source: Text, ptvs: _Stated) -> TreatedLevels:
    return TreatedLevels(levels=levels, source=source, problem=None, by_roi=ptvs.by_roi)


def _unknown(levels: tuple[str, ...], problem: Text, ptvs: _Stated) -> TreatedLevels:
    return TreatedLevels(
        levels=levels, source=problem, problem=problem, by_roi=ptvs.by_roi
    )


def _stated(matches: Sequence[MatchedROI], role: Role) -> _Stated:
    by_roi: dict[str, tuple[str, ...]] = {}
    unclear: list[str] = []
    impossible: list[str] = []
    for match in matches:
        name = match.roi.name
        reading = read_levels(name, role)
        by_roi[name] = reading.stated
        if reading.unclear:
            unclear.append(name)
        if reading.impossible:
            impossible.append(name)
    return _Stated(by_roi, tuple(unclear), tuple(impossible))


def _of_role(matches: Sequence[MatchedROI], role: Role) -> list[MatchedROI]:
    return [match for match in matches if match.role is role]


def _from_names(
    ptvs: _Stated, targets: Sequence[MatchedROI], matches: Sequence[MatchedROI]
) -> TreatedLevels:
    """Read levels from the names of the targets; where those state none, of what lies in them."""
    if ptvs.impossible:
        return _unknown(ptvs.levels, _no_vertebra(ptvs), ptvs)
    if not ptvs.levels:
        return _from_others(ptvs, targets, matches)
    problem = _why_not_all(ptvs, targets, matches)
    if problem is not None:
        return _unknown(ptvs.levels, problem, ptvs)
    return _known(ptvs.levels, Text("from target names"), ptvs)


def _no_vertebra(stated: _Stated) -> Text:
    name = stated.impossible[0]
    return Text("'{name}' names a vertebra that does not exist", name=name)


def _why_not_all(
    ptvs: _Stated, targets: Sequence[MatchedROI], matches: Sequence[MatchedROI]
) -> Text | None:
    """Say why the names of the targets may not state all levels; None where they do."""
    unnamed = [name for name, levels in ptvs.by_roi.items() if not levels]
    if unnamed:
        return Text("target '{name}' states no level", name=unnamed[0])
    for role in BESIDE_TARGETS:
        extra = _further_levels(ptvs, targets, matches, role)
        if extra:
            return Text(
                "{role} names state {extra}, which no PTV names",
                role=role.value.upper(),
                extra=", ".join(extra),
            )
    return None


def _further_levels(
    ptvs: _Stated,
    targets: Sequence[MatchedROI],
    matches: Sequence[MatchedROI],
    role: Role,
) -> tuple[str, ...]:
    """Return the levels that ROIs in the targets, or around them, state and no PTV does."""
    known = set(ptvs.levels)
    telling = [
        match
        for match in _of_role(matches, role)
        if not known.issuperset(read_levels(match.roi.name, role).stated)
    ]
    stated = _stated(_inside(targets, telling), role)
    return level_order(set(stated.levels) - known)


def _from_others(
    ptvs: _Stated, targets: Sequence[MatchedROI], matches: Sequence[MatchedROI]
) -> TreatedLevels:
    unclear: list[str] = []
    for role in BESIDE_TARGETS:
        stated = _stated(_inside(targets, _of_role(matches, role)), role)
        if stated.impossible:
            return _unknown((), _no_vertebra(stated), ptvs)
        if stated.levels:
            source = Text("from {role} names", role=role.value.upper())
            return _known(stated.levels, source, ptvs)
        unclear.extend(stated.unclear)
    if unclear:
        problem = Text(
            "'{name}' may mean an MR sequence, and no other name states a level",
            name=unclear[0],
        )
        return _unknown((), problem, ptvs)
    return _unknown((), Text("level not in any name"), ptvs)


def _inside(
    targets: Sequence[MatchedROI], others: Sequence[MatchedROI]
) -> list[MatchedROI]:
    """Return the ROIs that hold half of a target, or of which a target holds half."""
    return [other for other in others if _is_inside(other.roi, targets)]


def _is_inside(roi: ROI, targets: Sequence[MatchedROI]) -> bool:
    return any(hold_in_common(target.roi, roi, HALF, of=min) for target in targets)


def hold_in_common(
    one: ROI, other: ROI, share: float, *, of: Callable[[float, float], float]
) -> bool:
    """Tell whether two ROIs share so much of the smaller (`min`) or the larger (`max`) of them.

    What has no volume shares nothing.
    """
    first, second = build_region(one), build_region(other)
    if first.volume_cc is None or second.volume_cc is None:
        return False
    least_cc = share * of(first.volume_cc, second.volume_cc)
    return overlap_cc(first, second) >= least_cc


def refuse_unknown_levels(declared: Declared) -> None:
    """Raise `CaseError` where what is declared as a level is none."""
    facts = declared.facts
    stated = [("--levels", level) for level in declared.levels]
    stated += [("operated_levels", level) for level in facts.operated_levels]
    if facts.conus_level is not None:
        stated.append(("conus_level", facts.conus_level))
    for where, level in stated:
        if level not in LEVELS:
            raise CaseError(
                Text(
                    "{where}: '{level}' is no vertebral level; write T8 or L2",
                    where=where,
                    level=level,
                )
            )


def _refuse_contradiction(levels: tuple[str, ...], stated: tuple[str, ...]) -> None:
    missing = level_order(set(stated) - set(levels))
    if missing:
        raise CaseError(
            Text(
                "--levels says {declared}, a target's name says {stated}; a declaration fills a"
                " gap, it does not overrule the files",
                declared=", ".join(levels),
                stated=", ".join(missing),
            )
        )


def _against_label(
    read: TreatedLevels, plan: Plan, operated: tuple[str, ...]
) -> TreatedLevels:
    """Ask where the plan's label or name states another level and none of the targets'.

    Operated levels that are the targets' settle it.
    """
    levels = set(read.levels)
    if set(operated) == levels:
        return read
    labels = (plan.instance.label, plan.name, plan.description)
    for text in [label for label in labels if label]:
        stated = _levels_in_label(text)
        if not stated:
            continue
        names_a_target = not levels.isdisjoint(stated)
        if names_a_target:
            continue
        problem = Text(
            "'{text}' in the plan states {stated}, its targets are named {levels}",
            text=text,
            stated=", ".join(stated),
            levels=", ".join(read.levels),
        )
        cure = Text(
            "say which it is: --levels {levels}, or rename what is wrong",
            levels=",".join(read.levels),
        )
        return replace(read, source=problem, problem=problem, cure=cure)
    return read


def _levels_in_label(text: str) -> list[str]:
    """Return the levels that free text surely states."""
    # T1 to T4 may be MR sequences, C and S with a number courses and set-ups.
    stated = read_levels(text, Role.GTV).stated
    return [level for level in stated if level[0] in "TL"]
