"""Schedule search: kernels rendered with other schedules, built, timed beside each other, and the best written to a file."""
