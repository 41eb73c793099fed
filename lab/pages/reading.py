"""Write the tables of reading in docs/data.md.

    python -m lab reading-page

It reads what this command wrote, which takes an idle machine fifteen minutes, and 6 GB of its disk for a while:

    python -m lab reading --out lab/results/reading.json
"""

import json
from collections.abc import Sequence

from lab.options import parser
from lab.place import DOCS, RESULTS
from nextframe.files import write_text

RESULT = RESULTS / "reading.json"
PAGE = DOCS / "data.md"
START, END = "<!-- reading: written by python -m lab reading-page -->", "<!-- /reading -->"


def main(arguments: Sequence[str]) -> None:
    parser("reading-page", __doc__).parse_args(arguments)
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    note = f"{content['machine']}, {content['date']}: `{content['command']}`."
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    write_text(PAGE, f"{before}{START}\n\n{content['markdown']}\n{note}\n\n{END}{after}")
    print(content["markdown"])
