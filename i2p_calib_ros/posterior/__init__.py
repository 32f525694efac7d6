"""Distributions over poses: likelihoods of match fields, sampling, and posteriors with a covariance."""
