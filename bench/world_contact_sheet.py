"""A picture of many synthetic scenes, each beside its cloud projected by the true extrinsic.

    python bench/world_contact_sheet.py [--out docs/world_contact_sheet.jpg] [--seed 400] [--rows 6] [--columns 3]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_calib_ros.evaluation.overlay import OverlayPainter
from i2p_calib_ros.frames.frame import FrameRejected
from i2p_calib_ros.frames.world.drive import SyntheticDrive
from i2p_calib_ros.frames.world.places.kinds import PLACE_KINDS

TILE_PX = (340, 204)
CAPTION_PX = 20
GAP_PX = 6
PAPER = 24
INK = (225, 225, 225)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/world_contact_sheet.jpg"))
    parser.add_argument("--seed", type=int, default=400, help="of the first scene")
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--columns", type=int, default=3)
    arguments = parser.parse_args()

    tiles: list[NDArray[np.uint8]] = []
    seed = arguments.seed
    while len(tiles) < arguments.rows * arguments.columns:
        try:
            tiles.append(scene(seed, PLACE_KINDS[len(tiles) % len(PLACE_KINDS)]))
        except FrameRejected as rejection:
            print(f"seed {seed}: {rejection}")
        seed += 1
    rows = [np.hstack(tiles[i : i + arguments.columns]) for i in range(0, len(tiles), arguments.columns)]
    cv2.imwrite(str(arguments.out), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(arguments.out)


def scene(seed: int, kind: str) -> NDArray[np.uint8]:
    """Image and overlay side by side under a caption, of the middle frame of a drive."""
    drive = SyntheticDrive(seed, 15, rate_hz=10 / 3, kind=kind)
    frame = drive.load(7)
    painter = OverlayPainter(frame.camera)
    overlay = painter.paint(frame, drive.T_camera_lidar_true(7 / drive.rate_hz))
    pair = np.hstack([fitted(frame.image), fitted(overlay)])
    caption = np.full((CAPTION_PX, pair.shape[1], 3), PAPER, np.uint8)
    text = f"{seed}  {kind}   {drive.rig.lidar.pattern.name} on a {drive.rig.vehicle}   {frame.camera.model}"
    cv2.putText(caption, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    tile = np.vstack([caption, pair])
    return cv2.copyMakeBorder(tile, 0, GAP_PX, 0, GAP_PX, cv2.BORDER_CONSTANT, value=(PAPER,) * 3)


def fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as large as fits into a tile, centred."""
    width, height = TILE_PX
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    tile = np.full((height, width, 3), PAPER, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


if __name__ == "__main__":
    main()
