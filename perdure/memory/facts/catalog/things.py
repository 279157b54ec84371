"""Relations about what somebody owns, has planned, and has to know by heart."""

TEXT = """
pet | name | animals | Rex |
= X's N is called V
= the name of X's N is V
= X have* a N called V
+ X's N(?: is named| name is|'s called|, called|, named) V
+ X's N's name is V
+ X's N goes by V
+ X's N is V
+ X's N is an? .{1,30} %called V
+ X's N answers to V
+ X %has a N(?:,| who is| that is)? %called V
+ X (?:just|recently) %has a N %called V
+ X %has a N, V
+ X %has a N(?: and|,)? (?:his|her|its|their) name is V
+ X %has a N(?: and|,)? (?:he|she|it) is %called V
+ X (?:named|called) %own N V
+ (?:this is )?V is X's N
+ V is the name of X's N
? What is X's N called?
? What is the name of X's N?
? What name does X's N answer to?
? What name did X's N get?
~ what X's N is called
~ the name of X's N
! What should I shout to call X's N?
! A visitor wants to greet X's N. Which name should be used?
! Which name is on the vet's card for X's N?
! What did X decide to name the N?
! Remind me what X call* the N at home.
! What would be engraved on a name tag for X's N?
! dog: What do* X shout in the park to call the dog back?
! dog: Which name is stamped on the collar of X's four-legged friend?
! dog: Who barks when X's doorbell rings?
! dog: Whom do* X take for a walk on a lead?
! cat: Who purrs on X's sofa in the evening?
! cat: What do* X call into the garden when the cat is late for dinner?
! cat: Which name is written on the food bowl of X's feline?
! cat: Who catches the mice in X's house?
! horse: Whom do* X saddle for a ride?
! horse: Which name is on the stable door of X's horse?
! horse: Under which name did X enter the mount in the show?
! horse: Who carries M over the jumps?
! rabbit, bunny: Who nibbles the carrots at X's home?
! rabbit, bunny: Who hops around X's garden?
! rabbit: What did X name the bunny?
! rabbit, bunny: Which name hangs on the hutch in X's garden?
! parrot: Who squawks in X's living room?
! parrot: Which name does X's feathered talker listen to?
! parrot: What name hangs on X's bird cage?
! parrot: Who copies X's words from a perch?
! hamster: Who runs in the wheel at X's place at night?
! hamster: Which name is on the little cage in X's room?
! hamster: What did X name the little rodent?
! hamster: Who stuffs seeds into both cheeks in X's home?
! puppy: Which name is X's young dog supposed to learn?
! puppy: What did X name the new pup?
! puppy: Who has been chewing X's slippers?
! puppy: What do* X say to call the little dog to heel?
! kitten: What did X name the baby cat?
! kitten: Who has been climbing X's curtains?
! kitten: Which name should the vet write down for X's tiny cat?
! kitten: Who chases the ball of wool at X's home?

breed | sort | animals | a border collie |
= X's N is V
= by breed X's N is V
? What breed is X's N?
? What kind of N do* X have?
? What sort of animal is X's N?
? Of which breed is X's N?
~ what breed X's N is
~ what kind of N X have*
! What would a vet write under breed for X's N?
! Is X's N a purebred or a mix, and of what?
! Which variety of N do* X keep?
! Someone would like the same type of N that X have*. What should they look for?
! If X's N entered a show, in which breed class would it be?
! Tell me which type of N lives with M.
! dog: Is X's dog a poodle, a terrier or something else?
! dog: What type of hound trots beside M?
! dog: Which kennel club section would list X's dog?
! dog: do* X walk a spaniel, a mutt or what?
! cat: Is X's cat a Siamese, a Persian or an ordinary tabby?
! cat: What sort of feline do* X have?
! cat: Which kind of cat sleeps in X's home?
! cat: Did X get a moggy or a pedigree cat, and which one?
! horse: do* X ride an Arab, a cob or another kind of horse?
! horse: What kind of mount stands in X's stable?
! horse: Which stud book lists X's horse?
! horse: By bloodline, what is X's horse?
! rabbit: Is X's rabbit a lop, an angora or another kind?
! rabbit: What type of bunny sits in X's hutch?
! rabbit: Under which class would a rabbit show list X's animal?
! rabbit: What kind of long-eared pet do* X keep?
! parrot: Is X's parrot a macaw, an African grey or another kind?
! parrot: Which species of talking bird do* X keep?
! parrot: What type of bird is on the perch at X's place?
! parrot: In a bird guide, under what heading would X's parrot be found?
! puppy: What kind of dog will X's puppy grow into?
! puppy: Which breed were the parents of X's puppy?
! puppy: Did X get a labrador pup, a mongrel or what?
! puppy: What type of young dog have* X brought home?
! kitten: What kind of cat will X's kitten turn into?
! kitten: have* X brought home a Siamese kitten or an ordinary one?
! kitten: Which breed is on the papers of X's kitten?
! kitten: What sort of baby cat do* X have?
! pony: Is X's pony a Shetland, a Welsh or another type?
! pony: What kind of little horse do* X own?
! pony: In which breed category would X's pony be shown?
! pony: From what stock does X's pony descend?

pet-age | age | animals | nine |
= X's N is V
= the age of X's N is V
+ X's N (?:just |recently )?turned V
? How old is X's N?
? What is the age of X's N?
? How many years old is X's N?
? What age is X's N?
~ how old X's N is
~ the age of X's N
! How many birthdays has X's N had?
! Is X's N still young or rather old, in years?
! How long ago was X's N born?
! What number should the vet write under age for X's N?
! How many candles would X's N get this year?
! Tell me how many years X's N has lived.
! dog, cat: For which age group should X buy food for the N?
! dog: Is X's dog still a youngster or already a senior?
! dog: How many years has X's four-legged friend been on this earth?
! dog: What age should the kennel note for X's dog?
! cat: How old a cat do* X have?
! cat: Is the feline at X's home grown up or elderly, in years?
! cat: In which year of life is X's cat?
! horse: What age do the teeth of X's horse show?
! horse: How many years has X's mount lived?
! horse: Is X's horse too young for racing, or how old is it?
! horse: What age would X put in a sale advert for the horse?
! rabbit: For how long has X's bunny been hopping around since birth?
! rabbit: Is X's rabbit a baby or a veteran, in years?
! rabbit: Rabbits reach about ten years. How far along is the one that X keep*?
! rabbit: What age should a rabbit sitter be told about X's animal?
! parrot: How many decades has X's parrot lived so far?
! parrot: How long has X's talking bird been alive?
! parrot: How long ago did X's parrot hatch?
! parrot: Parrots grow very old. What age has the one that X keep* reached?
! hamster: How many months has X's hamster been alive?
! hamster: Hamsters do not live long. What age has the one that X keep* reached?
! hamster: Is X's little rodent still young, in months or years?
! hamster: What age should go on the cage card of X's hamster?
! puppy: How many weeks has X's puppy been alive?
! puppy: Is X's pup old enough for the first jab, in weeks?
! puppy: How long ago was X's pup born?
! puppy: What age did X give when registering the puppy for dog school?
! kitten: How old is the baby cat at X's home?
! kitten: Is X's kitten twelve weeks already, or how far along?
! kitten: How long is it since X's kitten was born?
! kitten: What age should the vet put down for X's tiny cat?

thing | name | things | Nordlys |
= X's N is called V
= the name of X's N is V
= X have* a N called V
+ X's N(?: is named| name is|'s called|, called|, named) V
+ X's N's name is V
+ X %has a N %called V
+ X (?:runs?|founded|started|works? for|plays? in|leads?|built) a N %called V
+ X (?:named|called) %own N V
+ V is the name of X's N
? What is X's N called?
? What is the name of X's N?
? What name does X's N have?
? What name did X's N get?
~ what X's N is called
~ the name of X's N
! Which name did X pick for the N?
! Under which name can X's N be looked up?
! I would like to tell others about X's N. Which name should be mentioned?
! What would a sign for X's N read?
! Remind me of the name X gave the N.
! By which name do people know X's N?
! boat: Which name is painted on the bow of X's boat?
! boat: In which vessel do* X go sailing, by name?
! boat: Which name should the harbour master write down when X moor*?
! boat: What did X christen the boat?
! band: Which name is on the posters when X's band plays?
! band: What should fans search for to find the songs of X's group?
! band: How will the announcer present X's band on stage?
! band: As what does X's band appear on the festival programme?
! company: Under what name is X's firm registered?
! company: What does the sign above the door of X's own firm say?
! company: Which name does X's business trade under?
! company: To whom should customers of X's firm make out a cheque?
! blog: What title is at the top of X's blog?
! blog: Which blog do* X write?
! blog: What should readers type in to find X's posts?
! blog: Under what heading do* X publish posts on the web?
! podcast: What should I search for to hear X's podcast?
! podcast: What title do listeners subscribe to for X's podcast?
! podcast: Which show do* X host for people with headphones?
! podcast: What do* X welcome listeners to at the start of each episode?
! shop: What is written above the window of X's shop?
! shop: Which name is printed on the paper bags of X's shop?
! shop: What should I look for on the high street to find X's store?
! shop: How is X's shop marked on the map?
! app: What should users search for in the app store to get X's app?
! app: What is written under the icon of X's app?
! app: Which app did X build?
! app: Under what title did X release the app?
! book: What is printed on the cover of X's book?
! book: Which title should a bookseller look up to order X's book?
! book: What words did X put on the title page?
! book: Of which book be* X the author?

colour | colour | colourables | dark green |
= X's N is V
= the colour of X's N is V
+ X's N are V
+ X (?:have|has|drive|drives|own|owns) (?:a |an )?V N
+ X's N is painted V
? What colour is X's N?
? What is the colour of X's N?
? In what colour is X's N?
? Which colour does X's N have?
~ what colour X's N is
~ the colour of X's N
! Which shade is X's N?
! A painter wants to draw X's N. Which colour must be mixed?
! Is X's N black, white, red or something else?
! Which tint would match X's N exactly?
! Tell me what hue X's N has.
! By what colour can X's N be recognised?
! car: What colour should the police look out for to find X's car?
! car: Which paint does the garage need to touch up X's car?
! car: Somebody is looking for X's car in the car park. Is it red, blue or what?
! car: What paintwork did X choose for the car?
! hair: be* X blonde, dark-haired or a redhead?
! hair: Which dye would match X's natural hair?
! hair: Which hair shade should a police description give for M?
! hair: What colour is a curl from X's head?
! bike: Going by the paint, which bike in the rack belongs to M?
! bike: What colour is the frame of the bike that X ride*?
! bike: Which spray paint is needed to fix a scratch on X's bike?
! bike: The police are looking for X's stolen bike. What colour should the report state?
! house: What colour are the outside walls of X's home?
! house: Should a visitor look for a white house, a yellow one or what, to find M?
! house: Which paint did X buy for the facade?
! house: What shade would X need to touch up the outside of the house?
! front door: What colour door should a visitor knock on to reach M?
! front door: Which paint did X put on the entrance door?
! front door: Is the entrance to X's home green, red or what?
! front door: Which shade does the postman see when standing at X's door?
! kitchen: Which paint did X choose for the kitchen walls?
! kitchen: What shade surrounds M when cooking?
! kitchen: What colour are the walls where X cook*?
! kitchen: Which colour should new tiles match in X's kitchen?
! bedroom: Which shade surrounds M when going to sleep?
! bedroom: What colour are the walls where X sleep*?
! bedroom: Which tin of paint did X buy for the bedroom?
! bedroom: Which colour would a bedspread have to match in X's room?
! dog, cat: What colour is the coat of X's N?
! dog, cat: A poster says that X's N is missing. What fur colour should it mention?
! dog, cat: Is X's N ginger, black, spotted or what?
! dog, cat: Which colour are the hairs X's N leaves on the sofa?

make | sort | machines, vehicles | an old Volvo |
= X's N is V
= the N X have* is V
? What make is X's N?
? What kind of N do* X have?
? What brand is X's N?
? Which model is X's N?
~ what make X's N is
~ what kind of N X have*
! Which company built X's N?
! What logo is on X's N?
! The workshop needs a spare part for X's N. For which model?
! Who is the manufacturer of X's N?
! Tell me exactly which N X bought.
! Someone wants to buy the same N that X have*. Which one should they ask for?
! phone: do* X have an iPhone, a Samsung or something else?
! phone: For which model should a case for X's phone be bought?
! phone: Which handset do* X carry around?
! phone: Is X's mobile an Android, and which one?
! laptop: do* X work on a MacBook, a ThinkPad or something else?
! laptop: Which notebook computer do* X carry in the bag?
! laptop: Whose logo glows on the lid of X's laptop?
! laptop: Which maker's hotline should X call about the broken laptop?
! computer: do* X type on a Dell, a Mac or something else?
! computer: Which machine stands under X's desk?
! computer: Which maker's sticker is on X's PC?
! computer: The repair shop asks which PC X own*. What is it?
! camera: Is X's camera a Nikon, a Canon or another one?
! camera: What do* X take photos with?
! camera: For which camera system do* X buy lenses?
! camera: Which maker's name is printed on X's camera strap?
! guitar: Is X's guitar a Fender, a Gibson or another one?
! guitar: What is written on the headstock of X's guitar?
! guitar: Which six-string do* X strum?
! guitar: Which luthier or factory built X's guitar?
! piano: Is X's piano a Steinway, a Yamaha or another one?
! piano: Which gold letters stand above the keys of X's piano?
! piano: Which workshop did X's piano come from?
! piano: Whose name should a tuner note as the maker of X's piano?
! car: Which car stands in X's drive?
! car: For which model should a garage order X's brake pads?
! car: Is X's car a Ford, a Fiat or something else?
! car: What badge is on the bonnet of X's car?
! bike: Which maker's name is on the frame of X's bike?
! bike: Is X's bike a racer, a tourer or a mountain bike?
! bike: What do* X pedal around on?
! bike: The police are looking for X's stolen bike. Which make should the report state?

drives | sort | - | a red tractor | near=make:car
= X drive* V
= the vehicle X drive* is V
+ X be* driving V
+ X ride* V
? What do* X drive?
? What vehicle do* X drive?
? What does X's garage hold?
? Which vehicle belongs to M?
~ what X drive*
~ what vehicle X drive*
! Behind the wheel of what can X be seen?
! What is parked in X's drive?
! When X come* to pick someone up, which car should they look out for?
! What set of wheels do* X have?
! Which vehicle is X's motor insurance for?
! What do* X fill up at the petrol station?
! The parking permit is for M. Which vehicle should it name?
! Which automobile do* X own?
! Tell me what stands in X's carport.
! What do* X steer through the traffic?

when | when | events | on Tuesday at 4 pm | near=event
= X's N is V
= X's N will be V
+ X's N (?:takes place|starts|begins|is due|ends|leaves|departs) V
+ X's N (?:(?:is|was|has been|got) (?:scheduled|moved|pushed|postponed|rescheduled|planned|set)(?: back)? (?:for|to)) V
+ X have* (?:a|an|the|%own) N V
+ X celebrate* %own N V
+ X have* (?:a|an|the|%own) N (?:scheduled|booked|coming up|planned) V
+ the (?:date|time) of X's N is V
? When is X's N?
? What is the time of X's N?
? When will X's N be?
? On what day or at what time is X's N?
~ when X's N is
~ the time of X's N
! What date and time should go in the calendar for X's N?
! How long is it until X's N?
! By when must X be ready for the N?
! For when should an alarm be set so that X will not miss the N?
! Has X's N been scheduled yet, and for when?
! Tell me which day X's N falls on.
! meeting: Which slot is blocked in X's diary for the meeting?
! meeting: At what hour do* X have to sit down with the others?
! meeting: From what time will X be tied up in a meeting?
! meeting: What time should X's colleagues gather round the table?
! wedding: Which date is printed on X's wedding invitations?
! wedding: When will X say yes at the altar?
! wedding: For which day should the guests of X's wedding book a room?
! wedding: When do* X get married?
! appointment: At what hour do they expect M for the appointment?
! appointment: Which date and time are on X's appointment card?
! appointment: When do* X have to be in the waiting room?
! appointment: Which slot did X get for the appointment?
! exam: Until when do* X have to study for the exam?
! exam: On which day do* X need luck for the exam?
! exam: When do* X have to sit in the examination hall?
! exam: How many days are left for X's revision before the exam?
! flight: When do* X have to be at the airport?
! flight: At what hour does X's plane take off?
! flight: When should the taxi to the airport be ordered for M?
! flight: What departure time is on X's boarding pass?
! interview: When will X face the interviewers?
! interview: On which day should we cross our fingers for X's interview?
! interview: When do* X have to wear a suit for the interview?
! interview: For what time have they invited M to the interview?
! party: When should guests turn up at X's party?
! party: On which evening will X be celebrating with guests?
! party: Which night should friends keep free for X's party?
! party: When will the music start at X's party?
! concert: Which evening are X's concert tickets for?
! concert: When will the curtain rise at X's concert?
! concert: When do the doors open for X's concert?
! concert: On which night do* X need a babysitter because of the concert?

venue | where | events | at the old town hall | near=event
= X's N is V
= X's N takes place V
+ X's N (?:will be|will take place|is held|will be held|is taking place) V
? Where is X's N?
? Where does X's N take place?
? In what place is X's N?
? Where will X's N be held?
~ where X's N is
~ where X's N takes place
! Where should people go to be at X's N?
! What address should go in the calendar for X's N?
! Which room or building has been booked for X's N?
! Where should a taxi take M for the N?
! Tell me the location of X's N.
! Where do* X have to turn up for the N?
! meeting: Which room do* X have to find for the meeting?
! meeting: Where will X sit down with the colleagues?
! meeting: In which office or café will X meet the others?
! meeting: Where should the projector be set up for X's meeting?
! wedding: In which church or hall will X get married?
! wedding: Where will X say yes?
! wedding: Where should the flowers for X's wedding be delivered?
! wedding: What location did X rent for the wedding?
! appointment: Which practice or office do* X have to go to?
! appointment: In which waiting room will X be sitting?
! appointment: Where should X be dropped off for the appointment?
! appointment: At which clinic or office do they expect M?
! exam: In which hall will X sit the exam?
! exam: To which building should X bring pens for the exam?
! exam: Where should X look for a numbered desk on exam day?
! exam: Which classroom has been reserved for X's exam?
! interview: Which office should X report to for the interview?
! interview: Where will X be questioned by the panel?
! interview: In which building will X meet the interviewers?
! interview: At which reception desk should X ask for the interviewers?
! party: Where will X's guests be dancing?
! party: Where should I bring the present for X's party?
! party: At whose house or in which bar is X's party?
! party: Where will X be celebrating with everybody?
! concert: On which stage will X's concert be?
! concert: Which venue is printed on X's concert ticket?
! concert: Which concert hall do* X have to go to?
! concert: Where will the audience sit at X's concert?
! conference: Which city hosts X's conference?
! conference: Where should X book a hotel for the conference?
! conference: At which congress centre will X pick up a badge?
! conference: Where do* X have to travel for the conference?

whereabouts | where | belongings | under the doormat |
= X's N is V
= X's N can be found V
+ X's N (?:hangs|lies|lives|sits|is kept|is hidden|is stored|is parked) V
+ X keep* (?:my|our) N V
+ X store* (?:my|our) N V
+ X park* (?:my|our) N V
+ X hide* (?:my|our) N V
? Where is X's N?
? Where can X's N be found?
? In what place is X's N kept?
? Where should one look for X's N?
~ where X's N is
~ where to find X's N
! I can't find X's N. Where should I search?
! Which spot does X's N belong in?
! A helper has to fetch X's N. Which way should they go?
! Where did X put the N?
! Tell me where X left the N.
! Someone wants to borrow X's N. Where should they pick it up?
! spare key: How can a neighbour get into X's home when it is locked?
! spare key: X be* locked out. Where is the second key?
! spare key: Where did X hide a key for emergencies?
! spare key: Under or behind what will the cat sitter find a key to X's home?
! key: On which hook or shelf is X's key?
! key: Where do* X drop the key after coming home?
! key: Somebody has to lock up for M. Where does the key hang?
! key: What do* X open or lift to get at the key?
! passport: X be* off to the airport. Where is the passport lying?
! passport: Where do* X keep travel documents?
! passport: In which drawer are X's papers for crossing the border?
! passport: At border control, which pocket or bag should X open for the passport?
! wallet: Where did X leave cash and cards?
! wallet: Where does X's purse lie?
! wallet: X want* to pay. In which pocket or bag is the money?
! wallet: Where do* X usually put the wallet at night?
! charger: The battery of X's phone is dying. Where is the cable?
! charger: Which socket is X's charger plugged into?
! charger: Where do* X leave the charging cable?
! charger: Where should X look for something to charge the phone with?
! umbrella: It is raining. Where should X reach for an umbrella?
! umbrella: Where does X's brolly stand?
! umbrella: In which stand or hallway did X leave the umbrella?
! umbrella: Where do* X store the umbrella when the sun is out?
! medicine: X feel* unwell. Where are the pills?
! medicine: In which cabinet are X's tablets?
! medicine: Where should a carer fetch X's daily dose from?
! medicine: Which shelf holds X's medication?
! car: Where did X park?
! car: In which street did X leave the car?
! car: Which parking bay is X's car in?
! car: X want* to drive home. Where is the vehicle standing?

number | code | numbers | 48-15-16 |
= X's N is V
= the N that X have* is V
+ X's N's V
+ the N of M is V
+ (?:you|people|anyone|anybody) can (?:reach|call|phone|ring|text) M (?:at|on|under) (?=.*\\d)V
+ X's N (?:has |was |has been |just )?changed to V
+ X have* N V
+ X (?:can be reached|be|is|am) (?:at|on|under) (?:the )?N V
? What is X's N?
? What N do* X have?
? What was X's N again?
? Which N belongs to M?
~ what X's N is
~ X's N
! How does X's N go?
! A form asks for X's N. What goes in the box?
! What should be entered as X's N?
! Can you tell me X's N?
! What did X note down as the N?
! Remind me of X's N, please.
! phone number, number: How can X be reached by phone?
! phone number, number: What should a caller dial to talk to M?
! phone number, number: Which digits should be tapped in to ring M?
! phone number, number: Where should a text message to M go?
! PIN: Which four digits do* X type at the cash machine?
! PIN: What do* X enter to pay by card?
! PIN: Which digits unlock X's bank card?
! PIN: The card is in the slot. What should X press now?
! door code: What must be typed in to get into X's building?
! door code: Which digits open X's front door?
! door code: A courier stands outside X's house. What should be entered on the keypad?
! door code: How do visitors get past the keypad at X's entrance?
! room number: Which hotel room have* X got?
! room number: Which door in the hotel corridor leads to M?
! room number: Which room should breakfast for M be sent to?
! room number: What is on the tag of X's hotel key?
! shoe size: In what size should boots be bought for M?
! shoe size: How big are X's feet?
! shoe size: Bowling shoes are being handed out. What should X ask for?
! shoe size: What does the label inside X's trainers say?
! password: What do* X type to log in?
! password: Which secret word gets M into the account?
! password: What has to be entered after X's user name?
! password: X be* locked out of the computer. What should be typed in?
! licence plate, license plate, plate: Which letters and digits are on the back of X's car?
! licence plate, license plate, plate: Which registration should a parking ticket for M show?
! licence plate, license plate, plate: What should a witness write down when X drive* off?
! licence plate, license plate, plate: What do* X type in at the parking machine?
! blood type, blood group: Which blood can X be given in an emergency?
! blood type, blood group: be* X A, B, AB or O?
! blood type, blood group: What does X's donor card say?
! blood type, blood group: A transfusion is prepared for M. Which bags should the nurse fetch?

email | email | emails | jo@berg.example | near=email
= X's N is V
= the N that X use* is V
+ X's N's V
+ X can be reached at V
+ (?:you|people|anyone|anybody) can (?:reach|contact|email|e-mail|mail|write to) M at V
? What is X's N?
? Where should an electronic message to M go?
? Which N do* X use?
? What was X's N again?
~ what X's N is
~ X's N
! What should I type in the To field of a message to M, as N?
! A newsletter sign-up wants X's N. What should be entered?
! Messages to M keep bouncing. Which N is right?
! Spell out X's N for me.
! Which N should go on X's business card?
! To which N should the photos for M be sent?
! email, email address, e-mail, e-mail address, mail address: Where can people write to M online?
! email, email address, e-mail, e-mail address, mail address: What is before and after X's @ sign?
! email, email address, e-mail, e-mail address, mail address: Which inbox do* X read?
! email, email address, e-mail, e-mail address, mail address: Files for M are ready. Where do they go?
! email, email address, e-mail, e-mail address, mail address: Which webmail account belongs to M?

trait | trait | traits | Kestrel |
= X's N is V
= the N X have* is V
+ X's N has always been V
+ V is X's N
+ X use* V as %own N
? What is X's N?
? What do* X have as N?
? What was X's N again?
? Which N do* X have?
~ what X's N is
~ X's N
! Remind me what X gave as N.
! What should be filled in as X's N?
! If somebody asked M about the N, what would the answer be?
! What would X put down under N?
! Could you look up X's N for me?
! In a quiz about M, what is the right answer for N?
! motto: By which saying do* X live?
! motto: What words would X hang above the desk?
! motto: Which phrase sums up X's philosophy?
! motto: What do* X say to keep going in hard times?
! middle name: What does the initial in the middle of X's signature stand for?
! middle name: Which name stands between the first and the last in X's passport?
! middle name: What is X's second given name?
! middle name: Which further name did the parents give M besides the first?
! operating system: do* X use Windows, Linux or macOS?
! operating system: What platform runs on X's computer?
! operating system: For which system should software for M be bought?
! operating system: What starts up when X boot* the computer?
! last name, surname, family name: What comes after X's first name?
! last name, surname, family name: What should one look for in the phone book to find M?
! last name, surname, family name: How does X's signature end?
! last name, surname, family name: What is the name of the whole clan that X belong* to?
! bank: Where do* X have a current account?
! bank: Who issued X's credit card?
! bank: Which branch do* X go to for money matters?
! bank: Where are X's savings kept?
! gym: Where do* X work out?
! gym: Where do* X lift weights?
! gym: Which fitness studio do* X go to?
! gym: On whose treadmill do* X run?
! role model, hero, idol: Whom do* X look up to?
! role model, hero, idol: Whose poster would X hang up out of admiration?
! role model, hero, idol: Whose example do* X follow?
! role model, hero, idol: Whom would X most like to resemble?
! department: Which part of the organisation do* X sit in?
! department: Which section of the firm be* X assigned to?
! department: To which division should internal mail for M go?
! department: Which unit does X's office belong to?

member | title | - | the Rowing Club | many near=member
= X be* a member of V
= X belong* to V
+ X (?:plays?|sings?|plays? the \\w+|plays? \\w+) (?:in|with) V
+ X (?:just |recently )?joined V
? What be* X a member of?
? Which club or group do* X belong to?
? To what group do* X belong?
? Where be* X a member?
~ what X be* a member of
~ which club X belong* to
! Which club's card do* X carry?
! To which society do* X pay a yearly fee?
! Which association lists M among its people?
! Which group have* X joined?
! At whose annual general assembly may X vote?
! Which organisation's badge do* X wear on the lapel?
! In which club do* X spend evenings with fellow enthusiasts?
! What band, choir or society be* X part of?
! The CV has a line for clubs and societies. What should X write?
! Tell me which club signed M up.

training | phrase | - | the Oslo marathon | many near=training
= X be* training for V
= X's training is for V
+ X be* (?:preparing|practising|practicing) for V
? What be* X training for?
? What do* X train for?
? What is the goal of X's training?
? What race or match be* X preparing for?
~ what X be* training for
~ the goal of X's training
! For which event do* X get in shape?
! What are all of X's early workouts leading up to?
! Which contest do* X want to be fit for?
! On which start list will X's name appear after all that practice?
! Which competition are X's practice sessions aimed at?
! Which finish line do* X hope to cross after months of practice?
! Tell me which event is behind X's tough workout plan.
! X sweat* every day. For which competition?
! Which event would X miss because of an injury now?
! A coach is drawing up a plan for M. Which event is the target?
"""
