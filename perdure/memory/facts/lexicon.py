"""Closed sets of words by which a value shows what it is: a colour, a language, a trade."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text; an underscore stands for a space within one."""
    return frozenset(word.replace("_", " ") for word in text.split())


def one_of(text: str) -> str:
    """An expression for any of the expressions that a text lists between commas, the longest first."""
    listed = (" ".join(item.split()).replace("'", "['\u2019]") for item in text.split(","))
    return f"(?:{'|'.join(sorted(listed, key=len, reverse=True))})"


MONTHS = words("january february march april may june july august september october november december")
WEEKDAYS = words("monday tuesday wednesday thursday friday saturday sunday")

NUMERALS = words("""
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred a_dozen no
""")

COLOURS = words("""
    red blue green yellow black white grey gray brown orange purple pink violet turquoise beige silver golden gold blond
    blonde auburn ginger hazel amber crimson maroon navy teal cream ivory lilac magenta cyan indigo olive tan copper
    bronze chestnut dark_blue light_blue dark_green light_green dark_brown light_brown bright_red dark_red navy_blue
    sky_blue mint_green brindle tabby strawberry_blonde striped spotted
""")

DEMONYMS = words("""
    afghan albanian algerian american argentinian armenian australian austrian bangladeshi belarusian belgian bolivian
    bosnian brazilian british bulgarian cambodian cameroonian canadian catalan chilean chinese colombian congolese
    croatian cuban cypriot czech danish dutch ecuadorian egyptian english estonian ethiopian filipino finnish french
    georgian german ghanaian greek guatemalan hungarian icelandic indian indonesian iranian iraqi irish israeli italian
    jamaican japanese jordanian kazakh kenyan korean latvian lebanese libyan lithuanian macedonian malaysian maltese
    mexican moldovan mongolian moroccan nepalese nigerian norwegian pakistani palestinian paraguayan persian peruvian
    polish portuguese romanian russian rwandan saudi scottish senegalese serbian singaporean slovak slovenian somali
    south_african south_korean spanish sri_lankan sudanese swedish swiss syrian taiwanese tanzanian thai tunisian
    turkish ugandan ukrainian uruguayan venezuelan vietnamese welsh zambian zimbabwean
""")

LANGUAGES = words("""
    afrikaans albanian amharic arabic armenian basque bengali bosnian breton bulgarian burmese cantonese catalan cebuano
    chinese cornish croatian czech danish dutch english esperanto estonian faroese farsi finnish flemish french frisian
    gaelic galician georgian german greek greenlandic gujarati hausa hawaiian hebrew hindi hungarian icelandic igbo
    indonesian irish italian japanese javanese kannada kazakh khmer korean kurdish lao latin latvian lithuanian
    macedonian malay malayalam maltese mandarin maori marathi mongolian nepali norwegian pashto persian polish
    portuguese punjabi quechua romanian russian sami samoan sanskrit serbian sicilian slovak slovenian slovene somali
    spanish swahili swedish swiss_german tagalog tamil tatar telugu thai tibetan turkish ukrainian urdu uzbek vietnamese
    welsh xhosa yiddish yoruba zulu sign_language american_sign_language british_sign_language
""")

INSTRUMENTS = words("""
    accordion bagpipes banjo bass bassoon bongos cello clarinet cornet didgeridoo drums dulcimer fiddle flute
    glockenspiel gong guitar harmonica harp harpsichord horn kazoo keyboard keyboards lute lyre mandolin marimba
    nyckelharpa oboe ocarina organ percussion piano piccolo pipe recorder saxophone sax sitar synthesizer tabla
    tambourine theremin timpani triangle trombone trumpet tuba ukulele viola violin vibraphone whistle xylophone zither
    hurdy-gurdy
""")

SPORTS = words("""
    badminton baseball basketball bandy billiards bowling boxing bridge capoeira chess cricket croquet curling darts
    dodgeball fencing floorball football frisbee golf gymnastics handball hockey judo karate korfball lacrosse netball
    padel petanque ping-pong polo pool rugby skating snooker soccer softball squash table_tennis taekwondo tennis
    ultimate volleyball water_polo yoga pilates kickboxing wrestling archery rowing climbing swimming triathlon aikido
    rounders poker go backgammon
""")

