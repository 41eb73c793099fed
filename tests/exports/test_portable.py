"""What leaves names no folder of this machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from nextframe import export
from nextframe.exports.portable import without_folders
from tests.exports.small import small_model


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/ann/my radar/knmi 1.nc", "knmi 1.nc"),
        ("/a/b.nc::coarsen=2,crop=0,0,8,8", "b.nc::coarsen=2,crop=0,0,8,8"),
        ("/a/b.nc, /c/d.nc", "b.nc, d.nc"),
        ("/a/land.nc:mask", "land.nc:mask"),
        (r"C:\Users\ann\radar\b.nc", "b.nc"),
        ("C:/Users/ann/b.nc", "b.nc"),
        ("~ann/radar/*.h5", "*.h5"),
        ("radar/b.nc", "radar/b.nc"),
        ("https://host/a/b.zarr", "https://host/a/b.zarr"),
        ("clips:movies=3,size=48", "clips:movies=3,size=48"),
    ],
)
def test_files_keep_their_names_alone(text: str, left: str) -> None:
    assert without_folders(text) == left


@pytest.mark.parametrize("name", ["hub", "model.onnx", "model.pt2"])
def test_no_exported_file_names_the_folder_of_the_data(name: str, tmp_path: Path) -> None:
    secret = "/home/somebody/projects"
    model = small_model("stacked", data=f"{secret}/rain.nc", from_=f"{secret}/runs/first")
    model.manifest = replace(model.manifest, config=model.config)
    files = export(model, tmp_path / name).files
    told = b"".join(path.read_bytes() for path in (*files, *tmp_path.rglob("*.json")))
    assert b"rain.nc" in told
    assert b"somebody" not in told
