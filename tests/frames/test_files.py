"""Reading real files: round trips of every format, laziness, and files that are damaged in every way people meet."""

from collections.abc import Callable
from pathlib import Path

import av
import imageio.v3 as iio
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from nextframe.errors import ConfigError, DataError, NextframeError, ShapeError
from nextframe.frames.cache import Cached, Kept
from nextframe.frames.readers import Coarsened, Cropped, Grey
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets (../shared/data) are not here")


def movie(frames: int = 12, height: int = 32, width: int = 48, channels: int = 3) -> np.ndarray:
    """A bright square that moves over a soft gradient, (T, H, W, C) bytes."""
    y, x = np.mgrid[:height, :width]
    values = np.empty((frames, height, width, channels), np.uint8)
    for n in range(frames):
        for c in range(channels):
            values[n, ..., c] = (x * 2 + y + 20 * c) % 100
        values[n, 4:12, 2 * n + 2 : 2 * n + 10] = 220
    return values


def write_video(path: Path, frames: np.ndarray, rate: int = 10) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264" if path.suffix == ".mp4" else "mpeg4", rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 5
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_video(tmp_path: Path, suffix: str) -> None:
    frames = movie(23)
    write_video(tmp_path / f"v{suffix}", frames)
    (sequence,) = open_source(tmp_path / f"v{suffix}").sequences
    assert sequence.shape == (23, 3, 32, 48)
    assert sequence.time_step == np.timedelta64(100, "ms")
    truth = np.moveaxis(frames, -1, 1).astype(np.float32)
    for start, stop in ((0, 23), (7, 9), (22, 23), (3, 17)):
        assert np.abs(sequence.read(start, stop) - truth[start:stop]).mean() < 12  # lossy, and colour at half size
    (grey,) = open_source(tmp_path / f"v{suffix}", grey=True).sequences
    assert grey.shape == (23, 1, 32, 48)


@pytest.mark.parametrize("channels", [1, 3])
def test_gif(tmp_path: Path, channels: int) -> None:
    colours = movie(6, channels=channels)
    frames = colours if channels == 3 else colours.repeat(3, -1)
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=200)
    (sequence,) = open_source(tmp_path / "a.gif").sequences
    assert sequence.shape == (6, channels, 32, 48)
    assert sequence.time_step == np.timedelta64(200, "ms")
    truth = np.moveaxis(frames[..., :channels], -1, 1)
    assert np.abs(sequence.read(0, 6) - truth).mean() < 6


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_folder_of_images_in_natural_order(tmp_path: Path, dtype: type) -> None:
    scale = 1 if dtype is np.uint8 else 200
    frames: np.ndarray = movie(11, channels=1)[..., 0].astype(dtype) * scale
    for n, frame in enumerate(frames):
        iio.imwrite(tmp_path / f"frame{n}.png", frame)
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.shape == (11, 1, 32, 48)
    np.testing.assert_array_equal(sequence.read(0, 11)[:, 0], frames)


def test_an_alpha_channel_is_dropped(tmp_path: Path) -> None:
    frame = np.dstack([movie(1)[0], np.full((32, 48), 128, np.uint8)])
    for n in range(3):
        iio.imwrite(tmp_path / f"{n}.png", frame)
    (sequence,) = open_source(tmp_path).sequences
    np.testing.assert_array_equal(sequence.read(0, 1)[0], np.moveaxis(frame[..., :3], -1, 0))


def test_npz_names_its_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.ones((4, 5, 6)), b=np.zeros((4, 5, 6)))
    with pytest.raises(ConfigError, match=r"several arrays.*a, b.*variable="):
        open_source(tmp_path / "two.npz")
    (sequence,) = open_source(tmp_path / "two.npz", variable=["b"]).sequences
    assert sequence.read(0, 4).max() == 0
    with pytest.raises(ConfigError, match="no such array"):
        open_source(tmp_path / "two.npz", variable=["c"])


