"""How fast archives are read; `python benchmarks/reading.py` writes the tables of docs/data.md from what this wrote:

    nextframe benchmark reading --out benchmarks/results/reading.json

Run that on an idle machine. It takes about fifteen minutes, and 6 GB of the disk for a while.
"""

import json
from pathlib import Path

from nextframe.files import write_text

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "reading.json"
PAGE = ROOT / "docs" / "data.md"
START, END = "<!-- reading: written by benchmarks/reading.py -->", "<!-- /reading -->"


def main() -> None:
    """Run from the command line."""
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    note = f"{content['machine']}, {content['date']}: `{content['command']}`."
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    write_text(PAGE, f"{before}{START}\n\n{content['markdown']}\n{note}\n\n{END}{after}")
    print(content["markdown"])


if __name__ == "__main__":
    main()
