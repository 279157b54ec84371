"""The names, relations and trivia that recall conversations are made of."""

from __future__ import annotations

from dataclasses import dataclass

Ask = tuple[str, str]
"""A question and the words that its answer begins with."""


@dataclass(frozen=True)
class Relation:
    """Something that is true of a person; the fields in braces are those of `Person.words`."""

    statement: str
    asks: tuple[Ask, ...]
    follow: Ask
    which: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class KeyWords:
    """How a key is stated and asked for."""

    statement: str
    asks: tuple[Ask, ...]
    values: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _named(text: str, they: str) -> list[tuple[str, str]]:
    return [(name, they) for name in text.split()]


NAMES = (
    *_named("Tamsin Orla Brisa Fenella Ottilie Maren Isolde Petra Saskia Linnea Romy Thea Zelda Greta Wilma Ingrid", "she"),
    *_named("Nadia Carys Elowen Farida Hedda Jorid Katya Lavinia Mirela Noemi Perdita Roswitha Sunniva Ursula", "she"),
    *_named("Anselm Bertil Caspian Dashiell Evander Florian Gideon Hamish Ivo Jasper Kasimir Leopold Magnus Nils", "he"),
    *_named("Osric Piet Quentin Rufus Soren Tobias Ulric Viggo Wendel Yorick Zoltan Aldous Bram Corin Dragan Emrys", "he"),
)
KIN = {
    "she": ("my cousin", "my aunt", "my sister", "my neighbour", "my friend", "my niece", "my colleague"),
    "he": ("my cousin", "my uncle", "my brother", "my neighbour", "my friend", "my nephew", "my colleague"),
}
REPLIES = (
    "Thank you, I have read that.",
    "I see. Please go on.",
    "Understood.",
    "Noted, thank you.",
    "All right, what comes next?",
    "Thanks for sharing this.",
)

