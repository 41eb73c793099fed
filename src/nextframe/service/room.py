"""`Room`: bytes that all requests under way hold together, so that memory is bounded however many come."""

from __future__ import annotations

from nextframe.service.limits import Refused


class Room:
    """Bytes of bodies, frames and answers.

    Args:
        size: how many there may be.

    >>> room = Room(100)
    >>> one, other = room.hold(), room.hold()
    >>> one.take(60)
    >>> other.take(60)
    Traceback (most recent call last):
    nextframe.service.limits.Refused: requests hold all of the memory that there is for them: come again in some seconds
    >>> one.release()
    >>> other.take(60)
    """

    def __init__(self, size: int) -> None:
        self.size, self.taken = size, 0

    def hold(self) -> Held:
        """A share that is empty at first."""
        return Held(self)


class Held:
    """Share of a room that one request holds."""

    def __init__(self, room: Room) -> None:
        self._room, self._taken = room, 0

    def take(self, number: int) -> None:
        """Hold so many bytes more.

        Raises:
            Refused: others hold them.
        """
        if self._room.taken + number > self._room.size:
            raise Refused(
                503, "requests hold all of the memory that there is for them: come again in some seconds", retry_after=2
            )
        self._room.taken += number
        self._taken += number

    def release(self) -> None:
        """Give all of it back."""
        self._room.taken -= self._taken
        self._taken = 0
