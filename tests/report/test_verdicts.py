"""One verdict for each reference, and what the intervals are of, in words."""

import io
import math

import pytest
from rich.console import Console

from nextframe.api import print_table
from nextframe.report.verdicts import interval_sentence, skill_sentences, verdict_sentences
from nextframe.verification.result import Skill, Verdict, Verification, Word


def judged(word: Word, means: list[float], skill: list[float], **other: Word) -> Verification:
    verdict = Verdict(
        forecaster="model", reference="persistence", metric="mse", verdict=word, means=means, skill=skill, others=other
    )
    scores = {"model": {"mse": [means[0]]}, "persistence": {"mse": [means[1]]}}
    bounds = skill[:1], skill[1:2], skill[2:]
    return Verification(
        scores=scores,
        lead_time=[1.0],
        count=80,
        blocks=12.5,
        events=1,
        verdicts=[verdict],
        skill={"persistence": {"mse": Skill(score=bounds[0], low=bounds[1], high=bounds[2], mean=skill)}},
        intervals={"model": {"mse": [[means[0], means[0]]]}},
    )


@pytest.mark.parametrize(
    ("word", "means", "skill", "said"),
    [
        (
            "better",
            [68, 111],
            [1 - 68 / 111, 0.3, 0.5],
            "is better than persistence: MSE 68.000 against 111, skill +0.39",
        ),
        ("worse", [1887, 111], [-16, -20, -12], "is worse than persistence: MSE 1887 against 111, 17 times as large"),
        ("no real difference", [110, 111], [0.01, -0.1, 0.1], "shows no real difference from persistence"),
        ("not known", [68, 111], [0.39, math.nan, math.nan], "does better than persistence on these frames"),
        ("better", [2, 111], [1 - 2 / 111, 0.97, 0.99], "55 times smaller (95 % interval 33 to 100 times)"),
    ],
)
def test_a_verdict_is_a_sentence(word: Word, means: list[float], skill: list[float], said: str) -> None:
    (sentence,) = verdict_sentences(judged(word, means, skill))
    assert said in sentence
    assert ("too few independent forecasts" in sentence) is (word == "not known")


def test_a_score_that_says_otherwise_is_named() -> None:
    (sentence,) = verdict_sentences(judged("better", [68, 111], [0.39, 0.3, 0.5], csi_1="worse"))
    assert sentence.endswith("By CSI at 1 it is really worse.")


def test_the_console_leads_with_the_verdict_and_says_what_intervals_are_of() -> None:
    console = Console(file=io.StringIO(), width=200)
    print_table(judged("worse", [1887, 111], [-16, -20, -12]), console=console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("model is worse than persistence")
    assert any("of one event" in line and "not in others" in line for line in lines)


def test_a_skill_beyond_a_factor_of_ten_is_said_in_words() -> None:
    (sentence,) = skill_sentences(judged("worse", [1887, 111], [-16, -20, -12]), "mse")
    assert "17 times as large (95 % interval 13 to 21 times): really worse" in sentence
    assert "-16" not in sentence


def test_intervals_of_several_events_and_none() -> None:
    one = judged("better", [68, 111], [0.39, 0.3, 0.5])
    several = Verification(**{**vars(one), "events": 7})
    assert interval_sentence(several) == (
        "95 % intervals are of 80 forecasts of 7 events, worth 12.5 that share no frame to be forecast."
    )
    none = Verification(**{**vars(one), "intervals": {}, "blocks": 2.0})
    assert interval_sentence(none).startswith("No intervals: 80 forecasts of one event, worth 2 ")
    assert interval_sentence(Verification(**{**vars(one), "events": 0})) == ""
