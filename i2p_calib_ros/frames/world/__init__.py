"""A procedural street world with exact truth: places, light, cameras, LiDARs, and drives through them."""
