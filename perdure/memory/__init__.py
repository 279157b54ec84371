"""What memory is: commits, their history, and the repository that keeps them. Import costs no torch."""

from .reading import Restored
from .recipe import Recipe
from .records import Commit, Diff, FsckReport, GcReport, Message, Problem, SessionInfo, Tag
from .repository import Repository
from .workingcopy import WorkingCopy

__all__ = [
    "Commit",
    "Diff",
    "FsckReport",
    "GcReport",
    "Message",
    "Problem",
    "Recipe",
    "Repository",
    "Restored",
    "SessionInfo",
    "Tag",
    "WorkingCopy",
]
