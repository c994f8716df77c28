"""A small language of commands for a home: lights, heating, music.

Slots are arguments, lists of phrases with commas between.  Courtesy costs something, so that of two sentences that
sound alike the plain one is taken.
"""

import pynini

from grammars.cardinals import cardinals

ROOMS = "kitchen,bedroom,living room,bathroom,hall"


def one_of(phrases: str) -> pynini.Fst:
    """Say one of some phrases that commas part.

    >>> from wfst_asr.graph.grammar_sentences import accepts
    >>> accepts(one_of("hall, living room"), "living room")
    True
    """
    found = [phrase.strip() for phrase in phrases.split(",") if phrase.strip()]
    if not found:
        raise ValueError("a slot is empty; expected phrases with commas between")
    return pynini.union(*map(pynini.escape, found))


def switch(rooms: str = ROOMS) -> pynini.Fst:
    """Switch lights: "turn on the kitchen lights", "switch the lights off in the hall"."""
    verb, state = pynini.union("turn", "switch"), pynini.union("on", "off")
    light = pynini.union("light", "lights")
    there = pynini.accep("the ") + one_of(rooms) + " " + light
    lights = pynini.accep("the ") + light
    place = (pynini.accep(" in the ") + one_of(rooms)).ques
    return pynini.union(
        verb + " " + state + " " + there,
        verb + " " + there + " " + state,
        verb + " " + state + " " + lights + place,
        verb + " " + lights + " " + state + place,
    )


def dim(rooms: str = ROOMS) -> pynini.Fst:
    """Set lights to a share: "dim the bedroom lights to forty percent"."""
    return pynini.accep("dim the ") + one_of(rooms) + " lights to " + cardinals(100, with_zero=False) + " percent"


def heat(rooms: str = ROOMS, lowest: int = 10, highest: int = 30) -> pynini.Fst:
    """Set a temperature: "set the heating in the hall to twenty one degrees".

    >>> from wfst_asr.graph.grammar_sentences import accepts
    >>> accepts(heat(), "set the heating to twenty one degrees"), accepts(heat(), "set the heating to nine degrees")
    (True, False)
    """
    degrees = pynini.difference(cardinals(highest), cardinals(lowest - 1))
    return (
        pynini.accep("set the heating")
        + (pynini.accep(" in the ") + one_of(rooms)).ques
        + " to "
        + degrees
        + " degrees"
    )


def music() -> pynini.Fst:
    """Control music: "play some music", "next song", "volume up"."""
    return pynini.union(
        pynini.accep("play") + pynini.accep(" some", weight=0.5).ques + " music",
        pynini.union("next", "previous") + " song",
        pynini.union("pause", "stop", "resume") + " the music",
        "volume " + pynini.union("up", "down"),
    )


def courtesy() -> pynini.Fst:
    """Say "please", at a cost."""
    return pynini.accep("please", weight=2.0)


def command(rooms: str = ROOMS) -> pynini.Fst:
    """Say one command; switching lights is the commonest, so the others cost more."""
    costs = ((switch(rooms), 0.5), (dim(rooms), 2.0), (heat(rooms), 2.0), (music(), 1.5))
    return pynini.union(*(pynini.accep("", weight=cost) + phrase for phrase, cost in costs))


def commands(rooms: str = ROOMS) -> pynini.Fst:
    """Say one command, with "please" before or after it if at all.

    >>> from wfst_asr.graph.grammar_sentences import accepts, sentence_cost
    >>> accepts(commands(), "turn on the living room lights please"), accepts(commands(), "turn the kitchen")
    (True, False)
    >>> sentence_cost(commands(), "next song"), sentence_cost(commands(), "please dim the hall lights to one percent")
    (1.5, 4.0)
    >>> accepts(commands(rooms="attic"), "turn off the attic light")
    True
    """
    please = courtesy()
    return pynini.union(command(rooms), please + " " + command(rooms), command(rooms) + " " + please).optimize()
