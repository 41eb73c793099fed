"""Drawings of the documentation, by page: boxes, a line each, of rows that an empty line divides."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

from lab.pages.diagrams import diagram


@dataclass(frozen=True)
class Drawing:
    """A diagram of a page."""

    page: str
    """Page, from docs/ on."""
    file: str
    """Name of the picture's file."""
    about: str
    """Text for those who do not see it."""
    boxes: str
    """Boxes of a row, a line each, "name | what it is"; rows are divided by empty lines."""

    def svg(self) -> bytes:
        """The file's content."""
        rows = [row.splitlines() for row in dedent(self.boxes).strip().split("\n\n")]
        return diagram(rows).encode()


DRAWINGS = (
    Drawing(
        "how-it-works.md",
        "networks.svg",
        "The two networks of the tutorial",
        """
        frames | x 1 ... x T
        ConvLSTM | state carried along
        norm
        more layers
        3-D convolution | reads 3 frames
        next frames

        past | x 1 ... x T-1
        encoder | ConvLSTM layers
        its state
        decoder | starts from x T
        y T+1 ... y T+K
        """,
    ),
    Drawing(
        "glossary.md",
        "glossary.svg",
        "A forecast in time: past, initial time, lead times",
        """
        past | frames that are seen
        initial time | of the last frame seen
        lead time 1 | one time step later
        lead time K | K time steps later

        window | past and future
        forecast | from the past
        truth | what came
        score | forecast and truth
        """,
    ),
    Drawing(
        "architecture.md",
        "house.svg",
        "The rooms of the house from left to right",
        """
        config | options, choices
        frames | sources, formats
        data | split, windows
        models | in torch alone
        runs | weights, manifest

        training | fit
        verification | scores
        report | for people
        outputs | files
        api, cli | faces

        forecasting | forecasts, baselines
        """,
    ),
    Drawing(
        "your-own-data.md",
        "own-data.svg",
        "What happens to frames of one's own",
        """
        frames | clip, folder, archive
        simple forecasts | measured
        recipe | chosen from the values
        training | within the minutes
        the best weights | or the simple forecast
        """,
    ),
    Drawing(
        "results/runtimes.md",
        "runtimes.svg",
        "The same step in several runtimes",
        """
        one frame, states
        nextframe | its own step

        the same
        ONNX Runtime, OpenVINO

        the same
        torch.export, compiled
        """,
    ),
    Drawing(
        "in-the-browser.md",
        "browser.svg",
        "Models and their runtime are files of this page",
        """
        past | drawn in the page
        model.onnx | one step, states
        ONNX Runtime | in the browser
        frames ahead | fed back
        """,
    ),
    Drawing(
        "taking-a-model-elsewhere.md",
        "elsewhere.svg",
        "A run becomes a step graph, which other programs run",
        """
        run | weights, manifest
        step graph | frame, states in and out
        model.onnx | ONNX Runtime, anywhere
        forecast | NumPy alone

        model.keras | ConvLSTM2D layers
        import | layer by layer
        run | as one trained here
        forecast | scores, service
        """,
    ),
    Drawing(
        "many-radars.md",
        "radars.svg",
        "Several radars become one training",
        """
        radar A | mm/h, 1 km, 5 min
        one unit, pixel, step
        training | one network
        any radar | of that kind

        radar B | dBZ, 2 km, 5 min
        one unit, pixel, step
        """,
    ),
    Drawing(
        "pysteps.md",
        "pysteps.svg",
        "Files and methods go both ways between pysteps and this package",
        """
        importer | of pysteps
        FrameSequence
        nextframe run
        get_method | called as pysteps' are

        writer | ODIM, NetCDF
        importer | of pysteps
        verification
        """,
    ),
    Drawing(
        "live.md",
        "live.svg",
        "A folder is followed: a frame arrives, a forecast leaves",
        """
        folder | a frame arrives
        session | state of the network
        forecast
        products | files, pages
        grades | when the truth arrives
        """,
    ),
    Drawing(
        "session.md",
        "session.svg",
        "A session reads frames as they come, and forecasts from the state that they left",
        """
        frame | next, late, doubled
        session | a ring of states
        forecast | of all since a gap
        rollout | frame by frame

        truth | the frames that come
        grades | beside baselines
        """,
    ),
    Drawing(
        "api/index.md",
        "api.svg",
        "The package in a few calls",
        """
        source | path, array, xarray
        fit
        trained model
        forecast
        Forecast | plot, animate, save

        source | that it never saw
        verify | beside baselines
        Verification | tables, report
        """,
    ),
    Drawing(
        "api/models.md",
        "api-models.svg",
        "A network reads frames and a state",
        """
        frames | (B, T, C, H, W)
        network | a torch module
        outputs | (B, T, C, H, W)

        state | from before
        network | a torch module
        state | to go on from
        """,
    ),
    Drawing(
        "api/frames.md",
        "api-frames.svg",
        "From a path to frames",
        """
        source | name, path, array
        Format | the row that knows it
        FrameSource
        FrameSequence | lazy
        read | (T, C, H, W)
        """,
    ),
    Drawing(
        "api/data.md",
        "api-data.svg",
        "From sequences to a network's tensor",
        """
        sequences
        split | train, validation, test
        normalise
        windows | past and future
        door | to the tensor
        """,
    ),
    Drawing(
        "api/training.md",
        "api-training.svg",
        "A training",
        """
        windows
        network
        loss
        weights | the best are kept
        run folder
        """,
    ),
    Drawing(
        "api/forecasting.md",
        "api-forecasting.svg",
        "Anything that continues a sequence is a forecaster",
        """
        past | (T, C, H, W)
        Forecaster | run or baseline
        Forecast | (K, C, H, W)
        members | probabilities, intervals
        """,
    ),
    Drawing(
        "api/verification.md",
        "api-verification.svg",
        "Forecasts are scored",
        """
        forecasts and truth
        additive sums | by lead time
        scores
        intervals | block bootstrap
        verdict | for each reference
        """,
    ),
    Drawing(
        "api/report.md",
        "api-report.svg",
        "Scores become tables, figures, and a page",
        """
        Verification
        tables | terminal, Markdown
        figures | curves, strips
        report.html | one file
        """,
    ),
    Drawing(
        "api/config.md",
        "api-config.svg",
        "Which option goes before which",
        """
        preset
        configuration file
        option | command or keyword
        run | config.yaml
        """,
    ),
    Drawing(
        "api/tables.md",
        "api-tables.svg",
        "A row serves everywhere",
        """
        row | a row of a table
        command | its options
        errors | what there is
        documentation | its lists

        entry point | of your package
        row | of the same kind
        """,
    ),
    Drawing(
        "contributing/format.md",
        "new-format.svg",
        "An input format is a row and a function",
        """
        file
        Format | knows, open
        FrameSequence | units, times, grid
        everything else | crop, training, scores
        """,
    ),
    Drawing(
        "contributing/writer.md",
        "new-writer.svg",
        "A writer is a row and a function",
        """
        Forecast
        Writer | suffix, write
        temporary file
        file | whole or not at all
        """,
    ),
    Drawing(
        "contributing/model.md",
        "new-model.svg",
        "A model is a network and a row",
        """
        Network | logits, rollout
        Architecture | name, home, options
        nextframe train NAME
        run folder
        """,
    ),
    Drawing(
        "contributing/metric.md",
        "new-metric.svg",
        "A metric is an equation and a row",
        """
        additive sums
        Metric | equation, unit
        score | by lead time
        tables, report
        """,
    ),
    Drawing(
        "contributing/baseline.md",
        "new-baseline.svg",
        "A baseline is a forecaster and a row",
        """
        Forecaster | predict(past, K)
        Baseline | name, needs
        --baselines NAME
        verdict | against it
        """,
    ),
    Drawing(
        "contributing/command.md",
        "new-command.svg",
        "A command is a function and a name",
        """
        function | typed arguments
        program.py | its name
        nextframe NAME
        api | does the work
        """,
    ),
)
"""Every page that explains, and has nothing to show."""
