"""The layers of the package: data, model, training, forecast, verification, report; the command line on top."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "nextframe"

# A module imports from its own layer and from those before it.
LAYERS = (
    "frames",
    "data",
    "engine",
    "models",
    "training",
    "forecasting",
    "verification",
    "report",
    "weights",
    "benchmark",
    "api",
    "cli",
)
ANYWHERE = ("errors", "config", "files", "machine")
WITHOUT_TORCH = ("errors", "config", "files", "machine", "frames", "verification")
TORCH = ("torch", "torchvision", "torchmetrics", "lightning", "pytorch_lightning", "safetensors.torch")

# Imported only where they are installed: extras, and what is there to be measured against.
OPTIONAL = {"h5py", "pyproj", "pysteps", "tensorboard", "keras"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Full names of what a module imports, also inside functions, but for what only a type checker sees."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                visit(other)
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: name the module in full"
            assert node.module is not None
            found.add(node.module)
            if node.module == "nextframe":
                found.update(f"nextframe.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def layer(module: str) -> str:
    """The layer of a module of the package: "data" for "nextframe.data.split"."""
    return module.split(".")[1] if "." in module else ""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    name = module_name(path)
    own = layer(name)
    if own in ("", "__main__"):
        return
    assert own in LAYERS or own in ANYWHERE, f"{name} belongs to no layer; give it a place in LAYERS"
    allowed = {*ANYWHERE, *LAYERS[: LAYERS.index(own) + 1]} if own in LAYERS else set(ANYWHERE)
    for imported in imports(path):
        if not imported.startswith("nextframe."):
            continue
        assert layer(imported) in allowed, f"{name} imports {imported}, which stands after it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_frames_and_verification_name_no_torch(path: Path) -> None:
    name = module_name(path)
    if layer(name) in WITHOUT_TORCH:
        assert not {imported for imported in imports(path) if within(imported, TORCH)}, name


def test_frames_and_verification_load_no_torch() -> None:
    names = [module_name(path) for path in MODULES if layer(module_name(path)) in WITHOUT_TORCH]
    code = f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "lightning", "torchmetrics"} & set(done.stdout.split())


def test_models_know_no_files_and_no_metrics() -> None:
    foreign = ("xarray", "h5netcdf", "zarr", "av", "imageio", "PIL", "matplotlib", "torchmetrics", "lightning")
    for path in (PACKAGE / "models").rglob("*.py"):
        assert not {imported for imported in imports(path) if within(imported, foreign)}, path


def test_the_check_sees_what_it_is_to_see(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import torch\n"
        "def late():\n    from nextframe import api\n    import lightning.pytorch\n",
        encoding="utf-8",
    )
    assert imports(module) == {"typing", "nextframe", "nextframe.api", "lightning.pytorch"}


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((PACKAGE.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in project["dependencies"]}
    distributions = packages_distributions()
    known = {*sys.stdlib_module_names, *OPTIONAL, "nextframe"}
    for path in MODULES:
        for package in {name.split(".")[0] for name in imports(path)} - known:
            names = {name.lower().replace("_", "-") for name in distributions[package]}
            assert names & declared, f"{path} imports {package}, which pyproject.toml does not require"
