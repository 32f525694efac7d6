"""Engines run a trained network: a model file in, match fields out."""
