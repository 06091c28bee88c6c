"""The sentence as a value: a template with named gaps, and what fills them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sbrtcheck.model.frozen import sealed

__all__ = ["Text"]


def _plain(value: object) -> str:
    """Print a value in a sentence; floats to four significant digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


@sealed
@dataclass(frozen=True, slots=True, init=False)
class Text:
    """A sentence as a value: a template with named gaps, and what fills them.

    Only `report` turns it into words of a language; `str()` gives the English for errors.

    Examples
    --------
    >>> str(Text("PTV V100% is {value} %", value=93.26))
    'PTV V100% is 93.26 %'
    """

    template: str
    values: Mapping[str, "str | int | float | Text"]

    def __init__(self, template: str, /, **values: "str | int | float | Text") -> None:
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "values", MappingProxyType(values))

    def __str__(self) -> str:
        return self.template.format(
            **{name: _plain(value) for name, value in self.values.items()}
        )

    def __hash__(self) -> int:
        return hash((self.template, tuple(self.values.items())))

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled; a sentence crosses process borders.
        return (_rebuild_text, (self.template, dict(self.values)))


def _rebuild_text(template: str, values: "dict[str, str | int | float | Text]") -> Text:
    return Text(template, **values)
