"""Matting systems: picture and people in, one alpha matte per person out. One module or folder each."""
