"""TorchServe handlers, thin: bytes in, a call into `detection`, bytes out.

Each handler module stands at the root of its archive too, with exactly one class, as TorchServe
wants it; this package travels in the archive for what the handlers share.
"""
