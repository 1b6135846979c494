"""Settings: the recipe, how people write it, and how it is recorded.

Nothing here loads torch, so that the command line can say what it can do at once.
"""
