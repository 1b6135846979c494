"""One file for each command. Torch and Pillow are loaded when a command runs."""
