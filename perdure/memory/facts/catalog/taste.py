"""Relations about what somebody likes, eats, plays and speaks."""

TEXT = """
favourite | phrase | favourites+ | green |
= X's favourite N is V
= the N that X like* best is V
+ X's (?:all-time )?favou?rite N (?:is|are|has always been|will always be|of all time is) V
+ X's favou?rite N of all time is V
+ X's most favou?rite N is V
+ V (?:is|are) X's favou?rite N
? What is X's favourite N?
? Which N do* X like best?
? What N do* X like more than any other?
? What is the N that X like* most?
~ what X's favourite N is
~ which N X like* best

takes | manner | brews | with two sugars |
= X take* N V
= X like* N V
= X drink* N V
+ X (?:takes?|drinks?|likes?|prefers?|haves?|has) %own N V
? How do* X take N?
? How do* X like N?
? In what way do* X drink N?
? How should N be served to M?
~ how X take* N
~ how X like* N

likes | thing | - | old trains | many near=likes
= X love* V
= X like* V
= one thing X love* is V
+ X adore* V
+ X be* fond of V
+ X be* an? (?:huge |big |great |massive )?fan of V
+ X be* crazy about V
+ X have* a soft spot for V
+ X be* obsessed with V
? What do* X love?
? What do* X like?
? What be* X fond of?
? What makes M happy?
~ what X like*
~ what X be* fond of

dislikes | thing | - | loud rooms | many near=dislikes
= X hate* V
= X dislike* V
= one thing X hate* is V
+ X detest* V
+ X loathe* V
+ X (?:can't|cannot) stand V
? What do* X hate?
? What do* X dislike?
? What do* X loathe?
? What annoys M?
~ what X dislike*
~ what X hate*

hobby | doing | - | building kites | many near=likes
= X's hobby is V
= in X's free time the main thing is V
= X enjoy* V
+ X's hobbies are V
+ X's (?:main |biggest |favou?rite |great )?(?:hobby|pastime|passion) is V
+ X be* into V
+ X have* taken up V
+ X (?:just |recently )?took up V
+ in %own (?:free|spare) time,? X (?:do|does|enjoy|enjoys|love|loves|like|likes)? ?V
? What is X's hobby?
? What do* X enjoy doing?
? What do* X do in X's free time?
? How do* X spend free time?
~ what X's hobby is
~ what X do* for fun

sport | sport | - | badminton | many near=likes
= X play* V
= X's sport is V
+ X do* V
+ X practise* V
+ X practice* V
+ X be* on (?:an?|the) V team
+ X train* V
+ X go* V
? What sport do* X do?
? Which sport do* X play?
? What is X's sport?
? What do* X do to stay fit?
~ which sport X play*
~ what X's sport is

instrument | instrument | - | cello | many
= X play* the V
= the instrument X play* is the V
+ X play* V
+ X be* learning (?:to play )?the V
+ X be* learning to play V
+ X's instrument is the V
+ X have* (?:been playing|played) the V
? What instrument do* X play?
? Which instrument do* X play?
? What musical instrument be* X able to play?
? On which instrument do* X make music?
~ which instrument X play*
~ what instrument X make* music on

speaks | language | - | Welsh | many near=speaks
= X speak* V
= a language X speak* is V
+ X be* fluent in V
+ X speak* (?:fluent|good|some|a little|a bit of|excellent|native|decent|conversational|basic|perfect) V
+ X can speak V
? What language do* X speak?
? Which languages do* X speak?
? In what language can one talk to M?
? What foreign language do* X know?
~ what language X speak*
~ which languages X know*

learning | language | - | Korean | many near=speaks
= X be* learning V
= the language X be* learning is V
+ X be* trying to learn V
+ X be* taking V (?:lessons|classes|courses)
+ X have* been learning V
+ X have* (?:just |recently )?started (?:learning |to learn )?V
+ X (?:just |recently )?started (?:learning |to learn )V
? What language be* X learning?
? Which language be* X learning?
? What foreign language do* X take lessons in?
? What be* X trying to speak?
~ what language X be* learning
~ which language X take* lessons in

native | language | - | Finnish | near=speaks
= X's native language is V
= X's mother tongue is V
= X's first language is V
+ X grew up speaking V
+ X be* an? native speaker of V
+ X be* an? native V speaker
+ X speak* V natively
? What is X's native language?
? What is X's mother tongue?
? What language did X grow up with?
? Which language do* X speak at home?
~ what X's native language is
~ what language X grew up with

collects | thing | - | old coins | many near=collects
= X collect* V
= the thing X collect* is V
+ X have* an? (?:%word )?collection of V
+ X have* an? (?:big |large |small |huge )?V collection
+ X be* collecting V
+ X be* an? collector of V
? What do* X collect?
? What sort of things do* X collect?
? What collection do* X have?
? What can be found in X's collection?
~ what X collect*
~ what X's collection is of

team | title | - | Aston Villa | near=team
= X support* V
= X's team is V
= the team X cheer* for is V
+ X be* an? (?:big |huge |lifelong |die-hard )?(?:supporter|fan) of V
+ X be* an? (?:big |huge |lifelong |die-hard )?V (?:supporter|fan)
+ X cheer* for V
+ X root* for V
? Which team do* X support?
? What team do* X cheer for?
? What is X's team?
? Which club do* X follow?
~ which team X support*
~ what X's team is

drinks | thing | - | oat milk | many near=food
= X drink* V
= one thing X drink* is V
? What do* X drink?
? What do* X like to drink?
? What should be poured for M?
? What is X's usual drink?
~ what X drink*
~ what X like* to drink

meal | thing | meals | porridge |
= for N X have* V
= the food X have* for N is V
+ X (?:always |usually |mostly )?(?:have|has|eats?) V for N
+ X's (?:usual )?N is V
+ for N,? X (?:always |usually |mostly )?(?:have|has|eats?) V
? What do* X have for N?
? What do* X eat for N?
? What is X's usual N?
? What does X's N consist of?
~ what X have* for N
~ what X's usual N is

reading | title | - | Moby Dick | many
= X be* reading V
= the book X be* reading is V
+ X be* (?:half-?way|in the middle of) (?:through )?V
? What be* X reading?
? What book be* X reading?
? Which book lies on X's bedside table?
? What is X's book at the moment?
~ what X be* reading
~ which book X be* reading

watching | title | - | Twin Peaks | many
= X be* watching V
= the series X be* watching is V
+ X be* rewatching V
? What be* X watching?
? What series be* X watching?
? Which show or film be* X watching?
? What do* X watch in the evening?
~ what X be* watching
~ which series X be* watching

listens | title | - | Portishead | many
= X listen* to V
= the music X listen* to is V
+ X be* listening to V
? What music do* X listen to?
? Which band or music do* X listen to?
? What do* X like to listen to?
? Whose music do* X listen to?
~ what music X listen* to
~ which band X listen* to
"""
