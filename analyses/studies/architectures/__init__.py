"""Variations of an architecture side by side: does the counting mechanism change?"""
