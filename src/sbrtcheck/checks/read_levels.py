"""Which vertebrae are treated, read from names where they lie, or declared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sbrtcheck.checks.rule import State
from sbrtcheck.contours import build_region, overlap_cc
from sbrtcheck.errors import CaseError
from sbrtcheck.model import ROI, Declared, Plan, Text
from sbrtcheck.protocol.names import LEVELS, MatchedROI, read_levels
from sbrtcheck.protocol.rules import Role

__all__ = ["TreatedLevels", "level_order", "treated_levels"]

HALF = 0.5  # of the target in a vertebra, or of a vertebra in the target
CURE = Text("add --levels, for example --levels T8")


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
        return level_order(level for levels in self.by_roi.values() for level in levels)


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
        If declared levels are no levels, or leave out one that a target's name states.
    """
    ptvs = _stated(targets, Role.PTV)
    operated = declared.facts.operated_levels
    if declared.levels:
        _refuse_contradiction(declared.levels, ptvs.levels)
        return _known(level_order(declared.levels), Text("declared"), ptvs)
    read = _from_names(ptvs, targets, matches)
    if read.problem is None and set(operated) != set(read.levels):
        return _against_label(read, plan)
    settles = set(ptvs.levels) <= set(operated) and not ptvs.impossible
    if read.problem is not None and operated and settles:
        return _known(level_order(operated), Text("declared: operated levels"), ptvs)
    return read


def _known(levels: tuple[str, ...], source: Text, ptvs: _Stated) -> TreatedLevels:
    return TreatedLevels(levels=levels, source=source, problem=None, by_roi=ptvs.by_roi)


def _unknown(
    levels: tuple[str, ...], problem: Text, ptvs: _Stated, cure: Text = CURE
) -> TreatedLevels:
    return TreatedLevels(
        levels=levels, source=problem, problem=problem, by_roi=ptvs.by_roi, cure=cure
    )


def _stated(matches: Sequence[MatchedROI], role: Role) -> _Stated:
    readings = {
        m.roi.name: read_levels(m.roi.name, role) for m in matches if m.role is role
    }
    return _Stated(
        by_roi={name: reading.stated for name, reading in readings.items()},
        unclear=tuple(name for name, reading in readings.items() if reading.unclear),
        impossible=tuple(
            name for name, reading in readings.items() if reading.impossible
        ),
    )


def _from_names(
    ptvs: _Stated, targets: Sequence[MatchedROI], matches: Sequence[MatchedROI]
) -> TreatedLevels:
    """Read levels from the names of the targets; where those state none, of what lies in them."""
    if ptvs.impossible:
        problem = Text(
            "'{name}' names a vertebra that does not exist", name=ptvs.impossible[0]
        )
        return _unknown(ptvs.levels, problem, ptvs)
    unnamed = [name for name, levels in ptvs.by_roi.items() if not levels]
    if not ptvs.levels:
        return _from_others(ptvs, targets, matches)
    if unnamed:
        problem = Text("target '{name}' states no level", name=unnamed[0])
        return _unknown(ptvs.levels, problem, ptvs)
    for role in (Role.CTV, Role.GTV, Role.VERTEBRA):
        extra = _further_levels(ptvs, targets, [m for m in matches if m.role is role])
        if extra:
            problem = Text(
                "{role} names state {extra}, which no PTV names",
                role=role.value.upper(),
                extra=", ".join(extra),
            )
            return _unknown(ptvs.levels, problem, ptvs)
    return _known(ptvs.levels, Text("from target names"), ptvs)


def _further_levels(
    ptvs: _Stated, targets: Sequence[MatchedROI], others: Sequence[MatchedROI]
) -> tuple[str, ...]:
    """Return the levels that ROIs in the targets, or around them, state and no PTV does."""
    further = {
        match.roi.name: [
            level
            for level in read_levels(match.roi.name, match.role).stated
            if level not in ptvs.levels
        ]
        for match in others
    }
    inside = _inside(targets, [match for match in others if further[match.roi.name]])
    return level_order(level for name in inside for level in further[name])


def _from_others(
    ptvs: _Stated, targets: Sequence[MatchedROI], matches: Sequence[MatchedROI]
) -> TreatedLevels:
    unclear = ""
    for role in (Role.CTV, Role.GTV, Role.VERTEBRA):
        candidates = [match for match in matches if match.role is role]
        near = set(_inside(targets, candidates))
        stated = _stated(
            [match for match in candidates if match.roi.name in near], role
        )
        if stated.impossible:
            problem = Text(
                "'{name}' names a vertebra that does not exist",
                name=stated.impossible[0],
            )
            return _unknown((), problem, ptvs)
        if stated.levels:
            source = Text("from {role} names", role=role.value.upper())
            return _known(stated.levels, source, ptvs)
        if stated.unclear and not unclear:
            unclear = stated.unclear[0]
    if unclear:
        problem = Text(
            "'{name}' may mean an MR sequence, and no other name states a level",
            name=unclear,
        )
        return _unknown((), problem, ptvs)
    return _unknown((), Text("level not in any name"), ptvs)


def _inside(targets: Sequence[MatchedROI], others: Sequence[MatchedROI]) -> list[str]:
    """Return the ROIs that hold half of a target, or of which a target holds half."""
    return [
        other.roi.name
        for other in others
        if any(_share(target.roi, other.roi) >= HALF for target in targets)
    ]


def _share(one: ROI, other: ROI) -> float:
    """Return what two ROIs share, as a part of the smaller one; 0 where either has no volume."""
    first, second = build_region(one), build_region(other)
    if first.volume_cc is None or second.volume_cc is None:
        return 0.0
    return overlap_cc(first, second) / min(first.volume_cc, second.volume_cc)


def _refuse_contradiction(levels: tuple[str, ...], stated: tuple[str, ...]) -> None:
    unknown = [level for level in levels if level not in LEVELS]
    if unknown:
        raise CaseError(
            Text(
                "--levels: '{level}' is no vertebral level; write T8 or L2",
                level=unknown[0],
            )
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


def _against_label(read: TreatedLevels, plan: Plan) -> TreatedLevels:
    """Ask where the plan's label or name states another level and none of the targets'."""
    texts = [
        text for text in (plan.instance.label, plan.name, plan.description) if text
    ]
    for text in texts:
        # T1 to T4 may be MR sequences, C and S with a number courses and set-ups.
        stated = [
            level for level in read_levels(text, Role.GTV).stated if level[0] in "TL"
        ]
        if not stated or set(stated) & set(read.levels):
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
        return TreatedLevels(
            levels=read.levels,
            source=problem,
            problem=problem,
            by_roi=read.by_roi,
            cure=cure,
        )
    return read
