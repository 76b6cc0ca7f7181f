# SPDX-License-Identifier: Apache-2.0
"""Small sound files to begin from."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import Counter, OrderedDict
from functools import cache

import numpy as np
import torch
from safetensors.torch import save

from sparsh_ros.models.anytouch.encoder import build_anytouch
from sparsh_ros.models.anytouch.heads import AnyTouchForceHead
from sparsh_ros.models.checkpoints.anytouch.config import AnyTouchConfig
from sparsh_ros.models.heads import ForceHead, PoseHead
from sparsh_ros.models.vit import VisionTransformer


@cache
def states() -> tuple[dict, ...]:
    """State dicts of an encoder, a video encoder and two heads, all tiny."""
    torch.manual_seed(0)
    encoder = VisionTransformer(64, 1, 1, image_size=(32, 32))
    clip = VisionTransformer(64, 1, 1, image_size=(32, 32), in_channels=3, frames=4, tubelet=2)
    heads = (ForceHead(12, 12), PoseHead(12, 12))
    return tuple(dict(module.state_dict()) for module in (encoder, clip, *heads))


@cache
def anytouch_state() -> dict:
    """State of a probe's file of AnyTouch 2, tiny: an encoder and its force head."""
    torch.manual_seed(0)
    config = AnyTouchConfig(16, 1, 1, 4, frames=2, tubelet=2, image_size=(8, 8), projection_dim=3)
    encoder = build_anytouch(config).state_dict()
    head = AnyTouchForceHead(16, 16, 8, 4).state_dict()
    return {f"tactile_model.{name}": value for name, value in encoder.items()} | dict(head)


@cache
def torch_files() -> list[bytes]:
    """What `torch.save` writes of them, bare and as training checkpoints, and the old format."""
    encoder, clip, force, pose = states()
    schedule = {"milestones": Counter([30, 60]), "base_lrs": [1e-3]}
    contents = [
        encoder,
        {"model": {f"teacher_encoder.backbone.{k}": v for k, v in clip.items()}, "epoch": 3},
        {"state_dict": OrderedDict((f"model_task.{k}", v) for k, v in force.items())},
        {"model": pose, "lr_scheduler": schedule, "args": torch.device("cpu")},
        {"model": anytouch_state(), "epoch": 3},
    ]
    files = []
    for content in contents:
        buffer = io.BytesIO()
        torch.save(content, buffer)
        files.append(buffer.getvalue())
    old = io.BytesIO()
    torch.save(force, old, _use_new_zipfile_serialization=False)
    return [*files, old.getvalue()]


@cache
def torch_pickles() -> list[bytes]:
    """The `data.pkl` in them."""
    found = []
    for data in torch_files()[:-1]:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
            found.append(archive.read(name))
    return found


def around(data_pkl: bytes, number: int) -> bytes:
    """A torch file in which another `data.pkl` takes the place of that of the file `number`."""
    out = io.BytesIO()
    source = io.BytesIO(torch_files()[number])
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(out, "w") as written:
        for entry in archive.infolist():
            changed = entry.filename.endswith("/data.pkl")
            written.writestr(entry.filename, data_pkl if changed else archive.read(entry))
    return out.getvalue()


@cache
def safetensors_files() -> list[bytes]:
    """The same weights as safetensors."""
    return [save(state) for state in (*states(), anytouch_state())]


@cache
def dataset_pickles() -> list[bytes]:
    """What data sets hold: images as bytes, labels as arrays, in every protocol."""
    data = {
        "frames": [b"\xff\xd8\xff" + bytes(40)] * 3,
        "force": np.linspace(0, 1, 12).reshape(4, 3),
        "slip": np.array([True, False]),
        "names": ["a", "b\u00fc"],
        "pose": [(1, 2.5, None), np.float32(3.0), -(2**70)],
        7: OrderedDict(x=np.zeros((2, 0), np.uint8)),
    }
    return [pickle.dumps(data, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
