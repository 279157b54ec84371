"""What is a fact in a user's message and what is not: tables of sentences, places, pronouns, requests to remember."""

from __future__ import annotations

import pytest

from perdure.memory.facts import USER, ends, extract, holders

Stated = tuple[str, str, str]


def stated(text: str) -> list[Stated]:
    """Subject, relation and value of each fact."""
    return [(found.fact.subject, found.fact.relation, found.fact.value) for found in extract(text)]


OF_THE_USER = [
    ("My dog is called Rex.", "pet:dog", "Rex"),
    ("my dog is called rex", "pet:dog", "rex"),
    ("My dog's called Rex!", "pet:dog", "Rex"),
    ("My dog\u2019s name is Rex.", "pet:dog", "Rex"),
    ("Our lovely new dog is named Sir Barks.", "pet:dog", "Sir Barks"),
    ("I have a black cat called Minka.", "pet:cat", "Minka"),
    ("We just adopted a puppy named Bo, he's adorable.", "pet:puppy", "Bo"),
    ("Rex is the name of my dog.", "pet:dog", "Rex"),
    ("I live in Bergen.", "lives", "Bergen"),
    ("I've lived in Bergen since 2019.", "lives", "Bergen"),
    ("We moved to a small village near Uppsala last year.", "lives", "a small village near Uppsala"),
    ("I'm originally from Ljubljana.", "hometown", "Ljubljana"),
    ("I was born in Aarhus, Denmark.", "birthplace", "Aarhus, Denmark"),
    ("I was born in 1987.", "birthyear", "1987"),
    ("My birthday is on 3 May.", "birthday", "3 May"),
    ("I was born on the 3rd of May 1990.", "birthday", "the 3rd of May 1990"),
    ("I'm 34 years old.", "age", "34"),
    ("I just turned thirty-four last week.", "age", "thirty-four"),
    ("I work as a nurse.", "job", "a nurse"),
    ("I'm a marine biologist at the harbour.", "job", "a marine biologist at the harbour"),
    ("I work for Northwind Bakery.", "employer", "Northwind Bakery"),
    ("I'm allergic to walnuts.", "allergy", "walnuts"),
    ("I'm a vegetarian.", "diet", "vegetarian"),
    ("My favourite colour is dark green.", "favourite:colour", "dark green"),
    ("My favorite ice cream flavour is pistachio, of course.", "favourite:ice cream flavour", "pistachio"),
    ("Blade Runner is my favourite film.", "favourite:film", "Blade Runner"),
    ("I play the cello in an orchestra.", "instrument", "cello"),
    ("I speak Welsh and Finnish.", "speaks", "Welsh and Finnish"),
    ("I'm learning Korean at the moment.", "learning", "Korean"),
    ("I collect old maps.", "collects", "old maps"),
    ("My phone number is +47 555 12 34.", "number:phone number", "+47 555 12 34"),
    ("The code of my locker is 4711.", "number:locker code", "4711"),
    ("My wifi password is tangerine-42.", "number:wifi password", "tangerine-42"),
    ("My email address is jo@berg.example.", "email:email address", "jo@berg.example"),
    ("My dentist appointment is on Tuesday at 4 pm.", "when:dentist appointment", "on Tuesday at 4 pm"),
    ("I have a job interview on Friday morning.", "when:job interview", "on Friday morning"),
    ("My sister is called Anna.", "kin:sister", "Anna"),
    ("Tamsin Orrell is my cousin.", "kin:cousin", "Tamsin Orrell"),
    ("I'm married to Jonas Berg.", "married", "Jonas Berg"),
    ("I have three brothers.", "count:brothers", "three"),
    ("My boat is called Nordlys.", "thing:boat", "Nordlys"),
    ("I drive an old Volvo.", "drives", "an old Volvo"),
    ("My car is red.", "colour:car", "red"),
    ("I study marine biology at Bergen.", "study", "marine biology"),
    ("I go to Uppsala University.", "school", "Uppsala University"),
    ("I take my coffee with two sugars.", "takes:coffee", "with two sugars"),
    ("I have porridge for breakfast.", "meal:breakfast", "porridge"),
    ("I get up at 5:45 every day.", "wakes", "5:45"),
    ("I'm afraid of spiders.", "fear", "spiders"),
    ("I'm left-handed.", "hand", "left-handed"),
    ("I'm Estonian.", "nationality", "Estonian"),
    ("I'm Jonas.", "name", "Jonas"),
    ("Call me Jo.", "name", "Jo"),
    ("My text editor is Helix.", "trait:text editor", "Helix"),
    ("I keep my passport in a red box.", "whereabouts:passport", "in a red box"),
    ("I have two kids, Ada and Max.", "names:kids", "Ada and Max"),
    ("I have two kids.", "count:kids", "two"),
    ("My flight to Lisbon leaves on Saturday at 6:40.", "when:flight to Lisbon", "on Saturday at 6:40"),
    ("My password for the printer is copper_kettle_9.", "number:password for the printer", "copper_kettle_9"),
    ("My bike's lock code is 4711.", "number:bike's lock code", "4711"),
    ("You can reach me at jo@berg.example.", "email:email", "jo@berg.example"),
    ("Some news: I moved from Gothenburg to Malm\u00f6 in March.", "lives", "Malm\u00f6"),
    ("I've been a chemistry teacher for twelve years.", "job", "a chemistry teacher"),
    ("I work night shifts at a hospital as a paramedic.", "job", "a paramedic"),
    ("We celebrate our wedding anniversary on 2 August.", "when:wedding anniversary", "on 2 August"),
    ("I don't remember whether I told you, but my middle name is Aurelio.", "trait:middle name", "Aurelio"),
    ("My shoe size is 43.", "number:shoe size", "43"),
    ("I live with my sister.", "household", "your sister"),
]


