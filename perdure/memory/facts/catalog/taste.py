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
! If X could keep only one N, which would it be?
! If somebody asked M to name the best N in the world, what would the answer be?
! Which N is at the very top of X's list?
! A quiz about M asks for the N closest to X's heart. What is the right answer?
! Tell me X's number one N.
! I need to know which N beats all others in X's eyes.
! colour: In what shade should the scarf for M be knitted?
! colour: Of all the crayons in the box, which one do* X reach for first?
! colour: What tint of wrapping paper would please M most?
! colour: Which tin of paint would X choose for a room to feel happy in?
! food, dish: What should I cook for M as a treat?
! food, dish: Which plateful makes X's mouth water more than any other?
! food, dish: What should be on the table at X's birthday dinner?
! food, dish: X may order anything on the menu. What will it be?
! film: Which picture would X gladly see for the hundredth time?
! film: A cinema puts on one show in X's honour. What should be on the screen?
! film: Of everything X have* ever seen at the cinema, what was the best?
! film: What DVD would X take to a desert island?
! book: Which novel would X rescue first from a burning library?
! book: Which title on the shelf do* X treasure most?
! book: Of everything X have* ever read, what was the very best?
! book: What should the reading circle read next if X alone may decide?
! season: At which time of year be* X happiest?
! season: Spring, summer, autumn or winter? Which suits M best?
! season: Which months of the year would X like to last for ever?
! season: Which quarter of the year do* X look forward to most?
! animal: At the zoo, which enclosure do* X visit first?
! animal: Which creature do* X find the most wonderful of all?
! animal: Somebody wants to give M a cuddly toy. Which beast should it be?
! animal: What wild creature should be on a poster for X's wall?
! song: Which tune should the DJ play to get M on the dance floor?
! song: What do* X sing first at karaoke?
! song: Which track do* X play again and again?
! song: What should the choir sing as a surprise for M?
! band: For which group's concert would X cross the whole country?
! band: Of which group of musicians be* X the biggest fan?
! band: Which group should be on stage if X could book anybody for a party?
! band: Which rock or pop group can nobody beat, in X's opinion?
! number: Which figure do* X call lucky?
! number: X may choose the digits on the back of a jersey. What will they be?
! number: On which figure would X bet at roulette?
! number: From one to a hundred, what do* X always pick?
! drink: Which beverage would X choose over every other?
! drink: The bar has everything. What do* X order as a special treat?
! drink: After a long hot walk, what would X dream of in a glass?
! drink: Which bottle would X be happiest to unwrap?
! city: In which town would X love to spend every weekend?
! city: Which metropolis do* X praise above all others?
! city: Somebody gives M a poster of a skyline. Of what place should it be?
! city: Of all the towns X have* ever seen, which was the loveliest?
! sport: Which event at the Olympics will X never miss?
! sport: Which athletic discipline excites M the most?
! sport: Ten matches and races are on television at once. Which kind would X choose to see?
! sport: Of everything that athletes do, what do* X find most thrilling?
! flower: What should be in a bouquet for M?
! flower: Which blossom would X plant all over the garden?
! flower: The florist asks what to put in X's vase. What is the best choice?
! flower: What bloom do* X find the most beautiful?
! game: What should we play on a rainy evening if X may choose?
! game: It is X's turn to choose for game night. Which box comes off the shelf?
! game: Which board, card or video title do* X never tire of playing?
! game: With cards, dice and a console at hand, what do* X most want to play?

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
! The barista is making N for M. What goes into it?
! What do* X add to N?
! Milk, sugar, lemon or nothing? What belongs in X's N?
! I need to know how to prepare N exactly as X want* it.
! A visitor offers to make N for M. How strong, sweet or milky should it be?
! What does X's perfect cup of N look like?
! coffee: How much milk and sugar go into X's coffee?
! coffee: Somebody is fetching coffee for the whole office. What should be said about X's cup?
! coffee: Black, white or sweetened? What sort of coffee should the waiter bring M?
! coffee: What should be poured or stirred into X's filter coffee?
! tea: The kettle is on. What should go into X's cuppa?
! tea: Lemon, milk, honey or plain? Which is right for X's tea?
! tea: The hostess is pouring tea for M. What should be added to the cup?
! tea: With what do* X have a cup of tea, if with anything?
! espresso: Single, double or sweetened? Which espresso is right for M?
! espresso: In an Italian bar, how do* X order an espresso?
! espresso: Is anything stirred into X's espresso, and if so, what?
! espresso: How much sugar goes into X's little cup of espresso?

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
! What brings M joy?
! Which things put a smile on X's face?
! Somebody is looking for a gift idea. What be* X keen on?
! Tell me one thing that X simply adore*.
! What do* X have a soft spot for?
! What cheers M up on a grey day?
! A surprise is meant to delight M. What should it have to do with?
! What topic makes X's eyes light up?
! What be* X absolutely mad about?
! I need to know what sort of thing gives M pleasure.

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
! What drives M up the wall?
! What gets on X's nerves?
! What can X simply not bear?
! What is sure to spoil X's mood?
! Which things put M off completely?
! The party is meant to please M. What had better be left out?
! Name something that X find* awful.
! New colleagues want to stay on good terms with M. What irritates M most?
! What should nobody ever give M as a present?
! Remind me what X always complain* about.

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
! When the working day is over, what keeps M busy?
! Which pastime should X's dating profile mention?
! A form asks for X's leisure interests. What goes in the box?
! What do* X do purely for pleasure on a quiet Sunday?
! Tell me what X get* up to in idle hours.
! With what activity do* X relax after a long week?
! Which activity makes M forget the time?
! Introducing M to the new neighbours, which spare-time passion should one mention?
! How do* X usually pass a free weekend?
! An aunt wants to give M something for leisure hours. What pursuit should it be for?

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
! Which athletic activity do* X practise?
! How do* X work up a sweat?
! At the sports club, which section lists M as a member?
! The sports shop has gear for everything. Which department do* X need?
! How do* X keep in shape?
! A doctor asks how X get* exercise. What is the true reply?
! What do* X compete in at weekends?
! What sort of training does X's gym bag get packed for?
! Tell me which physical discipline X train* in.
! On what kind of court, pitch or track can people see M, and doing what?

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
! What do* X play in the orchestra?
! With what would X join a jam session?
! What would a music teacher give M lessons in?
! A band is looking for members. Which part could X take?
! What is inside the case that X carry* to orchestra practice?
! Which strings, keys or pipes do* X know how to handle?
! Tell me what X practise* scales on.
! What do the neighbours hear through the wall when X practise* music?
! What should X bring along to accompany the singers at the party?
! In a quartet or a band, what would be in X's hands?

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
! Which tongues be* X fluent in?
! From which tongue could X interpret for a visitor?
! Into what should a text be translated so that X can read it?
! What linguistic skills does X's CV list?
! For which language do* X need no phrasebook?
! A call centre wants to phone M. Which language must the agent know?
! In what can X hold a conversation, English or something else?
! Tell me which foreign tongues X can converse in.
! A tourist asks M the way. In which language will X understand the question?
! Abroad, where X can do without an interpreter, what is spoken?

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
! Which tongue do* X take evening classes in?
! What foreign vocabulary be* X cramming at the moment?
! Which course does X's language app show?
! X have* got a beginner's grammar. Of which language is it?
! What new tongue will X soon be able to chat in?
! A pen friend could help M practise. What should the pen friend speak?
! In which foreign tongue be* X still a beginner?
! Tell me which language X be* picking up these days.
! What foreign words are on X's flash cards?
! A dictionary would help M with the homework for language class. Which one should it be?

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
! What tongue did X learn first as a baby?
! In what language were X's lullabies sung?
! What do* X speak with Mum and Dad?
! Of which language be* X a native speaker?
! A census form asks what was spoken in X's childhood home. What belongs there?
! In which tongue do* X curse when something hurts?
! Tell me what X was* raised to speak.
! Before school taught M any foreign words, what did X speak?
! In what language did X say a first word as a toddler?
! In which tongue do* X dream and count?

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
! What fills X's display cabinet?
! What do* X hunt for at flea markets?
! Which items do* X gather and keep?
! X have* whole boxes and albums full of something. What is it?
! A gift should add to what X have* been gathering for years. What must it be?
! What kind of objects do* X hoard?
! What could somebody with the same passion swap with M, piece for piece?
! What would X bid on at an auction to make the set complete?
! What treasures are lined up on X's shelves, piece by piece?
! Remind me which curios X be* always on the lookout for.

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
! Whose scarf do* X wear at the stadium?
! Which side do* X shout for on match day?
! Whose jersey hangs in X's wardrobe?
! A season ticket would be a fine gift for M. For which club?
! Whose defeat ruins X's weekend?
! Tell me which squad X back*.
! Whose matches do* X never miss?
! Whose supporters' club would welcome M?
! It is the day of the derby. Who do* X hope will win?
! Whose flag do* X wave in the stands?

