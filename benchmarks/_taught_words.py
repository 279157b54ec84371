"""The names, relations and everyday talk that taught facts are made of: held out, no recipe was chosen on any of it."""

from __future__ import annotations

from dataclasses import dataclass

Ask = tuple[str, str]
"""A question and the words that its answer begins with; the value follows after one blank."""


@dataclass(frozen=True)
class Relation:
    """Something that is true of a person; the fields in braces are those of `Person.words`.

    `chats` mention it in passing, `update` says that it has become something else, `follow` asks without the name and
    begins with "And". The first of `asks` is one clause, so that another question can be joined to it.
    """

    key: str
    statement: str
    chats: tuple[str, str]
    update: str
    asks: tuple[Ask, Ask, Ask]
    follow: Ask
    values: tuple[str, ...]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_STARTS = {
    "she": _words(
        "Vel Quor Thess Brin Zaph Mirr Kess Lund Fayr Dav Pren Sav Tirz Wenn Jad Hesp Narv Cald Elv Ruv Gwith Nol Ilm Ost "
        "Phin Sorr Ulm Vash Xand Yev Bex Corv Dulc Embr Frid Glyn Hald Imb Jor Kyth Lisk Mav Nyx Orv Pell"
    ),
    "he": _words(
        "Torv Hask Grem Brod Drev Fald Osk Rasm Threl Kelb Jast Nevv Pald Stav Ulv Vorl Yarr Zeb Cad Dorr Finn Garr Holb "
        "Isk Jurn Karv Lod Neb Orm Rost Skel Tarn Urb Varg Xel Yold Zarn Cron Dag Fross Gund Ing Jolm Mund Bost"
    ),
}
"""First names begin like this; none is the beginning of another, and nobody shares one with anybody in the same set."""

FIRST_ENDS = {"she": _words("ira essa unda anne ythe"), "he": _words("oric imar undel avan ustin")}

LAST_STARTS = _words(
    "Quill Tamb Wex Peld Skiv Mord Lopp Fenn Gell Hobb Jess Kinv Larr Mudd Nost Opp Prin Rudd Sedg Tilv Umb Vann Yarn Zell "
    "Ast Blyth Crann Dunv Erst Flox Grish Hulm Inch Jarr Knap Lusk Morv Nimm Oakl Plov Quarr Rusk Strav Thim Ups Vext Whin "
    "Yelv Ard Bosk Cress Drax Elst Frim Gost Hexl Ivv Jubb Kerv Lamm Mirk Nabb Orst Pock Rill Scov Trup Ulst Vosk Wadd "
    "Yaff Zinn Brock Clav Doll Eck Fawl Grell Hask Irv Jolv Kell Lodd Marv Nutt Olm Peck Rasp Snell Tharn"
)
LAST_ENDS = _words("erby ow ack olt ison")

