"""Writers: from facts in words to factors that act beside frozen weights, and what those are worth."""

from .base import Example, Lesson, Progress, Writer, Written
from .distill import Distill, Settings
from .judging import Worth, judge

__all__ = ["Distill", "Example", "Lesson", "Progress", "Settings", "Worth", "Writer", "Written", "judge"]