@pytest.mark.parametrize(("text", "relation", "value"), OF_THE_USER)
def test_what_the_user_says_of_themselves(text: str, relation: str, value: str) -> None:
    assert stated(text) == [(USER, relation, value)]


OF_OTHERS = [
    ("Mara Lindqvist lives in Bergen.", "Mara Lindqvist", "lives", "Bergen"),
    ("Mara's dog is called Rex.", "Mara", "pet:dog", "Rex"),
    ("My cousin Tamsin works as a nurse.", "Tamsin", "job", "a nurse"),
    ("My friend Jonas Berg's birthday is 3 May.", "Jonas Berg", "birthday", "3 May"),
    ("The name of Jonas' cat is Tom.", "Jonas", "pet:cat", "Tom"),
    ("Tamsin, my cousin, plays the harp.", "Tamsin", "instrument", "harp"),
    ("My cousin, Tamsin Orrell, is allergic to nuts.", "Tamsin Orrell", "allergy", "nuts"),
    ("\u00c5sa Lindqvist speaks Welsh.", "\u00c5sa Lindqvist", "speaks", "Welsh"),
    ("O'Brien's boat is called Nordlys.", "O'Brien", "thing:boat", "Nordlys"),
    ("Jean-Luc Moreau drives an old Volvo.", "Jean-Luc Moreau", "drives", "an old Volvo"),
    ("Ludwig van der Berg lives in Delft.", "Ludwig van der Berg", "lives", "Delft"),
    ("Dr. Hansen lives in Oslo.", "Dr. Hansen", "lives", "Oslo"),
    ("Mara's 34.", "Mara", "age", "34"),
    ("Mara Lindqvist is Jonas Berg's sister.", "Jonas Berg", "kin:sister", "Mara Lindqvist"),
    ("My husband's a carpenter.", "the user's husband", "job", "a carpenter"),
    ("Joaqu\u00edn plays rugby every weekend.", "Joaqu\u00edn", "sport", "rugby"),
    ("My thesis supervisor, Professor Adeyemi, is from Lagos.", "Professor Adeyemi", "hometown", "Lagos"),
    ("Our cat Miso is fourteen.", "Miso", "age", "fourteen"),
    ("My sister lives in Uppsala.", "the user's sister", "lives", "Uppsala"),
    ("My older brother's wife is called Eva.", "the user's older brother", "kin:wife", "Eva"),
    ("Tamsin Orrell keeps her spare key under a blue flowerpot.", "Tamsin Orrell", "", "a blue flowerpot"),
    ("Tamsin Orrell once rowed across the Baltic Sea.", "Tamsin Orrell", "", "the Baltic Sea"),
    ("Tamsin Orrell's spare key is under the mat.", "Tamsin Orrell", "whereabouts:spare key", "under the mat"),
    ("Tamsin Orrell's stamp album is under the sofa.", "Tamsin Orrell", "", "the sofa"),
    ("Jean-Luc Moreau bought a farm in Normandy.", "Jean-Luc Moreau", "", "Normandy"),
]


@pytest.mark.parametrize(("text", "subject", "relation", "value"), OF_OTHERS)
def test_what_the_user_says_of_others(text: str, subject: str, relation: str, value: str) -> None:
    assert stated(text) == [(subject, relation, value)]


