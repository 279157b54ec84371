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
+ X (?:just |recently )?(?:moved|relocated) from .{1,40} to V
+ X have* moved from .{1,40} to V
+ V is where X live*
? Where do* X live?
? In which place do* X live?
? Where is X's home?
? Where be* X living at the moment?
~ where X live*
~ where X's home is

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

travel | place | - | Lisbon | near=travel
= X be* travelling to V
= X's next trip is to V
= X's next trip goes to V
+ X be* (?:traveling|flying) to V
+ X be* going on (?:holiday|vacation|a trip|honeymoon) to V
+ X be* going to %capV (?:in|this|next|on|for|over) .*
+ X be* going to V (?:on|for) (?:holiday|vacation|%own honeymoon|a holiday|christmas)
+ X have* booked an? (?:trip|flight|holiday|vacation|journey) to V
+ X booked an? (?:trip|flight|holiday|vacation|journey) to V
+ X's (?:next |summer |winter )?(?:trip|holiday|vacation|honeymoon) (?:is|goes) to V
? Where be* X travelling to?
? Where does X's next trip go?
? What is the destination of X's next trip?
? Where will X travel next?
~ where X be* travelling to
~ the destination of X's next trip

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
"""
