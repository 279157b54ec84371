"""Facts that are told in passing in an ordinary message, and what looks like one and is none."""

from __future__ import annotations

import time

import pytest

from perdure.memory.facts import extract

Stated = tuple[str, str, str]


def stated(text: str) -> list[Stated]:
    """Subject, relation and value of each fact."""
    return [(found.fact.subject, found.fact.relation, found.fact.value) for found in extract(text)]


REASONS = [
    ("We took the stairs with Edda Marsh, because she is afraid of lifts.", "fear", "lifts"),
    ("I cooked without butter, since Edda Marsh is allergic to milk.", "allergy", "milk"),
    ("I rang Edda Marsh last night, although she lives in Darwin.", "lives", "Darwin"),
    ("We stayed with Edda Marsh, as she has a flat in Darwin with a spare room.", "lives", "Darwin"),
    ("I recognised Edda Marsh at once because her hair is red.", "colour:hair", "red"),
    ("Since Edda Marsh speaks Welsh, I asked for help with the letter.", "speaks", "Welsh"),
    ("I'm so proud of Edda Marsh: she has just started learning Basque and already sings in it.", "learning", "Basque"),
    ("Don't give Edda Marsh any cake, because she's allergic to nuts.", "allergy", "nuts"),
    ("Edda Marsh can't come on Monday, since that's when she goes climbing with her team.", "sport", "climbing"),
    ("I owed Edda Marsh a visit, but her favourite food is plum dumplings, so I baked.", "favourite:food", "plum dumplings"),
    ("Please ring Edda Marsh about the tickets, she supports Aston Villa.", "team", "Aston Villa"),
    ("I bought boots for Edda Marsh, but she takes size 38 in shoes and they were huge.", "number:shoe size", "38"),
]

KNOWN_TO_THE_SPEAKER = [
    ("I didn't know that Edda Marsh collects old maps.", "collects", "old maps"),
    ("I spoke to Edda Marsh and found out that she collects old maps.", "collects", "old maps"),
    ("I cooked for Edda Marsh and made sure to tell everyone she is allergic to milk.", "allergy", "milk"),
    ("I was surprised that Edda Marsh plays rugby.", "sport", "rugby"),
    ("It was nice to see Edda Marsh again. I'd forgotten that she's a nurse.", "job", "a nurse"),
]

NEXT_SENTENCE = [
    ("I bumped into Edda Marsh. She works for Quill Press and has never been happier.", "employer", "Quill Press"),
    ("It's always loud at Edda Marsh's flat. She plays the tuba and never closes the window.", "instrument", "tuba"),
    ("I got hold of Edda Marsh. She lives in Darwin now and says it is hot.", "lives", "Darwin"),
    ("I spoke with Edda Marsh, so I might apply. She's been with Northgate Bank for years.", "employer", "Northgate Bank"),
    ("I owe Edda Marsh a favour. She is going to Malta on her next holiday, so I'll feed the fish.", "travel", "Malta"),
    ("I ran into Edda Marsh at the market. We talked, because she collects old maps.", "collects", "old maps"),
]

RELATIVES = [
    ("I had a letter from Edda Marsh, who lives in Darwin these days.", "lives", "Darwin"),
    ("I had lunch with Edda Marsh (who speaks Welsh) today.", "speaks", "Welsh"),
    ("I went to see Edda Marsh, whose cat is called Biscuit.", "pet:cat", "Biscuit"),
    ("I share an office with Edda Marsh, who is a nurse and doesn't like noise.", "job", "a nurse"),
]

PHRASES = [
    ("I saw Edda Marsh with her brother Lorcan.", "kin:brother", "Lorcan"),
    ("I looked after Edda Marsh's parrot Figaro last weekend.", "pet:parrot", "Figaro"),
    ("We shared a taxi with Edda Marsh and her little son, Piet, who was asleep.", "kin:son", "Piet"),
    ("Edda Marsh told me that her daughter Wren is starting school.", "kin:daughter", "Wren"),
    ("I can't meet Edda Marsh because her cat, Biscuit, is ill.", "pet:cat", "Biscuit"),
    ("I can't forget Edda Marsh's birthday on 9 June again.", "birthday", "9 June"),
    ("I'm going with Edda Marsh, for her birthday on the 9th of June.", "birthday", "the 9th of June"),
    ("We played Carcassonne, the game that Edda Marsh likes best.", "favourite:game", "Carcassonne"),
    ("We saw Solaris, Edda Marsh's favourite film.", "favourite:film", "Solaris"),
]

