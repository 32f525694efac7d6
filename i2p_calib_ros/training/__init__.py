"""Training: samples with known prior errors, losses, and a trainer that stops and resumes at any moment."""
