"""One measured training in one process: clock, loop, evaluation, measurements."""
