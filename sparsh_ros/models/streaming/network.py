# SPDX-License-Identifier: Apache-2.0
"""The small streaming network: dense maps and motion of a pair of frames, and heads with memory.

The encoder sees two frames, now and 5/60 s ago, as differences from the untouched gel at 80 x 60
pixels. It gives a map of the contact on 20 x 15 cells (one token a cell) and some tokens of the
whole image. Between encoder and heads works the friction observer of `sparsh_ros.perception`, which
needs no network; the heads join what it found with the tokens and remember (a gated recurrent unit,
Cho et al., 2014).

Lengths within the network are millimetres on a gel of `NOMINAL_MM`: other gels scale them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsh_ros.models.streaming.layout import (
    CHANNELS,
    COLUMNS,
    HIDDEN,
    MOTION,
    NOMINAL_MM,
    ROWS,
    SOLVED,
    TURN_MM,
    WHOLE,
)

PRESSURE = 0.1
"""N/mm^2 at a map value of 1."""
STRETCH = 0.3
"""mm at a map value of 1."""
SCALED = ("force", "delta_force", "pose", "slide", "share", "margin")
"""Outputs that come with a scale, which validation data calibrate."""
_FEATURES = WHOLE * CHANNELS - MOTION - 2 * SOLVED
CONTRAST, CHANGE = 1 / 32, 1 / 8
_RELATIVE = 4.0
_DARK = 16.0


class StreamingEncoder(nn.Module):
    """Images -> tokens (B, TOKENS, CHANNELS).

    A cell's token holds pressure (N/mm^2), share of the cell that touches, skin stretch x, y (mm,
    nominal), gain and precision for the observer, and two weights of the registration. The tokens
    of the whole image hold, in a row: motion x, y (mm, nominal), rotation (rad), the log of their
    Laplace scales (mm), features.
    """

    def __init__(self, width: int = 32, more: int = 0) -> None:
        """Draw weights.

        Args:
            width: channels of the first convolution; the others follow.
            more: channels that a variant shows the first convolution besides.
        """
        super().__init__()
        a, b, c, d = width, 3 * width // 2, 3 * width, 4 * width
        self.stem = nn.Sequential(convolve(9 + more, a, 2), convolve(a, b, 2))
        self.middle = nn.Sequential(convolve(b, c, 2), convolve(c, c, 1))
        self.deep = convolve(c, d, 2)
        self.whole = nn.Sequential(nn.Flatten(), nn.Linear(d * 20, _FEATURES), nn.ReLU())
        self.lateral = nn.Conv2d(c, a, 1)
        self.maps = nn.Sequential(convolve(a + b, a, 1), nn.Conv2d(a, CHANNELS, 1))
        self.registration = Registration()
        joint = _FEATURES + 2 * SOLVED
        self.motion = nn.Sequential(nn.Linear(joint, 64), nn.ReLU(), nn.Linear(64, 12))
        with torch.no_grad():
            self.maps[1].weight.mul_(0.3)
            self.maps[1].bias.copy_(torch.tensor([0.5, -2.0, 0, 0, -1.5, 2.0, 0, 0]))

    def forward(self, current: Tensor, previous: Tensor, background: Tensor) -> Tensor:
        """Encode small images, uint8 (B, 80, 60, 3)."""
        images = (current, previous, background)
        return self.encode(*(image.float().permute(0, 3, 1, 2) for image in images))

    def encode(
        self, current: Tensor, previous: Tensor, background: Tensor, more: Tensor | None = None
    ) -> Tensor:
        """Encode images (B, 3, 80, 60), grey levels; `more` (B, C, 80, 60): what a variant adds."""
        now = (current - background) * CONTRAST
        before = (previous - background) * CONTRAST
        seen = [look(current, previous, background), *([] if more is None else [more])]
        shallow = self.stem(torch.cat(seen, 1).to(memory_format=torch.channels_last))
        middle = self.middle(shallow)
        features = self.whole(self.deep(middle))
        wide = F.interpolate(self.lateral(middle), scale_factor=2.0, mode="nearest")
        maps = self.maps(torch.cat([shallow, wide[..., :COLUMNS]], 1)).float()
        features = features.float()
        cells = _activate(maps)
        solved = self.registration(now.float(), before.float(), cells[:, 6:], cells[:, 0])
        motion = self._move(features, solved)
        cells = cells.flatten(2).transpose(1, 2)
        whole = torch.cat([motion, solved.flatten(1), features], 1)
        return torch.cat([cells, whole.reshape(-1, WHOLE, CHANNELS)], 1)

    def _move(self, features: Tensor, solved: Tensor) -> Tensor:
        """(B, 6): motion and the logs of its scales; registration where it can be trusted."""
        out = self.motion(torch.cat([features, solved.flatten(1)], 1)).float()
        trust = torch.sigmoid(out[:, 6:]).reshape(-1, 2, 3)
        mean = out[:, :3] + (trust * solved[..., :3]).sum(1)
        turn = mean[:, 2:] / TURN_MM
        return torch.cat([mean[:, :2], turn, out[:, 3:6].clamp(-7.0, 3.0)], 1)


class Registration(nn.Module):
    """Rigid motion between two frames by weighted least squares (Lucas and Kanade, 1981).

    Solves g . u = -dI/dt over all cells for one rigid u, at two resolutions, the coarse one twice;
    the encoder's maps say which cells count. Its information tells which motion the print shows.
    """

    def __init__(self) -> None:
        """Begin with a slight pull to no motion."""
        super().__init__()
        self.ridge = nn.Parameter(torch.full((2, 3), -1.0))
        self.register_buffer("x", _axis(COLUMNS) * NOMINAL_MM[0], persistent=False)
        self.register_buffer("y", -_axis(ROWS) * NOMINAL_MM[1], persistent=False)

    def forward(self, now: Tensor, before: Tensor, weights: Tensor, pressure: Tensor) -> Tensor:
        """Register two images.

        Args:
            now: (B, 3, 80, 60) difference from the untouched gel.
            before: the same of the older frame.
            weights: (B, 2, 20, 15) weight of each cell at either resolution.
            pressure: (B, 20, 15) whose centre is the centre of rotation.

        Returns:
            (B, 2, 9): motion x, y, turn (mm), log of their information, gradient (3).
        """
        total = pressure.sum((1, 2)) + 1e-4
        centre_x = (pressure.sum(1) * self.x).sum(1) / total
        centre_y = (pressure.sum(2) * self.y).sum(1) / total
        arms = (
            (self.x - centre_x[:, None])[:, None, :] / TURN_MM,
            (self.y - centre_y[:, None])[:, :, None] / TURN_MM,
        )
        centre = torch.stack([centre_x, centre_y], 1).detach()
        now, before = _halve(now), _halve(before)
        coarse, solved = None, []
        # From coarse to fine, each on what the one before left over: fast motion is many pixels.
        for level, images in ((1, (_halve(now), _halve(before))), (1, None), (0, (now, before))):
            images = images or (_halve(now), _halve(before))
            moved = images[1] if coarse is None else _warp(images[1], coarse, centre)
            with torch.no_grad():
                products = self._products(images[0], moved)
            found = self._solve(level, products, weights[:, level], *arms)
            if coarse is not None:
                found = torch.cat([found[:, :3] + coarse, found[:, 3:]], 1)
            coarse = found[:, :3].detach()
            solved.append(found)
        return torch.stack([solved[2], solved[1]], 1)

    def _products(self, now: Tensor, before: Tensor) -> list[Tensor]:
        """Products of the derivatives per mm, summed over colours and over a cell: xx, xy, yy, xt,
        yt, each (B, 20, 15)."""
        step = 2 * NOMINAL_MM[0] / now.shape[3]
        mean = F.pad(0.5 * (now + before), (1, 1, 1, 1), mode="replicate")
        right = (mean[:, :, 1:-1, 2:] - mean[:, :, 1:-1, :-2]) / step
        up = (mean[:, :, :-2, 1:-1] - mean[:, :, 2:, 1:-1]) / step
        later = now - before
        pairs = ((right, right), (right, up), (up, up), (right, later), (up, later))
        sums = [(first * second).sum(1, keepdim=True) for first, second in pairs]
        return [(_halve(value) if now.shape[3] > COLUMNS else value)[:, 0] for value in sums]

    def _solve(
        self, level: int, products: list[Tensor], weight: Tensor, arm_x: Tensor, arm_y: Tensor
    ) -> Tensor:
        xx, xy, yy, xt, yt = (weight * value for value in products)
        turned_x, turned_y = arm_x * xy - arm_y * xx, arm_x * yy - arm_y * xy
        ridge = torch.exp(self.ridge[level])
        a, d, f = (
            value.sum((1, 2)) + ridge[axis]
            for axis, value in enumerate((xx, yy, arm_x * turned_y - arm_y * turned_x))
        )
        b, c, e = (value.sum((1, 2)) for value in (xy, turned_x, turned_y))
        u, v, w = (-value.sum((1, 2)) for value in (xt, yt, arm_x * yt - arm_y * xt))
        # Inverse of the symmetric [[a, b, c], [b, d, e], [c, e, f]] by its cofactors.
        p, q, r = d * f - e * e, c * e - b * f, b * e - c * d
        s, t, z = a * f - c * c, b * c - a * e, a * d - b * b
        scale = 1.0 / (a * p + b * q + c * r).clamp(min=1e-9)
        moved = [p * u + q * v + r * w, q * u + s * v + t * w, r * u + t * v + z * w]
        moved = [3.0 * torch.tanh(value * scale / 3.0) for value in moved]
        sure = [-torch.log((value * scale).clamp(min=1e-9)) / 4.0 for value in (p, s, z)]
        pulled = [torch.tanh(value / 4.0) for value in (u, v, w)]
        return torch.stack([*moved, *sure, *pulled], 1)


class StreamingHeads(nn.Module):
    """Readings of the observer and tokens -> estimates, with memory.

    Every `*_scale` is the scale b of a Laplace distribution, whose variance is 2 b^2.
    """

    def __init__(self, readings: int) -> None:
        """Draw weights for so many readings."""
        super().__init__()
        whole = WHOLE * CHANNELS
        self.enter = nn.Sequential(nn.Linear(whole + readings, 128), nn.ReLU())
        self.memory = nn.GRUCell(128, HIDDEN)
        self.mix = nn.Sequential(nn.Linear(HIDDEN + 128 + readings, 96), nn.ReLU())
        self.out = nn.Linear(96, 28)
        self.register_buffer("calibration", torch.ones(len(SCALED)))
        with torch.no_grad():
            self.out.weight.mul_(0.3)
            self.out.bias.zero_()

    def set_calibration(self, factors: dict[str, float]) -> None:
        """Multiply the scales of the outputs, by name, from now on."""
        self.calibration.copy_(torch.tensor([factors[name] for name in SCALED]))

    def forward(self, whole: Tensor, readings: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        """One step.

        Args:
            whole: (B, WHOLE * CHANNELS) tokens of the whole image in a row.
            readings: (B, F), see `layout.HEAD_READINGS`.
            hidden: (B, HIDDEN) memory of the last frame, zeros where contact begins.

        Returns:
            `next_hidden` (B, HIDDEN); `force`, `delta_force` (B, 3) N; `pose` (B, 3) motion of the
            object's origin over the interval, mm, mm, rad; `slip`, `contact` (B,) logits; `slide`
            (B,) log(1 + mm/s); `share`, `margin` (B,); and their scales.
        """
        entered = self.enter(torch.cat([whole, readings], 1))
        hidden = self.memory(entered, hidden)
        return {"next_hidden": hidden, **self._tell(hidden, entered, whole, readings)}

    def follow(self, whole: Tensor, readings: Tensor, lasting: Tensor) -> dict[str, Tensor]:
        """Many steps in a row, from no memory: what `forward` gives one by one, (B, T, ...) each.

        Args:
            whole: (B, T, WHOLE * CHANNELS).
            readings: (B, T, F).
            lasting: (B, T) 1 where the step remembers the one before, 0 where contact begins.
        """
        entered = self.enter(torch.cat([whole, readings], 2))
        hidden = whole.new_zeros(len(whole), self.memory.hidden_size)
        remembered = []
        for step in range(whole.shape[1]):
            hidden = self.memory(entered[:, step], hidden * lasting[:, step, None])
            remembered.append(hidden)
        parts = (torch.stack(remembered, 1), entered, whole, readings)
        found = self._tell(*(part.flatten(0, 1) for part in parts))
        return {name: value.unflatten(0, whole.shape[:2]) for name, value in found.items()}

    def _tell(
        self, hidden: Tensor, entered: Tensor, whole: Tensor, readings: Tensor
    ) -> dict[str, Tensor]:
        out = self.out(self.mix(torch.cat([hidden, entered, readings], 1)))
        found = self._read(out, whole, readings)
        for index, name in enumerate(SCALED):
            found[f"{name}_scale"] = found[f"{name}_scale"] * self.calibration[index]
        return found

    def _read(self, out: Tensor, whole: Tensor, readings: Tensor) -> dict[str, Tensor]:
        load, shear = readings[:, :1], readings[:, 2:4]
        change, change_load = readings[:, 8:10], readings[:, 10:11]
        softer = torch.exp(out[:, 0:1].clamp(-1.5, 1.5))
        steeper = torch.exp(out[:, 1:2].clamp(-1.5, 1.5))
        scale = out[:, 2:14].clamp(-7.0, 3.0)
        return {
            "force": torch.cat([shear * softer + out[:, 14:16], load * steeper + out[:, 16:17]], 1),
            "force_scale": torch.exp(scale[:, 0:3]),
            "delta_force": torch.cat([change * softer, change_load * steeper], 1) + out[:, 17:20],
            "delta_force_scale": torch.exp(scale[:, 3:6]),
            "pose": whole[:, :3] + 0.1 * out[:, 20:23],
            "pose_scale": torch.exp(scale[:, 6:9] - 3.0),
            "slip": out[:, 23],
            "contact": out[:, 24],
            "slide": F.softplus(4.0 * (out[:, 25] + readings[:, 11])) / 4.0,
            "slide_scale": torch.exp(scale[:, 9] - 1.0),
            "share": torch.sigmoid(out[:, 26]),
            "share_scale": torch.exp(scale[:, 10] - 1.0),
            "margin": torch.sigmoid(out[:, 27]),
            "margin_scale": torch.exp(scale[:, 11] - 1.0),
        }


def look(current: Tensor, previous: Tensor, background: Tensor) -> Tensor:
    """What the first convolution sees of images (B, 3, H, W): (B, 9, H, W)."""
    now = (current - background) * CONTRAST
    change = (current - previous) * CHANGE
    # The untouched gel is as bright as its light is strong there: relative to it, slopes count
    # alike everywhere and on every unit.
    relative = (current - background) * (_RELATIVE / (background + _DARK))
    return torch.cat([now, change, relative], 1)


def _warp(image: Tensor, moved: Tensor, centre: Tensor) -> Tensor:
    """An older image (B, C, H, W) moved on by (B, 3) x, y, turn (mm) about a centre (B, 2), mm."""
    rows, columns = image.shape[2:]
    x = (_axis(columns) * NOMINAL_MM[0]).to(image.device)[None, None, :]
    y = (-_axis(rows) * NOMINAL_MM[1]).to(image.device)[None, :, None]
    shift_x, shift_y, turn = (moved[:, axis, None, None] for axis in range(3))
    turn = turn / TURN_MM
    from_x = x - shift_x + turn * (y - centre[:, 1, None, None])
    from_y = y - shift_y - turn * (x - centre[:, 0, None, None])
    places = torch.stack([2 * from_x / NOMINAL_MM[0], -2 * from_y / NOMINAL_MM[1]], 3)
    return F.grid_sample(image, places, padding_mode="border", align_corners=False)


def _halve(image: Tensor) -> Tensor:
    """Means over 2 x 2 pixels."""
    rows = image[:, :, 0::2] + image[:, :, 1::2]
    return 0.25 * (rows[..., 0::2] + rows[..., 1::2])


def _activate(maps: Tensor) -> Tensor:
    """Pressure and stretch are told of the share that touches: elsewhere both are 0."""
    cover = torch.sigmoid(maps[:, 1:2])
    return torch.cat(
        [
            cover * F.softplus(maps[:, 0:1]) * PRESSURE,
            cover,
            cover * maps[:, 2:4] * STRETCH,
            torch.sigmoid(maps[:, 4:5]),
            F.softplus(maps[:, 5:6]) * 10.0,
            F.softplus(maps[:, 6:8] * 2.0),
        ],
        1,
    )


def convolve(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Normalised over the batch (Ioffe and Szegedy, 2015), else the maps hardly learn; ONNX Runtime
    folds it into the weights."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _axis(count: int) -> Tensor:
    """Cell centres from -0.5 to 0.5."""
    return (torch.arange(count) + 0.5) / count - 0.5
