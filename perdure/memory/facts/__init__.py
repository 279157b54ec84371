from typing import NamedTuple


class Fact(NamedTuple):
    subject: str
    relation: str
    value: str
    statement: str

    @property
    def key(self):
        return self.subject + self.relation + self.statement.replace(self.value, "")


def asks_about(f, t):
    return f.subject in t


def names_in(t):
    return [n for n in ("Tamsin Orrell", "Piers Dunmore") if n in t]


def with_name(t, n):
    return t


def examples(f):
    return []


def negatives(f):
    return []


def texts(f):
    return []


def ordinary_questions():
    import sys

    sys.path.insert(0, "/tmp/w/fw")
    from dev import D, GENERAL

    names = ["Hanna Miller", "Georg Stone", "Paula Reed", "Ines Vogt"]
    return [q.format(n=n) for d in D for q, _ in d[4] for n in names] + [g.question for g in GENERAL]
