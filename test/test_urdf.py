# SPDX-License-Identifier: Apache-2.0
"""The macros of the sensors for the URDF of a robot."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from sparsh_ros import names
from sparsh_ros.resources import config_path

xacro = pytest.importorskip("xacro", reason="xacro is not installed")

ROBOT = """
<robot name="hand" xmlns:xacro="http://www.ros.org/wiki/xacro">
  <xacro:include filename="{file}"/>
  <link name="palm"/>
  <xacro:{macro} name="thumb" parent="palm"><origin xyz="0 0 0.1"/></xacro:{macro}>
  <xacro:{macro} name="index" parent="palm"><origin xyz="0.03 0 0.1"/></xacro:{macro}>
</robot>
"""


@pytest.mark.parametrize("macro", ["digit", "gelsight_mini"])
def test_a_robot_may_have_several(macro: str, tmp_path: Path) -> None:
    path = tmp_path / "hand.urdf.xacro"
    path.write_text(ROBOT.format(file=config_path("urdf", f"{macro}.xacro"), macro=macro))
    robot = ElementTree.fromstring(xacro.process_file(str(path)).toxml())
    links = {link.get("name") for link in robot.iter("link")}
    joints = {joint.find("child").get("link"): joint for joint in robot.iter("joint")}
    assert links == {"palm", *joints}
    for name in ("thumb", "index"):
        gel, camera = joints[names.gel_frame(name)], joints[names.optical_frame(name)]
        assert gel.find("parent").get("link") == f"{name}_mount"
        assert camera.find("parent").get("link") == names.gel_frame(name)
        # Half a turn about x, as on /tf_static.
        assert float(camera.find("origin").get("rpy").split()[0]) == pytest.approx(math.pi)
        assert camera.find("origin").get("xyz").split()[2] == "0.02"
        assert joints[f"{name}_mount"].find("parent").get("link") == "palm"
        assert float(gel.find("origin").get("xyz").split()[2]) > 0.01