NO_FACTS = [
    "What is my dog called?",
    "Is Mara Lindqvist's dog called Rex?",
    "Do you remember that my dog is called Rex?",
    "Tell me about Tamsin Orrell.",
    "Please write a poem about my dog.",
    "If I had a dog, it would be called Rex.",
    "If my dog is called Rex, what is yours called?",
    "I would live in Bergen if I could.",
    "Maybe my dog is called Rex.",
    "I think my sister lives in Uppsala.",
    "I wish my name was Jonas.",
    "I might work as a nurse.",
    "I don't live in Bergen.",
    "I no longer work for Northwind Bakery.",
    "My dog is not called Rex.",
    "I'm not allergic to nuts.",
    "She lives in Bergen.",
    "His dog is called Rex.",
    "Tom said that his dog is called Rex.",
    "Tamsin Orrell told me she lives in Bergen.",
    '"My dog is called Rex and he is three," he said.',
    'He wrote: "My dog is called Rex. I live in Bergen. My name is Jonas."',
    "> My dog is called Rex.",
    "```\nMy dog is called Rex.\n```",
    "I'm fine, thanks.",
    "I'm tired.",
    "I live in hope.",
    "I'm sure that this is right.",
    "I like it.",
    "I love your answer.",
    "I work in the morning.",
    "I'm going to bed.",
    "I have a question.",
    "My question is about Python.",
    "My dog is a bit shy.",
    "Dogs live in houses.",
    "Paris is the capital of France.",
    "The weather is nice today.",
    "New York is a big city.",
    "Thank you so much!",
    "My laptop is broken and my code is wrong.",
    "My favourite part is the ending.",
    "I'm a bit confused.",
    "I'm in love with a girl in my class. Her name is a secret.",
    "I used to live in Rome.",
    "I'm looking for a good book.",
    "My boss is annoying.",
    "For example, my dog is called Rex.",
    "Let's say my name is Jonas.",
    "Imagine my dog is called Rex.",
    "In the story my name is Jonas.",
    "Translate this into French: My dog is called Rex.",
    "Proofread this:\n\nMy dog is called Rex. I live in Bergen.",
    "Write a story about Mara Lindqvist. Mara Lindqvist lives in a castle.",
    "",
    "...",
    "?!",
]


@pytest.mark.parametrize("text", NO_FACTS)
def test_what_is_no_fact(text: str) -> None:
    assert stated(text) == []


PREAMBLES = [
    "By the way, ",
    "Oh and ",
    "Did I tell you that ",
    "You know, ",
    "Fun fact: ",
    "BTW ",
    "Hi! Just so you know, ",
    "Well, actually, ",
]


@pytest.mark.parametrize("preamble", PREAMBLES)
def test_small_talk_before_a_fact_is_cut_away(preamble: str) -> None:
    (found,) = extract(preamble + "my dog is called Rex.")
    assert found.fact.statement == "The user's dog is called Rex."
    assert found.fact.spoken == "Your dog is called Rex."


def test_did_i_tell_you_is_no_question() -> None:
    assert stated("Did I tell you that I live in Bergen?") == [(USER, "lives", "Bergen")]


def test_an_aside_within_is_cut_away() -> None:
    assert stated("My dog, by the way, is called Rex.") == [(USER, "pet:dog", "Rex")]


PRONOUNS = [
    ("I met Tamsin Orrell yesterday. Her dog is called Rex.", [("Tamsin Orrell", "pet:dog", "Rex")]),
    ("I met Tamsin Orrell in Bergen. She plays the harp.", [("Tamsin Orrell", "instrument", "harp")]),
    ("I met Tamsin Orrell and her dog is called Rex.", [("Tamsin Orrell", "pet:dog", "Rex")]),
    ("I met Tamsin Orrell and Jonas Berg. Her dog is called Rex.", []),
    ("I met Tamsin Orrell. We had tea. Her dog is called Rex.", []),
    ("My cousin is called Tamsin. She lives in Bergen.", [(USER, "kin:cousin", "Tamsin"), ("Tamsin", "lives", "Bergen")]),
    ("My sister is visiting. She's a nurse.", [("the user's sister", "job", "a nurse")]),
    ("Do you know Tamsin Orrell? They live in Bergen.", [("Tamsin Orrell", "lives", "Bergen")]),
    ("Alex Kim lives in Oslo. They're allergic to nuts.", [("Alex Kim", "lives", "Oslo"), ("Alex Kim", "allergy", "nuts")]),
    ("I met Tamsin Orrell. Tamsin's dog is called Rex.", [("Tamsin Orrell", "pet:dog", "Rex")]),
    ("I have a cat. Her name is Minka.", [(USER, "pet:cat", "Minka")]),
    ("I have a dog and his name is Rex.", [(USER, "pet:dog", "Rex")]),
    ("I met Tamsin Orrell. She keeps bees behind the barn.", [("Tamsin Orrell", "", "the barn")]),
]


