"""The network: three slices at 1 mm in, five maps of logits and five logits of the slice out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_repo.ct_head_hemorrhage.training.bleeds import TYPES

# Centre and width in HU: brain, blood against bone, and everything.
WINDOWS = ((38.0, 80.0), (65.0, 200.0), (100.0, 600.0))

# How much more a pixel of each type weighs than one without blood.
RARITY = (4.0, 8.0, 16.0, 4.0, 8.0)


class Block(nn.Module):
    """Two convolutions around a shortcut."""

    def __init__(self, given: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(given, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False),
            nn.BatchNorm2d(width),
        )
        same = given == width and stride == 1
        self.short = nn.Identity() if same else nn.Conv2d(given, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.short(x))


class Bleeds(nn.Module):
    """A U-Net on half-resolution features; pixel unshuffle and shuffle spare the full resolution."""

    def __init__(self, widths: tuple[int, ...] = (32, 56, 96, 144)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.unshuffle = nn.PixelUnshuffle(2)
        self.stem = nn.Sequential(
            nn.Conv2d(36, a, 3, 1, 1, bias=False), nn.BatchNorm2d(a), nn.ReLU(inplace=True)
        )
        self.down1 = Block(a, a)
        self.down2 = nn.Sequential(Block(a, b, 2), Block(b, b))
        self.down3 = nn.Sequential(Block(b, c, 2), Block(c, c))
        self.down4 = nn.Sequential(Block(c, d, 2), Block(d, d, 1, 2), Block(d, d, 1, 4))
        self.up3 = Block(d + c, c)
        self.up2 = Block(c + b, b)
        self.up1 = Block(b + a, a)
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.maps = nn.Conv2d(a, 4 * len(TYPES), 1)
        self.shuffle = nn.PixelShuffle(2)
        self.slice_head = nn.Sequential(nn.Linear(3 * len(TYPES), 32), nn.ReLU(), nn.Linear(32, len(TYPES)))
        nn.init.constant_(self.maps.bias, -4.0)

    def forward(self, hu: Tensor) -> tuple[Tensor, Tensor]:
        """HU [N, 3, Y, X] to map logits [N, 5, Y, X] and slice logits [N, 5]; sizes divisible by 16."""
        slices = hu.unbind(1)
        middle, around = slices[1:2], (slices[0], slices[2])
        planes = []
        for centre, width in WINDOWS:
            planes += [((s - centre) / (0.5 * width)).clamp(-1, 1) for s in (*middle, *around)]
        x = self.stem(self.unshuffle(torch.stack(planes, 1)))
        one = self.down1(x)
        two = self.down2(one)
        three = self.down3(two)
        four = self.down4(three)
        three = self.up3(torch.cat([self.grow(four), three], 1))
        two = self.up2(torch.cat([self.grow(three), two], 1))
        one = self.up1(torch.cat([self.grow(two), one], 1))
        logits = self.shuffle(self.maps(one)).float()
        return logits, self.slice_head(pooled(logits))


def pooled(logits: Tensor) -> Tensor:
    """What the slice head sees of each map: the strongest spot, and how much is there."""
    spot = nn.functional.avg_pool2d(logits, 4, 2).amax((2, 3)) * 0.25
    share = torch.sigmoid(logits)
    area = torch.log1p(share.sum((2, 3))) * 0.5
    certain = torch.log1p((share * share * share).sum((2, 3))) * 0.5
    return torch.cat([spot, area, certain], 1)


def loss_of(logits: Tensor, slice_logits: Tensor, shares: Tensor) -> dict[str, Tensor]:
    """For each sample [N]: focal cross-entropy, Dice, cross-entropy of its slice; shares are 0 to 1."""
    share = torch.sigmoid(logits)
    plain = nn.functional.binary_cross_entropy_with_logits(logits, shares, reduction="none")
    # Blood is rare, thin blood most: its pixels count more, and confident mistakes keep their full weight.
    rare = torch.tensor(RARITY)[:, None, None]
    focal = (plain * (0.1 + (share - shares).abs()) * (1 + rare * shares)).mean((1, 2, 3)) * 60
    present = shares.sum((2, 3))
    overlap = 2 * (share * shares).sum((2, 3)) + 30
    dice = 1 - overlap / ((share * share).sum((2, 3)) + (shares * shares).sum((2, 3)) + 30)
    # Absent types count too, so that a false patch costs as much as a missed one.
    dice = dice.mean(1) * 2
    # 20 mm2 that are mostly blood can be seen; a trace spread thin cannot, and is no mistake either way.
    there = (shares > 0.5).sum((2, 3)) > 20
    unsure = ~there & (present > 2)
    cross = nn.functional.binary_cross_entropy_with_logits(slice_logits, there.float(), reduction="none")
    slices = (cross * (~unsure)).sum(1) / (~unsure).sum(1).clamp(min=1)
    return {"focal": focal, "dice": dice, "slice": slices, "loss": focal + dice + slices}
