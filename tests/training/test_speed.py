"""Speed of this machine: both paths in turn, and what was chosen stays chosen."""

import pytest

import nextframe.engine as engine
from nextframe.cli import main
from nextframe.training import speed
from nextframe.training.speed import FRAMES, Speed, measure, training_step


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the engine was on at each step; a step on it takes 1 s by the clock, one without it 4 s."""
    clock, done = [0.0], []

    def step() -> None:
        on_engine = engine.use(True)
        engine.use(on_engine)
        done.append(on_engine)
        clock[0] += 1.0 if on_engine else 4.0

    monkeypatch.setattr(speed, "training_step", lambda *_: step)
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(engine, "built", lambda: True)
    return done


def test_both_paths_take_turns(steps: list[bool]) -> None:
    (result,) = measure(["stacked"], seconds=0)
    assert steps == [True, False] * 2  # a round that does not count, and one that does
    assert result == Speed(model="stacked", plain=(4.0,), on_engine=(1.0,))
    assert str(result) == "1 s on the engine, 4 s without it: 4.0 times as fast (in 1 round)"


def test_there_are_more_rounds_where_there_is_time(steps: list[bool]) -> None:
    (result,) = measure(["stacked"], seconds=26)
    assert len(result.plain) == 5  # the warm-up has taken 5 of the seconds
    (result,) = measure(["stacked"], seconds=1000)
    assert len(result.plain) == speed.ROUNDS[1]


def test_without_the_engine_the_plain_path_stands_alone(steps: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "built", lambda: False)
    (result,) = measure(["stacked"], seconds=0)
    assert not any(steps)
    assert str(result) == "4 s, without the engine"


@pytest.mark.parametrize("chosen", [True, False])
def test_what_was_chosen_is_chosen_again(steps: list[bool], chosen: bool) -> None:
    before = engine.use(chosen)
    try:
        measure(["stacked"], seconds=0)
    finally:
        assert engine.use(before) == chosen


@pytest.mark.parametrize("model", FRAMES)
def test_a_step_trains(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZE", 8)
    training_step(model, movies=1)()


def test_the_command_shows_both_models(steps: list[bool], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--system", "--measure"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "stacked 1 s on the engine, 4 s without it: 4.0 times as fast" in shown
    assert "encoder-decoder 1 s on the engine" in shown


def test_the_command_says_that_there_is_no_engine(
    steps: list[bool], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "built", lambda: False)
    assert main(["inspect", "--system", "--measure"]) == 0
    assert "The native engine was not built here" in " ".join(capsys.readouterr().out.split())
