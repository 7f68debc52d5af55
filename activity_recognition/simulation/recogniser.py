"""The errors and habits of a speech recogniser."""

from __future__ import annotations

import itertools
from difflib import get_close_matches
from functools import lru_cache

import numpy as np

from activity_recognition.simulation.phrases import FILLERS, INTENTS, SLOTS

_MISHEARD = {
    'hello': ('yellow', 'fellow', 'below'),
    'hi': ('high', 'eye'),
    'hey': ('hay', 'day'),
    'help': ('held', 'kelp', 'self'),
    'hurt': ('heard', 'dirt'),
    'call': ('tall', 'cold', 'wall'),
    'doctor': ('daughter', 'docked'),
    'fire': ('buyer', 'tire'),
    'robot': ('rowboat', 'robert', 'rabbit'),
    'bring': ('ring', 'spring'),
    'please': ('peas', 'police'),
    'keys': ('cheese', 'knees'),
    'morning': ('mourning', 'warning'),
    'nice': ('ice', 'mice'),
    'weekend': ('weakened', 'we can'),
    'see': ('sea', 'seat'),
    'watch': ('what', 'wash'),
    'rain': ('reign', 'train'),
    'here': ('hear', 'ear'),
    'the': ('a', 'that'),
    'to': ('two', 'too'),
    'you': ('your', 'ewe'),
    'for': ('four', 'far'),
    'i': ('eye', 'a'),
    'are': ('our', 'or'),
    'was': ('were', 'what'),
    'need': ('knead', 'read'),
    'get': ('got', 'yet'),
    'there': ('their', 'where'),
}
_COMMON = """
about all always apple back bad band bar bell bird blue book boat box bread bus car card chair
city clock cloud coat cold corn cup dark dear desk dinner dog door down dream drive drop early
east eat end every eye face fall farm fast feet field fight fine fish floor flower food foot
form free full game garden gate girl give glass gold grass green hand hard hat head hill hold
home horse hot hour house ice iron job key kind king lake lamp land large late leaf leg letter
light line list little long lost love low lunch mail make man many map mark meat milk mind moon
more mother mouth name near neck net never new night noise north note nothing oil old open
orange order other paint paper park part past path peace pen pipe plan plant play point pool
poor post power price pull push queen quick rain read red rest rice ring river road rock roof
room round rule sail salt sand school seat seed send ship shoe shop short sign silver sing
sister sit sleep slow small smoke snow soap soft son song soon sound south space spoon spring
star start step stone stop store story street strong sun sweet table tail tall taste tea tell
ten tent test thing think time tin town trade train tree trip true turn under voice wait walk
wall war warm wash watch water way week well west wheel white wide wild wind winter wise wood
word work world write year young
"""
"""Everyday words that speech is mistaken for."""
_INSERTED = ('a', 'the', 'and', 'uh', 'of', 'in', 'it')


def mishear(rng: np.random.Generator, words: list[str], rate: float) -> tuple[list[str], int]:
    """Substitute, drop and insert words; returns them and the number of errors.

    Args:
        rng: draws it.
        words: what was said.
        rate: errors per word, 0 to 1.
    """
    heard: list[str] = []
    errors = 0
    for word in words:
        fate = float(rng.random())
        if fate >= rate:
            heard.append(word)
            continue
        errors += 1
        if fate < 0.6 * rate:
            heard.append(_similar(rng, word))
        elif fate < 0.8 * rate:
            heard += [word, _INSERTED[int(rng.integers(len(_INSERTED)))]]
    return (heard or words), errors


def _similar(rng: np.random.Generator, word: str) -> str:
    """Return a word that sounds, or else is written, much like another one."""
    choices = _MISHEARD.get(word) or _lookalikes(word)
    return choices[int(rng.integers(len(choices)))]


@lru_cache(maxsize=4096)
def _lookalikes(word: str) -> tuple[str, ...]:
    """Return the words of the simulation's vocabulary that share most letters with ``word``."""
    near = get_close_matches(word, vocabulary(), n=5, cutoff=0.5)
    return tuple(other for other in near if other != word) or _INSERTED


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """Return every word that a recogniser of the simulation can write, sorted."""
    sources = [*itertools.chain(*INTENTS.values()), *itertools.chain(*SLOTS.values())]
    words = {word for text in sources for word in text.split() if '{' not in word}
    for heard in _MISHEARD.values():
        words.update(itertools.chain(*(text.split() for text in heard)))
    return tuple(
        sorted(words.union(_COMMON.split(), *(text.split() for text in FILLERS), _INSERTED))
    )


def write(words: list[str], style: int) -> str:
    """Write a sentence the way one recogniser does: bare, with capitals, with punctuation.

    Args:
        words: of the sentence.
        style: number of the recogniser.
    """
    text = ' '.join(words)
    if style == 0:
        return text
    text = ' '.join('I' if word == 'i' else word for word in words)
    text = text[0].upper() + text[1:]
    return text if style == 1 else text + '.'
