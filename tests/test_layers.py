"""The levels of the package, from words to the command line: imports go one way, and in no circle."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from nextframe.plugins import GROUPS

PACKAGE = Path(__file__).parent.parent / "src" / "nextframe"

# A module imports from its own package and from those of earlier lines; packages of one line do not know each other.
LEVELS = (
    ("words",),
    ("errors",),
    ("files", "machine", "malloc", "plugins", "progress"),
    ("architectures",),
    ("config",),
    ("options",),
    ("frames", "engine"),
    ("data", "models"),
    ("runs",),
    ("training", "forecasting"),
    ("verification",),
    ("report", "inspection", "exports"),
    ("outputs",),
    ("api",),
    ("",),  # nextframe itself, which names what the package offers
    ("service",),
    ("cli",),
    ("__main__",),
)
LEVEL = {package: level for level, packages in enumerate(LEVELS) for package in packages}
# What a module names in a string ("module:name", imported when it is called) goes the same way, but for these: the
# module, the room above it whose parts it names, and why.
UPWARD = {
    ("architectures", "models"): "a row names its network, so that networks are listed where torch is not loaded",
    ("frames.sequence", "outputs"): "a sequence shows itself in a notebook",
    ("forecasting.forecast", "outputs"): "a forecast shows itself, and is a dataset with `to_xarray`",
    ("forecasting.trained", "outputs"): "a model shows itself in a notebook",
    ("forecasting.load", "exports"): "`load_run` takes models that have left, too, by rows of its table",
    ("forecasting.session_log", "verification"): "a session is asked how good it was, and makes no scores unasked",
    ("verification.result", "outputs"): "scores show themselves in a notebook",
}
WITHOUT_TORCH = (
    "words",
    "errors",
    "files",
    "machine",
    "malloc",
    "plugins",
    "progress",
    "architectures",
    "config",
    "options",
    "frames",
    "verification",
    "inspection",
    "outputs",
)
TORCH = ("torch", "torchvision", "torchmetrics", "lightning", "pytorch_lightning", "safetensors.torch")

# Imported only where they are installed: extras, and what is there to be measured against.
OPTIONAL = {
    *("eccodes", "h5py", "keras", "obstore", "pyproj", "pysteps", "rasterio", "tensorboard"),
    *("huggingface_hub", "onnx", "onnxruntime", "openvino"),
    *("anywidget", "traitlets"),
    *("covjson_pydantic", "fastapi", "prometheus_client", "starlette", "uvicorn", "watchfiles"),
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Full names of what a module imports, also inside functions and for a type checker alone."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: name the module in full"
            assert node.module is not None
            found.add(node.module)
            # What is imported from a package may be a module of it.
            found.update(f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith("nextframe"))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def names_in_strings(path: Path) -> set[str]:
    """Modules of the package that the strings of a module name, but its docstrings: "nextframe.outputs.show:plot", and
    what stands before the first part that is put in ("nextframe.cli" of f"nextframe.cli.{name}:{name}").
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    named: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or node in docstrings or node.value in GROUPS:
            continue
        match = re.fullmatch(r"(nextframe(?:\.\w+)+)\.?(:[\w.]*)?", str(node.value))
        if match and (match[1] in NAMES or match[2]):
            named.add(match[1])
    return named


def layer(module: str) -> str:
    """The layer of a module of the package: "data" for "nextframe.data.split"."""
    return module.split(".")[1] if "." in module else ""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


NAMES = {module_name(path) for path in MODULES}


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    name = module_name(path)
    own = layer(name)
    assert own in LEVEL, f"{name} belongs to no level; give it a place in LEVELS"
    for imported in imports(path):
        if imported != "nextframe" and not imported.startswith("nextframe."):
            continue
        other = layer(imported)
        assert other == own or LEVEL[other] < LEVEL[own], f"{name} imports {imported}, which does not stand below it"


def test_names_in_strings_go_the_same_way_but_for_those_with_a_reason() -> None:
    upward = set()
    for path in MODULES:
        name = module_name(path)
        own = layer(name)
        for other in names_in_strings(path):
            assert other in NAMES, f"{name} names {other}, which there is not"
            room = layer(other)
            if room != own and LEVEL[room] >= LEVEL[own]:
                upward.add((name.removeprefix("nextframe."), room))
    assert upward == set(UPWARD)


@pytest.mark.slow
def test_no_module_leads_back_to_itself() -> None:
    names = {module_name(path) for path in MODULES}
    known = {module_name(path): imports(path) & names - {"nextframe"} for path in MODULES}
    done: set[str] = set()

    def follow(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a circle of imports: {' -> '.join((*way, name))}"
        if name not in done:
            for other in known[name] - {name}:
                follow(other, (*way, name))
            done.add(name)

    for name in known:
        follow(name, ())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_frames_and_verification_name_no_torch(path: Path) -> None:
    name = module_name(path)
    if layer(name) in WITHOUT_TORCH:
        assert not {imported for imported in imports(path) if within(imported, TORCH)}, name


@pytest.mark.slow
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
    assert imports(module) == {"typing", "torch", "nextframe", "nextframe.api", "lightning.pytorch"}


def test_the_check_sees_names_in_strings(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '"""nextframe.api"""\n'
        'HERE = "nextframe.outputs"\n'
        'ROW = Late("nextframe.exports.hub:write")\n'
        'GROUP = "nextframe.formats"\n'
        'def late(name):\n    return Late(f"nextframe.training.start:{name}"), Late(f"nextframe.cli.{name}:{name}")\n',
        encoding="utf-8",
    )
    named = {"nextframe.outputs", "nextframe.exports.hub", "nextframe.training.start", "nextframe.cli"}
    assert names_in_strings(module) == named


@pytest.mark.slow
def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((PACKAGE.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in project["dependencies"]}
    distributions = packages_distributions()
    known = {*sys.stdlib_module_names, *OPTIONAL, "nextframe"}
    for path in MODULES:
        for package in {name.split(".")[0] for name in imports(path)} - known:
            names = {name.lower().replace("_", "-") for name in distributions[package]}
            assert names & declared, f"{path} imports {package}, which pyproject.toml does not require"
