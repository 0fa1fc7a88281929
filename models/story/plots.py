# ruff: noqa: E501 (sentences are kept whole)
"""The words of the story grammar: casts, settings and plots (see grammar.py for how they are put together)."""

from __future__ import annotations

from typing import TypedDict


class Setting(TypedDict):
    """A part of the country: every word drawn for one story comes from the same one."""

    place: str
    homes: list[str]
    spots: list[str]
    weather: list[str]
    storms: list[str]
    animals: list[str]
    food: list[str]


NAMES = [
    ("Mira", "f"), ("Anna", "f"), ("Lotte", "f"), ("Rosa", "f"), ("Tilda", "f"), ("Wren", "f"), ("Nell", "f"),
    ("Ida", "f"), ("Juna", "f"), ("Clara", "f"), ("Pearl", "f"), ("Hazel", "f"), ("Bea", "f"), ("Olive", "f"),
    ("Tom", "m"), ("Oskar", "m"), ("Pim", "m"), ("Jonas", "m"), ("Finn", "m"), ("Emil", "m"), ("Hugo", "m"),
    ("Milo", "m"), ("Ben", "m"), ("Arlo", "m"), ("Theo", "m"), ("Karl", "m"), ("Sami", "m"), ("Rufus", "m"),
]  # fmt: skip

KINDS = {
    "animals": ["fox", "rabbit", "hedgehog", "badger", "otter", "mouse", "squirrel", "bear", "duck", "mole"],
    "people": ["baker", "gardener", "shepherd", "weaver", "painter", "sailor", "potter", "miller", "tailor"],
}

FIGURES = [
    ("the old owl", "Grandfather Owl", "m"),
    ("the lighthouse keeper", "Old Marten", "m"),
    ("the clockmaker", "Mister Tock", "m"),
    ("the ferryman", "Captain Bartel", "m"),
    ("the schoolteacher", "Miss Linden", "f"),
    ("the beekeeper", "Mother Clover", "f"),
    ("the wise tortoise", "Aunt Selma", "f"),
    ("the blacksmith", "Big Greta", "f"),
]

TREASURES = [
    ("lantern", "hanging from a low branch"), ("key", "stuck between two stones"),
    ("scarf", "caught on a thorn bush"), ("flute", "lying in the long grass"),
    ("kite", "tangled in the top of a tree"), ("bell", "half buried in the sand"),
    ("map", "folded under a flat rock"), ("button", "shining in a puddle"),
    ("boat", "resting among the reeds"), ("umbrella", "leaning against an old wall"),
    ("basket", "behind a pile of wood"), ("drum", "inside a hollow log"),
]  # fmt: skip

COLOURS = ["red", "blue", "green", "yellow", "silver", "golden", "purple", "orange", "white", "brown"]

FEELINGS = ["brave", "curious", "gentle", "cheerful", "patient", "clever", "quiet", "stubborn", "kind"]

