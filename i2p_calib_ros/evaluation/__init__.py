"""Metrics, pictures and files that say how good a calibration is."""
