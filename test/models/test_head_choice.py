# SPDX-License-Identifier: Apache-2.0
"""Which heads are run, and the sentence for those that cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from reference.official import save_epoch

from sparsh_ros.errors import ModelError
from sparsh_ros.models.checkpoints.checkpoint import open_checkpoint
from sparsh_ros.models.checkpoints.weight_files import WeightFiles
from sparsh_ros.models.head_choice import AUTO, choose_heads
from sparsh_ros.models.heads import PoseHead
from sparsh_ros.models.spec import ModelSpec

SPEC = ModelSpec(name="test", size="micro", licence="Apache-2.0", weights=Path("some/folder"))


def test_auto_is_force_slip_pose_and_what_else_there_is() -> None:
    choice = choose_heads(replace(SPEC, heads=("textile", "force", "forcefield")))
    assert choice.wanted == ("force", "slip", "pose", "textile", "forcefield")
    assert choice.usable == ("force", "textile", "forcefield")
    assert list(choice.missing) == ["slip", "pose"]


def test_names_are_exact() -> None:
    spec = replace(SPEC, heads=("force", "slip", "textile"))
    choice = choose_heads(spec, ["slip"])
    assert choice.wanted == choice.usable == ("slip",) and not choice.missing
    assert choose_heads(spec, [AUTO, "grasp"]).wanted == (
        *("force", "slip", "pose"),
        *("grasp", "textile"),
    )


def test_a_missing_head_is_told_with_the_folder_and_what_it_has() -> None:
    reason = choose_heads(replace(SPEC, heads=("force", "pose"))).missing["slip"]
    assert reason == "no weights for slip in some/folder: it has force, pose"
    assert choose_heads(SPEC).missing["slip"].endswith("it has no heads at all")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ModelError, match=r"wanted some of auto, force, .* found \['smell'\]"):
        choose_heads(SPEC, ["force", "smell"])


def test_a_choice_can_lose_a_head_for_another_reason() -> None:
    choice = choose_heads(replace(SPEC, heads=("force", "forcefield")), ["force", "forcefield"])
    lesser = choice.without("forcefield", "needs something")
    assert (lesser.usable, lesser.missing) == (("force",), {"forcefield": "needs something"})
    assert lesser.without("forcefield", "needs more").missing == {"forcefield": "needs more"}
    assert choice.without("slip", "was not asked for") == choice


@pytest.mark.parametrize("fingers", [1, 3])
def test_a_pose_of_several_fingers_is_refused(tmp_path: Path, fingers: int) -> None:
    path = save_epoch(PoseHead(24, 2, fingers=fingers).state_dict(), tmp_path)
    file = open_checkpoint(path)
    spec = replace(SPEC, files=WeightFiles(file, {"pose": file}), heads=("pose",))
    choice = choose_heads(spec, ["pose"])
    assert ("pose" in choice.usable) == (fingers == 1)
    if fingers > 1:
        assert f"{path}: wanted a pose head of one finger" in choice.missing["pose"]
        assert "joins 3 fingers" in choice.missing["pose"]


def test_a_published_force_field_needs_an_encoder_of_two_frames(tmp_path: Path) -> None:
    file = open_checkpoint(save_epoch(PoseHead(24, 2).state_dict(), tmp_path))
    files = WeightFiles(file, {"forcefield": file})
    clips = replace(SPEC, heads=("forcefield",), files=files, tubelet=2)
    assert choose_heads(clips).missing["forcefield"].endswith("found one of clips")
    assert "forcefield" in choose_heads(replace(clips, tubelet=None)).usable
    assert "forcefield" in choose_heads(replace(clips, files=None)).usable  # exported by us
