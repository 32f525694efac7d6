"""SE(3), camera models, the virtual pinhole view and point visibility: the base all other parts stand on."""
