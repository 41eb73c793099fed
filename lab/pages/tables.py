"""Write the documentation's lists from the tables of the code, its examples from the package that the tests use, and
the module of typed options from the configuration.

    python -m lab pages [--check] [--pictures [FILE ...]]

`--check` writes nothing, and fails where a page is not what the code says; a test does the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from operator import attrgetter
from pathlib import Path
from textwrap import wrap
from typing import Any, get_args

from lab.options import parser
from lab.pages.marked import fill
from lab.pages.options import OPTIONS as OPTIONS_MODULE
from lab.pages.options import options_module
from lab.pages.pictures import PICTURES, make_pictures, pictured
from lab.place import DOCS, ROOT
from lab.studies import any_clip, own_data, runtime_tables, startup
from nextframe.architectures import OPTIONS, architectures
from nextframe.cli.face import on_command_line
from nextframe.exports.formats import FORMATS as EXPORT_FORMATS
from nextframe.files import write_text
from nextframe.forecasting.baselines import baselines
from nextframe.frames.format import Fact, Format
from nextframe.frames.formats import formats
from nextframe.frames.generated import GENERATED
from nextframe.outputs.asked import OPTION
from nextframe.outputs.writers import writers
from nextframe.training.recipe import RECIPES
from nextframe.verification.metrics import metrics
from nextframe.verification.protocols import PROTOCOLS
from nextframe.words import joined

EXTENSION = ROOT / "tests" / "extension"
"""The package that adds a row to each table; the pages for contributors show its files."""


@dataclass(frozen=True)
class Section:
    """A part of a page that is written from the code."""

    page: Path
    """The page."""
    name: str
    """What its marks are called."""
    content: Callable[[], str]
    """What stands between them."""


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what would end a cell is escaped."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [titles, ["---"] * len(titles), *cells]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def code(names: Iterable[str]) -> str:
    """Names as code, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)


def options_of(names: Iterable[str]) -> str:
    """Fields as the command line calls them."""
    return code(on_command_line(name) for name in names)


def equation(text: str) -> str:
    """An equation as code; one with words or sources beside it as text."""
    if "," in text or "doi" in text or ";" in text:
        return re.sub(r"([*_<>])", r"\\\1", text)
    return f"`{text}`"


def _read_by(row: Format) -> str:
    """The library that reads a format, and its extra."""
    name, extra = attrgetter("library", "extra")(row)
    return f"{name} (extra `{extra}`)" if extra else str(name)


def formats_table() -> str:
    """Input formats: files, options that they alone take, library, facts that they carry, tests of what is read."""
    facts = get_args(Fact)
    rows = (
        (
            row.name,
            code(row.suffixes) + (", `.gz`, `.bz2`" if row.zipped else ""),
            options_of(sorted(row.takes)),
            _read_by(row),
            *("yes" if fact in row.carries else "" for fact in facts),
            code(row.test_files),
        )
        for row in formats()
    )
    return markdown(("format", "files", "options of its own", "read by", *facts, "tests"), rows)


def sources_table() -> str:
    """Sources: what is drawn, by name and options, then files by format, and what each is read as."""
    classes: dict[str, Any] = {name: source.load() for name, source in GENERATED.items()}
    drawn = (
        (
            f"`{name}:" + ",".join(f"{field.name}={field.default}" for field in fields(kind)) + "`",
            f"{kind.__doc__.partition(';')[0].lower()}, drawn as they are read",
        )
        for name, kind in classes.items()
    )
    read = ((f"{row.name}: {code(row.suffixes)}", row.about) for row in formats())
    return markdown(("source", "read as"), (*drawn, *read))


def reads_and_writes() -> str:
    """README's paragraph of formats: what is read, drawn and written."""
    text = (
        f"Input formats are {joined([row.name for row in formats()])}, read lazily, from files and folders (Zarr "
        f"from servers, too), with units, times and missing values ([formats](docs/data.md)); {code(GENERATED)} are "
        f"drawn. Output formats are {joined([row.name for row in writers()])} "
        "([outputs](docs/command-line.md#forecast)), with probabilities, quantiles and intervals where asked for "
        "([uncertainty](docs/uncertainty.md)):"
    )
    return "\n" + "\n".join(wrap(text, 120, break_on_hyphens=False, break_long_words=False)) + "\n\n"


