# SPDX-License-Identifier: Apache-2.0
"""The report as a whole: what it says, and that it needs nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from fixtures.made_up_results import make_sensor, make_slips

from sparsh_ros.reports.evaluation.report import render, write_report


@pytest.fixture
def result(touch, evaluated):
    return evaluated(touch("one", 0.1), touch("two", 0.4), touch("three", 0.2))


def test_the_page_needs_nothing_else_and_is_the_same_each_time(result, parsed, tmp_path) -> None:
    write_report(result, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text == render(result)
    page = parsed(text)
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/jpeg;base64,"))
    assert "@import" not in text and "url(" not in text and "://" not in text
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_tells_scores_with_their_intervals(result, parsed) -> None:
    page = parsed(render(result))
    force = result.metrics["scores"]["force"]["mae_x_mn"]
    values = "{value:.4g} {low:.4g} to {high:.4g} mean".format(**force)
    assert f"MAE x, mN mean of |estimate - truth| {values}" in page.text
    assert "233 / 0 / 0 mN" in page.text  # mean of 100, 400 and 200 mN
    assert "30 ms from onset to alarm, median; 0 of 12 missed" in page.text
    assert not re.search(r"\b(nan|inf|None)\b", page.text)


def test_recordings_are_listed_worst_first_with_the_curves_of_each(result, parsed) -> None:
    page = parsed(render(result))
    names = [json.loads(data)["name"] for data in page.data]
    assert names == ["two, left", "three, left", "one, left"]
    links = [a["href"] for a in page.all("a") if re.fullmatch(r"#recording=\d", a["href"])]
    assert links == ["#recording=0", "#recording=1", "#recording=2"]
    assert [option["value"] for option in page.all("option")] == ["0", "1", "2"]
    choices = [button["data-choose"] for button in page.all("button") if "data-choose" in button]
    assert choices == ["0", "1", "2"]  # worst, median, best


def test_every_image_that_the_curves_refer_to_is_on_the_page(touch, evaluated, parsed) -> None:
    sensor = touch("a")
    fine = [replace(frame, row=frame.row + 9, error=0.01) for frame in sensor.shown_frames[:3]]
    page = parsed(render(evaluated(replace(sensor, shown_frames=(*sensor.shown_frames, *fine)))))
    sources = [source for _, source in json.loads(page.data[0])["images"]]
    referred = {source[1:] for source in sources if source.startswith("#")}
    assert len(sources) == 10 and len(referred) == 3
    assert referred <= {image.get("id") for image in page.all("img")}


def test_names_cannot_break_the_page(touch, evaluated, parsed) -> None:
    name = "</script><script>alert(1)</script> <b>\"&amp;' {x}"
    sensor = replace(touch(name), sensor="<i>", notes=("a <note> & more",))
    html = render(evaluated(sensor, touch("two")))
    page = parsed(html)
    assert "<script>alert" not in html and "<i>" not in html and "<note>" not in html
    assert json.loads(page.data[0])["name"] == f"{name}, <i>"
    assert f"{name}, <i>" in page.text


def test_where_a_label_is_missing_the_page_says_so(evaluated, parsed) -> None:
    page = parsed(render(evaluated(make_sensor("a", 0.1), make_sensor("b", 0.2))))
    assert "No recording has a label of slip, so its estimates are not scored." in page.text
    assert "There is no label of slip." in page.text
    assert "There is no label of motion." in page.text
    assert "Precision over recall" not in page.text
    assert json.loads(page.data[0])["onsets"] == []


def test_slip_alone_and_nothing_that_slips(evaluated, parsed) -> None:
    sensor = make_slips("a", [0.1, 0.2, 0.7, 0.1], "0000")
    page = parsed(render(evaluated(replace(sensor, label_topics={"slip": "/ground_truth/slip"}))))
    assert "There is no label of force." in page.text
    assert "Nothing slips, so there is no curve of precision over recall." in page.text
    assert "No slip begins in these recordings." in page.text
    assert "from onset to alarm" not in page.text


def test_estimates_that_are_never_there_give_a_page_all_the_same(touch, evaluated, parsed) -> None:
    sensor = touch("a")
    for name in ("force_n", "slip_probability", "pose_change", "pose"):
        getattr(sensor.estimates, name)[:] = np.nan
    sensor.estimates.slipping[:] = sensor.estimates.pose_bins[:] = -1
    sensor.estimates.reason[:] = 0
    estimates = replace(sensor.estimates, reasons=("no background yet",))
    page = parsed(render(evaluated(replace(sensor, estimates=estimates), touch("b"))))
    assert "400 frames have no estimate: no background yet" in page.text
    assert json.loads(page.data[1])["rows"] == []


def test_a_sensor_without_frames_is_in_no_list(evaluated, touch, parsed) -> None:
    page = parsed(render(evaluated(make_sensor("empty", 0.1, count=0), touch("full"))))
    assert [json.loads(data)["name"] for data in page.data] == ["full, left"]


@pytest.mark.parametrize("count", [1, 2])
def test_a_frame_or_two_give_a_page(touch, evaluated, parsed, count: int) -> None:
    sensor = replace(touch("a", count=count), shown_frames=())
    page = parsed(render(evaluated(sensor)))
    assert json.loads(page.data[0])["end"] == pytest.approx((count - 1) * 0.01)
    assert f"1 recording, {count} frame" in page.text


def test_72_recordings_fit_in_ten_megabytes(touch, evaluated) -> None:
    photo = np.random.default_rng(0).bytes(15_000)  # what a busy image of a gel needs
    sensors = []
    for number in range(72):
        sensor = touch(f"episode_{number:05d}", 0.01 * number, count=1000)
        frames = tuple(replace(frame, jpeg=photo) for frame in sensor.shown_frames[-3:])
        sensors.append(replace(sensor, shown_frames=frames))
    html = render(evaluated(*sensors))
    assert len(html) < 10e6
    assert json.loads(re.search(r'class="recording">(.*?)</script>', html)[1])["per_point"] == 1