drinks | thing | - | oat milk | many near=food
= X drink* V
= one thing X drink* is V
? What do* X drink?
? What do* X like to drink?
? What should be poured for M?
? What is X's usual drink?
~ what X drink*
~ what X like* to drink
! X be* thirsty. What should go in the glass?
! The waiter comes to X's table. Which beverage will it be?
! Which beverages should we stock before X come* to visit?
! What do* X order at the bar?
! Which bottle should stand in the fridge for M?
! With what do* X quench a thirst?
! Tell me what X sip* throughout the day.
! What sort of liquid is usually in X's mug?
! Which can should come out of the vending machine for M?
! The flight attendant comes with the cold and hot beverages. What will X ask for?

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
! What is on X's plate at N?
! X be* coming for N. What should be served?
! Which ingredients should we buy for X's N?
! Tell me what X usually tuck* into at N.
! The hotel takes orders for N. What should be ticked for M?
! When it is time for N, what do* X put on the table?
! breakfast: What do* X eat first thing in the morning?
! breakfast: With what food do* X start the day?
! breakfast: What should be waiting on the kitchen table when X get* out of bed?
! breakfast: Which bite to eat gets M going in the morning?
! lunch: What do* X eat at midday?
! lunch: What is in the box that X unpack* in the noon break?
! lunch: When the clock strikes twelve, what do* X eat?
! lunch: In the canteen at work, what do* X put on the tray?
! dinner: What do* X eat in the evening?
! dinner: X come* home hungry after work. What ends up on the plate?
! dinner: What do* X cook at the end of the day?
! dinner: Which hot dish should be in the oven for M tonight?
! supper: What do* X eat shortly before going to bed?
! supper: With what food does X's evening end?
! supper: Late in the evening X get* hungry. What will it be?
! supper: Which small dish should we prepare for M for the late evening?
! dessert: What sweet do* X eat after the main course?
! dessert: The main plate is empty. What should the waiter bring M next?
! dessert: Which pudding rounds off X's dinner?
! dessert: What sugary thing comes at the end of X's meals?

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
! In which novel is X's bookmark?
! What paperback be* X carrying around these days?
! What be* X leafing through every night?
! Which title is open on X's e-reader?
! Which story keeps M turning pages at the moment?
! What will X next take back to the library?
! X be* in the middle of a chapter. Of which work?
! A book club asks what X have* on the go. What is the answer?
! Tell me what X be* ploughing through, page by page.
! Which novel have* X just begun?

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
! What be* X bingeing at the moment?
! Which episodes do* X stream after dinner?
! Which programme be* X glued to these days?
! What does X's streaming service offer to continue?
! No spoilers for M, please. Which series must nobody talk about?
! X sink* into the sofa with the remote control. What comes on?
! Tell me what X have* on television these nights.
! Colleagues chat about television. Which programme could X talk about?
! Of what be* X seeing one episode after another?
! Which cliffhanger on the screen keeps M in suspense this week?

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
! What comes out of X's headphones?
! Which artist is on X's playlist?
! Whose records do* X put on?
! What do* X play on the car stereo?
! Whose songs fill X's flat?
! Whose name tops X's statistics on the music app?
! Which album do* X keep on repeat?
! Tell me what sort of tunes X play* at home.
! The DJ wants to suit X's ears. What should be played?
! What do* X hum along to on the radio?
"""
