"""Frames (one image and one cloud) and where they come from: bags and sequence folders."""
