"""`python -m lab radar`: leave one radar network out, in turn, and say who wins where.

    python -m lab radar [--only NETWORK ...] [--minutes M] [--variant NAME] [--data FOLDER] [--limit N]
    python -m lab radar --page                 only writes docs/results/radar.md from lab/results/radar

For each network a model is trained on all the others and scored on this one's events, beside the baselines on the same
windows. What is done stays in lab/results/radar, so that a run that was stopped goes on. FOLDER holds the data, by
default ../shared/data.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.options import parser
from lab.place import ROOT
from lab.radar.measure import RUNS, leave_out, score_baselines, train
from lab.radar.networks import NETWORKS, network
from lab.radar.page import write_page

VARIANT = "general"


def main(arguments: Sequence[str]) -> None:
    """Train, score, and write the page."""
    options = parser("radar", __doc__)
    names = [row.name for row in NETWORKS]
    options.add_argument("--only", nargs="+", choices=names, default=names, help="networks to leave out, in turn")
    options.add_argument("--minutes", type=float, default=8.0, help="minutes of each training")
    options.add_argument("--variant", default=VARIANT, help="name that the results go by")
    options.add_argument("--limit", type=int, default=8, help="forecasts of each event, at most")
    options.add_argument("--data", default="../shared/data", help="folder that holds the data")
    options.add_argument("--whole", action="store_true", help="train on all that may be shipped, for `lab ship`")
    options.add_argument("--page", action="store_true", help="only write the page")
    given = options.parse_args(arguments)
    data = (ROOT / given.data).resolve()
    if given.whole:
        print(train(None, data, RUNS / "whole", minutes=given.minutes))
        return
    for row in () if given.page else map(network, given.only):
        if not row.paths(data):
            print(f"{row.name}: its data are not in {given.data}, and it is left out")
            continue
        score_baselines(row, data, limit=given.limit)
        leave_out(row, data, given.variant, minutes=given.minutes, limit=given.limit)
    write_page(given.variant)
