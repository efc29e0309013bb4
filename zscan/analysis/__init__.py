"""Questions to a likelihood: one point, which couplings, which masses, which of all models."""