SETTINGS: list[Setting] = [
    {
        "place": "by the sea",
        "homes": ["a little house above the harbour", "a cabin on the beach", "a white cottage near the cliffs"],
        "spots": ["the harbour", "the lighthouse", "the beach", "the old pier", "the cave under the cliffs", "the dunes"],
        "weather": ["the sky was clear and the waves were small", "a warm wind came from the sea",
                    "fog lay over the water", "the sun sparkled on the waves"],
        "storms": ["a storm rolled in from the sea", "great waves broke over the harbour wall"],
        "animals": ["seagull", "crab", "seal", "turtle"],
        "food": ["fish soup", "seaweed bread", "lemon cake"],
    },
    {
        "place": "in the forest",
        "homes": ["a burrow under an oak tree", "a small hut beside a stream", "a tree house in a tall beech"],
        "spots": ["the great oak", "the mossy stream", "the clearing", "the fern valley", "the hollow hill", "the pine grove"],
        "weather": ["sunlight fell through the leaves", "a soft rain dripped from the branches",
                    "the air smelled of pine", "mist hung between the trees"],
        "storms": ["a strong wind bent the trees", "thunder shook the forest"],
        "animals": ["woodpecker", "beetle", "deer", "snail"],
        "food": ["mushroom soup", "acorn bread", "blackberry pie"],
    },
    {
        "place": "in the mountains",
        "homes": ["a stone house below the pass", "a wooden hut on the meadow", "a warm cave near the waterfall"],
        "spots": ["the waterfall", "the high pass", "the frozen lake", "the sheep meadow", "the rope bridge", "the crystal cave"],
        "weather": ["snow glittered on the peaks", "the air was cold and bright",
                    "clouds drifted through the valley", "the sun warmed the rocks"],
        "storms": ["a blizzard came over the pass", "heavy snow began to fall"],
        "animals": ["goat", "eagle", "marmot", "sheep"],
        "food": ["cheese dumplings", "barley soup", "honey cake"],
    },
    {
        "place": "in the old town",
        "homes": ["a narrow house on the market square", "a room above the bakery", "an attic full of clocks"],
        "spots": ["the market square", "the clock tower", "the stone bridge", "the library", "the rose garden", "the train station"],
        "weather": ["the rooftops shone after the rain", "a gentle breeze moved the flags",
                    "the streets were quiet and warm", "grey clouds hung over the chimneys"],
        "storms": ["a sudden storm emptied the streets", "rain poured down on the roofs"],
        "animals": ["pigeon", "cat", "sparrow", "dog"],
        "food": ["apple cake", "tomato soup", "cinnamon rolls"],
    },
    {
        "place": "on the plain beside the river",
        "homes": ["a red farmhouse", "a mill with a wooden wheel", "a cottage behind the barn"],
        "spots": ["the mill", "the apple orchard", "the wheat field", "the willow tree", "the big barn", "the duck pond"],
        "weather": ["the fields were golden in the sun", "a light rain watered the garden",
                    "larks were singing above the wheat", "dew lay on the grass"],
        "storms": ["the river rose over its banks", "hail rattled on the roofs"],
        "animals": ["pony", "goose", "pig", "frog"],
        "food": ["pumpkin soup", "plum jam", "corn bread"],
    },
]  # fmt: skip

OPENINGS = [
    "[Once upon a time|Long ago|A long time ago], there [was|lived] a {feeling} {kind} called {hero}. {He} lived {place}, in {home}, and {his} best friend was a {friendkind} named {friend}.",
    "{Hero} was a {feeling} {kind} who lived {place}. {His} home was {home}. [Every day|Most afternoons], {he} met {friend} the {friendkind} at {spot}.",
    "In {home}, {place}, lived a {kind} [called|whose name was] {hero}. Everyone knew that {hero} was {feeling}, and nobody knew it better than {his} friend {friend}, a {friendkind}.",
    "[One {season}|One fine {season}], a {feeling} {kind} named {hero} moved into {home}. The first one to say hello was {friend}, a {friendkind} from {spot2}.",
    "This is the story of {hero}, a {feeling} {kind}, and of {his} friend {friend}, a {friendkind}. They lived {place}, and {hero} slept in {home}.",
]

LOST = [
    "{Hero} owned a {colour} {thing}, and {he} loved it more than anything else. [It had once belonged to {his} grandmother.|{He} had made it with {his} own hands.|{Friend} had given it to {him} on {his} birthday.]",
    "¶",
    "One morning, {sky}. {Hero} reached for the {colour} {thing}, but it was gone.",
    '"[Oh no|Oh dear]!" cried {hero}. "My {thing} is [lost|missing]!"',
    '"[Do not worry|Do not be sad]," said {friend}. "[We will look for it together.|I will help you find it.] [Where did you see it last?|When did you have it last?]"',
    '{Hero} thought [hard|for a moment]. "I had it yesterday at {spot}," {he} said.',
    "¶",
    "So they [went|walked|hurried] to {spot}. They looked [high and low|everywhere|under every stone], but the {thing} was not there. [A {animal} watched them and shook its head.|They found only a {colour2} feather.|]",
    "Then they went to {spot2}, where they met {figure}. [Everyone called {ohim} {figurename}.|{Ohis} name was {figurename}.]",
    '"Have you seen a {colour} {thing}?" asked {friend}.',
    '"[I have not|No, I am sorry]," said {figurename}, "[but the wind blew hard last night. Try {spot3}.|but a {animal} carried something {colour} towards {spot3}.]"',
    "¶",
    "{Hero} and {friend} [ran|rushed] all the way to {spot3}. [The path was long, but they did not stop.|They were tired, but they did not give up.|]",
    "And there it was: the {colour} {thing}, {hidden}! {Hero} [laughed|jumped] for joy and [hugged|thanked] {friend}.",
    '"[I would never have found it without you|You are the best friend in the world]," said {hero}.',
]

