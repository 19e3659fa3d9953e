"""Does the label predict what a model does away from its training data?"""