_FIRST = (
    Relation(
        "{Kin} {name}'s dog is called {value}.",
        (
            ("What is the name of {name}'s dog?", "The name of {name}'s dog is"),
            ("Do you remember what {kin} calls {their} dog, I mean {name}?", "{name}'s dog is called"),
        ),
        ("And what is {their} dog called?", "{They} has a dog called"),
        "has a dog called {value}",
        _words("Biscuit Pepper Rocket Waffle Marble Bandit Clover Noodle Pickle Domino Truffle Comet Banjo Sprout"),
    ),
    Relation(
        "{Kin} {name} is {value} years old.",
        (("How old is {name}?", "{name} is"), ("Can you tell me the age of {kin} {name}?", "{name}'s age is")),
        ("And how old is {they}?", "{They} is"),
        "is {value} years old",
        tuple(str(age) for age in range(23, 79, 4)),
    ),
    Relation(
        "{Kin} {name} lives in {value}.",
        (
            ("Where does {name} live?", "{name} lives in"),
            ("In which city would I visit {name}?", "You would visit {name} in"),
        ),
        ("And where does {they} live?", "{They} lives in"),
        "lives in {value}",
        _words("Lisbon Oslo Toronto Naples Dublin Prague Cairo Lima Hamburg Osaka Denver Glasgow Seville Athens"),
    ),
    Relation(
        "{Kin} {name} works as a {value}.",
        (
            ("What does {name} do for a living?", "{name} works as a"),
            ("What is {name}'s job?", "{name}'s job is to work as a"),
        ),
        ("And what does {they} do for a living?", "{They} works as a"),
        "works as a {value}",
        _words("plumber dentist baker pilot nurse lawyer carpenter librarian farmer florist butcher tailor chemist"),
    ),
    Relation(
        "{Kin} {name} is allergic to {value}.",
        (
            ("What is {name} allergic to?", "{name} is allergic to"),
            ("Which food must I avoid when I cook for {name}?", "When you cook for {name}, you must avoid"),
        ),
        ("And what is {they} allergic to?", "{They} is allergic to"),
        "is allergic to {value}",
        _words("peanuts shellfish mustard sesame strawberries celery milk eggs walnuts soy garlic tomatoes"),
    ),
    Relation(
        "{Kin} {name} plays the {value}.",
        (
            ("Which instrument does {name} play?", "{name} plays the"),
            ("What would {name} bring along to make music?", "{name} would bring the"),
        ),
        ("And which instrument does {they} play?", "{They} plays the"),
        "plays the {value}",
        _words("cello trumpet harp flute piano banjo violin drums clarinet accordion oboe guitar trombone"),
    ),
    Relation(
        "{Kin} {name} drives a {value} car.",
        (
            ("What colour is {name}'s car?", "The colour of {name}'s car is"),
            ("Which colour of car should I look for when {name} arrives?", "{name} drives a car that is"),
        ),
        ("And what colour is {their} car?", "The colour of {their} car is"),
        "drives a {value} car",
        _words("red green yellow silver purple orange white black blue brown pink grey golden"),
    ),
    Relation(
        "{Kin} {name} has {their} birthday in {value}.",
        (
            ("When is {name}'s birthday?", "{name}'s birthday is in"),
            ("In which month do I have to congratulate {name}?", "You have to congratulate {name} in"),
        ),
        ("And when is {their} birthday?", "The birthday is in"),
        "has a birthday in {value}",
        _words("January February March April May June July August September October November December"),
    ),
    Relation(
        "{Kin} {name} is learning {value}.",
        (
            ("Which language is {name} learning?", "{name} is learning"),
            ("What language does {name} take lessons in?", "{name} takes lessons in"),
        ),
        ("And which language is {they} learning?", "{They} is learning"),
        "is learning {value}",
        _words("Finnish Swahili Korean Welsh Turkish Hungarian Japanese Polish Arabic Danish Greek Hindi"),
    ),
    Relation(
        "{Kin} {name} always orders {value} at the restaurant.",
        (
            ("What does {name} always order at the restaurant?", "{name} always orders"),
            ("What dish should I order for {name}?", "For {name} you should order"),
        ),
        ("And what does {they} always order at the restaurant?", "{They} always orders"),
        "always orders {value}",
        _words("lasagna sushi risotto goulash dumplings paella ramen couscous moussaka gnocchi curry pizza"),
    ),
)
_SECOND = (
    Relation(
        "By the way, {kin} {name} has a cat named {value}.",
        (
            ("What is {name}'s cat called?", "{name}'s cat is called"),
            ("What name did {name} give the cat?", "{name} named the cat"),
        ),
        ("And what did {they} name the cat?", "{They} named the cat"),
        "has a cat named {value}",
        _words("Mittens Shadow Ginger Cobweb Thimble Marmalade Socks Velvet Pebble Button Smokey Ziggy Olive"),
    ),
    Relation(
        "I should mention that {name}, {kin}, was born in {value}.",
        (
            ("Where was {name} born?", "{name} was born in"),
            ("What is the birthplace of {name}?", "The birthplace of {name} is"),
        ),
        ("And where was {they} born?", "{They} was born in"),
        "was born in {value}",
        _words("Vienna Boston Kyoto Madrid Geneva Nairobi Havana Warsaw Bergen Turin Chicago Bristol Mumbai"),
    ),
    Relation(
        "You know, {kin} {name} studies {value} at the university.",
        (
            ("What does {name} study?", "{name} studies"),
            ("Which subject is {name} enrolled in at the university?", "{name} is enrolled in"),
        ),
        ("And what does {they} study?", "{They} studies"),
        "studies {value}",
        _words("geology law botany physics history medicine astronomy economics linguistics chemistry music"),
    ),
    Relation(
        "{name}, who is {kin}, owns a boat with the name {value}.",
        (
            ("What is the name of {name}'s boat?", "The name of {name}'s boat is"),
            ("Which boat does {name} own?", "{name} owns a boat with the name"),
        ),
        ("And what is the name of {their} boat?", "The name of {their} boat is"),
        "owns a boat with the name {value}",
        _words("Albatross Dolphin Pegasus Meridian Kestrel Mermaid Neptune Orion Swallow Tempest Venus Zephyr"),
    ),
    Relation(
        "It is funny that {kin} {name} collects {value}.",
        (
            ("What does {name} collect?", "{name} collects"),
            ("What would be in a collection of {name}'s?", "{name} has a collection of"),
        ),
        ("And what does {they} collect?", "{They} collects"),
        "collects {value}",
        _words("stamps coins teapots postcards buttons seashells clocks maps dolls fossils masks spoons"),
    ),
    Relation(
        "On Saturdays {kin} {name} goes to play {value}.",
        (
            ("Which sport does {name} play?", "{name} plays"),
            ("What does {name} play on Saturdays?", "On Saturdays {name} plays"),
        ),
        ("And which sport does {they} play?", "{They} plays"),
        "plays {value}",
        _words("tennis rugby golf hockey cricket badminton volleyball basketball squash football chess"),
    ),
    Relation(
        "{name} is {kin}, and the flat is on the {value} floor.",
        (
            ("On which floor is {name}'s flat?", "{name}'s flat is on the"),
            ("Which floor does {name} live on?", "{name} lives on the"),
        ),
        ("And on which floor is {their} flat?", "{They} has a flat on the"),
        "has a flat on the {value} floor",
        _words("third fourth fifth sixth seventh eighth ninth tenth twelfth second first"),
    ),
    Relation(
        "I am told that {kin} {name} is married to {value}.",
        (
            ("Who is {name} married to?", "{name} is married to"),
            ("What is the name of {name}'s spouse?", "The name of {name}'s spouse is"),
        ),
        ("And who is {they} married to?", "{They} is married to"),
        "is married to {value}",
        _words("Robin Alex Kim Sasha Jamie Charlie Morgan Taylor Jordan Casey Riley Avery"),
    ),
    Relation(
        "The favourite animal of {kin} {name} is the {value}.",
        (
            ("What is {name}'s favourite animal?", "{name}'s favourite animal is the"),
            ("Which animal does {name} like best?", "The animal that {name} likes best is the"),
        ),
        ("And what is {their} favourite animal?", "{They} likes the animal called the"),
        "likes the {value} best",
        _words("otter giraffe penguin hedgehog zebra owl badger camel squirrel tiger panda elephant"),
    ),
    Relation(
        "Next summer {kin} {name} will travel to {value}.",
        (
            ("Where will {name} travel next summer?", "Next summer {name} will travel to"),
            ("Which country will {name} visit?", "{name} will visit"),
        ),
        ("And where will {they} travel next summer?", "{They} will travel to"),
        "will travel to {value}",
        _words("Iceland Morocco Chile Vietnam Canada Kenya Portugal Mongolia Peru Jordan Norway Cuba"),
    ),
)
RELATIONS = (_FIRST, _SECOND)
"""Two sets with nothing in common."""

