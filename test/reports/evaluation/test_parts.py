# SPDX-License-Identifier: Apache-2.0
"""Notes, the table of recordings, confusion matrices, onsets, worst frames."""

from __future__ import annotations

import re
import tracemalloc
from dataclasses import replace

import pytest
from fixtures.made_up_results import make_sensor, make_slips

from sparsh_ros.reports.evaluation.confusion import confusion_table
from sparsh_ros.reports.evaluation.figures import pose_section, runtime_section, slip_section
from sparsh_ros.reports.evaluation.gallery import collect_worst, gallery_section, images_shown
from sparsh_ros.reports.evaluation.notes import notes_section
from sparsh_ros.reports.evaluation.onsets import SHOWN, onset_section, onsets_of
from sparsh_ros.reports.evaluation.recordings import recordings_section, worst_first


def test_one_note_of_many_recordings_is_told_once_with_its_sum(evaluated, parsed) -> None:
    sensors = [
        replace(make_sensor(name, 0.1), unaligned={"force": {"in a gap of the labels": number}})
        for name, number in (("a", 3), ("b", 1200))
    ]
    text = parsed("".join(notes_section(evaluated(*sensors)))).text
    assert text.count("in a gap of the labels") == 1
    assert "1,203 estimates of force have no label to compare with: in a gap" in text
    assert "a, left (3); b, left (1,200)" in text


def test_notes_tell_what_was_left_out_and_how_rough_intervals_are(evaluated, parsed) -> None:
    sensor = replace(make_sensor("a", 0.1), frames={"missing": 7, "clock_steps": 2}, notes=("hm",))
    result = evaluated(sensor, skipped={"b": "no images"})
    text = parsed("".join(notes_section(result))).text
    assert "b was left out: no images" in text
    assert "There is one recording, so no score has an interval." in text
    assert "7 frames are missing" in text and "2 steps back of the recorder's clock" in text
    assert "Hm." in text


def test_a_model_without_a_head_is_not_blamed_on_the_recordings(evaluated, parsed) -> None:
    result = evaluated(make_sensor("a", 0.1))
    result = replace(result, model={**result.model, "heads": ["force", "pose"]})
    text = parsed("".join(notes_section(result))).text
    assert "sparsh-sim-micro does not estimate slip." in text
    assert "No recording has a label of motion" in text


def test_nothing_to_note(touch, evaluated, parsed) -> None:
    result = evaluated(*(touch(str(number)) for number in range(10)))
    text = parsed("".join(notes_section(result))).text
    assert text.strip() == "Every frame that has an estimate could be compared with its labels."


@pytest.mark.parametrize(
    ("sensors", "order"),
    [
        ([make_sensor(str(error), error) for error in (0.2, 0.9, 0.1)], [1, 0, 2]),
        ([make_slips("a", [0.9, 0.9], "11"), make_slips("b", [0.1, 0.9], "11")], [1, 0]),
        ([make_slips("a", [0.1, 0.1], "00"), make_slips("b", [0.1, 0.9], "11")], [1, 0]),
        ([make_slips("slip alone", [0.9, 0.9], "11"), make_sensor("force", 0.1)], [1, 0]),
    ],
)
def test_the_worst_comes_first_and_what_has_no_score_last(evaluated, sensors, order) -> None:
    assert worst_first(evaluated(*sensors)) == order


def test_the_table_can_be_sorted_by_numbers_and_has_a_dash_for_none(evaluated, parsed) -> None:
    result = evaluated(make_slips("a", [0.1, 0.1], "00"), make_slips("b", [0.9, 0.9], "11"))
    page = parsed("".join(recordings_section(result, [1, 0])))
    (head,) = (th for th in page.all("th") if "aria-sort" in th)
    assert head["aria-sort"] == head["data-worst"] == "ascending"  # a low F1 is bad
    values = [cell["data-value"] for cell in page.all("td") if "data-value" in cell]
    assert values[0] == "1"
    assert re.search(r"a left digit 2 - - 0 -", page.text)


