"""Films: video in and out, shots, and passes over their frames."""
