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

breed | sort | animals | a border collie |
= X's N is V
= by breed X's N is V
? What breed is X's N?
? What kind of N do* X have?
? What sort of animal is X's N?
? Of which breed is X's N?
~ what breed X's N is
~ what kind of N X have*

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

make | sort | machines, vehicles | an old Volvo |
= X's N is V
= the N X have* is V
? What make is X's N?
? What kind of N do* X have?
? What brand is X's N?
? Which model is X's N?
~ what make X's N is
~ what kind of N X have*

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
"""
