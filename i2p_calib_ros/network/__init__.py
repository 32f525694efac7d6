"""The voxel-point-pixel network: one image view and one cloud in, a match distribution for every query point out."""
