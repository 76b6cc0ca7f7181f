# SPDX-License-Identifier: Apache-2.0
"""The report in a real browser: curves are drawn, the cursor moves, nothing sticks out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures.browser import find_browser, told_by

from sparsh_ros.reports.evaluation.report import render

# Shows the page in a frame of a given width, runs a script in it, and leaves what it returns.
HARNESS = """<!doctype html><meta charset="utf-8"><pre id="told"></pre>
<iframe id="frame" style="width:{width}px;height:800px"></iframe><script>
const frame = document.getElementById("frame");
frame.onload = () => {{
  const page = frame.contentDocument, at = (id) => page.getElementById(id);
  const act = (element, kind, values) =>
    element.dispatchEvent(new frame.contentWindow[kind](values.type, {{bubbles: true, ...values}}));
  let told;
  try {{ told = (() => {{ {script} }})(); }} catch (error) {{ told = String(error); }}
  document.getElementById("told").textContent = JSON.stringify(told);
}};
frame.srcdoc = {page};
</script>"""
MOVE = """
const area = page.querySelector("#curves .area").getBoundingClientRect();
const move = (type, share) => act(at("curves"), "PointerEvent",
  {type, clientX: area.left + share * area.width, clientY: area.top + 2, pointerId: 1});
at("curves").setPointerCapture = () => {};
"""


@pytest.fixture(scope="module")
def browser() -> str:
    return find_browser()


@pytest.fixture
def ask(browser: str, touch, evaluated, tmp_path: Path) -> Callable[..., object]:
    """Runs a script in the page of two recordings; gives what it returns."""
    result = evaluated(touch("good", 0.1, late=2), touch("bad", 0.5))

    def run(script: str, width: int = 1200) -> object:
        page = json.dumps(render(result)).replace("</", "<\\/")
        path = tmp_path / "harness.html"
        path.write_text(HARNESS.format(width=width, script=script, page=page), encoding="utf-8")
        return told_by(browser, path)

    return run


def test_curves_follow_the_pointer_the_keys_and_the_choice(ask) -> None:
    script = """
    const state = () => [at("extent").textContent, at("when").textContent,
      at("curves").getAttribute("aria-valuetext"), at("seen").src.slice(0, 11)];
    const found = {first: state(), paths: page.querySelectorAll("#curves path").length};
    move("pointermove", 0.5);
    found.moved = state();
    move("pointerdown", 0.25);
    move("pointerup", 0.75);
    found.zoomed = state();
    act(at("curves"), "KeyboardEvent", {type: "keydown", key: "0"});
    act(at("curves"), "KeyboardEvent", {type: "keydown", key: "Home"});
    found.home = state();
    at("choice").value = "1";
    act(at("choice"), "Event", {type: "change"});
    return found;
    """
    found = ask(MOVE + script)
    assert found["paths"] == 8 + 7  # all rows have a truth, but for slip
    assert found["first"][0].startswith("bad, left: 0.00 to 3.99 s of 3.99 s")
    assert found["first"][1] == "0.40 s"  # where the force is worst
    assert found["moved"][1] in ("1.99 s", "2.00 s")
    assert "Force x: 0.50, truth 0.00 N" in found["moved"][2]
    assert found["moved"][3] == "data:image/"
    assert re.search(r"1\.00 to (2\.99|3\.00) s", found["zoomed"][0])
    assert found["home"][:2] == [found["first"][0], "0.00 s"]


def test_the_table_is_sorted_by_the_head_that_is_pressed(ask) -> None:
    script = """
    const names = () => [...page.querySelectorAll(".sortable tbody a")].map((a) => a.textContent);
    const found = [names()];
    for (const title of ["delay", "delay", "force, MAE"]) {
      [...page.querySelectorAll(".sortable button")].find((b) =>
        b.textContent.startsWith(title)).click();
      found.push(names());
    }
    return found;
    """
    first, worst_delay, best_delay, force = ask(script)
    assert first == worst_delay == force == ["bad", "good"]
    assert best_delay == ["good", "bad"]


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_sticks_out_of_the_page(ask, width: int) -> None:
    script = """
    const wide = page.documentElement.clientWidth;
    const out = [...page.querySelectorAll("body *")].filter((element) =>
      element.getBoundingClientRect().right > wide + 1 && !element.closest(".scroll"));
    return [page.documentElement.scrollWidth <= wide, out.map((e) => e.outerHTML.slice(0, 80))];
    """
    assert ask(script, width) == [True, []]
