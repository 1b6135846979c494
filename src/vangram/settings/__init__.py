"""What is asked for: settings, how people write them, and how they are kept.

Nothing here loads torch, so that the command line can say what it can do at once.
"""
