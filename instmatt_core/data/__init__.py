"""Data sets for training and measuring: reading them, and composing our own."""
