"""Relations about work, school and the hours of the day."""

TEXT = """
job | trade | - | a beekeeper | near=job
= X work* as V
= X be* V
= X make* a living as V
+ X be* working as V
+ X be* employed as V
+ X work* %some as V
+ X be* working %some as V
+ X earn* (?:a|%own) living as V
+ X's (?:job|profession|occupation|day job) is (?:to be |being )?V
+ X have* been (?:working as )?V
+ X have* worked as V
+ X (?:just |recently )?(?:became|started as|started working as|qualified as) V
? What do* X do for a living?
? What is X's job?
? What is X's occupation?
? What do* X work as?
~ what X do* for a living
~ what X's profession is

post | post | - | head of sales | near=job
= X work* as V
= X's job is that of V
+ X be* employed as V
+ X be* working as V
+ X have* a job as V
? What do* X do at work?
? What is X's job?
? What role do* X have at work?
? In what role do* X work?
~ what X do* for a living
~ what role X have* at work

employer | org | - | Northwind Bakery | near=employer
= X work* for V
= X's employer is V
= X be* employed by V
+ X work* at V
+ X be* working (?:at|for) V
+ X be* employed at V
+ X have* (?:a|%own) job at V
+ X have* (?:been working|worked) (?:at|for) V
+ X (?:just |recently )?started (?:working |a (?:new )?job )?at V
? Who do* X work for?
? Which company do* X work for?
? Who is X's employer?
? What organisation do* X work for?
~ who X work* for
~ which company employs M

workplace | org | - | a small library | near=employer
= X work* in V
= X's place of work is in V
+ X be* working in V
+ X have* (?:been working|worked) in V
? Where do* X work?
? What place or field do* X work in?
? In what kind of place do* X work?
? Where does X's working day take place?
~ where X work*
~ what place or field X work* in

industry | subject | - | marketing | near=employer
= X work* in V
= X's line of work is V
+ X's field is V
+ X be* in V business
? What field do* X work in?
? In which industry do* X work?
? What is X's line of work?
? What line of business be* X in?
~ what field X work* in
~ what X's line of work is

study | subject | - | marine biology | near=study
= X study* V
= X be* studying V
= X's subject is V
+ X major* in V
+ X be* majoring in V
+ X's (?:major|minor|field of study|degree subject) is V
+ X be* doing (?:a|an|%own) (?:phd|ph\\.?d\\.?|doctorate|master's?|bachelor's?|degree|course) in V
+ X read* V at .*
+ X be* an? student of V
? What do* X study?
? What subject be* X studying?
? What is X's field of study?
? Which subject do* X study?
~ what X study*
~ what X's field of study is

school | school | - | Uppsala University | near=school
= X go* to V
= X study* at V
= X be* a student at V
+ X attend* V
+ X be* studying at V
+ X's (?:school|university|college|uni) is (?:called )?V
+ X teach* at V
? Where do* X study?
? Which school or college do* X go to?
? Where be* X enrolled?
? Where do* X go to school or college?
~ where X study*
~ where X be* enrolled

degree | subject | - | chemistry | near=study
= X have* a degree in V
= X's degree is in V
+ X have* an? (?:%word )?(?:phd|ph\\.?d\\.?|doctorate|master's?|bachelor's?|degree|diploma|msc|bsc)(?: degree)? in V
+ X have* a degree in V
+ X (?:holds?|got) an? (?:%word )?(?:phd|doctorate|master's?|bachelor's?|degree|diploma|msc|bsc)(?: degree)? in V
? What do* X have a degree in?
? What is X's degree in?
? In which subject do* X hold a degree?
? What did X take a degree in?
~ what X's degree is in
~ the subject of X's degree

graduated | org | - | Lund University | near=school
= X graduated from V
= X's alma mater is V
+ X studied at V
+ X went to V (?:university|college|school)
? Where did X graduate?
? What is X's alma mater?
? Which place did X graduate from?
? Where did X get a degree?
~ where X graduated
~ what X's alma mater is

teaches | subject | - | geography |
= X teach* V
= X's subject at school is V
+ X be* teaching V
? What do* X teach?
? What subject do* X teach?
? Which subject do pupils learn from M?
? What are X's lessons about?
~ what X teach*
~ which subject X teach*

project | phrase | - | old tide charts | many near=project
= X be* working on V
= X's project is about V
= at the moment X be* working on V
+ X be* writing (?:a|an|%own) (?:novel|book|thesis|paper|dissertation|article) (?:about|on) V
+ X's (?:current |main |latest |new )?project is V
+ X's (?:thesis|dissertation|novel|book|research) is (?:about|on) V
? What be* X working on?
? What is X's project about?
? What project do* X have at the moment?
? What is it that X be* working on?
~ what X be* working on
~ what X's project is about

ambition | phrase | - | a lighthouse keeper |
= X want* to become V
= X's dream is to become V
+ X want* to be V
+ X dream* of becoming V
+ X's dream is to be V
+ X's ambition is to (?:become|be) V
? What do* X want to become?
? What do* X dream of becoming?
? What is X's dream job?
? What career do* X want?
~ what X want* to become
~ what X dream* of becoming

uses | title | - | Blender | many near=tool
= X use* V
= one tool X use* is V
+ X be* using V
? What software or tool do* X use?
? Which tool or brand do* X use?
? What software do* X work with?
? Which program do* X use?
~ what software or tool X use*
~ which tool or brand X use*

prefers | choice | - | green tea | many near=likes
= X prefer* V
= X's preference is V
? What do* X prefer?
? What is X's preference?
? Which do* X like better?
? Given the choice, what do* X prefer?
~ what X prefer*
~ what X's preference is

commute | thing | - | tram | near=commute
= X go* to work by V
= X commute* by V
= X get* to work by V
+ X travel* to (?:work|school|the office) by V
+ X go* to (?:school|the office) by V
+ X commute* to work by V
+ X take* the V to work
? How do* X get to work?
? By what means do* X commute?
? What do* X take to get to work?
? How do* X travel to work?
~ how X get* to work
~ by what means X commute*

wakes | clock | - | 5:45 | near=wakes
= X get* up at V
= X wake* up at V
= X's day starts at V
+ X rise* at V
+ X get* up (?=around|about)V
+ X wake* up (?=around|about)V
+ X's alarm (?:is set for|goes off at|rings at|is set to) V
? When do* X get up?
? What time do* X wake up?
? At what time does X's day start?
? How early do* X get up?
~ when X get* up
~ what time X wake* up

bedtime | clock | - | 10:30 | near=bedtime
= X go* to bed at V
= X's bedtime is V
= X go* to sleep at V
+ X go* to bed (?=around|about)V
? When do* X go to bed?
? What time do* X go to sleep?
? What is X's bedtime?
? How late do* X stay up?
~ when X go* to bed
~ what time X go* to sleep
"""
