"""The common relations as data, in the notation that `relations` reads."""

from . import home, people, taste, things, work

TEXTS = (people.TEXT, home.TEXT, work.TEXT, taste.TEXT, things.TEXT)
