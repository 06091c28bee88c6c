"""Second opinions as rows and sentences: what differs, what explains it, what nothing explains."""

from sbrtcheck.crosscheck import CrossCheck, Difference, Opinion
from sbrtcheck.report.words import Voice, decimals_for, number_and_interval

TITLE = "Second opinion (never the verdict)"
HEAD = ("theirs less ours", "", "volume [%]", "Dmean [Gy]", "D95%", "D0.035cc", "D2cc", "")
JUSTIFY = "llrrrrrl"
READINGS = {
    "as here": "our own",
    "slab": "slabs between planes",
    "shape": "shape between planes",
    "cubic": "cubic dose",
    "trilinear": "trilinear dose",
    "no end caps": "no end caps",
    "gaps empty": "gaps left empty",
    "coarser sampling": "coarser sampling",
    "whole voxels": "whole dose voxels",
}

Cells = tuple[tuple[str, ...], str]


def second_rows(second: CrossCheck, voice: Voice, *, verbose: bool) -> list[Cells]:
    """Return a row of differences for each opinion that could be compared, and its words."""
    return [
        (
            (
                voice.name(opinion.roi_name),
                opinion.source,
                *(_difference(row) for row in opinion.differences),
                f"{len(opinion.unexplained)} beyond" if opinion.unexplained else "explained",
            ),
            _nearest(opinion) if verbose else "",
        )
        for opinion in second.opinions
        if opinion.differences
    ]


def _difference(row: Difference) -> str:
    """Return a difference with its sign: of a volume in percent of ours."""
    difference, ours = row.difference, row.ours.value
    if difference is None or ours is None:
        return "-"
    if row.metric.unit == "cc":
        return _signed(100 * difference / ours, 1) if ours else "-"
    return _signed(difference, 2)


def _signed(number: float, decimals: int) -> str:
    text = f"{number:+.{decimals}f}"
    return text if float(text) else text[1:]


def _nearest(opinion: Opinion) -> str:
    readings = dict.fromkeys(READINGS[row.nearest] for row in opinion.differences if row.nearest)
    return f"nearest reading: {', '.join(readings)}"


def warnings(second: CrossCheck, voice: Voice) -> list[str]:
    """Return a sentence for each difference that no known convention explains."""
    return [
        f"warning: {voice.name(opinion.roi_name)}, {opinion.source}: {_beyond(row)}"
        for opinion in second.opinions
        for row in opinion.unexplained
    ]


def _beyond(row: Difference) -> str:
    ours, theirs, beyond = row.ours.value or 0.0, row.theirs or 0.0, row.beyond or 0.0
    decimals = decimals_for(ours, row.metric.unit)
    low = ours if row.ours.low is None else row.ours.low
    high = ours if row.ours.high is None else row.ours.high
    here = " ".join(number_and_interval(ours, low, high, None, decimals)).strip()
    return (
        f"{row.metric} {theirs:.{decimals}f} {row.metric.unit}, here {here};"
        f" {abs(beyond):.2g} {row.metric.unit} {'above' if beyond > 0 else 'below'} what reading"
        " of contours and grid explains"
    )


def remarks(second: CrossCheck, voice: Voice, *, verbose: bool) -> list[str]:
    """Return what could not be compared and why, and what reading the others had to assume."""
    sentences = [voice.say(note) for note in second.notes]
    for opinion in second.opinions:
        where = f"{voice.name(opinion.roi_name)}, {opinion.source}"
        if opinion.reason is not None:
            sentences.append(f"{where}: {voice.say(opinion.reason)}")
        if verbose or opinion.unexplained:
            sentences += [f"{where}: {voice.say(note)}" for note in opinion.notes]
        if verbose:
            sentences += [
                f"{where}: {row.metric}: {voice.say(row.reason)}"
                for row in opinion.differences
                if row.reason is not None
            ]
    return sentences