RELATIONS = (
    Relation(
        "dog",
        "{name}'s dog is called {value}.",
        (
            "By the way, I met {name} yesterday. {They} was out in the rain with {their} dog {value}, and neither of them "
            "seemed to mind.",
            "Sorry I'm late, I ran into {name} at the park. {Their} dog, a cheeky thing called {value}, stole half of my "
            "sandwich.",
        ),
        "{name} has renamed the dog, and it is called {value} now.",
        (
            ("What is the name of {name}'s dog?", "The name of {name}'s dog is"),
            ("I want {name}'s dog to come back to me. What should I shout?", "To get {name}'s dog back, you should shout"),
            ("Which name did {name} choose for the dog?", "The name that {name} chose for the dog is"),
        ),
        ("And what is {their} dog called?", "{They} calls the dog"),
        _listed(
            "Bramble, Tugboat, Pretzel, Gizmo, Hopscotch, Duchess, Barnaby, Kipper, Figaro, Jellybean, Moppet, Nutmeg, "
            "Pippin, Rascal, Scamper, Tinsel, Sherlock, Muffin, Bagheera, Quaver"
        ),
    ),
    Relation(
        "dish",
        "{name}'s favourite dish is {value}.",
        (
            "We're having {name} over on Friday, and I have no idea how to cook {value}. It's {their} favourite dish, so "
            "there's no way around it.",
            "{name} turned forty last week. There was {value} for everybody, because that's {their} favourite dish, and I "
            "ate far too much.",
        ),
        "{name} has a new favourite dish, and it is {value}.",
        (
            ("What does {name} like to eat most of all?", "Most of all, {name} likes to eat"),
            ("I'm cooking for {name} tonight. Which meal would please {them} most?", "The meal to please {name} most is"),
            ("Which dish does {name} love?", "The dish that {name} loves is"),
        ),
        ("And what is {their} favourite dish?", "{They} likes no dish better than"),
        _listed(
            "ratatouille, bouillabaisse, shakshuka, pierogi, bibimbap, cassoulet, jambalaya, empanadas, enchiladas, "
            "tempura, schnitzel, biryani, ceviche, borscht, carbonara, falafel, gazpacho, fish pie, mushroom stroganoff, "
            "pumpkin soup"
        ),
    ),
    Relation(
        "home town",
        "{name} grew up in {value}.",
        (
            "I had a long talk with {name} on the train. {They} told me stories about growing up in {value}, and the hours "
            "simply flew by.",
            "My suitcase is still not packed. At least {name} gave me some tips for the weekend, since {they} grew up in "
            "{value} and knows every corner of it.",
        ),
        "I had that wrong about {name}: the town {they} grew up in is {value}.",
        (
            ("Where did {name} spend {their} childhood?", "{name} spent {their} childhood in"),
            ("What is {name}'s home town?", "{name}'s home town is"),
            ("Which city does {name} come from originally?", "Originally, {name} comes from"),
        ),
        ("And where did {they} grow up?", "{They} spent {their} early years in"),
        _listed(
            "Gdansk, Tallinn, Galway, Ljubljana, Aarhus, Bologna, Cardiff, Dresden, Exeter, Haarlem, Innsbruck, Krakow, "
            "Leipzig, Malaga, Nantes, Odessa, Padua, Rotterdam, Salzburg, Winnipeg"
        ),
    ),
    Relation(
        "employer",
        "{name} works for {value}.",
        (
            "Guess who I sat next to at the wedding: {name}! {They} works for {value} and talked about nothing else all "
            "evening.",
            "I need new shoes before Monday. {name} got me an interview at {value}, where {they} has been working for "
            "years, and I can't turn up in trainers.",
        ),
        "{name} has left the old company and works for {value} now.",
        (
            ("Which company employs {name}?", "The company that employs {name} is"),
            ("Who is {name}'s employer?", "{name}'s employer is"),
            ("Who pays {name}'s salary?", "{name}'s salary is paid by"),
        ),
        ("And which company does {they} work for?", "{They} is employed by"),
        _listed(
            "Halverton Glass, Pinewater Optics, Redmoor Ceramics, Castlegate Foods, Bluefin Logistics, Orchard Bank, "
            "Kestrel Airways, Northfold Mills, Silverlark Press, Oakham Tiles, Tidewell Shipping, Granby Lifts, "
            "Fernhill Dairy, Larkfield Motors, Brightwater Paper, Stonebridge Records, Amberley Chocolates, Wolfram Tools, "
            "Highmoor Textiles, Juno Insurance"
        ),
    ),
    Relation(
        "instrument",
        "{name} plays the {value}.",
        (
            "The walls in this house are terribly thin. {name} moved in upstairs last month and plays the {value} until ten "
            "at night.",
            "The birthday party was lovely in the end. {name} had brought the {value} along and played for us until it got "
            "dark.",
        ),
        "{name} has switched instruments and plays the {value} now.",
        (
            ("Which musical instrument has {name} learned?", "The instrument that {name} has learned is the"),
            ("If {name} joined our band, what would {they} play?", "In our band, {name} would play the"),
            ("What does {name} make music on?", "{name} makes music on the"),
        ),
        ("And what instrument does {they} play?", "{Their} instrument is the"),
        _listed(
            "theremin, bassoon, mandolin, ukulele, bagpipes, dulcimer, French horn, double bass, marimba, xylophone, "
            "harmonica, saxophone, zither, sitar, harpsichord, glockenspiel, balalaika, concertina, tambourine, cornet"
        ),
    ),
    Relation(
        "boat",
        "{name} has a boat called {value}.",
        (
            "We finally had a warm weekend. {name} took us out on the lake in {their} boat, the {value}, and I got horribly "
            "sunburnt.",
            "I spent all Saturday at the harbour with a brush in my hand. {name} wanted the name {value} in fresh letters "
            "on {their} boat before the season starts.",
        ),
        "{name} has repainted the boat, and it is called {value} now.",
        (
            ("What name is painted on {name}'s boat?", "The name painted on {name}'s boat is"),
            (
                "I'm looking for {name}'s boat in the harbour. What is it called?",
                "The boat that belongs to {name} is called",
            ),
            ("How did {name} christen the boat?", "{name} christened the boat"),
        ),
        ("And what is {their} boat called?", "{Their} boat has the name"),
        _listed(
            "Wandering Star, Sea Urchin, Salty Sue, Evening Tide, Second Wind, Blue Heron, Lucky Penny, Morning Glory, "
            "Silver Minnow, Lady Marigold, Merry Otter, Driftwood, Windflower, Grey Gull, Moonraker, Northern Lass, "
            "Firefly, Sandpiper, Tortuga, Curlew"
        ),
    ),
    Relation(
        "sport",
        "{name} goes to {value} practice twice a week.",
        (
            "I asked {name} for a lift on Thursday, but it won't work out. {They} has {value} practice then, and nothing in "
            "the world would make {them} miss it.",
            "My back is killing me. {name} talked me into trying {value}, which is {their} sport, and I'm clearly too old "
            "for it.",
        ),
        "{name} has changed sports and goes to {value} practice now.",
        (
            ("Which sport does {name} do?", "The sport that {name} does is"),
            ("What does {name} go in for to keep fit?", "To keep fit, {name} goes in for"),
            ("If I went to watch {name} compete, which sport would I see?", "You would see {name} compete in"),
        ),
        ("And what sport does {they} do?", "{Their} sport is"),
        _listed(
            "fencing, archery, curling, lacrosse, handball, water polo, karate, table tennis, bouldering, figure skating, "
            "snooker, canoeing, kayaking, netball, weightlifting, gymnastics, trampolining, dodgeball, taekwondo, roller "
            "derby"
        ),
    ),
    Relation(
        "allergy",
        "{name} is allergic to {value}.",
        (
            "The trip went well apart from one evening at the clinic. {name} is allergic to {value}, and none of us had "
            "thought of it.",
            "I've made the list for the picnic. We just have to be careful because of {name}, who has an allergy to {value} "
            "and forgot the tablets at home.",
        ),
        "{name} was tested again at the doctor's: what {they} is really allergic to is {value}.",
        (
            ("What sets off {name}'s allergy?", "{name}'s allergy is set off by"),
            ("What should I keep away from {name} so that {they} doesn't get a rash?", "{name} gets a rash from"),
            ("Which allergy is in {name}'s medical file?", "{name}'s medical file says that {they} cannot tolerate"),
        ),
        ("And what is {they} allergic to?", "{They} has a bad reaction to"),
        _listed(
            "cashews, penicillin, latex, lavender, buckwheat, pineapple, mangoes, hazelnuts, ragweed, birch pollen, "
            "chamomile, nickel, horse hair, aspirin, oysters, lentils, apricots, cinnamon, bee stings, kiwi fruit"
        ),
    ),
    Relation(
        "colour",
        "{name}'s favourite colour is {value}.",
        (
            "I'm knitting a scarf for {name}, and I'm almost done. Of course it had to be {value}, since {they} likes no "
            "other colour as much.",
            "You should see {name}'s new flat! The curtains, the sofa and even the kettle are {value}, because that is "
            "{their} favourite colour.",
        ),
        "{name} has a new favourite colour, and it is {value}.",
        (
            ("Which colour does {name} like best?", "The colour that {name} likes best is"),
            ("I'm wrapping a present for {name}. What colour of paper should it be?", "For {name} the paper should be"),
            ("What colour would {name} paint everything if {they} could?", "If {they} could, {name} would paint everything"),
        ),
        ("And what is {their} favourite colour?", "{They} is very fond of the colour"),
        _listed(
            "turquoise, magenta, maroon, lilac, crimson, indigo, burgundy, khaki, scarlet, emerald, charcoal, copper, "
            "beige, vermilion, periwinkle, aquamarine, chartreuse, navy blue, mint green, salmon pink"
        ),
    ),
    Relation(
        "language",
        "{name} is learning {value}.",
        (
            "There are little paper notes all over {name}'s kitchen. {They} is learning {value}, so every cupboard has a "
            "word stuck on it.",
            "I can't meet on Tuesday evening, sorry. I promised to help {name} with {their} {value} vocabulary, because "
            "{they} is learning the language and has a test coming up.",
        ),
        "{name} has dropped that language and is learning {value} instead.",
        (
            ("Which foreign language does {name} study?", "The language that {name} studies is"),
            ("Which language is on {name}'s flash cards?", "The language on {name}'s flash cards is"),
            ("What language does {name} hope to speak one day?", "One day, {name} hopes to speak"),
        ),
        ("And what language is {they} learning?", "{They} has lessons in"),
        _listed(
            "Icelandic, Basque, Estonian, Catalan, Vietnamese, Hebrew, Georgian, Romanian, Tagalog, Bulgarian, Persian, "
            "Latvian, Maltese, Quechua, Croatian, Armenian, Mongolian, Gaelic, Tamil, Bengali"
        ),
    ),
    Relation(
        "job",
        "{name} works as a {value}.",
        (
            "My parents couldn't believe it. {name}, who never liked getting up early, works as a {value} and seems to love "
            "every minute.",
            "We were stuck at the station for two hours, but {name} kept us entertained. {They} is a {value} and has the "
            "funniest stories about work.",
        ),
        "{name} has changed careers and is a {value} now.",
        (
            ("What is {name}'s profession?", "By profession, {name} is a"),
            ("What does {name} earn {their} living as?", "{name} earns {their} living as a"),
            ("Which occupation does {name} write on forms?", "On forms, {name} writes that {they} is a"),
        ),
        ("And what is {their} job?", "{They} has a job as a"),
        _listed(
            "beekeeper, locksmith, glazier, midwife, train driver, blacksmith, surveyor, paramedic, translator, bookbinder, "
            "watchmaker, roofer, geologist, court reporter, piano tuner, chimney sweep, pastry chef, sign painter, "
            "tax adviser, crane operator"
        ),
    ),
    Relation(
        "holiday",
        "{name} always goes on holiday to {value}.",
        (
            "The postcard on my fridge is from {name}. {They} spends every summer holiday in {value}, and I get the same "
            "sunset each year.",
            "I'm watering the plants for {name} this week. {They} is off to {value} again, where {they} always goes on "
            "holiday.",
        ),
        "{name} has found somewhere better and always goes on holiday to {value} now.",
        (
            ("Where does {name} spend {their} holidays?", "{name} spends {their} holidays in"),
            ("Where would a holiday postcard from {name} come from?", "A holiday postcard from {name} would come from"),
            ("Which place does {name} travel to in {their} time off?", "In {their} time off, {name} travels to"),
        ),
        ("And where does {they} go on holiday?", "{They} takes every holiday in"),
        _listed(
            "Madeira, Corsica, Zanzibar, Tuscany, Brittany, Tasmania, Patagonia, Sardinia, Cornwall, Andalusia, Bavaria, "
            "Transylvania, Lapland, Dalmatia, Provence, Jutland, Orkney, Umbria, Alsace, Sicily"
        ),
    ),
    Relation(
        "collection",
        "{name} collects {value}.",
        (
            "I found the perfect thing at the flea market. {name} collects {value}, and there was a whole box of them for "
            "next to nothing.",
            "The visit at {name}'s was fun, though you can hardly move in the living room. {They} collects {value}, and "
            "every shelf is full of them.",
        ),
        "{name} has sold the old collection and collects {value} now.",
        (
            ("What kind of things does {name} collect?", "The things that {name} collects are"),
            ("What would I find in {name}'s collection?", "In {name}'s collection you would find"),
            ("What does {name} hunt for at flea markets?", "At flea markets, {name} hunts for"),
        ),
        ("And what does {they} collect?", "{They} has a big collection of"),
        _listed(
            "snow globes, beer mats, thimbles, corkscrews, fountain pens, typewriters, bottle caps, matchboxes, "
            "fridge magnets, tin soldiers, marbles, comic books, pocket watches, door knobs, egg cups, keyrings, "
            "cuckoo clocks, salt shakers, nutcrackers, lanterns"
        ),
    ),
    Relation(
        "street",
        "{name} lives on {value}.",
        (
            "The parcel came to the wrong house again. It was meant for {name}, who lives on {value}, so I had to cycle "
            "right across town.",
            "Our walk took longer than we thought. We stopped at {name}'s house on {value} for coffee and stayed until "
            "dinner.",
        ),
        "{name} has moved house and lives on {value} now.",
        (
            ("Which street is {name}'s home on?", "{name}'s home is on"),
            ("I have a letter for {name}. Which street do I address it to?", "A letter for {name} has to go to"),
            ("Where would a taxi drop {name} off at home?", "A taxi would take {name} home to"),
        ),
        ("And which street does {they} live on?", "{Their} house is on"),
        _listed(
            "Larkspur Lane, Tannery Street, Juniper Avenue, Millpond Lane, Foundry Street, Weaver Street, Bishop Road, "
            "Saddler Street, Windmill Road, Chestnut Avenue, Ferry Lane, Granary Row, Ropewalk Street, Nightingale Road, "
            "Quarry Lane, Linden Avenue, Magpie Lane, Vineyard Road, Chapel Row, Hawthorn Crescent"
        ),
    ),
    Relation(
        "brother",
        "{name}'s brother is called {value}.",
        (
            "I played cards with {name} and {their} brother {value} last night. I lost every single round, but we laughed a "
            "lot.",
            "My phone died in the middle of a call with {name}. {They} was just telling me that {their} brother {value} is "
            "getting married.",
        ),
        "I mixed that up about {name}: {their} brother's name is {value}.",
        (
            ("Who is {name}'s brother?", "The brother of {name} is"),
            ("I just met {name}'s brother, but I didn't catch his name. What is it?", "The name of {name}'s brother is"),
            ("What do people call {name}'s brother?", "People call {name}'s brother"),
        ),
        ("And what is {their} brother's name?", "{Their} brother's name is"),
        _listed(
            "Lionel, Leander, Ignatius, Lysander, Fergus, Ambrose, Tancred, Horatio, Phineas, Rupert, Sylvester, Thaddeus, "
            "Ulysses, Vernon, Wilfred, Bartholomew, Desmond, Everett, Mortimer, Percival"
        ),
    ),
    Relation(
        "books",
        "{name} likes reading {value} best.",
        (
            "I borrowed three books from {name} for the long flight. It's all {value}, of course, because that is what "
            "{they} likes reading best.",
            "Our book club is going nowhere. {name} only ever wants {value}, {their} favourite kind of reading, and nobody "
            "else gets a say.",
        ),
        "{name}'s taste in books has changed, and {they} likes reading {value} best now.",
        (
            ("What kind of books does {name} prefer?", "The books that {name} prefers are"),
            ("In a bookshop, which shelf does {name} go to first?", "In a bookshop, {name} first goes to the shelf with"),
            ("What is {name}'s favourite type of literature?", "{name}'s favourite type of literature is"),
        ),
        ("And what does {they} like to read?", "{They} mostly reads"),
        _listed(
            "ghost stories, spy thrillers, westerns, fairy tales, war memoirs, Gothic novels, haiku, travel diaries, "
            "courtroom dramas, vampire novels, space operas, Greek myths, nature writing, family sagas, satires, love "
            "poems, steampunk, true crime, pirate stories, epic verse"
        ),
    ),
    Relation(
        "drink",
        "{name} drinks {value} every evening.",
        (
            "I stayed with {name} while my bathroom was being done. {They} drinks {value} every evening without fail, and "
            "by the end of the week so did I.",
            "The shop was out of almost everything today. I did get some {value} for {name}, who drinks it every evening "
            "and would have been lost without it.",
        ),
        "{name} has changed {their} habits and drinks {value} every evening now.",
        (
            ("What does {name} have to drink after dinner?", "After dinner, {name} has"),
            ("I'm seeing {name} tonight. Which drink should I have ready?", "The drink to have ready for {name} is"),
            ("What does {name} sip at the end of the day?", "At the end of the day, {name} sips"),
        ),
        ("And what does {they} drink in the evening?", "{Their} evening drink is"),
        _listed(
            "hot cocoa, oolong tea, ginger beer, elderflower cordial, tomato juice, peppermint tea, buttermilk, root beer, "
            "port wine, tonic water, carrot juice, malt whisky, plum brandy, rooibos, pear cider, mulled wine, coconut "
            "water, kombucha, sherry, limoncello"
        ),
    ),
    Relation(
        "evening class",
        "{name} is taking an evening class in {value}.",
        (
            "I keep bumping into {name} at the community centre. {They} takes the evening class in {value} there, right "
            "next door to my choir.",
            "The car park at the college was full again. Luckily {name} was just leaving {their} evening class in {value} "
            "and let me have the spot.",
        ),
        "{name} has swapped courses and is taking an evening class in {value} now.",
        (
            ("Which course does {name} attend after work?", "After work, {name} attends a course in"),
            ("What is the subject of {name}'s night school lessons?", "The subject of {name}'s night school lessons is"),
            ("What has {name} signed up for at the adult college?", "At the adult college, {name} has signed up for"),
        ),
        ("And which evening class does {they} go to?", "{They} goes to a class in"),
        _listed(
            "pottery, basket weaving, calligraphy, upholstery, bookkeeping, photography, first aid, salsa dancing, "
            "tap dancing, woodcarving, stained glass, flower arranging, creative writing, car maintenance, public speaking, "
            "embroidery, origami, glassblowing, meditation, life drawing"
        ),
    ),
    Relation(
        "garden",
        "{name} grows {value} in the garden.",
        (
            "I spent the morning helping {name} with the weeding. {They} grows {value} in the garden, and the slugs had "
            "been busy again.",
            "There was a paper bag on our doorstep this morning. It was from {name}, who grows {value} in the garden and "
            "always has too much of everything.",
        ),
        "{name} has dug up the garden and grows {value} there now.",
        (
            ("What has {name} planted behind the house?", "Behind the house, {name} has planted"),
            ("What would I be weeding around if I helped in {name}'s garden?", "In {name}'s garden you would weed around"),
            ("What do {name}'s neighbours see growing over the fence?", "Over the fence, {name}'s neighbours see"),
        ),
        ("And what does {they} grow in the garden?", "{Their} garden is full of"),
        _listed(
            "rhubarb, artichokes, sunflowers, beetroot, asparagus, gooseberries, dahlias, radishes, aubergines, sweet peas, "
            "blackcurrants, hollyhocks, chillies, courgettes, fennel, tulips, quinces, parsnips, kohlrabi, peonies"
        ),
    ),
    Relation(
        "fear",
        "{name} is afraid of {value}.",
        (
            "The day out with {name} was quite an adventure. {They} is afraid of {value}, so somebody had to hold {their} "
            "hand half of the time.",
            "You will laugh at what happened to {name} on Sunday. {They} turned white and ran, because {they} is afraid of "
            "{value} and nobody had warned {them}.",
        ),
        "{name} has got over the old fear, but {they} is afraid of {value} now.",
        (
            ("What makes {name} panic?", "{name} panics because of"),
            ("What frightens {name} more than anything else?", "More than anything else, {name} is frightened of"),
            ("Which phobia does {name} have?", "{name} has a phobia of"),
        ),
        ("And what is {they} scared of?", "{They} has a great fear of"),
        _listed(
            "thunderstorms, escalators, wasps, clowns, deep water, revolving doors, jellyfish, geese, tunnels, ladders, "
            "needles, balloons, mirrors, bridges, fireworks, mannequins, scarecrows, pigeons, cable cars, caterpillars"
        ),
    ),
)

