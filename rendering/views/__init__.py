"""Where cameras stand, what they would show, and the plan that decides it all before the first pixel."""
