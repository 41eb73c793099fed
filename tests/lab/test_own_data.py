"""The page of clips and events that one brings: what its tables say of a run."""

from dataclasses import replace

import pytest

from lab.studies import own_data
from nextframe.runs.manifest import Manifest
from nextframe.training.start import read_start


@pytest.fixture
def manifest() -> Manifest:
    return read_start("video")


def test_the_weights_that_were_kept_are_named(manifest: Manifest) -> None:
    tuned = replace(manifest, config=manifest.config.replace({"from_": "video"}))
    begun = [replace(each, epoch=0) for each in (manifest, tuned)]
    assert [own_data._kept(each) for each in begun] == ["untrained", "video untuned"]
    assert own_data._kept(replace(tuned, epoch=3)) == "round 3"


def test_the_share_is_of_the_best_reference_at_each_lead_time() -> None:
    mse = {"model": [9.0, 10.0], "persistence": [10.0, 40.0], "extrapolation": [12.0, 20.0], "anvil": [1.0, None]}
    assert own_data.against({"mse": mse}) == ("extrapolation", [0.9, 0.5])


def test_announced_times_are_read() -> None:
    assert own_data._seconds("1 h 2 min 3 s") == 3723
    assert own_data._seconds("4 min") == 240
