"""The published network of VP2P-Match, as a configuration beside ours."""
