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

weight | measure | - | 68 kg |
= X weigh* V
= X's weight is V
? How much do* X weigh?
? What is X's weight?
? What do* X weigh?
? What would scales say about how heavy X be*?
~ how much X weigh*
~ what X's weight is

hand | hand | - | left-handed |
= X be* V
= by dominant hand X be* V
? Which hand do* X write with?
? What is X's dominant hand?
? With which hand do* X throw a ball?
? Which hand do* X prefer?
~ which hand X write* with
~ X's dominant hand

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
"""
