"""What click makes of a path on the command line."""

from pathlib import Path

import click

# Whether it can be read is found where it is read: one bad path of several costs no other.
PATH = click.Path(path_type=Path, readable=False)
