"""`python -m effbench` is the `effbench` command."""

from effbench.cli.app import main

if __name__ == "__main__":
    main()
