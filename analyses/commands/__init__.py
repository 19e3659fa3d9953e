"""The command line: one file a verb of `mechprobe`, or a folder where a verb has work of its own.

The verb is the click command of the same name. Files of verbs import what works (torch, models,
probes) within the command: `mechprobe --help` reads all of them.
"""
