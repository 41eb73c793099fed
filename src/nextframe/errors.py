"""Errors that a user can mend, said in one sentence.

Every error of this package that a user can mend derives from `NextframeError`. Its text names where the fault is (a
file, a frame, an option), what is wrong, what was expected and what was received, and what to do. The command line
prints that sentence and exits with code 2, or 1 for work that went wrong on its way; any other exception is a defect of
the package.
"""

from __future__ import annotations

from typing import Any

from nextframe.words import Face, in_python, printable, spell

_LONGEST = 200  # characters of another library's error
_LONGEST_RECEIVED = 600  # characters of what was found in a file


def first_line(error: BaseException) -> str:
    """Another library's error in one line, cut where it goes on for long; its type where it says nothing."""
    return _cut(str(error).splitlines()[0] if str(error) else type(error).__name__, _LONGEST)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest].rsplit(" ", 1)[0] + " ..."


class NextframeError(Exception):
    """A mistake in the input that the user can mend.

    Args:
        what: what is wrong, as a clause without a full stop: "holds one frame".
        where: the file, frame, sequence or option that is at fault.
        expected: what would have been right.
        received: what was found instead.
        hint: what to do about it, as an imperative clause; options in it are named `{missing}` or `{missing=mask}`, and
            each face of the package writes them in its own way.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        expected: object = None,
        received: object = None,
        hint: str | None = None,
    ) -> None:
        self.what, self.where, self.expected, self.received, self.hint = what, where, expected, received, hint
        super().__init__(self.render(in_python))

    def render(self, face: Face) -> str:
        """The sentence, with options as a face writes them."""
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        received = _cut(str(self.received), _LONGEST_RECEIVED)
        if self.expected is not None and self.received is not None:
            text += f" (expected {self.expected}, received {received})"
        elif self.expected is not None:
            text += f" (expected {self.expected})"
        elif self.received is not None:
            text += f" (received {received})"
        return printable(text if self.hint is None else f"{text}; {spell(self.hint, face)}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Whole, also out of a process that reads data.
        parts = {name: getattr(self, name) for name in ("where", "expected", "received")}
        return _again, (type(self), self.what, {k: v if v is None else str(v) for k, v in parts.items()}, self.hint)


def _again(kind: type[NextframeError], what: str, parts: dict[str, Any], hint: str | None) -> NextframeError:
    return kind(what, **parts, hint=hint)


class NextframeWarning(UserWarning):
    """A remark on a result that was made all the same.

    Args:
        text: what to know; options in it are named as in a hint of `NextframeError`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(self.render(in_python))

    def render(self, face: Face) -> str:
        """The sentence, with options as a face writes them."""
        return printable(spell(self.text, face))


class DataError(NextframeError):
    """The frames themselves: unreadable, empty, missing, constant, or in conflict with each other."""


class ShapeError(NextframeError):
    """Frames of a size, channel number or length that this model or operation cannot take."""


class ConfigError(NextframeError):
    """An option, a preset or a configuration file that does not make sense."""


class CheckpointError(NextframeError):
    """A run folder or a weights file that is incomplete, damaged, or of another version."""


class TrainingError(NextframeError):
    """A training that went wrong on its way: a loss that is not finite, a run folder that was removed."""
