"""Things to remember and questions about them: names and numbers in texts that are otherwise alike, and paraphrases."""

from __future__ import annotations

import random
from typing import NamedTuple

FIRST = (
    "Anna Björn Carla Dmitri Elif Farah Goran Hana Ingrid Jonas Keiko Liam Mónica Nadia Omar Petra Quentin Rosa Sven Tariq"
)
LAST = "Karlsson Okafor Nguyen Petrov Silva Haddad Moreau Tanaka Lindqvist Castillo Novak Osei Keller Rossi Dahl"
CITIES = "Lisbon Oslo Kyoto Accra Lima Turin Quebec Split Hanoi Perth Cusco Malmö Izmir Leeds Tampa"

PARAPHRASES = (
    ("My sister moved to Lisbon last spring and loves the light there.", "Which town does my sibling live in now?"),
    ("I cannot eat anything with peanuts, I get a rash.", "Which food am I allergic to?"),
    ("The dog is called Biscuit and he is afraid of thunder.", "What scares our pet?"),
    ("We decided to paint the bedroom dark green.", "What colour did we choose for the room where we sleep?"),
    ("My flight to Oslo leaves on Friday at seven in the morning.", "When do I have to be at the airport?"),
    ("The old boiler broke down again, so we have no hot water.", "Why can't I take a warm shower?"),
    ("I started learning the cello when I was nine.", "At what age did I take up a musical instrument?"),
    ("Dad's surgery went well and he comes home on Sunday.", "How is my father after the operation?"),
    ("The tests fail because the clock of the build machine is wrong.", "What is the cause of the red pipeline?"),
    ("I prefer tea without milk in the afternoon.", "How do I like my hot drink after lunch?"),
    ("Our landlord raised the rent by ten percent.", "How much more do we pay for the flat?"),
    ("The novel I am writing is about a lighthouse keeper.", "What is my book's main character's job?"),
    ("My boss agreed that I may work from home on Mondays.", "On which weekday need I not go to the office?"),
    ("The bakery on the corner closes for the whole of August.", "In which month can't I buy bread nearby?"),
    ("Granny taught me how to make plum dumplings.", "Who showed me that dessert recipe?"),
    ("We adopted two kittens from the shelter yesterday.", "Where did our new cats come from?"),
    ("The car makes a strange noise when it turns left.", "What is wrong with my vehicle?"),
    ("I finally paid off my student loan this week.", "Do I still owe money for university?"),
    ("The neighbours complained about the drums at night.", "Who is unhappy with my practising?"),
    ("Our wedding will be in a small chapel by the lake.", "Where are we getting married?"),
)


class Fact(NamedTuple):
    group: str
    text: str
    question: str


def facts(seed: int = 1) -> list[Fact]:
    """The same list for the same seed: "names" and "numbers" differ from many others in one word, "paraphrases" in none."""
    draw = random.Random(seed)
    people = [f"{first} {last}" for first in FIRST.split() for last in LAST.split()]
    made = [Fact("paraphrases", text, question) for text, question in PARAPHRASES]
    for person in draw.sample(people, 100):
        code = draw.randrange(1000, 9999)
        made.append(
            Fact("names", f"The locker of {person} opens with the code {code}.", f"How do I open {person}'s locker?")
        )
        made.append(Fact("names", f"{person} wants to be called after lunch.", f"When should I phone {person}?"))
    for number in draw.sample(range(10_000, 99_999), 200):
        city = draw.choice(CITIES.split())
        made.append(Fact("numbers", f"Order {number} was sent to {city}.", f"Where did the parcel with number {number} go?"))
    return made
