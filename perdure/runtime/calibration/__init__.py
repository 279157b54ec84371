"""Training the gates and maps of an Infini memory for one model, from plain text (`perdure calibrate`)."""

from .pipeline import Outcome, Wanted, calibrate
from .streams import Setting

__all__ = ["Outcome", "Setting", "Wanted", "calibrate"]
