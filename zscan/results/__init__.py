"""Maps: the file format, verification, loading and figures; nothing here needs jax."""
