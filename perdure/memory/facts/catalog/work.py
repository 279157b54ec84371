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
! What be* X by trade?
! How do* X earn money?
! What profession do* X practise?
! A form asks for X's profession. What goes in the box?
! Introducing M at a dinner, which profession should one mention?
! How do* X pay the bills?
! Children ask what grown-up work X do*. What should they hear?
! Tell me which craft or calling X live* by.
! In a newspaper report, which trade would stand behind X's name?
! A stranger at a party wants to know about X's work. What do* X reply?

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
! What does X's business card say below the name?
! What be* X in charge of at the office?
! Which function do* X hold in the company?
! As what was* X hired?
! A letter of reference has to name X's function. What should it say?
! In meetings with clients, as what be* X introduced?
! What does the plate on X's office door call M?
! Tell me which part X play* in the organisation.
! In what capacity did X sign the employment contract?
! Where in the company's hierarchy do* X stand?

employer | org | - | Northwind Bakery | near=employer
= X work* for V
= X's employer is V
= X be* employed by V
+ X work* at V
+ X be* working (?:at|for) V
+ X be* employed at V
+ X have* (?:a|%own) job at V
+ X have* (?:been working|worked) (?:at|for) V
+ X have* been with (?:%firm)V (?:for|since) .*
+ X (?:just |recently )?started (?:working |a (?:new )?job )?at V
? Who do* X work for?
? Which company do* X work for?
? Who is X's employer?
? What organisation do* X work for?
~ who X work* for
~ which company employs M
! Who pays X's salary?
! Whose payroll be* X on?
! Which firm's logo is on X's payslip?
! With whom do* X have an employment contract?
! Somebody rings M at the office. Which firm answers the phone?
! Whose staff badge do* X wear?
! If X resigned today, which company would get the letter?
! Name the organisation that X be* on the staff of.
! The bank needs to know which business employs M. What should the form say?
! At whose office do* X show up on Monday morning?

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
! Where be* X from nine to five?
! In what sort of building do* X earn a living?
! Where do* X report for duty?
! Where can people find M during office hours?
! In an emergency on a working day, where should one look for M?
! A courier has a parcel for M at work. To what kind of place does it go?
! X left a coat at work. In what kind of place is it hanging?
! Tell me what kind of establishment X be* employed in.
! In what surroundings do* X spend the working day?
! Which premises do* X enter when a shift begins?

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
! In which branch be* X employed?
! Which sector would X's LinkedIn profile name?
! What part of the economy do* X earn a living in?
! A job portal wants to know X's sector. What should be ticked?
! On which subject would X attend a trade fair for work?
! Which professional world do* X belong to?
! In what area of business did X make a career?
! Tell me what the companies in X's career all deal in.
! Which business do* X know inside out from years on the job?
! For a survey of the economy, under what heading should X's job be counted?

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
! Which lectures do* X sit in?
! In which discipline be* X a student?
! What are X's university exams about?
! What course be* X taking at college?
! A textbook would be a useful gift for M. On what?
! At a student party people ask for X's major. What is the answer?
! What will X be an expert in after the final exams?
! Remind me which department X hand* essays in to.
! On which topic be* X filling notebooks in the lecture hall?
! The library wants to order books for X's course. In what area?

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
! Where do* X attend lectures?
! On which campus can people meet M?
! Whose crest is on X's student card?
! Which institution has M on its list of students?
! In which institution do* X sit exams?
! X be* late for class. Which institution should be rung?
! Where be* X getting an education?
! The bursary form wants the name of X's place of education. What belongs there?
! Tell me which institution X be* a pupil or student of.
! To which seat of learning do* X go every morning?

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
! Which subject is named on X's diploma?
! What academic qualification do* X have?
! What discipline be* X a graduate of?
! X's CV lists a university qualification. In what?
! An employer asks what X learned at university. What should the reply be?
! In what field be* X academically trained?
! Of which science or art be* X a bachelor, master or doctor?
! Tell me the subject in which X passed the finals.
! What does the framed university certificate on X's wall say?
! After years of student life, in what did X finally qualify?

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
! Which university gave M a diploma?
! Who conferred X's degree?
! Whose alumni newsletter do* X get?
! At which institution did X pass the finals?
! Where did X spend the student years?
! Where did X throw a mortarboard into the air?
! X's CV needs the name of the old university. What goes there?
! Of which institution be* X a former student?
! Tell me where X finished studying.
! The old classmates from student days invite M to a reunion. At which university?

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
! In which subject do* X mark homework?
! What do* X give lessons in?
! Pupils have X's class next. Which subject's books do they need?
! What does the timetable say for X's class?
! In what can one get tuition from M?
! Parents come to see M on parents' evening. About which subject?
! The head needs a substitute for M. Which lessons must be covered?
! What do* X write about on the blackboard?
! Tell me what knowledge X pass* on in the classroom.
! What do* X instruct young people in?

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
! What task be* X absorbed in at the moment?
! What be* X developing or building right now?
! A colleague asks how X's venture is coming along. What is it about?
! What does X's to-do list revolve around?
! On what be* X spending the working hours lately?
! In the weekly meeting, what will X report progress on?
! Tell me what X be* busy creating.
! What topic be* X researching or writing about?
! What big undertaking do* X hope to finish soon?
! A grant application describes what X have* in the works. What is that?

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
! What would X like to be one day?
! What future career do* X aspire to?
! In ten years, as what would X like to work?
! A fairy grants M any career. Which one is it?
! The careers adviser asks about X's plans for the future. What is the reply?
! Which occupation be* X striving for?
! Tell me X's professional aspiration.
! Which profession would X take up if every wish came true?
! What do* X hope to be when all the schooling is done?
! What calling do* X long for in life?

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
! Which app is always open on X's screen?
! A new computer is being set up for M. Which software must be installed?
! Which product do* X rely on to get the work done?
! In which program were X's files made?
! For which software do* X need a licence?
! The help desk asks which application X be* running. What is the answer?
! Tell me which gadget or software X swear* by.
! What equipment does X's work depend on?
! Which utility do* X start first when the working day begins?
! With what do* X get things done on the computer or at the workbench?

