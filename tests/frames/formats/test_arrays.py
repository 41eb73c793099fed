"""NumPy arrays: their axes told, named or asked for; and files that hold something else."""

import io
import os
import zipfile
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nextframe.api import fit, forecast_file, inspect_path, verify
from nextframe.config import DataConfig
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.formats.axes import as_movies, axes_of
from nextframe.frames.source import open_as, open_source

AXES = sorted("".join(p) for n in (3, 4, 5) for p in permutations("NTCHW", n) if set("THW") <= set(p))


@settings(max_examples=80)
@given(axes=st.sampled_from(AXES), data=st.data())
@pytest.mark.slow
def test_named_axes_are_read_whatever_the_shape(axes: str, data: st.DataObject) -> None:
    length = {letter: data.draw(st.integers(1, 6), label=letter) for letter in axes}
    array = np.arange(np.prod(list(length.values())), dtype=np.int32).reshape([length[letter] for letter in axes])
    sequences = open_source(array, axes=axes).sequences
    assert len(sequences) == length.get("N", 1)
    shape = (length["T"], length.get("C", 1), length["H"], length["W"])
    for n, sequence in enumerate(sequences):
        assert sequence.shape == shape
        read = sequence.read(0, len(sequence))
        for t, c, y, x in np.ndindex(*shape):
            place = {"N": n, "T": t, "C": c, "H": y, "W": x}
            assert read[t, c, y, x] == array[tuple(place[letter] for letter in axes)]


TOLD = {
    (60, 24, 24): "THW",
    (60, 24, 32): "THW",
    (12, 24, 24, 1): "THWC",
    (12, 24, 32, 1): "THWC",
    (12, 24, 24, 2): "THWC",
    (12, 24, 24, 3): "THWC",
    (12, 24, 24, 6): "THWC",
    (12, 24, 32, 3): "THWC",
    (12, 32, 24, 4): "THWC",
    (30, 240, 320, 3): "THWC",
    (12, 3, 24, 32): "TCHW",
    (12, 1, 24, 24): "TCHW",
    (12, 4, 24, 24): "TCHW",
    (50, 20, 64, 64): "NTHW",
    (50, 20, 48, 64): "NTHW",
    (6, 12, 24, 24, 1): "NTHWC",
    (6, 12, 24, 32, 1): "NTHWC",
    (6, 12, 24, 24, 3): "NTHWC",
    (6, 12, 1, 24, 24): "NTCHW",
    (6, 12, 1, 24, 32): "NTCHW",
    (6, 12, 6, 24, 24): "NTCHW",
}
ASKED = {
    (64, 64, 20): {"THW", "HWT"},  # as MATLAB keeps frames
    (64, 64, 3): {"THW", "HWT"},  # one picture, perhaps
    (64, 64, 3, 20): {"NTHW", "HWCT"},  # films, as MATLAB keeps them
    (48, 64, 1, 20): {"NTHW", "HWCT"},
    (64, 64, 12, 20): {"NTHW", "HWCT"},
    (12, 6, 24, 24): {"TCHW", "NTHW"},  # bands of a satellite, or movies
    (12, 16, 24, 32): {"TCHW", "NTHW"},
    (12, 12, 32, 3): {"THWC", "NTHW"},
    (240, 320, 30, 3): {"THWC", "NTHW"},  # strips, or 30 pictures whose time stands third
    (64, 64, 30, 3): {"THWC", "NTHW"},
    (12, 24, 40, 6): {"THWC", "NTHW"},
    (6, 12, 24, 32, 3): {"NTHWC", "NTCHW"},
}


@pytest.mark.parametrize("shape", TOLD, ids=str)
def test_a_shape_that_tells(shape: tuple[int, ...]) -> None:
    assert axes_of(shape, "a.npy") == TOLD[shape]


@pytest.mark.parametrize("shape", ASKED, ids=str)
def test_a_shape_that_does_not_tell_is_asked_for(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(ShapeError, match=r"a\.npy: has axes that its shape does not tell") as raised:
        open_source(tmp_path / "a.npy")
    for axes in ASKED[shape]:
        assert f"axes={axes!r}" in str(raised.value)
        assert open_source(tmp_path / "a.npy", axes=axes).sequences


@given(shape=st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_any_shape_is_told_or_refused_by_name(shape: list[int]) -> None:
    try:
        axes = axes_of(tuple(shape), "a.npy")
    except ShapeError:
        return
    array = np.broadcast_to(np.uint8(0), shape)
    movies = as_movies(array, axes, "a.npy")
    assert movies.ndim == 5
    assert movies.size == array.size


@pytest.mark.parametrize("axes", ["TH", "NTHWCX", "TTHW", "THC", "thw"])
def test_letters_that_name_no_axes(axes: str) -> None:
    with pytest.raises(ConfigError, match="axes: names no axes"):
        open_source(np.zeros((4, 5, 6)), axes=axes)


def test_axes_of_another_number(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 6)))
    with pytest.raises(ShapeError, match=r"a\.npy: has 3 axes, not \(movie, time, height, width\).*axes="):
        open_source(tmp_path / "a.npy", axes="NTHW")


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", ">u4", "i8", "f2", ">f4", "f8"])
def test_every_real_type_is_read(tmp_path: Path, dtype: str) -> None:
    frames: np.ndarray = (np.arange(5 * 6 * 7) % 2).reshape(5, 6, 7).astype(dtype)
    np.save(tmp_path / "a.npy", frames)
    np.savez(tmp_path / "b.npz", frames=frames)
    for name in ("a.npy", "b.npz"):
        (sequence,) = open_source(tmp_path / name).sequences
        np.testing.assert_array_equal(sequence.read(0, 5)[:, 0], frames.astype(np.float32))