TRADES = words("""
    accountant actor actress apprentice architect artist astronaut au_pair baker banker barista beekeeper bouncer
    butcher cashier chef chemist clerk coach coder comedian consultant cook dentist detective diplomat doctor
    electrician farmer farmhand firefighter fisherman florist freelancer geologist gp guard guide historian housewife
    illustrator intern janitor jeweller journalist judge lawyer lecturer librarian locksmith logger luthier lumberjack
    magician mason mechanic midwife miner model monk mortician musician nanny nun nurse nursemaid official optician
    orderly paramedic pastor pathologist pharmacist photographer physician physicist pilot plumber poet postman priest
    professor psychiatrist receptionist sailor salesman scientist scribe seamstress secretary server shepherd singer
    soldier solicitor sommelier specialist spy statistician steward stewardess student surgeon tailor teacher technician
    translator tutor typist vet vicar volunteer waiter waitress watchmaker welder writer zookeeper ceo cto founder
    co-founder president owner principal headmaster headmistress analyst assistant strategist
""")
TRADE_ENDINGS = tuple(
    words("""
        maker keeper smith worker driver ologist ographer ician teacher trainer manager engineer designer developer
        officer operator inspector instructor editor director programmer researcher dealer seller painter dancer
        carpenter gardener hairdresser lawyer builder conductor composer therapist scientist administrator ranger sitter
        tuner plasterer roofer tiler blower counsellor counselor grower winemaker brewer cleaner reporter producer
        curator bookbinder binder weaver potter sculptor surveyor auditor broker controller planner organiser dietitian
        economist botanist biologist linguist archivist novelist pianist violinist guitarist cellist organist drummer
        mathematician policeman senator surgeon coach nurse chef tester
    """)
)
"""What ends the names of other trades."""

CONDITIONS = words("""
    asthma diabetes type_1_diabetes type_2_diabetes epilepsy adhd add autism dyslexia migraines migraine arthritis
    eczema psoriasis hay_fever celiac_disease coeliac_disease anaemia anemia tinnitus insomnia vertigo endometriosis
    crohn's crohn's_disease ibs depression anxiety hypertension high_blood_pressure low_blood_pressure hypothyroidism
    gout scoliosis rheumatism colour_blindness sleep_apnea sleep_apnoea lupus multiple_sclerosis glaucoma claustrophobia
    long_covid parkinson's a_pacemaker synaesthesia synesthesia prosopagnosia face_blindness osteoporosis fibromyalgia
    narcolepsy
""")
DIETS = words("""
    vegan vegetarian pescatarian pescetarian kosher halal gluten-free lactose-free dairy-free keto paleo low-carb
    omnivorous carnivore fruitarian flexitarian plant-based mediterranean lactose_intolerant gluten_intolerant
    low-sodium sugar-free macrobiotic raw_vegan
""")
HANDS = words("left-handed right-handed ambidextrous left_handed right_handed")
SIGNS = words("aries taurus gemini cancer leo virgo libra scorpio sagittarius capricorn aquarius pisces")
STATUSES = words("married single divorced engaged widowed separated widow widower bachelor newly_married")

BLANK = words("""
    a about above after again all already also always an and any anyone anything are around as asleep at available away
    back bad be because been being better between both busy but by cool dead down each easy either else enough every
    everyone everything excited fine finished for forever free from full getting glad going gone good great had happy
    hard has have having he her here hers herself him himself his home how i if ill in into is it its itself just keen
    kind late like lost lot many me mine more most much my myself nice no nobody none not nothing now of off ok okay old
    on or our out over pretty quite ready really right sad self she sick so some somebody someone something sometimes
    somewhere soon sorry still such sure terrible than that the their them then there these they this those tired to
    together too true under unknown up upset very was way we well were what when where which while who why will with
    worried would wrong you young your yours called named important interesting funny horrible awful amazing different
    difficult
""")
"""Words that name nothing: neither a name nor a thing."""

STATES = words("""
    broken dead missing wrong full empty locked blocked invalid expired slow fast stolen working charging charged
    cracked weak secret private safe hidden delayed cancelled canceled closed open down expensive cheap awesome ruined
    finished terrible fake fixed loud hard easy huge tiny tough stressful annoying fun outdated unavailable incorrect
    correct unknown perfect
""")
"""How a thing may be for a while, which is no name of it."""

ABSTRACT = words("""
    hope fear peace harmony style denial general person fact secret life touch trouble danger pain time love doubt
    luxury poverty silence exile hiding sin bed mind vain my_head my_own_world the_past the_moment the_future
    the_present the_morning the_evening the_afternoon real_life constant_fear the_same a_hurry
""")
"""What may stand where a place stands and is none."""
