"""`Format`: a row of the table of input formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nextframe.frames.zipped import is_zipped

if TYPE_CHECKING:  # the table is part of the command line's help, which loads no library
    from nextframe.config import Reading
    from nextframe.frames.damage import Damage
    from nextframe.frames.sequence import FrameSequence

Open = Callable[[str, Sequence[Path], "Reading", "Damage | None"], "tuple[FrameSequence, ...]"]
"""From the name of the whole, its files, how to read them and where to note damaged ones, to sequences. Nothing but
headers is read. What every format shares (crop, grey, rain unit, coarsening, what NaN means) is not its business."""


Fact = Literal["time", "units", "missing", "projection", "accumulation"]
"""What a format may say of its values."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of files that frames are read from."""

    name: str
    """Name in messages and documentation: "NetCDF"."""
    suffixes: tuple[str, ...]
    """Suffixes of its files, in lower case."""
    open: Open
    """Opens files of this kind; the table's own rows import it when it is first called (`plugins.Late`)."""
    knows: Callable[[Path], bool] | None = None
    """Test of a path for this kind, where suffixes do not tell; it is asked before any suffix is looked at."""
    holds: Callable[[Path], bool] | None = None
    """Test of what is in a file of such a name, asked where another row, or a plugin of pysteps, could read it, too."""
    together: bool = False
    """True where the files of a folder are handed to `open` at once, each a step or a stretch of one sequence."""
    takes: frozenset[str] = frozenset()
    """Options of `Reading` that only some formats have and this one has: "variable", "axes"."""
    extra: str | None = None
    """Extra of the package that installs its library, where that is none of the package's own."""
    about: str = ""
    """What it is read as, in a clause."""
    library: str = ""
    """Library that reads it."""
    carries: tuple[Fact, ...] = ()
    """Facts that are read of it beside the values."""
    zipped: bool = False
    """True where its files may be zipped one by one, which a further suffix tells: ".grib2.gz"."""
    tests: str | tuple[str, ...] = ()
    """Files of the repository that compare what is read with what another library decodes, or with what was written."""

    @property
    def test_files(self) -> tuple[str, ...]:
        """Files of the repository that test it; rows of other packages may name one as a text."""
        return tuple(filter(None, (self.tests,))) if isinstance(self.tests, str) else self.tests

    def matches(self, path: Path) -> bool:
        """True where a path is of this kind."""
        if self.knows is not None:
            return self.knows(path)
        plain = path.with_suffix("") if self.zipped and is_zipped(path) else path
        return plain.suffix.lower() in self.suffixes
