"""The zoo as continuous integration uses it: makes, compiles, builds, verifies and times the rows of a manifest.

Every step runs in a process of its own, so that its time and peak memory are its own and a crash is one row's failure.
"""
