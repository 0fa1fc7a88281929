"""IR to C: every decision is in the IR already; templates hold C, Python fills them."""
