"""Which algorithm did this small attention model learn, and how do you know?"""
