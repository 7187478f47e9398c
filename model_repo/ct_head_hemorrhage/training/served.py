"""The network as it is served: HU of any matrix and spacing in, probabilities and masks out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_repo.ct_head_hemorrhage.training.network import Bleeds

GRID = 224
GRID_MM = 1.0
LOW_HU, HIGH_HU, BONE_HU = -200.0, 400.0, 300.0


class Axis:
    """One image axis: where its pixels lie in mm from the middle of the bone, and the weights to and fro."""

    def __init__(self, profile: Tensor, spacing_mm: Tensor) -> None:
        count = profile.shape[1]
        index = torch.arange(count, device=profile.device).float()
        middle = (count - 1) * 0.5
        # One imaginary bone pixel in the middle keeps this finite without any bone.
        centre = ((profile * index).sum(1, keepdim=True) + middle) / (profile.sum(1, keepdim=True) + 1.0)
        self.at_mm = (index - centre) * spacing_mm[:, None]
        self.grid_mm = (torch.arange(GRID).float() - (GRID - 1) / 2) * GRID_MM
        self.width_mm = spacing_mm.clamp(min=GRID_MM)[:, None, None]

    def to_grid(self) -> Tensor:
        """[N, 1, GRID, length]: a triangle as wide as the coarser of both rasters; nothing outside."""
        apart = (self.grid_mm[None, :, None] - self.at_mm[:, None, :]).abs()
        weight = torch.relu(1.0 - apart / self.width_mm)
        return (weight / weight.sum(2, keepdim=True).clamp(min=0.5))[:, None]

    def to_image(self) -> Tensor:
        """[N, 1, length, GRID]: linear interpolation."""
        apart = (self.at_mm[:, :, None] - self.grid_mm[None, None, :]).abs()
        return torch.relu(1.0 - apart / GRID_MM)[:, None]


class Served(nn.Module):
    """The contract `slab_segmentation` around the network."""

    def __init__(self, network: Bleeds) -> None:
        super().__init__()
        self.network = network

    def forward(self, slab_hu: Tensor, pixel_spacing_mm: Tensor) -> tuple[Tensor, Tensor]:
        hu = slab_hu.float().clamp(LOW_HU, HIGH_HU)
        bone = (hu[:, 1] > BONE_HU).float()
        rows = Axis(bone.sum(2), pixel_spacing_mm[:, 0])
        columns = Axis(bone.sum(1), pixel_spacing_mm[:, 1])
        lifted = torch.matmul(rows.to_grid(), hu - LOW_HU)
        grid = torch.matmul(lifted, columns.to_grid().transpose(2, 3)) + LOW_HU
        logits, slices = self.network(grid)
        share = torch.matmul(torch.sigmoid(logits), columns.to_image().transpose(2, 3))
        share = torch.matmul(rows.to_image(), share)
        mask = (share.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
        return torch.sigmoid(slices), mask