HUNGRY = [
    "¶",
    "One {season} day, {sky}. {Hero} knocked on the door of {friend}, but nobody answered. Inside, {friend} lay in bed [with a fever|with a bad cold|under {number} blankets].",
    '"[I feel terrible|I am so weak]," whispered {friend}. "[I wish I had some {food}.|Only {food} would make me feel better.]"',
    '"Then I will make you {food}," said {hero}.',
    "¶",
    "But the cupboard was empty. {Hero} needed [honey|salt|flour], herbs and {number} [eggs|apples|onions], so {he} took a {colour} basket and set off.",
    "At {spot}, {hero} met {figure}, who was called {figurename}. {Ohe} gave {him} [some|a bag of] herbs and asked for nothing but a [song|story|smile].",
    "At {spot2}, a {animal} was [stuck in the mud|crying because it was lost|shivering in the cold]. {Hero} [stopped to help|could not walk past], and the {animal} showed {him} where to find the rest.",
    "[On the way home|When {he} turned back], {storm}. {Hero} held the {colour} basket tight and hid at {spot3} until it was over.",
    "¶",
    "In the evening {he} [cooked|prepared] the {food} and carried it to {friend}. The whole house smelled [wonderful|delicious].",
    "{Friend} ate [one bowl|one piece], and then [another|one more]. [Slowly {fhis} cheeks turned pink again.|Soon {fhe} could sit up and smile.]",
    '"This is the best {food} [I have ever tasted|in the world]," said {friend}. "[How can I thank you?|What can I do for you?]"',
    '"[Just get well|Just sleep now]," said {hero}, and {he} [put the {colour} basket by the door|blew out the candle|sat down beside the bed].',
]

STORM = [
    "¶",
    "One night, {storm}. {Hero} [lay awake|pulled the blanket over {his} ears] and listened. In the morning [everything was still|it was over], but the bridge to {spot} was [broken|gone].",
    '"How will {friend} get home now?" said {hero}, for {friend} lived on the other side.',
    "{He} called across the water, and {friend} waved [a {colour} scarf|a {colour} cloth] from the far bank.",
    "¶",
    "First {hero} tried to build a raft of {number} logs, but it [fell apart|sank at once]. Then {he} threw a rope, but it was too short.",
    '{Rival}, who was passing by, laughed. "[You will never do it alone|That will never work]," {rhe} said.',
    '"Then help me," said {hero}. {Rival} [looked at {his} wet shoes|was silent for a while] and stopped laughing. "All right," {rhe} said.',
    "Together they went to {spot2} and asked {figure} for advice. {Figurename} [scratched {ohis} head|thought about it for a long time].",
    '"[A bridge needs two strong ends|Good work begins with good wood]," said {figurename}. "[Take the planks behind {spot3}. They are old, but they are dry.|There are planks at {spot3}. Take as many as you need.]"',
    "¶",
    "They worked [all day|until sunset]. {Hero} held the planks, {rival} hammered the nails, and on the other side {friend} [tied the knots|pulled the ropes]. [Even a {animal} came to watch.|A {animal} brought them water.|]",
    "When the last plank was in place, they painted the rail {colour2}. {Friend} walked across, one careful step after another.",
    '"[It holds!|It is perfect!]" shouted {friend}, and all three of them [danced on the new bridge|sat down on it and ate {food}].',
    '"I was wrong," said {rival}. "[Nobody should work alone.|It is better to help than to laugh.]"',
]

LITTLE_ONE = [
    "¶",
    "One {season} evening, {sky}. {Hero} and {friend} were walking home from {spot} when they heard a small voice. Behind a bush sat a little {animal}, [all alone|wet and tired].",
    '"[Who are you|Why are you crying]?" asked {friend}.',
    '"[I am lost|I cannot find my way]," said the little {animal}. "My mother has a {colour} ribbon around her neck. Have you seen her?"',
    '"Not yet," said {hero}, "but we will [find her|look for her]."',
    "¶",
    "{Hero} wrapped the little {animal} in a {colour2} blanket and {friend} gave it some {food}. Then they set out [together|at once].",
    "They asked at {spot2}, but nobody there had seen a {animal} with a {colour} ribbon.",
    'They asked {figure}, and {figurename} [pointed|nodded] towards {spot3}. "I heard someone calling there," {ohe} said. "[Be careful, it is getting dark.|Take my lamp, it is getting dark.]"',
    "The way was [long and steep|dark and stony], and the little one was afraid. So {hero} [sang a song|told a story] about [the moon|a star] that [could not sleep|lost its hat], and {friend} [hummed along|laughed at the funny parts].",
    "¶",
    "At last they came to {spot3}. In the moonlight stood a big {animal}, and around her neck was a {colour} ribbon.",
    '"[My child|My little one]!" she cried. The little {animal} [ran|jumped] into her arms.',
    "[The mother|She] gave {hero} and {friend} {number} [shells|walnuts|round stones] and said that [her home would always be open to them|she would never forget them].",
    'The little {animal} wanted to give back the {colour2} blanket, but {hero} shook {his} head. "[Keep it|It is yours now]," {he} said.',
]