def gridded(frames: int = 10, start: str = "2020-01-01", **encoding: object) -> xr.Dataset:
    values = np.random.default_rng(0).random((frames, 6, 8)).astype(np.float32)
    return xr.Dataset(
        {"rain": (("time", "lat", "lon"), values, {"units": "mm h-1"})},
        {
            "time": np.datetime64(start, "ns") + np.arange(frames) * np.timedelta64(10, "m"),
            "lat": ("lat", np.linspace(50, 51, 6), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(5, 6, 8), {"units": "degrees_east"}),
        },
        {"title": "a test"},
    )


@pytest.mark.parametrize("kind", ["nc", "classic", "zarr"])
def test_gridded_files(tmp_path: Path, kind: str) -> None:
    dataset = gridded()
    dataset["rain"].values[3, 0, 0] = np.nan
    path = tmp_path / ("a.zarr" if kind == "zarr" else "a.nc")
    if kind == "zarr":
        dataset.to_zarr(path, consolidated=False)
    else:
        dataset.to_netcdf(path, engine="scipy" if kind == "classic" else "h5netcdf")
    (sequence,) = open_source(path, missing="mask").sequences
    assert sequence.shape == (10, 1, 6, 8)
    assert (sequence.variables, sequence.units) == (("rain",), ("mm h-1",))
    assert sequence.time_step == np.timedelta64(10, "m")
    assert sequence.times is not None
    assert sequence.times[0] == np.datetime64("2020-01-01")
    np.testing.assert_array_equal(sequence.read(2, 5)[:, 0], dataset["rain"].values[2:5])
    assert sequence.grid is not None
    np.testing.assert_allclose(sequence.grid.y, dataset["lat"].values)
    assert sequence.grid.y_attributes["units"] == "degrees_north"
    assert sequence.attributes["title"] == "a test"


@pytest.mark.slow
def test_one_file_a_step_is_put_in_order_of_time(tmp_path: Path) -> None:
    dataset = gridded(6)
    for n in (3, 0, 5, 1, 4, 2):
        dataset.isel(time=[n]).to_netcdf(tmp_path / f"{'fbdaec'[n]}.nc", engine="h5netcdf")
    for name in (tmp_path, tmp_path / "*.nc"):
        (sequence,) = open_source(name).sequences
        np.testing.assert_array_equal(sequence.read(0, 6)[:, 0], dataset["rain"].values)
        np.testing.assert_array_equal(sequence.times, dataset["time"].values)


def test_times_that_overlap_name_the_file(tmp_path: Path) -> None:
    gridded(6).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    gridded(6, "2020-01-01T00:30").to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"b\.nc: begins at .* when a\.nc has not ended"):
        open_source(tmp_path)


def test_variables_as_channels(tmp_path: Path) -> None:
    dataset = gridded()
    dataset["wind"] = dataset["rain"] * 2
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(ConfigError, match=r"several variables.*rain, wind.*variable="):
        open_source(tmp_path / "a.nc")
    (sequence,) = open_source(tmp_path / "a.nc", variable=["wind", "rain"]).sequences
    assert sequence.variables == ("wind", "rain")
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0], 2 * sequence.read(0, 1)[0, 1])
    with pytest.raises(ConfigError, match="no such variable"):
        open_source(tmp_path / "a.nc", variable=["snow"])


def test_a_fill_value_declares_gaps(tmp_path: Path) -> None:
    dataset = gridded()
    dataset["rain"].values[4] = np.nan
    dataset.to_netcdf(tmp_path / "declared.nc", engine="h5netcdf", encoding={"rain": {"_FillValue": -1.0}})
    (sequence,) = open_source(tmp_path / "declared.nc").sequences
    assert sequence.missing == "mask"
    assert np.isnan(sequence.read(4, 5)).all()
    np.save(tmp_path / "nan.npy", dataset["rain"].values)
    (sequence,) = open_source(tmp_path / "nan.npy").sequences
    with pytest.raises(DataError, match=r"nan\.npy: frame 4 holds NaN.*100\.0%.*missing='mask'"):
        sequence.read(0, 10)


