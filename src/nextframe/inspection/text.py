"""Inspection as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nextframe.inspection.result import ChannelSummary, Inspection
from nextframe.words import printable

BARS = " ▁▂▃▄▅▆▇█"


def render(inspection: Inspection) -> RenderableType:
    """Show all that an inspection found on rich's console: contents, distribution, split, what to beat, problems."""
    blocks: list[RenderableType] = [Text(printable(inspection.name), style="bold"), _contents(inspection), Text()]
    blocks += [_distribution(inspection), Text(), _parts(inspection), Text()]
    if inspection.persistence:
        blocks += [_persistence(inspection), Text()]
    blocks.append(_problems(inspection.problems))
    if inspection.recipe:
        blocks += [Text(), *(Text(printable(f"{line[:1].upper()}{line[1:]}.")) for line in inspection.recipe)]
    return Group(*blocks)


def bars(counts: Sequence[int]) -> str:
    """A histogram in one line of text, one character a bin; heights grow with the square root, so that tails show.

    A bin that holds anything at all is never blank.
    """
    most = max(counts, default=0)
    heights = (0 if not n else max(1, round((n / most) ** 0.5 * (len(BARS) - 1))) for n in counts)
    return "".join(BARS[height] for height in heights)


def _contents(inspection: Inspection) -> Table:
    shortest, longest = inspection.lengths
    many = inspection.sequences > 1
    each = f" of {shortest if shortest == longest else f'{shortest} to {longest}'} frames" if many else ""
    looked = inspection.frames_looked_at
    rows = {
        "frames": f"{inspection.frames:,} in {inspection.sequences:,} {'sequences' if many else 'sequence'}{each}",
        "looked at": "all of them" if looked == inspection.frames else f"{looked:,}, in runs spread evenly",
        "size": f"{inspection.height} x {inspection.width} (height x width)",
        "channels": f"{', '.join(c.name for c in inspection.channels)}; {inspection.dtype}",
        "time step": inspection.time_step or "unknown: lead times are counted in frames",
    }
    if inspection.time_span:
        rows["time"] = " to ".join(inspection.time_span)
    if inspection.missing_share:
        rows["missing"] = f"{inspection.missing_share:.2%} of the values"
    if inspection.lost:
        rows["of no use"] = inspection.lost
    if inspection.damage:
        rows["damaged"] = inspection.damage
    if inspection.covariates:
        rows["beside"] = "\n".join(row.sentence for row in inspection.covariates)
    if inspection.foresight:
        rows["leak check"] = inspection.foresight
    if inspection.notes:
        rows["assumed"] = "\n".join(inspection.notes)
    return _table(rows)


def _distribution(inspection: Inspection) -> Table:
    rows = {}
    for channel in inspection.channels:
        unit = "" if channel.unit == "1" else f" {channel.unit}"
        rows[channel.name] = _channel(channel, unit)
    threshold = "none" if inspection.threshold is None else f"an event is a value of {inspection.threshold:g} or more"
    reason = f" ({inspection.normalisation_reason})" if inspection.normalisation_reason else ""
    rows["normalisation"] = f"{inspection.normalisation}{reason}"
    if inspection.normalised_histogram:
        rows["to the model"] = f"▕{bars(inspection.normalised_histogram)}▏"
    rows["threshold"] = threshold
    return _table(rows)


def _channel(channel: ChannelSummary, unit: str) -> str:
    if channel.low is None:
        return "no value"
    quantiles = ", ".join(f"{float(share):.0%} {value:.4g}" for share, value in channel.quantiles.items())
    return (
        f"{channel.low:.4g} ▕{bars(channel.histogram)}▏ {channel.high:.4g}{unit}\n"
        f"mean {channel.mean:.4g}, standard deviation {channel.deviation:.4g}; "
        f"{channel.dry_share:.1%} are {channel.dry:.4g}\n"
        f"quantiles: {quantiles}"
    )


def _parts(inspection: Inspection) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("part")
    windows = f"windows ({inspection.past} + {inspection.future})"
    for name in ("stretches", "frames", windows, "events", "seen before"):
        table.add_column(name, justify="right")
    for name, part in inspection.parts.items():
        events = "-" if part.event_share is None else f"{part.event_share:.2%}"
        before = f"{inspection.overlap[name]:.1%}" if name in inspection.overlap else "-"
        table.add_row(name, f"{part.sequences:,}", f"{part.frames:,}", f"{part.windows:,}", events, before)
    return table


def _persistence(inspection: Inspection) -> RenderableType:
    title = f"To beat: persistence on {inspection.persistence_windows} windows of the test part, by lead time in frames"
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("score")
    for lead in range(1, inspection.future + 1):
        table.add_column(str(lead), justify="right")
    for name, values in inspection.persistence.items():
        shown = (f"{v:.3g}" if v is not None else "-" for v in values)
        table.add_row(_label(name), *shown)
    return Group(Text(title), table)


def _label(metric: str) -> str:
    name, _, threshold = metric.partition("_")
    return f"{name.upper()} at {threshold}" if threshold else name.upper()


def _problems(problems: Sequence[str]) -> RenderableType:
    if not problems:
        return Text("No problem found.", style="green")
    table = Table.grid(padding=(0, 1))
    for number, problem in enumerate(problems, start=1):
        table.add_row(Text(f"{number}.", style="yellow"), Text(printable(problem)))
    heading = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}:"
    return Group(Text(heading, style="bold yellow"), table)


def _table(rows: dict[str, str]) -> Table:
    """Names and values side by side; as `Text`, since names like squares[3] are no markup."""
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(Text(printable(name), style="dim"), Text(printable(value)))
    return table
