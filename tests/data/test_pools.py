"""Local shuffling: each window once, mixed, reproducible, and each frame decoded about once an epoch."""

import pickle
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch.utils.data import DataLoader

from nextframe.data.importance import ImportanceSampler
from nextframe.data.loading import RoundSampler, SeededSampler, WindowDataset
from nextframe.data.mixed import Epochs
from nextframe.data.normalise import Normaliser
from nextframe.data.pools import FEWEST, Pools, pools_of
from nextframe.data.split import Span
from nextframe.data.windows import Windows
from nextframe.errors import DataError
from nextframe.frames.cache import at_random, cached
from nextframe.frames.readers import Cropped
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source

IDENTITY = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))
FRAME = 4 * 6 * 6


@dataclass
class Decoded:
    """Frames of 6 x 6 float32 that hold their number, and a count of how often each was decoded."""

    frames: int
    size: int = 6
    damaged: int | None = None
    count: Counter[int] = field(default_factory=Counter)
    calls: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.frames, 1, self.size, self.size

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> np.ndarray:
        numbers = np.arange(*frames.indices(self.frames))
        if self.damaged in numbers:
            raise DataError("is damaged", where=self.damaged)
        self.count.update(numbers.tolist())
        self.calls += 1
        return numbers.astype(np.float32)[:, None, None, None] * np.ones(self.shape[1:], np.float32)


def archive(*readers: Any, kept: int = 400, past: int = 6, future: int = 4, stride: int = 1) -> Windows:
    """Windows of sequences of which so many frames are kept."""
    sequences = cached([FrameSequence(values=r, name=f"s{n}") for n, r in enumerate(readers)], kept * FRAME)
    return Windows([Span(s, 0, len(s)) for s in sequences], past=past, future=future, stride=stride)


def pools_for(windows: Windows, **options: Any) -> Pools:
    pools = pools_of(windows, len(windows), **{"batch": 8, **options})
    assert pools is not None
    return pools


def sampler_for(windows: Windows, pools: Pools | None, **options: Any) -> SeededSampler:
    sampler = SeededSampler(len(windows), 3, **options)
    sampler.pools = pools
    return sampler


def read_by(windows: Windows, pools: Pools | None, order: Any) -> None:
    """Read windows, as `WindowDataset` does, which takes longer."""
    for n in order:
        if pools is not None:
            pools.bring(n)
        window = windows[n]
        assert window.sequence.read(window.start, window.stop)[0, 0, 0, 0] == window.start


def test_each_window_comes_once_whatever_shares_them() -> None:
    windows = archive(Decoded(3000), Decoded(50), np.zeros((40, 1, 6, 6), np.float32), Decoded(700))
    for processes, workers in ((1, 0), (1, 3), (2, 0), (2, 2), (3, 1)):
        pools = pools_for(windows, processes=processes, workers=workers)
        for epoch in range(2):
            drawn = []
            for rank in range(processes):
                sampler = sampler_for(windows, pools, share=(rank, processes))
                sampler.set_epoch(epoch)
                drawn.append(list(sampler))
                assert len(drawn[-1]) == len(sampler)
            everything = sorted(n for part in drawn for n in part)
            assert len(set(everything)) == len(everything) == len(windows) // processes * processes


@pytest.mark.slow
def test_each_frame_is_decoded_about_once_an_epoch() -> None:
    at_large, local = Decoded(2500), Decoded(2500)
    windows = archive(at_large)
    read_by(windows, None, SeededSampler(len(windows), 3))
    windows = archive(local)
    pools = pools_for(windows)
    read_by(windows, pools, sampler_for(windows, pools))
    assert set(local.count) == set(range(2500))
    assert local.count.total() < 1.7 * 2500 < at_large.count.total() / 4
    assert max(local.count.values()) <= 2  # where blocks overlap
    assert local.calls < at_large.calls / 10  # block by block


def test_a_data_set_reads_by_the_blocks_of_its_pools() -> None:
    reader = Decoded(1000)
    windows = archive(reader, kept=300)
    pools = pools_for(windows)
    data = WindowDataset(windows, IDENTITY, pools=pools)
    assert data[500]["past"][:, 0, 0, 0].tolist() == list(range(500, 506))
    block = pools.block[500]
    assert sorted(reader.count) == list(range(pools.starts[block], pools.stops[block]))
    assert reader.calls == 1


def test_a_worker_process_keeps_frames_of_its_own() -> None:
    windows = archive(Decoded(400), Decoded(300), kept=200)
    pools = pools_for(windows)
    data = WindowDataset(windows, IDENTITY, pools=pools)
    assert data[20]["past"][0, 0, 0, 0] == 20
    sent = pickle.dumps(data)
    assert len(sent) < 40_000  # no frames
    other = pickle.loads(sent)
    for n in (20, 500):
        assert other[n]["past"][0, 0, 0, 0] == windows[n].start
    readers = [sequence.values.reader for sequence in other.windows.sequences]
    assert [reader.calls for reader in readers] == [2, 1]  # that of this process, and one in each
    (kept,) = {id(cache.kept): cache.kept for cache in other.pools.caches}.values()
    assert {number for number, _ in kept.frames} == {0, 1}


