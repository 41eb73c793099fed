"""What can go wrong by the user's hand, said in one sentence.

Every error of this package that a user can mend derives from `NextframeError`. Its text names where the fault is (a
file, a frame, an option), what is wrong, what was expected and what was received, and what to do. The command line
prints that sentence and exits with code 2; any other exception is a defect of the package.
"""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """What another library's error says, in one line; its type where it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


class NextframeError(Exception):
    """A mistake in the input that the user can mend.

    Args:
        what: what is wrong, as a clause without a full stop: "holds one frame".
        where: the file, frame, sequence or option that is at fault.
        expected: what would have been right.
        received: what was found instead.
        hint: what to do about it, as an imperative clause.
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
        text = what if where is None else f"{where}: {what}"
        if expected is not None and received is not None:
            text += f" (expected {expected}, received {received})"
        elif expected is not None:
            text += f" (expected {expected})"
        elif received is not None:
            text += f" (received {received})"
        super().__init__(text if hint is None else f"{text}; {hint}")


class NextframeWarning(UserWarning):
    """What a user should know of a result that was made all the same."""


class DataError(NextframeError):
    """The frames themselves: unreadable, empty, missing, constant, or in conflict with each other."""


class ShapeError(NextframeError):
    """Frames of a size, channel number or length that this model or operation cannot take."""


class ConfigError(NextframeError):
    """An option, a preset or a configuration file that does not make sense."""


class CheckpointError(NextframeError):
    """A run folder or a weights file that is incomplete, damaged, or of another version."""
