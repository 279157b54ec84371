"""The nouns that relations are about: animals, kin, events and so on, and which of them mean the same."""

from __future__ import annotations

import re

from .lexicon import words

NOUNS: dict[str, tuple[str, ...]] = {
    name: tuple(" ".join(noun.split()) for noun in text.split(","))
    for name, text in {
        "animals": """dog, cat, horse, rabbit, parrot, hamster, puppy, kitten, pony, bunny, guinea pig, budgie, canary,
            goldfish, fish, turtle, tortoise, snake, lizard, gecko, iguana, ferret, rat, mouse, hedgehog, chinchilla, goat,
            sheep, cow, pig, donkey, chicken, hen, rooster, duck, goose, cockatiel, tarantula, spider, axolotl, frog, llama,
            alpaca, bird, pet, owl, crow, foal, mare""",
        "kin": """sister, brother, mother, father, son, daughter, wife, husband, cousin, aunt, uncle, niece, nephew,
            grandmother, grandfather, partner, girlfriend, boyfriend, fiancé, fiancée, fiance, fiancee, spouse, mum, mom,
            mama, dad, papa, grandma, grandpa, granny, grandson, granddaughter, grandchild, godson, goddaughter, godmother,
            godfather, stepmother, stepfather, stepson, stepdaughter, stepbrother, stepsister, half-sister, half-brother,
            twin, baby, child, kid, mother-in-law, father-in-law, sister-in-law, brother-in-law, son-in-law,
            daughter-in-law, friend, neighbour, neighbor, boss, manager, colleague, coworker, co-worker, roommate, flatmate,
            housemate, teacher, doctor, dentist, therapist, landlord, landlady, coach, tutor, supervisor, advisor, adviser,
            mentor, assistant, trainer, babysitter, nanny, hairdresser, lawyer, accountant, physiotherapist, vet, ex""",
        "things": """boat, band, company, blog, podcast, car, ship, yacht, sailboat, van, truck, motorbike, motorcycle, bike,
            bicycle, scooter, tractor, guitar, violin, piano, choir, startup, start-up, firm, business, shop, store, café,
            cafe, restaurant, bakery, newsletter, channel, website, app, project, thesis, novel, book, album, robot,
            computer, laptop, server, house, cottage, cabin, farm, village, street, school, club, plant, teddy bear, teddy,
            doll, drone, sourdough starter, newspaper, magazine, gallery, studio, orchestra""",
        "vehicles": "car, bike, bicycle, motorbike, motorcycle, van, truck, scooter, boat, camper, e-bike, tractor",
        "machines": """phone, laptop, computer, camera, guitar, piano, violin, keyboard, tablet, printer, telescope, watch,
            sewing machine, bass, synth, synthesizer, espresso machine, coffee machine""",
        "events": """meeting, wedding, appointment, exam, flight, interview, deadline, party, concert, graduation, surgery,
            operation, holiday, vacation, trip, lesson, class, course, anniversary, due date, presentation, defence,
            defense, review, test, marathon, race, match, game, funeral, baptism, christening, shift, rehearsal, stand-up,
            standup, checkup, check-up, name day, conference, retreat, visit, audition, recital, retirement, train, launch,
            viewing, hearing, session, reunion, tournament, performance, day off, call, vaccination, examination""",
        "numbers": """phone number, PIN, door code, room number, shoe size, number, pin, code, password, passcode,
            passphrase, combination, size, extension, postcode, post code, zip code, ID, id, IBAN, licence plate,
            license plate, plate, username, user name, handle, hourly rate, rate, salary, budget, rent, blood type,
            blood group, account, key code, serial, score, age limit, record""",
        "traits": """motto, dream job, middle name, operating system, last name, surname, maiden name, first
            name, full name, family name, job title, title,
            department, website, homepage, URL, url, blog, seat, locker, bank, gym, insurance, provider, phone,
            laptop, computer, editor, text editor, browser, IDE, shell, keyboard, camera, supermarket, time zone, timezone,
            currency, pronouns, goal, dream, role model, hero, idol, pet peeve, weakness, specialty, speciality, position,
            dialect, topic, hospital, pharmacy, parking spot, parking space, distro, terminal, framework,
            programming language, stack, search engine, airline, biggest strength, strength, superpower,
            desk, office, safe word, catchphrase, call sign, tool, church, parish, brand""",
        "meals": "breakfast, lunch, dinner, supper, dessert",
        "brews": "coffee, tea, espresso",
        "emails": "email, email address, e-mail, e-mail address, mail address",
        "features": "eyes",
        "colourables": "car, hair, bike, house, front door, kitchen, bedroom, dog, cat, horse, phone, bicycle, boat",
        "counted": """brothers, sisters, children, siblings, cats, dogs, kids, sons, daughters, grandchildren, cousins,
            horses, chickens, goats, bikes, cars, aunts, uncles, nieces, nephews, pets, rabbits, beehives, hens, sheep""",
        "several": """children, kids, brothers, sisters, siblings, sons, daughters, parents, cats, dogs, grandparents,
            grandchildren, cousins, horses, chickens, goats, rabbits, hens, pets, twins, neighbours, neighbors, roommates,
            flatmates, best friends, aunts, uncles, nieces, nephews, boys, girls, puppies, kittens""",
        "belongings": """spare key, key, passport, wallet, charger, umbrella, toolbox, suitcase, bag, medicine, diary,
            first-aid kit, birth certificate, bike, car, laptop, camera, notebook, jewellery box, tent, drill, ladder,
            torch""",
        "favourites": """colour, food, film, book, season, animal, song, band, number, drink, dish, city, author, sport,
            flower, game, dessert, composer""",
    }.items()
}