MENTIONS = (
    "I'm having lunch with {name} tomorrow.",
    "I just got a message from {name}.",
    "{name} is coming to see me next week.",
    "I was thinking about {name} on the way home.",
    "I still have to ring {name} back today.",
    "{name} sat behind me on the bus this morning.",
    "We are going to invite {name} to the party.",
    "I haven't seen {name} since the spring.",
)
"""Somebody is spoken of and nothing is said about them: what goes before a question with a pronoun."""

SMALL_TALK = (
    (
        "I can't sleep lately. Do you have any advice?",
        "Try to go to bed at the same time each night and put your phone away an hour before. A dark, cool room helps too. "
        "If it goes on for weeks, it is worth seeing a doctor.",
    ),
    (
        "It has been raining here for five days and I'm fed up.",
        "That does sound dreary. Maybe it is a good excuse to bake something, watch an old film or tidy that one drawer you "
        "keep putting off. It can't rain forever.",
    ),
    (
        "How do I get a red wine stain out of a white shirt?",
        "Blot it with a clean cloth as soon as you can, and don't rub. Then cover it with salt or soak it in cold water "
        "with a little washing-up liquid before you put it in the machine.",
    ),
    (
        "My boss wants the report by tomorrow and I haven't even started.",
        "Start with a rough outline and write the easy parts first. You could also ask which sections matter most, so that "
        "you spend your time on those.",
    ),
    (
        "What's a quick dinner for two when the fridge is nearly empty?",
        "Pasta with garlic, olive oil and a few chilli flakes takes fifteen minutes and needs almost nothing. If you have "
        "an egg or some cheese, add that at the end.",
    ),
    (
        "I keep killing my house plants. What am I doing wrong?",
        "Most plants die from too much water rather than too little. Push a finger into the soil and only water when the "
        "top is dry. Make sure the pot has a hole at the bottom.",
    ),
    (
        "Should I take the train or drive to my aunt's this weekend?",
        "If the traffic is usually bad on Fridays, the train lets you read or rest. Driving makes sense if you have a lot "
        "to carry or want to stop on the way.",
    ),
    (
        "I said something stupid at the meeting today and it's still bothering me.",
        "Most people have probably forgotten it already. If it really troubles you, a short word to the person concerned "
        "usually clears the air, and then you can let it go.",
    ),
    (
        "Can you explain what inflation is in simple words?",
        "Inflation means that prices rise over time, so the same amount of money buys less. If bread costs two pounds this "
        "year and more next year, your money has lost some of its value.",
    ),
    (
        "Our neighbour's music is so loud that the windows shake.",
        "Try knocking on the door at a calm moment and explaining how it sounds on your side. People often don't know how "
        "much noise gets through. If nothing changes, talk to the landlord.",
    ),
    (
        "I want to start running, but I get out of breath after a minute.",
        "That is normal at the beginning. Run slowly for one minute, walk for two, and repeat that for twenty minutes. "
        "After a few weeks the running parts can become longer.",
    ),
    (
        "Write a short thank-you note to my teacher, please.",
        "Thank you for your patience and your kind words this year. You explained things until I understood them, and you "
        "made me curious about what comes next. I will not forget it.",
    ),
    (
        "My laptop has become very slow. What can I try?",
        "Restart it first and close the programs you don't need. Then check how full the disk is and whether updates are "
        "waiting. Many tabs in the browser can also take up a lot of memory.",
    ),
    (
        "We're thinking about getting a puppy. Is it a lot of work?",
        "It is, especially in the first year. A puppy needs to go out often, can't be alone for long and has to learn "
        "everything. If you have time and patience, it is also a great joy.",
    ),
    (
        "How long should I boil an egg?",
        "For a soft yolk, about six minutes in boiling water. For a firm one, nine or ten. Put it under cold water "
        "afterwards so that it stops cooking and peels more easily.",
    ),
    (
        "I have a job interview on Monday and I'm nervous.",
        "Read about the company, and prepare two or three short stories that show what you can do. Sleep well the night "
        "before. Being a little nervous is fine, as it shows that you care.",
    ),
    (
        "My son doesn't want to do his homework. Any ideas?",
        "A fixed time and a quiet place help many children. Let him begin with something easy, take short breaks and praise "
        "the effort rather than the result.",
    ),
    (
        "What should I pack for a weekend at the seaside?",
        "Take a light jacket, sun cream, a towel and comfortable shoes. The wind can be cold in the evening even in summer. "
        "A good book and some snacks never hurt either.",
    ),
    (
        "I forgot my best friend's birthday. How do I make up for it?",
        "Call today instead of writing, say that you are sorry and don't make excuses. Then suggest doing something nice "
        "together soon. A late party is still a party.",
    ),
    (
        "Is it cheaper to cook at home or to order in?",
        "Cooking at home is nearly always cheaper, especially if you plan a few meals and use up what you buy. Ordering in "
        "saves time, so once in a while it may be worth it.",
    ),
    (
        "I just moved to a new town and don't know anybody.",
        "That can feel lonely at first. Look for a group that meets every week, such as a choir or a walking group, because "
        "seeing the same faces again and again is how friendships begin.",
    ),
    (
        "Why do I always get hungry late at night?",
        "Perhaps you eat too little during the day, or you are tired and mistake that for hunger. Try a proper dinner with "
        "some protein and see whether it gets better.",
    ),
    (
        "Can you help me think of a name for our quiz team?",
        "How about The Last to Know, Guess Again or Four Heads and No Clue? A name that makes people smile is a good start, "
        "whatever the score turns out to be.",
    ),
    (
        "The kitchen tap has been dripping all week.",
        "Very often it is only a worn washer. Turn off the water, unscrew the handle and take the old one to a hardware "
        "shop, so that you get the right size. It is a cheap repair.",
    ),
    (
        "I'd like to read more, but I always fall asleep.",
        "Try reading earlier in the day, perhaps ten minutes with your breakfast. Short chapters help as well. And if a "
        "book bores you, put it aside and take another one.",
    ),
    (
        "What's the difference between a virus and a bacterium?",
        "A bacterium is a living cell that can multiply by itself. A virus is much smaller and needs the cells of something "
        "else to make copies. That is why antibiotics work against one and not the other.",
    ),
    (
        "My sister and I had a fight about money. I don't know what to do.",
        "Let a day or two pass, then ask her to talk in a quiet place. Tell her how you feel without blaming her, and "
        "listen to her side. Agreeing on clear rules can prevent the next fight.",
    ),
    (
        "Please make this sentence more polite: Send me the file now.",
        "You could write: Could you please send me the file when you have a moment? I would need it today, if possible. "
        "Thank you very much.",
    ),
    (
        "We only have one hour in the museum. What should we look at?",
        "Pick one or two rooms that interest you instead of running through all of them. Ask at the desk what visitors like "
        "most, and leave ten minutes for the shop or a coffee.",
    ),
    (
        "I have three job offers and can't decide.",
        "Write down what matters to you: pay, people, travel time, what you would learn. Give each offer a mark for each "
        "point. Often you notice while doing it which one you were hoping for.",
    ),
    (
        "How can I stop biting my nails?",
        "Keep them short and notice when it happens, for instance while you watch television. Then give your hands "
        "something else to do, like holding a small ball. It takes a few weeks, so be patient.",
    ),
    (
        "It's so hot today that I can't think.",
        "Close the curtains, drink plenty of water and put your wrists under cold water for a minute. Keep the hard tasks "
        "for the early morning, when it is cooler.",
    ),
    (
        "Could you give me three ideas for a rainy afternoon with children?",
        "Build a den out of blankets, bake biscuits together, or hide small things around the house and draw a treasure "
        "map. All three keep little hands busy for quite a while.",
    ),
    (
        "The cake I made was dry. What did I do wrong?",
        "It was probably in the oven a little too long, or there was too much flour. Weigh the flour next time and start "
        "checking ten minutes before the recipe says it is done.",
    ),
    (
        "I've been offered a cheap second-hand bike. What should I check?",
        "Look at the frame for cracks, try the brakes and see whether the wheels run straight. Change through all the gears "
        "while you ride. Ask for proof that it was not stolen, too.",
    ),
    (
        "Do you think I should cut my hair short?",
        "It depends on what you like and how much time you want to spend on it. Collect a few pictures, ask your "
        "hairdresser what would suit you, and remember that it grows back.",
    ),
    (
        "How do airplanes stay up in the air?",
        "The wings are shaped and tilted so that they push the air downward as the plane moves forward. The air pushes back "
        "and lifts the plane. The engines keep it moving fast enough.",
    ),
    (
        "I lost my wallet on the bus this morning.",
        "Call the bus company's lost property office, and have your bank cards blocked at once. If you don't hear anything "
        "within a day, report it to the police as well. I hope it turns up.",
    ),
    (
        "My grandmother is turning ninety. What could we give her?",
        "A book with photos and a few lines from everybody in the family would mean a lot. Or plan an afternoon with her "
        "favourite music and cake, because time together is the best present.",
    ),
    (
        "I drink six cups of coffee a day. Is that too much?",
        "For most adults up to four cups are considered fine. If you sleep badly or feel shaky, cut down slowly, one cup at "
        "a time, so that you don't get a headache.",
    ),
    (
        "What's a polite way to leave a party early?",
        "Thank the host, say that you had a lovely time and mention that you have an early start. You don't have to explain "
        "more than that, and you needn't say goodbye to every guest.",
    ),
    (
        "The cat next door keeps sitting on my car.",
        "Cats like warm places, and an engine is perfect after a drive. A cover for the bonnet keeps the paw marks away. Do "
        "look under the car before you drive off.",
    ),
    (
        "I'm trying to save money but there's never anything left.",
        "Move a small amount to another account on the day you get paid, before you can spend it. Write down what you buy "
        "for one month, as there are usually a few surprises.",
    ),
    (
        "Can you explain the offside rule to me?",
        "When the ball is played to you, you must not be closer to the other team's goal line than both the ball and the "
        "second last defender. It only counts in the other team's half.",
    ),
    (
        "My headphones only work on one side.",
        "Clean the plug and the socket first, and try them on another device. If they still fail, the cable is probably "
        "broken near the plug. With wireless ones, pairing them again often helps.",
    ),
    (
        "We want to paint the bedroom. Where do we start?",
        "Move the furniture to the middle and cover it, fill the holes and tape the edges. Begin with the ceiling, then do "
        "the walls from the top down. Two thin coats are better than one thick one.",
    ),
    (
        "I always get lost, even with a map on my phone.",
        "Look at the whole route before you set off and pick two or three places to watch out for. On the way back, turn "
        "round now and then, because streets look different from the other side.",
    ),
    (
        "Is it all right to eat bread that's a week old?",
        "If it has no mould and smells fine, yes. Old bread is good for toast, for a bread pudding or for crumbs. Once you "
        "see mould anywhere, throw all of it away.",
    ),
    (
        "My colleague takes credit for my ideas. How should I react?",
        "Send a short written summary after you have suggested something, so that it is clear where it came from. And talk "
        "to your colleague alone before you take it to anybody else.",
    ),
    (
        "I burned my finger on the oven. What now?",
        "Hold it under cool running water for at least ten minutes. Don't use butter or ice. Cover it loosely with a clean "
        "dressing, and see a doctor if the blister is large.",
    ),
    (
        "Tell me something nice, I had a bad day.",
        "I'm sorry that it was a hard one. You got through it, and that counts for something. Make yourself a warm drink, "
        "put your feet up, and let tomorrow wait until tomorrow.",
    ),
    (
        "How often should I change my toothbrush?",
        "About every three months, or earlier if the bristles are bent. After you have been ill, it is a good idea to take "
        "a new one as well.",
    ),
    (
        "We're planning a wedding with a small budget. Any tips?",
        "Invite fewer people, choose a weekday and ask friends to help with cakes and decoration. Guests remember the mood "
        "and the food more than the napkins.",
    ),
    (
        "I keep forgetting people's names.",
        "Say the name aloud when you hear it and use it once more in the conversation. Linking it to a picture in your mind "
        "helps too. And it is perfectly fine to ask again.",
    ),
    (
        "What should I write in a card for a new baby?",
        "Welcome to the world, little one! Wishing the three of you calm nights, many first smiles and all the happiness "
        "that fits into a small house.",
    ),
    (
        "My knees hurt when I go down the stairs.",
        "Go slowly and use the handrail, and try some gentle exercises that strengthen your thighs. If the pain gets worse "
        "or a knee swells, have a doctor look at it.",
    ),
    (
        "Which is healthier, butter or margarine?",
        "It depends on the product. Many margarines contain less saturated fat, but some have other additives. Used in "
        "small amounts, either of them fits into a balanced diet.",
    ),
    (
        "The washing machine leaves grey marks on my clothes.",
        "Clean the rubber seal and the drawer for the powder, and run an empty wash at the hottest setting. Using a little "
        "less powder often helps, because the rest of it sticks to the fabric.",
    ),
    (
        "I promised to give a speech at my friend's party. How do I begin?",
        "Begin with a short memory that only the two of you share, ideally a funny one. Then say what you admire in your "
        "friend, raise your glass, and sit down before anybody gets thirsty.",
    ),
    (
        "My daughter wants a phone, but she's only nine.",
        "Ask her what she wants it for. Perhaps a simple phone for calls is enough for now. Agree on rules together, for "
        "instance no phone at the table and none in bed.",
    ),
    (
        "How do you tell when an avocado is ripe?",
        "Press it gently near the stem. If it gives a little, it is ready to eat. If it is hard, leave it next to a banana "
        "for a day or two.",
    ),
    (
        "I missed my flight and the next one is tomorrow. What do I do?",
        "Go to the airline's desk right away and ask to be booked again. Keep all receipts for food and a room. If it was "
        "the airline's fault, you may get some of your money back.",
    ),
    (
        "I don't feel like going to the gym today.",
        "Then make a deal with yourself: go for ten minutes and leave if you still don't want to be there. Most of the time "
        "the hard part is getting out of the door.",
    ),
    (
        "Why is the sea salty?",
        "Rain washes tiny amounts of minerals out of the rocks, and rivers carry them to the sea. The water evaporates "
        "again and the salt stays behind, so over millions of years it has built up.",
    ),
    (
        "We have too many apples this autumn. What can we make?",
        "Apple sauce, crumble or jelly all keep well, and slices can be dried in a low oven. You could also put a basket in "
        "front of the house for people who walk by.",
    ),
    (
        "My screen time is over five hours a day. How do I cut down?",
        "Turn off most notifications and move the worst apps off the first page. Leave the phone in another room while you "
        "eat or work. It feels odd for three days and gets easier after that.",
    ),
)
"""Everyday messages with their replies, about nobody who could be taught and with no value in them."""