@pytest.mark.parametrize(("text", "facts"), PRONOUNS)
def test_pronouns_mean_the_only_person_of_the_sentence_before(text: str, facts: list[Stated]) -> None:
    assert stated(text) == facts


def test_a_sentence_may_state_several_facts() -> None:
    text = "My name is Jonas, I live in Bergen with my wife and my dog is called Rex."
    assert stated(text) == [(USER, "name", "Jonas"), (USER, "lives", "Bergen"), (USER, "pet:dog", "Rex")]


def test_two_verbs_may_share_a_subject() -> None:
    assert stated("I live in Bergen and work as a nurse.") == [(USER, "lives", "Bergen"), (USER, "job", "a nurse")]
    text = "Tamsin Orrell lives in Truro and has a dog called Rex."
    assert stated(text) == [("Tamsin Orrell", "lives", "Truro"), ("Tamsin Orrell", "pet:dog", "Rex")]


def test_each_part_of_what_is_to_be_remembered_is_a_fact() -> None:
    text = "Remember that my dog is called Rex and the vet comes on Monday."
    assert stated(text) == [(USER, "pet:dog", "Rex"), ("the vet", "", "Monday")]


def test_a_fact_among_chatter() -> None:
    text = (
        "Hi there! I hope you are well. I have been thinking about our holidays. By the way, Tamsin Orrell lives in Truro. "
        "What is the weather like in Cornwall in May? Thanks a lot!"
    )
    (found,) = extract(text)
    assert (found.fact.subject, found.fact.value, found.explicit) == ("Tamsin Orrell", "Truro", False)
    assert text[found.start : found.end] == "By the way, Tamsin Orrell lives in Truro."


EXPLICIT = [
    ("Remember: my dog is called Rex.", (USER, "pet:dog", "Rex")),
    ("remember that I keep my stamps in a red box.", (USER, "", "a red box")),
    ("Please note that I don't eat meat.", (USER, "", "meat")),
    ("Don't forget: the door code of the office is 4711.", ("the door code of the office", "", "4711")),
    ("Keep in mind that Tamsin is a terrible singer.", ("Tamsin", "", "a terrible singer")),
    ("Can you remember that my dog is called Rex?", (USER, "pet:dog", "Rex")),
    ("Please remember my locker code is 4711.", (USER, "number:locker code", "4711")),
    ("My locker code is 4711, please remember that.", (USER, "number:locker code", "4711")),
    ("I keep my stamps in a red box. Please remember that.", (USER, "", "a red box")),
    ("Remember this: maybe the shed leaks in winter.", ("maybe the shed", "", "winter")),
]


@pytest.mark.parametrize(("text", "fact"), EXPLICIT)
def test_what_is_to_be_remembered_is_a_fact(text: str, fact: Stated) -> None:
    (found,) = extract(text)
    assert (found.fact.subject, found.fact.relation, found.fact.value) == fact
    assert found.explicit


def test_remember_with_a_colon_holds_to_the_end_of_the_paragraph() -> None:
    text = "Remember:\n- My dog is called Rex\n- The shed key hangs behind the door.\n\nThe cellar key hangs in the hall."
    assert stated(text) == [(USER, "pet:dog", "Rex"), ("the shed key", "", "the door")]


def test_questions_and_thanks_behind_remember_are_no_facts() -> None:
    assert stated("Remember: my dog is called Rex. What is the capital of France? Thanks a lot!") == [
        (USER, "pet:dog", "Rex")
    ]


@pytest.mark.parametrize("text", ["Remember me?", "Do you remember me?", "I remember that day.", "Remember when we met?"])
def test_not_every_remember_is_a_request(text: str) -> None:
    assert stated(text) == []


def test_the_statement_of_an_unknown_relation_is_turned_to_both_sides() -> None:
    (found,) = extract("Remember that I keep my stamps in my desk.")
    assert found.fact.statement == "The user keeps their stamps in their desk."
    assert found.fact.spoken == "You keep your stamps in your desk."
    assert found.fact.value == "your desk"


def test_places_are_those_of_the_sentences() -> None:
    text = "Hello!\n\n  1. My dog is called Rex.  I live in Bergen"
    assert [text[found.start : found.end] for found in extract(text)] == ["My dog is called Rex.", "I live in Bergen"]


