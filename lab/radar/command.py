"""`python -m lab radar`: leave radar networks out of a training, and say who wins where on them.

    python -m lab radar [--only NETWORK ...] [--minutes M] [--data FOLDER] [--limit N]
    python -m lab radar --variant NAME --with OPTION=VALUE ...     other trainings, which the pages do not show
    python -m lab radar --halves               two trainings in place of eight
    python -m lab radar --page                 only writes the pages from lab/results/radar

The pages are docs/results/radar.md and docs/for-forecasters.md.

For each network a model is trained on all the others and scored on this one's events, beside the baselines on the same
windows. With `--halves`, a model is trained on the networks whose data allow to ship weights, and scored on the others;
and the other way round: each has seen half as many radars, and the first of them is the shipped one. What is done stays
in lab/results/radar, so that a run that was stopped goes on. FOLDER holds the data, by default ../shared/data.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.options import parser
from lab.place import ROOT
from lab.radar.example import save_example
from lab.radar.measure import leave_out, score_baselines
from lab.radar.networks import NETWORKS, network
from lab.radar.page import write_page

VARIANT = "general"


def main(arguments: Sequence[str]) -> None:
    """Train, score, and write the page."""
    options = parser("radar", __doc__)
    names = [row.name for row in NETWORKS]
    options.add_argument("--only", nargs="+", choices=names, default=names, help="networks to leave out")
    options.add_argument("--halves", action="store_true", help="leave half of the networks out at once")
    options.add_argument("--minutes", type=float, default=8.0, help="minutes of each training")
    options.add_argument("--variant", default=VARIANT, help="name that the results go by")
    options.add_argument("--with", nargs="+", default=[], dest="other", metavar="OPTION=VALUE", help="of each training")
    options.add_argument("--limit", type=int, default=8, help="forecasts of each event, at most")
    options.add_argument("--data", default="../shared/data", help="folder that holds the data")
    options.add_argument("--page", action="store_true", help="only write the page")
    given = options.parse_args(arguments)
    data = (ROOT / given.data).resolve()
    there = [row for row in map(network, given.only) if row.paths(data)]
    for name in sorted(set(given.only) - {row.name for row in there}) if not given.page else ():
        print(f"{name}: its data are not in {given.data}, and it is left out")
    groups = [[row] for row in there]
    if given.halves:  # the shipped model's first
        groups = [[row for row in there if not row.shippable], [row for row in there if row.shippable]]
    for rows in () if given.page else filter(None, groups):
        for row in rows:
            score_baselines(row, data, limit=given.limit)
        first = given.halves and not any(row.shippable for row in rows)
        leave_out(rows, data, given.variant, minutes=given.minutes, limit=given.limit, tested=first, other=given.other)
    if given.variant == VARIANT:
        save_example(given.variant, data)
        write_page(given.variant)