@pytest.mark.slow
def test_what_is_kept_stays_within_the_limit_and_a_pool_fits_into_it() -> None:
    windows = archive(Decoded(1500), Decoded(700), kept=300)
    pools = pools_for(windows)
    (kept,) = {id(cache.kept): cache.kept for cache in pools.caches if cache is not None}.values()
    blocks: set[int] = set()
    for n in sampler_for(windows, pools):
        before = len(blocks)
        blocks.add(int(pools.block[n]))
        if len(blocks) > before:
            pools.bring(n)
            assert kept.size <= kept.limit == 300 * FRAME
        cache = pools.caches[pools.sequence[pools.block[n]]]
        assert cache is not None
        assert (cache.number, windows[n].start) in kept.frames  # read for the first window of its block, and kept


def test_batches_are_of_places_far_apart_and_of_all_sources() -> None:
    lengths = (4000, 2000)
    windows = archive(*(Decoded(n) for n in lengths), kept=500)
    pools = pools_for(windows)
    order = list(sampler_for(windows, pools))
    batches = [order[n : n + 8] for n in range(0, len(order) - 8, 8)]
    assert np.mean([len({int(pools.block[n]) for n in batch}) for batch in batches]) > 5.5  # of 8 windows
    spread = [np.ptp(batch) for batch in batches]
    assert np.mean(spread) > 0.5 * len(windows)
    of_first = np.array([np.mean([n < lengths[0] for n in batch]) for batch in batches])
    assert 0.55 < of_first.mean() < 0.78
    assert ((of_first > 0) & (of_first < 1)).mean() > 0.8
    steps = np.abs(np.diff(order))
    assert np.median(steps) > 200


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    windows = archive(Decoded(3000))
    orders = set()
    for seed in (0, 1):
        for epoch in (0, 1):
            twice = []
            for _ in range(2):
                sampler = SeededSampler(len(windows), seed)
                sampler.pools = pools_for(windows)
                list(sampler)  # what came before does not matter
                sampler.set_epoch(epoch)
                twice.append(tuple(sampler))
            assert twice[0] == twice[1]
            orders.add(twice[0])
    assert len(orders) == 4


@pytest.mark.parametrize("processes", [1, 2])
def test_an_epoch_that_was_interrupted_goes_on_with_what_is_left(processes: int) -> None:
    windows = archive(Decoded(3000))
    pools = pools_for(windows, processes=processes, workers=2)
    for rank in range(processes):
        whole, rest = (sampler_for(windows, pools, share=(rank, processes)) for _ in range(2))
        whole.set_epoch(4)
        rest.resume(4, 11 * 8 * processes)
        assert list(rest) == list(whole)[11 * 8 :]
        keys = Epochs(rest, len(windows))
        assert [item for item, _ in keys] == list(rest)


@pytest.mark.slow
def test_each_process_that_reads_gets_batches_of_pools_of_its_own() -> None:
    windows = archive(Decoded(2500))
    decoded = {}
    for processes, workers in ((1, 1), (1, 3), (2, 2)):
        pools = pools_for(windows, processes=processes, workers=workers)
        count: Counter[int] = Counter()
        for rank in range(processes):
            order = list(sampler_for(windows, pools, share=(rank, processes)))
            for worker in range(workers):  # which get whole batches in turn
                reader = Decoded(2500)
                own = archive(reader)
                chosen = [n for start in range(8 * worker, len(order), 8 * workers) for n in order[start : start + 8]]
                read_by(own, pools_for(own, processes=processes, workers=workers), chosen)
                count += reader.count
        decoded[processes, workers] = count.total()
    assert decoded[1, 3] < 1.3 * decoded[1, 1]
    assert decoded[2, 2] < 1.3 * decoded[1, 1]


@pytest.mark.slow
def test_batches_that_workers_read_are_those_of_their_order() -> None:
    windows = archive(Decoded(1500), kept=300)
    pools = pools_for(windows, workers=2)
    data = WindowDataset(windows, IDENTITY, pools=pools)
    order = list(sampler_for(windows, pools))
    loader = DataLoader(data, batch_size=8, num_workers=2, sampler=sampler_for(windows, pools))
    first = torch.cat([batch["past"][:, 0, 0, 0, 0] for batch in loader])
    assert first.tolist() == [float(windows[n].start) for n in order]


