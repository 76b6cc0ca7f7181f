# SPDX-License-Identifier: Apache-2.0
"""The command `sparsh-ros`."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest

from sparsh_ros import __version__, cli
from sparsh_ros.errors import ParameterError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A module that stands in for the one of `sparsh-ros bench`."""
    module = SimpleNamespace(
        add_arguments=lambda parser: parser.add_argument("--times", type=int, default=1),
        run=lambda arguments: arguments.times,
    )
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: module)
    return module


def test_the_exit_code_is_that_of_the_subcommand(command) -> None:
    assert cli.main(["bench", "--times", "0"]) == 0
    assert cli.main(["bench", "--times", "3"]) == 3


def test_an_error_is_one_sentence(command, capsys) -> None:
    def fail(_arguments):
        raise ParameterError("times: wanted more, found 1")

    command.run = fail
    assert cli.main(["bench"]) == 1
    assert capsys.readouterr().err == "sparsh-ros: times: wanted more, found 1\n"


def test_a_package_that_a_command_needs_late_is_named(command, capsys) -> None:
    def need(_arguments):
        raise ModuleNotFoundError("No module named 'rosbags'", name="rosbags")

    command.run = need
    assert cli.main(["bench"]) == 1
    assert "rosbags" in (message := capsys.readouterr().err) and "pip install" in message


def test_ctrl_c(command) -> None:
    def interrupt(_arguments):
        raise KeyboardInterrupt

    command.run = interrupt
    assert cli.main(["bench"]) == 130


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["fly"]])
def test_help_is_offered_where_no_command_is_named(argv, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(argv)
    assert stopped.value.code == 2
    assert "usage: sparsh-ros" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["run", "demo"])
def test_without_ros_one_sentence_says_so(name, monkeypatch, capsys) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda package: None if package == "rclpy" else find(package)
    )
    assert cli.main([name]) == 1
    message = capsys.readouterr().err
    assert "rclpy" in message and "make setup" in message and message.count("\n") == 1


def test_without_torch_one_sentence_says_so(monkeypatch, capsys) -> None:
    def import_module(name):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(cli.importlib, "import_module", import_module)
    assert cli.main(["train"]) == 1
    assert "pip install torch" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name, c in cli._COMMANDS.items() if not c.needs_ros])
def test_every_subcommand_explains_itself(name: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: sparsh-ros {name}" in capsys.readouterr().out
