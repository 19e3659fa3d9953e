"""`python -m mechprobe`: the command."""

from mechprobe.analyses.commands.main import main

main()