prefers | choice | - | green tea | many near=likes
= X prefer* V
= X's preference is V
? What do* X prefer?
? What is X's preference?
? Which do* X like better?
? Given the choice, what do* X prefer?
~ what X prefer*
~ what X's preference is
! Two options lie before M. Which one will X take?
! Which option would X vote for?
! What would X sooner have than the alternative?
! If it is up to M, which will it be?
! Tell me which of the alternatives X lean* towards.
! The host has several things on offer. Which should be kept for M?
! Which of the two suits M more?
! What do* X favour?
! X be* free to choose. What would X rather have?
! Remind me which alternative X would go for.

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
! What means of transport takes M to the office?
! On foot, on wheels or on rails? How do* X reach the office?
! How do* X cover the distance between home and office?
! How do* X get home after the shift?
! A parking space or a rail pass? How do* X arrive at the company?
! A traffic survey asks about X's daily journey to the job. What should be ticked?
! X start* work at nine. What do* X travel with?
! Tell me how X make* the daily trip to the workplace.
! What kind of vehicle brings M to the desk each morning?
! What would have to break down for M to be late for work?

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
! When does X's alarm clock ring?
! When be* X up and about?
! For when should the hotel book X's wake-up call?
! How early in the morning may one phone without getting M out of bed?
! When does the night end for M?
! Coffee should be ready when X crawl* out of bed. For what time should the machine be set?
! Tell me X's hour of rising.
! What does the clock show when X open* an eye in the morning?
! A guest would like to be up as early as M. For what time should the alarm be set?
! At what hour do* X throw back the blanket and leave the bed?

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
! When do* X turn in?
! How late in the evening may one still phone M?
! When do* X switch off the bedside lamp?
! By what time should guests leave so that X can get some sleep?
! When do* X call it a night?
! The babysitter has to know when it is lights out for M. When?
! Tell me the hour at which X lie* down for the night.
! Until what time be* X awake?
! When is the day over for M?
! The music next door should stop when X fall* asleep. What time is that?
"""
