"""`nextframe watch`."""

from __future__ import annotations

from collections.abc import Collection
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, TypedDict, Unpack, get_args, get_origin, get_type_hints

from cyclopts import Group, Parameter
from docstring_parser import parse_from_object

from nextframe.cli.forecast import AREAS, COVERAGE, MEMBERS, POINTS, QUANTILES
from nextframe.cli.options import COVARIATES, FUTURE_COVARIATES, NAMES, NUMBERS, reading_options
from nextframe.outputs.writers import suffixes
from nextframe.words import joined

FORMAT = Parameter(
    name="--format",
    help=f"Formats of the products, separated by commas: {joined([s[1:] for s in suffixes()], 'and')}. [default: nc]",
    show_default=False,
)
ONCE = Parameter(negative=())


def watch(
    run: str,
    /,
    *,
    source: Annotated[str, Parameter(name="--input")],
    out: Path = Path("products"),
    formats: Annotated[tuple[str, ...], NAMES, FORMAT] = ("nc",),
    lead_times: int | None = None,
    covariates: Annotated[list[str] | None, COVARIATES] = None,
    future_covariates: Annotated[list[str] | None, FUTURE_COVARIATES] = None,
    once: Annotated[bool, ONCE] = False,
    keep: str | None = None,
    drift: str = "6h",
    thresholds: Annotated[tuple[float, ...], NUMBERS, Parameter(show_default=False)] = (),
    exceed: Annotated[tuple[float, ...], NUMBERS, Parameter(show_default=False)] = (),
    coverage: Annotated[float | None, COVERAGE] = None,
    quantiles: Annotated[tuple[float, ...], NUMBERS, QUANTILES, Parameter(show_default=False)] = (),
    members: Annotated[bool, MEMBERS] = False,
    points: Annotated[Path | None, POINTS] = None,
    areas: Annotated[Path | None, AREAS] = None,
    **options: Any,
) -> None:
    """Follow a folder: a forecast for each frame that comes, named by its time, and scores of earlier ones.

    A product starts from the last frames up to its time, as many as the model was trained with; where they are not all
    there, or the model cannot take them, extrapolation or persistence stands in, and the product says so. What is there
    already is caught up with; whatever a late file changes is made again. The scores of what was issued, beside
    persistence and extrapolation, are in OUT/.nextframe/skill.json.

    Args:
        run: Run folder of the model, or the name of a shipped one (`nextframe inspect --models`).
        source: Files to follow: a folder, or a pattern such as 'incoming/*.h5', in quotation marks.
        out: Folder of the products: 20160711T210000Z.nc, ...
        formats: Formats of the products.
        lead_times: Number of frames to forecast; by default as many as the run was trained for.
        covariates: Covariates of these frames.
        future_covariates: Covariates that are known for the future.
        once: Make what is due from the files that are there, and end.
        keep: Remove products older than this, for example 7d or 48h; by default they stay.
        drift: Say it when the model has been behind extrapolation for so long.
        thresholds: Thresholds of the scores, in source units; by default that of the training.
        exceed: Give the probability of at least so much, too.
        coverage: Write the bounds of the central interval of so much probability.
        quantiles: Write these quantiles.
        members: Write the members.
        points: Write the forecast of these places.
        areas: Write the forecast of these areas.
        options: How to read the frames; by default as the run did.
    """
    from nextframe.cli.ending import until_terminated
    from nextframe.forecasting.load import load_run
    from nextframe.malloc import return_freed_memory
    from nextframe.service.following import following
    from nextframe.words import count

    follow = following(
        source,
        out=out,
        formats=formats,
        lead_times=lead_times,
        covariates=covariates,
        future_covariates=future_covariates,
        keep=keep,
        drift=drift,
        thresholds=thresholds,
        exceed=exceed,
        coverage=coverage,
        quantiles=quantiles,
        members=members,
        points=points,
        areas=areas,
        **options,
    )
    return_freed_memory()
    follower = follow(load_run(run), tell=lambda sentence: print(sentence, flush=True))
    products = 0
    with until_terminated() as stop:
        for product in follower.run(once=once, stop=stop):
            products += 1
            names = joined([path.name for path in product.files])
            print(f"{names}: from {count(product.frames, 'frame')}, in {product.seconds:.2f} s", flush=True)
    if once:
        print(f"{count(products, 'product')} made in {out}")


def following_options(leave_out: Collection[str]) -> Any:
    """Options of `watch` and of how to read, as a `TypedDict` for a command that follows a folder, too: none of them
    required, and absent where it is not given.

    Args:
        leave_out: parameters of `watch` that are no options there.
    """
    group = Group("A folder that is followed", sort_key=5)
    descriptions = {param.arg_name: param.description or "" for param in parse_from_object(watch).params}
    types = get_type_hints(watch, include_extras=True)
    options: dict[str, Any] = {}
    for name, parameter in signature(watch).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and name not in leave_out:
            said = " ".join(descriptions[name].split())
            if isinstance(parameter.default, (str, Path)):
                said += f" [default: {parameter.default}]"
            # What the option says of itself stands after this, and so takes its place.
            base, *own = get_args(types[name]) if get_origin(types[name]) is Annotated else (types[name],)
            options[name] = Annotated[base, Parameter(help=said, group=group), *own]
    options |= get_type_hints(reading_options(), include_extras=True)
    return TypedDict("Following", options, total=False)  # type: ignore[operator]


FOLLOWING = following_options(("source", "once", "covariates", "future_covariates"))
"""Options of a folder that the service follows, whose models read no covariates."""
watch.__annotations__["options"] = Unpack[reading_options()]
