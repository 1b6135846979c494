"""Tensors in memory or in memory-mapped files; atomic writes and checksums of files.

`storage.files` loads no torch and `storage.tensors` does, so each is imported by its own name.
"""
