"""Relations about who somebody is and whom they know."""

TEXT = """
name | name | - | Jonas Berg | user near=name
= X's name is V
= X be* called V
+ X be* V
+ X be* named V
+ (?:just|you can|you may|please|everyone can|everybody can)? ?call M V
+ X go* by V
? What is X's name?
? What be* X called?
? Who be* X?
? How should people address M?
? By what name be* X known?
~ what X's name is
~ what X be* called
! Which name should go on X's visitor badge?
! What signature do* X put under a letter?
! Who should the receptionist announce when X arrive*?
! Say hello to M by name.
! What should the host say when introducing M to the guests?
! A parcel for M has come. Who is it addressed to?
! What was* X christened?
! Under which name should a table be booked for M?
! When a teacher reads out the register, which name do* X answer to?
! Tell me who X be*, please.

nickname | name | - | Jojo | near=name
= X's nickname is V
= X go* by the nickname V
+ X go* by the (?:name|nickname|name of) V
+ (?:people|friends|everyone|everybody|%own friends|%own family|%own colleagues) (?:calls?|call) M V
+ X's nickname has always been V
? What is X's nickname?
? What nickname do* X have?
? What do friends call M?
? By which nickname be* X known?
~ what X's nickname is
~ what friends call M
! Which pet name do X's mates use?
! What short form do* X go by among close friends?
! If old schoolmates shout across the street to get X's attention, what do they shout?
! What should be printed on X's team shirt instead of the real name?
! Nobody uses the full name, so what do people say to M instead?
! Tell me the affectionate name the family has for M.
! What is X's moniker?
! Is there a shorter or funnier name for M, and what is it?
! Which informal name should go on X's birthday cake?
! Remind me what X's pals say instead of the proper name.

kin | name | kin | Anna Berg |
= X's N is called V
= the name of X's N is V
= X's N is V
+ X's N's name is V
+ X's N(?: name is| is named|'s called) V
+ X's N goes by V
+ X have* %a N,? %called V
+ X have* %a N, V
+ V is X's N
+ V is the name of X's N
? What is X's N called?
? What is the name of X's N?
? Who is X's N?
? What name does X's N have?
~ what X's N is called
~ the name of X's N
! A card is for X's N. Which name goes on the envelope?
! Remind me of the first name of X's N.
! By what name should a guest greet X's N?
! I keep forgetting X's N's name; who was it again?
! When X mention* a N, who is meant?
! The form asks for X's N; which name should be written there?
! sister: What is the girl called who shared a childhood home with M?
! sister: Which woman has the same mother and father as M?
! sister: Which female sibling do* X have?
! sister, brother: Which sibling did X grow up with?
! brother: What is the boy called who grew up in the same house as M?
! brother: Which man has the same parents as M?
! brother: Who is X's male sibling?
! mother, mum, mom: Who gave birth to M?
! mother, mum, mom: Which woman raised M?
! mother, mum, mom: Who should get flowers from M on Mother's Day?
! mother, father: On X's birth certificate, who is entered as N?
! father, dad: Who gets a card from M on Father's Day?
! father, dad: What is the name of the man who brought M up?
! father, dad: Who is X's old man?
! son: What is X's little boy called?
! son: Which boy calls M mum or dad?
! son: Who is the lad that X be* raising?
! son, daughter: Which child do* X pick up from school?
! daughter: What did X name the baby girl?
! daughter: Which girl calls M her parent?
! daughter: X have* a little girl, so how do people address her?
! wife: Who was the bride at X's wedding?
! wife: Which lady exchanged rings with M?
! wife, husband: Who celebrates the wedding anniversary with M?
! wife, husband: Who is X's better half?
! husband: Who was the groom at X's wedding?
! husband: Which man put the ring on X's finger?

married | name | - | Anna Berg | near=kin:partner
= X be* married to V
= the person X be* married to is V
+ X be* engaged to V
+ X married V
? Who be* X married to?
? To whom be* X married?
? What is the name of the person X be* married to?
? Who did X marry?
~ who X be* married to
~ the name of the person X be* married to
! Who wears the other wedding ring besides M?
! To whom did X say yes before the registrar?
! Tell me who X's spouse is.
! With whom did X tie the knot?
! Who stood beside M at the altar?
! Who would the hospital ring as X's husband or wife?
! The invitation is meant for M plus spouse. Who is the second person?
! Who shares a marriage certificate with M?
! Whom did X choose for life?
! Remind me whose hand X took in marriage.

status | status | - | widowed | near=kin:partner
= X be* V
= X's marital status is V
+ X have* been V
+ X got V
+ X be* an? V
? What is X's marital status?
? What is X's relationship status?
? What does a form say under X's marital status?
? How do things stand with X's family status?
~ what X's marital status is
~ X's relationship status
! be* X single or taken?
! Which box should be ticked in X's case, single, married, divorced or widowed?
! The tax office wants to know X's civil status. What goes there?
! be* X free to date, or already spoken for?
! have* X ever tied the knot, or what is the situation?
! What is the current state of X's love life?
! Tell me what the registry office has on file about X's civil state.
! Legally speaking, be* X a bachelor, a spouse or something else?
! A matchmaker asks whether X be* still to be had. What is the answer?
! be* X in a relationship at present?

names | names | several | Ada and Max |
= X's N are called V
= the names of X's N are V
+ X's N are (?:named )?V
+ X's N(?:'s|')? names are V
+ X have* (?:two|three|four|five|six|\\d) (?:%word )?N(?:,|:)? (?:called |named |whose names are )?V
+ V are X's N
? What are X's N called?
? What are the names of X's N?
? Who are X's N?
? By what names are X's N known?
~ what X's N are called
~ the names of X's N
! Presents are going to X's N. Which names go on the labels?
! List X's N by name.
! Remind me who all of X's N are.
! If X's N all came to the party, which name tags would be needed?
! I can never tell X's N apart by name; who are they?
! Could you name every one of X's N?
! children, kids: Who calls M mum or dad?
! children, kids: Which little ones do* X tuck in at night?
! children, kids: Who are X's offspring?
! children, kids: For whom do* X pack lunch before school?
! children, kids: What did X name the babies?
! brothers: Which boys grew up with M under one roof?
! brothers: Which boys call X's parents mum and dad?
! sisters: Which women have the same mother and father as M?
! sisters: Who are the female siblings in X's family?
! brothers, sisters, siblings: Who else did X's mother give birth to?
! brothers, sisters, siblings: With whom did X fight over toys as a child?
! siblings: Which other children did X's parents raise?
! siblings: Who has the same parents as M?
! parents: Who brought M up?
! parents: Who are X's mum and dad?
! parents: Which couple had M as a baby?
! parents: Who are the two people on X's birth certificate besides the newborn?
! cats: What do* X shout to get the cats in for dinner?
! cats: Which names are on the food bowls of X's cats?
! cats: Who purrs on X's sofa?
! cats: What are X's felines named?
! dogs: Which names do* X shout in the park to call the dogs back?
! dogs: What do the collars of X's dogs say?
! dogs: Whom do* X take out on leads every morning?
! dogs: What do X's hounds answer to?

count | count | counted | three | near=count
= the number of X's N is V
= the number of N that X have* is V
+ X have* V (?:[a-z]+ )?N(?:,.*| (?:called|named|and|who|whose|in|at|with) .*)?
+ X own* V N
? How many N do* X have?
? What is the number of X's N?
? Of N, how many do* X have?
? How many N are X's?
~ how many N X have*
~ the number of X's N
! Is it one, two or more N that X have*?
! If somebody counted X's N, what would the total be?
! Each of X's N gets a gift. How many gifts must be bought?
! Tell me how many N belong to M.
! A survey asks for the total of X's N. What figure goes in?
! do* X have just one or several N, and exactly how many?
! brothers: How many men have the same parents as M?
! brothers: How many male siblings are there in X's family?
! brothers: How many boys did X grow up with at home?
! brothers, sisters, siblings: How many others shared the back seat with M as a child?
! sisters: How many girls grew up alongside M at home?
! sisters: How many female siblings do* X have?
! sisters: How many women have the same mother and father as M?
! siblings: be* X an only child?
! siblings: How many other children did X's parents have?
! siblings: With how many others did X have to share toys?
! children, kids: How many little ones run around X's house?
! children, kids: How many times have* X become a parent?
! children, kids: How many school lunches do* X pack every morning?
! children, kids: How many babies have* X had?
! children, kids: What is the size of X's brood?
! cats: How many food bowls do* X fill for the cats?
! cats: How many felines share X's home?
! cats: How many animals will the cat sitter have to feed at X's place?
! cats: How many purring pets sleep on X's bed?
! dogs: How many leads do* X need for a walk?
! dogs: How many hounds bark when X's doorbell rings?
! dogs: How many four-legged friends should the kennel expect from M?
! dogs: How many wagging tails greet M at the door?
! grandchildren: How many little ones call M grandma or grandpa?
! grandchildren: How many babies have X's own children had?
! grandchildren: How often have* X become a grandparent?
! grandchildren: How many of the children's children visit M?

age | age | - | 34 |
= X be* V
= X's age is V
+ X be* aged V
+ X (?:just |recently )?turned V
? How old be* X?
? What is X's age?
? What age be* X?
? How many years old be* X?
~ how old X be*
~ what age X be*
! How many candles were on X's last cake?
! be* X in the twenties, thirties or forties?
! The form has a box for years of age. What should be entered for M?
! How long have* X been alive?
! How many birthdays have* X had so far?
! Which age group should X sign up in for the race?
! Tell me what number X reached at the last birthday.
! Would X count as a teenager, a grown-up or a pensioner by years?
! What age should the nurse write down for M?
! How many summers have* X lived through?

birthday | date | - | 3 May |
= X's birthday is on V
= X's birthday falls on V
+ X's birthday is V
+ X's date of birth is V
+ X was* born on V
+ X have* (?:a|%own) birthday on V
+ X celebrate* %own birthday on V
+ V is X's birthday
? When is X's birthday?
? What date is X's birthday?
? On which day of the year was* X born?
? When do* X celebrate a birthday?
~ when X's birthday is
~ on which day X was* born
! On what date should a cake be baked for M?
! When do* X blow out the candles?
! Which day and month are in X's passport as date of birth?
! By which date should a birthday card reach M?
! When do* X get a year older?
! When do people sing Happy Birthday to M?
! The doctor's office wants day and month of birth. What should X say?
! Remind me when a birthday present for M has to be ready.
! Which day of the year is the anniversary of X's birth?
! Friends plan a surprise party for X's next birthday. Which day should they keep free?

birthyear | year | - | 1987 |
= X was* born in V
= X's year of birth is V
= the year X was* born is V
+ X's birth year is V
? In what year was* X born?
? What year was* X born?
? What is X's year of birth?
? Which birth year do* X have?
~ what year X was* born in
~ X's year of birth
! Which year stands in X's passport behind the day and month of birth?
! When did X come into the world, by year?
! What vintage be* X?
! A form needs four digits for the year of birth. What are they for M?
! Which year should be picked from the birth year menu for M?
! Which wine vintage would match X's birth?
! Since what year have* X been around?
! Tell me the year in which X's life began.
! was* X born in the seventies, the eighties or later, and exactly which year?
! In which year did X's parents announce the birth of the baby?

height | measure | - | 172 cm |
= X's height is V
= X's body height is V
+ X be* V tall
+ X measure* V
+ X stand* V tall
? How tall be* X?
? What is X's height?
? What height be* X?
? What would a tape measure say about how tall X be*?
~ how tall X be*
~ what X's height is
! How many centimetres do* X measure from head to toe?
! How high must a door frame be so that X can pass upright?
! What figure is in X's passport under body height?
! be* X short or tall, in numbers?
! How long is X's body, lying flat on a bed?
! What stature should a tailor note down for M?
! Before adjusting the saddle, the bike shop asks how tall X be*. What is right?
! How high up the door frame would X's pencil mark be?
! Tell me how many feet and inches tall X be*.
! Barefoot against the wall, how tall would X come out?

weight | measure | - | 68 kg |
= X weigh* V
= X's weight is V
? How much do* X weigh?
? What is X's weight?
? What do* X weigh?
? What would scales say about how heavy X be*?
~ how much X weigh*
~ what X's weight is
! What does the bathroom scale show for M?
! How heavy be* X?
! How many kilos do* X bring to the scales?
! The nurse needs X's body weight for the dose. What is it?
! How many kilograms would a lift have to raise if only X were inside?
! For the parachute jump, what weight should be declared for M?
! Tell me the figure X last read on the scales.
! What body mass should a fitness app record for M?
! be* X light or heavy, in kilos?
! Which weight class would X box in, going by kilos?

hand | hand | - | left-handed |
= X be* V
= by dominant hand X be* V
? Which hand do* X write with?
? What is X's dominant hand?
? With which hand do* X throw a ball?
? Which hand do* X prefer?
~ which hand X write* with
~ X's dominant hand
! be* X left-handed or right-handed?
! Should the scissors for M be for lefties or righties?
! In which hand do* X hold a pen?
! On which side of the keyboard should X's mouse lie?
! Which hand do* X use for brushing teeth?
! be* X a southpaw?
! Tell me which hand X deal* cards with.
! With which arm do* X swing a tennis racket?
! Golf clubs come in two versions, for lefties and righties. Which do* X need?
! Which is the stronger and more skilful of X's hands?

sign | sign | - | Virgo |
= X's star sign is V
= X's zodiac sign is V
= X's sign is V
+ X be* (?:an? )?V
? What is X's star sign?
? What zodiac sign do* X have?
? Under which sign was* X born?
? What is X's sign of the zodiac?
~ what X's star sign is
~ under which zodiac sign X was* born
! Which horoscope should X read in the paper?
! be* X a Leo, a Pisces or something else?
! What be* X, astrologically speaking?
! Which constellation of the zodiac rules X's birthday?
! A necklace with a zodiac pendant is planned for M. Which symbol should it be?
! Which of the twelve signs do* X belong to?
! Tell me under which stars X was* born.
! Which column of the horoscope page is meant for M?
! Where was the sun in the zodiac on the day of X's birth?
! What would a fortune teller put down as X's sun sign?

condition | condition | - | asthma | many near=health
= X have* V
= X suffer* from V
+ X was* diagnosed with V
+ X have* been diagnosed with V
+ X live* with V
? What medical condition do* X have?
? What do* X suffer from?
? What was* X diagnosed with?
? Which illness do* X have?
~ what medical condition X have*
~ what X suffer* from
! What should a paramedic know about X's medical history?
! Which diagnosis is in X's file at the clinic?
! What ailment do* X take pills for?
! For which illness do* X see a specialist?
! What has the doctor found wrong with M?
! Which chronic disease do* X have to cope with?
! The insurance form asks for pre-existing illnesses. What belongs there for M?
! Tell me what sickness X have*.
! What be* X being treated for?
! Which complaint makes X's life harder, medically speaking?

allergy | thing | - | walnuts | many near=health
= X be* allergic to V
= X have* an allergy to V
+ X be* (?:severely|very|highly|badly|terribly|deathly|mildly|extremely|quite) allergic to V
+ X have* an? (?:severe |serious |bad |mild |strong )?allergy to V
+ X have* an? V allergy
+ X be* intolerant to V
+ X suffer* from an? V allergy
+ X's allergy is to V
? What be* X allergic to?
? What allergy do* X have?
? Which things do* X react to with an allergy?
? What should X avoid because of an allergy?
~ what X be* allergic to
~ which allergy X have*
! Which food or animal could send M to hospital with a reaction?
! What must not go into a cake for M, or there will be a rash?
! What makes M sneeze or itch?
! Tell the waiter what X cannot tolerate.
! What do* X carry an EpiPen for?
! Which substance sets off X's immune system?
! The nurse is filling in the allergies box for M. What goes there?
! What gives M hives?
! I need to know what makes X's throat swell up.
! Which ingredient has to be left out for M to avoid a reaction?

fear | thing | - | spiders | many
= X be* afraid of V
= X's biggest fear is V
= X be* scared of V
+ X fear* V
+ X be* terrified of V
+ X have* an? (?:fear|phobia) of V
? What be* X afraid of?
? What scares M?
? What do* X fear?
? What is X's biggest fear?
~ what X be* afraid of
~ what scares M
! What gives M the creeps?
! What sends shivers down X's spine?
! Which phobia do* X have?
! What would X run away from screaming?
! In a haunted house, what would frighten M most?
! What gives M nightmares?
! What makes X's heart race with dread?
! Tell me what X be* terrified of.
! What should nobody use for a prank on M because of the panic it would cause?
! What can X not face without trembling?

diet | diet | - | vegan | near=food
= X be* V
= X's diet is V
= by diet X be* V
+ X be* an? V
+ X follow* (?:an? )?V (?:diet|lifestyle)
+ X eat* V
+ X (?:went|became|turned) (?:an? )?V(?: (?:last|this|in|when|a|two|some) .*)?
+ X be* on (?:an?|the) V diet
+ X have* been V (?:since|for) .*
+ X have* been V
? What diet do* X follow?
? What is X's diet?
? What sort of diet be* X on?
? Which diet should be kept in mind when cooking for M?
~ what diet X follow*
~ what X's diet is
! May meat be served to M?
! What kind of eater be* X?
! Which special menu should be ordered on the plane for M?
! A caterer asks about dietary needs. What should be said about M?
! be* X a vegetarian, a vegan or a meat eater?
! Would a steak be all right for M?
! Which eating rules do* X live by?
! When X come* to dinner, which eating style should the host respect?
! do* X eat everything, or are some food groups banned on principle?
! Tell me how X eat*, with or without meat and dairy.

looks | colour | features | green |
= the colour of X's N is V
= X's N are V
+ X have* V N
? What colour are X's N?
? What is the colour of X's N?
? Which colour do X's N have?
? What do X's N look like?
~ what colour X's N are
~ the colour of X's N
! Which shade are X's N?
! A portrait painter needs the right tint for X's N. Which one?
! What does a passport state about the colour of X's N?
! Are X's N brown, blue, green or something else?
! Which coloured contact lenses would match X's N?
! Tell me how X's N look when it comes to colour.
! eyes: be* X blue-eyed, brown-eyed or something else?
! eyes: What colour looks back when X stare* into a mirror?
! eyes: A description for the police needs the eye colour. What applies to M?
! eyes: Which tint do X's irises have?
"""
