"""Items and their order, as a torch model gets them."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from nextframe.data.loading import SeededSampler, WindowDataset, note_damage
from nextframe.data.normalise import Normaliser, fit_normaliser
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.errors import DataError
from nextframe.frames.damage import Damage
from nextframe.frames.formats.gridded import open_gridded
from nextframe.frames.readers import tolerate
from nextframe.frames.sequence import FrameSequence


def holes() -> FrameSequence:
    values = np.random.default_rng(0).uniform(10, 20, (12, 2, 3, 5)).astype(np.float32)
    values[4, 1, :, 2] = np.nan
    values[9] = np.nan
    return FrameSequence(values=values, name="holes.nc", missing="mask")


def test_items_are_normalised_and_masked() -> None:
    spans = [Span(holes(), 0, 12)]
    windows, normaliser = cut_windows(spans, past=3, future=2), fit_normaliser(spans)
    dataset = WindowDataset(windows, normaliser)
    assert len(dataset) == len(windows) == 8
    for index, window in enumerate(windows):
        item = dataset[index]
        assert set(item) == {"past", "past_valid", "future", "future_valid"}
        for name, source in zip(("past", "future"), window.read(), strict=True):
            frames, valid = item[name], item[f"{name}_valid"]
            assert (frames.dtype, valid.dtype) == (torch.float32, torch.bool)
            np.testing.assert_array_equal(valid, np.isfinite(source))
            np.testing.assert_array_equal(frames[~valid], 0)
            restored = normaliser.invert(frames)
            np.testing.assert_allclose(restored[valid], source[np.isfinite(source)], rtol=1e-6)


def test_reading_does_not_touch_the_source_nor_need_to_write_to_it() -> None:
    values = np.random.default_rng(0).random((8, 1, 4, 4)).astype(np.float32)
    values[2, 0, 0, 0] = np.nan
    before = values.copy()
    values.setflags(write=False)
    sequence = FrameSequence(values=values, name="frozen.npy", missing="mask")
    identity = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))
    item = WindowDataset(cut_windows([Span(sequence, 0, 8)], past=4, future=4), identity)[0]
    item["past"].fill_(7)
    np.testing.assert_array_equal(values, before)


def test_undeclared_nan_is_loud() -> None:
    values = np.zeros((8, 1, 4, 4), np.float32)
    values[5, 0, 1, 1] = np.nan
    sequence = FrameSequence(values=values, name="film.npy")
    identity = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))
    dataset = WindowDataset(cut_windows([Span(sequence, 0, 8)], past=2, future=2), identity)
    assert dataset[0]["future_valid"].all()
    with pytest.raises(DataError, match=r"film\.npy: frame 5 holds NaN"):
        dataset[3]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_whoever_reads(workers: int) -> None:
    spans = [Span(holes(), 0, 12)]
    dataset = WindowDataset(cut_windows(spans, past=3, future=2), fit_normaliser(spans))
    batches = list(DataLoader(dataset, batch_size=3, num_workers=workers, sampler=SeededSampler(len(dataset), 5)))
    assert [len(batch["past"]) for batch in batches] == [3, 3, 2]
    order = list(SeededSampler(len(dataset), 5))
    for name in ("past", "past_valid", "future", "future_valid"):
        loaded = torch.cat([batch[name] for batch in batches])
        torch.testing.assert_close(loaded, torch.stack([dataset[i][name] for i in order]), rtol=0, atol=0)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.slow
def test_a_file_cut_in_the_middle_of_an_epoch_counts_nowhere_and_is_named(tmp_path: Path, workers: int) -> None:
    values = np.random.default_rng(0).random((4, 60, 70)).astype(np.float32) + 1
    for n in range(3):
        times = np.datetime64("2020-01-01", "ns") + np.arange(4 * n, 4 * n + 4) * np.timedelta64(1, "h")
        axes = {"time": times, "y": np.arange(60.0), "x": np.arange(70.0)}
        path = tmp_path / f"{n}.nc"
        xr.Dataset({"rain": (("time", "y", "x"), values)}, axes).to_netcdf(path, engine="h5netcdf")
    damage = Damage()
    sequence = tolerate(open_gridded("archive", [tmp_path / f"{n}.nc" for n in range(3)]), damage)
    identity = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))
    dataset = WindowDataset(cut_windows([Span(sequence, 0, 12)], past=2, future=1), identity)
    loader = DataLoader(dataset, batch_size=1, num_workers=workers, prefetch_factor=1 if workers else None)
    seen = []
    for n, item in enumerate(loader):
        seen.append(torch.cat([item["past_valid"], item["future_valid"]], dim=1)[0].all(dim=(1, 2, 3)).tolist())
        if n == 0:
            with (tmp_path / "2.nc").open("r+b") as file:
                file.truncate(20_000)
    note_damage(dataset)
    assert seen[:6] == [[True] * 3] * 6
    assert seen[6:] == [[True, True, False], [True, False, False], [False] * 3, [False] * 3]
    assert dataset.damaged.tolist() == [False] * 6 + [True] * 4
    assert sorted(damage.frames) == [("archive", n) for n in range(8, 12)]
    assert "2.nc" in damage.sentence


@given(length=st.integers(0, 200), seed=st.integers(0, 2**32), epoch=st.integers(0, 10_000))
def test_the_order_is_a_function_of_seed_and_epoch(length: int, seed: int, epoch: int) -> None:
    sampler, other = SeededSampler(length, seed), SeededSampler(length, seed)
    sampler.set_epoch(epoch)
    first = list(sampler)
    list(other)  # what came before does not matter
    other.set_epoch(epoch)
    assert first == list(sampler) == list(other)
    assert sorted(first) == list(range(length))
    assert len(sampler) == length


def test_epochs_and_seeds_differ_in_order() -> None:
    orders = set()
    for seed in (0, 1):
        for epoch in (0, 1):
            sampler = SeededSampler(50, seed)
            sampler.set_epoch(epoch)
            orders.add(tuple(sampler))
    assert len(orders) == 4
