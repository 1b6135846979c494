"""What Sphinx needs beside its own: formulas without scripts, and the commands' options."""