NIGHT = [
    "¶",
    "One night, {hero} woke up because of a strange [sound|noise]. [Tap, tap, tap.|Knock, knock, knock.|Whoo, whoo, whoo.] It came from {spot}.",
    "{He} looked out of the window. A {colour} light was moving [up and down|to and fro] in the dark.",
    'In the morning {he} told {friend} about it. "[Maybe it is a ghost|It must be a ghost]," said {friend} and [turned pale|swallowed hard].',
    '"There are no ghosts," said {hero}, but {he} was not quite sure.',
    "¶",
    'They asked {figure}, because {figurename} knew everything. But {ohe} only smiled. "[Go and see for yourselves|Things look different when you come close]," {ohe} said.',
    "So the next night, {hero} and {friend} [took a {thing} and a rope|put on their warmest coats] and crept to {spot}. [Their hearts were beating fast.|{Friend} held {hero} by the hand.] Then, suddenly, [{storm}|a branch broke behind them]!",
    '"[Run|Hide]!" whispered {friend}. But {hero} stood still. "[Wait|Listen]," {he} said. "Somebody is singing."',
    "¶",
    "They looked around the corner. There sat {rival} with a {colour} lamp, [painting|building|carving] a {thing}.",
    '"[Please do not tell anyone|Do not look]!" said {rival}, and {rhis} face went red. "It is a surprise for the {season} feast. I can only work at night."',
    '{Hero} and {friend} [began to laugh|looked at each other and laughed]. "We thought that you were a ghost!" they said.',
    "From that night on, all three of them worked by the {colour} lamp. {Friend} [mixed the paint|sharpened the tools], {hero} [held the light|sang to keep them awake], and {rival} finished the {thing}.",
    "When the day of the feast came, everyone [clapped|cheered], and {number} children asked to [hold|touch] the {thing}.",
]

RACE = [
    "¶",
    "Every {season} there was a race from {spot} to {spot2}, and the winner got a {colour} {thing}. {Hero} wanted to win it [very much|more than anything].",
    "There was only one problem, and its name was {rival}. {Rival} was [the fastest runner {place}|faster than everyone else], and {rhe} [knew it|told everyone so].",
    '"[You are too slow|You will be the last]," said {rival}. {Hero} said nothing, but {he} went to see {figure}.',
    '"Run a little [every morning|every day]," said {figurename}, "and [eat|have] {food} for supper." So {hero} ran, and {friend} counted the [steps|minutes].',
    "¶",
    "On the day of the race, {sky}. [A {animal} gave the sign|{Figurename} rang a bell|{Friend} waved a {colour2} flag], and off they went.",
    "{Rival} was in front at once. {Hero} was [second|third], and {his} legs [hurt|were heavy], but {he} kept going.",
    'Then, near {spot3}, {rival} [stumbled over a root|slipped on a wet stone] and fell. "[My foot|My knee]!" {rhe} cried.',
    "{Hero} could see {spot2} already. The {colour} {thing} was so close! But {he} [turned around|stopped] and helped {rival} to stand up.",
    '"[Why are you doing this?|But you could have won!]" said {rival}. "[Because you are hurt|A {thing} is only a {thing}]," said {hero}. "[Lean on me.|Come, we will walk.]"',
    "¶",
    "They came to the finish side by side, the last of all, and everyone [cheered|clapped]. {Friend} cheered the loudest.",
    '{Figurename} had the {colour} {thing} in {ohis} hands. {Ohe} thought for a while. "[This prize is for the best runner|The prize is for the greatest heart]," {ohe} said, and gave it to {hero}.',
    '"We will share it," said {hero}, and [{rival} smiled for the first time that day|{rival} did not know what to say].',
]

