"""The web page: a server that keeps pictures, a queue of jobs and the history of a folder.

Three processes. The server answers requests and never loads torch, so it is there at once and stays
quick; the worker runs the jobs, one after the other; the reader reads pictures and plans runs, so
that an upload need not wait for a run, and a damaged file can take no more than the reader down.
The interface is described in `docs/studio-api.md`.
"""
