"""The label of a model that counts: rule, bootstrap, calibrated confidence."""
