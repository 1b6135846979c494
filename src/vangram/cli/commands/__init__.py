"""One file a command, with its options. Nothing heavy is loaded before a command runs."""
