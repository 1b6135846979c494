"""Tensors in memory or in mapped files; files that are replaced whole or not at all.

`storage.files` loads no torch and `storage.tensors` does, so each is imported by its own name.
"""
