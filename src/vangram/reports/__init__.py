"""Studies and sweeps as pages to read offline, the terms of a loss, and the self-test.

Figures, the gallery that makes them and its page serve studies and sweeps alike.
"""
