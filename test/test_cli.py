# SPDX-License-Identifier: Apache-2.0
"""The command `sparsh-ros`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from fixtures.interpreter import run_python

from sparsh_ros import __version__, cli
from sparsh_ros.arguments import positive_count, positive_number
from sparsh_ros.errors import ParameterError

# Of a fresh interpreter that shows a help page, and nothing else.
_HEAVY = ("torch", "rclpy", "numpy", "cv2", "yaml", "onnxruntime", "rich")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A module that stands in for the one of `sparsh-ros faults`."""
    module = SimpleNamespace(run=lambda arguments: arguments.runs)
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: module)
    return module


def test_the_exit_code_is_that_of_the_subcommand(command) -> None:
    command.run = lambda arguments: arguments.runs - 1
    assert cli.main(["faults", "--runs", "1"]) == 0
    assert cli.main(["faults", "--runs", "3"]) == 2


def test_an_error_is_one_sentence(command, capsys) -> None:
    def fail(_arguments):
        raise ParameterError("times: wanted more, found 1")

    command.run = fail
    assert cli.main(["faults"]) == 1
    assert capsys.readouterr().err == "sparsh-ros: times: wanted more, found 1\n"


def test_a_package_that_a_command_needs_late_is_named(command, capsys) -> None:
    def need(_arguments):
        raise ModuleNotFoundError("No module named 'rosbags'", name="rosbags")

    command.run = need
    assert cli.main(["faults"]) == 1
    assert "rosbags" in (message := capsys.readouterr().err) and "pip install" in message


@pytest.mark.parametrize(
    ("interrupt", "said"),
    [
        (KeyboardInterrupt(), "sparsh-ros: stopped\n"),
        (KeyboardInterrupt("stopped, 3 of 9"), "sparsh-ros: stopped, 3 of 9\n"),
    ],
)
def test_ctrl_c(command, capsys, interrupt: KeyboardInterrupt, said: str) -> None:
    def run(_arguments):
        raise interrupt

    command.run = run
    assert cli.main(["faults"]) == 130
    assert capsys.readouterr().err == said


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
    assert cli.main(["train", "card", "--metrics", "x"]) == 1
    assert "pip install torch" in capsys.readouterr().err


def _help(capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main([*words, "--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", cli._COMMANDS)
def test_every_help_has_an_example_that_parses(name: str, capsys) -> None:
    text = _help(capsys, name)
    assert f"usage: sparsh-ros {name}" in text
    example = re.search(r"example:\n  sparsh-ros (.*)", text)[1]
    assert example.split()[0] == name
    cli._parser().parse_args(example.split())


def test_help_tells_the_defaults_of_training(capsys) -> None:
    from sparsh_ros.training.loop.training import LoopSettings
    from sparsh_ros.training.probes import ProbeSettings
    from sparsh_ros.training.recipes.end_to_end import EndToEndSettings

    common = ["--data", "d", "--run", "r"]
    parsed = {
        step: cli._parser().parse_args(["train", step, *common])
        for step in ("mae", "heads", "end-to-end")
    }
    for step, own in (("mae", LoopSettings(1)), ("end-to-end", EndToEndSettings(40.0))):
        assert (parsed[step].batch, parsed[step].learning_rate) == (own.batch, own.rate)
    heads, own = parsed["heads"], ProbeSettings()
    assert (heads.epochs, heads.batch) == (own.epochs, own.batch)
    assert (heads.learning_rates, heads.seeds) == (own.rates, own.seeds)
    assert "at its peak (default: 0.0005)" in _help(capsys, "train", "end-to-end")


def test_one_word_has_one_meaning() -> None:
    """Renamed for good: an option of one command never means something else in another."""
    options: dict[str, set[str]] = {}
    for name, command in cli._COMMANDS.items():
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        for action in parser._actions:
            for option in action.option_strings:
                options.setdefault(option, set()).add(name)
    gone = {"--rate", "--rate-hz", "--kind", "--report", "--json", "--tries"}
    assert not gone & options.keys()
    assert {"run", "demo", "replay", "import", "evaluate"} <= options["--sensor"]


def test_help_is_quick_and_needs_neither_torch_nor_ros() -> None:
    """Nothing slow is imported for it; what it imports is most of the time that it takes."""
    program = (
        "import sys\n"
        f"for name in {_HEAVY}: sys.modules[name] = None\n"
        "from sparsh_ros.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    for name in cli._COMMANDS:
        assert "example:" in run_python(program, name, "--help")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many"])
def test_what_has_to_be_positive_is_checked_in_one_place(text: str) -> None:
    for read in (positive_number, positive_count):
        with pytest.raises(argparse.ArgumentTypeError, match=f"above 0, found '{text}'"):
            read(text)
    assert positive_number("0.5") == 0.5 and positive_count("3") == 3


def test_ctrl_c_in_a_process_of_its_own_leaves_no_traceback() -> None:
    program = (
        "import signal, sys, types\n"
        "from sparsh_ros import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # not that of a background job\n"
        "def run(arguments):\n"
        "    print('running', flush=True)\n"
        "    import time; time.sleep(60)\n"
        "cli.importlib.import_module = lambda name: types.SimpleNamespace(run=run)\n"
        "sys.exit(cli.main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "faults"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "running\n"
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and said == "sparsh-ros: stopped\n"