_SAME = """
    mum:mother mom:mother mama:mother dad:father papa:father grandma:grandmother granny:grandmother grandpa:grandfather
    wife:partner husband:partner spouse:partner girlfriend:partner boyfriend:partner fiancé:partner fiancée:partner
    fiance:partner fiancee:partner kid:child puppy:dog kitten:cat bunny:rabbit foal:horse mare:horse neighbor:neighbour
    coworker:colleague co-worker:colleague flatmate:roommate housemate:roommate adviser:advisor color:colour movie:film
    bicycle:bike motorcycle:motorbike startup:company start-up:company firm:company business:company store:shop cafe:café
    pin:PIN id:ID mobile:phone vacation:holiday surname:last_name defense:defence timezone:time_zone postcode:zip_code
    check-up:checkup stand-up:standup surgery:operation kids:children license_plate:licence_plate plate:licence_plate
    mother_tongue:native_language first_language:native_language speciality:specialty family_name:last_name
    phone_number:phone number:phone mobile_number:phone telephone_number:phone cell:phone cell_number:phone
    text_editor:editor zodiac_sign:star_sign username:user_name
"""
_SYNONYMS = {one.replace("_", " "): same.replace("_", " ") for one, same in (pair.split(":") for pair in _SAME.split())}

_TAILED = ("events", "numbers", "traits")
_TAIL = r"(?: (?:to|with|for|at|about|of) (?:(?:my|our|his|her|their|the|an?) )?[\w'\u2019.-]+(?: [\w'\u2019-]+){0,2}?)?"
_BEFORE_TAIL = re.compile(r" (?:to|with|for|at|about|of) ")

_FOREIGN = words("and or is are was has have had in of the a an my our his her their to on at for with not no part bit")

EMPTY = words("new little lovely cute sweet beloved dear own beautiful crazy wonderful amazing current good great")
"""Adjectives that do not tell one thing from another: "my new dog" is "my dog"."""


def same(noun: str) -> str:
    """The noun that stands for all of the same meaning: "mother" for "mum", "film" for "Movie"."""
    folded = noun if noun in _SYNONYMS else noun.casefold()
    head = folded.rsplit(" ", 1)
    if len(head) == 2 and folded not in _SYNONYMS:
        return f"{head[0]} {_SYNONYMS.get(head[1], head[1])}"
    return _SYNONYMS.get(folded, folded)


def bare(noun: str) -> str:
    """The noun without adjectives that say nothing: "dog" for "lovely new dog"."""
    words = noun.split()
    while len(words) > 1 and words[0].lower() in EMPTY:
        words = words[1:]
    return " ".join(words)


def heads(name: str) -> str:
    """An expression for the nouns of one list."""
    return f"(?:{'|'.join(re.escape(noun) for noun in sorted(NOUNS[name], key=len, reverse=True))})"


def pattern(name: str) -> str:
    """An expression for the nouns of one list with up to two words before them.

    Some take more behind them: "meeting with Anna", "password for the printer".
    """
    return rf"(?:[\w-]+(?:['\u2019]s)? ){{0,2}}{heads(name)}{_TAIL if name in _TAILED else ''}"


def is_plain(noun: str) -> bool:
    """Whether a matched noun, up to what follows it, is made of words that belong to nouns, and is no relative's."""
    parts = _BEFORE_TAIL.split(noun, maxsplit=1)[0].lower().replace("\u2019", "'").split()
    return _FOREIGN.isdisjoint(parts) and not any(
        part.removesuffix("'s") in NOUNS["kin"] for part in parts if part[-2:] == "'s"
    )