def cut_short(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".npy", ".npz", ".nc"])
@pytest.mark.parametrize(
    "damage", [cut_short, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"no")]
)
def test_damaged_files_are_named(tmp_path: Path, suffix: str, damage: Callable[[Path], None]) -> None:
    path = tmp_path / f"broken{suffix}"
    frames = movie(12)
    if suffix == ".gif":
        pictures = [Image.fromarray(frame) for frame in frames]
        pictures[0].save(path, save_all=True, append_images=pictures[1:])
    elif suffix == ".mp4":
        write_video(path, frames)
    elif suffix == ".npy":
        np.save(path, frames)
    elif suffix == ".npz":
        np.savez(path, frames)
    else:
        gridded().to_netcdf(path, engine="h5netcdf")
    damage(path)

    def read_all() -> None:
        (sequence,) = open_source(path).sequences
        sequence.read(0, len(sequence))

    with pytest.raises(DataError, match=rf"broken\{suffix}"):
        read_all()


def test_images_of_differing_size(tmp_path: Path) -> None:
    iio.imwrite(tmp_path / "1.png", movie(1)[0])
    iio.imwrite(tmp_path / "2.png", movie(1, height=30)[0])
    with pytest.raises(ShapeError, match=r"2\.png: differs in \(height, width\) from 1\.png.*\(32, 48\).*\(30, 48\)"):
        open_source(tmp_path)


def test_a_folder_of_movies_is_many_sequences(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", movie(5)[..., 0])
    assert [s.name for s in open_source(tmp_path).sequences] == [str(tmp_path / f"{n}.npy") for n in "ab"]
    np.save(tmp_path / "c.npy", movie(5, height=20)[..., 0])
    with pytest.raises(ShapeError, match=r"c\.npy: frames differ"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nothing.mp4", "neither a file nor a known source"),
        ("readme.txt", "no format"),
        ("empty", "no file that can be read"),
    ],
)
def test_what_is_no_source(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "readme.txt").write_text("words")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=what):
        open_source(tmp_path / name)


