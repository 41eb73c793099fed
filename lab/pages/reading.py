"""Write the tables of reading in docs/data.md.

    python -m lab reading-page

It reads what these commands wrote, which take an idle machine fifteen minutes, five and two, and 6 GB of its disk for a
while:

    python -m lab reading --out lab/results/reading.json
    python -m lab reading --frames 1000 --steps 3 --gigabytes 0 --only NPY,GRIB,RADOLAN,GeoTIFF,PNG,Zarr --out \
        lab/results/reading-operations.json
    python -m lab served-memory
"""

import json
from collections.abc import Sequence

from lab.options import parser
from lab.place import DOCS, RESULTS
from nextframe.files import write_text

PAGE = DOCS / "data.md"
TABLES = {
    "reading": "<!-- reading: written by python -m lab reading-page -->",
    "reading-operations": "<!-- reading-operations: written by python -m lab reading-page -->",
    "served-memory": "<!-- served-memory: written by python -m lab reading-page -->",
}
"""Results -> the mark after which their tables stand."""


def main(arguments: Sequence[str]) -> None:
    """Write them, with the options that follow the task's name."""
    parser("reading-page", __doc__ or "").parse_args(arguments)
    for name, start in TABLES.items():
        if not (RESULTS / f"{name}.json").is_file():  # not measured yet
            continue
        content = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        note = f"{content['machine']}, {content['date']}: `{content['command']}`."
        end = f"<!-- /{name} -->"
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(start)
        after = rest.partition(end)[2]
        write_text(PAGE, f"{before}{start}\n\n{content['markdown']}\n{note}\n\n{end}{after}")
        print(content["markdown"])