def test_where_all_is_kept_or_cheap_or_hardly_shared_windows_are_shuffled_as_a_whole(tmp_path: Path) -> None:
    def pooled(windows: Windows, **options: Any) -> bool:
        return pools_of(windows, len(windows), **{"batch": 8, **options}) is not None

    assert pooled(archive(Decoded(3000)))
    assert not pooled(archive(Decoded(3000), kept=3000))
    assert not pooled(archive(np.zeros((3000, 1, 6, 6), np.float32)))
    assert not pooled(archive(Cropped(np.zeros((3000, 1, 9, 9), np.float32), (0, 0, 6, 6))))
    assert not pooled(archive(Decoded(3000), stride=10))
    assert not pooled(archive(Decoded(3000), kept=FEWEST * 10))  # windows of 10 frames
    assert not pooled(archive(Decoded(3000), Decoded(3000, size=24)))  # of one whose frames are large
    assert pools_of(archive(Decoded(3000)), 300, batch=8) is None  # of which few are drawn


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["nc", "zarr", "npy", "npz"])
def test_frames_that_are_stored_as_they_are_cost_the_same_in_any_order(
    kind: str, compressed: bool, tmp_path: Path
) -> None:
    rain = xr.DataArray(np.zeros((20, 6, 6), np.float32), dims=("time", "y", "x"), name="rain")
    path = tmp_path / f"a.{kind}"
    cheap = not compressed or kind in ("npy", "npz")  # which are in memory, or mapped to it
    if kind == "nc":
        rain.to_netcdf(path, engine="h5netcdf", encoding={"rain": {"zlib": True} if compressed else {}})
    elif kind == "zarr":
        rain.to_zarr(path, consolidated=False, encoding={"rain": {} if compressed else {"compressors": None}})
    elif kind == "npy":
        np.save(path, rain)
    else:
        (np.savez_compressed if compressed else np.savez)(path, rain=rain)
    (sequence,) = open_source(path, crop=(0, 0, 4, 4)).sequences
    values = getattr(sequence.values, "reader", sequence.values)
    assert at_random(values) is cheap


def test_without_pools_orders_are_what_they_have_been() -> None:
    assert list(SeededSampler(8, 5)) == np.random.default_rng((5, 0)).permutation(8).tolist()
    assert list(RoundSampler(5, 7, 5)) == [
        (int(np.random.default_rng((5, draw // 5)).permutation(5)[draw % 5]), draw) for draw in range(7)
    ]
    windows = archive(Decoded(300), kept=300)
    sampler = sampler_for(windows, pools_of(windows, len(windows), batch=8))
    assert list(sampler) == np.random.default_rng((3, 0)).permutation(len(windows)).tolist()


def test_windows_drawn_by_content_are_ordered_by_pools_too() -> None:
    windows = archive(Decoded(3000))
    probabilities = np.where(np.arange(len(windows)) % 3, 0.5, 1.0)
    plain = ImportanceSampler(probabilities, 3)
    pools = pools_of(windows, len(plain), batch=8)
    assert pools is not None
    local = ImportanceSampler(probabilities, 3)
    local.pools = pools
    assert list(local) != list(plain)
    assert sorted(local) == sorted(plain)


def test_rounds_of_a_training_by_the_clock_are_passes_over_pools() -> None:
    reader = Decoded(1200)
    windows = archive(reader, kept=300)
    pools = pools_for(windows)
    sampler = RoundSampler(len(windows), 300, 3)
    sampler.pools = pools
    seen: list[int] = []
    for turn in range(5):
        sampler.set_epoch(turn)
        seen += [window for window, _ in sampler]
    read_by(windows, pools, seen)
    assert sorted(seen[: len(windows)]) == list(range(len(windows)))
    assert sum(reader.count.values()) < 2.3 * len(seen)  # and 10 where each window is read for itself
    sampler.resume(1, 160)
    assert [window for window, _ in sampler] == seen[460:600]


def test_gaps_in_time_are_not_read_along() -> None:
    reader = Decoded(3000)
    minutes = np.arange(3000) + 1000 * (np.arange(3000) // 75)
    times = np.datetime64("2020-01-01", "ns") + minutes * np.timedelta64(1, "m")
    (sequence,) = cached([FrameSequence(values=reader, name="s", times=times)], 400 * FRAME)
    windows = Windows([Span(sequence, 0, 3000)], past=6, future=4)
    pools = pools_for(windows)
    for begin, end in zip(pools.starts.tolist(), pools.stops.tolist(), strict=True):
        assert begin // 75 == (end - 1) // 75


def test_a_damaged_frame_is_the_fault_of_the_windows_that_hold_it() -> None:
    windows = archive(Decoded(3000, damaged=1000))
    pools = pools_for(windows)
    data = WindowDataset(windows, IDENTITY, pools=pools)
    for n, window in enumerate(windows):
        if abs(window.start - 1000) > 30:
            continue
        if window.start <= 1000 < window.stop:
            with pytest.raises(DataError, match="is damaged"):
                data[n]
        else:
            assert data[n]["past"][0, 0, 0, 0] == window.start


def test_sources_of_one_training_share_a_cache_and_pools() -> None:
    readers = [Decoded(500), Decoded(500, size=9)]
    sequences = cached([FrameSequence(values=r, name=f"s{n}") for n, r in enumerate(readers)], 500 * FRAME)
    windows = Windows([Span(s, 0, len(s)) for s in sequences], past=6, future=4)
    pools = pools_for(windows)
    order = list(Epochs(sampler_for(windows, pools), len(windows)))
    data = WindowDataset(windows, IDENTITY, pools=pools, cut=4, seed=3)
    assert all(data[key]["past"].shape == (6, 1, 4, 4) for key in order[:20])
    read_by(windows, pools, [n for n, _ in order])
    assert sum(sum(r.count.values()) for r in readers) < 2.6 * 1000