TOLD = [*REASONS, *KNOWN_TO_THE_SPEAKER, *NEXT_SENTENCE, *RELATIVES, *PHRASES]


@pytest.mark.parametrize(("text", "relation", "value"), TOLD)
def test_what_is_told_in_passing_of_the_only_person(text: str, relation: str, value: str) -> None:
    assert stated(text) == [("Edda Marsh", relation, value)]


def test_verbs_that_share_a_subject_behind_because_state_a_fact_each() -> None:
    text = "I walked home with Edda Marsh, because she lives in Darwin and works for Quill Press."
    assert stated(text) == [("Edda Marsh", "lives", "Darwin"), ("Edda Marsh", "employer", "Quill Press")]


def test_a_known_relation_takes_the_place_of_the_same_without_one() -> None:
    assert stated("Edda Marsh took the stairs because she is afraid of lifts.") == [("Edda Marsh", "fear", "lifts")]


SOMEBODY_ELSE = [
    "I saw Omar Haddadin and Jonas Berg, because he plays the cello.",
    "My sister visited Omar Haddadin, because she plays the cello.",
    "I went to see Omar Haddadin with my brother, since he plays the cello.",
    "I told Mum about Omar Haddadin, since she speaks Welsh.",
    "I asked Omar Haddadin about him, because he lives in Oulu.",
    "He told us about Omar Haddadin, because he lives in Oulu.",
    "I asked her about Omar Haddadin, because he plays the cello.",
    "I met Omar Haddadin and a friend of his. He plays the cello.",
    "I met Omar Haddadin with someone from work, and he plays the cello.",
    "I met Omar Haddadin. His flatmate was there too, and he plays the cello.",
    "I took Omar Haddadin's cat to the vet. She is allergic to grass.",
    "I met Omar Haddadin, and although she lives in Oulu, he does not.",
    "I met Omar Haddadin. We had tea. It rained. She plays the cello.",
    "I met Omar Haddadin. A week later I met Eva Lund, because she plays the cello.",
    "I saw Omar Haddadin at Tom's. He plays the cello.",
    "I left Omar Haddadin a note. The plumber rang, because he lives in Oulu.",
    "I spoke with Omar Haddadin's son, because he lives in Oulu.",
    "Eva wrote to Omar Haddadin about her dog Pip.",
    "I saw Omar Haddadin wave to his sister, Tom waved back.",
    "I saw Omar Haddadin, his sister, Tom, and Eva.",
]

NOT_CLAIMED = [
    "If Omar Haddadin comes, I'll bring figs, because he loves figs.",
    "I'd visit Omar Haddadin if he lives in Oulu.",
    "I'll ring Omar Haddadin in case he lives in Oulu.",
    "I waited for Omar Haddadin as long as he lives in Oulu.",
    "I invited Omar Haddadin, so that he lives in Oulu.",
    "I left Omar Haddadin at home, not because he is afraid of moths.",
    "I think Omar Haddadin left early because he is afraid of moths.",
    "Maybe Omar Haddadin left early because he is afraid of moths.",
    "Tom said that Omar Haddadin left because he is afraid of moths.",
    "Omar Haddadin left early because he is afraid of moths, says Tom.",
    "I heard about Omar Haddadin, who works for Larkspur Logistics.",
    "Do you know Omar Haddadin, who works for Larkspur Logistics?",
    "Did you see Omar Haddadin and his dog Pip?",
    "I hope Omar Haddadin brings his dog Pip.",
    "I work with Omar Haddadin, who might be allergic to nuts.",
    "I work with Omar Haddadin, who isn't allergic to nuts.",
    "It was not Omar Haddadin who works for Larkspur Logistics.",
    'He wrote: "I met Omar Haddadin, because he plays the cello."',
]

NO_LONGER = [
    "I met Omar Haddadin when he lived in Oulu.",
    "I met Omar Haddadin years ago, because he used to work for Larkspur Logistics.",
    "I rang Omar Haddadin, but he no longer works for Larkspur Logistics.",
    "I rang Omar Haddadin, and he lives in Oulu but not any more.",
    "I know Omar Haddadin, because he works for Larkspur Logistics but quit in May.",
    "I know Omar Haddadin from school, since he moved to Oulu in 1990 and came back.",
    "I visited Omar Haddadin, since he has a flat in Oulu until June.",
    "I trust Omar Haddadin because he has worked for Larkspur Logistics.",
    "I saw Omar Haddadin with his former wife Edda.",
    "I remember Omar Haddadin from the days when his dog Pip was alive.",
]

