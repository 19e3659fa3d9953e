"""beartype for the tests: ints are floats there, as PEP 484 and every reader take them."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