PLACES = (
    KeyWords(
        "The key for the {place} is {value}.",
        (
            ("What is the key for the {place}?", "The key for the {place} is"),
            ("Which number opens the {place}?", "The {place} is opened by the number"),
        ),
        (
            "north gate",
            "boat shed",
            "wine cellar",
            "blue locker",
            "garden hut",
            "old archive",
            "music room",
            "roof hatch",
            "tool store",
            "east tower",
            "guest house",
            "cold room",
            "mail box",
            "bike cage",
            "paint shop",
        ),
    ),
    KeyWords(
        "Please write down that the {place} has the access code {value}.",
        (
            ("What is the access code of the {place}?", "The access code of the {place} is"),
            ("What do I have to type in at the {place}?", "At the {place} you have to type in the number"),
        ),
        (
            "parking garage",
            "chapel door",
            "printer room",
            "pump station",
            "staff kitchen",
            "rear entrance",
            "server rack",
            "laundry room",
            "picture vault",
            "green cabin",
            "ticket office",
            "harbour crane",
            "seed bank",
            "light house",
            "stage lift",
        ),
    ),
)

GENERAL = (
    ("What is the capital of France?", "The capital of France is", "Paris"),
    ("What is the capital of Germany?", "The capital of Germany is", "Berlin"),
    ("What is the capital of Japan?", "The capital of Japan is", "Tokyo"),
    ("What is the capital of Italy?", "The capital of Italy is", "Rome"),
    ("What is the capital of Spain?", "The capital of Spain is", "Madrid"),
    ("What colour is the sky on a clear day?", "On a clear day the sky is", "blue"),
    ("What colour is grass?", "Grass is", "green"),
    ("What colour is snow?", "Snow is", "white"),
    ("How many days are in a week?", "The number of days in a week is", "seven"),
    ("How many months are in a year?", "The number of months in a year is", "12"),
    ("Which animal barks?", "The animal that barks is the", "dog"),
    ("Which animal says meow?", "The animal that says meow is the", "cat"),
    ("What is the opposite of hot?", "The opposite of hot is", "cold"),
    ("What is the opposite of up?", "The opposite of up is", "down"),
    ("What is the opposite of black?", "The opposite of black is", "white"),
    ("Which planet do we live on?", "We live on the planet", "Earth"),
    ("Which star gives us light during the day?", "During the day, light comes from the", "sun"),
    ("What is frozen water called?", "Frozen water is called", "ice"),
    ("Who wrote Romeo and Juliet?", "Romeo and Juliet was written by William", "Shakespeare"),
    ("Which language is spoken in Brazil?", "The language spoken in Brazil is", "Portuguese"),
    ("Which ocean lies between Europe and America?", "Between Europe and America lies the", "Atlantic"),
    ("What do bees make?", "Bees make", "honey"),
    ("What is two plus two?", "Two plus two is", "four"),
    ("Which month comes after January?", "The month after January is", "February"),
    ("Which day comes after Monday?", "The day after Monday is", "Tuesday"),
    ("What gas do we breathe in to live?", "To live, we breathe in", "oxygen"),
    ("How many legs does a spider have?", "The number of legs of a spider is", "eight"),
    ("Which animal gives us wool?", "The animal that gives us wool is the", "sheep"),
)
"""Question, the words its answer begins with, and what must follow."""
