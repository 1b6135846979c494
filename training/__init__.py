"""How vgg19-lite is distilled; runnable from end to end, not part of the package."""
