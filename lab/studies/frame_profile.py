"""Where the time of one new frame goes, for the tutorial's stack with its state carried along.

    python -m lab frame-profile

times the whole step and each of its parts by itself, frame after frame and after a pause, and writes
lab/results/frame-profile.json and the table between the marks in docs/engine.md. Run it on an idle machine.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from lab.options import parser
from lab.pages.marked import fill
from lab.place import DOCS, RESULTS
from lab.speed.results import provenance
from lab.speed.work import STREAMING
from lab.studies.step_profile import matrix_peak, products
from nextframe.files import write_text
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.stacked import StackedConvLSTM

RESULT = RESULTS / "frame-profile.json"
PAGE = DOCS / "engine.md"

ROUNDS, FRAMES, PAUSE = 15, 20, 0.5
"""Median of so many rounds, each the mean of so many frames; seconds before a round that follows a pause."""


def seconds(work: Callable[[], object], pause: float = 0.0) -> float:
    """Of one call, many of them in a row."""
    for _ in range(50):
        work()
    rounds = []
    for _ in range(ROUNDS):
        time.sleep(pause)
        started = time.perf_counter()
        for _ in range(FRAMES):
            work()
        rounds.append((time.perf_counter() - started) / FRAMES)
    return statistics.median(rounds)


def measured() -> dict[str, float]:
    """Milliseconds by part."""
    work = STREAMING[0]
    model = StackedConvLSTM().eval()
    movie = (torch.rand(work.batch, work.past, 1, work.size, work.size) > 0.9).float()
    _, state = model.begin(movie)
    assert not isinstance(state, torch.Tensor)
    frame = movie[:, 0]
    features = [frame[None], *(layer.hidden[None] for layer in state.layers)]
    calls: dict[str, Callable[[], object]] = {}
    for n, layer in enumerate(model.layers):
        assert isinstance(layer, ConvLSTM2d)
        scan, held = layer.scan, state.layers[n]
        calls[f"ConvLSTM layer {n + 1}"] = lambda scan=scan, given=features[n], held=held: scan(given, held)  # type: ignore[misc]
    calls["batch normalisation, three times"] = lambda: [
        norm(given[0]) for norm, given in zip(model.norms, features[1:], strict=True)
    ]
    calls["3-D convolution"] = lambda: model.readout(features[-1], state.recent.transpose(0, 1))
    found = {part: seconds(call) * 1000 for part, call in calls.items()}
    whole = seconds(lambda: model.step(frame, state)) * 1000
    found["the rest: Python, copies, sigmoid"] = whole - sum(found.values())
    found["whole step"] = whole
    found["whole step, after a pause"] = seconds(lambda: model.step(frame, state), PAUSE) * 1000
    return {part: round(value, 3) for part, value in found.items()}


def main(arguments: Sequence[str]) -> None:
    parser("frame-profile", __doc__).parse_args(arguments)
    with torch.inference_mode():
        parts = measured()
    content: dict[str, Any] = {
        **provenance("python -m lab frame-profile"),
        "threads": torch.get_num_threads(),
        "milliseconds": parts,
        "products_mflop": round(products(STREAMING[0], training=False) / 1e6, 1),
        "matrix_gflops": round(matrix_peak() / 1e9),
    }
    bound = content["products_mflop"] / content["matrix_gflops"]
    table = ["| part of one new frame | ms |", "|---|---:|", *(f"| {part} | {ms:.2f} |" for part, ms in parts.items())]
    made = f"{content['machine']}, {content['date']}: `{content['command']}`."
    said = (
        f"The engine's matrix products alone are {content['products_mflop']} MFLOP: {bound:.2f} ms at the "
        f"{content['matrix_gflops']} GFLOP/s of a large product. "
        f"Medians of {ROUNDS} rounds of {FRAMES} frames; the pause is {PAUSE} s before each round. {made}"
    )
    write_text(RESULT, json.dumps(content, indent=1) + "\n")
    text = "\n".join(table)
    write_text(PAGE, fill(PAGE.read_text(encoding="utf-8"), "frame", f"\n{text}\n\n{said}\n\n"))
    print(text, said, sep="\n\n")
