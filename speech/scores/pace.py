"""Fluency from pace alone, for engines that do not judge sounds: rates, pauses, and their norms."""

from dataclasses import dataclass
from typing import Final

from speech.fluency import Fluency
from speech.rates import native_rate