LEARN = [
    "{Hero} had one wish: {he} wanted to learn [how to play the flute|how to swim|how to bake {food}|how to paint].",
    "¶",
    "One day, {sky}, and {he} tried it for the first time at {spot}. It went [badly|terribly wrong]. A {animal} [ran away|covered its ears], and {rival} laughed until {rhe} [cried|fell over].",
    '"I will never learn it," said {hero} and [threw a stone into the water|sat down in the grass].',
    '"[Of course you will|Nobody can do it the first time]," said {friend}. "[Ask {figure}. {Ohe} taught half of us.|{Figure} can teach you.]"',
    "¶",
    "{Figurename} lived near {spot2}, behind a {colour} door. {Hero} knocked {number} times.",
    '"[Three things you will need|You need three things]," said {figurename}. "[Time, ears and a good supper|Patience, practice and a warm cup of tea]." {Ohe} gave {hero} [a {colour2} notebook|an old {colour2} chair] and said: "[Begin|Start] again."',
    "So {hero} began again. {He} practised in the morning, and {he} practised at night. {He} practised when {storm}, and even on {his} birthday.",
    'The first week was [hard|slow]. In the second week something [changed|went right]. And in week number {number}, {friend} [opened {fhis} eyes wide|forgot to eat {fhis} {food}] and said: "[That was beautiful|You did it]!"',
    "¶",
    "At the {season} feast, {hero} stood in the middle of {spot3}. {His} knees were [shaking|soft]. {He} [looked at {friend}|took a deep breath], and then {he} showed everyone what {he} had learned.",
    'Nobody laughed, not even {rival}. When it was over, {rival} came up to {him}. "[Can you teach me|How did you do that]?" {rhe} asked.',
    '{Hero} pointed to the {colour} door. "[Knock {number} times|Start there]," {he} said, "[and bring some time|and do not give up]."',
]

GIFT = [
    "¶",
    "It was the day before the birthday of {friend}, and {hero} had no present. In {his} pocket {he} had only {number} [coins|pennies], and in the shop at {spot} even the smallest {thing} cost more than that.",
    '"[What shall I do|What can I give {fhim}]?" {hero} asked {figure}.',
    '"[The best gifts are not for sale|A gift is made of time]," said {figurename}. "[Think of what {friend} likes.|What makes {friend} happy?]"',
    "{Hero} thought about it. {Friend} liked {spot2}. {Fhe} liked the colour {colour}. And most of all, {fhe} liked {food}.",
    "¶",
    "So {hero} [got up early|worked all night]. First {he} went to {spot2} and picked {number} {colour} flowers. [Sadly, a {animal} ate one of them.|A {animal} helped {him} carry them.]",
    "Then {he} baked {food}. The first one [burned|fell on the floor], the second one was [too salty|too small], but the third one was just right.",
    "Last of all, {he} took an old {colour2} box, put everything inside and tied it with a {colour} ribbon.",
    "¶",
    "[On the way|As {he} carried it to {spot3}], {storm}, and {hero} [slipped|fell]. The box was [wet|crushed], and the flowers were [bent|broken]. [{He} wanted to cry.|Tears ran down {his} face.]",
    "{Friend} was waiting at {spot3}. {Fhe} opened the {colour2} box [slowly|very carefully]. For a moment {fhe} said nothing.",
    '"You made {food}," said {friend} at last, "and you found {colour} flowers, and you came here in the rain. [Nobody has ever given me so much|It is the best present I have ever had]."',
    "They shared the {food}, and [it tasted of rain and sugar|it was still a little warm]. {Rival} came by, and {rhe} got a piece too.",
]

PLOTS = [LOST, HUNGRY, STORM, LITTLE_ONE, NIGHT, RACE, LEARN, GIFT]

ENDINGS = [
    "That evening, {hero} sat in front of {home} and looked at the stars. {He} was [tired|sleepy], but {he} was [happy|glad].",
    "And [from that day on|ever after], {hero} and {friend} met every {season} at {spot3} and told the story again.",
    "[Then|After that] they all went home, and {friend} [slept|stayed] at the house of {hero}. They talked until the moon was high. The end.",
    "And if you ever come to {spot}, [ask for {hero}|look for {hero} and {friend}]. {He} will [gladly|always] tell you how it all happened.",
    "It was a good day, and {hero} never forgot it. [The end.|And neither did {friend}.]",
]
