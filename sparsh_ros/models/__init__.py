# SPDX-License-Identifier: Apache-2.0
"""Touch models: what they are (zoo), their networks, their weights, and their export to ONNX.

    from sparsh_ros.models import load_encoder, load_head

load the published files. They need torch; importing this package does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsh_ros.models.loading.encoders import load_encoder
    from sparsh_ros.models.loading.heads import load_head

__all__ = ["load_encoder", "load_head"]

_MODULES = {"load_encoder": "loading.encoders", "load_head": "loading.heads"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
