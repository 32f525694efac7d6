"""SE(3), camera models, the virtual pinhole view and point visibility. Imports no other part of the package but errors."""
