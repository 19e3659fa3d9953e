"""A structure-aware fuzzer of every reader and of the command line: `make fuzz`."""
