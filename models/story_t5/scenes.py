"""The sentences of the tense grammar. `<walk>` is a verb of one person, `<walk+>` of several; grammar.py puts it into a tense.

Slots and choices are those of the story grammar (models/story/grammar.py). What stands between quotation marks has no
marked verb: it is said as it is said, whatever the tense of the story.
"""

from __future__ import annotations

IRREGULAR = {
    "be": ("is", "are", "was", "were"),
    "have": ("has", "have", "had", "had"),
    "do": ("does", "do", "did", "did"),
}

PAST = dict(
    pair.split(":")
    for pair in (
        "go:went come:came see:saw find:found take:took give:gave say:said tell:told think:thought sit:sat "
        "stand:stood run:ran hear:heard sing:sang write:wrote read:read eat:ate drink:drank sleep:slept wake:woke "
        "bring:brought buy:bought build:built feel:felt keep:kept know:knew lose:lost meet:met shine:shone "
        "throw:threw blow:blew draw:drew fall:fell forget:forgot hide:hid rise:rose send:sent shake:shook "
        "hang:hung steal:stole"
    ).split()
)

DOUBLED = {"stop", "hum", "hug", "slip", "clap", "travel"}

OPENINGS = [
    "{Hero} <be> a {feeling} {kind} who <live> {place}.",
    "In {home}, {place}, <live> a {kind} whose name <be> {hero}.",
    "{Hero} <live> in {home} and <have> a friend called {friend}, who <be> a {friendkind}.",
    "It <be> {season}, and {hero} <wake> early because a {animal} <be> at the window.",
    "Every {season}, {hero} and {friend} <travel+> to {spot} together.",
    "A {feeling} {kind} <stand> at {spot} and <wait> for {friend}.",
]

WEATHER = [
    "The sky <be> clear and the birds <sing+>.",
    "A warm wind <blow>, and nobody <be> in a hurry.",
    "It <rain>, but {hero} <do> not mind.",
    "The sun <shine> on {spot}, and the stones <be+> warm.",
    "Snow <fall>, and the roofs <be+> white.",
    "Clouds <hang+> over {spot2}, and it <smell> of rain.",
]

MIDDLES = [
    "{Hero} <walk> to {spot} and <look> for a {colour} {thing}.",
    "{Hero} and {friend} <walk+> to {spot2}, where they <meet+> {figure}.",
    "At {spot}, {hero} <find> a {colour} {thing} and <give> it to {friend}.",
    "{Friend} <take> the {colour} {thing} and <run> to {spot3}.",
    "{Hero} <carry> a {colour} basket, and in it there <be+> {number} apples.",
    "{Friend} <have> {number} coins and <buy> a {thing} for {hero}.",
    '"[Good morning|Hello|Come in]," <say> {friend}, and {hero} <smile>.',
    '"I am {feeling}," <say> {hero}, but nobody <believe> {him}.',
    '"Where is my {thing}?" <ask> {rival}, and {friend} <point> to {spot}.',
    '"[I have lost it|It was mine once]," <answer> {figurename} and <look> away.',
    '{Hero} <think> for a while. "[Let us go|We are late|I know the way]," {he} <say>.',
    "{Rival} <laugh> and <throw> a stone into the water.",
    "{Rival} <try> to open the {colour} door, but it <be> shut.",
    "{Figurename} <sit> under a tree and <read> an old book.",
    "{Figurename} <know> everyone {place} and <tell> them about the {thing}.",
    "{Figure} <show> them a map, and they <study+> it until it <be> dark.",
    "They <climb+> a hill and <see+> {spot3} in the distance.",
    "They <hear+> a noise, <stop+> at once and <hide+> behind a wall.",
    "A {animal} <watch> them and <shake> its head.",
    "A {animal} <steal> the {food}, and {hero} <chase> it to {spot2}.",
    "{Friend} <bake> {food} and <bring> it to {figure}.",
    "{Hero} <eat> the {food}, <drink> some water and <feel> better.",
    "{Hero} <write> a letter and <send> it to {rival}.",
    "{Hero} <draw> a picture of the {animal}, and {friend} <clap>.",
    "{Hero} <play> the flute while {friend} <hum> and {rival} <sleep>.",
    "{Friend} <slip> on a wet stone and <lose> a {colour} shoe.",
    "{Rival} <apologise> and <wash> the {colour2} scarf.",
    "{Hero} <forget> the time, and when {he} <come> home it <be> late.",
    "{Hero}, {friend} and {rival} <build+> a boat and <paint+> it {colour}.",
    "The {animal} and the {kind} <be+> friends, and they <play+> at {spot} all day.",
]

ENDINGS = [
    "In the evening {hero} <sit> by the fire and <tell> {friend} the whole story.",
    "Then they <go+> home, and the moon <rise> over {spot}.",
    "{Hero} <be> tired, but {he} <be> happy.",
    "{Friend} <hug> {hero}, and they <laugh+> together.",
    "At night the stars <shine+>, and everyone {place} <sleep>.",
    "{Hero} <keep> the {colour} {thing} and never <lose> it again.",
]