class Counting:
    """A reader that remembers what was asked of it."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.asked = values, list[tuple[int, int]]()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    def __getitem__(self, frames: slice, /) -> np.ndarray:
        self.asked.append((frames.start, frames.stop))
        return self.values[frames]


def test_only_the_frames_asked_for_are_read_and_each_once() -> None:
    reader = Counting(np.random.default_rng(0).random((30, 3, 8, 10)).astype(np.float32))
    cached = Cached(Coarsened(Grey(Cropped(reader, (1, 2, 6, 8))), 2))
    sequence = FrameSequence(values=cached, name="test")
    assert sequence.shape == (30, 1, 3, 4)
    first = sequence.read(10, 14)
    np.testing.assert_array_equal(first, sequence.read(10, 14))
    np.testing.assert_array_equal(sequence.read(12, 16)[:2], first[2:])
    assert reader.asked == [(10, 14), (14, 16)]
    luma = np.tensordot(reader.values[10:14], [0.299, 0.587, 0.114], ([1], [0]))[:, 1:7, 2:10]
    np.testing.assert_allclose(first[:, 0], luma.reshape(4, 3, 2, 4, 2).mean((2, 4)), rtol=1e-5)


def test_the_cache_stays_within_its_limit() -> None:
    reader = Counting(np.zeros((100, 1, 8, 8), np.float32))
    cached = Cached(reader, Kept(10 * 8 * 8 * 4))
    for n in range(100):
        cached[n : n + 1]
    assert len(cached.kept.frames) == 10


def test_coarsening_leaves_missing_values_out(tmp_path: Path) -> None:
    values = np.ones((1, 4, 6), np.float32)
    values[0, 0, 0], values[0, :2, 2:4] = np.nan, np.nan
    np.save(tmp_path / "a.npy", values)
    (sequence,) = open_source(tmp_path / "a.npy", coarsen=2, missing="mask").sequences
    np.testing.assert_array_equal(sequence.read(0, 1)[0, 0], [[1, np.nan, 1], [1, 1, 1]])


@pytest.mark.parametrize("options", [{"crop": (0, 0, 100, 10)}, {"coarsen": 99}, {"crop": (1, 2, 3)}])
def test_boxes_and_blocks_that_do_not_fit(tmp_path: Path, options: dict[str, object]) -> None:
    np.save(tmp_path / "a.npy", movie(3)[..., 0])
    with pytest.raises(NextframeError, match=r"a\.npy|crop"):
        open_source(tmp_path / "a.npy", **options)  # type: ignore[arg-type]


@pytest.mark.slow
@needs_data
def test_real_radar_one_file_a_step() -> None:
    (sequence,) = open_source(DATA / "radar" / "bom-brisbane-2020-10-31", coarsen=16).sequences
    assert sequence.shape == (144, 1, 32, 32)
    assert sequence.units == ("kg m-2",)
    assert sequence.time_step == np.timedelta64(10, "m")
    assert sequence.segments() == [(0, 144)]
    assert sequence.grid is not None
    assert sequence.grid.mapping is not None
    assert sequence.grid.mapping["grid_mapping_name"] == "albers_conical_equal_area"
    assert np.nanmax(sequence.read(40, 42)) > 1


@needs_data
def test_real_reanalysis_and_video() -> None:
    (temperature,) = open_source(DATA / "grid" / "era5-t2m-uk-2019-03.nc").sequences
    assert temperature.shape == (744, 1, 33, 49)
    assert 250 < temperature.read(100, 101).mean() < 300
    (video,) = open_source(DATA / "video" / "carphone_pristine.mp4", grey=True).sequences
    assert video.shape == (120, 1, 144, 176)
    np.testing.assert_array_equal(video.read(50, 60)[5], video.read(55, 56)[0])


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("kind", ["a.npy", "a.npz", "a.zarr", "a.nc", "classic.nc", "files"])
def test_real_rain_is_the_same_in_every_format(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("pysteps")
    (radar,) = open_source(DATA / "radar" / "knmi-2010-08-26", crop=(300, 250, 60, 50)).sequences
    values, times = radar.read(50, 54), radar.times
    assert times is not None
    assert radar.grid is not None
    path = tmp_path / kind
    axes = {"time": times[50:54], "y": radar.grid.y, "x": radar.grid.x}
    data = xr.Dataset({"rain_amount": (("time", "y", "x"), values[:, 0], {"units": "mm"})}, axes)
    if kind == "a.npy":
        np.save(path, values[:, 0])
    elif kind == "a.npz":
        np.savez_compressed(path, values[:, 0])
    elif kind == "a.zarr":
        data.to_zarr(path, consolidated=False)
    elif kind == "files":
        path.mkdir()
        for n in range(4):
            data.isel(time=[n]).to_netcdf(path / f"{n}.nc", engine="h5netcdf")
    else:
        data.to_netcdf(path, engine="scipy" if kind == "classic.nc" else "h5netcdf")
    (sequence,) = open_source(path, missing="mask").sequences
    np.testing.assert_array_equal(sequence.read(0, 4), values)
    assert (sequence.times is None) == kind.startswith("a.np")


@needs_data
@pytest.mark.parametrize("kind", ["frames", "a.gif", "a.avi"])
def test_a_real_video_is_the_same_in_other_formats(tmp_path: Path, kind: str) -> None:
    video = DATA / "video" / "carphone_pristine.mp4"
    (sequence,) = open_source(video, grey=True).sequences
    frames = sequence.read(0, 4)[:, 0]
    path = tmp_path / kind
    if kind == "frames":
        path.mkdir()
        for n, frame in enumerate(frames):
            iio.imwrite(path / f"{n}.png", np.round(frame).astype(np.uint8))
    elif kind == "a.gif":
        iio.imwrite(path, np.round(frames).astype(np.uint8), duration=33)
    else:
        write_video(path, np.repeat(np.round(frames).astype(np.uint8)[..., None], 3, axis=-1))
    (again,) = open_source(path, grey=True).sequences
    error = np.abs(again.read(0, 4)[:, 0] - frames)
    assert error.mean() < (6.0 if kind == "a.avi" else 0.51)  # MPEG-4 loses something
    assert again.shape == (4, 1, *frames.shape[1:])
