"""What a LiDAR sees of a place: scan patterns and the sweep."""
