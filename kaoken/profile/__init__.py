"""Where the time of a compiled model goes: every step by its layer's name, and how near it comes to the machine's limits."""
