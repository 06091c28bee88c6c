"""Frozen classes that refuse any attribute alike."""

from dataclasses import FrozenInstanceError
from typing import NoReturn, TypeVar

__all__ = ["sealed"]

Kind = TypeVar("Kind")


def sealed(kind: type[Kind]) -> type[Kind]:
    """Let a frozen dataclass with slots refuse names that it lacks as it refuses those it has.

    By itself it asks the class that its slots replaced, which ends in a TypeError about `super()`.
    """
    kind.__setattr__ = _refuse_value  # type: ignore[method-assign]
    kind.__delattr__ = _refuse  # type: ignore[method-assign]
    return kind


def _refuse_value(self: object, name: str, value: object) -> NoReturn:
    del value
    _refuse(self, name)


def _refuse(self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(
        f"a {type(self).__name__} is frozen: '{name}' cannot be changed; make another with"
        " dataclasses.replace"
    )
