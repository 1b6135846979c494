"""Many pictures as one page to read offline, and what there is to say of one run.

Figures, the gallery that makes them and its page serve studies and sweeps alike.
"""
