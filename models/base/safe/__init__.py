"""Reading other people's files as data: nothing in them is run."""
