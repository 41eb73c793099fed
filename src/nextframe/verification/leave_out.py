"""Frames that a model was trained on, left out of its verification; or kept, where that is asked for, and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nextframe.data.seen import without
from nextframe.data.split import Span
from nextframe.errors import DataError
from nextframe.runs.seen import seen_by
from nextframe.words import count, joined

if TYPE_CHECKING:
    from nextframe.forecasting.trained import TrainedForecaster


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Frames to verify on, and what is to be said of those that were seen in a training."""

    spans: Sequence[Span]
    """The frames."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Model -> frames left out, since it was trained on them or its weights were chosen by them."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """Model -> such frames among those that are verified on, since that was asked for."""
    unknown: Sequence[str] = ()
    """Models of which it is not known what they have seen."""

    @property
    def notes(self) -> list[str]:
        """A sentence for each model that has seen any of the frames, or of which that is not known."""
        every = sum(map(len, self.spans))
        said = [
            f"{count(number, 'frame')} left out that {name} was trained on or chosen by"
            for name, number in self.left_out.items()
        ]
        said += [
            f"{name} was trained on or chosen by {number:,} of the {every:,} frames: scores of these say how well it "
            "knows them, not how well it forecasts others"
            for name, number in self.seen.items()
        ]
        if self.unknown:
            said.append(
                f"whether {joined(self.unknown, 'or')} was trained on some of these frames is not known: "
                "what it was trained on is not there any more"
            )
        return said


def choose_frames(
    spans: Sequence[Span], models: Mapping[str, TrainedForecaster], where: str, *, seen: bool = False
) -> Chosen:
    """Frames to verify models on: those that none of them has seen; or all, where that is asked for.

    Args:
        spans: frames that are there.
        models: models by the name that they are verified by.
        where: name of the frames, for messages.
        seen: whether frames that were seen in a training are to be kept, and named.

    Raises:
        DataError: not one frame that none of the models has seen.
    """
    chosen, numbers, unknown = list(spans), dict[str, int](), []
    for name, model in models.items():
        record = seen_by(model.run, model.config.data)
        if record is None or not record.stretches:
            unknown.append(name)
            continue
        left, number = without(spans if seen else chosen, record)
        if number:
            numbers[name] = number
        if not seen:
            chosen = left
    if not chosen:
        raise DataError(
            f"holds no frame that {joined(list(numbers))} was not trained on or chosen by",
            where=where,
            hint="name other frames, or verify on them all the same with {seen=True}",
        )
    if seen:
        return Chosen(spans=spans, seen=numbers, unknown=unknown)
    return Chosen(spans=chosen, left_out=numbers, unknown=unknown)
