"""Pure JAX kernels: arrays in, arrays out, broadcasting; no I/O beyond reading their own tables at import."""
