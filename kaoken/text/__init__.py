"""Compiles what a tokenizer does into tables that the C runtime reads in place."""