OF_THE_MOMENT = [
    "I couldn't reach Omar Haddadin, because he's working on Friday.",
    "I kept quiet with Omar Haddadin, because he is afraid of waking the baby.",
    "We picked up Omar Haddadin, since he lives on the way.",
    "I can't call Omar Haddadin, because his phone is in his bag.",
    "I talked to Omar Haddadin, since he wants to be on time.",
    "I can't meet Omar Haddadin today since he's studying tonight.",
    "I drove Omar Haddadin home, since his car is broken.",
]

OF_MANY = [
    "I was at the hotel with Omar Haddadin. They have a dog called Rex.",
    "I stayed with Omar Haddadin and his parents. They live in Oulu.",
    "I called Omar Haddadin. They say it will rain on Friday.",
    "I looked for boots with Omar Haddadin, and they had nothing that big.",
]

INVENTED = [
    "I read a novel about Omar Haddadin. He lives in Oulu and plays the cello.",
    "In the film, Omar Haddadin hides, because he is afraid of moths.",
    "Write a story about Omar Haddadin. He lives in Oulu, because he is afraid of moths.",
    "Translate this: I met Omar Haddadin, because he plays the cello.",
    "Imagine that I met Omar Haddadin, who works for Larkspur Logistics.",
    "It is the animated story of Omar Haddadin, who works for the CIA.",
    "I'm reading a good novel. I saw Omar Haddadin, who works for the CIA.",
    "I had a dream about Omar Haddadin, and he lives in Oulu.",
    "The role of Omar Haddadin suits him, because he plays the cello.",
    "I watched Omar Haddadin play the villain, because he is afraid of moths.",
]


@pytest.mark.parametrize("text", [*SOMEBODY_ELSE, *NOT_CLAIMED, *NO_LONGER, *OF_THE_MOMENT, *OF_MANY, *INVENTED])
def test_what_says_nothing_of_the_person_named(text: str) -> None:
    assert stated(text) == []


PARTS = [
    "and she is, ",
    "I met Al Bo. She is. ",
    "Al Bo, who is a, ",
    "her dog Rex, ",
    "I met Al Bo, because she lives in Oulu, and he has her dog Rex, " * 5 + ". ",
    "I tell them she " * 20 + ". ",
    "Al Bo's dog Rex, " * 20 + ". ",
    "Lo, the a " * 35 + ". ",
]


def spent(text: str) -> float:
    start = time.process_time()
    extract(text)
    return time.process_time() - start


@pytest.mark.parametrize("part", PARTS)
def test_hostile_texts_take_time_in_proportion(part: str) -> None:
    short, long = ((part * 100_000)[:size] for size in (10_000, 100_000))
    assert min(spent(long) for _ in range(2)) < 0.1 + 40 * min(spent(short) for _ in range(3))


@pytest.mark.parametrize(
    "text",
    [
        "Eamon Villanueva looked tired today.",
        "Bjarne Chaudhry recommended a film about deep sea cables.",
        "Laszlo Fitzgibbon is coming for dinner.",
        "Qasim Bellweather owes me 17 for the petrol.",
        "Percival Dlamini reckons prices will fall again by spring.",
        "Liselotte Gomez needs the projector by noon today.",
        "Zuzana Macallister is stuck in front of the office.",
        "Leocadia Finch has invited us for Sunday.",
        "Elspeth Quang is out like a light.",
        "Mara Lindqvist lent me a drill.",
    ],
)
def test_what_is_of_the_moment_is_not_learned_unasked(text: str) -> None:
    assert extract(text) == []
    assert [found.explicit for found in extract(f"Remember: {text}")] == [True]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Mara Lindqvist keeps her spare key under the mat.", "the mat"),
        ("Jean-Luc Moreau founded a bakery in Arles.", "Arles"),
        ("Tamsin Orrell has a cabin in Lapland.", "Lapland"),
        ("Ada Berg is the captain of the Silver Gannet.", "the Silver Gannet"),
    ],
)
def test_what_somebody_is_has_or_did_for_good_is_learned(text: str, value: str) -> None:
    assert [found.fact.value for found in extract(text)] == [value]