def baseline_names() -> str:
    """Names of the baselines, for README's row."""
    return code(row.name for row in baselines())


def architectures_table() -> str:
    """Architectures: what they are, filters, options."""
    rows = (
        (
            f"`{row.name}`",
            row.title,
            ", ".join(map(str, row.filters)),
            code(option for option in OPTIONS if option in row.takes),
        )
        for row in architectures()
    )
    return markdown(("`nextframe train`", "what it is", "filters", "takes"), rows)


def baselines_table() -> str:
    """Baselines: what they are, what they need."""
    wants = {"training": "the training part", "rain": "values that are never negative"}
    rows = (
        (
            f"`{row.name}`",
            row.title,
            ", ".join([*(wants[need] for need in sorted(row.needs)), *([f"extra `{row.extra}`"] if row.extra else [])]),
        )
        for row in baselines()
    )
    return markdown(("`--baselines`", "the forecast", "needs"), rows)


def metrics_table() -> str:
    """Metrics: equation, which values are better, unit."""
    rows = (
        (
            f"`{row.name}`",
            row.title,
            equation(row.equation),
            row.better if isinstance(row.better, str) else f"{row.better:g}",
            "" if row.unit == "1" else row.unit.replace("{}", "source's"),
        )
        for row in metrics()
    )
    return markdown(("score", "", "equation", "better", "unit"), rows)


def protocols_table() -> str:
    """Published protocols: data sets with their thresholds, pooling, tables, scores, source, what differs."""
    rows = []
    for row in PROTOCOLS:
        for data in row.sets:
            name = row.name if data is row.sets[0] else f"{row.name}:{data.name}"
            pools = [f"{pool.title or 'none'}: {_TABLES[pool.tables]}" for pool in row.pools]
            edges = "; blocks that the edge cuts count" if any(pool.keeps_edges for pool in row.pools) else ""
            windows = f"{data.past} + {data.future}" + (f" every {data.stride}" if data.stride else "")
            rows.append(
                (
                    f"`{name}`",
                    data.title + (f"; {data.size}" if data.size else ""),
                    f"{row.event} " + ", ".join(f"{threshold:g}" for threshold in data.thresholds)
                    if data.thresholds
                    else "",
                    "; ".join(pools) + edges,
                    windows if data.past else "",
                )
            )
    first = markdown(("`--protocol`", "made for", "events", "pooling: contingency tables", "windows"), rows)
    second = markdown(
        ("protocol", "scores of events", "scores of frames", "source", "what differs here"),
        (
            (
                f"`{row.name}`",
                code(row.events),
                "; ".join(f"{score.label}: {score.equation}" for score in row.frames).replace("*", "\\*")
                + ("" if row.scaled else "; in the data set's unit"),
                row.source,
                "; ".join(row.notes),
            )
            for row in PROTOCOLS
        ),
    )
    return f"{first}{second.lstrip()}"


_TABLES = {"one": "one for all lead times", "by lead time": "one by lead time, scores averaged, 0 where no event is"}


def writers_table() -> str:
    """Output formats: suffix, what such a file shows, what is written beside the forecast where it is asked for."""
    rows = (
        (
            code(row.suffixes),
            row.name + (f" (extra `{row.extra}`)" if row.extra else ""),
            row.about,
            options_of(option for part, option in OPTION.items() if part in row.holds),
        )
        for row in writers()
    )
    return markdown(("suffix of `--out`", "format", "what is written", "takes"), rows)