def test_confusion_is_in_percent_of_each_row(parsed) -> None:
    page = parsed(confusion_table("T <", [[3, 1], [0, 0]], ("no", "yes")))
    assert page.text.endswith("no yes frames no 75 25 4 yes 0")
    outlined = [cell for cell in page.all("td") if cell.get("class") == "right"]
    assert len(outlined) == 1 and "0.38" in outlined[0]["style"]
    assert [cell.get("title") for cell in page.all("td")][:2] == ["3 frames", "1 frames"]


def test_slip_confusions_are_those_of_the_threshold_and_of_the_protocol(evaluated, parsed) -> None:
    sensor = make_slips("a", [0.1, 0.6, 0.9, 0.9, 0.9, 0.1], "001111")
    text = parsed("".join(slip_section(evaluated(sensor), [sensor]))).text
    assert "no slip slip frames no slip 50 50 2 slip 25 75 4" in text
    assert "no slip slip frames no slip 100 2 slip 50 50 4" in text


def test_motion_has_a_matrix_of_11_bins_for_each_axis_that_is_known(touch, evaluated) -> None:
    html = "".join(pose_section(evaluated(touch("a"))))
    assert "x, bins in mm" in html and "y, bins in mm" in html and "rotation" not in html
    assert html.count("<tr>") == 2 * 12
    assert "below -5" in html and "-0.1 to 0.1" in html and "from 5" in html


def test_onsets_that_were_missed_come_first_and_only_the_latest_are_shown(touch, parsed) -> None:
    sensors = [
        touch("in time", late=1, count=2000),
        touch("missed", late=99),
        touch("late", late=8),
    ]
    page = parsed("".join(onset_section(sensors, 0.5)))
    assert "28 slips begin; 4 of them were never detected." in page.text
    targets = [a["href"].partition("&")[0] for a in page.all("a")]
    assert len(targets) == SHOWN
    assert targets[:8] == ["#recording=1"] * 4 + ["#recording=2"] * 4
    assert page.all("a")[0]["href"] == "#recording=1&at=0.4000"


def test_losses_of_all_recordings_are_added_up(touch, evaluated, parsed) -> None:
    frames = {"received": 1000, "missing": 4, "duplicates": 1}
    sensors = [replace(touch(name), frames=frames) for name in "ab"]
    text = parsed("".join(runtime_section(evaluated(*sensors)))).text
    assert "frames in the recordings 2,000" in text and "by their stamps 8" in text
    assert "recorded, frames per second of a sensor 100.0" in text
    assert "evaluated, frames per second 400.0" in text  # 800 frames in 2 s


def test_worst_frames_are_shown_with_what_was_said_and_true(touch, parsed) -> None:
    sensors = [touch("a", 0.25), touch("b")]
    small = replace(sensors[1].shown_frames[0], error=0.05)
    sensors[1] = replace(sensors[1], shown_frames=(small,))
    worst = collect_worst(sensors)
    page = parsed("".join(gallery_section(worst)))
    assert "said 0.25 / 0.00 / 1.91 N truth 0.00 / 0.00 / 1.91 N" in page.text
    assert "probability 0.10; it slips" in page.text
    assert "said 0.99 / 0.17 mm truth 0.99 / 0.17 mm" in page.text
    assert len(page.all("img")) == 3  # b's frame is not worth a look
    assert images_shown(worst, 1) == {}
    ids = {image["id"] for image in page.all("img")}
    assert {f"#{name}" for name in ids} == set(images_shown(worst, 0).values())


def test_without_images_there_is_no_gallery() -> None:
    assert not gallery_section(collect_worst([make_sensor("a", 0.1)]))


def test_onsets_of_a_long_recording_take_little_memory(touch) -> None:
    sensor = touch("long", count=40_000)
    assert len(onsets_of(sensor)) == 400
    tracemalloc.start()
    onset_section([sensor], 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
