"""Description of an exported model: what to feed, in words and as data, and what nextframe needs to use it again.

It stands in the file itself (metadata) and beside it, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from nextframe.config import Coordinates
from nextframe.data.hindcast import FEWEST, MOST
from nextframe.errors import CheckpointError, first_line
from nextframe.exports.graph import Graph, members_of
from nextframe.exports.portable import portable, portable_manifest
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.runs.manifest import FORMAT
from nextframe.runs.shipped import card_content, shipped_name
from nextframe.words import count, joined

KIND = "nextframe step graph"
VERSION = 1
"""Version of the description."""
_MOTIONS: Mapping[Coordinates, str] = {
    "lagrangian": "optical flow from the last frame but one to it",
    "translated": "one displacement of the whole frame, from the last frame but one to it",
    "adaptive": "at each place a mean of no motion, the optical flow of the last two frames, the mean flow of the last "
    "five, and one displacement of the whole frame, weighed by how well each would have forecast the last frames there",
}
"""Motion along which coordinates move."""

Description = Mapping[str, Any]


def describe(model: TrainedForecaster, parts: Mapping[str, Graph], files: Mapping[str, str]) -> dict[str, Any]:
    """The description of a model's graphs.

    Args:
        model: the model.
        parts: its graphs.
        files: name of the file of each part.
    """
    manifest, forecasting = model.manifest, list(parts.values())[-1]
    members = members_of(model)
    static = members[0].door.static
    grid = manifest.grid
    size: list[Any] = ["H", "W"] if static is None else list(static.shape[1:])
    frame = ["N", manifest.channels, *size]
    outputs: list[dict[str, Any]] = [{"name": "next_frame", "shape": frame, "holds": "the forecast, in source units"}]
    spread = forecasting.outputs[1:]
    many = getattr(forecasting, "members", 1)
    for name in spread:
        outputs.append(
            {"name": name, "shape": ["N", many, *frame[1:]], "holds": f"{_spread(members)}, in source units"}
        )
    return {
        "kind": KIND,
        "format": VERSION,
        "nextframe": version("nextframe"),
        "architecture": manifest.config.model.model,
        "files": dict(files),
        "inputs": [
            {"name": "frame", "shape": frame, "type": "float32", "holds": "a frame in source units, NaN where missing"}
        ],
        "outputs": outputs,
        "states": {name: _states(graph, size) for name, graph in parts.items()},
        "use": _use(parts, size, apart=model.config.model.channelwise),
        "around": _around(model),
        "variables": list(manifest.variables),
        "units": list(manifest.units),
        "tops": list(manifest.tops),
        "time_step": manifest.time_step,
        "past": model.config.data.past,
        "lead_times": model.config.data.future,
        "grid": None if grid is None else dict(zip("yx", map(list, grid), strict=True)),
        "card": _card(model),
        "members": len(members),
        "shrinkage": [list(member.door.shrinkage) for member in members],
        "static": None if static is None else list(static.shape),
        "config": portable(model.config).to_dict(),
        "manifest": {"format": FORMAT, **portable_manifest(manifest).to_dict()},
        "calibration": None if model.calibration is None else asdict(model.calibration),
    }


def _states(graph: Graph, size: list[Any]) -> list[dict[str, Any]]:
    def extent(axis: Any, pixels: int) -> Any:
        if isinstance(axis, int):
            return -(-axis // pixels)
        return axis if pixels == 1 else f"ceil({axis}/{pixels})"

    return [
        {
            "name": f"state_{n}",
            "next": f"next_state_{n}",
            "shape": ["N", state.channels, *(extent(axis, state.pixels) for axis in size)],
            "channels": state.channels,
            "pixels": state.pixels,
            "holds": state.holds,
        }
        for n, state in enumerate(graph.states)
    ]


def _spread(members: Sequence[ModelForecaster]) -> str:
    """Content of the quantiles or members of a graph, in words."""
    quantiles = members[0].model.quantiles
    levels = joined([f"{m}/{quantiles + 1}" for m in range(1, quantiles + 1)], "and")
    of_each = f"the quantiles {levels} of each value, in order, as the network says them, without calibration"
    if len(members) == 1:
        return of_each
    return "forecasts of the members" + (f", of each {of_each}" if quantiles > 1 else "")


def _use(parts: Mapping[str, Graph], size: Sequence[Any], *, apart: bool) -> list[str]:
    """Instructions to run the graphs, a sentence each; of frames of a size, or of any ("H", "W"), and of a network that
    forecasts each channel apart, or not.
    """
    free = not isinstance(size[0], int)
    sizes = "any size" if free else f"{size[0]} x {size[1]} pixels, the grid of its static fields"
    start = f"Begin with states of zeros, in the shapes given under `states`; N movies at once, of {sizes}."
    carry = "After each step, the outputs `next_state_0`, `next_state_1`, ... are the inputs `state_0`, `state_1`, ..."
    feed = (
        "Then feed `next_frame` back as the next `frame`, unchanged, as often as frames are wanted; each step's "
        "`next_frame` is the forecast of one more lead time."
    )
    last = ["Forecasts have a value everywhere; where all frames of the past were missing (NaN) it means nothing."]
    if apart:
        last.append("Each channel is forecast by itself: frames of more channels, as colours, are so many movies.")
    if "encoder" not in parts:
        read = "Feed the frames of the past one after the other; the last one's `next_frame` is the first forecast."
        return [start, read, carry, feed, *last]
    encode = (
        "Feed the frames of the past but the last to the encoder, one after the other. Its last `next_state_0`, ... "
        "are the decoder's first `state_0`, ...; states that the decoder alone has begin with zeros."
    )
    decode = "Feed the last frame of the past to the decoder; its `next_frame` is the first forecast."
    return [start, encode, decode, carry, feed, *last]


def _around(model: TrainedForecaster) -> list[str]:
    """Tasks that are left to do outside of the graph, a sentence each."""
    data, sentences = model.config.data, list[str]()
    shares = [member.door.shrinkage for member in members_of(model)]
    of_roots = ", of the cube roots of the values" if model.door.normaliser.skewed else ""
    if data.coordinates != "eulerian":
        sentences += [
            f"The network works in {data.coordinates} coordinates, and the motion is not in the file.",
            f"Before it: find the motion at the last frame seen ({_MOTIONS[data.coordinates]}){of_roots}, and move "
            "every frame of the past along it to the time of the last one (semi-Lagrangian advection); values that "
            "come from beyond the edge are NaN.",
            "After it: move the forecast of lead time k on along the same motion by k steps; where nothing known "
            "arrives, take the last frame seen. What is fed back is the forecast before it is moved on.",
        ]
        if any(shares):
            of_each = "; ".join(f"of member {n} {_factors(factors)}" for n, factors in enumerate(shares, start=1))
            sentences.append(
                "Before it is moved on: of its difference from the last frame seen, take only the share of its lead "
                f"time: {of_each if len(set(shares)) > 1 else _factors(shares[0])}, and beyond these the last one. "
                "What is fed back is the forecast without that."
            )
    if members_of(model)[0].proves:
        sentences.append(
            f"Last of all, where the past has {FEWEST} frames or more: forecast its last frame from those before it, "
            "in the same way. By least squares, find the share (0 to 1) of what the network added to frames that only "
            "move, and then the share of the whole change since the frame before, with which that would have been "
            f"nearest to the frame seen (of frames above {MOST:,} pixels, in their middle). Of the forecast take these "
            "shares at lead time 1, and 1 - (1 - share)^2 at later ones; each member of an ensemble has its own."
        )
    if data.coordinates != "eulerian" and len(shares) > 1:
        sentences.append("What is done after it is done with each of `members`; the forecast is their mean.")
    if data.edges == "last":
        sentences.append("Before it: give every NaN of the past the value that the last frame seen has there.")
    return [*sentences, "nextframe.load_run on the file does all of it."] if sentences else []


def _factors(shrinkage: Sequence[float]) -> str:
    return ", ".join(f"{factor:g}" for factor in shrinkage) or "all of it"


def _card(model: TrainedForecaster) -> dict[str, Any] | None:
    """Facts of a shipped model's card."""
    name = None if model.run is None else shipped_name(model.run.name)
    if name is None:
        return None
    card = card_content(name)
    return {key: card[key] for key in ("name", "title", "data", "licence", "limits", "date") if key in card}


