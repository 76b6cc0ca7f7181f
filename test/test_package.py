# SPDX-License-Identifier: Apache-2.0
"""The promises of the package as a whole: what imports what, what is declared, what a wheel has."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fixtures.interpreter import run_python

import sparsh_ros

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sparsh_ros"
ROS = [
    *("rclpy", "launch", "launch_ros", "ament_index_python", "builtin_interfaces"),
    *("rcl_interfaces", "std_msgs", "std_srvs", "sensor_msgs", "geometry_msgs", "diagnostic_msgs"),
    "lifecycle_msgs",
    *("cv_bridge", "tf_transformations", "sparsh_ros.msg"),
]
# The only modules that may import torch: training, official checkpoints, the torch engine.
WITH_TORCH = re.compile(
    r"sparsh_ros\.(training(\..*)?|engines\.(torch_engine|bfloat16|cuda_graphs)|bench\.gpu"
    r"|export\.(export|convert)"
    r"|commands\.(train(_stream|_predicate)?|tacbench(\..*)?|vitactip|anytouch\..+|maze\.train)"
    r"|models\.(vit|layers|heads|dpt|preprocess|graphs)"
    r"|models\.resnet\.(network|files)"
    r"|models\.anytouch\.(tower|encoder|heads|graph)"
    r"|models\.streaming\.(network|variants)|models\.loading(\..*)?)"
)
IMPORT_WITHOUT = """
import importlib, sys

blocked, modules = sys.argv[1].split(","), sys.argv[2].split(",")


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if any(name == block or name.startswith(block + ".") for block in blocked):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)


sys.meta_path.insert(0, Blocker())
for module in modules:
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(f"{module}: {error}")
"""


def _modules() -> list[str]:
    """Dotted names of all modules in the source tree."""
    paths = (path.relative_to(ROOT).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


def _in_nodes(module: str) -> bool:
    return module.startswith("sparsh_ros.nodes")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _failing_imports(modules: list[str], without: list[str]) -> list[str]:
    """What cannot be imported by a fresh interpreter in which `without` does not exist."""
    return run_python(IMPORT_WITHOUT, ",".join(without), ",".join(modules)).splitlines()


def test_everything_outside_nodes_imports_without_ros() -> None:
    modules = [
        module
        for module in _modules()
        if not _in_nodes(module) and (_installed("torch") or not WITH_TORCH.fullmatch(module))
    ]
    assert _failing_imports(modules, without=ROS) == []


def test_the_live_path_imports_without_torch() -> None:
    modules = [
        module
        for module in _modules()
        if not WITH_TORCH.fullmatch(module)
        and (_installed("rclpy") or not _in_nodes(module))
        and (_installed("launch_ros") or not module.endswith(".launch_files"))
    ]
    training = ["torch", "onnx", "onnxscript", "safetensors", "scipy"]
    assert _failing_imports(modules, without=training) == []


def test_the_import_check_notices_a_forbidden_import() -> None:
    assert _failing_imports(["sparsh_ros.resources"], without=["sparsh_ros.errors"]) != []


def test_versions_agree() -> None:
    assert _manifest().findtext("version") == sparsh_ros.__version__


def test_package_xml_declares_what_the_nodes_import() -> None:
    declared = {element.text for element in _manifest() if element.tag.endswith("depend")}
    sources = [*(PACKAGE / "nodes").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    imported = {name for source in sources for name in _imported_packages(source)}
    assert imported & {*ROS, "rosgraph_msgs", "visualization_msgs"} <= declared


def test_every_python_file_names_its_licence_and_purpose() -> None:
    folders = ("sparsh_ros", "test", "launch", "examples", "tools")
    sources = [ROOT / "setup.py", *(path for f in folders for path in (ROOT / f).rglob("*.py"))]
    for source in sources:
        text = source.read_text()
        assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n"), source
        assert ast.get_docstring(ast.parse(text)), f"{source} has no docstring"


def test_requirements_are_pinned_and_the_demo_installs_no_torch() -> None:
    runtime, tests = _requirements("requirements.txt"), _requirements("requirements-test.txt")
    assert all(version for version in {**runtime, **tests, **_requirements("constraints.txt")})
    assert tests["torch"] == "2.13.0"
    assert "torch" not in runtime


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `pip install .` would install, unpacked."""
    source, unpacked = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in ("sparsh_ros", "config", "msg"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, source / folder, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", source, source], check=True, timeout=300)
    with zipfile.ZipFile(next(source.glob("*.whl"))) as archive:
        archive.extractall(unpacked)
    return unpacked


def test_the_wheel_has_all_modules_and_data(wheel: Path) -> None:
    modules, weights = PACKAGE.rglob("*.py"), (PACKAGE / "weights").rglob("*.*")
    pages = (PACKAGE / "reports" / "templates").rglob("*.*")
    expected = {path.relative_to(ROOT) for path in (*modules, *weights, *pages)}
    for path in (ROOT / "config").rglob("*.*"):
        expected.add(Path("sparsh_ros") / path.relative_to(ROOT))
    for path in (ROOT / "msg").glob("*.msg"):
        expected.add(Path("sparsh_ros", "message_definitions", path.name))
    assert {path for path in expected if not (wheel / path).is_file()} == set()


def test_the_core_of_the_wheel_works_without_ros(wheel: Path) -> None:
    program = (
        "from sparsh_ros.resources import config_path, message_definitions;"
        "import sparsh_ros.perception.pipeline;"
        "print(config_path('sensors', 'digit.yaml'), message_definitions()[-1],"
        " sparsh_ros.__version__)"
    )
    said = run_python(program, cwd=wheel)
    found = str(wheel / "sparsh_ros" / "config" / "sensors" / "digit.yaml")
    slip = str(wheel / "sparsh_ros" / "message_definitions" / "Slip.msg")
    assert said.split() == [found, slip, sparsh_ros.__version__]
    metadata = next(wheel.glob("*.dist-info/METADATA")).read_text()
    assert f"\nVersion: {sparsh_ros.__version__}\n" in metadata


def _manifest() -> ElementTree.Element:
    return ElementTree.parse(ROOT / "package.xml").getroot()


def _imported_packages(source: Path) -> set[str]:
    """Top-level names that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def _requirements(name: str) -> dict[str, str]:
    """Package name to pinned version ("" where none) of one requirements file."""
    lines = (line.strip() for line in (ROOT / name).read_text().splitlines())
    wanted = (line.partition("==") for line in lines if line and line[0] not in "#-")
    return {package.partition("[")[0]: version for package, _, version in wanted}