def test_a_fact_from_two_sentences_has_the_place_of_both() -> None:
    text = "Hello. I have a cat. Her name is Minka. Bye."
    (found,) = extract(text)
    assert text[found.start : found.end] == "I have a cat. Her name is Minka."
    text = "Hello. I have a dog and she is called Bo."
    (found,) = extract(text)
    assert (found.fact.relation, text[found.start : found.end]) == ("pet:dog", "I have a dog and she is called Bo.")


def test_abbreviations_do_not_end_sentences() -> None:
    assert stated("My doctor is Dr. Hansen and I live in St. Gallen.") == [
        (USER, "kin:doctor", "Dr. Hansen"),
        (USER, "lives", "St. Gallen"),
    ]


def test_a_paragraph_cut_into_lines_is_read_as_one() -> None:
    line = "Some time ago, it must have been in the spring of that year, my dear old"
    text = f"{line}\nTamsin Orrell moved house. She lives in\na mill."
    assert stated(text) == [("Tamsin Orrell", "lives", "a mill")]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Mara Lindqvist plays the zither now.", "mara lindqvist|instrument|=zither"),
        ("Mara Lindqvist's new hobby is calligraphy.", "mara lindqvist|hobby|=calligraphy"),
        ("It turned out that Mara Lindqvist is allergic to wasps instead.", "mara lindqvist|allergy|=wasps"),
        ("Mara Lindqvist now also plays the zither.", "mara lindqvist|instrument|zither"),
        ("Mara Lindqvist plays the zither.", "mara lindqvist|instrument|zither"),
        ("Mara Lindqvist lives in Rome now.", "mara lindqvist|lives"),
        ("Mara Lindqvist has moved and lives in Rome now.", "mara lindqvist|lives"),
        ("Mara Lindqvist's bicycle was stolen and is now orange.", "mara lindqvist|colour:bike"),
        ("Correction: Mara Lindqvist's birthday is on 9 May.", "mara lindqvist|birthday"),
    ],
)
def test_a_change_leaves_no_other_value(text: str, key: str) -> None:
    assert key in [found.fact.key for found in extract(f"Remember: {text}")]


def test_a_change_is_of_the_clause_that_tells_it() -> None:
    found = [each.fact for each in extract("I live in Utrecht now and my sister Ines plays the harp.")]
    assert [(fact.value, fact.changed) for fact in found] == [("Utrecht", True), ("harp", False)]


def test_which_of_several_keys_hold() -> None:
    assert holders(["m|instrument|violin", "m|lives", "m|instrument|=zither", "m|instrument|flute", "m|lives"]) == [
        2,
        4,
        2,
        3,
        4,
    ]
    assert holders(["m|instrument|=zither", "m|instrument|zither"]) == [1, 1]
    assert holders(["m|instrument|violin", "n|instrument|=zither"]) == [0, 1]
    assert ends("m|instrument|=zither", "m|instrument|violin")
    assert not ends("m|instrument|violin", "m|instrument|=zither")


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("Mara Lindqvist's dog is no longer called Rex but Moss.", "mara lindqvist|pet:dog", "Moss"),
        ("Mara Lindqvist's dog is not called Rex any more, but Moss.", "mara lindqvist|pet:dog", "Moss"),
        ("Mara Lindqvist's boat has been renamed Petrel.", "mara lindqvist|thing:boat", "Petrel"),
        ("Mara Lindqvist no longer lives in Oslo but in Rome.", "mara lindqvist|lives", "Rome"),
        ("Mara Lindqvist doesn't work as a baker any more but as a florist.", "mara lindqvist|job", "a florist"),
        ("Mara Lindqvist is no longer allergic to nuts but to wasps.", "mara lindqvist|allergy|=wasps", "wasps"),
        ("Mara Lindqvist does not collect stamps but coins.", "mara lindqvist|collects|=coins", "coins"),
        (
            "Mara Lindqvist's favourite dish has changed from ramen to okra stew.",
            "mara lindqvist|favourite:dish",
            "okra stew",
        ),
        ("Mara Lindqvist plays the zither instead of the harp.", "mara lindqvist|instrument|=zither", "zither"),
        ("Mara Lindqvist's bicycle is orange now, not lilac.", "mara lindqvist|colour:bike", "orange"),
    ],
)
def test_what_changed_is_read_as_what_holds_now(text: str, key: str, value: str) -> None:
    assert [(found.fact.key, found.fact.value) for found in extract(f"Remember: {text}")] == [(key, value)]


def test_not_only_is_no_change() -> None:
    assert [found.fact.value for found in extract("Remember: Not only my dog but my cat is called Rex.")] == ["Rex"]
    assert not any(
        found.fact.changed for found in extract("Remember: Mara Lindqvist plays not only the harp but also the flute.")
    )
