"""Relations about where somebody is from and where they live."""

TEXT = """
birthplace | place | - | Tromso | near=origin
= X was* born in V
= X's place of birth is V
= X's birthplace is V
+ X was* born at V
+ X was* born (?:and raised|and bred|and brought up) in V
? Where was* X born?
? What is X's place of birth?
? In what place was* X born?
? What is X's birthplace?
~ where X was* born
~ what X's place of birth is
! Where did X first see the light of day?
! Which city is entered in X's passport as place of birth?
! Where did X's cradle stand?
! In which town's hospital did X come into the world?
! Which town issued X's birth certificate?
! Tell me where X's life began.
! The visa form asks for the town of birth. What should X enter?
! Where were X's parents when the baby arrived?
! In which city did the midwife deliver M?
! In which town could a plaque mark the house of X's birth?

hometown | place | - | Tromso | near=origin
= X come* from V
= X's home town is V
= X grew up in V
+ X be* from V
+ X's hometown is V
+ X hail* from V
+ X was* (?:raised|brought up) in V
+ X (?:was|were) born in .{1,30} but grew up in V
? Where do* X come from?
? Where be* X from?
? What is X's home town?
? Where did X grow up?
~ where X come* from
~ where X grew up
! Which town did X call home as a child?
! Where are X's roots?
! Where did X play in the streets as a child?
! Where was* X raised?
! From what part of the world do* X hail?
! Which place gave M that accent?
! Tell me which town X be* originally from.
! Where did X spend the years before leaving school?
! In which town is the house where X's parents raised the family?
! To which town would X travel for a reunion with childhood friends?

nationality | demonym | - | Estonian | near=origin
= X be* V
= X's nationality is V
+ X's citizenship is V
+ X be* an? V citizen
+ X have* (?:an? )?V (?:citizenship|nationality|passport)
+ X hold* (?:an? )?V (?:citizenship|nationality|passport)
+ X be* an? V
? What is X's nationality?
? What nationality be* X?
? Of which country be* X a citizen?
? What citizenship do* X have?
~ what X's nationality is
~ which citizenship X hold*
! Which passport do* X carry?
! What country's flag would X wave at the Olympics?
! For which national team would X be allowed to play?
! Which country's embassy would help M abroad?
! In which country's national elections may X vote?
! Which state issued X's identity card?
! The visa form asks for citizenship. What should be entered for M?
! be* X Swedish, French or something else?
! Which country's anthem do* X sing as a citizen?
! Tell me which country X be* a national of.

lives | place | - | Tromso | near=home
= X live* in V
= X's home is in V
= X be* living in V
+ X have* (?:been living|lived|been based) in V
+ X reside* in V
+ X be* based in V
+ X have* (?:just |recently )?moved to V
+ X (?:just |recently )?(?:moved|relocated) to V
+ X own* an? (?:house|flat|apartment|cottage) in V
+ X have* (?:got )?an? (?:house|flat|apartment|home) in V
+ X (?:just |recently )?(?:moved|relocated) from .{1,40} to V
+ X have* moved from .{1,40} to V
+ V is where X live*
? Where do* X live?
? In which place do* X live?
? Where is X's home?
? Where be* X living at the moment?
~ where X live*
~ where X's home is
! A friend wants to send M a postcard. To which town does it go?
! Which town do* X call home these days?
! Which city do* X fly home to after a holiday?
! Where would a visitor have to travel to knock on X's door?
! Where have* X settled down?
! To which town do* X pay local taxes?
! Tell me where X be* based.
! In which town be* X registered as a resident?
! Where do* X reside?
! X get* homesick when away. For which city?

address | address | - | 12 Fern Street | near=home
= X's address is V
= X live* at V
+ X's home address is V
+ X's street address is V
+ X live* on V
+ X (?:have|has)? ?moved to V
? What is X's address?
? At what address do* X live?
? Where should a letter to M be sent?
? On which street do* X live?
~ what X's address is
~ where a letter to M should be sent
! Where should the courier ring to deliver X's parcel?
! Which street and house number belong to M?
! What should a taxi driver be told to take M home?
! An ambulance has to find X's house. To which street and number should it go?
! What goes on the envelope under X's name?
! What should be typed into the satnav to reach X's front door?
! Where exactly should the pizza for M be delivered?
! Which postal details does a shop need to ship goods to M?
! Tell me in which street X's house stands.
! Flowers have been ordered for M. What should the florist write on the delivery slip?

floor | phrase | - | third floor | near=home
= X live* on the V
= X's flat is on the V
+ X's (?:apartment|home) is on the V
? On which level of the building do* X live?
? How high up in the building do* X live?
? What storey do* X live on?
? Which storey is X's flat on?
~ on which storey X live*
~ how high up X live*
! How many flights of stairs lead up to X's door?
! Which button in the lift do* X press to get home?
! At which landing should a visitor stop to reach X's flat?
! do* X live at ground level or under the roof?
! How far up must the movers carry X's sofa?
! Firefighters need to get to X's flat. On which floor should they look?
! To which floor do X's visitors have to climb?
! From what level do* X look down on the street at home?
! Tell me where the lift stops for X's front door.
! On a doorbell panel sorted by floors, which row is X's bell in?

dwells | where | - | near the harbour | near=home
= X live* V
= X's home is V
+ X (?:just |recently )?moved V
? Where do* X live?
? Near what do* X live?
? Where is X's home?
? Whereabouts do* X live?
~ where X live*
~ where X's home is
! Which part of town do* X live in?
! Next to which landmark is X's house?
! In what kind of surroundings is X's home?
! What can X see around the corner from home?
! Which spot should a visitor head for to find X's house?
! Which neighbourhood do* X call home?
! At what landmark should one get off the bus to visit M at home?
! do* X live in the centre, by the water or out in the country?
! Tell me what X's house stands next to.
! What is within a stone's throw of X's home?

household | phrase | - | two old friends |
= X live* with V
= X share* a home with V
+ X share* an? (?:flat|house|apartment|room|home) with V
+ X be* living with V
? Who do* X live with?
? With whom do* X share a home?
? Who else lives in X's home?
? Who lives together with M?
~ who X live* with
~ with whom X share* a home
! Whose toothbrushes stand in X's bathroom?
! With whom do* X split the rent?
! Which other names are on X's doorbell?
! Apart from M, who might open the door at the flat?
! Who sits at X's breakfast table every morning?
! do* X live alone or with others, and with whom?
! With whom do* X argue about the dishes at home?
! The census asks who belongs to X's household. What is the answer?
! Who waits for M at home in the evening?
! Tell me who is under the same roof as M.

travel | place | - | Lisbon | near=travel
= X be* travelling to V
= X's next trip is to V
= X's next trip goes to V
+ X be* (?:traveling|flying) to V
+ X be* going on (?:holiday|vacation|a trip|honeymoon) to V
+ X be* going to %capV (?:in|this|next|on|for|over) .*
+ X be* going to V (?:on|for) (?:holiday|vacation|%own honeymoon|a holiday|christmas)
+ X be* (?:going|travelling|flying) to V (?:on|for) %own (?:next |summer |winter )?(?:holidays?|vacation|trip|journey)
+ X have* booked an? (?:trip|flight|holiday|vacation|journey) to V
+ X booked an? (?:trip|flight|holiday|vacation|journey) to V
+ X's (?:next |summer |winter )?(?:trip|holiday|vacation|honeymoon) (?:is|goes) to V
? Where be* X travelling to?
? Where does X's next trip go?
? What is the destination of X's next trip?
? Where will X travel next?
~ where X be* travelling to
~ the destination of X's next trip
! Where will X's next plane land?
! Which destination is on X's ticket?
! For what place do* X have to pack a suitcase?
! Which guidebook should X buy for the coming journey?
! To what city have* X booked a flight?
! Which city's weather should X look up before packing?
! X be* about to set off on a journey. Where to?
! Where be* X off to next?
! From which place can friends soon expect a postcard from M?
! Tell me where X be* headed with that suitcase.

holidays | place | - | Crete | near=travel
= X spend* the holidays in V
= X go* on holiday in V
+ X spend* %own (?:holidays|summers|winters|vacations|summer holidays|winter holidays) in V
+ X spend* every (?:summer|winter|christmas|easter|holiday) in V
+ X always go* to V (?:for|on|in) (?:the )?(?:summer|holidays?|vacations?|winter)
+ X go* to V every (?:summer|winter|christmas|easter|year)
? Where do* X spend the holidays?
? Where do* X usually go on holiday?
? In which place do* X spend holidays?
? What is the usual place of X's holidays?
~ where X spend* the holidays
~ where X usually go* on holiday
! Which place do* X return to every summer?
! Where do* X go to relax each year?
! Where can X usually be found during the summer break?
! What is X's regular vacation spot?
! Where are X's holiday photos taken year after year?
! Which region do* X drive to whenever there is time off?
! From where do X's friends get a postcard every summer?
! To which resort do* X keep going back?
! Tell me where X always travel* for annual leave.
! Where do* X get a tan every year?
"""