OTHERS = {
    "complex": (np.zeros((4, 5, 6), np.complex64), "type complex64.*magnitude"),
    "objects": (np.array([[[1, None]]], object), "Python objects"),
    "a structure": (np.zeros((4, 5, 6), [("u", "f4"), ("v", "f4")]), "one field"),
    "texts": (np.full((4, 5, 6), "x"), "type <U1"),
    "times": (np.zeros((4, 5, 6), "datetime64[s]"), r"type datetime64\[s\]"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_arrays_of_anything_else_are_named_for_what_they_are(tmp_path: Path, kind: str) -> None:
    array, said = OTHERS[kind]
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", frames=array)
    for name, where in (("a.npy", r"a\.npy"), ("b.npz", r"frames in .*b\.npz")):
        with pytest.raises(DataError, match=rf"{where}: does not hold real numbers .*{said}"):
            open_source(tmp_path / name)


@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
def test_a_number_beyond_float32_is_named_and_not_read_as_infinity(tmp_path: Path, dtype: type) -> None:
    frames: np.ndarray = np.full((9, 4, 5), 1e30, dtype)
    frames[6, 2, 2] = -1e300
    np.save(tmp_path / "a.npy", frames)
    (sequence,) = open_source(tmp_path / "a.npy").sequences
    with pytest.raises(DataError, match=r"a\.npy: frame 6 holds a number beyond float32.*-1e\+300"):
        sequence.read(3, 9)
    sequence.read(0, 6)


def predrnn(path: Path, movies: np.ndarray, clips: np.ndarray) -> None:
    """Movies of some frames in one row, as PredRNN's data are published."""
    rows = movies.reshape(-1, 1, *movies.shape[-2:])
    np.savez(path, clips=clips, dims=np.array([[1, *movies.shape[-2:]]], np.int32), input_raw_data=rows)


def test_clips_say_where_movies_begin(tmp_path: Path) -> None:
    movies = np.random.default_rng(0).random((5, 12, 8, 8)).astype(np.float32)
    clips = np.array([[[12 * n, 5] for n in range(5)], [[12 * n + 5, 7] for n in range(5)]])
    predrnn(tmp_path / "a.npz", movies, clips)
    for variable in ([], ["input_raw_data"]):
        sequences = open_source(tmp_path / "a.npz", variable=variable).sequences
        assert [sequence.shape for sequence in sequences] == [(12, 1, 8, 8)] * 5
        np.testing.assert_array_equal(sequences[3].read(2, 9)[:, 0], movies[3, 2:9])


def test_clips_may_have_their_channels_last(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((24, 8, 10, 3)).astype(np.float32)
    clips = np.array([[[0, 5], [12, 5]], [[5, 7], [17, 7]]])
    for more in ({"dims": np.array([[3, 8, 10]])}, {}):
        np.savez(tmp_path / "a.npz", clips=clips, input_raw_data=frames, **more)  # type: ignore[arg-type]
        first, second = open_source(tmp_path / "a.npz").sequences
        np.testing.assert_array_equal(second.read(0, 12), np.moveaxis(frames[12:], -1, 1))
        assert first.shape == (12, 3, 8, 10)


@pytest.mark.parametrize("tensor", [torch.zeros(4, 8, 8, requires_grad=True), torch.zeros(4, 8, 8).bfloat16()], ids=str)
def test_a_tensor_that_numpy_does_not_take_is_told(tensor: torch.Tensor) -> None:
    with pytest.raises(DataError, match=r"cannot be taken as an array of NumPy"):
        open_source(tensor)  # type: ignore[arg-type]  # of PyTorch


@pytest.mark.parametrize(
    ("clips", "said"),
    [
        ([[[0, 6]], [[7, 5]]], "parts of movie 0 are not in a row"),
        ([[[0, 6], [55, 6]], [[6, 6], [61, 6]]], "no such frames as clips names for movie 1"),
        ([[[0, 6], [6, 6]], [[6, 6], [12, 6]]], "share frames"),
        ([[0, 6]], "do not say where movies begin"),
        ([[[0.5, 6]], [[6.5, 6]]], "do not say where movies begin"),
    ],
)
def test_clips_that_make_no_sense(tmp_path: Path, clips: list[object], said: str) -> None:
    predrnn(tmp_path / "a.npz", np.zeros((5, 12, 8, 8), np.float32), np.array(clips))
    with pytest.raises(DataError, match=rf"a\.npz: .*{said}"):
        open_source(tmp_path / "a.npz")


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("frames.txt", "nothing")
    with pytest.raises(DataError, match=r"a\.npz: holds no array \(received frames\.txt\)"):
        open_source(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("frames.npy", b"no array either")
    with pytest.raises(DataError, match=r"a\.npz: cannot be read as a NumPy file"):
        open_source(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"frames\.txt in .*a\.npz: holds no array"):
        open_source(tmp_path / "a.npz", variable=["frames.txt"])


def test_a_claim_beyond_the_file_takes_no_memory(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 1000, 1000)}
    )
    (tmp_path / "a.npy").write_bytes(header.getvalue() + bytes(100))
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("frames.npy", header.getvalue() + bytes(100))
    for name in ("a.npy", "b.npz"):
        with pytest.raises(DataError, match=r"holds less than it announces.*TB.*received 100 bytes|received 2.. bytes"):
            open_source(tmp_path / name)


def test_arrays_sequences_and_sources_are_sources(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((20, 12, 16)).astype(np.float32)
    source = open_source(frames)
    assert source.name == "array"
    np.testing.assert_array_equal(source.sequences[0].read(3, 5)[:, 0], frames[3:5])
    again = open_source(source, crop=(2, 3, 4, 5))
    np.testing.assert_array_equal(again.sequences[0].read(3, 5)[:, 0], frames[3:5, 2:6, 3:8])
    assert open_source(source.sequences[0][4:9], coarsen=2).sequences[0].shape == (5, 1, 6, 8)
    masked = open_source(np.ma.masked_greater(frames, 0.5)).sequences[0]
    np.testing.assert_array_equal(np.isnan(masked.read(0, 20)[:, 0]), frames > 0.5)
    assert inspect_path(frames).frames == 20


@pytest.mark.parametrize("thing", [None, 3], ids=str)
def test_what_is_no_source(thing: object) -> None:
    with pytest.raises(DataError, match="is no source of frames"):
        open_source(thing)  # type: ignore[arg-type]


def test_sources_that_are_not_there() -> None:
    with pytest.raises(DataError, match=r"a\.npy: is neither a file nor a known source"):
        open_source(["a.npy", "b.npy"])
    with pytest.raises(ConfigError, match="names no path"):
        open_source({"a": 1})


def test_options_that_something_in_memory_does_not_have() -> None:
    with pytest.raises(ConfigError, match="no variables to choose from"):
        open_source(np.zeros((20, 8, 8)), variable=["rain"])
    with pytest.raises(ConfigError, match="no axes to choose from"):
        open_source(open_source(np.zeros((20, 8, 8))), axes="THW")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for suffix in (".npy", ".mp4", ".nc", ".png", ".h5", ".gif"):
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        os.mkfifo(folder / f"pipe{suffix}")
        for name in (folder / f"pipe{suffix}", folder):
            with pytest.raises(DataError, match=rf"pipe\{suffix}: is neither a file nor a folder .*a pipe"):
                open_source(name)


@pytest.mark.parametrize("name", ["a\0b.npy", "x" * 5000, "squares:" + "x" * 5000])
def test_names_that_no_file_may_have(name: str) -> None:
    with pytest.raises((DataError, ConfigError)):
        open_source(name)


@pytest.mark.slow
def test_an_array_is_trained_on_forecast_from_and_verified(tmp_path: Path) -> None:
    movies = np.zeros((6, 12, 16, 16, 1), np.float32)
    for n, t in np.ndindex(6, 12):
        movies[n, t, 4 + n % 3 : 9 + n % 3, t : t + 5] = 0.9
    small: dict[str, Any] = {"epochs": 1, "filters": (4,), "past": 4, "future": 3, "axes": "NTHWC"}
    model = fit(movies, out=tmp_path / "run", progress=False, **small)
    forecast, past, _ = forecast_file(tmp_path / "run", movies[:1])
    assert past.name == "array"
    assert forecast.values.shape[-2:] == (16, 16)
    verification = verify(model, movies[..., 0].repeat(2, 1)[:, :20], past=4, lead_times=3, limit=5, progress=False)
    assert verification.scores


def test_axes_of_a_training_are_those_of_later_arrays_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "wind.npy", np.random.default_rng(0).random((12, 6, 16, 16)).astype(np.float32))
    config = DataConfig(data=str(tmp_path / "wind.npy"), axes="NTHW")
    assert open_as(config).sequences[0].shape == (6, 1, 16, 16)
    assert len(open_as(config, np.zeros((4, 8, 16, 16), np.float32)).sequences) == 4
    assert open_as(config, np.zeros((8, 16, 16), np.float32)).sequences[0].shape == (8, 1, 16, 16)
    assert open_as(config, "squares:movies=1,frames=6,size=16").sequences[0].shape == (6, 1, 16, 16)
