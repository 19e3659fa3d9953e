"""The demo: models of every architecture, labelled and reported."""
