"""Where cells run: in processes of this machine, on a Ray cluster, or as Slurm jobs.

The scheduler (`effbench.runs.scheduler`) knows them by the few functions of `contract.Executor`;
`local` is the reference. Whichever it is, a cell is a process of `effbench.runs.worker` and leaves
the same files.
"""
