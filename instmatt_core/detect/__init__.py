"""Detectors: picture in, :class:`~instmatt_core.instances.InstanceMasks` out. One module or folder each."""
