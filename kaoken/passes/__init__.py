"""IR to IR, one pass a file; pipeline.py is the ordered list."""
