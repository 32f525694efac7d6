"""From single frames to one extrinsic: fusion over time and the check before it is accepted."""
