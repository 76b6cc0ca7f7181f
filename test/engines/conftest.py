# SPDX-License-Identifier: Apache-2.0
"""What engines that are made on this machine are tested with."""

from __future__ import annotations

import pytest

from sparsh_ros.engines import parity
from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.models.zoo import load_model_spec
from sparsh_ros.names import TRANSFORMER_MODEL


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return load_model_spec(TRANSFORMER_MODEL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory):
    """A user's data folder for all tests of a file, so that what is kept there is made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(parity, "_PAIRS", 2)
        yield
