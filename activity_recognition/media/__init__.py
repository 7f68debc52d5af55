"""Video and sound of files, addresses and cameras through PyAV: one decoder for all of them."""
