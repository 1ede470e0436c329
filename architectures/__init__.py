"""The networks that judge a face, each with the preprocessing it was made for."""

from architectures.detector import Detector
from architectures.preset import InputPreset
from architectures.registry import NAMES, build

__all__ = ["NAMES", "Detector", "InputPreset", "build"]