def in_words(description: Description) -> str:
    """The description in a paragraph, for a file's own comment."""
    files = count(len(description["files"]), "file")
    return " ".join(
        [
            f"A {description['architecture']} model of nextframe as one step with states, in {files}.",
            *description["use"],
            *description["around"],
        ]
    )


def metadata(description: Description) -> dict[str, str]:
    """The description as the named strings that a model file carries."""
    plain = ("nextframe", "variables", "units", "time_step", "past", "lead_times", "grid", "card")
    return {**{name: json.dumps(description[name]) for name in plain}, "description": json.dumps(description)}


def foreign(where: object) -> CheckpointError:
    """The error of a file that carries no description."""
    return CheckpointError(
        "is no model that nextframe has exported",
        where=where,
        hint="export its run with nextframe, or run this file by itself",
    )


def read_description(text: str | None, where: object) -> dict[str, Any]:
    """The description that a file carries.

    Raises:
        CheckpointError: a file that carries none, or one of a later version.
    """
    if text is None:
        raise foreign(where)
    try:
        description = json.loads(text)
        kind, number = description["kind"], description["format"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise CheckpointError("carries a damaged description", where=where, received=first_line(error)) from error
    if kind != KIND or number != VERSION:
        raise CheckpointError(
            "is of another version of nextframe",
            where=where,
            expected=f"{KIND}, format {VERSION}",
            received=f"{kind}, format {number}",
            hint="export it again from its run",
        )
    loaded: dict[str, Any] = description
    return loaded
