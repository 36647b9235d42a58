"""Paints a sheet of synthetic scenes and one clip as a film strip: `python examples/draw_scenes.py sheet.png`."""

import sys

import torch
from PIL import Image

from zorki.data.scenes.dataset import clip, scene

rows = [torch.cat([scene(0, 6 * row + column).image for column in range(6)], dim=2) for row in range(5)]
strip = torch.cat(list(clip(0, 0, motion="bounce", frames=6).frames), dim=2)
sheet = torch.cat([*rows, strip], dim=1)
Image.fromarray(sheet.permute(1, 2, 0).contiguous().numpy()).save(sys.argv[1] if len(sys.argv) > 1 else "sheet.png")