def export_formats_table() -> str:
    """Formats of exported models: suffix, what it is, libraries, extra."""
    rows = (
        (
            f"`{row.suffix}`" if row.suffix else "a folder",
            row.title,
            ", ".join(row.needs),
            ", ".join(f"`{extra}`" for extra in row.extra.split(",")),
        )
        for row in EXPORT_FORMATS
    )
    return markdown(("`--out`", "what it is", "needs", "extra"), rows)


def _shown(file: str, language: str = "py") -> Callable[[], str]:
    """A file of the extension as a block of code."""
    return lambda: f"\n```{language}\n{(EXTENSION / file).read_text(encoding='utf-8').rstrip()}\n```\n\n"


def recipes_table() -> str:
    """What is chosen for frames of each kind."""
    rows = []
    for recipe in RECIPES:
        options = [f"`{name}={value}`" for name, value in recipe.options.items()]
        begun = f"those of `{recipe.start}`" if recipe.start else "" if options else "the default preset"
        rows.append((recipe.title.rstrip(","), ", ".join(options if not begun else [begun, *options])))
    return markdown(("frames and recipe", "options"), rows)


SECTIONS = (
    Section(ROOT / "README.md", "formats", reads_and_writes),
    Section(ROOT / "README.md", "baselines", baseline_names),
    Section(DOCS / "data.md", "sources", sources_table),
    Section(DOCS / "data.md", "formats", formats_table),
    Section(DOCS / "command-line.md", "writers", writers_table),
    Section(DOCS / "command-line.md", "startup", startup.section),
    Section(DOCS / "taking-a-model-elsewhere.md", "export-formats", export_formats_table),
    Section(DOCS / "how-it-works.md", "architectures", architectures_table),
    Section(DOCS / "verification.md", "metrics", metrics_table),
    Section(DOCS / "verification.md", "baselines", baselines_table),
    Section(DOCS / "verification.md", "protocols", protocols_table),
    Section(DOCS / "your-own-data.md", "recipes", recipes_table),
    Section(DOCS / "your-own-data.md", "any-clip", any_clip.tables),
    Section(DOCS / "your-own-data.md", "own-data", own_data.tables),
    Section(DOCS / "results" / "runtimes.md", "runtimes", runtime_tables.section),
    Section(DOCS / "results" / "runtimes.md", "parity", partial(runtime_tables.section, "parity")),
    Section(DOCS / "results" / "runtimes.md", "exports", partial(runtime_tables.section, "exports")),
    *(
        Section(DOCS / "contributing" / f"{name}.md", mark, _shown(file.format(name)))
        for name in ("format", "writer", "model", "metric", "baseline")
        for mark, file in (("code", "tiny/{}.py"), ("test", "test_{}.py"))
    ),
)


def written(page: Path) -> str:
    """A page as the code says it is to be."""
    text = page.read_text(encoding="utf-8")
    for section in SECTIONS:
        if section.page == page:
            assert f"<!-- {section.name}: " in text, f"{page} has no marks for {section.name}"
            text = fill(text, section.name, section.content())
    return pictured(text, page)


def pages() -> list[Path]:
    """Pages that have parts, or a picture, from here."""
    return list(dict.fromkeys([*(section.page for section in SECTIONS), *(DOCS / row.page for row in PICTURES)]))


def texts() -> Iterator[tuple[Path, str]]:
    """Files that are written from the code, pages and a module, and what they are to hold."""
    for page in pages():
        yield page, written(page)
    yield OPTIONS_MODULE, options_module()


def main(arguments: Sequence[str]) -> None:
    options = parser("pages", __doc__)
    options.add_argument("--check", action="store_true", help="write nothing; fail where a page would change")
    options.add_argument("--pictures", nargs="*", metavar="FILE", help="make these pictures anew, too; by default all")
    given = options.parse_args(arguments)
    if given.pictures is not None:
        make_pictures(given.pictures)
    for page, text in texts():
        if page.is_file() and text == page.read_text(encoding="utf-8"):
            continue
        if given.check:
            options.error(f"{page.relative_to(ROOT)} is not what the code says; run python -m lab pages")
        write_text(page, text)
        print(f"wrote {page.relative_to(ROOT)}")
