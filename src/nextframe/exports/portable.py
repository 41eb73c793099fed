"""Configuration that leaves with a model: what names folders of this machine keeps the files' names alone."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

from nextframe.config import DataConfig, RunConfig
from nextframe.runs.manifest import Manifest

_FOLDERS = re.compile(r"(?<![\w.:/\\])(?:/|~[\w.-]*/|[A-Za-z]:[\\/])(?:[^/\\,:]*[/\\])*(?=[^/\\,:])")
"""Folders of an absolute path, which has no scheme before it."""


def without_folders(text: str) -> str:
    """A source in one text, without the folders of absolute paths.

    >>> without_folders("/home/ann/radar/knmi.nc::weight=2"), without_folders("/data/a.nc, b/c.nc")
    ('knmi.nc::weight=2', 'a.nc, b/c.nc')
    >>> without_folders("s3://bucket/rain.zarr"), without_folders("squares:movies=2")
    ('s3://bucket/rain.zarr', 'squares:movies=2')
    """
    return _FOLDERS.sub("", text)


def portable(config: RunConfig) -> RunConfig:
    """The configuration without folders of this machine."""
    named: dict[str, Any] = {}
    for option in fields(DataConfig):
        value = getattr(config.data, option.name)
        if isinstance(value, str):
            named[option.name] = without_folders(value)
        elif isinstance(value, tuple) and value and all(isinstance(each, str) for each in value):
            named[option.name] = tuple(map(without_folders, value))
    start = config.training.from_
    training = config.training if start is None else replace(config.training, from_=without_folders(start))
    return replace(config, data=replace(config.data, **named), training=training)


def portable_manifest(manifest: Manifest) -> Manifest:
    """The manifest with such a configuration."""
    return replace(manifest, config=portable(manifest.config))
