"""Lists of sources in YAML files: `sources.yaml` stands for the sources that it names, each with options of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nextframe.errors import ConfigError

SUFFIXES = (".yaml", ".yml")


def is_list_file(source: object) -> bool:
    """Tell the name of a file that lists sources from that of a source.

    >>> is_list_file("sources.yaml"), is_list_file("radar.nc")
    (True, False)
    """
    return isinstance(source, (str, Path)) and str(source).lower().endswith(SUFFIXES) and not Path(source).is_dir()


def listed(source: Any) -> Any:
    """A source as it is, or the sources that a file lists in its place, in a list of others, too. Paths in a file are
    from the working folder, as those of a configuration are.

    Raises:
        ConfigError: a file that cannot be read, or holds no list of sources.

    >>> listed(["a.nc", "b.nc"]), listed("a.nc")
    (['a.nc', 'b.nc'], 'a.nc')
    """
    if is_list_file(source):
        return _read(Path(source))
    if isinstance(source, (list, tuple)) and any(map(is_list_file, source)):
        return [one for given in source for one in (_read(Path(given)) if is_list_file(given) else [given])]
    return source


def _read(path: Path) -> list[Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(
            "cannot be read as a list of sources", where=path, received=" ".join(str(error).split())
        ) from (error)
    sound = isinstance(content, list) and all(isinstance(one, (str, Mapping)) for one in content)
    if not sound or not content or any(map(is_list_file, content)):
        raise ConfigError(
            "is no list of sources",
            where=path,
            expected="a line for each, `- radar.nc`, or `- path: radar.nc` with options below it",
            received=type(content).__name__,
        )
    return list(content)
