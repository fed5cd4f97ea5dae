"""What the optimiser of RenderIH's public release does, rebuilt from a description of it, as a baseline to compare with.

Its discriminator term is left out: the weights of that network were never released.
"""
